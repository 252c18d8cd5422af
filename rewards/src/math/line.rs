//! Sets of real numbers in a normal form, so that two ways of writing one set compare equal.
//!
//! A set is the sorted list of its cuts: places just below or just above a number where one goes in or out. [1, 2) is the cuts 1⁻ and 2⁻;
//! the point 3 is the cuts 3⁻ and 3⁺.

use std::cmp::Ordering;

use super::budget::{Budget, Gap};
use super::compare::constant;
use super::number::Real;
use super::tree::{Expr, Region};

/// The most cuts of a set.
const MAX_CUTS: usize = 200;

#[derive(Debug, Clone)]
struct Cut {
    at: Limit,
    /// Whether it lies just above its number.
    above: bool,
}

#[derive(Debug, Clone)]
enum Limit {
    Below,
    Number(Real),
    Beyond,
}

/// Whether two sets are the same. All ends must be constants.
pub(crate) fn same(a: &Region, b: &Region, budget: &mut Budget) -> Result<bool, Gap> {
    let (a, b) = (cuts(a, budget)?, cuts(b, budget)?);
    if a.len() != b.len() {
        return Ok(false);
    }
    for (a, b) in a.iter().zip(&b) {
        if order(a, b, budget)? != Ordering::Equal {
            return Ok(false);
        }
    }
    Ok(true)
}

fn cuts(region: &Region, budget: &mut Budget) -> Result<Vec<Cut>, Gap> {
    budget.spend(1)?;
    match region {
        Region::Interval { low, high, with_low, with_high } => {
            let low = Cut { at: limit(low, budget)?, above: !with_low };
            let high = Cut { at: limit(high, budget)?, above: *with_high };
            Ok(if order(&low, &high, budget)? == Ordering::Less { vec![low, high] } else { Vec::new() })
        }
        Region::Points(points) => {
            let mut total = Vec::new();
            for point in points {
                let at = Limit::Number(constant(point, budget)?);
                let point = vec![Cut { at: at.clone(), above: false }, Cut { at, above: true }];
                total = merged(&total, &point, |a, b| a || b, budget)?;
            }
            Ok(total)
        }
        Region::Union(a, b) => merged(&cuts(a, budget)?, &cuts(b, budget)?, |a, b| a || b, budget),
        Region::Intersection(a, b) => merged(&cuts(a, budget)?, &cuts(b, budget)?, |a, b| a && b, budget),
        Region::Without(a, b) => merged(&cuts(a, budget)?, &cuts(b, budget)?, |a, b| a && !b, budget),
    }
}

fn limit(expr: &Expr, budget: &mut Budget) -> Result<Limit, Gap> {
    match expr {
        Expr::Infinity => Ok(Limit::Beyond),
        Expr::Negative(inner) if **inner == Expr::Infinity => Ok(Limit::Below),
        number => Ok(Limit::Number(constant(number, budget)?)),
    }
}

/// Walks along both lists of cuts and keeps those where membership changes.
fn merged(a: &[Cut], b: &[Cut], keep: fn(bool, bool) -> bool, budget: &mut Budget) -> Result<Vec<Cut>, Gap> {
    let (mut i, mut j, mut inside) = (0, 0, false);
    let mut total = Vec::new();
    while i < a.len() || j < b.len() {
        let next = match (a.get(i), b.get(j)) {
            (Some(x), Some(y)) => order(x, y, budget)?,
            (Some(_), None) => Ordering::Less,
            _ => Ordering::Greater,
        };
        let cut = if next == Ordering::Greater { &b[j] } else { &a[i] };
        i += usize::from(next != Ordering::Greater);
        j += usize::from(next != Ordering::Less);
        // Behind an odd number of its cuts one is inside a set.
        let now = keep(i % 2 == 1, j % 2 == 1);
        if now != inside {
            total.push(cut.clone());
            inside = now;
        }
    }
    if total.len() > MAX_CUTS { Err(Gap::Unclear) } else { Ok(total) }
}

fn order(a: &Cut, b: &Cut, budget: &mut Budget) -> Result<Ordering, Gap> {
    let place = |limit: &Limit| match limit {
        Limit::Below => -1,
        Limit::Number(_) => 0,
        Limit::Beyond => 1,
    };
    let (Limit::Number(x), Limit::Number(y)) = (&a.at, &b.at) else { return Ok(place(&a.at).cmp(&place(&b.at))) };
    if x.agrees(y)? {
        return Ok(a.above.cmp(&b.above));
    }
    x.minus(y, budget)?.sign()
}
