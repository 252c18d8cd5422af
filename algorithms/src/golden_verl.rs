//! Stored numbers of verl 0.8 (tests/data): a second, independent opinion on estimators, advantages, clip and reductions.

use safetensors::SafeTensors;
use tch::{Kind, Tensor};

use crate::clip::{Clip, surrogate};
use crate::golden::relative;
use crate::{
    AlgoState, CreditInput, CriticLeaves, Denominators, GroupRewards, Leaves, RowCredit, RowTokens, build, credit, kl, ratio, reduce,
};

static BYTES: &[u8] = include_bytes!("../tests/data/ppo_gae_verl.safetensors");
const GRID: [i64; 2] = [16, 24];
const GROUP: usize = 4;

fn numbers(name: &str) -> Vec<f64> {
    let all = SafeTensors::deserialize(BYTES).unwrap();
    let view = all.tensor(name).unwrap_or_else(|e| panic!("{name}: {e}"));
    match view.dtype() {
        safetensors::Dtype::F32 => view.data().chunks(4).map(|b| f64::from(f32::from_le_bytes(b.try_into().unwrap()))).collect(),
        safetensors::Dtype::I64 => view.data().chunks(8).map(|b| i64::from_le_bytes(b.try_into().unwrap()) as f64).collect(),
        other => panic!("{name} is {other:?}"),
    }
}

fn grid(name: &str) -> Tensor {
    Tensor::from_slice(&numbers(name)).view(GRID)
}

#[test]
fn the_kl_estimators_equal_verls() {
    let (logp, reference, mask) = (grid("new_logps"), grid("ref_logps"), grid("mask"));
    let cases = [
        ("kl_kl", kl::k1(&logp, &reference)),
        ("kl_abs", kl::abs(&logp, &reference)),
        ("kl_mse", kl::k2(&logp, &reference)),
        ("kl_low_var_kl", kl::k3(&logp, &reference)),
    ];
    for (stored, ours) in cases {
        let ours = Vec::<f64>::try_from((ours * &mask).view([-1])).unwrap();
        let wanted = Vec::<f64>::try_from((grid(stored) * &mask).view([-1])).unwrap();
        assert!(relative(&ours, &wanted) <= 1e-6, "{stored} is off by {:e}", relative(&ours, &wanted));
    }
}

/// Rewards by group.
fn scores() -> credit::Scores {
    numbers("rewards").chunks(GROUP).map(|g| g.iter().copied().map(Some).collect()).collect()
}

/// verl repeats the advantage of a row at each of its trained tokens.
fn equals_verls(advantages: &[f64], stored: &str) {
    let ours = Vec::<f64>::try_from((Tensor::from_slice(advantages).view([16, 1]) * grid("mask")).view([-1])).unwrap();
    let far = relative(&ours, &numbers(stored));
    assert!(far <= 1e-6, "{stored} is off by {far:e}");
}

#[test]
fn the_leave_one_out_advantages_equal_verls() {
    equals_verls(&credit::leave_one_out(&scores()).into_iter().flatten().flatten().collect::<Vec<_>>(), "verl_rloo_adv");
}

