//! Every algorithm against `tests/data/independent.py`: plain loops in float64 that share nothing with this crate.

use serde_json::Value;
use tch::{Kind, Tensor};

use crate::golden::{file, relative};
use crate::preference::Side;
use crate::{
    AlgoState, Algorithm, ComparisonLeaves, CreditInput, CriticLeaves, DemonstrationLeaves, Denominators, GroupRewards, LabelledLeaves,
    Leaves, Method, PairDenominators, PairLeaves, RoleLoss, RowCount, RowCredit, RowTokens, method, roster,
};

fn all() -> Value {
    serde_json::from_slice(&file("independent.json")).unwrap()
}

/// The cases of an algorithm; at least one.
fn cases<'a>(all: &'a Value, family: &str, name: &str) -> Vec<&'a Value> {
    let cases: Vec<_> = all[family].as_array().unwrap().iter().filter(|c| c["algorithm"] == name).collect();
    assert!(!cases.is_empty(), "{name} has no case");
    cases
}

/// A list, or a list of lists, as numbers.
fn flat(value: &Value) -> Vec<f64> {
    match value {
        Value::Array(items) => items.iter().flat_map(flat).collect(),
        other => vec![other.as_f64().unwrap()],
    }
}

fn row(value: &Value) -> Tensor {
    Tensor::from_slice(&flat(value))
}

fn grid(value: &Value) -> Tensor {
    let rows = value.as_array().unwrap().len() as i64;
    row(value).view([rows, -1])
}

/// Leaves that a gradient is taken of.
fn leaf(value: &Value) -> Tensor {
    (if value[0].is_array() { grid(value) } else { row(value) }).set_requires_grad(true)
}

fn check(case: &Value, what: &str, ours: f64, wanted: &Value) {
    let wanted = wanted.as_f64().unwrap();
    let far = (ours - wanted).abs() / wanted.abs().max(1e-2);
    assert!(far <= 1e-9, "{} {}: {what} is {ours}, not {wanted}", case["algorithm"], case["knobs"]);
}

/// Differences of differences carry about nine digits.
fn check_gradient(case: &Value, what: &str, loss: &Tensor, leaf: &Tensor) {
    let ours = Tensor::run_backward(&[loss], &[leaf], true, false).swap_remove(0).reshape([-1]);
    check_all(case, what, &Vec::<f64>::try_from(ours).unwrap(), 1e-6);
}

fn check_all(case: &Value, what: &str, ours: &[f64], tolerance: f64) {
    let wanted = flat(&case[what]);
    assert_eq!(ours.len(), wanted.len(), "{what}");
    let norm = wanted.iter().map(|w| w * w).sum::<f64>().sqrt();
    let far = if norm < 1e-12 { ours.iter().map(|o| o.abs()).fold(0.0, f64::max) } else { relative(ours, &wanted) };
    assert!(far <= tolerance, "{} {}: {what} is off by {far:e}", case["algorithm"], case["knobs"]);
}

fn number(t: &Tensor) -> f64 {
    f64::try_from(t.detach()).unwrap()
}

