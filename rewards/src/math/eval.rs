//! The value of an expression at a point.

use num_bigint::BigInt;
use num_rational::BigRational;
use num_traits::One;

use super::budget::{Budget, Gap};
use super::number::{Complex, Real};
use super::tree::{Expr, Function};

/// Where an expression is evaluated.
pub(crate) trait Point {
    /// The value of a variable.
    fn value_of(&self, symbol: &str) -> BigRational;
}

/// How an expression is evaluated.
pub(crate) struct Evaluator<'a> {
    pub(crate) point: &'a dyn Point,
    /// Whether roots and logarithms of negative numbers have values.
    pub(crate) complex: bool,
    pub(crate) budget: &'a mut Budget,
}

/// The largest number whose factorial is taken.
const MAX_FACTORIAL: i64 = 1000;

impl Evaluator<'_> {
    pub(crate) fn value(&mut self, expr: &Expr) -> Result<Complex, Gap> {
        self.budget.spend(1)?;
        match expr {
            Expr::Number(value) => Ok(Real::Exact(value.clone()).into()),
            Expr::Pi => Ok(Real::pi()?.into()),
            Expr::Euler => Ok(Real::one().exp(self.budget)?.into()),
            Expr::Imaginary => Ok(Complex::i()),
            // An infinity is compared as it stands, never worked with.
            Expr::Infinity | Expr::PlusMinus(..) => Err(Gap::Unclear),
            Expr::Symbol(name) => Ok(Real::Exact(self.point.value_of(name)).into()),
            Expr::Sum(parts) => self.fold(parts, Real::zero(), Complex::plus),
            Expr::Product(parts) => self.fold(parts, Real::one(), Complex::times),
            Expr::Negative(a) => Ok(self.value(a)?.negated()),
            Expr::Quotient(a, b) => {
                let (a, b) = (self.value(a)?, self.value(b)?);
                a.over(&b, self.budget)
            }
            Expr::Power(base, exponent) => {
                let exponent = self.value(exponent)?;
                if **base == Expr::Euler {
                    return exponent.exp(self.budget);
                }
                self.value(base)?.power(&exponent, self.complex, self.budget)
            }
            Expr::Root(a, q) => {
                let exponent = Complex::from(Real::Exact(BigRational::new(BigInt::one(), (*q).max(1).into())));
                self.value(a)?.power(&exponent, self.complex, self.budget)
            }
            Expr::Choose(n, k) => {
                let (n, k) = (self.value(n)?, self.value(k)?);
                choose(n.real()?, k.real()?, self.budget).map(Into::into)
            }
            Expr::Apply(function, a) => {
                let a = self.value(a)?;
                self.apply(*function, &a)
            }
        }
    }

    fn fold(
        &mut self,
        parts: &[Expr],
        first: Real,
        step: fn(&Complex, &Complex, &mut Budget) -> Result<Complex, Gap>,
    ) -> Result<Complex, Gap> {
        let mut total = Complex::from(first);
        for part in parts {
            let part = self.value(part)?;
            total = step(&total, &part, self.budget)?;
        }
        Ok(total)
    }

    fn apply(&mut self, function: Function, a: &Complex) -> Result<Complex, Gap> {
        match function {
            Function::Exp => return a.exp(self.budget),
            Function::Absolute => return Ok(a.absolute(self.budget)?.into()),
            Function::Ln if self.complex => return a.ln(self.budget),
            _ => {}
        }
        let x = a.real()?;
        let budget = &mut *self.budget;
        let real = match function {
            Function::Sin => x.sin_cos(budget)?.0,
            Function::Cos => x.sin_cos(budget)?.1,
            Function::Tan => ratio(x.sin_cos(budget)?, budget)?,
            Function::Cot => Real::one().over(&ratio(x.sin_cos(budget)?, budget)?, budget)?,
            Function::Sec => Real::one().over(&x.sin_cos(budget)?.1, budget)?,
            Function::Csc => Real::one().over(&x.sin_cos(budget)?.0, budget)?,
            Function::Arcsin => arcsin(x, budget)?,
            Function::Arccos => Real::pi()?.over(&Real::integer(2), budget)?.minus(&arcsin(x, budget)?, budget)?,
            Function::Arctan => x.atan(budget)?,
            Function::Sinh | Function::Cosh | Function::Tanh => hyperbolic(function, x, budget)?,
            Function::Ln => x.ln(budget)?,
            Function::Floor => x.floor(budget)?,
            Function::Ceiling => x.negated().floor(budget)?.negated(),
            Function::Factorial => factorial(x, budget)?,
            Function::Exp | Function::Absolute => return Err(Gap::Unclear),
        };
        Ok(real.into())
    }
}

fn ratio((sine, cosine): (Real, Real), budget: &mut Budget) -> Result<Real, Gap> {
    sine.over(&cosine, budget)
}

/// arcsin x = arctan(x / √(1 − x²)), and ±π/2 at ±1.
fn arcsin(x: &Real, budget: &mut Budget) -> Result<Real, Gap> {
    if let Some(sign @ (1 | -1)) = x.as_integer() {
        return Real::pi()?.over(&Real::integer(2 * sign), budget);
    }
    let rest = Real::one().minus(&x.times(x, budget)?, budget)?;
    x.over(&rest.root(2, budget)?, budget)?.atan(budget)
}

fn hyperbolic(function: Function, x: &Real, budget: &mut Budget) -> Result<Real, Gap> {
    let up = x.exp(budget)?;
    let down = Real::one().over(&up, budget)?;
    let (sum, gap) = (up.plus(&down, budget)?, up.minus(&down, budget)?);
    match function {
        Function::Sinh => gap.over(&Real::integer(2), budget),
        Function::Cosh => sum.over(&Real::integer(2), budget),
        _ => gap.over(&sum, budget),
    }
}

fn factorial(x: &Real, budget: &mut Budget) -> Result<Real, Gap> {
    let Some(n @ 0..) = x.as_integer() else { return Err(Gap::Undefined) };
    if n > MAX_FACTORIAL {
        return Err(Gap::Unclear);
    }
    let mut product = Real::one();
    for k in 2..=n {
        product = product.times(&Real::integer(k), budget)?;
    }
    Ok(product)
}

fn choose(n: &Real, k: &Real, budget: &mut Budget) -> Result<Real, Gap> {
    let (Some(n @ 0..), Some(k @ 0..)) = (n.as_integer(), k.as_integer()) else { return Err(Gap::Undefined) };
    if k > n {
        return Ok(Real::zero());
    }
    let k = k.min(n - k);
    if k > MAX_FACTORIAL {
        return Err(Gap::Unclear);
    }
    let mut product = Real::one();
    for step in 1..=k {
        product = product.times(&Real::integer(n - k + step), budget)?.over(&Real::integer(step), budget)?;
    }
    Ok(product)
}