#[test]
fn clip_and_reductions_equal_verls_losses_and_gradients() {
    let (old, advantage, mask) = (grid("old_logps"), grid("gae_adv_whitened_g1.0_l0.95"), grid("mask"));
    let tokens = f64::try_from(mask.sum(Kind::Double)).unwrap();
    let over = Denominators { tokens, rows: 16.0, groups: 4.0, max_new_tokens: 24.0 };
    type Reduction<'a> = &'a dyn Fn(&Tensor) -> Tensor;
    let cases: [(&str, Reduction<'_>); 6] = [
        ("token-mean", &|x| reduce::token_mean(x, &mask, &over)),
        ("seq-mean-token-sum", &|x| reduce::row_mean_token_sum(x, &mask, &over)),
        ("seq-mean-token-mean", &|x| reduce::row_mean_token_mean(x, &mask, &over)),
        ("nodual", &|x| reduce::token_mean(x, &mask, &over)),
        ("dual_c1.1", &|x| reduce::token_mean(x, &mask, &over)),
        // verl divides the sum of all tokens by the width of the batch, and not by its rows.
        ("seq-mean-token-sum-norm", &|x| reduce::token_sum(x, &mask) / 24.0),
    ];
    for (stored, reduction) in cases {
        let dual = match stored {
            "nodual" => None,
            "dual_c1.1" => Some(1.1),
            _ => Some(3.0),
        };
        let clip = Clip { low: 0.2, high: 0.2, delta: None, dual };
        let logp = grid("new_logps").set_requires_grad(true);
        let loss = reduction(&surrogate(&ratio::token(&logp, &old), &advantage, clip));
        let grad = Tensor::run_backward(&[&loss], &[&logp], false, false).swap_remove(0);
        let (ours, wanted) = (f64::try_from(loss.detach()).unwrap(), numbers(&format!("ppo_policy_loss_{stored}"))[0]);
        assert!((ours - wanted).abs() <= 1e-5 * wanted.abs().max(0.1), "{stored}: {ours} against {wanted}");
        let far = relative(&Vec::<f64>::try_from(grad.view([-1])).unwrap(), &numbers(&format!("ppo_policy_grad_{stored}")));
        assert!(far <= 1e-5, "{stored}: gradient off by {far:e}");
    }
}

#[test]
fn the_group_normalised_advantages_equal_verls_but_for_the_epsilon() {
    // verl adds 1e-6 to the deviation where TRL, and we, add 1e-4: ours is undone by the known deviation.
    let ours = credit::centre(&scores(), credit::Scale::Group).into_iter().zip(scores()).flat_map(|(group, scores)| {
        let sigma = credit::group_std(&scores);
        group.into_iter().flatten().map(move |a| a * (sigma + 1e-4) / (sigma + 1e-6))
    });
    equals_verls(&ours.collect::<Vec<_>>(), "verl_grpo_adv");
}

/// The stored batch, credited by an algorithm: by row and token, padded with 0, and the returns if there are some.
fn credited(name: &str, knobs: &serde_json::Value) -> (Vec<f64>, Option<Vec<f64>>) {
    let (mask, values) = (numbers("mask"), numbers("values"));
    // verl's rewards by token are the score and the charge for k1: the charge's weight is told in the JSON.
    let log_ratio: Vec<f64> = numbers("old_logps").iter().zip(numbers("ref_logps")).map(|(a, b)| a - b).collect();
    let lengths: Vec<usize> = mask.chunks(24).map(|m| m.iter().filter(|m| **m == 1.0).count()).collect();
    let trained: Vec<Vec<bool>> = lengths.iter().map(|n| vec![true; *n]).collect();
    let row = |b: usize| RowTokens {
        trained: &trained[b],
        kl: Some(&log_ratio[b * 24..b * 24 + lengths[b]]),
        values: Some(&values[b * 24..b * 24 + lengths[b]]),
    };
    let tokens: Vec<RowTokens<'_>> = (0..16).map(row).collect();
    let scores: Vec<Option<f64>> = numbers("rewards").into_iter().map(Some).collect();
    let groups: Vec<_> = (0..16)
        .step_by(GROUP)
        .map(|b| GroupRewards { tokens: Some(&tokens[b..b + GROUP]), ..GroupRewards::new(&scores[b..b + GROUP], &lengths[b..b + GROUP]) })
        .collect();
    let credit = build(name, knobs).unwrap().credit(&mut AlgoState::default(), &CreditInput { groups: &groups }).unwrap();
    let pad = |row: &[f64]| (0..24).map(|t| row.get(t).copied().unwrap_or(0.0)).collect::<Vec<_>>();
    let rows = credit.rows.iter().flatten().flat_map(|row| match row {
        RowCredit::Tokens(a) => pad(a),
        other => panic!("{other:?}"),
    });
    (rows.collect(), credit.returns.map(|r| r.iter().flatten().flat_map(|row| pad(row)).collect()))
}

/// Compares where the mask is 1.
fn masked_equals(ours: &[f64], stored: &str) {
    let cut = |v: &[f64]| v.iter().zip(numbers("mask")).map(|(v, m)| v * m).collect::<Vec<_>>();
    let far = relative(&cut(ours), &cut(&numbers(stored)));
    assert!(far <= 1e-5, "{stored} is off by {far:e}");
}

/// PPO's credit, policy loss and critic loss.
pub(crate) fn ppo() {
    for (gamma, lambda) in [("1.0", "0.95"), ("0.99", "0.9"), ("1.0", "1.0")] {
        let number = |x: &str| x.parse::<f64>().unwrap();
        let knobs = serde_json::json!({"beta": 0.05, "gamma": number(gamma), "lambda": number(lambda)});
        let (advantages, returns) = credited("ppo", &knobs);
        masked_equals(&advantages, &format!("gae_adv_whitened_g{gamma}_l{lambda}"));
        masked_equals(&returns.unwrap(), &format!("gae_returns_g{gamma}_l{lambda}"));
        let mut raw = knobs;
        raw["whiten"] = false.into();
        masked_equals(&credited("ppo", &raw).0, &format!("gae_adv_raw_g{gamma}_l{lambda}"));
    }
    let over = Denominators { tokens: numbers("mask").iter().sum(), rows: 16.0, groups: 4.0, max_new_tokens: 24.0 };
    let ppo = build("ppo", &serde_json::json!({"dual_clip": 3.0})).unwrap();
    let (logp, values) = (grid("new_logps").set_requires_grad(true), grid("vpreds").set_requires_grad(true));
    let (old, advantage, mask) = (grid("old_logps"), grid("gae_adv_whitened_g1.0_l0.95"), grid("mask"));
    let policy = ppo.loss(&Leaves::new(&logp, &old, &advantage, &mask), &over).unwrap();
    equals_loss(&policy.policy, &logp, ("ppo_policy_loss_token-mean", "ppo_policy_grad_token-mean"));
    assert!((policy.stats.means()["clip_ratio/region_mean"] - numbers("ppo_clipfrac")[0]).abs() <= 1e-6);
    assert!((policy.stats.means()["clip_ratio/dual_mean"] - numbers("ppo_clipfrac_lower")[0]).abs() <= 1e-6);
    let (values_old, returns) = (grid("values"), grid("gae_returns_g1.0_l0.95"));
    let leaves = CriticLeaves { values: &values, values_old: &values_old, returns: &returns, trained: &mask };
    let critic = ppo.critic().unwrap().loss(&leaves, &over).unwrap();
    equals_loss(&critic.loss, &values, ("ppo_value_loss", "ppo_value_grad"));
    assert!((critic.stats.means()["critic/clip_ratio"] - numbers("ppo_value_clipfrac")[0]).abs() <= 1e-6);
}

fn equals_loss(loss: &Tensor, leaf: &Tensor, (value, gradient): (&str, &str)) {
    let grad = Tensor::run_backward(&[loss], &[leaf], false, false).swap_remove(0);
    let (ours, wanted) = (f64::try_from(loss.detach()).unwrap(), numbers(value)[0]);
    assert!((ours - wanted).abs() <= 1e-5 * wanted.abs().max(0.1), "{value}: {ours} against {wanted}");
    let far = relative(&Vec::<f64>::try_from(grad.view([-1])).unwrap(), &numbers(gradient));
    assert!(far <= 1e-5, "{gradient} is off by {far:e}");
}

/// REINFORCE++'s credit; verl's was given scores without a charge for the KL.
pub(crate) fn reinforce_pp() {
    masked_equals(&credited("reinforce_pp", &serde_json::json!({})).0, "verl_reinforce_pp_adv");
}

#[test]
fn the_dual_clips_share_equals_verls() {
    let (old, advantage, mask) = (grid("old_logps"), grid("gae_adv_whitened_g1.0_l0.95"), grid("mask"));
    let mut stats = crate::Stats::default();
    let clip = Clip { low: 0.2, high: 0.2, delta: None, dual: Some(1.1) };
    crate::clip::measure(&mut stats, &ratio::token(&grid("new_logps"), &old), &advantage, &mask, clip);
    assert!((stats.means()["clip_ratio/dual_mean"] - numbers("ppo_clipfrac_lower_dual_c1.1")[0]).abs() <= 1e-6);
}
