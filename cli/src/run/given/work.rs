//! The hops of a run that learns from given data.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use collimate_controller::{Command, Event};
use collimate_datasets::{Order, Set};
use collimate_learners::{GivenLearner, GivenRow, LearnerState, Lesson, measure, reference};
use collimate_models::{Model, Tape, TensorFile};
use collimate_store::{Blob, content_hash};
use collimate_text::Tokenizer;
use collimate_types::{Metrics, StepReport};

use super::cache::{Cache, key};
use super::{Given, GivenJob, Kind, Reference, Rows};
use crate::exit::{Code, Exit, OrExit};
use crate::run::Job;
use crate::run::checkpoint::{OPTIMIZER, finite};
use crate::run::driver::Work;
use crate::run::frame::Frame;
use crate::run::weights::{self, Base};
use crate::session::{self, Opened};

/// A run that learns from given data of one kind.
pub(super) struct GivenWork<'a, D: Kind> {
    job: &'a Job,
    given: &'a GivenJob<D>,
    rows: Rows<'a>,
    model: Model<D::Head>,
    /// What the adapters stand on, if only they are trained.
    base: Option<Base>,
    learner: GivenLearner,
    /// Which row comes next: numbers of rows of the training part.
    order: Order<usize>,
    reference: Kept<D>,
    /// The held-out rows, once they were rendered.
    heldout: Option<Vec<GivenRow<D::Label>>>,
    taken: Vec<GivenRow<D::Label>>,
}

/// Rows with the names of their content.
type Keyed<D> = Vec<(String, GivenRow<<D as Lesson>::Label>)>;

/// Where the reference's numbers come from.
enum Kept<D: Kind> {
    None,
    Cache(Cache),
    Model(Box<Model<D::Head>>),
    /// From the model that is trained, with its adapters as they were at the start.
    Own,
}

impl<'a, D: Kind> GivenWork<'a, D> {
    /// Reads the weights.
    ///
    /// # Errors
    /// When a model is refused.
    pub(super) fn open(job: &'a Job, given: &'a GivenJob<D>, opened: &'a Opened) -> Result<Self, Exit> {
        let mut model = D::load(opened, job.seed)?;
        let base = weights::adapt(job, &opened.source, &mut model)?;
        let reference = match given.reference() {
            Reference::None => Kept::None,
            Reference::Cached => Kept::Cache(Cache::default()),
            Reference::EveryStep if base.is_some() => Kept::Own,
            Reference::EveryStep => Kept::Model(Box::new(frozen::<D>(job)?)),
        };
        let train = &given.split.train;
        let numbers = (0..train.len()).map(Arc::new).collect();
        let numbers = Set { tasks: numbers, digest: String::new(), mixture: train.mixture.clone() };
        Ok(Self {
            job,
            given,
            rows: given.rows(opened),
            learner: GivenLearner::new::<D>(&model, job.learner, Tape::with_limit(job.tape_bytes)),
            model,
            base,
            order: Order::new(&numbers, job.seed.fork("data", 0), job.shuffle),
            reference,
            heldout: None,
            taken: Vec::new(),
        })
    }

    /// Computes what the cache does not know: of the rows that the run will come to, and of the held-out ones.
    fn fill(&mut self, frame: &mut Frame<'_>, cache: &mut Cache) -> Result<(), Exit> {
        let missing = self.missing(frame, cache)?;
        if missing.is_empty() {
            return Ok(());
        }
        let start = Instant::now();
        frame.ui.note(format!("computing the reference's log-probabilities of {} rows, once", missing.len()));
        frame.ui.phase("reference");
        let of = content_hash(&session::model_dir(&frame.job.files.model)?, None).or_failed()?;
        if cache.len() > 0 && cache.of != of {
            let message = format!(
                "`{}` is not the model that this run began with, and log-probabilities of its reference are missing; put it back",
                frame.job.files.model.display()
            );
            return Err(Exit { code: Code::Refused, message: Some(message) });
        }
        cache.of = of;
        // Before the first step the policy is the reference.
        let begun = frame.controller.state().step > 0;
        let other = if begun && self.base.is_none() { Some(frozen::<D>(frame.job)?) } else { None };
        let model = other.as_ref().unwrap_or(&self.model);
        for (at, row) in missing {
            // A pass for each row: its numbers must not depend on what else is missing.
            for sums in reference::<D>(model, std::slice::from_ref(&row), 1).or_failed()? {
                cache.put(at.clone(), sums);
            }
            if frame.signals.asked() {
                cache.write()?;
                return Err(Exit { code: Code::Stopped, message: None });
            }
        }
        cache.write()?;
        frame.ui.note(format!("the reference took {:.1} s", start.elapsed().as_secs_f64()));
        Ok(())
    }

