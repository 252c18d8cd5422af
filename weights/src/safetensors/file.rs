//! One safetensors file.

use std::collections::BTreeMap;
use std::path::Path;

use zerocopy::IntoBytes;

use super::header;
use crate::decode;
use crate::encoding::{Dtype, Encoding};
use crate::error::WeightsError;
use crate::file::ModelFile;
use crate::tensor::{Catalog, TensorInfo, TensorSource};

/// An open safetensors file whose header has been checked against its length.
#[derive(Debug)]
pub struct SafetensorsFile {
    file: ModelFile,
    catalog: Catalog,
    metadata: BTreeMap<String, String>,
}

impl SafetensorsFile {
    /// Opens a file and checks its header; the tensors' bytes are not read yet.
    ///
    /// # Errors
    /// [`WeightsError::Malformed`] for a header that does not agree with the file, [`WeightsError::Encoding`] for a type that is not read
    /// (4-bit and complex ones), [`WeightsError::Io`].
    pub fn open(path: impl AsRef<Path>) -> Result<Self, WeightsError> {
        let file = ModelFile::open(path.as_ref())?;
        let (catalog, metadata) = header::read(&file)?;
        Ok(Self { file, catalog, metadata })
    }

    /// The free text of the header (`__metadata__`).
    #[must_use]
    pub fn metadata(&self) -> &BTreeMap<String, String> {
        &self.metadata
    }

    /// The path it was opened under.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.file.path
    }

    /// The bytes of a tensor as they lie in the file: little-endian, row-major.
    ///
    /// # Errors
    /// [`WeightsError::Absent`] for an unknown name, [`WeightsError::Io`].
    pub fn read_bytes(&self, name: &str) -> Result<Vec<u8>, WeightsError> {
        let info = self.expect(name)?;
        // The header was checked: the file is at least as long.
        let length = usize::try_from(info.bytes).unwrap_or(usize::MAX);
        let mut bytes = vec![0; length];
        self.file.read_at(&mut bytes, info.offset)?;
        Ok(bytes)
    }

    /// Reads an I64 tensor (counters of an optimizer, token ids) into the caller's buffer.
    ///
    /// # Errors
    /// As [`TensorSource::read_f32`]; [`WeightsError::Kind`] when the tensor is not I64.
    pub fn read_i64(&self, name: &str, out: &mut [i64]) -> Result<(), WeightsError> {
        let info = self.expect(name)?;
        if info.encoding != Encoding::Plain(Dtype::I64) {
            return Err(WeightsError::Kind {
                file: self.file.path.clone(),
                tensor: name.to_owned(),
                encoding: info.encoding.to_string(),
                wanted: "i64",
            });
        }
        if out.len() != info.elements() {
            let (want, got) = (info.elements(), out.len());
            return Err(WeightsError::Length { file: self.file.path.clone(), tensor: name.to_owned(), want, got });
        }
        self.file.read_at(out.as_mut_bytes(), info.offset)
    }

    fn expect(&self, name: &str) -> Result<&TensorInfo, WeightsError> {
        Ok(&self.catalog.tensors()[self.catalog.expect(&self.file.path, name)?])
    }
}

impl TensorSource for SafetensorsFile {
    fn tensors(&self) -> &[TensorInfo] {
        self.catalog.tensors()
    }

    fn find(&self, name: &str) -> Option<&TensorInfo> {
        self.catalog.find(name)
    }

    fn read_f32(&self, name: &str, out: &mut [f32]) -> Result<(), WeightsError> {
        decode::read_f32(&self.file, self.expect(name)?, out)
    }
}