/// The stored rewards, credited: advantages and returns by row and token, padded with 0.
fn credited(algorithm: &dyn Algorithm, leaves: &Value) -> (Vec<f64>, Option<Vec<f64>>) {
    let lengths: Vec<usize> = flat(&leaves["lengths"]).iter().map(|n| *n as usize).collect();
    let (old, reference) = (flat(&leaves["logp_old"]), flat(&leaves["logp_ref"]));
    let (values, trained) = (flat(&leaves["values"]), flat(&leaves["trained"]));
    let log_ratio: Vec<f64> = old.iter().zip(&reference).map(|(a, b)| a - b).collect();
    let on: Vec<bool> = trained.iter().map(|t| *t == 1.0).collect();
    let (width, size) = (on.len() / lengths.len(), lengths.len() / 2);
    let tokens: Vec<RowTokens<'_>> = lengths
        .iter()
        .enumerate()
        .map(|(b, n)| {
            let at = b * width..b * width + n;
            RowTokens { trained: &on[at.clone()], kl: Some(&log_ratio[at.clone()]), values: Some(&values[at]) }
        })
        .collect();
    let scores: Vec<Option<f64>> = flat(&leaves["scores"]).into_iter().map(Some).collect();
    let greedy = flat(&leaves["greedy"]);
    let group = |p: usize| {
        let at = p * size..(p + 1) * size;
        GroupRewards { tokens: Some(&tokens[at.clone()]), greedy: Some(greedy[p]), ..GroupRewards::new(&scores[at.clone()], &lengths[at]) }
    };
    let groups = [group(0), group(1)];
    let credit = algorithm.credit(&mut AlgoState::default(), &CreditInput { groups: &groups }).unwrap();
    let of = |row: &RowCredit, b: usize, t: usize| match row {
        RowCredit::Sequence(a) => *a * trained[b * width + t],
        RowCredit::Tokens(a) => a.get(t).copied().unwrap_or(0.0),
        RowCredit::Untrained => panic!("row {b}"),
    };
    let rows = credit.rows.iter().flatten().enumerate().flat_map(|(b, row)| (0..width).map(move |t| of(row, b, t))).collect();
    let pad = |row: &Vec<f64>| (0..width).map(|t| row.get(t).copied().unwrap_or(0.0)).collect::<Vec<_>>();
    // A return where a token is not trained is never used.
    let returns = |r: Vec<Vec<Vec<f64>>>| r.iter().flatten().flat_map(pad).zip(&trained).map(|(r, t)| r * t).collect();
    (rows, credit.returns.map(returns))
}

/// Credit, loss and all gradients of an online algorithm.
pub(crate) fn online(name: &str) {
    let all = all();
    let leaves = &all["leaves"];
    for case in cases(&all, "online", name) {
        let algorithm = method(name, &case["knobs"]).unwrap().online().unwrap();
        let (advantages, returns) = credited(algorithm.as_ref(), leaves);
        check_all(case, "credit", &advantages, 1e-9);
        let (logp, entropy, full_kl) = (leaf(&leaves["logp"]), leaf(&leaves["entropy"]), leaf(&leaves["full_kl"]));
        let [old, reference, behaviour, trained] = ["logp_old", "logp_ref", "logp_behaviour", "trained"].map(|n| grid(&leaves[n]));
        let advantage = Tensor::from_slice(&advantages).view_as(&logp);
        let given = Leaves {
            logp_ref: Some(&reference),
            logp_behaviour: Some(&behaviour),
            entropy: Some(&entropy),
            full_kl: Some(&full_kl),
            ..Leaves::new(&logp, &old, &advantage, &trained)
        };
        let tokens = number(&trained.sum(Kind::Double));
        let over = Denominators { tokens, rows: 6.0, groups: 2.0, max_new_tokens: all["max_new_tokens"].as_f64().unwrap() };
        let loss = algorithm.loss(&given, &over).unwrap().policy;
        check(case, "loss", number(&loss), &case["loss"]);
        check_gradient(case, "gradient", &loss, &logp);
        for (what, leaf) in [("gradient_entropy", &entropy), ("gradient_full_kl", &full_kl)] {
            if !case[what].is_null() {
                check_gradient(case, what, &loss, leaf);
            }
        }
        if let Some(critic) = algorithm.critic() {
            let returns = returns.unwrap();
            check_all(case, "returns", &returns, 1e-9);
            let (values, values_old) = (leaf(&leaves["value_predictions"]), grid(&leaves["values"]));
            let returns = Tensor::from_slice(&returns).view_as(&values);
            let given = CriticLeaves { values: &values, values_old: &values_old, returns: &returns, trained: &trained };
            let loss = critic.loss(&given, &over).unwrap().loss;
            check(case, "critic_loss", number(&loss), &case["critic_loss"]);
            check_gradient(case, "critic_gradient", &loss, &values);
        }
    }
}

fn side(logp: &Tensor, tokens: Tensor, reference: &Value) -> Side {
    Side { logp: logp.shallow_clone(), tokens, logp_ref: Some(row(reference)) }
}

