//! From a Hugging Face directory or a GGUF file to a model.

use std::path::{Path, PathBuf};

use collimate_bridge::fill_f32;
use collimate_types::Seed;
use collimate_weights::{TensorSource, gguf::Gguf, safetensors::SafetensorsDir};
use serde_json::Value;
use tch::{Device, Kind, Tensor};

use crate::{
    Fresh, Head, Linear, LoraConfig, Model, ModelConfig, ModelError, Param, PeftDir, Piece, ScalarHead, ScoreModel, VocabHead,
    arch::{self, Arch, Layout},
    is_adapter,
    peft::ADAPTER_CONFIG,
    scalar,
};

/// An opened model whose weights have not been read yet: what can be refused is refused here.
#[derive(Debug)]
pub struct Source {
    /// Where it lies.
    pub path: PathBuf,
    /// Its dimensions.
    pub config: ModelConfig,
    arch: &'static Arch,
    file: File,
    adapter: Option<PeftDir>,
    /// Whether the adapter stays out of the weights.
    apart: bool,
}

#[derive(Debug)]
enum File {
    Directory(SafetensorsDir),
    Gguf(Box<Gguf>),
}

/// Opens a Hugging Face directory, a GGUF file, or an adapter with the model it names.
///
/// # Errors
/// When a file is missing, bad, or of an architecture that is not in the roster.
pub fn open(path: &Path) -> Result<Source, ModelError> {
    if !is_adapter(path) {
        return open_model(path);
    }
    let adapter = PeftDir::open(path)?;
    let beside = path.join(&adapter.base);
    let base = if adapter.base.exists() { adapter.base.clone() } else { beside };
    if adapter.base.as_os_str().is_empty() || !base.exists() {
        let (place, named) = (path.join(ADAPTER_CONFIG).display().to_string(), adapter.base.display());
        let mend = "give the model and the adapter apart (`generate --model MODEL --adapter DIR`), or put the model's path into the file";
        return Err(ModelError::config(format!("{place}: base_model_name_or_path"), format!("`{named}` is not there"), mend));
    }
    Ok(open_model(&base)?.with_adapter(adapter))
}

fn open_model(path: &Path) -> Result<Source, ModelError> {
    if path.is_dir() { open_directory(path) } else { open_gguf(path) }
}

fn open_directory(path: &Path) -> Result<Source, ModelError> {
    let file = path.join("config.json");
    let place = file.display().to_string();
    let text = std::fs::read_to_string(&file).map_err(|source| ModelError::Io { path: place.clone(), source })?;
    let raw: Value =
        serde_json::from_str(&text).map_err(|e| ModelError::config(&place, format!("is not JSON: {e}"), "restore the file"))?;
    let kind = raw.get("model_type").and_then(Value::as_str).unwrap_or_default();
    let arch = find(&place, "model_type", kind, |a| a.name)?;
    let config = ModelConfig::from_hf(&raw, &place)?;
    Ok(Source { path: path.into(), config, arch, file: File::Directory(SafetensorsDir::open(path)?), adapter: None, apart: false })
}

fn open_gguf(path: &Path) -> Result<Source, ModelError> {
    let file = Gguf::open(path)?;
    let place = path.display().to_string();
    let kind = file.get("general.architecture").and_then(|v| v.as_str()).unwrap_or_default().to_owned();
    let arch = find(&place, "general.architecture", &kind, |a| a.gguf)?;
    let raw = (arch.config_from_gguf)(&file)?;
    let config = ModelConfig::from_hf(&raw, &place)?;
    Ok(Source { path: path.into(), config, arch, file: File::Gguf(Box::new(file)), adapter: None, apart: false })
}

