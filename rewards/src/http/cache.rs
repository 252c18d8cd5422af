//! Scores on disk by the hash of what was asked.

use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use collimate_types::Verdict;
use serde::{Deserialize, Serialize};

/// A line of the file.
#[derive(Debug, Serialize, Deserialize)]
struct Line {
    key: String,
    total: f64,
    parts: BTreeMap<String, f64>,
}

/// Scores that were given before. Only scores are kept: a fault is asked again.
#[derive(Debug)]
pub(super) struct Cache {
    known: Mutex<(HashMap<String, Verdict>, File)>,
}

impl Cache {
    /// Opens the file, or makes it. A line that cannot be read (a process was killed while it wrote) is passed over.
    pub(super) fn open(path: &Path) -> Result<Self, String> {
        let bad = |e: std::io::Error| format!("the cache `{}` cannot be used: {e}", path.display());
        let bytes = if path.exists() { std::fs::read(path).map_err(bad)? } else { Vec::new() };
        let lines = bytes.split(|b| *b == b'\n').filter_map(|l| serde_json::from_slice::<Line>(l).ok());
        let scores = lines.map(|l| (l.key, Verdict::with_parts(l.total, l.parts))).filter(|(_, v)| v.score().is_some());
        let known = scores.collect();
        let mut file = File::options().create(true).append(true).open(path).map_err(bad)?;
        if bytes.last().is_some_and(|b| *b != b'\n') {
            file.write_all(b"\n").map_err(bad)?;
        }
        Ok(Self { known: Mutex::new((known, file)) })
    }

    /// The key of what is asked: where, with which settings, prompt and answer.
    pub(super) fn key(parts: &[&[u8]]) -> String {
        let mut hash = blake3::Hasher::new();
        for part in parts {
            hash.update(&(part.len() as u64).to_le_bytes());
            hash.update(part);
        }
        hash.finalize().to_hex().to_string()
    }

    pub(super) fn get(&self, key: &str) -> Option<Verdict> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).0.get(key).cloned()
    }

    /// Keeps a score. A disk that is full is no reason to stop: then it is asked again next time.
    pub(super) fn put(&self, key: String, verdict: &Verdict) {
        let Some(score) = verdict.score() else { return };
        let line = Line { key, total: score.total, parts: score.parts.clone() };
        let Ok(mut bytes) = serde_json::to_vec(&line) else { return };
        bytes.push(b'\n');
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let _ = known.1.write_all(&bytes);
        known.0.insert(line.key, verdict.clone());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scores_come_back_bit_for_bit_and_faults_are_not_kept() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("scores.jsonl");
        let cache = Cache::open(&path).unwrap();
        let scored = Verdict::with_parts(0.1 + 0.2, BTreeMap::from([("a".to_owned(), -1e-17)]));
        let (a, b) = (Cache::key(&[b"ab", b"c"]), Cache::key(&[b"a", b"bc"]));
        assert_ne!(a, b);
        cache.put(a.clone(), &scored);
        cache.put(b.clone(), &Verdict::Unscorable { reason: "x".into() });
        std::fs::File::options().append(true).open(&path).unwrap().write_all(b"{\"key\":\"torn").unwrap();
        let again = Cache::open(&path).unwrap();
        assert_eq!((again.get(&a), again.get(&b)), (Some(scored.clone()), None));
        again.put(b.clone(), &Verdict::score_of(1.0));
        assert_eq!(Cache::open(&path).unwrap().get(&b), Some(Verdict::score_of(1.0)), "a torn line does not swallow the next");
    }
}
