//! How far every algorithm is from `tests/data/independent.py`: plain loops in float64 that share nothing with this crate.
//!
//! The numbers are compiled in, so that the check runs on a user's machine (`collimate selftest`) as it runs in the tests.

use serde_json::Value;
use tch::{Kind, Tensor};

use crate::preference::Side;
use crate::{
    AlgoState, Algorithm, AlgorithmError, ComparisonLeaves, CreditInput, CriticLeaves, DemonstrationLeaves, Denominators, GroupRewards,
    KnobError, LabelledLeaves, Leaves, Method, Objective, PairDenominators, PairLeaves, RoleLoss, RowCount, RowCredit, RowTokens, method,
};

/// Largest relative distance of credits, losses and returns.
pub const VALUE: f64 = 1e-9;
/// Largest relative distance of gradients: the stored ones are differences of differences, which carry about nine digits.
pub const GRADIENT: f64 = 1e-6;

/// The stored cases.
const STORED: &str = include_str!("../tests/data/independent.json");

/// Why a distance could not be measured.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum GoldenError {
    /// An algorithm refused its knobs.
    #[error(transparent)]
    Knob(#[from] KnobError),
    /// An algorithm refused its input.
    #[error(transparent)]
    Algorithm(#[from] AlgorithmError),
    /// LibTorch refused.
    #[error("libtorch: {0}")]
    Torch(#[from] tch::TchError),
    /// The stored numbers cannot be read.
    #[error("the stored numbers: {0}")]
    Stored(#[from] serde_json::Error),
    /// There is nothing to compare with.
    #[error("`{0}` has no stored case")]
    NoCase(String),
}

/// The largest relative distances over the cases of an algorithm. Not a number where shapes differ.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Distance {
    /// Of credits, losses and returns.
    pub value: f64,
    /// Of gradients.
    pub gradient: f64,
    /// How many cases there are.
    pub cases: usize,
}

impl Distance {
    /// Whether both stay within their limits.
    #[must_use]
    pub fn holds(&self) -> bool {
        self.cases > 0 && self.value <= VALUE && self.gradient <= GRADIENT
    }

    fn value(&mut self, far: f64) {
        self.value = worse(self.value, far);
    }

    fn number(&mut self, ours: &Tensor, wanted: &Value) -> Result<(), GoldenError> {
        let (ours, wanted) = (f64::try_from(ours.detach())?, wanted.as_f64().unwrap_or(f64::NAN));
        self.value((ours - wanted).abs() / wanted.abs().max(1e-2));
        Ok(())
    }

    fn gradient(&mut self, loss: &Tensor, leaf: &Tensor, wanted: &Value) -> Result<(), GoldenError> {
        let ours = Tensor::f_run_backward(&[loss], &[leaf], true, false)?.swap_remove(0).reshape([-1]);
        self.gradient = worse(self.gradient, relative(&Vec::<f64>::try_from(ours)?, &flat(wanted)));
        Ok(())
    }
}

/// The larger one; not a number if one is none.
fn worse(a: f64, b: f64) -> f64 {
    if a.is_nan() || b.is_nan() { f64::NAN } else { a.max(b) }
}

/// ‖a − b‖ / ‖b‖, or the largest |a| where b is zero.
fn relative(ours: &[f64], wanted: &[f64]) -> f64 {
    if ours.len() != wanted.len() {
        return f64::NAN;
    }
    let norm = |v: &mut dyn Iterator<Item = f64>| v.map(|x| x * x).sum::<f64>().sqrt();
    let size = norm(&mut wanted.iter().copied());
    let far = norm(&mut ours.iter().zip(wanted).map(|(a, b)| a - b));
    if size < 1e-12 { ours.iter().map(|o| o.abs()).fold(0.0, worse) } else { far / size }
}

/// A list, or a list of lists, as numbers.
fn flat(value: &Value) -> Vec<f64> {
    match value {
        Value::Array(items) => items.iter().flat_map(flat).collect(),
        other => vec![other.as_f64().unwrap_or(f64::NAN)],
    }
}

fn row(value: &Value) -> Tensor {
    Tensor::from_slice(&flat(value))
}

fn grid(value: &Value) -> Tensor {
    let rows = value.as_array().map_or(1, Vec::len) as i64;
    row(value).view([rows, -1])
}

/// Leaves that a gradient is taken of.
fn leaf(value: &Value) -> Tensor {
    (if value[0].is_array() { grid(value) } else { row(value) }).set_requires_grad(true)
}

/// How far an algorithm is from its stored cases. Autograd must be on.
///
/// # Errors
/// When there is no case, or the algorithm refuses one.
pub fn distance(name: &str) -> Result<Distance, GoldenError> {
    let all: Value = serde_json::from_str(STORED)?;
    let mut distance = Distance::default();
    for family in ["online", "pairs", "labelled", "demonstrations", "comparisons"] {
        for case in all[family].as_array().into_iter().flatten().filter(|c| c["algorithm"] == name) {
            distance.cases += 1;
            match method(name, &case["knobs"])? {
                Method::Online(algorithm) => online(&mut distance, algorithm.as_ref(), &all, case)?,
                Method::Pairs(objective) => pairs(&mut distance, objective.as_ref(), &all["pair_leaves"], case)?,
                Method::Labelled(objective) => labelled(&mut distance, objective.as_ref(), &all["labelled_leaves"], case)?,
                Method::Demonstrations(objective) => demonstrations(&mut distance, objective.as_ref(), &all, case)?,
                Method::Comparisons(objective) => comparisons(&mut distance, objective.as_ref(), &all["comparison_leaves"], case)?,
            }
        }
    }
    if distance.cases == 0 { Err(GoldenError::NoCase(name.to_owned())) } else { Ok(distance) }
}

/// Advantages and returns by row and token.
type Credited = (Vec<f64>, Option<Vec<f64>>);

/// The stored rewards, credited: padded with 0.
fn credited(algorithm: &dyn Algorithm, leaves: &Value) -> Result<Credited, GoldenError> {
    let lengths: Vec<usize> = flat(&leaves["lengths"]).iter().map(|n| *n as usize).collect();
    let (old, reference) = (flat(&leaves["logp_old"]), flat(&leaves["logp_ref"]));
    let (values, trained) = (flat(&leaves["values"]), flat(&leaves["trained"]));
    let log_ratio: Vec<f64> = old.iter().zip(&reference).map(|(a, b)| a - b).collect();
    let on: Vec<bool> = trained.iter().map(|t| *t > 0.5).collect();
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
    let credit = algorithm.credit(&mut AlgoState::default(), &CreditInput { groups: &groups })?;
    let of = |row: &RowCredit, b: usize, t: usize| match row {
        RowCredit::Sequence(a) => *a * trained[b * width + t],
        RowCredit::Tokens(a) => a.get(t).copied().unwrap_or(0.0),
        RowCredit::Untrained => f64::NAN,
    };
    let rows = credit.rows.iter().flatten().enumerate().flat_map(|(b, row)| (0..width).map(move |t| of(row, b, t))).collect();
    let pad = |row: &Vec<f64>| (0..width).map(|t| row.get(t).copied().unwrap_or(0.0)).collect::<Vec<_>>();
    // A return where a token is not trained is never used.
    let returns = |r: Vec<Vec<Vec<f64>>>| r.iter().flatten().flat_map(pad).zip(&trained).map(|(r, t)| r * t).collect();
    Ok((rows, credit.returns.map(returns)))
}

/// Credit, loss and all gradients of an online algorithm.
fn online(distance: &mut Distance, algorithm: &dyn Algorithm, all: &Value, case: &Value) -> Result<(), GoldenError> {
    let leaves = &all["leaves"];
    let (advantages, returns) = credited(algorithm, leaves)?;
    distance.value(relative(&advantages, &flat(&case["credit"])));
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
    let over = denominators(&trained, all, 2.0)?;
    let loss = algorithm.loss(&given, &over)?.policy;
    distance.number(&loss, &case["loss"])?;
    distance.gradient(&loss, &logp, &case["gradient"])?;
    for (what, leaf) in [("gradient_entropy", &entropy), ("gradient_full_kl", &full_kl)] {
        if !case[what].is_null() {
            distance.gradient(&loss, leaf, &case[what])?;
        }
    }
    let (Some(critic), Some(returns)) = (algorithm.critic(), returns) else { return Ok(()) };
    distance.value(relative(&returns, &flat(&case["returns"])));
    let (values, values_old) = (leaf(&leaves["value_predictions"]), grid(&leaves["values"]));
    let returns = Tensor::from_slice(&returns).view_as(&values);
    let given = CriticLeaves { values: &values, values_old: &values_old, returns: &returns, trained: &trained };
    let loss = critic.loss(&given, &over)?.loss;
    distance.number(&loss, &case["critic_loss"])?;
    distance.gradient(&loss, &values, &case["critic_gradient"])
}

fn denominators(trained: &Tensor, all: &Value, groups: f64) -> Result<Denominators, GoldenError> {
    let max_new_tokens = all["max_new_tokens"].as_f64().unwrap_or(f64::NAN);
    Ok(Denominators { tokens: f64::try_from(trained.sum(Kind::Double))?, rows: 6.0, groups, max_new_tokens })
}

fn side(logp: &Tensor, tokens: Tensor, reference: &Value) -> Side {
    Side { logp: logp.shallow_clone(), tokens, logp_ref: Some(row(reference)) }
}

/// Loss and gradients of a loss of pairs.
fn pairs(distance: &mut Distance, objective: &dyn Objective<crate::Pairs>, l: &Value, case: &Value) -> Result<(), GoldenError> {
    let (chosen, rejected) = (leaf(&l["chosen"]), leaf(&l["rejected"]));
    let leaves = PairLeaves {
        chosen: side(&chosen, row(&l["chosen_tokens"]), &l["chosen_ref"]),
        rejected: side(&rejected, row(&l["rejected_tokens"]), &l["rejected_ref"]),
    };
    let over = PairDenominators { pairs: 3.0, chosen_tokens: flat(&l["chosen_tokens"]).iter().sum() };
    let RoleLoss { loss, .. } = objective.loss(&mut AlgoState::default(), &leaves, &over)?;
    distance.number(&loss, &case["loss"])?;
    distance.gradient(&loss, &chosen, &case["gradient_chosen"])?;
    distance.gradient(&loss, &rejected, &case["gradient_rejected"])
}

/// Loss and gradient of a loss of labelled answers.
fn labelled(distance: &mut Distance, objective: &dyn Objective<crate::Labelled>, l: &Value, case: &Value) -> Result<(), GoldenError> {
    let logp = leaf(&l["logp"]);
    let (one, other) = if case["turned"] == true { ("mismatched_ref", "mismatched") } else { ("mismatched", "mismatched_ref") };
    let leaves = LabelledLeaves {
        answers: side(&logp, logp.ones_like(), &l["logp_ref"]),
        desirable: row(&l["desirable"]),
        mismatched: side(&row(&l[one]), logp.ones_like(), &l[other]),
    };
    let RoleLoss { loss, .. } = objective.loss(&mut AlgoState::default(), &leaves, &RowCount(4.0))?;
    distance.number(&loss, &case["loss"])?;
    distance.gradient(&loss, &logp, &case["gradient"])
}

/// Loss and gradient of a loss of demonstrations.
fn demonstrations(
    distance: &mut Distance,
    objective: &dyn Objective<crate::Demonstrations>,
    all: &Value,
    case: &Value,
) -> Result<(), GoldenError> {
    let logp = leaf(&all["leaves"]["logp"]);
    let leaves = DemonstrationLeaves { logp: logp.shallow_clone(), trained: grid(&all["leaves"]["trained"]) };
    let over = denominators(&leaves.trained, all, 6.0)?;
    let RoleLoss { loss, .. } = objective.loss(&mut AlgoState::default(), &leaves, &over)?;
    distance.number(&loss, &case["loss"])?;
    distance.gradient(&loss, &logp, &case["gradient"])
}

/// Loss and gradients of a reward model.
fn comparisons(distance: &mut Distance, objective: &dyn Objective<crate::Comparisons>, l: &Value, case: &Value) -> Result<(), GoldenError> {
    let (chosen, rejected) = (leaf(&l["chosen"]), leaf(&l["rejected"]));
    let given = |what: &str| (!case[what].is_null()).then(|| row(&case[what]));
    let leaves = ComparisonLeaves {
        chosen: chosen.shallow_clone(),
        rejected: rejected.shallow_clone(),
        margin: given("margin"),
        preferred: given("preferred"),
    };
    let RoleLoss { loss, .. } = objective.loss(&mut AlgoState::default(), &leaves, &RowCount(4.0))?;
    distance.number(&loss, &case["loss"])?;
    distance.gradient(&loss, &chosen, &case["gradient_chosen"])?;
    distance.gradient(&loss, &rejected, &case["gradient_rejected"])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_that_is_none_and_a_shape_that_is_another_hold_nothing() {
        assert!(!Distance { cases: 1, value: f64::NAN, gradient: 0.0 }.holds() && !Distance::default().holds());
        assert!(!Distance { cases: 1, value: 0.0, gradient: 2e-6 }.holds());
        assert!(relative(&[1.0], &[1.0, 2.0]).is_nan() && worse(f64::NAN, 1.0).is_nan());
        assert!(matches!(distance("gropo"), Err(GoldenError::NoCase(_))));
    }
}
