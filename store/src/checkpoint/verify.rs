//! Whether a checkpoint is what its manifest says, file by file.

use std::collections::BTreeMap;
use std::fmt;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use super::{FileEntry, MANIFEST, Manifest};
use crate::error::StoreError;
use crate::fs::{DiskFs, SaveFs};
use crate::hash::hash_reader;

/// What was found of one file.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum FileState {
    /// Length and hash are right.
    Good,
    /// The length differs.
    Size {
        /// Bytes that the manifest says.
        want: u64,
        /// Bytes that are there.
        have: u64,
    },
    /// The length is right and the content is not.
    Hash {
        /// The BLAKE3 that the manifest says.
        want: String,
        /// The BLAKE3 of what is there.
        have: String,
    },
    /// It is not there.
    Missing,
    /// It is there and the manifest does not know it. It harms nothing.
    Extra,
    /// It is there and the system does not give it out.
    Unreadable(String),
}

/// One file of a report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileVerdict {
    /// Its path in the checkpoint.
    pub path: String,
    /// What was found.
    pub state: FileState,
}

/// What was found of a checkpoint.
#[derive(Debug, Clone, PartialEq)]
pub struct VerifyReport {
    /// The checkpoint.
    pub dir: PathBuf,
    /// Its manifest, which is sound.
    pub manifest: Manifest,
    /// Every file, by path.
    pub files: Vec<FileVerdict>,
}

impl VerifyReport {
    /// Whether every file of the manifest is there and right.
    #[must_use]
    pub fn is_good(&self) -> bool {
        self.damage().next().is_none()
    }

    /// The files that are not right.
    pub fn damage(&self) -> impl Iterator<Item = &FileVerdict> {
        self.files.iter().filter(|f| !matches!(f.state, FileState::Good | FileState::Extra))
    }

    /// The damage in one line.
    pub(crate) fn summary(&self) -> String {
        self.damage().map(ToString::to_string).collect::<Vec<_>>().join(", ")
    }
}

impl fmt::Display for FileVerdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = &self.path;
        match &self.state {
            FileState::Good => write!(f, "`{path}` is good"),
            FileState::Size { want, have } => write!(f, "`{path}` has {have} bytes instead of {want}"),
            FileState::Hash { want, have } => write!(f, "`{path}` has BLAKE3 {have} instead of {want}"),
            FileState::Missing => write!(f, "`{path}` is missing"),
            FileState::Extra => write!(f, "`{path}` is not in the manifest"),
            FileState::Unreadable(error) => write!(f, "`{path}` cannot be read: {error}"),
        }
    }
}

/// Compares every file of a checkpoint with its manifest. Any checkpoint will do, in a run or copied out of one.
///
/// # Errors
/// [`StoreError::BadManifest`] or [`StoreError::NewerFormat`] if there is nothing to compare with, [`StoreError::Io`] if the directory cannot
/// be listed. A damaged file is no error but a finding.
pub fn verify(dir: &Path) -> Result<VerifyReport, StoreError> {
    verify_with(&DiskFs, dir)
}

pub(crate) fn verify_with(fs: &dyn SaveFs, dir: &Path) -> Result<VerifyReport, StoreError> {
    compare(fs, dir, |entry, path| {
        let (bytes, hash) = fs.open(path).and_then(|mut file| hash_reader(&mut file as &mut dyn Read))?;
        Ok(match () {
            () if bytes != entry.bytes => FileState::Size { want: entry.bytes, have: bytes },
            () if hash != entry.blake3 => FileState::Hash { want: entry.blake3.clone(), have: hash },
            () => FileState::Good,
        })
    })
}

/// As [`verify`], but for the contents, which are not read: enough to decide what may be pruned.
pub(crate) fn verify_sizes(fs: &dyn SaveFs, dir: &Path) -> Result<VerifyReport, StoreError> {
    compare(fs, dir, |_, _| Ok(FileState::Good))
}

