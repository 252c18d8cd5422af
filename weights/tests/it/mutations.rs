//! Damage: truncation at every byte of the header, and a thousand seeded mutations of valid files. Nothing may panic, and nothing may take
//! more memory than the file holds.

use std::path::Path;

use collimate_weights::gguf::Gguf;
use collimate_weights::safetensors::SafetensorsFile;
use collimate_weights::{TensorSource, WeightsError};

use crate::support::{Rng, Scratch, drain, within_memory};
use crate::{gguf, safetensors};

type Open = fn(&Path) -> Result<Box<dyn TensorSource>, WeightsError>;

fn open_safetensors(path: &Path) -> Result<Box<dyn TensorSource>, WeightsError> {
    let file = SafetensorsFile::open(path)?;
    for tensor in file.tensors() {
        file.read_bytes(&tensor.name)?;
    }
    Ok(Box::new(file))
}

fn open_gguf(path: &Path) -> Result<Box<dyn TensorSource>, WeightsError> {
    Ok(Box::new(Gguf::open(path)?))
}

fn formats() -> [(&'static str, Vec<u8>, Open); 2] {
    let plain = safetensors::file_of(&safetensors::sample(), &[("format", "pt"), ("note", "a text")]);
    [("safetensors", plain, open_safetensors), ("gguf", gguf::sample(), open_gguf)]
}

#[test]
fn a_file_cut_at_any_byte_is_refused_with_a_typed_error() {
    for (format, bytes, open) in formats() {
        let scratch = Scratch::new();
        let whole = open(&scratch.file("whole", &bytes)).unwrap();
        // GGUF's last tensor is followed by padding, which nobody misses.
        let end = whole.tensors().iter().map(|t| t.offset + t.bytes).max().unwrap() as usize;
        for length in 0..end {
            let path = scratch.file("cut", &bytes[..length]);
            match within_memory(length, || open(&path)) {
                Err(WeightsError::Malformed { bytes, .. }) => assert!(bytes.start <= bytes.end, "{format} cut at {length}: {bytes:?}"),
                Err(error) => panic!("{format} cut at {length}: {error}"),
                Ok(_) => panic!("{format} cut at {length} was opened"),
            }
        }
    }
}

/// Changes a few bytes: flips, extreme values, copies, cuts, insertions.
fn mutate(bytes: &mut Vec<u8>, header: usize, rng: &mut Rng) {
    for _ in 0..=rng.below(2) {
        // Most damage goes to the header, where the decisions are.
        let reach = if rng.below(6) == 0 { bytes.len() } else { header.min(bytes.len()) };
        let at = rng.below(reach);
        match rng.below(7) {
            0 => bytes[at] ^= 1 << rng.below(8),
            1 => bytes[at] = rng.next() as u8,
            2 => bytes[at] = [0, 0x7f, 0x80, 0xff, b'0', b'9', b'"', b'}'][rng.below(8)],
            3 => {
                let end = (at + 8).min(bytes.len());
                let number = [u64::MAX, 1 << 32, 1 << 40, 1 << 63, i64::MAX as u64, 0][rng.below(6)];
                bytes[at..end].copy_from_slice(&number.to_le_bytes()[..end - at]);
            }
            4 => {
                let end = (at + 1 + rng.below(40)).min(bytes.len());
                let piece = bytes[at..end].to_vec();
                let to = rng.below(header.min(bytes.len()));
                bytes.splice(to..to, piece);
            }
            5 => {
                let end = (at + 1 + rng.below(16)).min(bytes.len());
                bytes.drain(at..end);
            }
            _ => bytes.insert(at, rng.next() as u8),
        }
        if bytes.is_empty() {
            return;
        }
    }
}

#[test]
fn a_thousand_mutations_never_panic_nor_take_more_memory_than_the_file() {
    for (format, valid, open) in formats() {
        let scratch = Scratch::new();
        let header = open(&scratch.file("whole", &valid)).unwrap().tensors()[0].offset as usize;
        let (mut opened, mut refused) = (0, 0);
        for seed in 0..1000 {
            let mut bytes = valid.clone();
            mutate(&mut bytes, header, &mut Rng(seed));
            let path = scratch.file("mutated", &bytes);
            within_memory(8 * bytes.len(), || match open(&path) {
                Ok(source) => {
                    drain(source.as_ref(), bytes.len());
                    opened += 1;
                }
                Err(error) => {
                    assert!(error.to_string().contains("mutated"), "the error must name the file: {error}");
                    refused += 1;
                }
            });
        }
        // Both ways must be walked, or the mutations are too mild or too wild to show anything.
        assert!(opened >= 20 && refused >= 500, "{format}: {opened} opened, {refused} refused");
    }
}
