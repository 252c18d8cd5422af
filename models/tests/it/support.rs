//! Reading stored tensors, comparing, and the plain padded forward that the packed one is measured against.

use std::path::{Path, PathBuf};

use collimate_models::{Model, open};
use collimate_weights::{TensorSource, safetensors::SafetensorsFile};
use tch::{Kind, Tensor};

pub(crate) fn data(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(name)
}

pub(crate) fn tiny(kind: Kind) -> Model {
    open(&data("tiny")).unwrap().load(kind).unwrap()
}

/// The real small model, if set-up has fetched it.
pub(crate) fn real_model() -> Option<PathBuf> {
    let cache = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
    let cache = cache.or_else(|| std::env::var_os("HOME").map(|h| PathBuf::from(h).join(".cache")))?;
    let path = cache.join("collimate/smollm2-135m-instruct/SmolLM2-135M-Instruct.Q4_1.gguf");
    if path.exists() {
        return Some(path);
    }
    println!("skipped: {} is not there; `cargo xtask setup` fetches it", path.display());
    None
}

/// A stored file of tensors.
pub(crate) struct Golden(SafetensorsFile);

impl Golden {
    pub(crate) fn open(name: &str) -> Self {
        Self(SafetensorsFile::open(data(name)).unwrap())
    }

    pub(crate) fn floats(&self, name: &str) -> Tensor {
        let info = self.0.find(name).unwrap_or_else(|| panic!("no tensor {name}"));
        let shape: Vec<i64> = info.shape.iter().map(|d| *d as i64).collect();
        let mut out = vec![0.0; shape.iter().product::<i64>() as usize];
        self.0.read_f32(name, &mut out).unwrap();
        Tensor::from_slice(&out).view(shape.as_slice())
    }

    pub(crate) fn ints(&self, name: &str) -> Vec<i64> {
        let bytes = self.0.read_bytes(name).unwrap();
        bytes.chunks(8).map(|b| i64::from_le_bytes(b.try_into().unwrap())).collect()
    }
}

/// ‖a − b‖ / ‖b‖ in float64.
pub(crate) fn relative(a: &Tensor, b: &Tensor) -> f64 {
    let (a, b) = (a.to_kind(Kind::Double), b.to_kind(Kind::Double));
    f64::try_from((&a - &b).norm() / b.norm().clamp_min(1e-300)).unwrap()
}

/// max |a − b|.
pub(crate) fn farthest(a: &Tensor, b: &Tensor) -> f64 {
    f64::try_from((a.to_kind(Kind::Double) - b.to_kind(Kind::Double)).abs().max()).unwrap()
}

/// Gradients of all trained parameters by the name of each piece.
pub(crate) fn gradients(model: &Model) -> Vec<(String, Tensor)> {
    let piece = |p: &&collimate_models::Param| {
        let grad = p.grad();
        p.pieces().iter().map(|s| (s.name.clone(), grad.narrow(0, s.start, s.rows).copy())).collect::<Vec<_>>()
    };
    model.params().iter().filter(|p| p.trainable()).flat_map(piece).collect()
}
