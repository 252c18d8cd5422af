//! Carries the controller's commands out in this process.

use std::collections::VecDeque;
use std::sync::Arc;

use collimate_actors::{ActorError, Engine, Progress, mismatch};
use collimate_algorithms::AlgoState;
use collimate_controller::{Command, Controller, Event, Outcome};
use collimate_datasets::{Cursor, Order};
use collimate_learners::PolicyLearner;
use collimate_models::{AdapterMode, Model, Recording, Tape};
use collimate_rewards::{FaultWindow, score_all};
use collimate_store::RunDir;
use collimate_text::Tokenizer;
use collimate_types::{BatchId, CreditedBatch, Metrics, RolloutBatch, RolloutGroup, ScoredGroup, StepReport, WeightsVersion};
use serde::{Deserialize, Serialize};

use super::{Base, Board, Evaluated, Evaluation, Job, Signals, Ui, logs::Logs, measure, reference, timers::Timers};
use crate::exit::{Code, Exit, OrExit};
use crate::machine;

/// What moves before a step's update, as it was at the last boundary (see the controller's head).
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub(super) struct Notes {
    pub(super) cursor: Cursor,
    pub(super) algo: AlgoState,
    pub(super) faults: FaultWindow,
}

/// Runs a job.
pub struct Driver<'a> {
    pub(super) job: &'a Job,
    pub(super) tokenizer: &'a Tokenizer,
    pub(super) model: &'a Model,
    /// What `model`'s adapters stand on, if only they are trained.
    pub(super) base: Option<Base>,
    pub(super) reference: Option<&'a Model>,
    pub(super) learner: PolicyLearner,
    pub(super) controller: Controller,
    pub(super) run: RunDir,
    pub(super) logs: Logs,
    pub(super) ui: &'a Ui,
    pub(super) signals: &'a Signals,
    pub(super) now: Notes,
    /// `now` at the last boundary.
    pub(super) boundary: Notes,
    pub(super) summary: Summary,
    /// The score of the last evaluation and the boundary it was made at.
    pub(super) last_score: Option<(u64, f64)>,
    order: Order,
    engine: Engine,
    /// The sampler's activations and the learner's tape: lent to one, then to the other.
    recording: Recording,
    step: Step,
    timers: Timers,
    board: Board,
}

/// What is known of the step under way.
#[derive(Default)]
struct Step {
    /// Whether its metrics are written: what moves before an update has moved for good.
    closed: bool,
    scored: Vec<ScoredGroup>,
    reference: Vec<Vec<Vec<f32>>>,
    credited: Option<CreditedBatch>,
    metrics: Metrics,
    drawn: u64,
    faults: u64,
}

/// What a run came to.
#[derive(Debug, Clone, Default)]
pub struct Summary {
    /// How it ended.
    pub outcome: Option<Outcome>,
    /// Held-out results by boundary: step and result.
    pub evaluations: Vec<(u64, Evaluated)>,
    /// Mean rewards by step.
    pub rewards: Vec<(u64, f64)>,
    /// Completion tokens drawn in training.
    pub tokens: u64,
    /// Seconds of training: everything but evaluations.
    pub train_s: f64,
    /// Seconds of each evaluation.
    pub eval_s: Vec<f64>,
    /// The exit code of the signal that stopped the run, if one did.
    pub stopped_by: Option<Code>,
}

impl std::fmt::Debug for Driver<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Driver").field("job", &self.job).finish_non_exhaustive()
    }
}

/// The parts a driver is made of.
#[derive(Debug)]
pub struct Parts<'a> {
    /// The tokenizer.
    pub tokenizer: &'a Tokenizer,
    /// The policy.
    pub model: &'a Model,
    /// What the policy's adapters stand on, if only they are trained.
    pub base: Option<Base>,
    /// The reference, if the algorithm needs one; the policy itself where its adapters can be switched off.
    pub reference: Option<&'a Model>,
    /// The run directory, locked.
    pub run: RunDir,
    /// The progress line.
    pub ui: &'a Ui,
    /// The signals.
    pub signals: &'a Signals,
    /// The boundary a resumed run goes on from.
    pub resumed_at: Option<u64>,
}

