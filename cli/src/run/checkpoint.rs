//! What a checkpoint of a run is made of, and how a run takes it back.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use collimate_controller::{Controller, ControllerState};
use collimate_learners::LearnerState;
use collimate_models::{Head, Model, PeftDir, TensorFile, config_json, generation_config_json, write_weights};
use collimate_store::{Blob, Checkpoint, CheckpointMeta, StoreError, hash_bytes};
use collimate_text::Tokenizer;
use serde::{Deserialize, Serialize};

use super::Driver;
use super::frame::Notes;
use super::weights;
use crate::exit::{Code, Exit, OrExit};
use crate::{machine, session};

/// The file of the optimizer's moments.
pub(crate) const OPTIMIZER: &str = "trainer/optimizer.safetensors";
/// The file of LibTorch's generator.
const RNG: &str = "trainer/rng.bin";

/// Everything of a run that is neither a weight nor a moment.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct State {
    controller: ControllerState,
    learner: LearnerState,
    /// The critic's learner, if there is a critic.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    critic: Option<LearnerState>,
    notes: Notes,
    /// Content of the data, so that a resumed run learns from what it started with.
    train: String,
    heldout: String,
    tokens: u64,
    /// Content of the weights that adapters stand on, if only those are trained.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    base: Option<String>,
}

/// The files that make a directory a Hugging Face model, in a fixed order.
pub(crate) fn model_blobs<'a, H: Head>(model: &'a Model<H>, tokenizer: &'a Tokenizer) -> Vec<Blob<'a>> {
    let pretty = |value: &serde_json::Value| format!("{value:#}\n").into_bytes();
    let mut blobs = vec![
        Blob::bytes("config.json", pretty(&config_json(model))),
        Blob::bytes("generation_config.json", pretty(&generation_config_json(model, tokenizer.eos_ids()))),
        Blob::new("model.safetensors", |out| write_weights(model, out).map_err(io::Error::other)),
    ];
    blobs.extend(tokenizer.files().into_iter().map(|(name, bytes)| Blob::bytes(name, bytes)));
    blobs
}

/// What bitwise resume depends on besides the checkpoint.
pub(crate) fn versions(threads: usize) -> BTreeMap<String, String> {
    let libtorch = collimate_bridge::show_config();
    let version = libtorch.split("TORCH_VERSION=").nth(1).and_then(|v| v.split([',', ' ']).next()).unwrap_or("unknown").to_owned();
    BTreeMap::from([
        ("collimate".to_owned(), env!("CARGO_PKG_VERSION").to_owned()),
        ("libtorch".to_owned(), version),
        ("cpu".to_owned(), machine::cpu_flags()),
        ("threads".to_owned(), threads.to_string()),
    ])
}