/// Looks at the sizes of all files, and at the content of those whose size is right.
fn compare(fs: &dyn SaveFs, dir: &Path, content: impl Fn(&FileEntry, &Path) -> io::Result<FileState>) -> Result<VerifyReport, StoreError> {
    let manifest = Manifest::load(fs, dir)?;
    let mut found = BTreeMap::new();
    walk(fs, dir, "", &mut found).map_err(crate::error::failed("list", dir))?;
    let mut files = Vec::new();
    for (path, entry) in &manifest.files {
        let state = match found.remove(path) {
            None => FileState::Missing,
            Some(have) if have != entry.bytes => FileState::Size { want: entry.bytes, have },
            Some(_) => content(entry, &dir.join(path)).unwrap_or_else(|error| FileState::Unreadable(error.to_string())),
        };
        files.push(FileVerdict { path: path.clone(), state });
    }
    found.remove(MANIFEST);
    files.extend(found.into_keys().map(|path| FileVerdict { path, state: FileState::Extra }));
    Ok(VerifyReport { dir: dir.to_owned(), manifest, files })
}

/// Collects the lengths of all files below a directory, by path from `dir`.
fn walk(fs: &dyn SaveFs, dir: &Path, prefix: &str, found: &mut BTreeMap<String, u64>) -> io::Result<()> {
    for entry in fs.list(&dir.join(prefix))? {
        let path = if prefix.is_empty() { entry.name } else { format!("{prefix}/{}", entry.name) };
        if entry.is_dir {
            walk(fs, dir, &path, found)?;
        } else {
            found.insert(path, entry.bytes);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{blobs, run_with_checkpoints};
    use collimate_types::Seed;

    fn states(dir: &Path) -> Vec<(String, FileState)> {
        verify(dir).unwrap().files.into_iter().map(|f| (f.path, f.state)).collect()
    }

    #[test]
    fn every_kind_of_damage_is_named() {
        let (root, run) = run_with_checkpoints(&[1]);
        let dir = run.checkpoints_dir().join("step-1");
        assert!(verify(&dir).unwrap().is_good());
        std::fs::write(dir.join("README.md"), "mine").unwrap();
        assert!(verify(&dir).unwrap().is_good(), "an extra file harms nothing");
        std::fs::write(dir.join("config.json"), "longer than it was, by far").unwrap();
        std::fs::remove_file(dir.join("trainer/optimizer.safetensors")).unwrap();
        let mut weights = std::fs::read(dir.join("model.safetensors")).unwrap();
        weights[5] ^= 0x10;
        std::fs::write(dir.join("model.safetensors"), weights).unwrap();
        let found = states(&dir);
        let of = |name: &str| found.iter().find(|(path, _)| path == name).unwrap().1.clone();
        assert!(matches!(of("config.json"), FileState::Size { have: 26, .. }));
        assert_eq!(of("trainer/optimizer.safetensors"), FileState::Missing);
        assert!(matches!(of("model.safetensors"), FileState::Hash { .. }));
        assert_eq!(of("README.md"), FileState::Extra);
        let report = verify(&dir).unwrap();
        assert!(!report.is_good() && report.damage().count() == 3, "{}", report.summary());
        drop(root);
    }

    /// Row L8 of the fault matrix.
    #[test]
    fn each_of_200_flipped_bits_is_found() {
        let (_root, run) = run_with_checkpoints(&[1]);
        let dir = run.checkpoints_dir().join("step-1");
        let mut paths: Vec<String> = blobs(1).into_iter().map(|b| b.path).collect();
        paths.push(MANIFEST.to_owned());
        for trial in 0..200 {
            let seed = Seed(8).fork("flip", trial);
            let path = dir.join(&paths[(seed.uniform(0) * paths.len() as f64) as usize]);
            let good = std::fs::read(&path).unwrap();
            let bit = (seed.uniform(1) * (good.len() * 8) as f64) as usize;
            let mut bytes = good.clone();
            bytes[bit / 8] ^= 1 << (bit % 8);
            std::fs::write(&path, bytes).unwrap();
            let found = verify(&dir);
            assert!(!found.is_ok_and(|r| r.is_good()), "trial {trial}: bit {bit} of `{}`", path.display());
            std::fs::write(&path, good).unwrap();
        }
        assert!(verify(&dir).unwrap().is_good());
    }
}
