//! Stored losses, gradients and advantages of TRL 1.16 (tests/data), and running an algorithm on them.

#![expect(clippy::needless_pass_by_value, reason = "a test reads better with `json!` where the knobs are used")]

use std::path::Path;

use safetensors::SafeTensors;
use serde_json::{Value, json};
use tch::{Kind, Tensor};

use crate::{AlgoState, CreditInput, Denominators, GroupRewards, Leaves, RowCredit, build};

const ROWS: i64 = 16;
const COLUMNS: i64 = 24;
const GROUP: usize = 4;

fn file(name: &str) -> Vec<u8> {
    #[expect(clippy::disallowed_methods, reason = "a test reads its data")]
    std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(name)).unwrap()
}

/// Numbers of a stored tensor in float64.
fn numbers(bytes: &[u8], name: &str) -> Vec<f64> {
    let all = SafeTensors::deserialize(bytes).unwrap();
    let view = all.tensor(name).unwrap_or_else(|e| panic!("{name}: {e}"));
    match view.dtype() {
        safetensors::Dtype::F32 => view.data().chunks(4).map(|b| f64::from(f32::from_le_bytes(b.try_into().unwrap()))).collect(),
        safetensors::Dtype::I64 => view.data().chunks(8).map(|b| i64::from_le_bytes(b.try_into().unwrap()) as f64).collect(),
        other => panic!("{name} is {other:?}"),
    }
}

/// Fixed log-probabilities and advantages.
pub(crate) struct Case {
    bytes: Vec<u8>,
    logp: Tensor,
    old: Tensor,
    reference: Tensor,
    advantage: Tensor,
    mask: Tensor,
}

impl Case {
    pub(crate) fn load(logp: &str, old: &str, advantage: &str) -> Self {
        let bytes = file("policy_losses_trl.safetensors");
        let grid = |name: &str| Tensor::from_slice(&numbers(&bytes, name)).view([ROWS, COLUMNS]);
        let advantage = Tensor::from_slice(&numbers(&bytes, advantage)).view([ROWS, 1]).expand([ROWS, COLUMNS], false).contiguous();
        let (logp, old, reference, mask) = (grid(logp), grid(old), grid("ref_logps"), grid("mask"));
        Self { logp, old, reference, advantage, mask, bytes }
    }

    pub(crate) fn numbers(&self, name: &str) -> Vec<f64> {
        numbers(&self.bytes, name)
    }

    pub(crate) fn denominators(&self) -> Denominators {
        let tokens = f64::try_from(self.mask.sum(Kind::Double)).unwrap();
        Denominators { tokens, rows: ROWS as f64, groups: 4.0, max_new_tokens: COLUMNS as f64 }
    }

    /// Loss and gradient of all rows at once.
    pub(crate) fn run(&self, name: &str, knobs: Value) -> (f64, Vec<f64>) {
        self.rows(name, knobs, &[(0, ROWS)], 0)
    }

    /// The same, summed over cuts of the rows, with padding columns added.
    pub(crate) fn rows(&self, name: &str, knobs: Value, cuts: &[(i64, i64)], padding: i64) -> (f64, Vec<f64>) {
        let algorithm = build(name, &knobs).unwrap();
        let (mut loss, mut grads) = (0.0, Vec::new());
        for (start, count) in cuts {
            let cut = |t: &Tensor| t.narrow(0, *start, *count).constant_pad_nd([0, padding]);
            let logp = cut(&self.logp).set_requires_grad(true);
            let (old, reference, advantage, mask) = (cut(&self.old), cut(&self.reference), cut(&self.advantage), cut(&self.mask));
            let leaves =
                Leaves { logp: &logp, logp_old: &old, logp_ref: Some(&reference), entropy: None, advantage: &advantage, trained: &mask };
            let out = algorithm.loss(&leaves, &self.denominators()).unwrap();
            let grad = Tensor::run_backward(&[&out.policy], &[&logp], false, false).swap_remove(0);
            loss += f64::try_from(out.policy.detach()).unwrap();
            grads.extend(Vec::<f64>::try_from(grad.narrow(1, 0, COLUMNS).contiguous().view([-1])).unwrap());
        }
        (loss, grads)
    }

    /// What was measured.
    fn stats(&self, name: &str, knobs: &Value) -> std::collections::BTreeMap<String, f64> {
        let leaves = Leaves {
            logp: &self.logp,
            logp_old: &self.old,
            logp_ref: Some(&self.reference),
            entropy: None,
            advantage: &self.advantage,
            trained: &self.mask,
        };
        build(name, knobs).unwrap().loss(&leaves, &self.denominators()).unwrap().stats.means()
    }
}

