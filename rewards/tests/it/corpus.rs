//! The mathematical verifier against answers labelled by hand.

use std::collections::BTreeMap;

use collimate_rewards::math::{Place, Truth};
use serde::Deserialize;

/// A pair of a true answer and a response, and whether the response is right.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    gold: String,
    answer: String,
    equal: bool,
    kind: String,
}

fn rows() -> Vec<Row> {
    include_str!("../data/math.jsonl").lines().map(|line| serde_json::from_str(line).unwrap_or_else(|e| panic!("{line}: {e}"))).collect()
}

#[test]
fn the_verifier_agrees_with_the_hand_labelled_corpus_and_never_calls_a_wrong_answer_right() {
    let rows = rows();
    assert!(rows.len() >= 400, "{}", rows.len());
    let mut kinds: BTreeMap<&str, (usize, usize)> = BTreeMap::new();
    let (mut missed, mut wrong) = (Vec::new(), Vec::new());
    for row in &rows {
        let verdict = Truth::read(&row.gold).map(|truth| truth.equals(&row.answer, Place::Auto));
        let counts = kinds.entry(&row.kind).or_default();
        counts.0 += 1;
        if verdict.as_ref().is_ok_and(|verdict| *verdict == row.equal) {
            counts.1 += 1;
        } else if verdict == Ok(true) {
            wrong.push(row);
        } else {
            missed.push((row, verdict));
        }
    }
    for (kind, (all, agreed)) in &kinds {
        println!("{kind:<12} {agreed:>3} of {all:>3}");
    }
    missed.iter().for_each(|(row, verdict)| println!("missed {row:?}: {verdict:?}"));
    assert!(wrong.is_empty(), "called right, but labelled wrong: {wrong:#?}");
    let share = 1.0 - missed.len() as f64 / rows.len() as f64;
    println!("agreement {:.2} % of {}", 100.0 * share, rows.len());
    assert!(share >= 0.97, "{share}");
    let (equal, unequal): (Vec<&Row>, Vec<&Row>) = rows.iter().partition(|row| row.equal);
    assert!(equal.len() >= 150 && unequal.len() >= 150, "{} {}", equal.len(), unequal.len());
}
