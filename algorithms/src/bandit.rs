//! The smallest language model: one token of two. Its optimum is known, with and without a KL to the reference.
//!
//! Arm 1 pays 1, arm 0 pays 0; the policy is `σ(θ)` for arm 1. Without a KL the optimum is arm 1 alone. With a KL of weight β to a reference
//! of logit `θ_ref` it is `θ* = θ_ref + 1/β`.

use serde_json::{Value, json};
use tch::{Device, Kind, Tensor};

use crate::preference::Side;
use crate::{
    AlgoState, CreditInput, CriticLeaves, Denominators, GroupRewards, Leaves, Method, PairDenominators, PairLeaves, RowCredit, RowTokens,
    build, method,
};

const GROUPS: usize = 8;
const SIZE: usize = 8;
const ROWS: usize = GROUPS * SIZE;

/// A policy of one logit, a critic of one number, and a stream of draws.
struct Bandit {
    theta: Tensor,
    value: Tensor,
    stream: u64,
}

impl Bandit {
    fn new(theta: f64) -> Self {
        let leaf = |x: f64| Tensor::from_slice(&[x]).set_requires_grad(true);
        Self { theta: leaf(theta), value: leaf(0.0), stream: 7 }
    }

    /// Uniform in [0, 1): Knuth's linear congruential generator, its upper bits.
    fn draw(&mut self) -> f64 {
        self.stream = self.stream.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.stream >> 11) as f64 / (1_u64 << 53) as f64
    }

    fn theta(&self) -> f64 {
        self.theta.double_value(&[0])
    }

    /// `log π` of arms, with a graph.
    fn logp(theta: &Tensor, arms: &[f64]) -> Tensor {
        (theta * (Tensor::from_slice(arms) * 2.0 - 1.0)).log_sigmoid()
    }

    fn descend(leaf: &mut Tensor, loss: &Tensor, rate: f64) {
        let grad = Tensor::run_backward(&[loss], &[&*leaf], false, false).swap_remove(0);
        *leaf = (leaf.detach() - grad * rate).set_requires_grad(true);
    }

    /// One step: draw, score, credit, two updates.
    fn step(&mut self, name: &str, knobs: &Value, theta_ref: f64, state: &mut AlgoState, rate: f64) {
        let algorithm = build(name, knobs).unwrap();
        let p = 1.0 / (1.0 + (-self.theta()).exp());
        let arms: Vec<f64> = (0..ROWS).map(|_| if self.draw() < p { 1.0 } else { 0.0 }).collect();
        let old = Self::logp(&self.theta.detach(), &arms).view([-1, 1]);
        let reference = Self::logp(&Tensor::from_slice(&[theta_ref]), &arms).view([-1, 1]);
        let log_ratio = Vec::<f64>::try_from((&old - &reference).view([-1])).unwrap();
        let value = [self.value.double_value(&[0])];
        let tokens: Vec<RowTokens<'_>> =
            log_ratio.chunks(1).map(|kl| RowTokens { trained: &[true], kl: Some(kl), values: Some(&value) }).collect();
        let scores: Vec<Option<f64>> = arms.iter().copied().map(Some).collect();
        let group = |p: usize| {
            let at = p * SIZE..(p + 1) * SIZE;
            GroupRewards {
                tokens: Some(&tokens[at.clone()]),
                kl: Some(&log_ratio[at.clone()]),
                ..GroupRewards::new(&scores[at], &[1; SIZE])
            }
        };
        let groups: Vec<_> = (0..GROUPS).map(group).collect();
        let credit = algorithm.credit(state, &CreditInput { groups: &groups }).unwrap();
        let of = |row: &RowCredit| match row {
            RowCredit::Sequence(a) => *a,
            RowCredit::Tokens(a) => a[0],
            RowCredit::Untrained => 0.0,
        };
        let advantage = Tensor::from_slice(&credit.rows.iter().flatten().map(of).collect::<Vec<_>>()).view([-1, 1]);
        let on = advantage.ones_like();
        let over = Denominators { tokens: ROWS as f64, rows: ROWS as f64, groups: GROUPS as f64, max_new_tokens: 1.0 };
        let logp = Self::logp(&self.theta, &arms).view([-1, 1]);
        let leaves = Leaves { logp_ref: Some(&reference), ..Leaves::new(&logp, &old, &advantage, &on) };
        let loss = algorithm.loss(&leaves, &over).unwrap().policy;
        Self::descend(&mut self.theta, &loss, rate);
        if let Some(critic) = algorithm.critic() {
            let returns: Vec<f64> = credit.returns.unwrap().into_iter().flatten().flatten().collect();
            let values = self.value.expand([ROWS as i64], false).view([-1, 1]);
            let (old, returns) = (values.detach(), Tensor::from_slice(&returns).view([-1, 1]));
            let leaves = CriticLeaves { values: &values, values_old: &old, returns: &returns, trained: &on };
            Self::descend(&mut self.value, &critic.loss(&leaves, &over).unwrap().loss, 0.5);
        }
    }
}

