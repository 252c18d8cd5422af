//! Whether two answers say the same.
//!
//! Everything here is symmetric, and what cannot be shown to agree does not agree.

use std::cmp::Ordering;
use std::collections::BTreeSet;

use num_bigint::BigInt;
use num_rational::BigRational;

use super::budget::{Budget, Gap};
use super::eval::{Evaluator, Point};
use super::line;
use super::number::{Complex, Real};
use super::points::Seeded;
use super::read::LABEL;
use super::shape::region;
use super::tree::{Answer, Expr, Function, Quantity, Region};
use super::unit::Unit;

/// How many points must agree, of how many that are tried.
const AGREEMENTS: usize = 6;
const ROUNDS: u64 = 24;

/// Whether two answers say the same.
pub(crate) fn same(a: &Answer, b: &Answer, budget: &mut Budget) -> Result<bool, Gap> {
    if a == b {
        return Ok(true);
    }
    budget.spend(1)?;
    match one_way(a, b, budget) {
        Some(verdict) => verdict,
        None => one_way(b, a, budget).unwrap_or(Ok(false)),
    }
}

/// The rules that take the simpler answer second; `None` if no rule fits in this order.
fn one_way(a: &Answer, b: &Answer, budget: &mut Budget) -> Option<Result<bool, Gap>> {
    Some(match (a, b) {
        (Answer::Choice(x, xs), Answer::Choice(y, ys)) => match (xs, ys) {
            _ if x != y => Ok(false),
            (Some(xs), Some(ys)) => same(xs, ys, budget),
            _ => Ok(true),
        },
        (Answer::Choice(letter, rest), b) => match (b, rest) {
            (Answer::Value(Quantity { expr: Expr::Symbol(name), unit: None }), _) if *name == letter.to_string() => Ok(true),
            (b, Some(rest)) => same(rest, b, budget),
            (_, None) => Ok(false),
        },
        (Answer::Named(x, inner), Answer::Named(y, other)) => {
            // A label in words and a variable may mean the same; two labels or two variables must be the same.
            let fits = x == y || x.starts_with(LABEL) != y.starts_with(LABEL);
            match same(inner, other, budget) {
                Ok(true) if fits => Ok(true),
                _ => same_equation(a, b, budget),
            }
        }
        (Answer::Named(..) | Answer::Equation(..), Answer::Equation(..)) => same_equation(a, b, budget),
        (Answer::Named(..) | Answer::Inequality(..), Answer::Inequality(..)) => same_inequality(a, b, budget),
        (Answer::Named(_, inner), b) => same(inner, b, budget),
        (Answer::Value(a), Answer::Value(b)) => same_quantity(a, b, budget),
        (Answer::Equation(left, right), Answer::Value(Quantity { expr, unit: None })) => {
            // An identity (a simplification step by step) is the value of both its sides.
            both(same_expr(left, right, budget), |budget| same_expr(right, expr, budget), budget)
        }
        (Answer::Tuple(x), Answer::Tuple(y)) => in_order(x, y, budget),
        (Answer::Tuple(x), Answer::List(y)) => match by_name(y) {
            Some(y) => in_order(x, &y, budget),
            None => Ok(false),
        },
        (Answer::List(x), Answer::List(y)) => pair_off(x, y, budget),
        (Answer::List(x) | Answer::Set(x), Answer::List(y) | Answer::Set(y)) => match_all(x, y, budget),
        (Answer::Set(x), b @ Answer::Value(_)) if x.len() == 1 => same(&x[0], b, budget),
        // `1/2 or 0.5` says one thing twice.
        (Answer::List(x), b @ Answer::Value(_)) => Ok(!x.is_empty() && x.iter().all(|part| same(part, b, budget) == Ok(true))),
        (Answer::Closed(a, b), Answer::Closed(x, y)) => both(same_expr(a, x, budget), |budget| same_expr(b, y, budget), budget),
        (Answer::Region(x), b) => match region(b.clone()) {
            Some(y) => same_region(x, &y, budget),
            None => return None,
        },
        (Answer::Matrix(x), Answer::Matrix(y)) => same_matrix(x, y, budget),
        (Answer::Ratio(x), Answer::Ratio(y)) => same_ratio(x, y, budget),
        (Answer::Ratio(x), Answer::Value(Quantity { expr, unit: None })) if x.len() == 2 => {
            let quotient = Expr::Quotient(Box::new(x[0].clone()), Box::new(x[1].clone()));
            same_expr(&quotient, expr, budget)
        }
        (Answer::Text(x), Answer::Text(y)) => Ok(x == y),
        _ => return None,
    })
}

