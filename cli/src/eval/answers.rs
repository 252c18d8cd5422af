//! The answers of a model to prompts: generated, or read from a file of them.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use collimate_actors::{Engine, Progress as Generation};
use collimate_types::{Answer, Finish, Prompt, RolloutGroup, RolloutRequest, Sampling, Seed, Task, TokenId};
use serde::Deserialize;

use super::lines;
use super::progress::Progress;
use crate::exit::{Exit, OrExit, refused};
use crate::run::Signals;
use crate::session;

/// An answer as a judge sees it.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Said {
    pub(super) text: String,
    pub(super) tokens: Vec<TokenId>,
    pub(super) finish: Finish,
}

impl Said {
    pub(super) fn answer(&self) -> Answer<'_> {
        Answer { text: &self.text, tokens: &self.tokens, finish: &self.finish }
    }
}

/// How answers are generated.
#[derive(Debug)]
pub(super) struct Generate {
    pub(super) sampling: Arc<Sampling>,
    pub(super) slots: usize,
    pub(super) seed: Seed,
}

/// One answer to each task: of the model at a path, or from a `.jsonl` file of answers.
pub(super) fn of(path: &Path, tasks: &[Arc<Task>], how: &Generate, signals: &Signals) -> Result<Vec<Said>, Exit> {
    if path.extension().is_some_and(|e| e == "jsonl") { read(path, tasks) } else { generated(path, tasks, how, signals) }
}

fn generated(path: &Path, tasks: &[Arc<Task>], how: &Generate, signals: &Signals) -> Result<Vec<Said>, Exit> {
    let opened = session::open_model(path)?;
    let model = session::load(&opened.source)?;
    let prompts: Vec<Arc<Prompt>> =
        tasks.iter().map(|t| opened.tokenizer.prompt(t.clone()).map(Arc::new).or_refused()).collect::<Result<_, _>>()?;
    let request = |(at, prompt): (usize, &Arc<Prompt>)| RolloutRequest {
        prompt: prompt.clone(),
        group: 1,
        sampling: how.sampling.clone(),
        seed: how.seed.fork("winrate", at as u64),
    };
    let requests: Vec<RolloutRequest> = prompts.iter().enumerate().map(request).collect();
    let mut progress = Progress::start("answers", requests.len(), signals);
    let mut done = 0;
    let mut observe = |generation: Generation<'_>| {
        done += usize::from(matches!(generation, Generation::Done { .. }));
        progress.going(done)
    };
    let groups = match Engine::new().generate(&model, &opened.tokenizer, &requests, how.slots, 0, &mut observe) {
        Err(_) if signals.asked() => return Err(progress.interrupted(done)),
        outcome => outcome.or_failed()?,
    };
    let said = |group: RolloutGroup| group.rollouts.into_iter().map(|r| Said { text: r.text, tokens: r.tokens, finish: r.finish });
    Ok(groups.into_iter().flat_map(said).collect())
}

/// A line as `collimate generate --json` writes it.
#[derive(Deserialize)]
struct Line {
    id: String,
    text: String,
    #[serde(default)]
    tokens: Vec<TokenId>,
    #[serde(default)]
    finish: Option<Finish>,
}

/// The first answer to each task, found by the task's id.
fn read(path: &Path, tasks: &[Arc<Task>]) -> Result<Vec<Said>, Exit> {
    let mut known: HashMap<String, Said> = HashMap::new();
    lines::objects(path, |row| {
        let line: Line = serde_json::from_value(row.into()).map_err(|e| format!("it is no answer of `collimate generate --json`: {e}"))?;
        let said = Said { text: line.text, tokens: line.tokens, finish: line.finish.unwrap_or(Finish::Eos) };
        known.entry(line.id).or_insert(said);
        Ok(())
    })?;
    let of = |task: &Arc<Task>| {
        let missing = || refused(format!("`{}` has no answer to the prompt `{}`; generate with the same --file", path.display(), task.id));
        known.get(&task.id).cloned().ok_or_else(missing)
    };
    tasks.iter().map(of).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn task(id: &str) -> Arc<Task> {
        Arc::new(Task { id: id.into(), text: Some("q".into()), messages: vec![], truth: serde_json::Value::Null, reward: None })
    }

    #[test]
    fn answers_are_found_by_their_prompt_and_a_missing_one_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.jsonl");
        std::fs::write(&path, "{\"id\": \"2\", \"text\": \"two\", \"member\": 0}\n{\"id\": \"1\", \"text\": \"one\", \"finish\": \"length\"}\n{\"id\": \"2\", \"text\": \"again\"}\n").unwrap();
        let read_all = read(&path, &[task("1"), task("2")]).unwrap();
        assert_eq!(read_all.iter().map(|s| s.text.as_str()).collect::<Vec<_>>(), ["one", "two"]);
        assert_eq!(read_all[0].finish, Finish::Length);
        assert!(read(&path, &[task("3")]).unwrap_err().to_string().contains("no answer to the prompt `3`"));
    }
}
