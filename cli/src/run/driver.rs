//! The run loop: the controller's commands are carried out in this process, whatever the run learns from.

use std::collections::VecDeque;
use std::path::Path;

use collimate_controller::{Command, Controller, Event, Outcome};
use collimate_learners::LearnerState;
use collimate_models::TensorFile;
use collimate_store::{Blob, Checkpoint, RunDir};
use collimate_text::Tokenizer;
use collimate_types::Metrics;

use super::frame::{Frame, Notes};
use super::{Board, Evaluated, Job, Signals, Ui, logs::Logs, timers::Timers};
use crate::exit::{Code, Exit, OrExit};

/// What a kind of run does between two boundaries, with the weights it trains. The rest is the same for all.
pub(crate) trait Work {
    /// What must be there before the first command, once the state of a checkpoint is taken back.
    ///
    /// # Errors
    /// When it cannot be made.
    fn begin(&mut self, _frame: &mut Frame<'_>) -> Result<(), Exit> {
        Ok(())
    }

    /// Carries a command out: every one but those of the boundary that the driver knows itself. An exit without a message is an
    /// interruption by a signal.
    ///
    /// # Errors
    /// When the work fails.
    fn carry_out(&mut self, frame: &mut Frame<'_>, command: Command) -> Result<Option<Event>, Exit>;

    /// Whether every weight is finite.
    fn is_finite(&self) -> bool;

    /// The files of a checkpoint that are of the model and its optimizer.
    fn blobs<'s>(&'s self, tokenizer: &'s Tokenizer) -> Vec<Blob<'s>>;

    /// The content of the weights that adapters stand on, if only those are trained.
    fn base(&self) -> Option<&str>;

    /// Reads the adapters of a checkpoint, if adapters are trained.
    ///
    /// # Errors
    /// With code 3 when they are of another shape.
    fn restore_adapters(&mut self, checkpoint: &Path) -> Result<(), Exit>;

    /// The numbers of the learner.
    fn learner(&self) -> LearnerState;

    /// Takes the learner's state of a checkpoint back.
    ///
    /// # Errors
    /// When the moments are another model's.
    fn restore(&mut self, moments: &TensorFile, state: LearnerState) -> Result<(), Exit>;

    /// Bytes of weights that are trained besides the model's own: a critic's.
    fn more_weight_bytes(&self) -> usize {
        0
    }

    /// The numbers of the critic's learner, if there is one.
    fn critic(&self) -> Option<LearnerState> {
        None
    }

    /// Takes the critic's state of a checkpoint back, if there is a critic.
    ///
    /// # Errors
    /// When the checkpoint holds none, or another one.
    fn restore_critic(&mut self, _checkpoint: &Checkpoint, _state: Option<LearnerState>) -> Result<(), Exit> {
        Ok(())
    }

    /// The content of the training part and of the held-out part, as hashes.
    fn data(&self) -> [&str; 2];
}

/// Runs a job.
pub struct Driver<'a> {
    pub(super) frame: Frame<'a>,
    pub(super) work: Box<dyn Work + 'a>,
}

/// What a run came to.
#[derive(Debug, Clone, Default)]
pub struct Summary {
    /// How it ended.
    pub outcome: Option<Outcome>,
    /// Steps that were made.
    pub steps: u64,
    /// Held-out results of a policy that answers, by boundary: step and result.
    pub evaluations: Vec<(u64, Evaluated)>,
    /// Held-out measurements of what learns from given data, by boundary.
    pub measured: Vec<(u64, Metrics)>,
    /// Mean rewards by step.
    pub rewards: Vec<(u64, f64)>,
    /// Tokens drawn in training, or learnt from.
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
        f.debug_struct("Driver").field("job", &self.frame.job).finish_non_exhaustive()
    }
}

