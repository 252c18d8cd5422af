//! A real number: an exact rational, or a ball where roots, π or functions came in.

use std::cmp::Ordering;

use num_bigint::BigInt;
use num_rational::BigRational;
use num_traits::{One, Pow, Signed, ToPrimitive, Zero};

use super::ball::{self, Ball};
use super::series;
use crate::math::budget::{Budget, Gap};

/// The most bits of a numerator or denominator. What is larger is out of reach.
const MAX_BITS: i64 = 1 << 14;
/// The price of a function by series.
const SERIES: u64 = 400;

/// A real number.
#[derive(Debug, Clone)]
pub(crate) enum Real {
    /// A rational number.
    Exact(BigRational),
    /// A number known to some hundred bits.
    Ball(Ball),
}

use Real::{Ball as Near, Exact};

impl Real {
    pub(crate) fn zero() -> Self {
        Exact(BigRational::zero())
    }

    pub(crate) fn one() -> Self {
        Exact(BigRational::one())
    }

    pub(crate) fn integer(n: i64) -> Self {
        Exact(BigRational::from_integer(n.into()))
    }

    pub(crate) fn pi() -> Result<Self, Gap> {
        Ok(Near(series::pi()?))
    }

    pub(crate) fn is_exact_zero(&self) -> bool {
        matches!(self, Exact(value) if value.is_zero())
    }

    fn ball(&self) -> Result<Ball, Gap> {
        match self {
            Exact(value) => Ball::exact(value),
            Near(ball) => Ok(ball.clone()),
        }
    }

    /// The sign; an error where rounding leaves a doubt.
    pub(crate) fn sign(&self) -> Result<Ordering, Gap> {
        match self {
            Exact(value) => Ok(value.cmp(&BigRational::zero())),
            Near(ball) => ball.sign(),
        }
    }

    pub(crate) fn negated(&self) -> Self {
        match self {
            Exact(value) => Exact(-value),
            Near(ball) => Near(ball.negated()),
        }
    }

    pub(crate) fn plus(&self, other: &Self, budget: &mut Budget) -> Result<Self, Gap> {
        match (self, other) {
            (Exact(a), Exact(b)) => affordable(a, b, budget).map(|()| Exact(a + b)),
            (a, b) if a.is_exact_zero() => Ok(b.clone()),
            (a, b) if b.is_exact_zero() => Ok(a.clone()),
            (a, b) => budget.spend(4).and_then(|()| Ok(Near(a.ball()?.plus(&b.ball()?)?))),
        }
    }

    pub(crate) fn minus(&self, other: &Self, budget: &mut Budget) -> Result<Self, Gap> {
        self.plus(&other.negated(), budget)
    }

    pub(crate) fn times(&self, other: &Self, budget: &mut Budget) -> Result<Self, Gap> {
        match (self, other) {
            (Exact(a), Exact(b)) => affordable(a, b, budget).map(|()| Exact(a * b)),
            (a, b) if a.is_exact_zero() || b.is_exact_zero() => Ok(Self::zero()),
            (a, b) => budget.spend(4).and_then(|()| Ok(Near(a.ball()?.times(&b.ball()?)?))),
        }
    }

    pub(crate) fn over(&self, other: &Self, budget: &mut Budget) -> Result<Self, Gap> {
        match (self, other) {
            (_, Exact(b)) if b.is_zero() => Err(Gap::Undefined),
            (Exact(a), Exact(b)) => affordable(a, b, budget).map(|()| Exact(a / b)),
            (a, b) => budget.spend(8).and_then(|()| Ok(Near(a.ball()?.times(&b.ball()?.inverse()?)?))),
        }
    }

    /// x^n.
    pub(crate) fn to_integer_power(&self, n: i64, budget: &mut Budget) -> Result<Self, Gap> {
        if n < 0 {
            let power = self.to_integer_power(n.checked_neg().ok_or(Gap::Unclear)?, budget)?;
            return Self::one().over(&power, budget);
        }
        if n == 0 {
            // 0^0 is left open: whoever meets it must not agree by accident.
            return if self.is_exact_zero() { Err(Gap::Undefined) } else { Ok(Self::one()) };
        }
        if let Exact(value) = self
            && ball::bits(value.numer()).max(ball::bits(value.denom())) > 1
            && n > MAX_BITS
        {
            return Err(Gap::Unclear);
        }
        let (mut square, mut power, mut rest) = (self.clone(), None::<Self>, n);
        loop {
            if rest & 1 == 1 {
                power = Some(match power {
                    None => square.clone(),
                    Some(power) => power.times(&square, budget)?,
                });
            }
            rest >>= 1;
            if rest == 0 {
                return power.ok_or(Gap::Unclear);
            }
            square = square.times(&square, budget)?;
        }
    }

