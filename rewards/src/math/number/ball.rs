//! Real numbers with 512 bits and a bound of their error, so that agreement by rounding and agreement in truth are told apart.

use std::cmp::Ordering;

use num_bigint::{BigInt, Sign};
use num_rational::BigRational;
use num_traits::{Signed, Zero};

use crate::math::budget::Gap;

/// Bits that are kept of a value.
pub(crate) const BITS: i64 = 512;
/// Values of a magnitude outside 2^±RANGE are out of reach: beside them, a difference could hide below the error.
const RANGE: i64 = 256;
/// The smallest significance with which two values can agree: their errors lie this many bits below them (or below 1).
const AGREE: i64 = 300;

/// The number m · 2^e, wrong by less than 2^noise.
#[derive(Debug, Clone)]
pub(crate) struct Ball {
    m: BigInt,
    e: i64,
    noise: i64,
}

impl Ball {
    /// From its parts, rounded to [`BITS`].
    pub(super) fn new(m: BigInt, e: i64, noise: i64) -> Result<Self, Gap> {
        let mut ball = Self { m, e, noise };
        let excess = bits(&ball.m) - BITS;
        if excess > 0 {
            ball.m >>= excess;
            ball.e += excess;
            ball.noise = ball.noise.max(ball.e) + 1;
        }
        let size = ball.magnitude();
        let kept = size <= RANGE && (size >= -RANGE || size <= ball.noise);
        if kept { Ok(ball) } else { Err(Gap::Unclear) }
    }

    pub(super) fn exact(value: &BigRational) -> Result<Self, Gap> {
        let (over, under) = (bits(value.numer()), bits(value.denom()));
        if value.is_zero() {
            return Ok(Self { m: BigInt::zero(), e: 0, noise: -4 * BITS });
        }
        // An exact value with more digits than are kept would lose some without a sign of it.
        if over > BITS || under > BITS {
            return Err(Gap::Unclear);
        }
        let shift = BITS + 8 + under - over;
        let (m, e) = if shift > 0 { (value.numer() << shift, -shift) } else { (value.numer().clone(), 0) };
        Self::new(m / value.denom(), e, e + 1)
    }

    /// The smallest k with |value| < 2^k.
    pub(super) fn magnitude(&self) -> i64 {
        if self.m.is_zero() { i64::MIN / 4 } else { bits(&self.m) + self.e }
    }

    pub(super) fn noise(&self) -> i64 {
        self.noise
    }

    /// The sign, if the error leaves no doubt of it.
    pub(super) fn sign(&self) -> Result<Ordering, Gap> {
        if self.magnitude() <= self.noise + 1 {
            return Err(Gap::Unclear);
        }
        Ok(if self.m.is_negative() { Ordering::Less } else { Ordering::Greater })
    }

    /// The value as an integer multiple of 2^-width.
    pub(super) fn fixed(&self, width: i64) -> BigInt {
        let shift = self.e + width;
        if shift >= 0 { &self.m << shift } else { &self.m >> -shift }
    }

    pub(super) fn negated(&self) -> Self {
        Self { m: -&self.m, ..*self }
    }

    pub(super) fn is_negative(&self) -> bool {
        self.m.is_negative()
    }

    pub(super) fn plus(&self, other: &Self) -> Result<Self, Gap> {
        let e = self.e.min(other.e);
        let m = (&self.m << (self.e - e)) + (&other.m << (other.e - e));
        Self::new(m, e, self.noise.max(other.noise) + 1)
    }

    pub(super) fn times(&self, other: &Self) -> Result<Self, Gap> {
        let noise = (self.bound() + other.noise).max(other.bound() + self.noise) + 1;
        Self::new(&self.m * &other.m, self.e + other.e, noise)
    }

    /// 1 / value.
    pub(super) fn inverse(&self) -> Result<Self, Gap> {
        self.sign()?;
        let size = self.magnitude();
        let shift = BITS + 8 + bits(&self.m);
        let m = (BigInt::from(1) << shift) / &self.m;
        let e = -shift - self.e;
        // |1/(x+d) − 1/x| < |d| / (x² / 2), and x² > 2^(2·size − 2).
        Self::new(m, e, (self.noise - 2 * size + 3).max(e + 1))
    }

    /// The square root of a positive value.
    pub(super) fn root(&self) -> Result<Self, Gap> {
        if self.sign()? == Ordering::Less {
            return Err(Gap::Undefined);
        }
        let mut shift = 2 * BITS + 16 - bits(&self.m);
        if (self.e - shift) % 2 != 0 {
            shift += 1;
        }
        let m = if shift >= 0 { &self.m << shift } else { &self.m >> -shift };
        let e = (self.e - shift) / 2;
        let size = self.magnitude();
        Self::new(m.sqrt(), e, (self.noise - (size - 1).div_euclid(2) + 1).max(e + 1))
    }

    /// The integer next below, if the error leaves no doubt of it.
    pub(super) fn floor(&self) -> Result<BigInt, Gap> {
        let width = 64;
        let at = |nudge: i64| (self.fixed(width) + nudge) >> width;
        if self.noise > -width || at(-2) != at(2) { Err(Gap::Unclear) } else { Ok(at(0)) }
    }

    /// Whether two values are the same number as far as their errors tell.
    pub(super) fn agrees(&self, other: &Self) -> Result<bool, Gap> {
        let gap = self.plus(&other.negated())?;
        if gap.magnitude() > gap.noise + 1 {
            return Ok(false);
        }
        let size = self.magnitude().max(other.magnitude());
        if gap.noise <= size.max(0) - AGREE { Ok(true) } else { Err(Gap::Unclear) }
    }

    /// A magnitude that bounds value and error.
    fn bound(&self) -> i64 {
        self.magnitude().max(self.noise) + 1
    }
}

/// How many bits a number has.
pub(super) fn bits(value: &BigInt) -> i64 {
    if value.sign() == Sign::NoSign { 0 } else { i64::try_from(value.bits()).unwrap_or(i64::MAX / 8) }
}