impl<'a> Driver<'a> {
    /// A driver before the first step.
    ///
    /// # Errors
    /// When the run's files cannot be opened.
    pub fn new(job: &'a Job, parts: Parts<'a>) -> Result<Self, Exit> {
        let Parts { tokenizer, model, base, reference, run, ui, signals, resumed_at } = parts;
        let board = Board { steps: job.plan.steps, ..Board::default() };
        Ok(Self {
            job,
            tokenizer,
            model,
            base,
            reference,
            learner: PolicyLearner::new(model, job.learner),
            controller: Controller::new(job.plan.clone(), job.sampling.clone(), job.seed),
            logs: Logs::at(&run, job, resumed_at)?,
            run,
            ui,
            signals,
            now: Notes::default(),
            boundary: Notes::default(),
            summary: Summary::default(),
            last_score: None,
            order: Order::new(&job.split.train, job.seed.fork("data", 0), job.shuffle),
            engine: Engine::new(),
            recording: if job.reuse { Recording::with_limit(job.tape_bytes) } else { Recording::off(Tape::with_limit(job.tape_bytes)) },
            step: Step { closed: true, ..Step::default() },
            timers: Timers::new(),
            board,
        })
    }

    /// Runs to the end.
    ///
    /// # Errors
    /// With code 1, when a part of the run fails.
    pub fn run(mut self) -> Result<Summary, Exit> {
        let started = std::time::Instant::now();
        let mut todo: VecDeque<Command> = self.controller.start().into();
        let mut stopping = false;
        while let Some(command) = todo.pop_front() {
            if let Command::Finish(outcome) = command {
                self.summary.outcome = Some(outcome);
                break;
            }
            if self.signals.take_save() {
                self.ui.note("a checkpoint is asked for; it is saved at the next boundary");
                todo.extend(self.controller.on(Event::SaveRequested).or_failed()?);
            }
            if !stopping && self.signals.asked() {
                stopping = true;
                let more = self.controller.on(Event::StopRequested).or_failed()?;
                self.ui.note("stopping: the first signal ends the run with a complete checkpoint, a second one at once");
                self.supersede(&mut todo, command, more);
                continue;
            }
            match self.carry_out(command) {
                Ok(Some(event)) => todo.extend(self.controller.on(event).or_failed()?),
                Ok(None) => {}
                Err(exit) if exit.message.is_none() => {} // interrupted: the signal is seen at the next turn
                Err(exit) => return Err(exit),
            }
            if todo.is_empty() && !stopping && self.signals.asked() {
                stopping = true;
                todo.extend(self.controller.on(Event::StopRequested).or_failed()?);
            }
        }
        self.summary.stopped_by = self.signals.asked().then(|| self.signals.code());
        self.summary.train_s = started.elapsed().as_secs_f64() - self.summary.eval_s.iter().sum::<f64>();
        Ok(self.summary)
    }

    /// After a stop: commands before an update are taken back, all others stand.
    fn supersede(&mut self, todo: &mut VecDeque<Command>, command: Command, more: Vec<Command>) {
        let before_update = matches!(
            command,
            Command::Draw { .. } | Command::Generate(_) | Command::Score { .. } | Command::Reference { .. } | Command::Credit { .. }
        );
        if before_update {
            todo.clear();
        } else {
            todo.push_front(command);
        }
        todo.extend(more);
    }

    fn carry_out(&mut self, command: Command) -> Result<Option<Event>, Exit> {
        match command {
            Command::Draw { step, refill, count } => self.draw(step, refill, count).map(Some),
            Command::Generate(batch) => self.generate(&batch).map(Some),
            Command::Score { id, groups } => self.score(id, groups).map(Some),
            Command::Reference { step, groups } => self.reference(step, groups).map(Some),
            Command::Credit { step, groups } => self.credit(step, groups).map(Some),
            Command::Check { .. } => self.check().map(|()| None),
            Command::Update { step } => self.update(step).map(|report| Some(Event::Updated(report))),
            Command::Skip { step } => self.skip(step).map(|()| None),
            // Actor and learner share one copy of the weights: nothing moves.
            Command::Publish { version } => Ok(Some(Event::Published { version })),
            Command::Adopt { version } => Ok(Some(Event::Adopted { version })),
            Command::Evaluate { step } => self.evaluate(step).map(Some),
            Command::Save { step, best, .. } => {
                self.save(step, best).map(|saved| Some(if saved { Event::Saved { step } } else { Event::NotSaved { step } }))
            }
            Command::Finish(_) => Ok(None),
        }
    }