fn both(first: Result<bool, Gap>, second: impl FnOnce(&mut Budget) -> Result<bool, Gap>, budget: &mut Budget) -> Result<bool, Gap> {
    if first? { second(budget) } else { Ok(false) }
}

fn in_order(a: &[Answer], b: &[Answer], budget: &mut Budget) -> Result<bool, Gap> {
    if a.len() != b.len() {
        return Ok(false);
    }
    for (a, b) in a.iter().zip(b) {
        if !same(a, b, budget)? {
            return Ok(false);
        }
    }
    Ok(true)
}

/// The parts of a list as coordinates: as they stand, or by their names in alphabetical order. `None` if a name comes twice: then they are
/// several values of one variable.
fn by_name(parts: &[Answer]) -> Option<Vec<Answer>> {
    let name = |part: &Answer| match part {
        Answer::Named(name, _) if !name.starts_with(LABEL) => Some(name.clone()),
        _ => None,
    };
    let mut sorted = parts.to_vec();
    if parts.iter().all(|part| name(part).is_some()) {
        sorted.sort_by_key(name);
        if sorted.windows(2).any(|two| name(&two[0]) == name(&two[1])) {
            return None;
        }
    }
    Some(sorted)
}

/// Whether every part of one has a part of the other for itself.
fn pair_off(a: &[Answer], b: &[Answer], budget: &mut Budget) -> Result<bool, Gap> {
    if a.len() != b.len() {
        return Ok(false);
    }
    let mut left: Vec<&Answer> = b.iter().collect();
    for part in a {
        budget.spend(1)?;
        let Some(at) = left.iter().position(|other| same(part, other, budget).unwrap_or(false)) else { return Ok(false) };
        left.swap_remove(at);
    }
    Ok(true)
}

/// Whether every part of one is a part of the other, and the other way round. A pair that is unclear is no agreement, but another part may
/// agree yet.
fn match_all(a: &[Answer], b: &[Answer], budget: &mut Budget) -> Result<bool, Gap> {
    for (parts, others) in [(a, b), (b, a)] {
        for part in parts {
            let mut found = false;
            for other in others {
                found = found || same(part, other, budget).unwrap_or(false);
            }
            budget.spend(1)?;
            if !found {
                return Ok(false);
            }
        }
    }
    Ok(true)
}

/// Two quantities. A unit that one of them leaves out is no difference; a percent sign is a unit or a hundredth, whichever fits.
fn same_quantity(a: &Quantity, b: &Quantity, budget: &mut Budget) -> Result<bool, Gap> {
    let scaled = |expr: &Expr, by: BigRational| Expr::Product(vec![expr.clone(), Expr::Number(by)]);
    // `5 m` in plain text: beside an answer with a unit, the letter is one.
    let lettered = match (&a.unit, &b.unit) {
        (Some(_), None) => with_unit(b).map(|b| (a, b)),
        (None, Some(_)) => with_unit(a).map(|a| (b, a)),
        _ => None,
    };
    if let Some((a, b)) = lettered {
        return same_quantity(a, &b, budget);
    }
    match (&a.unit, &b.unit) {
        (Some(x), Some(y)) if x.same_kind(y) => same_expr(&scaled(&a.expr, x.factor.clone()), &scaled(&b.expr, y.factor.clone()), budget),
        (Some(_), Some(_)) => Ok(false),
        (Some(unit), None) | (None, Some(unit)) if unit.is_percent() => {
            if same_expr(&a.expr, &b.expr, budget)? {
                return Ok(true);
            }
            let hundredth = BigRational::new(1.into(), 100.into());
            if a.unit.is_some() {
                same_expr(&scaled(&a.expr, hundredth), &b.expr, budget)
            } else {
                same_expr(&a.expr, &scaled(&b.expr, hundredth), budget)
            }
        }
        _ => same_expr(&a.expr, &b.expr, budget),
    }
}

