//! The critic's learner: what it does to weights does not depend on micro-batches, it learns what it is told, and it skips what is broken.

use collimate_algorithms::{CriticLoss, Denominators, build};
use collimate_learners::{CriticLearner, LearnerError};
use collimate_models::{Fresh, Packed, Suffix, Tape};
use tch::{Kind, Tensor};

use crate::credited::{SEED, batch, config, tiny};

/// PPO's critic with its clip.
fn with_loss(run: impl FnOnce(&dyn CriticLoss)) {
    let ppo = build("ppo", &serde_json::json!({"value_clip": 0.2})).unwrap();
    run(ppo.critic().unwrap());
}

fn weights(model: &collimate_models::ScoreModel) -> Vec<Tensor> {
    model.params().iter().map(|p| p.value().detach().copy()).collect()
}

#[test]
fn micro_batches_and_little_memory_change_nothing() {
    let after = |micro: usize, tape: Tape| {
        let (model, mut tape) = (tiny(Kind::Double, SEED), tape);
        let mut learner = CriticLearner::new(&model, config(1e-3, micro));
        let mut loss = f64::NAN;
        with_loss(|critic| loss = learner.step(&model, critic, &batch(), &mut tape).unwrap().get("critic/loss").unwrap());
        (loss, weights(&model))
    };
    let (whole_loss, whole) = after(1000, Tape::new());
    for (loss, cut) in [after(1, Tape::new()), after(6, Tape::new()), after(1000, Tape::with_limit(0))] {
        assert!((loss - whole_loss).abs() < 1e-12, "{loss} against {whole_loss}");
        for (a, b) in cut.iter().zip(&whole) {
            assert!((a - b).abs().max().double_value(&[]) < 1e-9);
        }
    }
}

/// Row by row under autograd through differentiable operations alone, every row with a copy of its prompt.
#[test]
fn the_loss_and_its_gradient_are_those_of_whole_rows_under_autograd() {
    let _guard = tch::no_grad_guard();
    let (model, twin) = (tiny(Kind::Double, SEED), tiny(Kind::Double, SEED));
    let data = batch();
    let over = Denominators { tokens: 12.0, rows: 5.0, groups: 2.0, max_new_tokens: 0.0 };
    let params = twin.params();
    let (mut wanted, mut gradients) = (0.0, params.iter().map(|p| p.value().zeros_like()).collect::<Vec<_>>());
    for group in &data.groups {
        for row in &group.rows {
            let tokens = [group.prompt.tokens.as_slice(), &row.tokens].concat();
            let suffix = Suffix { scored: vec![true; tokens.len()], tokens, row: 0 };
            let packed = Packed::new(&[collimate_models::Block { prefix: vec![], suffixes: vec![suffix] }]).unwrap();
            let cut = |t: &Tensor| t.narrow(0, group.prompt.tokens.len() as i64 - 1, row.tokens.len() as i64).unsqueeze(0);
            let grid = |v: &[f32]| Tensor::from_slice(v).to_kind(Kind::Double).unsqueeze(0);
            let critic = row.critic.as_ref().unwrap();
            let trained = grid(&row.trained.iter().map(|t| f32::from(u8::from(*t))).collect::<Vec<_>>());
            let grads = tch::with_grad(|| {
                let values = cut(&twin.head().forward(&twin.run(&packed).unwrap()));
                let leaves = collimate_algorithms::CriticLeaves {
                    values: &values,
                    values_old: &grid(&critic.values),
                    returns: &grid(&critic.returns),
                    trained: &trained,
                };
                let mut loss = None;
                with_loss(|critic| loss = Some(critic.loss(&leaves, &over).unwrap().loss));
                let loss = loss.unwrap();
                wanted += f64::try_from(loss.detach()).unwrap();
                Tensor::run_backward(&[loss], &params.iter().map(|p| p.value()).collect::<Vec<_>>(), false, false)
            });
            gradients.iter_mut().zip(grads).for_each(|(sum, grad)| *sum += grad);
        }
    }
    let mut tape = Tape::new();
    let mut learner = CriticLearner::new(&model, config(0.0, 1000));
    with_loss(|critic| {
        let metrics = learner.step(&model, critic, &data, &mut tape).unwrap();
        assert!((metrics.get("critic/loss").unwrap() - wanted).abs() < 1e-12);
        let norm = gradients.iter().map(|g| f64::try_from(g.square().sum(Kind::Double)).unwrap()).sum::<f64>().sqrt();
        assert!((metrics.get("critic/grad_norm").unwrap() / norm - 1.0).abs() < 1e-9);
    });
}

#[test]
fn it_learns_the_returns_it_is_told() {
    let model = tiny(Kind::Float, Fresh::Zero);
    let mut learner = CriticLearner::new(&model, config(3e-3, 1000));
    let (mut tape, mut losses) = (Tape::new(), Vec::new());
    let ppo = build("ppo", &serde_json::json!({"value_clip": null})).unwrap();
    for _ in 0..150 {
        losses.push(learner.step(&model, ppo.critic().unwrap(), &batch(), &mut tape).unwrap().get("critic/loss").unwrap());
    }
    // The state before the first token is the prompt's, one for all its answers: there a critic can say no more than their mean.
    let left: f64 = batch().groups.iter().map(first_returns).map(|r| r.iter().map(|x| (x - mean(&r)).powi(2)).sum::<f64>()).sum();
    let least = 0.5 * left / 12.0;
    assert!(losses[0] > 0.1 && (losses[149] - least).abs() < 1e-3, "{} at first, {} at last, {least} at least", losses[0], losses[149]);
    assert!(learner.learns_alone(2) && !learner.learns_alone(3));
    assert_eq!(learner.state().attempts, 150);
}

#[test]
fn what_is_not_finite_changes_nothing_and_ends_the_run_when_it_stays() {
    let model = tiny(Kind::Float, SEED);
    let before = weights(&model);
    let mut broken = batch();
    broken.groups[0].rows[0].critic.as_mut().unwrap().returns[1] = f32::NAN;
    let mut learner = CriticLearner::new(&model, config(1e-3, 1000));
    let mut tape = Tape::new();
    with_loss(|critic| {
        assert_eq!(learner.step(&model, critic, &broken, &mut tape).unwrap().get("critic/skipped"), Some(1.0));
        assert!(weights(&model).iter().zip(&before).all(|(a, b)| a == b));
        let error = learner.step(&model, critic, &broken, &mut tape).unwrap_err();
        assert!(matches!(error, LearnerError::NotFinite { count: 2, .. }), "{error}");
        let mut silent = batch();
        silent.groups[1].rows[0].critic = None;
        assert!(matches!(learner.step(&model, critic, &silent, &mut tape).unwrap_err(), LearnerError::NoReturns));
    });
}

fn first_returns(group: &collimate_types::CreditedGroup) -> Vec<f64> {
    group.rows.iter().map(|r| f64::from(r.critic.as_ref().unwrap().returns[0])).collect()
}

fn mean(numbers: &[f64]) -> f64 {
    numbers.iter().sum::<f64>() / numbers.len() as f64
}