impl Driver<'_> {
    /// Saves the boundary `step`; `false` if the disk refused: then everything is as before, and the run may go on.
    pub(super) fn save(&mut self, step: u64, best: bool) -> Result<bool, Exit> {
        let frame = &self.frame;
        frame.ui.phase("save");
        if !self.work.is_finite() {
            let message = format!("the weights after step {step} are not finite; they are not saved, the checkpoint before stands");
            return Err(Exit { code: Code::Failed, message: Some(message) });
        }
        // Between boundaries `now` may have moved on already (a step that a stop abandoned): the boundary's own notes are saved.
        let notes = if frame.closed { frame.now.clone() } else { frame.boundary.clone() };
        let [train, heldout] = self.work.data().map(str::to_owned);
        let (controller, learner, tokens) = (frame.controller.state(), self.work.learner(), frame.summary.tokens);
        let base = self.work.base().map(str::to_owned);
        let state = State { controller, learner, critic: self.work.critic(), notes, train, heldout, tokens, base };
        let meta = CheckpointMeta {
            versions: versions(frame.job.threads),
            config_hash: hash_bytes(frame.job.files.config.as_bytes()),
            score: frame.last_score.filter(|(at, _)| *at == step).map(|(_, s)| s),
            best,
            state: serde_json::to_value(&state).or_failed()?,
        };
        let mut blobs = self.work.blobs(frame.tokenizer);
        blobs.push(Blob::bytes(RNG, collimate_bridge::rng_state().or_failed()?));
        blobs.push(Blob::bytes("trainer/config.toml", frame.job.files.config.clone()));
        let saved = match frame.run.save(step, blobs, meta) {
            Ok(saved) => saved,
            Err(error @ (StoreError::Io { .. } | StoreError::NoSpace { .. })) => {
                frame.ui.note(format!("warning: step {step} is not saved, the checkpoint before it stands: {error}"));
                return Ok(false);
            }
            Err(error) => return Err(error).or_failed(),
        };
        for warning in saved.warnings {
            frame.ui.note(format!("warning: {warning}"));
        }
        Ok(true)
    }

    /// Takes a checkpoint back: everything but the weights, which the model was loaded with.
    ///
    /// # Errors
    /// With code 3 when the checkpoint does not fit, with code 2 when the data are others.
    pub fn resume(&mut self, checkpoint: &Checkpoint) -> Result<(), Exit> {
        let state: State = serde_json::from_value(checkpoint.manifest.meta.state.clone()).or_model()?;
        let [train, heldout] = self.work.data();
        for (what, then, now) in [("data.train", &state.train, train), ("data.heldout", &state.heldout, heldout)] {
            if then != now {
                let message =
                    format!("{what} has changed since the checkpoint (was {then}, is {now}); put the file back, or start a new run");
                return Err(Exit { code: Code::Refused, message: Some(message) });
            }
        }
        if state.base.as_deref() != self.work.base() {
            let message = "the base model has changed since the checkpoint; put it back, or start a new run".to_owned();
            return Err(Exit { code: Code::Refused, message: Some(message) });
        }
        self.work.restore_adapters(&checkpoint.dir)?;
        let moments = TensorFile::open(&checkpoint.path(OPTIMIZER)).or_model()?;
        self.work.restore(&moments, state.learner)?;
        self.work.restore_critic(checkpoint, state.critic)?;
        collimate_bridge::set_rng_state(&checkpoint.read(RNG).or_model()?).or_model()?;
        let frame = &mut self.frame;
        frame.controller = Controller::resume(frame.job.plan.clone(), frame.job.sampling.clone(), state.controller).or_refused()?;
        frame.now = state.notes;
        frame.boundary = frame.now.clone();
        frame.summary.tokens = state.tokens;
        frame.board.step = checkpoint.step();
        Ok(())
    }
}

/// Whether every weight of a model that is trained is finite.
pub(crate) fn finite<H: Head>(model: &Model<H>) -> bool {
    model
        .params()
        .iter()
        .filter(|p| p.trainable())
        .all(|p| f64::try_from(p.value().detach().sum(tch::Kind::Double)).is_ok_and(f64::is_finite))
}

/// What makes a resumed run differ in its bits, if anything does.
pub(crate) fn differences(checkpoint: &Checkpoint, threads: usize) -> Vec<String> {
    let now = versions(threads);
    let then = &checkpoint.manifest.meta.versions;
    let changed = now.iter().filter(|(key, value)| then.get(*key) != Some(value));
    changed.map(|(key, value)| format!("{key} was {}, is {value}", then.get(key).map_or("not recorded", String::as_str))).collect()
}

/// Writes a model as a Hugging Face directory that must not exist yet: into a temporary one first, then one rename.
pub(crate) fn export<H: Head>(model: &Model<H>, tokenizer: &Tokenizer, dir: &Path) -> Result<(), Exit> {
    export_blobs(model_blobs(model, tokenizer), dir)
}

/// Writes an adapter, as it is, as a directory in PEFT's layout that must not exist yet.
pub(crate) fn export_adapter(adapter: &PeftDir, base: &Path, tokenizer: &Tokenizer, dir: &Path) -> Result<(), Exit> {
    let mut blobs = weights::adapter_files(adapter, base)?;
    blobs.extend(tokenizer.files().into_iter().map(|(name, bytes)| Blob::bytes(name, bytes)));
    export_blobs(blobs, dir)
}

fn export_blobs(blobs: Vec<Blob<'_>>, dir: &Path) -> Result<(), Exit> {
    if dir.exists() {
        return Err(crate::exit::refused(format!("`{}` exists already; give a new name", dir.display())));
    }
    let temp = dir.with_added_extension("tmp");
    let failed = |e: io::Error| Exit { code: Code::Failed, message: Some(format!("cannot write `{}`: {e}", temp.display())) };
    std::fs::create_dir_all(&temp).map_err(failed)?;
    for mut blob in blobs {
        let mut file = io::BufWriter::with_capacity(1 << 20, std::fs::File::create(temp.join(&blob.path)).map_err(failed)?);
        (blob.write)(&mut file).map_err(failed)?;
        file.into_inner().map_err(|e| failed(e.into_error()))?.sync_all().map_err(failed)?;
    }
    std::fs::rename(&temp, dir).map_err(failed)?;
    session::say(&format!("wrote {}", dir.display()));
    Ok(())
}