    /// Rows that the run will come to and the cache does not know, by content.
    fn missing(&mut self, frame: &mut Frame<'_>, cache: &Cache) -> Result<Keyed<D>, Exit> {
        let steps = frame.job.plan.steps - frame.controller.state().step;
        let count = (steps as usize).saturating_mul(frame.job.plan.prompts_per_step);
        let mut cursor = frame.now.cursor;
        let mut seen = vec![false; self.given.split.train.len()];
        let (mut missing, mut known) = (Vec::new(), std::collections::HashSet::new());
        let mut want = |row: GivenRow<D::Label>| {
            let key = key(&row);
            if cache.get(&key).is_none() && known.insert(key.clone()) {
                missing.push((key, row));
            }
        };
        let mut left = count;
        while left > 0 && !seen.iter().all(|s| *s) {
            let batch = self.order.next(&mut cursor, left.min(frame.job.plan.prompts_per_step.max(1)));
            left -= batch.len().min(left);
            for n in batch {
                if !std::mem::replace(&mut seen[*n], true) {
                    want(self.rows.of::<D>(&self.given.split.train.tasks, *n)?);
                }
            }
        }
        if frame.job.plan.eval_every > 0 {
            self.heldout()?.iter().cloned().for_each(want);
        }
        Ok(missing)
    }

    /// The held-out rows as tokens.
    fn heldout(&mut self) -> Result<&mut Vec<GivenRow<D::Label>>, Exit> {
        if self.heldout.is_none() {
            let tasks = &self.given.split.heldout.tasks;
            let rows = (0..self.job.eval_rows.min(tasks.len())).map(|n| self.rows.of::<D>(tasks, n));
            self.heldout = Some(rows.collect::<Result<_, _>>()?);
        }
        Ok(self.heldout.get_or_insert_default())
    }

    /// Sets the reference's numbers of rows.
    fn refer((reference, own): (&Kept<D>, &Model<D::Head>), budget: usize, rows: &mut [GivenRow<D::Label>]) -> Result<(), Exit> {
        let sums: Vec<Vec<f64>> = match reference {
            Kept::None => return Ok(()),
            Kept::Model(model) => collimate_learners::reference::<D>(model, rows, budget).or_failed()?,
            Kept::Own => collimate_learners::reference::<D>(own, rows, budget).or_failed()?,
            Kept::Cache(cache) => {
                let of = |row: &GivenRow<D::Label>| cache.get(&key(row)).map(<[f64]>::to_vec);
                let missing = || "the reference's log-probabilities of a row are missing from the run's cache".to_owned();
                rows.iter().map(|row| of(row).ok_or_else(missing).or_failed()).collect::<Result<_, _>>()?
            }
        };
        for (row, sums) in rows.iter_mut().zip(sums) {
            for (answer, sum) in row.answers.iter_mut().zip(sums) {
                answer.logp_ref = Some(sum);
            }
        }
        Ok(())
    }

    fn take(&mut self, frame: &mut Frame<'_>, step: u64, count: usize) -> Result<Event, Exit> {
        frame.ui.phase("tasks");
        let numbers = self.order.next(&mut frame.now.cursor, count);
        let row = |n: Arc<usize>| self.rows.of::<D>(&self.given.split.train.tasks, *n);
        self.taken = numbers.into_iter().map(row).collect::<Result<_, _>>()?;
        Ok(Event::Taken { step, rows: self.taken.len() })
    }

    fn update(&mut self, frame: &mut Frame<'_>, step: u64) -> Result<StepReport, Exit> {
        let mut rows = std::mem::take(&mut self.taken);
        let Self { model, learner, given, reference, .. } = self;
        if !matches!(reference, Kept::None) {
            frame.ui.phase("reference");
            frame.timers.time("reference", || Self::refer((reference, model), frame.job.learner.micro_tokens, &mut rows))?;
        }
        frame.ui.phase("update");
        let version = frame.controller.view().version;
        let objective = (given.objective.as_ref(), &mut frame.now.algo);
        let report = frame.timers.time("update", || learner.step::<D>(model, objective, &rows, (step, version))).or_failed()?;
        let mut metrics = report.metrics.clone();
        metrics.set("epoch", self.epochs(frame));
        self.finish(frame, step, metrics, &rows)?;
        Ok(report)
    }

    /// How often all rows have been learnt from.
    fn epochs(&self, frame: &Frame<'_>) -> f64 {
        frame.now.cursor.epoch as f64 + frame.now.cursor.position as f64 / self.given.split.train.len().max(1) as f64
    }

