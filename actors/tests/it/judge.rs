//! Reward models: their scores are the model's own, whatever the passes, and what they cannot do is a fault and never a score.

use std::fs;
use std::path::Path;

use collimate_actors::RewardModel;
use collimate_models::{Block, Fresh, Packed, ScoreModel, Suffix, config_json, open, write_weights};
use collimate_text::testing::byte_tokenizer;
use collimate_types::{Finish, Reward, Rollout, RolloutGroup, Seed, Verdict};
use tch::Kind;

use crate::prompt;

/// A reward model's directory, as training would leave it.
fn saved(dir: &Path) -> ScoreModel {
    let tiny = Path::new(env!("CARGO_MANIFEST_DIR")).join("../models/tests/data/tiny");
    let model = open(&tiny).unwrap().load_scores(Kind::Float, Some(Fresh::Normal(Seed(4)))).unwrap();
    fs::write(dir.join("config.json"), config_json(&model).to_string()).unwrap();
    write_weights(&model, &mut fs::File::create(dir.join("model.safetensors")).unwrap()).unwrap();
    model
}

fn group(answers: &[(&str, Finish)]) -> RolloutGroup {
    let rollout = |(text, finish): &(&str, Finish)| Rollout {
        tokens: vec![9],
        text: (*text).into(),
        logp: vec![],
        logp_behaviour: None,
        trained: vec![],
        finish: finish.clone(),
        versions: (0, 0),
    };
    RolloutGroup { prompt: prompt(&byte_tokenizer(), "t", "How are you?"), rollouts: answers.iter().map(rollout).collect() }
}

fn judge(dir: &Path, micro_tokens: usize) -> RewardModel {
    RewardModel::new(open(dir).unwrap(), byte_tokenizer(), micro_tokens).unwrap()
}

fn totals(verdicts: &[Verdict]) -> Vec<Option<f64>> {
    verdicts.iter().map(|v| v.score().map(|s| s.total)).collect()
}

#[test]
fn scores_are_the_models_at_the_last_token_of_prompt_and_answer() {
    let dir = tempfile::tempdir().unwrap();
    let (model, tokenizer) = (saved(dir.path()), byte_tokenizer());
    let group = group(&[("Fine.", Finish::Eos), ("Leave me alone", Finish::Length), ("", Finish::Eos)]);
    let verdicts = judge(dir.path(), 4096).score_group(&group).unwrap();
    for (verdict, text) in verdicts.iter().zip(["Fine.", "Leave me alone", ""]) {
        // End of sequence and pad are one token here, so the last token of the text is read.
        let mut tokens = [tokenizer.encode("How are you?").unwrap(), tokenizer.encode(text).unwrap()].concat();
        tokens.push(0);
        let scored = (1..=tokens.len()).map(|i| i == tokens.len()).collect();
        let packed = Packed::new(&[Block { prefix: vec![], suffixes: vec![Suffix { tokens, scored, row: 0 }] }]).unwrap();
        let wanted = model.scores(&packed).unwrap().double_value(&[0]);
        assert!((verdict.score().unwrap().total - wanted).abs() < 1e-5, "{text}: {verdict:?} against {wanted}");
    }
    for micro in [1, 20, 30] {
        let cut = judge(dir.path(), micro).score_group(&group).unwrap();
        for (a, b) in totals(&cut).into_iter().zip(totals(&verdicts)) {
            assert!((a.unwrap() - b.unwrap()).abs() < 1e-5);
        }
    }
    let alone = judge(dir.path(), 4096).score(&group.prompt, &group.answers().next().unwrap()).unwrap();
    assert!((totals(&[alone])[0].unwrap() - totals(&verdicts)[0].unwrap()).abs() < 1e-5);
}

#[test]
fn what_is_too_long_is_no_score_and_touches_no_other() {
    let dir = tempfile::tempdir().unwrap();
    saved(dir.path());
    let long = "x".repeat(300);
    let verdicts = judge(dir.path(), 64).score_group(&group(&[("Fine.", Finish::Eos), (&long, Finish::Eos)])).unwrap();
    assert!(verdicts[0].score().is_some());
    assert!(matches!(&verdicts[1], Verdict::Unscorable { reason } if reason.contains("from 1 to 256")), "{verdicts:?}");
}

#[test]
fn a_model_that_cannot_be_read_is_a_fault_of_the_reward_and_not_of_the_answers() {
    let dir = tempfile::tempdir().unwrap();
    saved(dir.path());
    let config = fs::read_to_string(dir.path().join("config.json")).unwrap().replace("\"hidden_size\":64", "\"hidden_size\":32");
    fs::write(dir.path().join("config.json"), config).unwrap();
    let verdicts = judge(dir.path(), 64).score_group(&group(&[("a", Finish::Eos), ("b", Finish::Eos)])).unwrap();
    assert!(verdicts.iter().all(|v| v.fault() == Some("transport")), "{verdicts:?}");
    // A policy is refused when it is opened.
    let tiny = Path::new(env!("CARGO_MANIFEST_DIR")).join("../models/tests/data/tiny");
    let error = RewardModel::new(open(&tiny).unwrap(), byte_tokenizer(), 64).unwrap_err().to_string();
    assert!(error.contains("no reward model"), "{error}");
}

#[test]
fn weights_that_are_no_numbers_give_no_scores() {
    let dir = tempfile::tempdir().unwrap();
    let model = saved(dir.path());
    let _guard = tch::no_grad_guard();
    let _ = model.head().weight().value().detach().fill_(f64::NAN);
    write_weights(&model, &mut fs::File::create(dir.path().join("model.safetensors")).unwrap()).unwrap();
    let verdicts = judge(dir.path(), 64).score_group(&group(&[("a", Finish::Eos)])).unwrap();
    assert_eq!(totals(&verdicts), [None]);
}
