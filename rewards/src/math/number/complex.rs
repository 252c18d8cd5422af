//! Complex numbers. A number whose imaginary part is exactly 0 is real, and stays real where the reals allow it.

use std::cmp::Ordering;

use super::Real;
use crate::math::budget::{Budget, Gap};

/// A complex number.
#[derive(Debug, Clone)]
pub(crate) struct Complex {
    pub(crate) re: Real,
    pub(crate) im: Real,
}

impl From<Real> for Complex {
    fn from(re: Real) -> Self {
        Self { re, im: Real::zero() }
    }
}

impl Complex {
    pub(crate) fn i() -> Self {
        Self { re: Real::zero(), im: Real::one() }
    }

    pub(crate) fn is_real(&self) -> bool {
        self.im.is_exact_zero()
    }

    /// The real number that this is.
    pub(crate) fn real(&self) -> Result<&Real, Gap> {
        if self.is_real() { Ok(&self.re) } else { Err(Gap::Undefined) }
    }

    pub(crate) fn negated(&self) -> Self {
        Self { re: self.re.negated(), im: self.im.negated() }
    }

    pub(crate) fn plus(&self, other: &Self, budget: &mut Budget) -> Result<Self, Gap> {
        Ok(Self { re: self.re.plus(&other.re, budget)?, im: self.im.plus(&other.im, budget)? })
    }

    pub(crate) fn times(&self, other: &Self, budget: &mut Budget) -> Result<Self, Gap> {
        if self.is_real() && other.is_real() {
            return Ok(self.re.times(&other.re, budget)?.into());
        }
        let re = self.re.times(&other.re, budget)?.minus(&self.im.times(&other.im, budget)?, budget)?;
        let im = self.re.times(&other.im, budget)?.plus(&self.im.times(&other.re, budget)?, budget)?;
        Ok(Self { re, im })
    }

    pub(crate) fn over(&self, other: &Self, budget: &mut Budget) -> Result<Self, Gap> {
        if other.is_real() {
            return Ok(Self { re: self.re.over(&other.re, budget)?, im: self.im.over(&other.re, budget)? });
        }
        let square = other.square(budget)?;
        let conjugate = Self { re: other.re.clone(), im: other.im.negated() };
        let product = self.times(&conjugate, budget)?;
        Ok(Self { re: product.re.over(&square, budget)?, im: product.im.over(&square, budget)? })
    }

    /// |z|².
    fn square(&self, budget: &mut Budget) -> Result<Real, Gap> {
        self.re.times(&self.re, budget)?.plus(&self.im.times(&self.im, budget)?, budget)
    }

    /// |z|.
    pub(crate) fn absolute(&self, budget: &mut Budget) -> Result<Real, Gap> {
        if self.is_real() { Ok(self.re.absolute()) } else { self.square(budget)?.root(2, budget) }
    }

    /// e^z.
    pub(crate) fn exp(&self, budget: &mut Budget) -> Result<Self, Gap> {
        let size = self.re.exp(budget)?;
        if self.is_real() {
            return Ok(size.into());
        }
        let (sine, cosine) = self.im.sin_cos(budget)?;
        Ok(Self { re: size.times(&cosine, budget)?, im: size.times(&sine, budget)? })
    }

    /// The principal logarithm of a number that is not 0.
    pub(crate) fn ln(&self, budget: &mut Budget) -> Result<Self, Gap> {
        Ok(Self { re: self.absolute(budget)?.ln(budget)?, im: self.angle(budget)? })
    }

    /// The angle, above −π and up to π.
    fn angle(&self, budget: &mut Budget) -> Result<Real, Gap> {
        let half = |budget: &mut Budget| Real::pi()?.over(&Real::integer(2), budget);
        let slope = |over: &Real, under: &Real, budget: &mut Budget| over.over(under, budget)?.atan(budget);
        if self.is_real() {
            return if self.re.sign()? == Ordering::Less { Real::pi() } else { Ok(Real::zero()) };
        }
        let up = self.im.sign()?;
        if !self.re.is_exact_zero() && self.re.sign()? == Ordering::Greater {
            return slope(&self.im, &self.re, budget);
        }
        // In the left half: a quarter turn from the imaginary axis, minus the slope towards it.
        let turn = slope(&self.re, &self.im, budget)?;
        let quarter = half(budget)?;
        if up == Ordering::Greater { quarter.minus(&turn, budget) } else { quarter.negated().minus(&turn, budget) }
    }

    /// z^w. A real number that has a real power keeps it (odd roots of negative numbers too); where it has none, the principal power is
    /// taken if `complex`, else there is no value.
    pub(crate) fn power(&self, exponent: &Self, complex: bool, budget: &mut Budget) -> Result<Self, Gap> {
        if let Some(n) = exponent.is_real().then(|| exponent.re.as_integer()).flatten() {
            return self.integer_power(n, budget);
        }
        if self.is_real() && self.re.is_exact_zero() {
            return if exponent.real()?.sign()? == Ordering::Greater { Ok(Real::zero().into()) } else { Err(Gap::Undefined) };
        }
        if self.is_real() && exponent.is_real() {
            match real_power(&self.re, &exponent.re, budget) {
                Err(Gap::Undefined) if complex => {}
                other => return other.map(Into::into),
            }
        } else if !complex {
            return Err(Gap::Undefined);
        }
        self.ln(budget)?.times(exponent, budget)?.exp(budget)
    }

    fn integer_power(&self, n: i64, budget: &mut Budget) -> Result<Self, Gap> {
        if self.is_real() {
            return Ok(self.re.to_integer_power(n, budget)?.into());
        }
        if n.unsigned_abs() > 512 {
            return Err(Gap::Unclear);
        }
        let mut power = Self::from(Real::one());
        for _ in 0..n.unsigned_abs() {
            power = power.times(self, budget)?;
        }
        if n < 0 { Self::from(Real::one()).over(&power, budget) } else { Ok(power) }
    }

    /// Whether two numbers are the same.
    pub(crate) fn agrees(&self, other: &Self) -> Result<bool, Gap> {
        // A part that clearly differs decides, whatever the other part says.
        match (self.re.agrees(&other.re), self.im.agrees(&other.im)) {
            (Ok(false), _) | (_, Ok(false)) => Ok(false),
            (Ok(true), Ok(true)) => Ok(true),
            (Err(gap), _) | (_, Err(gap)) => Err(gap),
        }
    }
}

/// x^y among the reals, for y that is no integer and x that is not 0.
fn real_power(x: &Real, y: &Real, budget: &mut Budget) -> Result<Real, Gap> {
    use num_traits::ToPrimitive;
    if let Real::Exact(y) = y
        && let (Some(over), Some(under)) = (y.numer().to_i64(), y.denom().to_u32())
        && under <= 64
    {
        return x.root(under, budget)?.to_integer_power(over, budget);
    }
    // Through the logarithm: of positive numbers only.
    x.ln(budget)?.times(y, budget)?.exp(budget)
}