    /// The real q-th root: of a negative number only for odd q.
    pub(crate) fn root(&self, q: u32, budget: &mut Budget) -> Result<Self, Gap> {
        if self.is_exact_zero() || q == 1 {
            return Ok(self.clone());
        }
        if q == 0 {
            return Err(Gap::Undefined);
        }
        if self.sign()? == Ordering::Less {
            return if q % 2 == 1 { Ok(self.negated().root(q, budget)?.negated()) } else { Err(Gap::Undefined) };
        }
        budget.spend(SERIES)?;
        if let Exact(value) = self
            && let (Some(over), Some(under)) = (perfect_root(value.numer(), q), perfect_root(value.denom(), q))
        {
            return Ok(Exact(BigRational::new(over, under)));
        }
        let ball = self.ball()?;
        if q == 2 {
            return Ok(Near(ball.root()?));
        }
        let log = Near(series::ln(&ball)?);
        log.over(&Self::integer(q.into()), budget)?.exp(budget)
    }

    pub(crate) fn exp(&self, budget: &mut Budget) -> Result<Self, Gap> {
        if self.is_exact_zero() {
            return Ok(Self::one());
        }
        budget.spend(SERIES)?;
        Ok(Near(series::exp(&self.ball()?)?))
    }

    /// The natural logarithm of a positive number.
    pub(crate) fn ln(&self, budget: &mut Budget) -> Result<Self, Gap> {
        if self.sign()? != Ordering::Greater {
            return Err(Gap::Undefined);
        }
        if matches!(self, Exact(value) if value.is_one()) {
            return Ok(Self::zero());
        }
        budget.spend(SERIES)?;
        Ok(Near(series::ln(&self.ball()?)?))
    }

    /// Sine and cosine.
    pub(crate) fn sin_cos(&self, budget: &mut Budget) -> Result<(Self, Self), Gap> {
        if self.is_exact_zero() {
            return Ok((Self::zero(), Self::one()));
        }
        budget.spend(SERIES)?;
        let (sine, cosine) = series::sin_cos(&self.ball()?)?;
        Ok((Near(sine), Near(cosine)))
    }

    pub(crate) fn atan(&self, budget: &mut Budget) -> Result<Self, Gap> {
        if self.is_exact_zero() {
            return Ok(Self::zero());
        }
        budget.spend(SERIES)?;
        Ok(Near(series::atan(&self.ball()?)?))
    }

    pub(crate) fn floor(&self, budget: &mut Budget) -> Result<Self, Gap> {
        budget.spend(1)?;
        Ok(Exact(match self {
            Exact(value) => value.floor(),
            Near(ball) => BigRational::from_integer(ball.floor()?),
        }))
    }

    pub(crate) fn absolute(&self) -> Self {
        match self {
            Exact(value) => Exact(value.abs()),
            Near(ball) if ball.is_negative() => Near(ball.negated()),
            Near(ball) => Near(ball.clone()),
        }
    }

    /// The value as a small integer, if it is one exactly.
    pub(crate) fn as_integer(&self) -> Option<i64> {
        match self {
            Exact(value) if value.is_integer() => value.to_integer().to_i64(),
            _ => None,
        }
    }

    /// Whether two numbers are the same.
    pub(crate) fn agrees(&self, other: &Self) -> Result<bool, Gap> {
        match (self, other) {
            (Exact(a), Exact(b)) => Ok(a == b),
            (a, b) => a.ball()?.agrees(&b.ball()?),
        }
    }
}

/// Pays for an exact operation, by the square of its operands' lengths (the reduction to lowest terms costs that).
fn affordable(a: &BigRational, b: &BigRational, budget: &mut Budget) -> Result<(), Gap> {
    let longest = [a.numer(), a.denom(), b.numer(), b.denom()].into_iter().map(ball::bits).max().unwrap_or(0);
    if longest > MAX_BITS {
        return Err(Gap::Unclear);
    }
    let words = u64::try_from(longest / 64 + 1).unwrap_or(u64::MAX);
    budget.spend(1 + words * words / 4)
}

/// The q-th root of a positive integer, if it is an integer.
fn perfect_root(value: &BigInt, q: u32) -> Option<BigInt> {
    let root = value.nth_root(q);
    (Pow::pow(&root, q) == *value).then_some(root)
}