    fn draw(&mut self, step: u64, refill: u32, count: usize) -> Result<Event, Exit> {
        if refill == 0 {
            self.boundary = self.now.clone();
            self.step = Step::default();
            let _ = self.timers.take();
        }
        self.ui.phase("tasks");
        let tasks = self.order.next(&mut self.now.cursor, count);
        let prompts = tasks.into_iter().map(|t| self.tokenizer.prompt(t).map(Arc::new).or_failed()).collect::<Result<_, _>>()?;
        Ok(Event::Drawn { step, refill, prompts })
    }

    fn generate(&mut self, batch: &RolloutBatch) -> Result<Event, Exit> {
        self.ui.phase("generate");
        let version = self.controller.view().version;
        let Self { engine, model, tokenizer, timers, signals, recording, .. } = self;
        let mut going = |_: Progress<'_>| !signals.asked();
        let work = || engine.record((model, tokenizer), &batch.requests, batch.slots, version, recording, &mut going);
        let result = timers.time("generate", work);
        match result {
            Ok(groups) => {
                self.step.drawn += groups.iter().flat_map(|g| &g.rollouts).map(|r| r.tokens.len() as u64).sum::<u64>();
                Ok(Event::Generated { id: batch.id, groups })
            }
            Err(ActorError::Interrupted) => Err(Exit { code: Code::Stopped, message: None }),
            Err(error) => Err(error).or_failed(),
        }
    }

    fn score(&mut self, id: BatchId, groups: Vec<RolloutGroup>) -> Result<Event, Exit> {
        self.ui.phase("score");
        let Job { rewards, lanes, .. } = self.job;
        let groups: Vec<ScoredGroup> = self.timers.time("score", || score_all(rewards, groups, *lanes));
        for group in &groups {
            self.now.faults.record(&group.verdicts);
            self.step.faults += group.verdicts.iter().filter(|v| v.fault().is_some()).count() as u64;
        }
        if self.now.faults.exceeded(self.job.max_fault_share) {
            let share = 100.0 * self.now.faults.share();
            let detail = groups.iter().flat_map(|g| &g.verdicts).rev().find(|v| v.fault().is_some() && v.fault() != Some("unscorable"));
            let message = format!(
                "{share:.1}% of the last verdicts are faults of the reward itself, more than reward_policy.max_fault_share = {:.1}%; the last: {detail:?}",
                100.0 * self.job.max_fault_share
            );
            return Err(Exit { code: Code::Failed, message: Some(message) });
        }
        Ok(Event::Scored { id, groups })
    }

    fn reference(&mut self, step: u64, groups: Vec<ScoredGroup>) -> Result<Event, Exit> {
        self.ui.phase("reference");
        if let Some(model) = self.reference {
            let (temperature, budget) = (self.job.sampling.temperature, self.job.learner.micro_tokens);
            let work = || model.with_adapters(AdapterMode::Start, || reference::logp(model, &groups, temperature, budget));
            self.step.reference = self.timers.time("reference", work).or_failed()?;
        }
        Ok(Event::Referenced { step, groups })
    }

    fn credit(&mut self, step: u64, groups: Vec<ScoredGroup>) -> Result<Event, Exit> {
        self.ui.phase("credit");
        let reference = (!self.step.reference.is_empty()).then_some(self.step.reference.as_slice());
        let (algorithm, temperature) = (self.job.algorithm.as_ref(), self.job.sampling.temperature);
        let state = &mut self.now.algo;
        let credited =
            self.timers.time("credit", || collimate_learners::credit(algorithm, state, &groups, reference, temperature)).or_failed()?;
        self.step.credited = Some(credited);
        self.step.scored = groups;
        Ok(Event::Credited { step })
    }

