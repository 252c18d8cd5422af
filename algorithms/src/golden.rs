//! Stored losses, gradients and advantages of TRL 1.16 (tests/data), and running an algorithm on them.

#![expect(clippy::needless_pass_by_value, reason = "a test reads better with `json!` where the knobs are used")]

use std::path::Path;

use safetensors::SafeTensors;
use serde_json::Value;
use tch::{Kind, Tensor};

use crate::{AlgoState, CreditInput, Denominators, GroupRewards, Leaves, RowCredit, build};

const ROWS: i64 = 16;
const COLUMNS: i64 = 24;
const GROUP: usize = 4;

pub(crate) fn file(name: &str) -> Vec<u8> {
    #[expect(clippy::disallowed_methods, reason = "a test reads its data")]
    std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(name)).unwrap()
}

/// Numbers of a stored tensor in float64.
pub(crate) fn numbers(bytes: &[u8], name: &str) -> Vec<f64> {
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
    pub(crate) advantage: Tensor,
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
            let leaves = Leaves { logp_ref: Some(&reference), ..Leaves::new(&logp, &old, &advantage, &mask) };
            let out = algorithm.loss(&leaves, &self.denominators()).unwrap();
            let grad = Tensor::run_backward(&[&out.policy], &[&logp], false, false).swap_remove(0);
            loss += f64::try_from(out.policy.detach()).unwrap();
            grads.extend(Vec::<f64>::try_from(grad.narrow(1, 0, COLUMNS).contiguous().view([-1])).unwrap());
        }
        (loss, grads)
    }

    /// What was measured.
    fn stats(&self, name: &str, knobs: &Value) -> std::collections::BTreeMap<String, f64> {
        let leaves = Leaves { logp_ref: Some(&self.reference), ..Leaves::new(&self.logp, &self.old, &self.advantage, &self.mask) };
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
    let groups: Vec<_> = owned.iter().map(|(s, k)| GroupRewards { kl: Some(k), ..GroupRewards::new(s, &lengths) }).collect();
    let credit = build(name, &knobs).unwrap().credit(&mut AlgoState::default(), &CreditInput { groups: &groups }).unwrap();
    let wanted = get(stored);
    for (i, row) in credit.rows.iter().flatten().enumerate() {
        let RowCredit::Sequence(a) = row else { panic!("{row:?}") };
        assert!((a - wanted[i]).abs() <= 1e-5 * wanted[i].abs().max(1.0), "{stored}[{i}]: {a} against {}", wanted[i]);
    }
}
