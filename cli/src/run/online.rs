//! The hops of online reinforcement learning: answers are drawn, judged, credited and learnt from.

use std::io;
use std::path::Path;
use std::sync::Arc;

use collimate_actors::{ActorError, Engine, Progress, mismatch};
use collimate_controller::{Command, Event};
use collimate_datasets::Order;
use collimate_learners::{LearnerState, PolicyLearner, Told};
use collimate_models::{AdapterMode, Model, Recording, Tape, TensorFile};
use collimate_rewards::score_all;
use collimate_store::{Blob, Checkpoint};
use collimate_text::Tokenizer;
use collimate_types::{BatchId, CreditedBatch, Metrics, RolloutBatch, RolloutGroup, ScoredGroup, StepReport, WeightsVersion};

use super::checkpoint::{OPTIMIZER, finite};
use super::critic::Critic;
use super::driver::Work;
use super::frame::Frame;
use super::greedy::{self, Greedy};
use super::job::OnlineJob;
use super::weights::{self, Base};
use super::{Evaluation, Job, measure, reference};
use crate::exit::{Code, Exit, OrExit};
use crate::machine;
use crate::session::{self, Opened};

/// Online reinforcement learning in one process, with one copy of the weights.
pub(super) struct Online<'a> {
    job: &'a OnlineJob,
    model: Model,
    /// What the adapters stand on, if only they are trained.
    base: Option<Base>,
    /// The reference, if the algorithm needs one; with adapters it is the policy as it was at the start.
    reference: Option<Model>,
    learner: PolicyLearner,
    critic: Option<Critic>,
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
    reference: reference::ByToken,
    greedy: Greedy,
    credited: Option<CreditedBatch>,
    metrics: Metrics,
    drawn: u64,
    faults: u64,
}