/// A number times a letter that is the sign of a unit, as a quantity.
fn with_unit(quantity: &Quantity) -> Option<Quantity> {
    let Expr::Product(parts) = &quantity.expr else { return None };
    let [numbers @ .., Expr::Symbol(letter)] = &parts[..] else { return None };
    let number = numbers.iter().all(|part| !part.any(&|part| matches!(part, Expr::Symbol(_))));
    let unit = Unit::known(letter).filter(|_| number)?;
    Some(Quantity { expr: Expr::Product(numbers.to_vec()), unit: Some(unit) })
}

fn same_region(a: &Region, b: &Region, budget: &mut Budget) -> Result<bool, Gap> {
    use Region::Interval;
    if let (
        Interval { low: a_low, high: a_high, with_low: a_with_low, with_high: a_with_high },
        Interval { low: b_low, high: b_high, with_low: b_with_low, with_high: b_with_high },
    ) = (a, b)
    {
        // Ends may have variables here.
        if (a_with_low, a_with_high) != (b_with_low, b_with_high) {
            return Ok(false);
        }
        return both(same_expr(a_low, b_low, budget), |budget| same_expr(a_high, b_high, budget), budget);
    }
    line::same(a, b, budget)
}

fn same_matrix(a: &[Vec<Expr>], b: &[Vec<Expr>], budget: &mut Budget) -> Result<bool, Gap> {
    if a.len() != b.len() || a.iter().zip(b).any(|(a, b)| a.len() != b.len()) {
        return Ok(false);
    }
    for (a, b) in a.iter().flatten().zip(b.iter().flatten()) {
        if !same_expr(a, b, budget)? {
            return Ok(false);
        }
    }
    Ok(true)
}

