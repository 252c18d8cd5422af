//! The hops of online reinforcement learning: answers are drawn, judged, credited and learnt from.

use std::io;
use std::sync::Arc;

use collimate_actors::{ActorError, Engine, Progress, mismatch};
use collimate_controller::{Command, Event};
use collimate_datasets::Order;
use collimate_learners::{LearnerState, PolicyLearner};
use collimate_models::{Model, Recording, Tape, TensorFile};
use collimate_rewards::score_all;
use collimate_store::Blob;
use collimate_text::Tokenizer;
use collimate_types::{BatchId, CreditedBatch, Metrics, RolloutBatch, RolloutGroup, ScoredGroup, StepReport, WeightsVersion};

use super::checkpoint::{OPTIMIZER, finite, model_blobs};
use super::driver::Work;
use super::frame::Frame;
use super::job::OnlineJob;
use super::{Evaluation, Job, measure, reference};
use crate::exit::{Code, Exit, OrExit};
use crate::machine;
use crate::session::{self, Opened};

/// Online reinforcement learning in one process, with one copy of the weights.
pub(super) struct Online<'a> {
    job: &'a OnlineJob,
    model: Model,
    /// The reference, if the algorithm needs one.
    reference: Option<Model>,
    learner: PolicyLearner,
    order: Order,
    engine: Engine,
    /// The sampler's activations and the learner's tape: lent to one, then to the other.
    recording: Recording,
    step: Step,
}

/// What is known of the step under way.
#[derive(Default)]
struct Step {
    scored: Vec<ScoredGroup>,
    reference: Vec<Vec<Vec<f32>>>,
    credited: Option<CreditedBatch>,
    metrics: Metrics,
    drawn: u64,
    faults: u64,
}

impl<'a> Online<'a> {
    /// Before the first step: the weights are read.
    ///
    /// # Errors
    /// When a model is refused.
    pub(super) fn open(job: &'a Job, part: &'a OnlineJob, opened: &Opened) -> Result<Self, Exit> {
        let model = session::load(&opened.source)?;
        let reference = if part.algorithm.needs().reference {
            let mut reference = session::load(&session::open_model(&job.files.model)?.source)?;
            reference.freeze();
            Some(reference)
        } else {
            None
        };
        Ok(Self {
            job: part,
            learner: PolicyLearner::new(&model, job.learner),
            model,
            reference,
            order: Order::new(&part.split.train, job.seed.fork("data", 0), job.shuffle),
            engine: Engine::new(),
            recording: if part.reuse { Recording::with_limit(job.tape_bytes) } else { Recording::off(Tape::with_limit(job.tape_bytes)) },
            step: Step::default(),
        })
    }
}

impl Work for Online<'_> {
    fn carry_out(&mut self, frame: &mut Frame<'_>, command: Command) -> Result<Option<Event>, Exit> {
        match command {
            Command::Draw { step, refill, count } => self.draw(frame, step, refill, count).map(Some),
            Command::Generate(batch) => self.generate(frame, &batch).map(Some),
            Command::Score { id, groups } => self.score(frame, id, groups).map(Some),
            Command::Reference { step, groups } => self.reference(frame, step, groups).map(Some),
            Command::Credit { step, groups } => self.credit(frame, step, groups).map(Some),
            Command::Check { .. } => self.check(frame).map(|()| None),
            Command::Update { step } => self.update(frame, step).map(|report| Some(Event::Updated(report))),
            Command::Skip { step } => self.skip(frame, step).map(|()| None),
            // Actor and learner share one copy of the weights: nothing moves.
            Command::Publish { version } => Ok(Some(Event::Published { version })),
            Command::Adopt { version } => Ok(Some(Event::Adopted { version })),
            Command::Evaluate { step } => self.evaluate(frame, step).map(Some),
            Command::Save { .. } | Command::Finish(_) => Ok(None),
        }
    }

    fn is_finite(&self) -> bool {
        finite(&self.model)
    }

    fn blobs<'s>(&'s self, tokenizer: &'s Tokenizer) -> Vec<Blob<'s>> {
        let (learner, model) = (&self.learner, &self.model);
        let mut blobs = model_blobs(model, tokenizer);
        blobs.push(Blob::new(OPTIMIZER, |out| learner.optimizer().write(model, out).map_err(io::Error::other)));
        blobs
    }

    fn learner(&self) -> LearnerState {
        self.learner.state()
    }

    fn restore(&mut self, moments: &TensorFile, state: LearnerState) -> Result<(), Exit> {
        self.learner.restore(&self.model, moments, state).or_model()
    }

    fn data(&self) -> [&str; 2] {
        [&self.job.split.train.digest, &self.job.split.heldout.digest]
    }
}