fn find(place: &str, key: &str, kind: &str, name: fn(&Arch) -> &'static str) -> Result<&'static Arch, ModelError> {
    let found = arch::ROSTER.iter().copied().find(|a| name(a) == kind);
    let mend = format!("supported architectures: {}", arch::names());
    found.ok_or_else(|| ModelError::config(format!("{place}: {key}"), format!("is `{kind}`"), mend))
}

impl Source {
    /// The GGUF file, if it is one: the tokenizer is rebuilt from its metadata.
    #[must_use]
    pub fn gguf(&self) -> Option<&Gguf> {
        match &self.file {
            File::Gguf(file) => Some(file),
            File::Directory(_) => None,
        }
    }

    /// Bytes that new adapters take in float32.
    #[must_use]
    pub fn adapter_bytes(&self, config: &LoraConfig) -> usize {
        let c = &self.config;
        let (q, kv) = (c.heads * c.head_dim, c.kv_heads * c.head_dim);
        let widths = [
            ("q_proj", c.hidden + q),
            ("k_proj", c.hidden + kv),
            ("v_proj", c.hidden + kv),
            ("o_proj", q + c.hidden),
            ("gate_proj", c.hidden + c.intermediate),
            ("up_proj", c.hidden + c.intermediate),
            ("down_proj", c.intermediate + c.hidden),
        ];
        let a_layer: i64 = widths.iter().filter(|(name, _)| config.wants(name)).map(|(_, width)| width * config.rank).sum();
        4 * (a_layer as usize * c.layers)
    }

    /// Bytes of the weights in float32.
    #[must_use]
    pub fn weight_bytes(&self) -> usize {
        let head = if self.config.tied { 1 } else { 2 };
        4 * (self.config.linear_params() + head * self.config.head_params())
    }

    /// The same model with an adapter.
    #[must_use]
    pub fn with_adapter(self, adapter: PeftDir) -> Self {
        Self { adapter: Some(adapter), ..self }
    }

    /// With `true`, weights are read without the adapter: it is to be trained ([`Source::adapt`]).
    pub fn keep_adapter_apart(&mut self, apart: bool) {
        self.apart = apart;
    }

    /// The adapter, if it has one.
    #[must_use]
    pub fn adapter(&self) -> Option<&PeftDir> {
        self.adapter.as_ref()
    }

    /// Reads the weights of a language model; an adapter is made a part of them, if it is not kept apart.
    ///
    /// # Errors
    /// When a tensor is missing, has another shape, or cannot be read.
    pub fn load(&self, kind: Kind) -> Result<Model, ModelError> {
        let _guard = tch::no_grad_guard();
        let (loader, c) = (self.loader(kind), &self.config);
        let parts = (self.arch.build)(&loader)?;
        let weight = if c.tied { None } else { Some(loader.matrix(&[("lm_head.weight".into(), c.vocab)], c.hidden)?) };
        self.merged(Model::new(self.arch.name, c.clone(), parts, |norm| VocabHead::new(norm, c.norm_eps, weight)))
    }

    /// The adapter, if there is one, as a part of the weights.
    fn merged<H: Head>(&self, mut model: Model<H>) -> Result<Model<H>, ModelError> {
        if let Some(adapter) = self.adapter.as_ref().filter(|_| !self.apart) {
            model.install(&adapter.config, &|module| adapter.has(module), Seed(0))?;
            adapter.read_into(&model)?;
            model.merge();
        }
        Ok(model)
    }

    /// Gives a model of these weights adapters to be trained, and takes everything else out of training: the adapters it comes with (kept
    /// apart), which [`crate::AdapterMode::Start`] then sees, or new ones, which change nothing yet.
    ///
    /// # Errors
    /// When it comes with adapters of another shape, or has none of the targets.
    pub fn adapt<H: Head>(&self, model: &mut Model<H>, config: &LoraConfig, seed: Seed) -> Result<(), ModelError> {
        let _guard = tch::no_grad_guard();
        let Some(adapter) = self.adapter.as_ref().filter(|_| self.apart) else {
            return model.adapt(config, &|module| config.wants(module), seed);
        };
        let there = &adapter.config;
        let sorted = |c: &LoraConfig| c.targets.iter().cloned().collect::<std::collections::BTreeSet<_>>();
        let same = (there.rank, there.rslora, sorted(there)) == (config.rank, config.rslora, sorted(config));
        if !same || (there.scale() - config.scale()).abs() > f64::EPSILON {
            let what = format!("has rank {}, alpha {}, rslora {}, targets {:?}", there.rank, there.alpha, there.rslora, there.targets);
            let mend =
                "give `[lora]` the same shape, or merge it first (`collimate ckpt export --merge`) and train a new one on the result";
            return Err(ModelError::config(adapter.path.join(ADAPTER_CONFIG).display().to_string(), what, mend));
        }
        model.adapt(config, &|module| adapter.has(module), seed)?;
        adapter.read_into(model)?;
        model.keep_start();
        Ok(())
    }

    /// Whether a scalar head is stored with the trunk: a reward model (`...ForSequenceClassification` of one label) or a critic.
    #[must_use]
    pub fn has_scores(&self) -> bool {
        self.tensors().find(scalar::WEIGHT).is_some()
    }

    /// Refuses a model that has no scalar head, or one of several labels, without reading a weight.
    ///
    /// # Errors
    /// Then.
    pub fn check_scores(&self) -> Result<(), ModelError> {
        let fault = |what: String| Err(ModelError::Tensor { place: self.path.display().to_string(), tensor: scalar::WEIGHT.into(), what });
        match self.tensors().find(scalar::WEIGHT) {
            Some(info) if info.shape.first() == Some(&1) => Ok(()),
            Some(info) => fault(format!("has shape {:?}: a classifier's labels are no score; give a model of one label", info.shape)),
            None => fault("is missing: this is no reward model; give a run of `reward_model` or a directory with such a head".into()),
        }
    }

    /// Reads the weights of a reward model or critic. A trunk without a scalar head gets a fresh one, or is refused if there is none.
    ///
    /// # Errors
    /// As [`Source::load`]; and when there is no scalar head and no fresh one, or a head of several labels.
    pub fn load_scores(&self, kind: Kind, fresh: Option<Fresh>) -> Result<ScoreModel, ModelError> {
        let _guard = tch::no_grad_guard();
        let (loader, c) = (self.loader(kind), &self.config);
        let weight = match fresh.filter(|_| !self.has_scores()) {
            Some(fresh) => fresh.weight(c.hidden, &c.raw, kind),
            None => {
                self.check_scores()?;
                loader.matrix(&[(scalar::WEIGHT.into(), 1)], c.hidden)?
            }
        };
        let parts = (self.arch.build)(&loader)?;
        self.merged(Model::new(self.arch.name, c.clone(), parts, |norm| ScalarHead::new(norm, c.norm_eps, weight)))
    }

    fn loader(&self, kind: Kind) -> Loader<'_> {
        Loader { config: self.config.clone(), place: self.path.display().to_string(), kind, source: self }
    }

    fn tensors(&self) -> &dyn TensorSource {
        match &self.file {
            File::Directory(file) => file,
            File::Gguf(file) => file.as_ref(),
        }
    }
}