pub(crate) fn relative(a: &[f64], b: &[f64]) -> f64 {
    let norm = |v: &mut dyn Iterator<Item = f64>| v.map(|x| x * x).sum::<f64>().sqrt();
    norm(&mut a.iter().zip(b).map(|(a, b)| a - b)) / norm(&mut b.iter().copied()).max(1e-300)
}

/// Value, gradient and metrics of a stored case. The stored numbers are float32, ours float64: the tolerances are float32's rounding.
pub(crate) fn policy_loss(name: &str, knobs: Value, stored: &str) {
    let rloo = stored == "rloo";
    let case = if rloo {
        Case::load("rloo_new_logps", "old_logps", "rloo_advantages")
    } else {
        Case::load("new_logps", "old_logps", "advantages")
    };
    let (loss, grad) = case.run(name, knobs.clone());
    let wanted = case.numbers(&format!("loss_{stored}"))[0];
    assert!((loss - wanted).abs() <= 1e-6, "{stored}: {loss} against {wanted}");
    let far = relative(&grad, &case.numbers(&format!("grad_{stored}")));
    assert!(far <= 1e-5, "{stored}: gradient off by {far:e}");
    let metrics: Value = serde_json::from_slice(&file("policy_losses_trl.json")).unwrap();
    let ours = case.stats(name, &knobs);
    for (metric, value) in metrics["metrics"].get(stored).and_then(Value::as_object).into_iter().flatten() {
        let (ours, value) = (ours[metric], value.as_f64().unwrap());
        assert!((ours - value).abs() <= 1e-6, "{stored}: {metric} {ours} against {value}");
    }
}

/// Advantages of the stored rewards.
pub(crate) fn advantages(name: &str, knobs: Value, stored: &str) {
    let bytes = file("advantages.safetensors");
    let get = |name: &str| numbers(&bytes, name);
    let (rewards, old, reference, mask) = (get("rewards"), get("old_logps"), get("ref_logps"), get("mask"));
    let width = COLUMNS as usize;
    let kl: Vec<f64> = (0..ROWS as usize).map(|b| (b * width..(b + 1) * width).map(|i| mask[i] * (old[i] - reference[i])).sum()).collect();
    let scores: Vec<Option<f64>> = rewards.iter().copied().map(Some).collect();
    let lengths = [width; GROUP];
    let group = |(s, k): (&'_ [Option<f64>], &'_ [f64])| (s.to_vec(), k.to_vec());
    let owned: Vec<_> = scores.chunks(GROUP).zip(kl.chunks(GROUP)).map(group).collect();
    let groups: Vec<_> = owned.iter().map(|(s, k)| GroupRewards { scores: s, lengths: &lengths, kl: Some(k) }).collect();
    let credit = build(name, &knobs).unwrap().credit(&mut AlgoState::default(), &CreditInput { groups: &groups }).unwrap();
    let wanted = get(stored);
    for (i, row) in credit.rows.iter().flatten().enumerate() {
        let RowCredit::Sequence(a) = row else { panic!("{row:?}") };
        assert!((a - wanted[i]).abs() <= 1e-5 * wanted[i].abs().max(1.0), "{stored}[{i}]: {a} against {}", wanted[i]);
    }
}

mod laws {
    use super::*;
    use proptest::prelude::*;

    const ALL: [&str; 5] = ["dapo", "dr_grpo", "grpo", "reinforce", "rloo"];

    fn credit(name: &str, groups: &[Vec<Option<f64>>]) -> Vec<Vec<RowCredit>> {
        let lengths: Vec<Vec<usize>> = groups.iter().map(|g| vec![3; g.len()]).collect();
        let kl: Vec<Vec<f64>> = groups.iter().map(|g| vec![0.0; g.len()]).collect();
        let all: Vec<_> = (0..groups.len()).map(|p| GroupRewards { scores: &groups[p], lengths: &lengths[p], kl: Some(&kl[p]) }).collect();
        build(name, &json!({})).unwrap().credit(&mut AlgoState::default(), &CreditInput { groups: &all }).unwrap().rows
    }

    fn close(a: &RowCredit, b: &RowCredit) -> bool {
        match (a, b) {
            (RowCredit::Sequence(a), RowCredit::Sequence(b)) => a.is_finite() && (a - b).abs() < 1e-9,
            (a, b) => a == b,
        }
    }

    fn groups() -> impl Strategy<Value = Vec<Vec<Option<f64>>>> {
        proptest::collection::vec(proptest::collection::vec(proptest::option::weighted(0.8, -3.0..3.0_f64), 1..6), 1..5)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]

