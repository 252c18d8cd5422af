//! Models with a scalar head: scores and gradients against transformers and against autograd, and the way to disk and back.

use std::path::{Path, PathBuf};
use std::process::Command;

use collimate_models::{Block, Fresh, Packed, ScoreModel, Suffix, Tape, config_json, open, scored_blocks, write_weights};
use serde_json::Value;
use tch::{Kind, Tensor};

use crate::support::{data, relative};

/// What transformers computes with the tiny trunk, a stored scalar head and rows of tokens.
struct Golden(Value);

impl Golden {
    fn open() -> Self {
        Self(serde_json::from_str(&std::fs::read_to_string(data("tiny_scores.json")).unwrap()).unwrap())
    }

    fn floats(&self, key: &str) -> Vec<f64> {
        self.0[key].as_array().unwrap().iter().map(|v| v.as_f64().unwrap()).collect()
    }

    fn rows(&self) -> Vec<Vec<u32>> {
        serde_json::from_value(self.0["rows"].clone()).unwrap()
    }

    fn pairs(&self) -> Vec<(usize, usize)> {
        serde_json::from_value(self.0["pairs"].clone()).unwrap()
    }

    fn model(&self, kind: Kind) -> ScoreModel {
        let model = open(&data("tiny")).unwrap().load_scores(kind, Some(Fresh::Zero)).unwrap();
        model.head().weight().value().detach().copy_(&Tensor::from_slice(&self.floats("weight")).view([1, -1]));
        model
    }
}

/// Every row a text without prefix.
fn texts(rows: &[Vec<u32>], pad: Option<i64>) -> Packed {
    let blocks = rows.iter().enumerate().flat_map(|(i, row)| scored_blocks(&[], &[row], pad, i));
    Packed::new(&blocks.collect::<Vec<_>>()).unwrap()
}

fn scores_of(model: &ScoreModel, rows: &[Vec<u32>]) -> Vec<f64> {
    let packed = texts(rows, model.config.pad);
    let scores = packed.texts_of_leaves(&model.scores(&packed).unwrap(), rows.len());
    Vec::<f64>::try_from(scores.to_kind(Kind::Double)).unwrap()
}

fn assert_near(ours: &[f64], theirs: &[f64], within: f64) {
    assert_eq!(ours.len(), theirs.len());
    for (i, (a, b)) in ours.iter().zip(theirs).enumerate() {
        assert!((a - b).abs() <= within, "{i}: {a} here, {b} there");
    }
}

#[test]
fn scores_equal_transformers_wherever_the_pad_token_stands() {
    let _guard = tch::no_grad_guard();
    let golden = Golden::open();
    // transformers normalises and rotates in float32 even in a float64 model.
    assert_near(&scores_of(&golden.model(Kind::Double), &golden.rows()), &golden.floats("scores"), 1e-5);
    assert_near(&scores_of(&golden.model(Kind::Float), &golden.rows()), &golden.floats("scores"), 1e-4);
}

/// Sharing a prefix is an arrangement: the scores are those of whole rows.
#[test]
fn texts_that_share_a_prefix_have_the_scores_of_whole_rows() {
    let _guard = tch::no_grad_guard();
    let model = Golden::open().model(Kind::Double);
    let (prefix, answers): (&[u32], [&[u32]; 4]) = (&[51, 91, 304, 2], [&[70, 154, 2], &[228], &[2], &[70, 2, 9, 2, 2]]);
    let whole: Vec<Vec<u32>> = answers.iter().map(|a| [prefix, a].concat()).collect();
    let packed = Packed::new(&scored_blocks(prefix, &answers, model.config.pad, 0)).unwrap();
    let shared = packed.texts_of_leaves(&model.scores(&packed).unwrap(), 4);
    assert_near(&Vec::<f64>::try_from(shared).unwrap(), &scores_of(&model, &whole), 1e-11);
}

/// The loss of pairs as transformers' autograd sees it, from the stored batch.
#[test]
fn a_reward_models_loss_and_gradient_equal_transformers() {
    let _guard = tch::no_grad_guard();
    let (golden, rows) = (Golden::open(), Golden::open().rows());
    let model = golden.model(Kind::Double);
    let packed = texts(&rows, model.config.pad);
    let mut tape = Tape::new();
    let hidden = model.forward(&packed, Some(&mut tape)).unwrap().index_select(0, &packed.head_row_tensor());
    let scores =
        packed.texts_of_leaves(&packed.leaves_of_rows(&model.head().forward(&hidden)), rows.len()).detach().set_requires_grad(true);
    let (loss, dscores) = tch::with_grad(|| {
        let margin = |(a, b): &(usize, usize)| (scores.get(*a as i64) - scores.get(*b as i64)).log_sigmoid();
        let loss = -Tensor::stack(&golden.pairs().iter().map(margin).collect::<Vec<_>>(), 0).mean(Kind::Double);
        (f64::try_from(&loss).unwrap(), Tensor::run_backward(&[&loss], &[&scores], false, false).swap_remove(0))
    });
    let drows = packed.rows_of_leaves(&packed.leaves_of_texts(&dscores));
    let dhidden = model.head().backward(&hidden, &drows).unwrap();
    model.backward(&packed, &mut tape, &dhidden).unwrap();
    assert!((loss - golden.0["loss"].as_f64().unwrap()).abs() < 1e-5, "{loss}");
    for (name, key) in [("score.weight", "score_gradient"), ("model.norm.weight", "norm_gradient")] {
        let params = model.params();
        let grad = params.iter().find(|p| p.name() == name).unwrap().grad().view([-1]);
        let far = relative(&grad, &Tensor::from_slice(&golden.floats(key)));
        assert!(far <= 1e-5, "{name}: {far:e}"); // see above: transformers' own rounding
    }
}

