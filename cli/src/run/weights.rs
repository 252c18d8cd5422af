//! The weights of a run: whole or a base with adapters, where they come from, what a checkpoint keeps of them.

use std::io;
use std::path::{Path, PathBuf};

use collimate_models::{
    LoraConfig, Model, PeftDir, Source,
    peft::{ADAPTER_CONFIG, ADAPTER_WEIGHTS, adapter_config_json, write_adapter},
};
use collimate_store::{Blob, Checkpoint, hash_bytes};
use collimate_text::Tokenizer;
use tch::Kind;

use super::Job;
use super::checkpoint::model_blobs;
use crate::exit::{Exit, OrExit};
use crate::session;

/// The base of adapters, as checkpoints name it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Base {
    /// Where it lies.
    pub path: PathBuf,
    /// What its weights are.
    pub digest: String,
}

/// Where the model of a run is read from: its newest checkpoint, or what it began from. Adapters always begin at their base.
pub(super) fn source(job: &Job, checkpoint: Option<&Checkpoint>) -> PathBuf {
    match checkpoint {
        Some(checkpoint) if job.lora.is_none() => checkpoint.dir.clone(),
        _ => job.files.model.clone(),
    }
}

/// The policy, and its base if adapters are what is trained.
///
/// # Errors
/// With code 3, when a file is bad, or the checkpoint's adapters are of another shape.
pub(super) fn policy(job: &Job, source: &Source, checkpoint: Option<&Checkpoint>) -> Result<(Model, Option<Base>), Exit> {
    let Some(config) = &job.lora else { return Ok((session::load(source)?, None)) };
    let model = source.load_adapted(Kind::Float, config, job.seed.fork("lora", 0)).or_model()?;
    let path = std::fs::canonicalize(&source.path).unwrap_or_else(|_| source.path.clone());
    let base = Base { path, digest: digest(&model)? };
    if let Some(checkpoint) = checkpoint {
        let _guard = tch::no_grad_guard();
        PeftDir::open(&checkpoint.dir).or_model()?.read_into(&model).or_model()?;
    }
    Ok((model, Some(base)))
}

/// The content of the weights that are not trained.
fn digest(model: &Model) -> Result<String, Exit> {
    let mut all = String::new();
    for param in model.params().into_iter().filter(|p| !p.is_adapter()) {
        all.push_str(&hash_bytes(collimate_bridge::bytes(&param.value().detach()).or_failed()?));
    }
    Ok(hash_bytes(all.as_bytes()))
}

/// What a checkpoint keeps of the weights: a Hugging Face model, or an adapter in PEFT's layout that names its base.
pub(super) fn blobs<'a>(model: &'a Model, base: Option<&Base>, tokenizer: &'a Tokenizer) -> Vec<Blob<'a>> {
    match (model.lora(), base) {
        (Some(config), Some(base)) => adapter_blobs(model, config, &base.path, tokenizer),
        _ => model_blobs(model, tokenizer),
    }
}

fn adapter_blobs<'a>(model: &'a Model, config: &LoraConfig, base: &Path, tokenizer: &'a Tokenizer) -> Vec<Blob<'a>> {
    let mut blobs = vec![
        Blob::bytes(ADAPTER_CONFIG, format!("{:#}\n", adapter_config_json(config, base)).into_bytes()),
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

/// Copies an adapter's own files beside its tokenizer: an export that is not merged.
///
/// # Errors
/// When a file cannot be read.
pub(super) fn adapter_files(adapter: &PeftDir, base: &Path) -> Result<Vec<(&'static str, Vec<u8>)>, Exit> {
    let read =
        |name: &str| std::fs::read(adapter.path.join(name)).map_err(|e| format!("{}: {e}", adapter.path.join(name).display())).or_model();
    let base = std::fs::canonicalize(base).unwrap_or_else(|_| base.to_owned());
    let config = format!("{:#}\n", adapter_config_json(&adapter.config, &base)).into_bytes();
    Ok(vec![(ADAPTER_CONFIG, config), (ADAPTER_WEIGHTS, read(ADAPTER_WEIGHTS)?)])
}
