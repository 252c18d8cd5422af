//! What holds of every update: how it is cut changes nothing, what is measured is what is learnt, what is not finite changes nothing.

use collimate_algorithms::{AlgoState, Demonstrations, Pairs};
use collimate_learners::{GivenLearner, GivenRow, measure, reference};
use collimate_models::Tape;
use collimate_types::Metrics;
use serde_json::json;

use crate::support::{Named, assert_near, config, demonstrations, pairs, tiny, update};

/// The numbers that do not say how the update was cut.
fn plain(metrics: &Metrics) -> Vec<(String, f64)> {
    metrics.0.iter().filter(|(k, _)| !k.starts_with("time/") && *k != "learner/rows").map(|(k, v)| (k.clone(), *v)).collect()
}

#[test]
fn micro_batching_changes_nothing() {
    let objective = Pairs::named("dpo", json!({"sft_weight": 0.3}));
    let (whole, grads) = update::<Pairs>(&tiny(), objective.as_ref(), &pairs(()), 1000, Tape::new());
    for budget in [1, 15, 25] {
        let (cut, ours) = update::<Pairs>(&tiny(), objective.as_ref(), &pairs(()), budget, Tape::new());
        for ((name, a), (other, b)) in plain(&cut).iter().zip(&plain(&whole)) {
            assert_eq!(name, other);
            assert!((a - b).abs() <= 1e-9 * b.abs().max(1.0), "{name}: {a} cut, {b} whole");
        }
        assert_near("dpo", &ours, &grads, 1e-12);
    }
}

#[test]
fn a_prompt_is_computed_once_for_both_answers_and_only_for_rows_of_the_trunk() {
    let objective = Pairs::named("dpo", json!({}));
    let row = &pairs(())[2..3];
    let (metrics, _) = update::<Pairs>(&tiny(), objective.as_ref(), row, 1000, Tape::new());
    // 4 of the prompt, 5 and 3 of the answers, whose last tokens predict nothing.
    assert_eq!(metrics.get("learner/rows"), Some(4.0 + 4.0 + 2.0));
}

#[test]
fn what_is_measured_is_the_loss_that_is_learnt() {
    for name in ["dpo", "bco_pair"] {
        let objective = Pairs::named(name, json!({}));
        let (learnt, _) = update::<Pairs>(&tiny(), objective.as_ref(), &pairs(()), 20, Tape::new());
        let state = AlgoState::default();
        let measured = measure::<Pairs>(&tiny(), (objective.as_ref(), &state), &pairs(()), &config(20, 0.0)).unwrap();
        assert!((measured.loss - learnt.get("loss").unwrap()).abs() < 1e-9, "{name}");
        assert!((measured.stats.means()["rewards/margins"] - learnt.get("rewards/margins").unwrap()).abs() < 1e-9);
        assert_eq!(state, AlgoState::default());
    }
}

#[test]
fn the_reference_of_the_policy_itself_makes_the_loss_log_2() {
    let mut rows = pairs(());
    let sums = reference::<Pairs>(&tiny(), &rows, 1).unwrap();
    let together = reference::<Pairs>(&tiny(), &rows, 1000).unwrap();
    for (row, (sums, together)) in rows.iter_mut().zip(sums.into_iter().zip(together)) {
        assert!(sums.iter().zip(&together).all(|(a, b)| (a - b).abs() < 1e-9));
        row.answers.iter_mut().zip(sums).for_each(|(a, s)| a.logp_ref = Some(s));
    }
    let (metrics, _) = update::<Pairs>(&tiny(), Pairs::named("dpo", json!({})).as_ref(), &rows, 20, Tape::new());
    assert!((metrics.get("loss").unwrap() - 2.0_f64.ln()).abs() < 1e-9);
    assert!(metrics.get("rewards/margins").unwrap().abs() < 1e-9);
}

#[test]
fn an_update_that_is_not_finite_changes_neither_weights_nor_state() {
    let model = tiny();
    let objective = Pairs::named("bco_pair", json!({}));
    let mut rows = pairs(());
    rows[0].answers[0].logp_ref = Some(f64::NAN);
    let mut learner = GivenLearner::new::<Pairs>(&model, config(100, 1e-2), Tape::new());
    let mut state = AlgoState::default();
    let before = model.params()[0].value().copy();
    let report = learner.step::<Pairs>(&model, (objective.as_ref(), &mut state), &rows, (1, 5)).unwrap();
    assert_eq!((report.version, report.updates, report.skipped, &state), (5, 0, 1, &AlgoState::default()));
    assert_eq!(*model.params()[0].value(), before);
    let refused = learner.step::<Pairs>(&model, (objective.as_ref(), &mut state), &rows, (2, 5)).unwrap_err();
    assert!(refused.to_string().contains("2 updates in a row"), "{refused}");
    let report = learner.step::<Pairs>(&model, (objective.as_ref(), &mut state), &pairs(()), (3, 5)).unwrap();
    assert_eq!((report.version, report.updates), (6, 1));
    assert_ne!(state, AlgoState::default());
    assert_ne!(*model.params()[0].value(), before);
}

#[test]
fn what_is_learnt_becomes_more_likely_step_by_step() {
    let (model, rows): (_, Vec<GivenRow>) = (tiny(), demonstrations());
    let objective = Demonstrations::named("sft", json!({}));
    let mut learner = GivenLearner::new::<Demonstrations>(&model, config(1000, 1e-2), Tape::new());
    let mut state = AlgoState::default();
    let mut step =
        |n| learner.step::<Demonstrations>(&model, (objective.as_ref(), &mut state), &rows, (n, n)).unwrap().metrics.get("loss").unwrap();
    let losses: Vec<f64> = (0..12).map(&mut step).collect();
    assert!(losses[11] < 0.3 * losses[0], "{losses:?}");
}
