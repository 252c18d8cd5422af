//! Adapters as PEFT writes and reads them: `adapter_config.json` and `adapter_model.safetensors`.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};

use collimate_weights::{TensorSource, safetensors::SafetensorsFile};
use serde_json::{Value, json};

use crate::{Head, LoraConfig, Model, ModelError, Param, TensorFile, adapter::PEFT_PREFIX, tensor_file::write_tensors};

/// The file that says what the adapter is.
pub const ADAPTER_CONFIG: &str = "adapter_config.json";
/// The file of its weights.
pub const ADAPTER_WEIGHTS: &str = "adapter_model.safetensors";

/// A directory with an adapter, looked at but not read.
#[derive(Debug)]
pub struct PeftDir {
    /// Where it lies.
    pub path: PathBuf,
    /// Its shape.
    pub config: LoraConfig,
    /// The model it was made for, as it names it.
    pub base: PathBuf,
    modules: BTreeSet<String>,
}

impl PeftDir {
    /// Opens a directory in PEFT's layout.
    ///
    /// # Errors
    /// When a file is missing or bad, or the adapter is more than low-rank products on projections.
    pub fn open(path: &Path) -> Result<Self, ModelError> {
        let place = path.join(ADAPTER_CONFIG).display().to_string();
        let text = std::fs::read_to_string(&place).map_err(|source| ModelError::Io { path: place.clone(), source })?;
        let raw: Value =
            serde_json::from_str(&text).map_err(|e| ModelError::config(&place, format!("is not JSON: {e}"), "restore the file"))?;
        check(&raw, &place)?;
        let number = |key: &str| raw.get(key).and_then(Value::as_f64);
        let needed =
            |key: &str| number(key).ok_or_else(|| ModelError::config(&place, format!("has no number `{key}`"), "restore the file"));
        let modules = modules(&path.join(ADAPTER_WEIGHTS))?;
        let last = |m: &String| m.rsplit('.').next().unwrap_or(m).to_owned();
        let config = LoraConfig {
            rank: needed("r")? as i64,
            alpha: needed("lora_alpha")?,
            dropout: number("lora_dropout").unwrap_or(0.0),
            targets: modules.iter().map(last).collect::<BTreeSet<_>>().into_iter().collect(),
            rslora: raw.get("use_rslora").and_then(Value::as_bool).unwrap_or(false),
        };
        if config.rank < 1 || !config.alpha.is_finite() || !(0.0..1.0).contains(&config.dropout) {
            return Err(ModelError::config(
                &place,
                "has an `r`, `lora_alpha` or `lora_dropout` that is no such number",
                "restore the file",
            ));
        }
        let base = raw.get("base_model_name_or_path").and_then(Value::as_str).unwrap_or_default().into();
        Ok(Self { path: path.into(), config, base, modules })
    }

    /// Whether it has an adapter for a module such as `model.layers.0.self_attn.q_proj`.
    #[must_use]
    pub fn has(&self, module: &str) -> bool {
        self.modules.contains(module)
    }

    /// Reads the weights into the adapters of a model, which must be the same modules.
    ///
    /// # Errors
    /// When a tensor is missing, has another shape, or belongs to a module the model does not have.
    pub fn read_into<H: Head>(&self, model: &Model<H>) -> Result<(), ModelError> {
        let file = self.path.join(ADAPTER_WEIGHTS);
        let place = file.display().to_string();
        let file = TensorFile::open(&file)?;
        let mut left = self.modules.clone();
        for (name, mut part) in parts(model) {
            file.read(&name, &mut part)?;
            left.remove(module_of(&name).unwrap_or_default());
        }
        match left.pop_first() {
            Some(module) => {
                let what = "is no projection of the base model; give the model the adapter was made for";
                Err(ModelError::Tensor { place, tensor: module, what: what.into() })
            }
            None => Ok(()),
        }
    }
}

/// What is not a plain low-rank product is refused by its key.
fn check(raw: &Value, place: &str) -> Result<(), ModelError> {
    let empty = |v: &Value| match v {
        Value::Null | Value::Bool(false) => true,
        Value::Array(list) => list.is_empty(),
        Value::Object(map) => map.is_empty(),
        Value::String(text) => text == "none",
        _ => false,
    };
    if raw.get("peft_type").and_then(Value::as_str) != Some("LORA") {
        return Err(ModelError::config(
            format!("{place}: peft_type"),
            "is not `LORA`",
            "only LoRA adapters are read; merge others with PEFT",
        ));
    }
    let refused =
        ["bias", "fan_in_fan_out", "lora_bias", "modules_to_save", "use_dora", "rank_pattern", "alpha_pattern", "trainable_token_indices"];
    for key in refused {
        if let Some(value) = raw.get(key).filter(|v| !empty(v)) {
            let mend = "merge the adapter with PEFT (`merge_and_unload`) and give the merged model";
            return Err(ModelError::config(format!("{place}: {key}"), format!("is `{value}`, which is more than low-rank products"), mend));
        }
    }
    Ok(())
}

/// The modules that a file of weights adapts.
fn modules(path: &Path) -> Result<BTreeSet<String>, ModelError> {
    let file = SafetensorsFile::open(path)?;
    let mut found = BTreeSet::new();
    for tensor in file.tensors() {
        let Some(module) = module_of(&tensor.name) else {
            let place = path.display().to_string();
            return Err(ModelError::Tensor { place, tensor: tensor.name.clone(), what: "is not an A or a B of a projection".into() });
        };
        found.insert(module.to_owned());
    }
    Ok(found)
}

/// `base_model.model.MODULE.lora_A.weight` → `MODULE`
fn module_of(tensor: &str) -> Option<&str> {
    let rest = tensor.strip_prefix(PEFT_PREFIX)?;
    rest.strip_suffix(".lora_A.weight").or_else(|| rest.strip_suffix(".lora_B.weight"))
}

/// The tensors of a model's adapters by PEFT's names; they alias the values.
fn parts<H: Head>(model: &Model<H>) -> Vec<(String, tch::Tensor)> {
    let adapters = model.params().into_iter().filter(|p| p.is_adapter());
    adapters.flat_map(|p: &Param| p.pieces().iter().map(|piece| (piece.name.clone(), p.piece(piece))).collect::<Vec<_>>()).collect()
}

/// Writes `adapter_model.safetensors` in float32.
///
/// # Errors
/// When writing fails.
pub fn write_adapter<H: Head>(model: &Model<H>, out: &mut dyn io::Write) -> Result<(), ModelError> {
    write_tensors(out, &parts(model), &BTreeMap::from([("format".to_owned(), "pt".to_owned())]))
}

/// The `adapter_config.json` of adapters on the model at `base`.
#[must_use]
pub fn adapter_config_json(config: &LoraConfig, base: &Path) -> Value {
    let alpha = if config.alpha.fract() == 0.0 { json!(config.alpha as i64) } else { json!(config.alpha) };
    json!({
        "peft_type": "LORA", "task_type": "CAUSAL_LM", "base_model_name_or_path": base, "inference_mode": true, "r": config.rank,
        "lora_alpha": alpha, "lora_dropout": config.dropout, "target_modules": config.targets, "use_rslora": config.rslora, "bias": "none",
        "fan_in_fan_out": false, "init_lora_weights": true, "modules_to_save": null, "use_dora": false, "rank_pattern": {},
        "alpha_pattern": {}, "layers_to_transform": null, "layers_pattern": null, "revision": null, "auto_mapping": null,
    })
}