/// Loss and gradients of a loss of pairs.
pub(crate) fn pairs(name: &str) {
    let all = all();
    let l = &all["pair_leaves"];
    for case in cases(&all, "pairs", name) {
        let Method::Pairs(objective) = method(name, &case["knobs"]).unwrap() else { panic!("{name}") };
        let (chosen, rejected) = (leaf(&l["chosen"]), leaf(&l["rejected"]));
        let leaves = PairLeaves {
            chosen: side(&chosen, row(&l["chosen_tokens"]), &l["chosen_ref"]),
            rejected: side(&rejected, row(&l["rejected_tokens"]), &l["rejected_ref"]),
        };
        let d = PairDenominators { pairs: 3.0, chosen_tokens: flat(&l["chosen_tokens"]).iter().sum() };
        let RoleLoss { loss, .. } = objective.loss(&mut AlgoState::default(), &leaves, &d).unwrap();
        check(case, "loss", number(&loss), &case["loss"]);
        check_gradient(case, "gradient_chosen", &loss, &chosen);
        check_gradient(case, "gradient_rejected", &loss, &rejected);
    }
}

/// Loss and gradient of a loss of labelled answers.
pub(crate) fn labelled(name: &str) {
    let all = all();
    let l = &all["labelled_leaves"];
    for case in cases(&all, "labelled", name) {
        let Method::Labelled(objective) = method(name, &case["knobs"]).unwrap() else { panic!("{name}") };
        let logp = leaf(&l["logp"]);
        let (one, other) = if case["turned"] == true { ("mismatched_ref", "mismatched") } else { ("mismatched", "mismatched_ref") };
        let leaves = LabelledLeaves {
            answers: side(&logp, logp.ones_like(), &l["logp_ref"]),
            desirable: row(&l["desirable"]),
            mismatched: side(&row(&l[one]), logp.ones_like(), &l[other]),
        };
        let RoleLoss { loss, .. } = objective.loss(&mut AlgoState::default(), &leaves, &RowCount(4.0)).unwrap();
        check(case, "loss", number(&loss), &case["loss"]);
        check_gradient(case, "gradient", &loss, &logp);
    }
}

/// Loss and gradient of a loss of demonstrations.
pub(crate) fn demonstrations(name: &str) {
    let all = all();
    for case in cases(&all, "demonstrations", name) {
        let Method::Demonstrations(objective) = method(name, &case["knobs"]).unwrap() else { panic!("{name}") };
        let logp = leaf(&all["leaves"]["logp"]);
        let leaves = DemonstrationLeaves { logp: logp.shallow_clone(), trained: grid(&all["leaves"]["trained"]) };
        let tokens = number(&leaves.trained.sum(Kind::Double));
        let over = Denominators { tokens, rows: 6.0, groups: 6.0, max_new_tokens: all["max_new_tokens"].as_f64().unwrap() };
        let RoleLoss { loss, .. } = objective.loss(&mut AlgoState::default(), &leaves, &over).unwrap();
        check(case, "loss", number(&loss), &case["loss"]);
        check_gradient(case, "gradient", &loss, &logp);
    }
}

/// Loss and gradients of a reward model.
pub(crate) fn comparisons(name: &str) {
    let all = all();
    let l = &all["comparison_leaves"];
    for case in cases(&all, "comparisons", name) {
        let Method::Comparisons(objective) = method(name, &case["knobs"]).unwrap() else { panic!("{name}") };
        let (chosen, rejected) = (leaf(&l["chosen"]), leaf(&l["rejected"]));
        let given = |what: &str| (!case[what].is_null()).then(|| row(&case[what]));
        let leaves = ComparisonLeaves {
            chosen: chosen.shallow_clone(),
            rejected: rejected.shallow_clone(),
            margin: given("margin"),
            preferred: given("preferred"),
        };
        let RoleLoss { loss, .. } = objective.loss(&mut AlgoState::default(), &leaves, &RowCount(4.0)).unwrap();
        check(case, "loss", number(&loss), &case["loss"]);
        check_gradient(case, "gradient_chosen", &loss, &chosen);
        check_gradient(case, "gradient_rejected", &loss, &rejected);
    }
}

#[test]
fn every_algorithm_has_independent_values() {
    let all = all();
    let stored = |name: &str| {
        let families = ["online", "pairs", "labelled", "demonstrations", "comparisons"];
        families.iter().any(|f| all[f].as_array().unwrap().iter().any(|c| c["algorithm"] == name))
    };
    let without: Vec<_> = roster().iter().map(|e| e.card.name).filter(|n| !stored(n)).collect();
    assert!(without.is_empty(), "{without:?}");
}