    fn check(&mut self) -> Result<(), Exit> {
        let Some(group) = self.step.scored.first() else { return Ok(()) };
        let temperature = self.job.sampling.temperature;
        let found = self.timers.time("check", || mismatch(self.model, &group.group, temperature)).or_failed()?;
        self.step.metrics.set("sampling/logp_diff_max", found.max);
        self.step.metrics.set("sampling/logp_diff_p999", found.p999);
        self.step.metrics.set("sampling/kl", found.kl);
        Ok(())
    }

    fn update(&mut self, step: u64) -> Result<StepReport, Exit> {
        self.ui.phase("update");
        let batch = self.step.credited.take().unwrap_or_default();
        let version: WeightsVersion = self.controller.view().version;
        let faults = machine::minor_faults();
        let Self { learner, timers, model, job, recording, engine, .. } = self;
        engine.release();
        let work = || learner.step(model, job.algorithm.as_ref(), &batch, (step, version), recording);
        let report = timers.time("update", work).or_failed()?;
        self.step.metrics.set("perf/page_faults", (machine::minor_faults() - faults) as f64);
        self.step.metrics.merge(report.metrics.clone());
        self.finish_step(step)?;
        Ok(report)
    }

    fn skip(&mut self, step: u64) -> Result<(), Exit> {
        self.ui.note(format!("step {step}: no group could be trained on; nothing was updated"));
        self.finish_step(step)
    }

    /// Writes what a step measured.
    fn finish_step(&mut self, step: u64) -> Result<(), Exit> {
        self.step.closed = true;
        let mut metrics = std::mem::take(&mut self.step.metrics);
        metrics.merge(self.controller.take_metrics());
        if !self.step.scored.is_empty() {
            metrics.merge(measure::rewards(&self.step.scored));
            metrics.merge(measure::completions(&self.step.scored));
        }
        self.summary.tokens += self.step.drawn;
        metrics.set("num_tokens", self.step.drawn as f64);
        metrics.set("faults/total", self.step.faults as f64);
        let phases = ["generate", "score", "update"].map(|p| format!("{p} {:.1}s", self.timers.seconds(p))).join(" ");
        let times = self.timers.take();
        let seconds = times.get("time/step").unwrap_or(f64::NAN);
        metrics.set("perf/tokens_per_s", self.step.drawn as f64 / seconds);
        metrics.set("perf/peak_rss_mb", machine::peak_rss_mb());
        metrics.merge(times);
        self.logs.step(step, &metrics, &self.step.scored)?;
        let reward = metrics.get("reward");
        self.summary.rewards.extend(reward.map(|r| (step, r)));
        self.board = Board {
            step,
            reward: reward.or(self.board.reward),
            tokens_per_s: metrics.get("perf/tokens_per_s"),
            step_s: Some(seconds),
            phases,
            ..self.board.clone()
        };
        self.ui.step(self.board.clone());
        Ok(())
    }

    fn evaluate(&mut self, step: u64) -> Result<Event, Exit> {
        self.ui.phase("evaluate");
        let start = std::time::Instant::now();
        let rows = self.job.eval_rows.min(self.job.split.heldout.len());
        let evaluation = Evaluation {
            tokenizer: self.tokenizer,
            rewards: &self.job.rewards,
            lanes: self.job.lanes,
            tasks: &self.job.split.heldout.tasks[..rows],
            sampling: self.job.eval_sampling.clone(),
            slots: self.job.plan.slots,
            answers: 1,
        };
        let result = evaluation.run(self.model, &mut self.engine, &mut |_| true)?;
        let score = (result.task.n > 0).then_some(result.task.accuracy);
        self.last_score = score.map(|s| (step, s));
        self.logs.evaluation(step, &result)?;
        self.ui.note(format!("held-out after step {step}: {}", result.task));
        self.board.heldout = score.or(self.board.heldout);
        self.summary.evaluations.push((step, result));
        self.summary.eval_s.push(start.elapsed().as_secs_f64());
        Ok(Event::Evaluated { step, score })
    }

    /// Whether no step is under way: what is now is what the boundary is.
    pub(super) fn step_is_closed(&self) -> bool {
        self.step.closed
    }

    /// Where the progress line starts after a resume.
    pub(super) fn board_at(&mut self, step: u64) {
        self.board.step = step;
    }
}