/// A critic's batch: values of all states of completions that share prompts. Every parameter's gradient by hand against autograd through
/// differentiable operations alone.
#[test]
fn the_gradient_of_values_is_autograds() {
    let _guard = tch::no_grad_guard();
    let golden = Golden::open();
    let suffix = |tokens: &[u32], row| Suffix { tokens: tokens.to_vec(), scored: vec![true; tokens.len()], row };
    let blocks = [
        Block { prefix: vec![5, 6, 7, 8], suffixes: vec![suffix(&[20, 21, 22], 0), suffix(&[20, 30], 1), suffix(&[44], 2)] },
        Block { prefix: vec![5, 6, 12], suffixes: vec![suffix(&[50, 51, 52, 53], 3), suffix(&[60, 61], 4)] },
    ];
    let packed = Packed::new(&blocks).unwrap();
    let dvalues: Vec<f64> = packed.leaves.iter().map(|l| ((l.row * 7 + l.column * 3) as f64 * 0.37).sin() + 0.2).collect();
    let dvalues = Tensor::from_slice(&dvalues);

    let model = golden.model(Kind::Double);
    let params = model.params();
    let (values, wanted) = tch::with_grad(|| {
        let hidden = model.run(&packed).unwrap().index_select(0, &packed.head_row_tensor());
        let values = packed.leaves_of_rows(&model.head().forward(&hidden));
        let scalar = (&values * &dvalues).sum(Kind::Double);
        let inputs: Vec<&Tensor> = params.iter().map(|p| p.value()).collect();
        (values.detach(), Tensor::run_backward(&[scalar], &inputs, false, false))
    });

    let mut tape = Tape::new();
    let hidden = model.forward(&packed, Some(&mut tape)).unwrap().index_select(0, &packed.head_row_tensor());
    let far = relative(&packed.leaves_of_rows(&model.head().forward(&hidden)), &values);
    assert!(far <= 1e-12, "values: {far:e}");
    let dhidden = model.head().backward(&hidden, &packed.rows_of_leaves(&dvalues)).unwrap();
    model.backward(&packed, &mut tape, &dhidden).unwrap();
    for (param, wanted) in params.iter().zip(&wanted) {
        let far = relative(&param.grad(), wanted);
        assert!(far <= 1e-9, "{}: {far:e}", param.name());
    }
}

/// Writes a model as a directory.
fn save(model: &ScoreModel, dir: &Path) {
    std::fs::write(dir.join("config.json"), config_json(model).to_string()).unwrap();
    write_weights(model, &mut std::fs::File::create(dir.join("model.safetensors")).unwrap()).unwrap();
}

#[test]
fn what_is_saved_is_loaded_again_and_what_is_no_reward_model_is_refused_by_name() {
    let _guard = tch::no_grad_guard();
    let (golden, dir) = (Golden::open(), tempfile::tempdir().unwrap());
    let model = golden.model(Kind::Float);
    save(&model, dir.path());
    let config: Value = serde_json::from_str(&std::fs::read_to_string(dir.path().join("config.json")).unwrap()).unwrap();
    assert_eq!(config["architectures"], serde_json::json!(["LlamaForSequenceClassification"]));
    assert_eq!((config["id2label"].as_object().unwrap().len(), config["pad_token_id"].as_i64()), (1, Some(2)));
    let again = open(dir.path()).unwrap();
    assert!(again.has_scores());
    assert_eq!(scores_of(&again.load_scores(Kind::Float, None).unwrap(), &golden.rows()), scores_of(&model, &golden.rows()));

    let base = open(&data("tiny")).unwrap();
    assert!(!base.has_scores());
    let error = base.load_scores(Kind::Float, None).map(|_| ()).unwrap_err().to_string();
    assert!(error.contains("`score.weight` is missing") && error.contains("no reward model"), "{error}");
}

#[test]
fn a_model_without_a_pad_token_is_given_one_and_no_other() {
    let golden = Golden::open();
    let mut model = golden.model(Kind::Float);
    model.name_pad(7);
    assert_eq!(model.config.pad, Some(2));
    model.config.pad = None;
    model.name_pad(7);
    assert_eq!((model.config.pad, config_json(&model)["pad_token_id"].as_i64()), (Some(7), Some(7)));
}

/// `COLLIMATE_PEERS` names a folder with `venv/bin/python` that has transformers; without it this test skips and says so.
#[test]
fn transformers_loads_what_is_saved_and_gives_equal_scores() {
    let Some(python) = std::env::var_os("COLLIMATE_PEERS").map(|dir| PathBuf::from(dir).join("venv/bin/python")) else {
        println!("skipped: COLLIMATE_PEERS is not set; it names a folder with venv/bin/python that has `transformers`");
        return;
    };
    let _guard = tch::no_grad_guard();
    let (golden, dir) = (Golden::open(), tempfile::tempdir().unwrap());
    let model = golden.model(Kind::Float);
    save(&model, dir.path());
    let rows = dir.path().join("rows.json");
    std::fs::write(&rows, golden.0["rows"].to_string()).unwrap();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/python/scores.py");
    let output = Command::new(python).arg(script).arg(dir.path()).arg(&rows).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let theirs: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(theirs["class"], "LlamaForSequenceClassification");
    let theirs: Vec<f64> = serde_json::from_value(theirs["scores"].clone()).unwrap();
    assert_near(&scores_of(&model, &golden.rows()), &theirs, 1e-4);
}