        #[test]
        fn micro_batching_and_padding_change_nothing(cut in 1..16_i64, second in 0..15_i64, padding in 0..4_i64) {
            let mut edges = [0, cut, (cut + second) % 16, 16];
            edges.sort_unstable();
            let cuts: Vec<(i64, i64)> = edges.windows(2).map(|w| (w[0], w[1] - w[0])).filter(|c| c.1 > 0).collect();
            let case = Case::load("new_logps", "old_logps", "advantages");
            for name in ALL {
                let (whole, grad) = case.run(name, json!({}));
                let (sum, parts) = case.rows(name, json!({}), &cuts, padding);
                prop_assert!((whole - sum).abs() < 1e-12 && relative(&parts, &grad) < 1e-12, "{name}");
            }
        }

        #[test]
        fn permuting_a_group_permutes_its_credit(groups in groups(), turn in 0..5_usize) {
            let mut turned = groups.clone();
            turned.iter_mut().for_each(|g| { let n = g.len(); g.rotate_left(turn % n); });
            for name in ALL {
                let mut wanted = credit(name, &groups);
                wanted.iter_mut().for_each(|g| { let n = g.len(); g.rotate_left(turn % n); });
                let ours = credit(name, &turned);
                prop_assert!(ours.iter().flatten().zip(wanted.iter().flatten()).all(|(a, b)| close(a, b)), "{name}");
            }
        }

        #[test]
        fn a_constant_added_to_a_group_changes_nothing(groups in groups(), shift in -5.0..5.0_f64) {
            let mut shifted = groups.clone();
            shifted[0].iter_mut().for_each(|r| *r = r.map(|r| r + shift));
            // A baseline of the whole batch moves with one group only a little: there the law is for all groups at once.
            let mut all = groups.clone();
            all.iter_mut().flatten().for_each(|r| *r = r.map(|r| r + shift));
            for name in ALL {
                let moved = if name == "reinforce" { &all } else { &shifted };
                let (a, b) = (credit(name, &groups), credit(name, moved));
                prop_assert!(a.iter().flatten().zip(b.iter().flatten()).all(|(a, b)| close(a, b)), "{name}");
            }
        }

        #[test]
        fn credit_is_finite_and_only_for_what_has_a_score(groups in groups()) {
            for name in ALL {
                for (row, score) in credit(name, &groups).iter().flatten().zip(groups.iter().flatten()) {
                    prop_assert!(match row { RowCredit::Sequence(a) => a.is_finite() && score.is_some(), _ => score.is_none() }, "{name}");
                }
            }
        }

        #[test]
        fn rloo_is_centred_grpo_times_g_over_g_minus_1(group in proptest::collection::vec(-3.0..3.0_f64, 2..7)) {
            let scores = vec![group.iter().copied().map(Some).collect::<Vec<_>>()];
            let g = group.len() as f64;
            for (a, b) in credit("rloo", &scores)[0].iter().zip(&credit("dr_grpo", &scores)[0]) {
                let (RowCredit::Sequence(a), RowCredit::Sequence(b)) = (a, b) else { panic!() };
                prop_assert!((a - b * g / (g - 1.0)).abs() < 1e-9);
            }
        }
    }

    /// What `credit_only` promises: rows with credit 0 add neither loss nor gradient.
    #[test]
    fn rows_without_credit_add_nothing_where_an_algorithm_says_so() {
        let case = Case::load("new_logps", "old_logps", "advantages");
        let _ = case.advantage.narrow(0, 4, 8).fill_(0.0);
        for name in ALL {
            assert!(build(name, &json!({})).unwrap().needs().credit_only);
            let (whole, grad) = case.run(name, json!({}));
            let (part, few) = case.rows(name, json!({}), &[(0, 4), (12, 4)], 0);
            assert!((whole - part).abs() < 1e-12, "{name}");
            assert!(grad[4 * 24..12 * 24].iter().all(|g| *g == 0.0), "{name}");
            assert!(relative(&few, &[&grad[..4 * 24], &grad[12 * 24..]].concat()) < 1e-12, "{name}");
        }
        assert!(!build("grpo", &json!({"beta": 0.1})).unwrap().needs().credit_only);
        assert!(!build("grpo", &json!({"entropy": 0.1})).unwrap().needs().credit_only);
    }

    /// On policy, without a clip, the ratio is 1 and its gradient is the policy gradient's.
    #[test]
    fn on_policy_the_clipped_gradient_is_reinforces() {
        let case = Case::load("old_logps", "old_logps", "advantages");
        let (_, ours) = case.run("dapo", json!({"epsilon_low": 1.0, "epsilon_high": 1e9}));
        let (_, plain) = case.run("reinforce", json!({}));
        assert!(relative(&ours, &plain) < 1e-12);
    }
}
