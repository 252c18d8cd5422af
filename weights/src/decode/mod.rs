//! From the bytes of a tensor to `f32`, through one small buffer.
//!
//! `f32` is read into the caller's buffer directly. Everything else passes through a buffer that stays in the second-level cache, so the
//! file's bytes travel from the page cache once and decoding costs no memory traffic of its own.

mod float;
mod q4_0;
mod q4_1;
mod q8_0;

use half::f16;
use zerocopy::IntoBytes;

use crate::encoding::{Dtype, Encoding};
use crate::error::WeightsError;
use crate::file::ModelFile;
use crate::tensor::TensorInfo;

/// Length of the buffer. Large enough that a system call is a small part of its copy, small enough for the stack and the cache.
const BUFFER: usize = 64 * 1024;

/// Decodes `info` into `out`; the contract of [`crate::TensorSource::read_f32`].
pub(crate) fn read_f32(file: &ModelFile, info: &TensorInfo, out: &mut [f32]) -> Result<(), WeightsError> {
    if out.len() != info.elements() {
        return Err(WeightsError::Length { file: file.path.clone(), tensor: info.name.clone(), want: info.elements(), got: out.len() });
    }
    let decode = match info.encoding {
        Encoding::Plain(Dtype::F32) => return file.read_at(out.as_mut_bytes(), info.offset),
        Encoding::Plain(Dtype::F16) => float::f16,
        Encoding::Plain(Dtype::BF16) => float::bf16,
        Encoding::Plain(Dtype::F64) => float::f64,
        Encoding::Q8_0 => q8_0::decode,
        Encoding::Q4_0 => q4_0::decode,
        Encoding::Q4_1 => q4_1::decode,
        Encoding::Plain(_) => {
            return Err(WeightsError::Kind {
                file: file.path.clone(),
                tensor: info.name.clone(),
                encoding: info.encoding.to_string(),
                wanted: "f32",
            });
        }
    };
    through_buffer(file, info, out, decode)
}

/// Reads whole blocks, as many as the buffer holds, and decodes them.
fn through_buffer(file: &ModelFile, info: &TensorInfo, out: &mut [f32], decode: fn(&[u8], &mut [f32])) -> Result<(), WeightsError> {
    // Halves rather than bytes: the buffer is then aligned for the one decoder that sees it as halves.
    let mut buffer = [f16::ZERO; BUFFER / 2];
    let (per_block, block_bytes) = (info.encoding.block_elements(), info.encoding.block_bytes());
    let mut offset = info.offset;
    for chunk in out.chunks_mut(BUFFER / block_bytes * per_block) {
        let bytes = &mut buffer.as_mut_bytes()[..chunk.len() / per_block * block_bytes];
        file.read_at(bytes, offset)?;
        decode(bytes, chunk);
        offset += bytes.len() as u64;
    }
    Ok(())
}
