//! Laws of the whole roster that the stored cases do not reach: float32 leaves, the entropy bonus, statistics over micro-batches.

use serde_json::json;
use tch::{Kind, Tensor};

use crate::{Denominators, Family, Leaves, Stats, build, laws::names};

const OVER: Denominators = Denominators { tokens: 7.0, rows: 3.0, groups: 1.0, max_new_tokens: 8.0 };

/// Three rows of three tokens, two of them padded at the end; ratios on both sides of the clip.
fn rows(kind: Kind) -> [Tensor; 5] {
    let grid = |x: &[f64; 9]| Tensor::from_slice(x).view([3, 3]).to_kind(kind);
    [
        grid(&[-1.0, -0.5, -2.0, -0.1, -1.5, 0.0, -0.7, -0.3, 0.0]),
        grid(&[-1.4, -0.4, -1.9, -0.6, -1.6, 0.0, -0.6, -0.9, 0.0]),
        grid(&[0.9, 0.9, 0.9, -0.6, -0.6, 0.0, 0.2, 0.2, 0.0]),
        grid(&[1.0, 1.0, 1.0, 1.0, 1.0, 0.0, 1.0, 1.0, 0.0]),
        grid(&[0.3, 0.1, 0.8, 0.2, 0.5, 9.0, 0.4, 0.6, 9.0]),
    ]
}

#[test]
fn float32_leaves_give_float32_losses_equal_to_float64s() {
    for name in names(Family::Online) {
        let run = |kind: Kind| {
            let [logp, old, advantage, trained, _] = rows(kind);
            let logp = logp.set_requires_grad(true);
            let leaves = Leaves::new(&logp, &old, &advantage, &trained);
            let loss = build(name, &json!({})).unwrap().loss(&leaves, &OVER).unwrap().policy;
            assert_eq!(loss.kind(), kind, "{name}");
            let grad = Tensor::run_backward(&[&loss], &[&logp], false, false).swap_remove(0).to_kind(Kind::Double);
            (f64::try_from(loss.to_kind(Kind::Double).detach()).unwrap(), grad)
        };
        let ((single, single_grad), (double, double_grad)) = (run(Kind::Float), run(Kind::Double));
        assert!((single - double).abs() < 1e-6, "{name}: {single} against {double}");
        assert!((single_grad - double_grad).abs().max().double_value(&[]) < 1e-6, "{name}");
    }
}

#[test]
fn the_entropy_bonus_is_taken_off_each_trained_token_and_its_gradient_is_minus_its_share() {
    let [logp, old, advantage, trained, entropy] = rows(Kind::Double);
    let entropy = entropy.set_requires_grad(true);
    let leaves = Leaves { entropy: Some(&entropy), ..Leaves::new(&logp, &old, &advantage, &trained) };
    let loss = |coef: f64| build("grpo", &json!({ "entropy": coef })).unwrap().loss(&leaves, &OVER).unwrap();
    let with = loss(0.5);
    let grad = Tensor::run_backward(&[&with.policy], &[&entropy], false, false).swap_remove(0);
    // Each row weighs 1/3 and shares it among its 3, 2 and 2 tokens; padding gets nothing.
    let share = |n: f64| -0.5 / 3.0 / n;
    let wanted = [share(3.0), share(3.0), share(3.0), share(2.0), share(2.0), 0.0, share(2.0), share(2.0), 0.0];
    assert!((grad.view([-1]) - Tensor::from_slice(&wanted)).abs().max().double_value(&[]) < 1e-12);
    let off = f64::try_from(with.policy.detach()).unwrap() - f64::try_from(loss(0.0).policy.detach()).unwrap();
    let means = 1.2 / 3.0 + 0.7 / 2.0 + 1.0 / 2.0;
    assert!((off + 0.5 * means / 3.0).abs() < 1e-12, "{off}");
    assert!((with.stats.means()["entropy"] - 2.9 / 7.0).abs() < 1e-12);
}

#[test]
fn statistics_of_micro_batches_add_up_to_those_of_the_batch() {
    let all = rows(Kind::Double);
    for name in names(Family::Online) {
        let part = |start: i64, count: i64| -> Stats {
            let [logp, old, advantage, trained, _] = all.each_ref().map(|t| t.narrow(0, start, count));
            let leaves = Leaves::new(&logp, &old, &advantage, &trained);
            build(name, &json!({})).unwrap().loss(&leaves, &OVER).unwrap().stats
        };
        let whole = part(0, 3).means();
        let mut sum = part(0, 1);
        sum.add(&part(1, 2));
        assert!(!whole.is_empty(), "{name}");
        for (figure, value) in sum.means() {
            assert!((value - whole[&figure]).abs() < 1e-12, "{name}: {figure}");
        }
    }
}
