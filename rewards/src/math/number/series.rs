//! Exponential, logarithm, sine, cosine and arc tangent of balls, by series in fixed point.
//!
//! Reductions of the arguments are the usual ones (Brent and Zimmermann, Modern Computer Arithmetic, chapter 4); each function states what
//! it adds to the error.

use std::cmp::Ordering;
use std::sync::OnceLock;

use num_bigint::BigInt;
use num_traits::{One, Signed, ToPrimitive, Zero};

use super::ball::Ball;
use crate::math::budget::Gap;

/// Bits after the point of the fixed-point numbers.
const WIDTH: i64 = 672;
/// The error of a series in fixed point, with room to spare.
const SLACK: i64 = -WIDTH + 24;

fn one() -> BigInt {
    BigInt::one() << WIDTH
}

/// atan z if the signs of the terms alternate, atanh z if they do not; |z| up to 1/2.
fn arc_series(z: &BigInt, alternating: bool) -> BigInt {
    let square = (z * z) >> WIDTH;
    let (mut power, mut sum, mut k) = (z.clone(), BigInt::zero(), 1_u32);
    while !power.is_zero() && power != BigInt::from(-1) {
        let term = &power / k;
        if alternating && k % 4 == 3 {
            sum -= term
        } else {
            sum += term
        }
        power = (power * &square) >> WIDTH;
        k += 2;
    }
    sum
}

/// ln 2 = 2·atanh(1/3).
fn ln2() -> &'static BigInt {
    static VALUE: OnceLock<BigInt> = OnceLock::new();
    VALUE.get_or_init(|| arc_series(&(one() / 3), false) << 1)
}

/// π = 16·atan(1/5) − 4·atan(1/239).
fn pi_fixed() -> &'static BigInt {
    static VALUE: OnceLock<BigInt> = OnceLock::new();
    VALUE.get_or_init(|| (arc_series(&(one() / 5), true) << 4) - (arc_series(&(one() / 239), true) << 2))
}

/// π.
pub(crate) fn pi() -> Result<Ball, Gap> {
    Ball::new(pi_fixed().clone(), -WIDTH, SLACK)
}

/// e^x for |x| < 256; beyond, the result is out of reach anyway.
pub(super) fn exp(x: &Ball) -> Result<Ball, Gap> {
    if x.magnitude() > 8 || x.noise() > 0 {
        return Err(Gap::Unclear);
    }
    let fixed = x.fixed(WIDTH);
    let k = &fixed / ln2();
    // |r| < ln 2, then divided by 2^8 and squared back eight times.
    let r = (fixed - &k * ln2()) >> 8;
    let (mut term, mut sum, mut n) = (one(), one(), 1_u32);
    while !term.is_zero() && term != BigInt::from(-1) {
        term = ((term * &r) >> WIDTH) / n;
        sum += &term;
        n += 1;
    }
    for _ in 0..8 {
        sum = (&sum * &sum) >> WIDTH;
    }
    let k = k.to_i64().ok_or(Gap::Unclear)?;
    let e = k - WIDTH;
    // The result is below 2^(k + 2); the squarings cost 2^9 units of the series' error.
    Ball::new(sum, e, k + 2 + x.noise().max(SLACK + 12))
}

/// ln x of a positive value.
pub(super) fn ln(x: &Ball) -> Result<Ball, Gap> {
    if x.sign()? == Ordering::Less {
        return Err(Gap::Undefined);
    }
    // x = y·2^k with y in [1/2, 1); ln y = 2·atanh((y − 1)/(y + 1)).
    let k = x.magnitude();
    let y = x.fixed(WIDTH - k);
    let z = ((&y - one()) << WIDTH) / (&y + one());
    let value = (arc_series(&z, false) << 1) + ln2() * k;
    Ball::new(value, -WIDTH, (x.noise() - k + 2).max(SLACK + 10))
}

/// Sine and cosine for |x| < 2^32.
pub(super) fn sin_cos(x: &Ball) -> Result<(Ball, Ball), Gap> {
    if x.magnitude() > 32 || x.noise() > 0 {
        return Err(Gap::Unclear);
    }
    let half_pi: BigInt = pi_fixed() >> 1;
    let fixed = x.fixed(WIDTH);
    let quarter = div_floor(&((&fixed << 1) + &half_pi), &(&half_pi << 1));
    let r: BigInt = fixed - &quarter * &half_pi;
    let square: BigInt = (&r * &r) >> WIDTH;
    let series = |first: BigInt, mut n: u32| {
        let (mut term, mut sum) = (first.clone(), first);
        while !term.is_zero() && term != BigInt::from(-1) {
            let scaled: BigInt = (&term * &square) >> WIDTH;
            term = -scaled / (n * (n + 1));
            sum += &term;
            n += 2;
        }
        sum
    };
    let (sine, cosine) = (series(r.clone(), 2), series(one(), 1));
    let turn = (&quarter % 4_i32 + 4_i32) % 4_i32;
    let (sine, cosine) = match turn.to_i64().unwrap_or(0) {
        0 => (sine, cosine),
        1 => (cosine, -sine),
        2 => (-sine, -cosine),
        _ => (-cosine, sine),
    };
    let noise = x.noise().max(SLACK + 34) + 1;
    Ok((Ball::new(sine, -WIDTH, noise)?, Ball::new(cosine, -WIDTH, noise)?))
}

/// arctan x.
pub(super) fn atan(x: &Ball) -> Result<Ball, Gap> {
    if x.magnitude() > 0 && x.sign().is_ok() {
        // arctan x = ±π/2 − arctan(1/x).
        let rest = atan_small(&x.inverse()?)?.negated();
        let half = Ball::new(pi_fixed() >> 1, -WIDTH, SLACK)?;
        return rest.plus(&if x.is_negative() { half.negated() } else { half });
    }
    atan_small(x)
}

/// arctan x for |x| up to 1: halved three times by x/(1 + √(1 + x²)), then the series.
fn atan_small(x: &Ball) -> Result<Ball, Gap> {
    let mut z = x.fixed(WIDTH);
    for _ in 0..3 {
        let square = (&z * &z) >> WIDTH;
        let root = ((one() + square) << WIDTH).sqrt();
        z = (z << WIDTH) / (one() + root);
    }
    let value = arc_series(&z, true) << 3;
    Ball::new(value, -WIDTH, x.noise().max(SLACK + 6) + 1)
}

fn div_floor(a: &BigInt, b: &BigInt) -> BigInt {
    let quotient = a / b;
    if (a % b).is_negative() { quotient - 1 } else { quotient }
}
