//! From a job to a finished run: model, run directory, driver.

use std::path::Path;

use collimate_store::{Checkpoint, RunDir};

use super::driver::{Parts, Work};
use super::online::Online;
use super::{Board, Driver, Job, Part, Signals, Summary, Ui, differences, weights};
use crate::config::{Layer, OnResume, Purpose, diff, load as load_config};
use crate::exit::{Code, Exit, OrExit, refused};
use crate::{machine, session};

/// Files that a run may have open at once: its logs, the model's files while they are read, a checkpoint, and LibTorch's own.
const OPEN_FILES: u64 = 64;

/// How a run begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Begin {
    /// A new name.
    New,
    /// The newest good checkpoint of this name.
    Resume,
}

/// Runs a job to its end.
///
/// # Errors
/// As the parts that fail say.
pub fn start(job: &Job, begin: Begin) -> Result<Summary, Exit> {
    let path = job.files.root.join(&job.files.name);
    check_open_files()?;
    let signals = Signals::catch()?;
    let (run, checkpoint) = match begin {
        Begin::New => {
            if path.exists() && std::fs::read_dir(&path).is_ok_and(|mut d| d.next().is_some()) {
                let message = format!(
                    "the run name `{}` is used ({}); go on with `--resume`, or choose another `run.name`",
                    job.files.name,
                    path.display()
                );
                return Err(refused(message));
            }
            (None, None)
        }
        Begin::Resume => open(&path, job)?,
    };
    let source = weights::source(job, checkpoint.as_ref());
    session::start_libtorch(job.threads);
    // LibTorch's own generator is part of a checkpoint: it too starts from the run's seed.
    tch::manual_seed(job.seed.fork("libtorch", 0).0 as i64);
    let mut opened = session::open_model(&source)?;
    opened.source.keep_adapter_apart(job.lora.is_some());
    super::plan::check_context(job, &opened)?;
    // What can be refused is refused before the name is taken.
    let work: Box<dyn Work + '_> = match &job.part {
        Part::Online(part) => Box::new(Online::open(job, part, &opened, checkpoint.as_ref())?),
        Part::Given(part) => part.open(job, &opened)?,
    };
    let run = match run {
        Some(run) => run,
        None => RunDir::create(&job.files.root, &job.files.name).or_refused()?,
    };
    let run = run.keeping(job.keep);
    if let Err(error) = run.check_space(needed_bytes(weights::trained_bytes(job, &opened.source) + work.more_weight_bytes() as u64)) {
        // Nothing has begun: the name is free again.
        if begin == Begin::New {
            let _ = std::fs::remove_dir_all(run.path());
        }
        return Err(error).or_refused();
    }
    record(&run, job)?;
    let resumed_at = checkpoint.as_ref().map(Checkpoint::step);
    let ui = Ui::start(Board { step: resumed_at.unwrap_or(0), steps: job.plan.steps, ..Board::default() });
    if let Some(checkpoint) = &checkpoint {
        let changed = differences(checkpoint, job.threads);
        let bitwise = if changed.is_empty() { "bitwise: yes".to_owned() } else { format!("bitwise: no ({})", changed.join("; ")) };
        ui.note(format!("resuming {} at step {} from {}, {bitwise}", job.files.name, checkpoint.step(), checkpoint.dir.display()));
    }
    let parts = Parts { tokenizer: &opened.tokenizer, work, run, ui: &ui, signals: &signals, resumed_at };
    let mut driver = Driver::new(job, parts)?;
    if let Some(checkpoint) = &checkpoint {
        driver.resume(checkpoint)?;
    }
    let summary = driver.run()?;
    drop(ui);
    Ok(summary)
}

/// What the run is and which rows it could not use, for whoever looks at it later.
fn record(run: &RunDir, job: &Job) -> Result<(), Exit> {
    run.write_config(&job.files.config).or_failed()?;
    let rejected = job.data().rejected;
    if rejected.is_empty() {
        return Ok(());
    }
    crate::commands::data::write_rejects(&run.path().join("rejects.jsonl"), rejected)
}

fn check_open_files() -> Result<(), Exit> {
    match machine::open_files() {
        Some(limit) if limit < OPEN_FILES => {
            Err(refused(format!("a process may open {limit} files here, a run needs {OPEN_FILES}; raise the limit, `ulimit -n 1024`")))
        }
        _ => Ok(()),
    }
}

/// A run that is gone on with: its lock, its newest good checkpoint (none if it has not reached its first), its logs cut back to it.
fn open(path: &Path, job: &Job) -> Result<(Option<RunDir>, Option<Checkpoint>), Exit> {
    if !path.exists() {
        return Err(refused(format!(
            "there is no run `{}` to resume in `{}`; start it without `--resume`",
            job.files.name,
            job.files.root.display()
        )));
    }
    let run = RunDir::open(path).or_refused()?;
    check_changes(&run, job)?;
    let checkpoint = run.latest().or_model()?;
    let resumed = match &checkpoint {
        Some(checkpoint) => {
            for skipped in &checkpoint.skipped {
                session::say(&format!("WARNING: a damaged checkpoint is passed over: {skipped}"));
            }
            run.resume(checkpoint)
        }
        None => run.restart(),
    };
    for (log, bytes) in resumed.or_failed()?.short {
        session::say(&format!("WARNING: {log} is shorter than the {bytes} bytes that the checkpoint says it had"));
    }
    Ok((Some(run), checkpoint))
}

/// Changes of the recipe since the run began: shown, and refused where they would make it another run.
fn check_changes(run: &RunDir, job: &Job) -> Result<(), Exit> {
    let read = |name: &str, text: String| load_config(&[Layer::Text { name: name.into(), text }], Purpose::Show).map(|l| l.recipe);
    let Ok(stored) = run.read_config() else { return Ok(()) }; // killed before the first byte: nothing to compare
    let old = read("the run's config.toml", stored).map_err(|d| d.render(false)).or_refused()?;
    let new = read("the recipe", job.files.config.clone()).map_err(|d| d.render(false)).or_refused()?;
    let changes = diff(&old, &new);
    for change in &changes {
        session::say(&format!("changed since the run began: {}: {} -> {}", change.key, change.old, change.new));
    }
    let refused: Vec<&str> = changes.iter().filter(|c| c.resume == OnResume::Refused).map(|c| c.key.as_str()).collect();
    if refused.is_empty() {
        return Ok(());
    }
    let message = format!(
        "a resumed run cannot change {}; put it back, or start a new run with `--init-from {}`",
        refused.join(", "),
        run.path().display()
    );
    Err(Exit { code: Code::Refused, message: Some(message) })
}

/// Bytes of one checkpoint: what is trained and both moments, with room for the rest.
fn needed_bytes(trained: u64) -> u64 {
    let bytes = 3 * trained;
    bytes + bytes / 20 + (16 << 20)
}