    fn finish(&self, frame: &mut Frame<'_>, step: u64, mut metrics: Metrics, rows: &[GivenRow<D::Label>]) -> Result<(), Exit> {
        metrics.merge(frame.controller.take_metrics());
        let length = |r: &GivenRow<D::Label>| r.prompt.len() + r.answers.iter().map(|a| a.tokens.len()).sum::<usize>();
        let tokens = rows.iter().map(length).sum::<usize>() as u64;
        let full = |r: &&GivenRow<D::Label>| r.answers.iter().any(|a| r.prompt.len() + a.tokens.len() == self.rows.max_length);
        metrics.set("rows/at_max_length", rows.iter().filter(full).count() as f64);
        frame.close_step(step, metrics, (tokens, &[]), &["reference", "update"])
    }

    fn evaluate(&mut self, frame: &mut Frame<'_>, step: u64) -> Result<Event, Exit> {
        frame.ui.phase("evaluate");
        let start = Instant::now();
        self.heldout()?;
        let Self { heldout, reference, model, given, .. } = self;
        let rows = heldout.get_or_insert_default();
        if rows.iter().flat_map(|r| &r.answers).any(|a| a.logp_ref.is_none()) {
            Self::refer((reference, model), frame.job.learner.micro_tokens, rows)?;
        }
        let objective = (given.objective.as_ref(), &frame.now.algo);
        let measured = measure::<D>(model, objective, rows, &frame.job.learner).or_failed()?;
        let mut metrics = Metrics(measured.stats.means());
        metrics.set("loss", measured.loss);
        D::tell(&mut metrics);
        let score = D::score(&metrics).filter(|s| s.is_finite());
        let shown = ["loss", "rewards/accuracies", "rewards/margins", "rewards/ties", "perplexity"];
        let shown: Vec<String> =
            shown.iter().filter_map(|name| metrics.get(name).map(|v| format!("{} {v:.4}", name.trim_start_matches("rewards/")))).collect();
        metrics.set("n", rows.len() as f64);
        let named = Metrics(metrics.0.iter().map(|(name, value)| (format!("eval/{name}"), *value)).collect());
        frame.logs.line(step, &named)?;
        frame.board.heldout = Some(format!("held-out {}", shown.first().cloned().unwrap_or_default()));
        let said = format!("{} (n = {})", shown.join(", "), rows.len());
        frame.evaluated(step, score, &said, start.elapsed().as_secs_f64());
        frame.summary.measured.push((step, named));
        Ok(Event::Evaluated { step, score })
    }
}

/// The weights that the run began with, not to be trained.
fn frozen<D: Kind>(job: &Job) -> Result<Model<D::Head>, Exit> {
    let mut model = D::load(&session::open_model(&job.files.model)?, job.seed)?;
    model.freeze();
    Ok(model)
}

impl<D: Kind> Work for GivenWork<'_, D> {
    fn begin(&mut self, frame: &mut Frame<'_>) -> Result<(), Exit> {
        if !matches!(self.reference, Kept::Cache(_)) {
            return Ok(());
        }
        let mut cache = Cache::open(frame.run.path());
        let filled = self.fill(frame, &mut cache);
        self.reference = Kept::Cache(cache);
        filled
    }

    fn carry_out(&mut self, frame: &mut Frame<'_>, command: Command) -> Result<Option<Event>, Exit> {
        match command {
            Command::Draw { step, count, .. } => self.take(frame, step, count).map(Some),
            Command::Update { step } => self.update(frame, step).map(|report| Some(Event::Updated(report))),
            Command::Evaluate { step } => self.evaluate(frame, step).map(Some),
            Command::Skip { step } => {
                frame.ui.note(format!("step {step}: there was no row; nothing was updated"));
                self.finish(frame, step, Metrics::default(), &[]).map(|()| None)
            }
            // The program for given data has no other command.
            _ => Ok(None),
        }
    }

    fn is_finite(&self) -> bool {
        finite(&self.model)
    }

    fn blobs<'s>(&'s self, tokenizer: &'s Tokenizer) -> Vec<Blob<'s>> {
        let (learner, model) = (&self.learner, &self.model);
        let mut blobs = weights::blobs(model, self.base.as_ref(), tokenizer);
        blobs.push(Blob::new(OPTIMIZER, |out| learner.optimizer().write(model, out).map_err(io::Error::other)));
        blobs
    }

    fn base(&self) -> Option<&str> {
        self.base.as_ref().map(|b| b.digest.as_str())
    }

    fn restore_adapters(&mut self, checkpoint: &Path) -> Result<(), Exit> {
        weights::restore(&self.model, checkpoint)
    }

    fn learner(&self) -> LearnerState {
        self.learner.state()
    }

    fn restore(&mut self, moments: &TensorFile, state: LearnerState) -> Result<(), Exit> {
        self.learner.restore::<D>(&self.model, moments, state).or_model()
    }

    fn data(&self) -> [&str; 2] {
        [&self.given.split.train.digest, &self.given.split.heldout.digest]
    }
}
