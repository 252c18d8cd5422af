//! Laws that hold for the whole roster, or between algorithms, whatever the numbers.

use proptest::prelude::*;
use serde_json::{Value, json};
use tch::{Kind, Tensor};

use crate::golden::{Case, relative};
use crate::preference::Side;
use crate::{
    AlgoState, CreditInput, Denominators, Family, GroupRewards, Leaves, Method, PairDenominators, PairLeaves, RowCredit, RowTokens, build,
    method, roster,
};

/// All algorithms of a family.
pub(crate) fn names(family: Family) -> Vec<&'static str> {
    roster().iter().map(|e| e.card).filter(|c| c.family == family).map(|c| c.name).collect()
}

/// The credit of groups; a constant is added to their scores, to the critic's values and to the greedy answers' scores.
fn shifted_credit(name: &str, groups: &[Vec<Option<f64>>], shift: &[f64]) -> Vec<Vec<RowCredit>> {
    let scores: Vec<Vec<Option<f64>>> = groups.iter().zip(shift).map(|(g, s)| g.iter().map(|r| r.map(|r| r + s)).collect()).collect();
    let lengths: Vec<Vec<usize>> = groups.iter().map(|g| vec![3; g.len()]).collect();
    let kl: Vec<Vec<f64>> = groups.iter().map(|g| vec![0.0; g.len()]).collect();
    let value = |r: &Option<f64>, s: f64| [0.1, 0.2, 0.3].map(|v| v + 0.5 * r.unwrap_or(0.0) + s);
    let values: Vec<Vec<[f64; 3]>> = groups.iter().zip(shift).map(|(g, s)| g.iter().map(|r| value(r, *s)).collect()).collect();
    let row = |values: &'_ [f64; 3]| values.to_vec();
    let owned: Vec<Vec<Vec<f64>>> = values.iter().map(|g| g.iter().map(row).collect()).collect();
    let tokens: Vec<Vec<RowTokens<'_>>> =
        owned.iter().map(|g| g.iter().map(|v| RowTokens { trained: &[true; 3], kl: Some(&[0.0; 3]), values: Some(v) }).collect()).collect();
    let group = |p: usize| GroupRewards {
        kl: Some(&kl[p]),
        tokens: Some(&tokens[p]),
        greedy: Some(0.25 + shift[p]),
        ..GroupRewards::new(&scores[p], &lengths[p])
    };
    let all: Vec<_> = (0..groups.len()).map(group).collect();
    build(name, &json!({})).unwrap().credit(&mut AlgoState::default(), &CreditInput { groups: &all }).unwrap().rows
}

fn credit(name: &str, groups: &[Vec<Option<f64>>]) -> Vec<Vec<RowCredit>> {
    shifted_credit(name, groups, &vec![0.0; groups.len()])
}

