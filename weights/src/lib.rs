//! Bounded readers and writers of model files: safetensors and GGUF, bytes and shapes.
//!
//! A model file is hostile input: every count, offset and product is checked against the length of the file before memory is taken, nothing
//! is mapped, and an error names the file, the tensor, the bytes and the mend. No LibTorch: a checkpoint can be verified, and the readers
//! fuzzed, on their own.
//!
//! All readers are a [`TensorSource`]: a list of [`TensorInfo`] and one door, [`TensorSource::read_f32`], that decodes straight into the
//! caller's buffer.
//!
//! ```no_run
//! use collimate_weights::{TensorSource, gguf::Gguf};
//! # fn main() -> Result<(), collimate_weights::WeightsError> {
//! let model = Gguf::open("model.gguf")?;
//! for tensor in model.tensors() {
//!     let mut values = vec![0.0; tensor.elements()];
//!     model.read_f32(&tensor.name, &mut values)?;
//! }
//! # Ok(())
//! # }
//! ```

// Files are little-endian and floats are read in place; a big-endian LibTorch host does not exist to test on.
#[cfg(target_endian = "big")]
compile_error!("model files are little-endian and are read in place: big-endian machines are not supported");

mod decode;
mod encoding;
mod error;
mod file;
pub mod gguf;
pub mod limits;
pub mod safetensors;
mod tensor;

pub use encoding::{Dtype, Encoding};
pub use error::WeightsError;
pub use tensor::{TensorInfo, TensorSource};
