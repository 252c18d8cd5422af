//! Stored numbers of verl 0.8 (tests/data): a second, independent opinion on estimators, advantages, clip and reductions.

use safetensors::SafeTensors;
use tch::{Kind, Tensor};

use crate::clip::{Clip, surrogate};
use crate::golden::relative;
use crate::{Denominators, credit, kl, ratio, reduce};

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
    let cases = [("kl_kl", kl::k1(&logp, &reference)), ("kl_mse", kl::k2(&logp, &reference)), ("kl_low_var_kl", kl::k3(&logp, &reference))];
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
    let cases: [(&str, Reduction<'_>); 5] = [
        ("token-mean", &|x| reduce::token_mean(x, &mask, &over)),
        ("seq-mean-token-sum", &|x| reduce::row_mean_token_sum(x, &mask, &over)),
        ("seq-mean-token-mean", &|x| reduce::row_mean_token_mean(x, &mask, &over)),
        ("nodual", &|x| reduce::token_mean(x, &mask, &over)),
        // verl divides the sum of all tokens by the width of the batch, and not by its rows.
        ("seq-mean-token-sum-norm", &|x| reduce::token_sum(x, &mask) / 24.0),
    ];
    for (stored, reduction) in cases {
        // verl's third bound (3 here) never bites on this data where ours, at the same place, does not either.
        let clip = Clip { low: 0.2, high: 0.2, delta: (stored != "nodual").then_some(3.0) };
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
