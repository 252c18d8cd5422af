//! Every algorithm against `tests/data/independent.py` (see [`crate::goldens`]).

use crate::goldens::{GoldenError, distance};
use crate::{Family, find, roster};

/// Asserts that an algorithm of the family has the stored values.
fn check(name: &str, family: Family) {
    assert_eq!(find(name).unwrap().card.family, family, "{name}");
    let far = distance(name).unwrap();
    assert!(far.holds(), "{name}: {far:?}");
}

/// Credit, loss and all gradients of an online algorithm.
pub(crate) fn online(name: &str) {
    check(name, Family::Online);
}

/// Loss and gradients of a loss of pairs.
pub(crate) fn pairs(name: &str) {
    check(name, Family::Pairs);
}

/// Loss and gradient of a loss of labelled answers.
pub(crate) fn labelled(name: &str) {
    check(name, Family::Labelled);
}

/// Loss and gradient of a loss of demonstrations.
pub(crate) fn demonstrations(name: &str) {
    check(name, Family::Demonstrations);
}

/// Loss and gradients of a reward model.
pub(crate) fn comparisons(name: &str) {
    check(name, Family::Comparisons);
}

#[test]
fn every_algorithm_has_independent_values() {
    let none = |name: &&str| matches!(distance(name), Err(GoldenError::NoCase(_)));
    let without: Vec<_> = roster().iter().map(|e| e.card.name).filter(none).collect();
    assert!(without.is_empty(), "{without:?}");
}
