//! Reference log-probabilities of fixed rows, kept in the run directory by content.
//!
//! The file has a line a row: a BLAKE3 of the row's tokens and masks, and the bits of each number. The first line names the reference by the
//! content of its files, the last line is a hash of all others: a file that was cut or changed is not believed, and its numbers are computed
//! again, which gives the same ones.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use collimate_learners::GivenRow;
use collimate_store::hash_bytes;

use crate::exit::{Exit, OrExit};

/// The file's name in the run directory.
const FILE: &str = "reference.cache";
/// What the first line begins with.
const HEAD: &str = "collimate reference 1 ";

/// The numbers of the reference by the content of rows.
#[derive(Debug, Default)]
pub(super) struct Cache {
    path: PathBuf,
    /// The content of the reference's files; empty while nothing is kept.
    pub(super) of: String,
    sums: BTreeMap<String, Vec<f64>>,
}

/// The name of a row's content.
pub(super) fn key<L>(row: &GivenRow<L>) -> String {
    let mut bytes = Vec::new();
    let mut push = |n: usize| bytes.extend((n as u64).to_le_bytes());
    push(row.prompt.len());
    row.prompt.iter().for_each(|t| push(*t as usize));
    for answer in &row.answers {
        push(answer.tokens.len());
        answer.tokens.iter().zip(&answer.trained).for_each(|(t, trained)| push(2 * *t as usize + usize::from(*trained)));
    }
    hash_bytes(&bytes)
}

impl Cache {
    /// What the run directory holds; nothing, if there is no file or it is damaged.
    pub(super) fn open(run: &Path) -> Self {
        let path = run.join(FILE);
        let read = std::fs::read_to_string(&path).ok().and_then(|text| parse(&text));
        let (of, sums) = read.unwrap_or_default();
        Self { path, of, sums }
    }

    /// The numbers of a row's answers.
    pub(super) fn get(&self, key: &str) -> Option<&[f64]> {
        self.sums.get(key).map(Vec::as_slice)
    }

    /// Keeps the numbers of a row's answers.
    pub(super) fn put(&mut self, key: String, sums: Vec<f64>) {
        self.sums.insert(key, sums);
    }

    /// How many rows it knows.
    pub(super) fn len(&self) -> usize {
        self.sums.len()
    }

    /// Writes it: a new file first, then one rename.
    ///
    /// # Errors
    /// When the disk refuses.
    pub(super) fn write(&self) -> Result<(), Exit> {
        let mut text = format!("{HEAD}{}\n", self.of);
        for (key, sums) in &self.sums {
            text.push_str(key);
            sums.iter().for_each(|s| text.push_str(&format!(" {:016x}", s.to_bits())));
            text.push('\n');
        }
        text.push_str(&hash_bytes(text.as_bytes()));
        let temp = self.path.with_extension("tmp");
        let written = std::fs::write(&temp, text).and_then(|()| std::fs::rename(&temp, &self.path));
        written.map_err(|e| format!("cannot write `{}`: {e}", self.path.display())).or_failed()
    }
}

fn parse(text: &str) -> Option<(String, BTreeMap<String, Vec<f64>>)> {
    let (body, seal) = text.rsplit_once('\n')?;
    if hash_bytes(&text.as_bytes()[..body.len() + 1]) != seal {
        return None;
    }
    let mut lines = body.lines();
    let of = lines.next()?.strip_prefix(HEAD)?.to_owned();
    let line = |line: &str| {
        let mut words = line.split(' ');
        let key = words.next()?.to_owned();
        let number = |w: &str| u64::from_str_radix(w, 16).ok().map(f64::from_bits);
        Some((key, words.map(number).collect::<Option<_>>()?))
    };
    Some((of, lines.map(line).collect::<Option<_>>()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use collimate_learners::GivenAnswer;

    fn row(prompt: &[u32], answer: &[u32], trained: bool) -> GivenRow {
        let answer = GivenAnswer { tokens: answer.to_vec(), trained: vec![trained; answer.len()], logp_ref: None };
        GivenRow { prompt: prompt.to_vec(), answers: vec![answer], label: () }
    }

    #[test]
    fn numbers_come_back_in_all_their_bits_and_a_damaged_file_is_not_believed() {
        let dir = tempfile::tempdir().unwrap();
        let mut cache = Cache::open(dir.path());
        assert_eq!(cache.len(), 0);
        cache.of = "abc".into();
        let sums = vec![-0.1 - 1e-17, f64::MIN_POSITIVE];
        cache.put(key(&row(&[1, 2], &[3], true)), sums.clone());
        cache.write().unwrap();
        let back = Cache::open(dir.path());
        assert_eq!((back.of.as_str(), back.get(&key(&row(&[1, 2], &[3], true)))), ("abc", Some(sums.as_slice())));
        let path = dir.path().join(FILE);
        let good = std::fs::read_to_string(&path).unwrap();
        for bad in [good.replace('a', "b"), good[..good.len() - 3].to_owned(), String::new()] {
            std::fs::write(&path, bad).unwrap();
            assert_eq!(Cache::open(dir.path()).len(), 0);
        }
    }

    #[test]
    fn where_a_prompt_ends_and_what_is_trained_is_part_of_the_content() {
        let all = [row(&[1, 2], &[3], true), row(&[1], &[2, 3], true), row(&[1, 2], &[3], false), row(&[1, 2], &[4], true)];
        let keys: std::collections::BTreeSet<String> = all.iter().map(key).collect();
        assert_eq!(keys.len(), all.len());
    }
}
