//! Named tensors to a safetensors file and back, for what is not a model: optimizer moments, say.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use collimate_bridge::{bytes, fill_f32};
use collimate_weights::{
    Dtype, TensorSource,
    safetensors::{self, Outgoing, SafetensorsFile},
};
use tch::{Kind, Tensor};

use crate::ModelError;

/// An opened file of named tensors.
#[derive(Debug)]
pub struct TensorFile {
    file: SafetensorsFile,
    place: String,
}

impl TensorFile {
    /// Opens a file and checks its header.
    ///
    /// # Errors
    /// When it is missing or malformed.
    pub fn open(path: &Path) -> Result<Self, ModelError> {
        Ok(Self { file: SafetensorsFile::open(path)?, place: path.display().to_string() })
    }

    /// Reads a tensor into a contiguous one of the same shape, where it lies.
    ///
    /// # Errors
    /// When it is missing, has another shape, or cannot be read.
    pub fn read(&self, name: &str, into: &mut Tensor) -> Result<(), ModelError> {
        let fault = |what: String| ModelError::Tensor { place: self.place.clone(), tensor: name.into(), what };
        let info = self.file.find(name).ok_or_else(|| fault("is missing".into()))?;
        let shape: Vec<i64> = info.shape.iter().map(|d| *d as i64).collect();
        if shape != into.size() {
            return Err(fault(format!("has shape {shape:?}, wanted {:?}", into.size())));
        }
        if into.kind() == Kind::Float {
            return fill_f32(into, |out| self.file.read_f32(name, out).map_err(ModelError::from));
        }
        let mut buffer = vec![0.0; into.numel()];
        self.file.read_f32(name, &mut buffer)?;
        into.copy_(&Tensor::from_slice(&buffer).view(shape.as_slice()));
        Ok(())
    }
}

/// Writes tensors in float32, one at a time.
///
/// # Errors
/// When writing fails.
pub fn write_tensors(out: &mut dyn io::Write, tensors: &[(String, Tensor)], metadata: &BTreeMap<String, String>) -> Result<(), ModelError> {
    let outgoing = |(name, tensor): &(String, Tensor)| {
        let shape = tensor.size().iter().map(|d| *d as usize).collect();
        Outgoing { name: name.clone(), shape, dtype: Dtype::F32 }
    };
    let list: Vec<Outgoing> = tensors.iter().map(outgoing).collect();
    let mut fill = |index: usize, buffer: &mut Vec<u8>| {
        let tensor = tensors[index].1.to_kind(Kind::Float).contiguous();
        buffer.extend_from_slice(bytes(&tensor).map_err(io::Error::other)?);
        Ok(())
    };
    Ok(safetensors::write(out, &list, metadata, &mut fill)?)
}
