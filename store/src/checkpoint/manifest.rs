//! The commit record of a checkpoint: what is in it, and how long everything beside it was at that moment.

use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::blob::check_paths;
use super::seal::{sealed, unsealed};
use crate::error::StoreError;
use crate::fs::{SaveFs, read};

/// The name of the manifest in a checkpoint.
pub const MANIFEST: &str = "MANIFEST.json";

/// The format that this version writes, and the newest it reads.
pub(crate) const FORMAT: u32 = 1;

/// What a run says of a checkpoint beside its files.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct CheckpointMeta {
    /// Versions that bitwise resume depends on: program, LibTorch, CPU flags, threads, …
    pub versions: BTreeMap<String, String>,
    /// The hash of the resolved configuration ([`crate::hash_bytes`]).
    pub config_hash: String,
    /// The held-out score at this step, if it was measured; one that is not finite is saved as none.
    pub score: Option<f64>,
    /// Whether that score was the best of the run up to this step. The run decides whether high or low is good.
    pub best: bool,
    /// Everything that is not a tensor: seeds, data cursor, controller, the algorithm's own state.
    pub state: Value,
}

/// A file of a checkpoint.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileEntry {
    /// Its length.
    pub bytes: u64,
    /// Its BLAKE3 in hexadecimal.
    pub blake3: String,
}

/// What a checkpoint holds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    /// The version of this record; 1.
    pub format: u32,
    /// The flow step after which it was taken.
    pub step: u64,
    /// Its files by path, the manifest excepted.
    pub files: BTreeMap<String, FileEntry>,
    /// Lengths of the run's metrics, rollout and event files at that moment, by path in the run directory.
    pub logs: BTreeMap<String, u64>,
    /// What the run said.
    pub meta: CheckpointMeta,
}

/// The field that is read before all others.
#[derive(Deserialize)]
struct Probe {
    format: u64,
}

impl Manifest {
    /// How long all files are together, in bytes.
    #[must_use]
    pub fn total_bytes(&self) -> u64 {
        self.files.values().map(|f| f.bytes).fold(0, u64::saturating_add)
    }

    /// The bytes of `MANIFEST.json`, or why there are none.
    pub(crate) fn to_bytes(&self) -> Result<Vec<u8>, String> {
        let object = serde_json::to_string_pretty(self).map_err(|error| error.to_string())?;
        sealed(&object).map(String::into_bytes).ok_or_else(|| "it is not an object".to_owned())
    }

    /// Reads and checks the manifest of a checkpoint.
    pub(crate) fn load(fs: &dyn SaveFs, dir: &Path) -> Result<Self, StoreError> {
        let path = dir.join(MANIFEST);
        let bad = |reason: String| StoreError::BadManifest { path: path.clone(), reason };
        let bytes = read(fs, &path).map_err(|error| bad(error.to_string()))?;
        let object = unsealed(&bytes).map_err(bad)?;
        let probe: Probe = serde_json::from_slice(&object).map_err(|error| bad(error.to_string()))?;
        if probe.format > u64::from(FORMAT) {
            return Err(StoreError::NewerFormat { path, found: probe.format, supported: FORMAT });
        }
        let manifest: Self = serde_json::from_slice(&object).map_err(|error| bad(error.to_string()))?;
        check_paths(manifest.files.keys().map(String::as_str)).map_err(|error| bad(error.to_string()))?;
        Ok(manifest)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::DiskFs;

    fn example(format: u32) -> Manifest {
        let files = BTreeMap::from([("a/b".to_owned(), FileEntry { bytes: 3, blake3: "00".repeat(32) })]);
        Manifest { format, step: 7, files, logs: BTreeMap::new(), meta: CheckpointMeta::default() }
    }

    fn round(manifest: &Manifest) -> Result<Manifest, StoreError> {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join(MANIFEST), manifest.to_bytes().unwrap()).unwrap();
        Manifest::load(&DiskFs, dir.path())
    }

    #[test]
    fn a_manifest_of_a_newer_format_is_refused_with_both_versions() {
        let error = round(&example(2)).unwrap_err();
        assert!(matches!(error, StoreError::NewerFormat { found: 2, supported: 1, .. }), "{error}");
    }

    #[test]
    fn a_manifest_cannot_point_out_of_its_checkpoint() {
        let mut hostile = example(1);
        hostile.files.insert("../../x".to_owned(), FileEntry { bytes: 0, blake3: String::new() });
        assert!(matches!(round(&hostile), Err(StoreError::BadManifest { .. })));
    }

    /// A manifest of the first format, byte for byte as it was released: it must load for ever.
    #[test]
    fn the_first_format_still_loads() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join(MANIFEST), include_bytes!("../../tests/data/manifest-1.json")).unwrap();
        let found = Manifest::load(&DiskFs, dir.path()).unwrap();
        assert_eq!((found.step, found.meta.score, found.logs["metrics.jsonl"]), (20, Some(0.1 + 0.2), 1234));
        assert_eq!(found.meta.state["seed"], u64::MAX);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn a_manifest_survives_the_way_to_disk_and_back(step: u64, score in proptest::option::of(proptest::num::f64::NORMAL), word: String, n: i64) {
            let mut manifest = example(1);
            manifest.step = step;
            manifest.meta = CheckpointMeta { score, best: step % 2 == 0, config_hash: word.clone(), state: serde_json::json!({ word: n, "x": score }), ..Default::default() };
            prop_assert_eq!(round(&manifest).unwrap(), manifest);
        }
    }
}
