//! The packed learner has the gradient of the naive way: every answer a padded row of its own, whole logits, autograd through all, float64.

use collimate_algorithms::{AlgoState, Comparisons, Demonstrations, Labelled, Objective, Pairs};
use collimate_learners::{GivenRow, Grid, Lesson, Preferred};
use collimate_models::{Block, Head, Model, Packed, Suffix, Tape, VocabHead};
use serde_json::json;
use tch::{Kind, Tensor};

use crate::support::{Named, assert_near, demonstrations, pairs, scorer, tiny, update};

/// Hidden states of one text computed alone, `[T, hidden]`, with a graph.
fn alone<H: Head>(model: &Model<H>, tokens: &[u32]) -> Tensor {
    // A last token has no row, so one more is laid behind it.
    let suffix = Suffix { tokens: tokens.iter().copied().chain([0]).collect(), scored: vec![false; tokens.len() + 1], row: 0 };
    let packed = Packed::new(&[Block { prefix: vec![], suffixes: vec![suffix] }]).unwrap();
    model.run(&packed).unwrap()
}

/// Every answer of every row by itself: its tokens' log-probabilities as a padded grid.
fn padded<L>(model: &Model, rows: &[GivenRow<L>]) -> Tensor {
    let columns = rows.iter().flat_map(|r| &r.answers).map(|a| a.tokens.len()).max().unwrap() as i64;
    let line = |row: &GivenRow<L>, n: usize| {
        let answer = &row.answers[n];
        let text: Vec<u32> = row.prompt.iter().chain(&answer.tokens).copied().collect();
        let logp = model.logits(&alone(model, &text)).log_softmax(-1, Kind::Double);
        let start = row.prompt.len();
        let cell = |c: usize| match (start + c).checked_sub(1) {
            Some(before) if answer.trained[c] => logp.get(before as i64).get(i64::from(answer.tokens[c])),
            _ => Tensor::from(0.0_f64),
        };
        let cells: Vec<Tensor> = (0..answer.tokens.len()).map(cell).collect();
        Tensor::stack(&cells, 0).constant_pad_nd([0, columns - answer.tokens.len() as i64])
    };
    Tensor::stack(&rows.iter().flat_map(|r| (0..r.answers.len()).map(move |n| line(r, n))).collect::<Vec<_>>(), 0)
}

/// Loss and gradients of a grid that has a graph down to the parameters.
fn naive<D: Lesson>(
    model: &Model<D::Head>,
    objective: &dyn Objective<D>,
    rows: &[GivenRow<D::Label>],
    grid: impl FnOnce() -> Tensor,
) -> (f64, Vec<(String, Tensor)>) {
    tch::with_grad(|| {
        let numbers = grid();
        let leaves = D::leaves(&Grid::new(&numbers, rows, D::ANSWERS)).unwrap();
        let denominators = D::denominators(rows, &crate::support::config(1, 0.0));
        let loss = objective.loss(&mut AlgoState::default(), &leaves, &denominators).unwrap().loss;
        let params = model.params();
        let inputs: Vec<&Tensor> = params.iter().map(|p| p.value()).collect();
        let grads = Tensor::run_backward(&[&loss], &inputs, false, false);
        let pieces =
            params.iter().zip(&grads).flat_map(|(p, g)| p.pieces().iter().map(move |s| (s.name.clone(), g.narrow(0, s.start, s.rows))));
        (f64::try_from(loss.detach()).unwrap(), pieces.collect())
    })
}

fn check<D: Lesson<Head = VocabHead> + Named>(name: &str, rows: &[GivenRow<D::Label>]) {
    let objective = D::named(name, json!({}));
    let all = [(12, Tape::new()), (1000, Tape::new()), (1, Tape::inputs_only())];
    // One way of cutting is enough for those that differ in their rule alone.
    let ways = if matches!(name, "sft" | "dpo" | "kto") { 3 } else { 1 };
    for (budget, tape) in all.into_iter().take(ways) {
        let (metrics, ours) = update::<D>(&tiny(), objective.as_ref(), rows, budget, tape);
        let model = tiny();
        let (loss, theirs) = naive::<D>(&model, objective.as_ref(), rows, || padded(&model, rows));
        let off = (metrics.get("loss").unwrap() - loss).abs();
        assert!(off <= 1e-9 * loss.abs().max(1.0), "{name}, budget {budget}: loss {loss}, off by {off:e}");
        assert_near(name, &ours, &theirs, 1e-9);
    }
}

#[test]
fn supervised_tuning_has_the_gradient_of_padded_rows() {
    check::<Demonstrations>("sft", &demonstrations());
}

#[test]
fn losses_of_pairs_have_the_gradient_of_padded_rows() {
    for name in
        ["dpo", "hinge", "ipo", "robust", "exo", "nca", "bco_pair", "sppo", "apo_zero", "apo_down", "dpo_norm", "orpo", "cpo", "simpo"]
    {
        check::<Pairs>(name, &pairs(()));
    }
}

#[test]
fn labelled_answers_have_the_gradient_of_padded_rows() {
    let mut rows = pairs(true);
    rows[1].label = false;
    rows[3].label = false;
    check::<Labelled>("kto", &rows);
}

#[test]
fn a_reward_model_has_the_gradient_of_padded_rows() {
    let mut rows = pairs(Preferred { share: 1.0, margin: None });
    rows[2].label = Preferred { share: 0.8, margin: Some(0.5) };
    let objective = Comparisons::named("reward_model", json!({"centring": 0.1}));
    for budget in [1000, 1] {
        let (metrics, ours) = update::<Comparisons>(&scorer(), objective.as_ref(), &rows, budget, Tape::new());
        let model = scorer();
        // The score of a text is the one at its last token that is not the pad token; these have none.
        let score = |row: &GivenRow<Preferred>, n: usize| {
            let text: Vec<u32> = row.prompt.iter().chain(&row.answers[n].tokens).copied().collect();
            model.head().forward(&alone(&model, &text)).get(text.len() as i64 - 1).view([1])
        };
        let grid = || Tensor::stack(&rows.iter().flat_map(|r| [score(r, 0), score(r, 1)]).collect::<Vec<_>>(), 0);
        let (loss, theirs) = naive::<Comparisons>(&model, objective.as_ref(), &rows, grid);
        assert!((metrics.get("loss").unwrap() - loss).abs() <= 1e-9);
        assert_near("reward_model", &ours, &theirs, 1e-9);
    }
}