/// a : b = c : d where a·d = b·c, for each two neighbours.
fn same_ratio(a: &[Expr], b: &[Expr], budget: &mut Budget) -> Result<bool, Gap> {
    if a.len() != b.len() {
        return Ok(false);
    }
    for (a, b) in a.windows(2).zip(b.windows(2)) {
        let product = |x: &Expr, y: &Expr| Expr::Product(vec![x.clone(), y.clone()]);
        if !same_expr(&product(&a[0], &b[1]), &product(&a[1], &b[0]), budget)? {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Whether two expressions have the same value, at every point where one of them has any.
pub(crate) fn same_expr(a: &Expr, b: &Expr, budget: &mut Budget) -> Result<bool, Gap> {
    if a == b {
        return Ok(true);
    }
    let space = Space::of(&[a, b]);
    let mut agreements = 0;
    for point in space.points() {
        match (space.value(a, &point, budget), space.value(b, &point, budget)) {
            (Ok(x), Ok(y)) => match x.agrees(&y) {
                Ok(true) => agreements += 1,
                Ok(false) => return Ok(false),
                Err(_) => {}
            },
            // One has a value where the other has none.
            (Ok(_), Err(Gap::Undefined)) | (Err(Gap::Undefined), Ok(_)) => return Ok(false),
            _ => {}
        }
        if agreements >= space.needed() {
            return Ok(true);
        }
        if budget.left() == 0 {
            break;
        }
    }
    Err(Gap::Unclear)
}

/// Whether two equations have the same solutions because their sides differ by the same thing up to a constant factor.
fn same_equation(a: &Answer, b: &Answer, budget: &mut Budget) -> Result<bool, Gap> {
    let (Some(a), Some(b)) = (difference(a), difference(b)) else { return Ok(false) };
    Ok(factor(&a, &b, budget)?.is_some())
}

/// Whether two inequalities have the same solutions because their sides differ by the same thing up to a positive factor.
fn same_inequality(a: &Answer, b: &Answer, budget: &mut Budget) -> Result<bool, Gap> {
    let (Some((a, strict)), Some((b, other))) = (positive(a), positive(b)) else { return Ok(false) };
    if strict != other {
        return Ok(false);
    }
    let factor = factor(&a, &b, budget)?;
    Ok(factor.is_some_and(|factor| factor.real().and_then(Real::sign) == Ok(Ordering::Greater)))
}

/// What must be positive (or 0, where the inequality is not strict).
fn positive(answer: &Answer) -> Option<(Expr, bool)> {
    let minus = |a: Expr, b: Expr| Expr::Sum(vec![a, Expr::Negative(Box::new(b))]);
    match answer {
        Answer::Inequality(expr, strict) => Some((expr.clone(), *strict)),
        Answer::Named(name, inner) => match &**inner {
            Answer::Region(Region::Interval { low, high: Expr::Infinity, with_low, .. }) => {
                Some((minus(Expr::Symbol(name.clone()), low.clone()), !with_low))
            }
            Answer::Region(Region::Interval { low: Expr::Negative(low), high, with_high, .. }) if **low == Expr::Infinity => {
                Some((minus(high.clone(), Expr::Symbol(name.clone())), !with_high))
            }
            _ => None,
        },
        _ => None,
    }
}

/// The constant that a is b times, if there is one and it is not 0.
fn factor(a: &Expr, b: &Expr, budget: &mut Budget) -> Result<Option<Complex>, Gap> {
    let space = Space::of(&[a, b]);
    if !space.variables {
        return Ok(None);
    }
    let mut first: Option<Complex> = None;
    let mut agreements = 0;
    for point in space.points() {
        let (x, y) = match (space.value(a, &point, budget), space.value(b, &point, budget)) {
            (Ok(x), Ok(y)) => (x, y),
            (Err(Gap::Unclear), _) | (_, Err(Gap::Unclear)) | (Err(_), Err(_)) => continue,
            _ => return Ok(None),
        };
        let Ok(ratio) = x.over(&y, budget) else { continue };
        match &first {
            // A factor of 0 would say that one of them holds always.
            None if ratio.agrees(&Real::zero().into()) != Ok(false) => return Ok(None),
            None => first = Some(ratio),
            Some(first) => match ratio.agrees(first) {
                Ok(true) => agreements += 1,
                Ok(false) => return Ok(None),
                Err(_) => {}
            },
        }
        if agreements >= AGREEMENTS {
            return Ok(first);
        }
    }
    Err(Gap::Unclear)
}

/// Left side − right side.
fn difference(answer: &Answer) -> Option<Expr> {
    let minus = |a: Expr, b: &Expr| Expr::Sum(vec![a, Expr::Negative(Box::new(b.clone()))]);
    match answer {
        Answer::Equation(a, b) => Some(minus(a.clone(), b)),
        Answer::Named(name, inner) => match &**inner {
            Answer::Value(Quantity { expr, unit: None }) if !name.starts_with(LABEL) => Some(minus(Expr::Symbol(name.clone()), expr)),
            _ => None,
        },
        _ => None,
    }
}

/// Where expressions are compared.
struct Space {
    variables: bool,
    /// The variables of factorials and binomials: they are whole numbers.
    whole: BTreeSet<String>,
    complex: bool,
}

impl Space {
    fn of(exprs: &[&Expr]) -> Self {
        let any = |wanted: &dyn Fn(&Expr) -> bool| exprs.iter().any(|expr| expr.any(wanted));
        let mut whole = BTreeSet::new();
        exprs.iter().for_each(|expr| counted(expr, false, &mut whole));
        let variables = any(&|part| matches!(part, Expr::Symbol(_)));
        Self { variables, whole, complex: any(&|part| *part == Expr::Imaginary) }
    }

    fn points(&self) -> impl Iterator<Item = Seeded<'_>> {
        (0..if self.variables { ROUNDS } else { 1 }).map(|round| Seeded { round, whole: &self.whole })
    }

    fn needed(&self) -> usize {
        if self.variables { AGREEMENTS } else { 1 }
    }

    fn value(&self, expr: &Expr, point: &Seeded<'_>, budget: &mut Budget) -> Result<Complex, Gap> {
        Evaluator { point, complex: self.complex, budget }.value(expr)
    }
}

/// Collects the variables that stand inside factorials and binomials.
fn counted(expr: &Expr, inside: bool, found: &mut BTreeSet<String>) {
    let inside = inside || matches!(expr, Expr::Apply(Function::Factorial, _) | Expr::Choose(..));
    match expr {
        Expr::Symbol(name) if inside => {
            found.insert(name.clone());
        }
        other => other.children().into_iter().for_each(|part| counted(part, inside, found)),
    }
}

/// The value of a real constant.
pub(crate) fn constant(expr: &Expr, budget: &mut Budget) -> Result<Real, Gap> {
    struct Nowhere;
    impl Point for Nowhere {
        fn value_of(&self, _: &str) -> BigRational {
            BigRational::from_integer(BigInt::ZERO)
        }
    }
    if expr.any(&|part| matches!(part, Expr::Symbol(_))) {
        return Err(Gap::Unclear);
    }
    let value = Evaluator { point: &Nowhere, complex: false, budget }.value(expr)?;
    value.real().cloned()
}
