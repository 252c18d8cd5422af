//! GGUF, versions 2 and 3, little-endian: typed metadata, then tensors (the specification is `docs/gguf.md` of the GGML project).

mod cursor;
mod kinds;
mod read;
mod strings;
mod value;
mod write;

use std::collections::BTreeMap;
use std::path::Path;

use crate::decode;
use crate::error::WeightsError;
use crate::file::ModelFile;
use crate::tensor::{Catalog, TensorInfo, TensorSource};

pub use strings::Strings;
pub use value::{Array, Value};
pub use write::{Outgoing, write};

/// The first four bytes of every file.
const MAGIC: [u8; 4] = *b"GGUF";
/// The metadata key that sets the alignment of tensor data.
const ALIGNMENT_KEY: &str = "general.alignment";
/// The alignment where no key sets it.
const ALIGNMENT: u64 = 32;

/// An open GGUF file whose metadata was read and whose tensors were checked against its length.
///
/// Shapes are turned round on the way in: GGUF writes the innermost dimension first, [`TensorInfo::shape`] has it last.
#[derive(Debug)]
pub struct Gguf {
    file: ModelFile,
    metadata: BTreeMap<String, Value>,
    catalog: Catalog,
}

impl Gguf {
    /// Opens a file, reads its metadata and checks where its tensors lie; the tensors' bytes are not read yet.
    ///
    /// # Errors
    /// [`WeightsError::Malformed`] for a file that contradicts the format or itself, [`WeightsError::Encoding`] for a tensor in another
    /// encoding than F32, F16, BF16, Q8_0, Q4_0 or Q4_1, [`WeightsError::Io`].
    pub fn open(path: impl AsRef<Path>) -> Result<Self, WeightsError> {
        let file = ModelFile::open(path.as_ref())?;
        let (metadata, catalog) = read::read(&file)?;
        Ok(Self { file, metadata, catalog })
    }

    /// All metadata, sorted by key.
    #[must_use]
    pub fn metadata(&self) -> &BTreeMap<String, Value> {
        &self.metadata
    }

    /// The value of a metadata key.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Value> {
        self.metadata.get(key)
    }

    /// The path it was opened under.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.file.path
    }

    /// The unsigned integer under `key`.
    ///
    /// # Errors
    /// [`WeightsError::Key`] when the key is missing or holds something else; so with all accessors below.
    pub fn u64(&self, key: &str) -> Result<u64, WeightsError> {
        self.typed(key, "a whole number from 0 on", Value::as_u64)
    }

    /// The number under `key`.
    ///
    /// # Errors
    /// As [`Self::u64`].
    pub fn f64(&self, key: &str) -> Result<f64, WeightsError> {
        self.typed(key, "a number", Value::as_f64)
    }

    /// The truth value under `key`.
    ///
    /// # Errors
    /// As [`Self::u64`].
    pub fn bool(&self, key: &str) -> Result<bool, WeightsError> {
        self.typed(key, "true or false", Value::as_bool)
    }

    /// The text under `key`.
    ///
    /// # Errors
    /// As [`Self::u64`].
    pub fn str(&self, key: &str) -> Result<&str, WeightsError> {
        self.typed(key, "a text", Value::as_str)
    }

    /// The list of texts under `key`, e.g. `tokenizer.ggml.tokens`.
    ///
    /// # Errors
    /// As [`Self::u64`].
    pub fn strings(&self, key: &str) -> Result<&Strings, WeightsError> {
        self.typed(key, "a list of texts", Value::as_strings)
    }

    /// The list of integers under `key`, e.g. `tokenizer.ggml.token_type`.
    ///
    /// # Errors
    /// As [`Self::u64`].
    pub fn ints(&self, key: &str) -> Result<Vec<i64>, WeightsError> {
        self.typed(key, "a list of whole numbers", Value::as_ints)
    }

    /// The list of numbers under `key`, e.g. `tokenizer.ggml.scores`.
    ///
    /// # Errors
    /// As [`Self::u64`].
    pub fn floats(&self, key: &str) -> Result<Vec<f64>, WeightsError> {
        self.typed(key, "a list of numbers", Value::as_floats)
    }

    fn typed<'a, T>(&'a self, key: &str, wanted: &str, accessor: impl Fn(&'a Value) -> Option<T>) -> Result<T, WeightsError> {
        let fail = |what| WeightsError::Key { file: self.file.path.clone(), key: key.to_owned(), what };
        let value = self.get(key).ok_or_else(|| fail("is missing".to_owned()))?;
        accessor(value).ok_or_else(|| fail(format!("is {} and must be {wanted}", value.kind())))
    }
}

impl TensorSource for Gguf {
    fn tensors(&self) -> &[TensorInfo] {
        self.catalog.tensors()
    }

    fn find(&self, name: &str) -> Option<&TensorInfo> {
        self.catalog.find(name)
    }

    fn read_f32(&self, name: &str, out: &mut [f32]) -> Result<(), WeightsError> {
        let at = self.catalog.expect(&self.file.path, name)?;
        decode::read_f32(&self.file, &self.catalog.tensors()[at], out)
    }
}