fn close(a: &RowCredit, b: &RowCredit) -> bool {
    let near = |a: f64, b: f64| a.is_finite() && (a - b).abs() < 1e-8 * (1.0 + b.abs());
    match (a, b) {
        (RowCredit::Sequence(a), RowCredit::Sequence(b)) => near(*a, *b),
        (RowCredit::Tokens(a), RowCredit::Tokens(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| near(*a, *b)),
        (a, b) => a == b,
    }
}

fn all_close(a: &[Vec<RowCredit>], b: &[Vec<RowCredit>]) -> bool {
    a.iter().flatten().zip(b.iter().flatten()).all(|(a, b)| close(a, b))
}

fn groups() -> impl Strategy<Value = Vec<Vec<Option<f64>>>> {
    proptest::collection::vec(proptest::collection::vec(proptest::option::weighted(0.8, -3.0..3.0_f64), 1..6), 1..5)
}

/// Cuts of `n` rows into up to three parts.
fn cuts(n: i64, first: i64, second: i64) -> Vec<(i64, i64)> {
    let mut edges = [0, first, (first + second) % n, n];
    edges.sort_unstable();
    edges.windows(2).map(|w| (w[0], w[1] - w[0])).filter(|c| c.1 > 0).collect()
}

/// Loss and gradient of one-token completions.
fn single_tokens(name: &str, knobs: &Value, tokens: &[(f64, f64, f64)]) -> (f64, Vec<f64>) {
    let column = |f: &dyn Fn(&(f64, f64, f64)) -> f64| Tensor::from_slice(&tokens.iter().map(f).collect::<Vec<_>>()).view([-1, 1]);
    let (old, advantage) = (column(&|t| t.1), column(&|t| t.2));
    let logp = column(&|t| t.1 + t.0).set_requires_grad(true);
    let rows = tokens.len() as f64;
    let d = Denominators { tokens: rows, rows, groups: 1.0, max_new_tokens: 1.0 };
    let out = build(name, knobs).unwrap().loss(&Leaves::new(&logp, &old, &advantage, &advantage.ones_like()), &d).unwrap();
    let grad = Tensor::run_backward(&[&out.policy], &[&logp], false, false).swap_remove(0);
    (f64::try_from(out.policy.detach()).unwrap(), Vec::<f64>::try_from(grad.view([-1])).unwrap())
}

/// A pair: log-probabilities and reference of both sides, tokens of both.
type Pair = ((f64, f64), (f64, f64), (u8, u8));

fn some_pairs() -> impl Strategy<Value = Vec<Pair>> {
    let logp = || (-30.0..-1.0_f64, -30.0..-1.0_f64);
    proptest::collection::vec((logp(), logp(), (1..40_u8, 1..40_u8)), 2..6)
}

/// Loss and gradient of pairs, summed over cuts.
fn pair_loss(name: &str, pairs: &[Pair], cuts: &[(i64, i64)]) -> (f64, Vec<f64>) {
    let Method::Pairs(objective) = method(name, &json!({"sft_weight": 0.5})).unwrap() else { panic!("{name}") };
    let column = |f: &dyn Fn(&Pair) -> f64| Tensor::from_slice(&pairs.iter().map(f).collect::<Vec<_>>());
    let d = PairDenominators { pairs: pairs.len() as f64, chosen_tokens: pairs.iter().map(|p| f64::from(p.2.0)).sum() };
    let (mut loss, mut grads) = (0.0, Vec::new());
    for (start, count) in cuts {
        let part = |t: Tensor| t.narrow(0, *start, *count);
        let chosen = part(column(&|p| p.0.0)).set_requires_grad(true);
        let rejected = part(column(&|p| p.1.0));
        let leaves = PairLeaves {
            chosen: Side {
                logp: chosen.shallow_clone(),
                tokens: part(column(&|p| f64::from(p.2.0))),
                logp_ref: Some(part(column(&|p| p.0.1))),
            },
            rejected: Side { logp: rejected, tokens: part(column(&|p| f64::from(p.2.1))), logp_ref: Some(part(column(&|p| p.1.1))) },
        };
        let out = objective.loss(&mut AlgoState::default(), &leaves, &d).unwrap();
        grads.extend(Vec::<f64>::try_from(Tensor::run_backward(&[&out.loss], &[&chosen], false, false).swap_remove(0)).unwrap());
        loss += f64::try_from(out.loss.detach()).unwrap();
    }
    (loss, grads)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn micro_batching_and_padding_change_nothing(cut in 1..16_i64, second in 0..15_i64, padding in 0..4_i64) {
        let cuts = cuts(16, cut, second);
        let case = Case::load("new_logps", "old_logps", "advantages");
        for name in names(Family::Online) {
            assert!(!build(name, &json!({})).unwrap().needs().whole_batch, "{name}");
            let (whole, grad) = case.run(name, json!({}));
            let (sum, parts) = case.rows(name, json!({}), &cuts, padding);
            prop_assert!((whole - sum).abs() < 1e-12 * (1.0 + whole.abs()) && relative(&parts, &grad) < 1e-12, "{name}");
        }
    }

    #[test]
    fn micro_batching_changes_nothing_of_pairs_that_stand_alone(pairs in some_pairs(), cut in 1..5_i64) {
        let n = pairs.len() as i64;
        for name in names(Family::Pairs) {
            if method(name, &json!({})).unwrap().needs().whole_batch {
                continue;
            }
            let (whole, grad) = pair_loss(name, &pairs, &[(0, n)]);
            let (sum, parts) = pair_loss(name, &pairs, &cuts(n, cut % n, 0));
            prop_assert!((whole - sum).abs() <= 1e-12 * (1.0 + whole.abs()) && relative(&parts, &grad) < 1e-12, "{name}");
        }
    }

    #[test]
    fn permuting_a_group_permutes_its_credit(groups in groups(), turn in 0..5_usize) {
        let mut turned = groups.clone();
        turned.iter_mut().for_each(|g| { let n = g.len(); g.rotate_left(turn % n); });
        for name in names(Family::Online) {
            let mut wanted = credit(name, &groups);
            wanted.iter_mut().for_each(|g| { let n = g.len(); g.rotate_left(turn % n); });
            prop_assert!(all_close(&credit(name, &turned), &wanted), "{name}");
        }
    }

    /// What is of the whole batch, a baseline or a deviation, moves with one group: there the law is for all groups at once.
    #[test]
    fn a_constant_added_to_a_group_changes_nothing(groups in groups(), shift in -5.0..5.0_f64) {
        let mut one = vec![0.0; groups.len()];
        one[0] = shift;
        for name in names(Family::Online) {
            let of_the_batch = matches!(name, "lite_ppo" | "reinforce" | "reinforce_pp");
            let by = if of_the_batch { vec![shift; groups.len()] } else { one.clone() };
            prop_assert!(all_close(&shifted_credit(name, &groups, &by), &credit(name, &groups)), "{name}");
        }
    }

    #[test]
    fn credit_is_finite_and_only_for_what_has_a_score(groups in groups()) {
        for name in names(Family::Online) {
            for (row, score) in credit(name, &groups).iter().flatten().zip(groups.iter().flatten()) {
                prop_assert!(match row {
                    RowCredit::Sequence(a) => a.is_finite() && score.is_some(),
                    RowCredit::Tokens(a) => a.len() == 3 && a.iter().all(|a| a.is_finite()) && score.is_some(),
                    RowCredit::Untrained => score.is_none(),
                }, "{name}");
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

    /// What an algorithm that compares siblings says of a group of one, and only such an algorithm.
    #[test]
    fn who_compares_siblings_credits_a_group_of_one_with_nothing(score in 0.5..3.0_f64) {
        for name in names(Family::Online) {
            let compares = build(name, &json!({})).unwrap().needs().siblings;
            let row = &credit(name, &[vec![Some(score)], vec![Some(-score), Some(0.1)]])[0][0];
            let nothing = matches!(row, RowCredit::Sequence(a) if a.abs() < 1e-12);
            prop_assert!(nothing == compares, "{name}: {row:?}");
        }
    }

    /// With equal lengths the baseline of least variance is the mean.
    #[test]
    fn opo_of_equal_lengths_is_centred_grpo(groups in groups()) {
        prop_assert!(all_close(&credit("opo", &groups), &credit("dr_grpo", &groups)));
    }

    /// A completion of one token has one ratio, at whichever level.
    #[test]
    fn gspo_and_rloo_of_one_token_are_grpo(tokens in proptest::collection::vec((-0.6..0.6_f64, -3.0..-0.7_f64, -2.0..2.0_f64), 1..8)) {
        let knobs = json!({"epsilon_low": 0.2, "epsilon_high": 0.3});
        let (loss, grad) = single_tokens("grpo", &knobs, &tokens);
        for name in ["gspo", "rloo"] {
            let (ours, gradient) = single_tokens(name, &knobs, &tokens);
            prop_assert!((ours - loss).abs() < 1e-12, "{name}");
            prop_assert!(gradient.iter().zip(&grad).all(|(a, b)| (a - b).abs() < 1e-12), "{name}");
        }
    }

    /// On policy, without a clip, the ratio is 1 and its gradient is the policy gradient's; so are those of the soft gates.
    #[test]
    fn on_policy_every_gate_has_reinforces_gradient(tokens in proptest::collection::vec((-3.0..-0.7_f64, -2.0..2.0_f64), 1..8)) {
        let tokens: Vec<_> = tokens.into_iter().map(|(old, a)| (0.0, old, a)).collect();
        let (_, wanted) = single_tokens("reinforce", &json!({}), &tokens);
        let open = json!({"epsilon_low": 1.0, "epsilon_high": 1e9});
        let cases = [("ppo", &open), ("dapo", &open), ("grpo", &open), ("gmpo", &Value::Null), ("cispo", &Value::Null), ("sapo", &Value::Null), ("vespo", &Value::Null)];
        for (name, knobs) in cases {
            let (_, grad) = single_tokens(name, knobs, &tokens);
            prop_assert!(grad.iter().zip(&wanted).all(|(a, b)| (a - b).abs() < 1e-12), "{name}");
        }
    }
}

/// What `credit_only` promises: rows with credit 0 add neither loss nor gradient.
#[test]
fn rows_without_credit_add_nothing_where_an_algorithm_says_so() {
    let case = Case::load("new_logps", "old_logps", "advantages");
    let _ = case.advantage.narrow(0, 4, 8).fill_(0.0);
    for name in names(Family::Online) {
        assert!(build(name, &json!({})).unwrap().needs().credit_only, "{name}");
        let (whole, grad) = case.run(name, json!({}));
        let (part, few) = case.rows(name, json!({}), &[(0, 4), (12, 4)], 0);
        assert!((whole - part).abs() < 1e-12 * (1.0 + whole.abs()), "{name}");
        assert!(grad[4 * 24..12 * 24].iter().all(|g| *g == 0.0), "{name}");
        assert!(relative(&few, &[&grad[..4 * 24], &grad[12 * 24..]].concat()) < 1e-12, "{name}");
    }
    for knobs in [json!({"beta": 0.1}), json!({"entropy": 0.1})] {
        assert!(!build("grpo", &knobs).unwrap().needs().credit_only);
    }
    assert!(build("grpo", &json!({"beta": 0.1, "kl_in": "reward"})).unwrap().needs().credit_only);
}

/// On the stored batch, on policy, with many tokens a row.
#[test]
fn ppo_with_an_infinite_clip_on_policy_is_reinforce() {
    let case = Case::load("old_logps", "old_logps", "advantages");
    let (_, plain) = case.run("reinforce", json!({}));
    for name in ["ppo", "dapo"] {
        let (_, ours) = case.run(name, json!({"epsilon_low": 1.0, "epsilon_high": 1e9}));
        assert!(relative(&ours, &plain) < 1e-12, "{name}");
    }
}

/// A needed leaf that is missing is an error with its name, for every leaf an algorithm may ask for.
#[test]
fn what_is_needed_is_what_is_asked_for() {
    let zeros = Tensor::zeros([2, 3], (Kind::Double, tch::Device::Cpu));
    let over = Denominators { tokens: 6.0, rows: 2.0, groups: 1.0, max_new_tokens: 3.0 };
    let cases = [
        (json!({"beta": 0.1}), "logp_ref"),
        (json!({"entropy": 0.1}), "entropy"),
        (json!({"beta": 0.1, "kl_estimator": "full"}), "full_kl"),
        (json!({"correction": "tis_token"}), "logp_behaviour"),
    ];
    for (knobs, leaf) in cases {
        let grpo = build("grpo", &knobs).unwrap();
        let needs = grpo.needs();
        assert!(needs.reference || needs.entropy || needs.full_kl || needs.behaviour);
        let error = grpo.loss(&Leaves::new(&zeros, &zeros, &zeros, &zeros), &over).unwrap_err().to_string();
        assert!(error.contains(leaf), "{error}");
    }
    let bare = [GroupRewards::new(&[Some(1.0), Some(0.0)], &[3, 3])];
    for (name, what) in [("remax", "greedy"), ("ppo", "values")] {
        let algorithm = build(name, &json!({})).unwrap();
        let error = algorithm.credit(&mut AlgoState::default(), &CreditInput { groups: &bare }).unwrap_err().to_string();
        assert!(error.contains(what), "{error}");
    }
}
