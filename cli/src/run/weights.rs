//! The weights of a run: whole or a base with adapters, where they come from, what a checkpoint keeps of them.

use std::io;
use std::path::{Path, PathBuf};

use collimate_models::{
    Head, Model, PeftDir, Source,
    peft::{ADAPTER_CONFIG, ADAPTER_WEIGHTS, adapter_config_json, write_adapter},
};
use collimate_store::{Blob, Checkpoint, hash_bytes};
use collimate_text::Tokenizer;

use super::Job;
use super::checkpoint::model_blobs;
use crate::exit::{Exit, OrExit};

/// The base of adapters, as checkpoints name it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Base {
    /// Where it lies.
    path: PathBuf,
    /// What its weights are.
    pub(crate) digest: String,
}

/// Where the model of a run is read from: its newest checkpoint, or what it began from. Adapters always begin at their base.
pub(super) fn source(job: &Job, checkpoint: Option<&Checkpoint>) -> PathBuf {
    match checkpoint {
        Some(checkpoint) if job.lora.is_none() => checkpoint.dir.clone(),
        _ => job.files.model.clone(),
    }
}

/// Gives a model the adapters that the job trains, and tells what they stand on; nothing if it trains every weight.
///
/// # Errors
/// With code 3, when the model comes with adapters of another shape, or has none of the targets.
pub(super) fn adapt<H: Head>(job: &Job, source: &Source, model: &mut Model<H>) -> Result<Option<Base>, Exit> {
    let Some(config) = &job.lora else { return Ok(None) };
    source.adapt(model, config, job.seed.fork("lora", 0)).or_model()?;
    let path = std::fs::canonicalize(&source.path).unwrap_or_else(|_| source.path.clone());
    Ok(Some(Base { path, digest: digest(model)? }))
}

/// Reads the adapters of a checkpoint, if the model has any.
///
/// # Errors
/// With code 3, when they are of another shape.
pub(super) fn restore<H: Head>(model: &Model<H>, checkpoint: &Path) -> Result<(), Exit> {
    if model.lora().is_none() {
        return Ok(());
    }
    let _guard = tch::no_grad_guard();
    PeftDir::open(checkpoint).or_model()?.read_into(model).or_model()
}

/// The content of the weights that are not trained.
fn digest<H: Head>(model: &Model<H>) -> Result<String, Exit> {
    let mut all = String::new();
    for param in model.params().into_iter().filter(|p| !p.is_adapter()) {
        all.push_str(&hash_bytes(collimate_bridge::bytes(&param.value().detach()).or_failed()?));
    }
    Ok(hash_bytes(all.as_bytes()))
}

/// What a checkpoint keeps of the weights: a Hugging Face model, or an adapter in PEFT's layout that names its base.
pub(super) fn blobs<'a, H: Head>(model: &'a Model<H>, base: Option<&Base>, tokenizer: &'a Tokenizer) -> Vec<Blob<'a>> {
    let (Some(config), Some(base)) = (model.lora(), base) else { return model_blobs(model, tokenizer) };
    let mut blobs = vec![
        Blob::bytes(ADAPTER_CONFIG, format!("{:#}\n", adapter_config_json(config, &base.path)).into_bytes()),
        Blob::new(ADAPTER_WEIGHTS, |out| write_adapter(model, out).map_err(io::Error::other)),
    ];
    blobs.extend(tokenizer.files().into_iter().map(|(name, bytes)| Blob::bytes(name, bytes)));
    blobs
}

/// Bytes of the numbers that are trained.
pub(super) fn trained_bytes(job: &Job, source: &Source) -> u64 {
    let all = source.weight_bytes() as u64;
    job.lora.as_ref().map_or(all, |config| source.adapter_bytes(config) as u64)
}

/// An adapter's own files, as they are but for the place of its base.
///
/// # Errors
/// When a file cannot be read.
pub(super) fn adapter_files(adapter: &PeftDir, base: &Path) -> Result<Vec<Blob<'static>>, Exit> {
    let path = adapter.path.join(ADAPTER_WEIGHTS);
    let weights = std::fs::read(&path).map_err(|e| format!("{}: {e}", path.display())).or_model()?;
    let base = std::fs::canonicalize(base).unwrap_or_else(|_| base.to_owned());
    let config = format!("{:#}\n", adapter_config_json(&adapter.config, &base)).into_bytes();
    Ok(vec![Blob::bytes(ADAPTER_CONFIG, config), Blob::bytes(ADAPTER_WEIGHTS, weights)])
}