/// The hops of a step.
impl Online<'_> {
    fn draw(&mut self, frame: &mut Frame<'_>, step: u64, refill: u32, count: usize) -> Result<Event, Exit> {
        if refill == 0 {
            self.step = Step::default();
        }
        frame.ui.phase("tasks");
        let tasks = self.order.next(&mut frame.now.cursor, count);
        let prompts = tasks.into_iter().map(|t| frame.tokenizer.prompt(t).map(Arc::new).or_failed()).collect::<Result<_, _>>()?;
        Ok(Event::Drawn { step, refill, prompts })
    }

    fn generate(&mut self, frame: &mut Frame<'_>, batch: &RolloutBatch) -> Result<Event, Exit> {
        frame.ui.phase("generate");
        let version = frame.controller.view().version;
        let Self { engine, model, recording, .. } = self;
        let (tokenizer, signals) = (frame.tokenizer, frame.signals);
        let mut going = |_: Progress<'_>| !signals.asked();
        let work = || engine.record((&*model, tokenizer), &batch.requests, batch.slots, version, recording, &mut going);
        let result = frame.timers.time("generate", work);
        match result {
            Ok(groups) => {
                self.step.drawn += groups.iter().flat_map(|g| &g.rollouts).map(|r| r.tokens.len() as u64).sum::<u64>();
                Ok(Event::Generated { id: batch.id, groups })
            }
            Err(ActorError::Interrupted) => Err(Exit { code: Code::Stopped, message: None }),
            Err(error) => Err(error).or_failed(),
        }
    }

    fn score(&mut self, frame: &mut Frame<'_>, id: BatchId, groups: Vec<RolloutGroup>) -> Result<Event, Exit> {
        frame.ui.phase("score");
        let OnlineJob { rewards, lanes, .. } = self.job;
        let groups: Vec<ScoredGroup> = frame.timers.time("score", || score_all(rewards, groups, *lanes));
        for group in &groups {
            frame.now.faults.record(&group.verdicts);
            self.step.faults += group.verdicts.iter().filter(|v| v.fault().is_some()).count() as u64;
        }
        if frame.now.faults.exceeded(self.job.max_fault_share) {
            let share = 100.0 * frame.now.faults.share();
            let detail = groups.iter().flat_map(|g| &g.verdicts).rev().find(|v| v.fault().is_some() && v.fault() != Some("unscorable"));
            let message = format!(
                "{share:.1}% of the last verdicts are faults of the reward itself, more than reward_policy.max_fault_share = {:.1}%; the last: {detail:?}",
                100.0 * self.job.max_fault_share
            );
            return Err(Exit { code: Code::Failed, message: Some(message) });
        }
        Ok(Event::Scored { id, groups })
    }

    fn reference(&mut self, frame: &mut Frame<'_>, step: u64, groups: Vec<ScoredGroup>) -> Result<Event, Exit> {
        frame.ui.phase("reference");
        if let Some(model) = &self.reference {
            let (temperature, budget) = (frame.job.sampling.temperature, frame.job.learner.micro_tokens);
            self.step.reference = frame.timers.time("reference", || reference::logp(model, &groups, temperature, budget)).or_failed()?;
        }
        Ok(Event::Referenced { step, groups })
    }

    fn credit(&mut self, frame: &mut Frame<'_>, step: u64, groups: Vec<ScoredGroup>) -> Result<Event, Exit> {
        frame.ui.phase("credit");
        let reference = (!self.step.reference.is_empty()).then_some(self.step.reference.as_slice());
        let (algorithm, temperature) = (self.job.algorithm.as_ref(), frame.job.sampling.temperature);
        let state = &mut frame.now.algo;
        let credited =
            frame.timers.time("credit", || collimate_learners::credit(algorithm, state, &groups, reference, temperature)).or_failed()?;
        self.step.credited = Some(credited);
        self.step.scored = groups;
        Ok(Event::Credited { step })
    }

    fn check(&mut self, frame: &mut Frame<'_>) -> Result<(), Exit> {
        let Some(group) = self.step.scored.first() else { return Ok(()) };
        let temperature = frame.job.sampling.temperature;
        let found = frame.timers.time("check", || mismatch(&self.model, &group.group, temperature)).or_failed()?;
        self.step.metrics.set("sampling/logp_diff_max", found.max);
        self.step.metrics.set("sampling/logp_diff_p999", found.p999);
        self.step.metrics.set("sampling/kl", found.kl);
        Ok(())
    }

    fn update(&mut self, frame: &mut Frame<'_>, step: u64) -> Result<StepReport, Exit> {
        frame.ui.phase("update");
        let batch = self.step.credited.take().unwrap_or_default();
        let version: WeightsVersion = frame.controller.view().version;
        let faults = machine::minor_faults();
        let Self { learner, model, job, recording, engine, .. } = self;
        engine.release();
        let work = || learner.step(model, job.algorithm.as_ref(), &batch, (step, version), recording);
        let report = frame.timers.time("update", work).or_failed()?;
        self.step.metrics.set("perf/page_faults", (machine::minor_faults() - faults) as f64);
        self.step.metrics.merge(report.metrics.clone());
        self.finish_step(frame, step)?;
        Ok(report)
    }

    fn skip(&mut self, frame: &mut Frame<'_>, step: u64) -> Result<(), Exit> {
        frame.ui.note(format!("step {step}: no group could be trained on; nothing was updated"));
        self.finish_step(frame, step)
    }

    /// Writes what a step measured.
    fn finish_step(&mut self, frame: &mut Frame<'_>, step: u64) -> Result<(), Exit> {
        let mut metrics = std::mem::take(&mut self.step.metrics);
        metrics.merge(frame.controller.take_metrics());
        if !self.step.scored.is_empty() {
            metrics.merge(measure::rewards(&self.step.scored));
            metrics.merge(measure::completions(&self.step.scored));
        }
        metrics.set("faults/total", self.step.faults as f64);
        frame.close_step(step, metrics, (self.step.drawn, &self.step.scored), &["generate", "score", "update"])
    }

    fn evaluate(&mut self, frame: &mut Frame<'_>, step: u64) -> Result<Event, Exit> {
        frame.ui.phase("evaluate");
        let start = std::time::Instant::now();
        let rows = frame.job.eval_rows.min(self.job.split.heldout.len());
        let evaluation = Evaluation {
            tokenizer: frame.tokenizer,
            rewards: &self.job.rewards,
            lanes: self.job.lanes,
            tasks: &self.job.split.heldout.tasks[..rows],
            sampling: self.job.eval_sampling.clone(),
            slots: frame.job.plan.slots,
            answers: 1,
        };
        let result = evaluation.run(&self.model, &mut self.engine, &mut |_| true)?;
        let score = (result.task.n > 0).then_some(result.task.accuracy);
        frame.logs.evaluation(step, &result)?;
        let share = |s: f64| format!("held-out {:.1}%", 100.0 * s);
        frame.board.heldout = score.map(share).or_else(|| frame.board.heldout.take());
        frame.evaluated(step, score, &result.task.to_string(), start.elapsed().as_secs_f64());
        frame.summary.evaluations.push((step, result));
        Ok(Event::Evaluated { step, score })
    }
}
