//! What several tests share: files in a temporary directory, seeded bytes, and a measure of memory.

use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use collimate_weights::{TensorSource, WeightsError};
use tempfile::TempDir;

use crate::MEMORY;

/// Memory that a reader may take beyond its file. Most of it is for what other tests of this process take meanwhile.
const SLACK: usize = 64 << 20;

/// Held while memory is measured: the peak is one for the whole process.
static MEASURING: Mutex<()> = Mutex::new(());

/// A directory that goes away with the test.
pub(crate) struct Scratch(TempDir);

impl Scratch {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.0.path().to_owned()
    }

    /// Writes a file and gives its path.
    pub(crate) fn file(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.0.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        path
    }
}

/// SplitMix64 (Steele, Lea, Flood 2014): the same numbers on every machine.
pub(crate) struct Rng(pub(crate) u64);

impl Rng {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub(crate) fn below(&mut self, n: usize) -> usize {
        (self.next() % n as u64) as usize
    }

    pub(crate) fn bytes(&mut self, n: usize) -> Vec<u8> {
        (0..n).map(|_| self.next() as u8).collect()
    }

    /// Floats between −2 and 2.
    pub(crate) fn floats(&mut self, n: usize) -> Vec<f32> {
        (0..n).map(|_| (self.next() >> 40) as f32 / (1 << 22) as f32 - 2.0).collect()
    }
}

/// Runs `work` and fails when it took more memory than a file of `file` bytes allows.
pub(crate) fn within_memory<T>(file: usize, work: impl FnOnce() -> T) -> T {
    let _alone = MEASURING.lock().unwrap_or_else(PoisonError::into_inner);
    let before = MEMORY.current_usage();
    MEMORY.reset_peak_usage();
    let out = work();
    let taken = MEMORY.peak_usage().saturating_sub(before);
    assert!(taken <= file + SLACK, "{taken} bytes were taken for a file of {file}");
    out
}

/// Checks what a source says of itself against the length of the file, then reads every tensor. Integers may only be refused.
pub(crate) fn drain(source: &dyn TensorSource, file: usize) {
    let total: u64 = source.tensors().iter().map(|t| t.bytes).sum();
    assert!(total <= file as u64, "tensors of {total} bytes in a file of {file}");
    for tensor in source.tensors() {
        assert!(tensor.offset + tensor.bytes <= file as u64, "{tensor:?} passes the end at {file}");
        let mut out = vec![0.0; tensor.elements()];
        match source.read_f32(&tensor.name, &mut out) {
            Ok(()) | Err(WeightsError::Kind { .. }) => {}
            Err(error) => panic!("{error}"),
        }
    }
}

/// The error of something that must fail.
pub(crate) fn refusal<T: std::fmt::Debug>(result: Result<T, WeightsError>) -> String {
    result.unwrap_err().to_string()
}