impl<'a> Online<'a> {
    /// Before the first step: the weights are read. `opened` is the model, of `checkpoint` if a run goes on from one.
    ///
    /// # Errors
    /// When a model is refused.
    pub(super) fn open(job: &'a Job, part: &'a OnlineJob, opened: &Opened, checkpoint: Option<&Checkpoint>) -> Result<Self, Exit> {
        let critic = part.critic.as_ref().map(|c| Critic::open(c, checkpoint, &opened.source)).transpose()?;
        let mut model = session::load(&opened.source)?;
        let base = weights::adapt(job, &opened.source, &mut model)?;
        let reference = if part.algorithm.needs().reference && base.is_none() {
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
            base,
            reference,
            critic,
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
        finite(&self.model) && self.critic.as_ref().is_none_or(|c| finite(&c.model))
    }

    fn blobs<'s>(&'s self, tokenizer: &'s Tokenizer) -> Vec<Blob<'s>> {
        let (learner, model) = (&self.learner, &self.model);
        let mut blobs = weights::blobs(model, self.base.as_ref(), tokenizer);
        blobs.push(Blob::new(OPTIMIZER, |out| learner.optimizer().write(model, out).map_err(io::Error::other)));
        blobs.extend(self.critic.iter().flat_map(Critic::blobs));
        blobs
    }

    fn base(&self) -> Option<&str> {
        self.base.as_ref().map(|b| b.digest.as_str())
    }

    fn restore_adapters(&mut self, checkpoint: &Path) -> Result<(), Exit> {
        weights::restore(&self.model, checkpoint)
    }

    fn more_weight_bytes(&self) -> usize {
        self.critic.iter().flat_map(|c| c.model.params()).map(|p| p.numel() * p.kind().elt_size_in_bytes()).sum()
    }

    fn critic(&self) -> Option<LearnerState> {
        self.critic.as_ref().map(|c| c.learner.state())
    }

    fn restore_critic(&mut self, checkpoint: &Checkpoint, state: Option<LearnerState>) -> Result<(), Exit> {
        self.critic.as_mut().map_or(Ok(()), |c| c.restore(checkpoint, state))
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
            // What an evaluation took is not the step's.
            let _ = self.job.rewards.take_work();
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
        let beside = if self.job.algorithm.needs().greedy { greedy::requests(batch, &frame.job.sampling) } else { Vec::new() };
        let work = || {
            let groups = engine.record((&*model, tokenizer), &batch.requests, batch.slots, version, recording, &mut going)?;
            // Nothing more is asked of the engine where no baseline asks: its cache stays as it is.
            let beside = if beside.is_empty() {
                Vec::new()
            } else {
                engine.generate(model, tokenizer, &beside, batch.slots, version, &mut going)?
            };
            Ok((groups, beside))
        };
        match frame.timers.time("generate", work) {
            Ok((groups, beside)) => {
                self.step.greedy.keep(beside);
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
        let greedy = &mut self.step.greedy;
        let (groups, beside) = frame.timers.time("score", || {
            let mut groups = score_all(rewards, groups, *lanes);
            let beside = greedy.judge(&mut groups, rewards, *lanes);
            (groups, beside)
        });
        for verdicts in groups.iter().map(|g| &g.verdicts).chain([&beside]) {
            frame.now.faults.record(verdicts);
            self.step.faults += verdicts.iter().filter(|v| v.fault().is_some()).count() as u64;
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
        if self.job.algorithm.needs().reference {
            let model = self.reference.as_ref().unwrap_or(&self.model);
            let (temperature, budget) = (frame.job.sampling.temperature, frame.job.learner.micro_tokens);
            let work = || model.with_adapters(AdapterMode::Start, || reference::logp(model, &groups, temperature, budget));
            self.step.reference = frame.timers.time("reference", work).or_failed()?;
        }
        Ok(Event::Referenced { step, groups })
    }

    fn credit(&mut self, frame: &mut Frame<'_>, step: u64, groups: Vec<ScoredGroup>) -> Result<Event, Exit> {
        frame.ui.phase("credit");
        let budget = frame.job.learner.micro_tokens;
        let values = match &self.critic {
            Some(critic) => Some(frame.timers.time("values", || reference::values(&critic.model, &groups, budget)).or_failed()?),
            None => None,
        };
        let greedy = self.job.algorithm.needs().greedy.then(|| self.step.greedy.scores(&groups));
        if let Some(mean) = self.step.greedy.mean() {
            self.step.metrics.set("greedy/reward", mean);
        }
        let told = Told {
            reference: (!self.step.reference.is_empty()).then_some(self.step.reference.as_slice()),
            values: values.as_deref(),
            greedy: greedy.as_deref(),
        };
        let (algorithm, temperature) = (self.job.algorithm.as_ref(), frame.job.sampling.temperature);
        let state = &mut frame.now.algo;
        let credited =
            frame.timers.time("credit", || collimate_learners::credit(algorithm, state, &groups, told, temperature)).or_failed()?;
        self.step.metrics.merge(credited.metrics.clone());
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
        let Self { learner, critic, reference, model, job, recording, engine, .. } = self;
        engine.release();
        let algorithm = job.algorithm.as_ref();
        let report = if critic.as_ref().is_some_and(|c| c.learner.learns_alone(step)) {
            StepReport { step, version, ..StepReport::default() }
        } else {
            frame
                .timers
                .time("update", || {
                    learner.step((&*model, Some(reference.as_ref().unwrap_or(&*model))), algorithm, &batch, (step, version), recording)
                })
                .or_failed()?
        };
        // After the policy, which starts from what the sampler left on the tape. Credit is given already, so the order changes nothing.
        if let Some(critic) = critic {
            let measured = frame.timers.time("critic", || critic.step(algorithm, &batch, recording))?;
            self.step.metrics.merge(measured);
        }
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
            metrics.merge(collimate_rewards::summarise(&self.step.scored));
            metrics.merge(measure::completions(&self.step.scored));
        }
        metrics.merge(measure::work(&self.job.rewards));
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
        // Before the first step there is nothing to save, so nothing to be evaluated first: a signal ends it at once.
        let signals = frame.signals;
        let result = match evaluation.run(&self.model, &mut self.engine, &mut |_| step > 0 || !signals.asked()) {
            Err(_) if step == 0 && signals.asked() => return Err(Exit { code: Code::Stopped, message: None }),
            result => result?,
        };
        let score = (result.task.n > 0).then_some(result.task.accuracy);
        frame.logs.evaluation(step, &result)?;
        let share = |s: f64| format!("held-out {:.1}%", 100.0 * s);
        frame.board.heldout = score.map(share).or_else(|| frame.board.heldout.take());
        frame.evaluated(step, score, &result.task.to_string(), start.elapsed().as_secs_f64());
        frame.summary.evaluations.push((step, result));
        Ok(Event::Evaluated { step, score })
    }
}
