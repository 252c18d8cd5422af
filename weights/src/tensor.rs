//! A named tensor in a file, and the one door through which every format is read.

use std::path::Path;

use crate::encoding::{Encoding, elements_of};
use crate::error::WeightsError;

/// Where a tensor lies and what it is. A reader makes one only after its shape, bytes and offset agreed with the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TensorInfo {
    /// The name as the file spells it.
    pub name: String,
    /// Dimensions in row-major order, as Hugging Face and PyTorch write them: the innermost dimension is the last.
    pub shape: Vec<usize>,
    /// What the elements are stored as.
    pub encoding: Encoding,
    /// First byte, counted from the start of the file.
    pub offset: u64,
    /// Bytes in the file.
    pub bytes: u64,
}

impl TensorInfo {
    /// The number of elements: the product of the shape, 1 for a scalar.
    #[must_use]
    pub fn elements(&self) -> usize {
        elements_of(&self.shape).and_then(|n| usize::try_from(n).ok()).unwrap_or(usize::MAX)
    }
}

/// A model file, or a directory of them, whose tensors can be read one by one.
pub trait TensorSource {
    /// Every tensor, in the order in which they lie in the file: reading in this order reads the disk straight on.
    fn tensors(&self) -> &[TensorInfo];

    /// The tensor of this name.
    fn find(&self, name: &str) -> Option<&TensorInfo>;

    /// Decodes a tensor into the caller's buffer, row-major: float encodings convert, quantised ones are dequantised.
    ///
    /// # Errors
    /// [`WeightsError::Absent`] for an unknown name, [`WeightsError::Length`] when `out` has not exactly as many elements as the tensor,
    /// [`WeightsError::Kind`] for integers, [`WeightsError::Io`] when the file can no longer be read.
    fn read_f32(&self, name: &str, out: &mut [f32]) -> Result<(), WeightsError>;
}

/// A list of tensors with a way to find one by name.
#[derive(Debug)]
pub(crate) struct Catalog {
    tensors: Vec<TensorInfo>,
    /// Positions in `tensors`, sorted by name.
    by_name: Vec<u32>,
}

impl Catalog {
    /// Takes the tensors in their order; an error is the name that occurs twice.
    pub(crate) fn new(tensors: Vec<TensorInfo>) -> Result<Self, String> {
        let mut by_name: Vec<u32> = (0..).take(tensors.len()).collect();
        by_name.sort_unstable_by(|&a, &b| tensors[a as usize].name.cmp(&tensors[b as usize].name));
        let twice = by_name.windows(2).find(|pair| tensors[pair[0] as usize].name == tensors[pair[1] as usize].name);
        if let Some(pair) = twice {
            return Err(tensors[pair[0] as usize].name.clone());
        }
        Ok(Self { tensors, by_name })
    }

    pub(crate) fn tensors(&self) -> &[TensorInfo] {
        &self.tensors
    }

    /// The position of a tensor in [`Self::tensors`].
    pub(crate) fn position(&self, name: &str) -> Option<usize> {
        let found = self.by_name.binary_search_by(|&i| self.tensors[i as usize].name.as_str().cmp(name)).ok()?;
        Some(self.by_name[found] as usize)
    }

    pub(crate) fn find(&self, name: &str) -> Option<&TensorInfo> {
        self.position(name).map(|i| &self.tensors[i])
    }

    /// Like [`Self::position`], with the error of an unknown name.
    pub(crate) fn expect(&self, path: &Path, name: &str) -> Result<usize, WeightsError> {
        self.position(name).ok_or_else(|| WeightsError::Absent {
            file: path.to_owned(),
            tensor: name.to_owned(),
            count: self.tensors.len(),
            example: self.tensors.first().map(|t| t.name.clone()),
        })
    }
}
