//! Held-out accuracy: greedy answers, read by the same rewards as in training.

use std::sync::Arc;

use collimate_actors::{Engine, Progress};
use collimate_evals::{TaskResult, outcome};
use collimate_models::Model;
use collimate_rewards::{RewardSet, score_all};
use collimate_text::Tokenizer;
use collimate_types::{Prompt, RolloutRequest, Sampling, ScoredGroup, Seed, Task, Verdict};
use serde::Serialize;

use crate::exit::{Exit, OrExit};

/// What is needed to measure a model.
#[derive(Debug)]
pub struct Evaluation<'a> {
    /// The tokenizer.
    pub tokenizer: &'a Tokenizer,
    /// The rewards; the first of them decides whether an answer is right (its part is 1 or more).
    pub rewards: &'a RewardSet,
    /// Groups that are judged at once.
    pub lanes: usize,
    /// The questions.
    pub tasks: &'a [Arc<Task>],
    /// How answers are drawn.
    pub sampling: Arc<Sampling>,
    /// Rows decoded at once.
    pub slots: usize,
    /// How many answers each question gets.
    pub answers: usize,
}

/// One answered question.
#[derive(Debug, Clone, Serialize)]
pub struct Sample {
    /// The prompt as the model saw it.
    pub prompt: String,
    /// The answer.
    pub answer: String,
    /// What is right.
    pub truth: serde_json::Value,
    /// Whether it was right; none if it could not be judged.
    pub correct: Option<bool>,
    /// The whole reward.
    pub reward: Option<f64>,
    /// The length of the answer.
    pub tokens: usize,
}

/// The result of a measurement.
#[derive(Debug, Clone)]
pub struct Evaluated {
    /// Accuracy and its interval.
    pub task: TaskResult,
    /// Mean reward of the judged answers.
    pub reward: f64,
    /// Every answer.
    pub samples: Vec<Sample>,
    /// Tokens drawn.
    pub tokens: u64,
}

impl Evaluation<'_> {
    /// Answers all questions; the samples come question by question. `going` sees every token and every answer; `false` interrupts.
    ///
    /// # Errors
    /// When a question does not fit the model, or `going` said no.
    pub fn run(&self, model: &Model, engine: &mut Engine, going: &mut dyn FnMut(Progress<'_>) -> bool) -> Result<Evaluated, Exit> {
        let prompts: Vec<Arc<Prompt>> =
            self.tasks.iter().map(|t| self.tokenizer.prompt(t.clone()).map(Arc::new).or_failed()).collect::<Result<_, _>>()?;
        let request = |(i, prompt): (usize, &Arc<Prompt>)| RolloutRequest {
            prompt: prompt.clone(),
            group: self.answers,
            sampling: self.sampling.clone(),
            seed: Seed(0).fork("eval", i as u64),
        };
        let requests: Vec<RolloutRequest> = prompts.iter().enumerate().map(request).collect();
        let groups = engine.generate(model, self.tokenizer, &requests, self.slots, 0, going).or_failed()?;
        let tokens = groups.iter().flat_map(|g| &g.rollouts).map(|r| r.tokens.len() as u64).sum();
        let scored = score_all(self.rewards, groups, self.lanes);
        let samples: Vec<Sample> = scored.iter().flat_map(|g| self.samples(g)).collect();
        let task = TaskResult::of(samples.iter().map(|s| s.correct)).or_failed()?;
        let judged: Vec<f64> = samples.iter().filter_map(|s| s.reward).collect();
        let reward = judged.iter().sum::<f64>() / judged.len().max(1) as f64;
        Ok(Evaluated { task, reward, samples, tokens })
    }

    fn samples(&self, scored: &ScoredGroup) -> Vec<Sample> {
        let judge = self.rewards.labels().next();
        let sample = |(rollout, verdict): (&collimate_types::Rollout, &Verdict)| Sample {
            prompt: scored.group.prompt.text.clone(),
            answer: rollout.text.clone(),
            truth: scored.group.prompt.task.truth.clone(),
            correct: outcome(verdict, judge, 1.0),
            reward: verdict.score().map(|s| s.total),
            tokens: rollout.tokens.len(),
        };
        scored.group.rollouts.iter().zip(&scored.verdicts).map(sample).collect()
    }
}
