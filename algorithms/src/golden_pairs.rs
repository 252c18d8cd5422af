//! Stored losses of pairs from TRL 1.16 (tests/data): DPO's family on real preferences, and the loss of a reward model.

#![expect(clippy::needless_pass_by_value, reason = "a test reads better with `json!` where the knobs are used")]

use serde_json::{Value, json};
use tch::{Kind, Tensor};

use crate::golden::{file, numbers};
use crate::preference::Side;
use crate::{AlgoState, ComparisonLeaves, DemonstrationLeaves, Denominators, Method, PairDenominators, PairLeaves, RowCount, method};

const PAIRS: i64 = 4;
const COLUMNS: i64 = 230;

fn stored(name: &str) -> Vec<f64> {
    numbers(&file("pairs_trl.safetensors"), name)
}

/// Rows 0 to 3 are chosen, 4 to 7 rejected.
fn half(name: &str, chosen: bool) -> Tensor {
    Tensor::from_slice(&stored(name)).view([2 * PAIRS, COLUMNS]).narrow(0, if chosen { 0 } else { PAIRS }, PAIRS)
}

fn close(ours: &Tensor, wanted: f64, what: &str) {
    let ours = f64::try_from(ours.detach()).unwrap();
    assert!((ours - wanted).abs() <= 1e-5 * wanted.abs().max(0.1), "{what}: {ours} against {wanted}");
}

/// The loss of TRL's token log-probabilities is TRL's loss, or a weighted sum of them.
pub(crate) fn loss(name: &str, knobs: Value, sum_of: &[(&str, f64)]) {
    let Method::Pairs(objective) = method(name, &knobs).unwrap() else { panic!("{name}") };
    let side = |chosen: bool| {
        let reference = half("ref_token_logps", chosen);
        Side::of_tokens(&half("policy_token_logps", chosen), Some(&reference), &half("trained", chosen)).unwrap()
    };
    let leaves = PairLeaves { chosen: side(true), rejected: side(false) };
    let summed = Tensor::cat(&[&leaves.chosen.logp, &leaves.rejected.logp], 0);
    assert!((summed - Tensor::from_slice(&stored("policy_logps"))).abs().max().double_value(&[]) < 1e-3);
    let chosen_tokens = leaves.chosen.tokens.sum(Kind::Double).double_value(&[]);
    let d = PairDenominators { pairs: PAIRS as f64, chosen_tokens };
    let out = objective.loss(&mut AlgoState::default(), &leaves, &d).unwrap();
    let wanted = sum_of.iter().map(|(trl, weight)| stored(&format!("loss_{trl}"))[0] * weight).sum();
    close(&out.loss, wanted, name);
}

/// Supervised tuning on the chosen answers.
pub(crate) fn sft() {
    let Method::Demonstrations(sft) = method("sft", &json!({})).unwrap() else { panic!() };
    let leaves = DemonstrationLeaves { logp: half("policy_token_logps", true), trained: half("trained", true) };
    let tokens = leaves.trained.sum(Kind::Double).double_value(&[]);
    let d = Denominators { tokens, rows: PAIRS as f64, groups: PAIRS as f64, max_new_tokens: COLUMNS as f64 };
    close(&sft.loss(&mut AlgoState::default(), &leaves, &d).unwrap().loss, stored("loss_sft")[0], "sft");
}

/// The reward model's loss of TRL's scores.
pub(crate) fn reward_model() {
    let Method::Comparisons(model) = method("reward_model", &json!({})).unwrap() else { panic!() };
    let scores = Tensor::from_slice(&stored("reward_scores"));
    let leaves =
        ComparisonLeaves { chosen: scores.narrow(0, 0, PAIRS), rejected: scores.narrow(0, PAIRS, PAIRS), margin: None, preferred: None };
    let out = model.loss(&mut AlgoState::default(), &leaves, &RowCount(PAIRS as f64)).unwrap();
    close(&out.loss, stored("reward_loss")[0], "reward_model");
}