/// The parts a driver is made of.
pub(crate) struct Parts<'a> {
    /// The tokenizer.
    pub(crate) tokenizer: &'a Tokenizer,
    /// What is done, with the weights.
    pub(crate) work: Box<dyn Work + 'a>,
    /// The run directory, locked.
    pub(crate) run: RunDir,
    /// The progress line.
    pub(crate) ui: &'a Ui,
    /// The signals.
    pub(crate) signals: &'a Signals,
    /// The boundary a resumed run goes on from.
    pub(crate) resumed_at: Option<u64>,
}

impl<'a> Driver<'a> {
    /// A driver before the first step.
    ///
    /// # Errors
    /// When the run's files cannot be opened.
    pub(crate) fn new(job: &'a Job, parts: Parts<'a>) -> Result<Self, Exit> {
        let Parts { tokenizer, work, run, ui, signals, resumed_at } = parts;
        let frame = Frame {
            job,
            tokenizer,
            controller: Controller::new(job.plan.clone(), job.sampling.clone(), job.seed),
            logs: Logs::at(&run, job, resumed_at)?,
            run,
            ui,
            signals,
            now: Notes::default(),
            boundary: Notes::default(),
            summary: Summary::default(),
            last_score: None,
            closed: true,
            timers: Timers::new(),
            board: Board { steps: job.plan.steps, ..Board::default() },
        };
        Ok(Self { frame, work })
    }

    /// Runs to the end.
    ///
    /// # Errors
    /// With code 1, when a part of the run fails.
    pub fn run(mut self) -> Result<Summary, Exit> {
        let started = std::time::Instant::now();
        match self.work.begin(&mut self.frame) {
            Err(exit) if exit.message.is_none() => {} // interrupted: the signal is seen below
            begun => begun?,
        }
        let mut todo: VecDeque<Command> = self.frame.controller.start().into();
        let mut stopping = false;
        while let Some(command) = todo.pop_front() {
            if let Command::Finish(outcome) = command {
                self.frame.summary.outcome = Some(outcome);
                break;
            }
            if self.frame.signals.take_save() {
                self.frame.ui.note("a checkpoint is asked for; it is saved at the next boundary");
                todo.extend(self.on(Event::SaveRequested)?);
            }
            if !stopping && self.frame.signals.asked() {
                stopping = true;
                let more = self.on(Event::StopRequested)?;
                self.frame.ui.note("stopping: the first signal ends the run with a complete checkpoint, a second one at once");
                supersede(&mut todo, command, more);
                continue;
            }
            match self.carry_out(command) {
                Ok(Some(event)) => todo.extend(self.on(event)?),
                Ok(None) => {}
                Err(exit) if exit.message.is_none() => {} // interrupted: the signal is seen at the next turn
                Err(exit) => return Err(exit),
            }
            if todo.is_empty() && !stopping && self.frame.signals.asked() {
                stopping = true;
                todo.extend(self.on(Event::StopRequested)?);
            }
        }
        let mut summary = self.frame.summary;
        summary.stopped_by = self.frame.signals.asked().then(|| self.frame.signals.code());
        summary.train_s = started.elapsed().as_secs_f64() - summary.eval_s.iter().sum::<f64>();
        Ok(summary)
    }

    fn on(&mut self, event: Event) -> Result<Vec<Command>, Exit> {
        self.frame.controller.on(event).or_failed()
    }

    fn carry_out(&mut self, command: Command) -> Result<Option<Event>, Exit> {
        match command {
            Command::Save { step, best, .. } => {
                self.save(step, best).map(|saved| Some(if saved { Event::Saved { step } } else { Event::NotSaved { step } }))
            }
            Command::Finish(_) => Ok(None),
            command => {
                if let Command::Draw { refill: 0, .. } = command {
                    self.frame.begin_step();
                }
                self.work.carry_out(&mut self.frame, command)
            }
        }
    }
}

/// After a stop: commands before an update are taken back, all others stand.
fn supersede(todo: &mut VecDeque<Command>, command: Command, more: Vec<Command>) {
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