#[test]
fn online_algorithms_find_the_arm_that_pays() {
    for name in ["ppo", "grpo", "rloo", "reinforce", "reinforce_pp", "gspo", "cispo", "sapo", "gmpo", "opo"] {
        let (mut bandit, mut state) = (Bandit::new(-1.0), AlgoState::default());
        for _ in 0..150 {
            bandit.step(name, &json!({}), 0.0, &mut state, 1.0);
        }
        let p = 1.0 / (1.0 + (-bandit.theta()).exp());
        assert!(p > 0.95, "{name}: {p}");
    }
}

/// With a KL the optimum is inside: `θ* = θ_ref + 1/β = −0.5 + 1/0.8`. Where a group's mean holds the answer itself, credit is (G − 1)/G of
/// the reward's, and a KL in the loss is not: there it is `θ_ref + (7/8)/β`. (With the KL in the reward both shrink alike.)
#[test]
fn with_a_kl_they_find_the_optimum_between_reward_and_reference() {
    let (beta, theta_ref) = (0.8, -0.5);
    let reward = json!({"beta": beta});
    let unscaled = json!({"beta": beta, "whiten": false});
    let in_loss = json!({"beta": beta, "scale_rewards": "none"});
    let straight =
        json!({"beta": beta, "scale_rewards": "none", "kl_estimator": "k1", "kl_straight_through": true, "kl_correction": false});
    let own_share = (SIZE - 1) as f64 / SIZE as f64;
    let cases = [
        ("ppo", &unscaled, 1.0),
        ("grpo", &in_loss, own_share),
        ("grpo", &straight, own_share),
        ("rloo", &reward, 1.0),
        ("reinforce", &reward, 1.0),
    ];
    for (name, knobs, share) in cases {
        let (mut bandit, mut state) = (Bandit::new(2.0), AlgoState::default());
        let mut tail = 0.0;
        for step in 0..500 {
            bandit.step(name, knobs, theta_ref, &mut state, if step < 200 { 1.0 } else { 0.3 });
            tail += if step >= 300 { bandit.theta() / 200.0 } else { 0.0 };
        }
        let wanted = theta_ref + share / beta;
        assert!((tail - wanted).abs() < 0.06, "{name} {knobs}: {tail} against {wanted}");
    }
}

/// Judges prefer arm 1 in 7 pairs of 10. Where the reward of an answer is `β·log(π/π_ref)`, the optimum gives them just these odds:
/// `θ* = θ_ref + log(7/3)/β`. IPO's is `θ_ref + (2·0.7 − 1)/(2β)`.
#[test]
fn losses_of_pairs_find_the_optimum_of_their_judges() {
    let (beta, theta_ref, arms) = (0.5, 0.3, [1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 0.0, 0.0, 0.0]);
    let other = arms.map(|a| 1.0 - a);
    let odds = (7.0_f64 / 3.0).ln() / beta;
    for (name, wanted) in [("dpo", theta_ref + odds), ("ipo", theta_ref + 0.4 / (2.0 * beta)), ("cpo", odds)] {
        let Method::Pairs(objective) = method(name, &json!({"beta": beta, "sft_weight": 0.0})).unwrap() else { panic!() };
        let mut theta = Tensor::from_slice(&[-1.0_f64]).set_requires_grad(true);
        let one = Tensor::ones([10], (Kind::Double, Device::Cpu));
        for _ in 0..400 {
            let side = |arms: &[f64; 10]| Side {
                logp: Bandit::logp(&theta, arms),
                tokens: one.shallow_clone(),
                logp_ref: Some(Bandit::logp(&Tensor::from_slice(&[theta_ref]), arms)),
            };
            let leaves = PairLeaves { chosen: side(&arms), rejected: side(&other) };
            let d = PairDenominators { pairs: 10.0, chosen_tokens: 10.0 };
            let loss = objective.loss(&mut AlgoState::default(), &leaves, &d).unwrap().loss;
            Bandit::descend(&mut theta, &loss, if name == "ipo" { 0.3 } else { 4.0 });
        }
        let found = theta.double_value(&[0]);
        assert!((found - wanted).abs() < 1e-3, "{name}: {found} against {wanted}");
    }
}