/// What an architecture reads its parameters with, by their Hugging Face names.
#[derive(Debug)]
pub struct Loader<'a> {
    /// The dimensions.
    pub config: ModelConfig,
    /// The model, for messages.
    pub place: String,
    kind: Kind,
    source: &'a Source,
}

impl Loader<'_> {
    /// A parameter `[Σ rows, columns]` whose pieces are tensors of their own in the checkpoint.
    ///
    /// # Errors
    /// When a piece is missing, has another shape, or cannot be read.
    pub fn matrix(&self, pieces: &[(String, i64)], columns: i64) -> Result<Param, ModelError> {
        self.read(pieces, &[columns])
    }

    /// A parameter `[Σ rows]`.
    ///
    /// # Errors
    /// As [`Loader::matrix`].
    pub fn vector(&self, pieces: &[(String, i64)]) -> Result<Param, ModelError> {
        self.read(pieces, &[])
    }

    /// A projection made of `pieces` (names without `.weight` and `.bias`).
    ///
    /// # Errors
    /// As [`Loader::matrix`].
    pub fn linear(&self, pieces: &[(String, i64)], input: i64, bias: bool) -> Result<Linear, ModelError> {
        let named = |ending: &str| pieces.iter().map(|(name, rows)| (format!("{name}.{ending}"), *rows)).collect::<Vec<_>>();
        let weight = self.matrix(&named("weight"), input)?;
        let bias = if bias { Some(self.vector(&named("bias"))?) } else { None };
        Ok(Linear::new(weight, bias))
    }

    /// Where the configuration stands, for messages.
    #[must_use]
    pub fn config_place(&self) -> String {
        match self.source.file {
            File::Directory(_) => self.source.path.join("config.json").display().to_string(),
            File::Gguf(_) => self.place.clone(),
        }
    }

    fn read(&self, pieces: &[(String, i64)], rest: &[i64]) -> Result<Param, ModelError> {
        let rows: i64 = pieces.iter().map(|(_, rows)| rows).sum();
        let shape = |rows: i64| std::iter::once(rows).chain(rest.iter().copied()).collect::<Vec<_>>();
        // Every shape is checked before memory is asked for.
        let found = pieces.iter().map(|(name, rows)| self.find(name, &shape(*rows))).collect::<Result<Vec<_>, _>>()?;
        let value = Tensor::f_empty(shape(rows), (Kind::Float, Device::Cpu))?;
        let mut start = 0;
        let mut named = Vec::with_capacity(pieces.len());
        for ((name, rows), (there, layout)) in pieces.iter().zip(found) {
            let mut part = value.narrow(0, start, *rows);
            fill_f32(&mut part, |out| self.source.tensors().read_f32(&there, out).map_err(ModelError::from))?;
            if let Layout::Interleaved { heads } = layout {
                part.copy_(&halves(&part, heads));
            }
            named.push(Piece { name: name.clone(), start, rows: *rows });
            start += rows;
        }
        Ok(Param::new(&value.to_kind(self.kind), named))
    }

    fn find(&self, name: &str, shape: &[i64]) -> Result<(String, Layout), ModelError> {
        let fault = |what: String| ModelError::Tensor { place: self.place.clone(), tensor: name.into(), what };
        let (there, layout) = match self.source.file {
            File::Directory(_) => (name.to_owned(), Layout::Plain),
            File::Gguf(_) => (self.source.arch.gguf_tensor)(name, &self.config).ok_or_else(|| fault("has no name in GGUF".into()))?,
        };
        let info = self.source.tensors().find(&there).ok_or_else(|| fault(format!("is missing (looked for `{there}`)")))?;
        let got: Vec<i64> = info.shape.iter().map(|d| *d as i64).collect();
        if got != shape {
            return Err(fault(format!("has shape {got:?}, config.json asks for {shape:?}")));
        }
        Ok((there, layout))
    }
}

/// Neighbouring rows of each head to halves: see [`Layout::Interleaved`].
fn halves(t: &Tensor, heads: i64) -> Tensor {
    let shape = t.size();
    let half = shape[0] / heads / 2;
    t.view([heads, half, 2, -1]).transpose(1, 2).contiguous().view(shape.as_slice())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn interleaved_rows_become_halves() {
        // Two heads of four rows: pairs (0,1), (2,3) hold (first half, second half) of places 0 and 1.
        let t = Tensor::arange(8, (Kind::Float, Device::Cpu)).view([8, 1]);
        let rows = Vec::<f32>::try_from(halves(&t, 2).view([-1])).unwrap();
        assert_eq!(rows, [0., 2., 1., 3., 4., 6., 5., 7.]);
    }
}
