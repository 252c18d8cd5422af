//! The examples of a run.

use std::collections::BTreeMap;
use std::sync::Arc;

use collimate_types::Task;

use crate::mixture::Mixture;
use crate::pass::Rejected;
use crate::{Item, digest};

/// A list of examples of one kind, named by its content.
#[derive(Debug, Clone, PartialEq)]
pub struct Set<T> {
    /// In the order of the files; of a mixture, source after source.
    pub tasks: Vec<Arc<T>>,
    /// BLAKE3 over ids and contents in their order, as hexadecimal digits. A run that resumes compares it.
    pub digest: String,
    /// The shares, if the rows are those of several sources.
    pub mixture: Option<Mixture>,
}

/// The tasks of a run.
pub type TaskSet = Set<Task>;

impl<T: Item> Set<T> {
    /// Names the list by its content.
    #[must_use]
    pub fn new(tasks: Vec<Arc<T>>) -> Self {
        Self::mixed(tasks, None)
    }

    /// A list of several sources, one after another.
    #[must_use]
    pub fn mixed(tasks: Vec<Arc<T>>, mixture: Option<Mixture>) -> Self {
        let mut hash = digest::OfList::default();
        tasks.iter().for_each(|task| hash.add(task.as_ref()));
        if let Some(mixture) = &mixture {
            hash.add_bytes(&mixture.bytes());
        }
        Self { tasks, digest: hash.finish(), mixture }
    }
}

impl<T> Set<T> {
    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.tasks.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.tasks.is_empty()
    }
}

/// What a run learns from and what it is measured on.
#[derive(Debug, Clone, PartialEq)]
pub struct Split<T = Task> {
    /// To learn from; never empty.
    pub train: Set<T>,
    /// To be measured on; empty if `data.heldout_rows` is 0 and no file is given.
    pub heldout: Set<T>,
    /// How many held-out prompts also stand in the training part: 0 unless both files are given and overlap.
    pub overlap: usize,
    /// The format that read the first rows.
    pub format: &'static str,
    /// Rows that were left out, by the rule that took them, and what else was worth counting.
    pub counts: Counts,
    /// Bad rows that were set aside (`data.bad_rows = "skip"`).
    pub rejected: Vec<Rejected>,
}

/// Counts by name.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize)]
pub struct Counts {
    /// Rows that were left out, by rule.
    pub left_out: BTreeMap<&'static str, u64>,
    /// Rows that are odd and kept.
    pub notes: BTreeMap<&'static str, u64>,
}

impl Counts {
    pub(crate) fn leave(&mut self, rule: &'static str, rows: u64) {
        if rows > 0 {
            *self.left_out.entry(rule).or_default() += rows;
        }
    }

    pub(crate) fn note(&mut self, note: &'static str) {
        *self.notes.entry(note).or_default() += 1;
    }

    pub(crate) fn add(&mut self, other: &Self) {
        other.left_out.iter().for_each(|(rule, rows)| self.leave(rule, *rows));
        other.notes.iter().for_each(|(note, rows)| *self.notes.entry(note).or_default() += rows);
    }

    /// `3 rows: too long; 5 rows: a tie`, or nothing.
    pub(crate) fn told(counts: &BTreeMap<&'static str, u64>) -> String {
        counts.iter().map(|(name, rows)| format!("{rows}: {name}")).collect::<Vec<_>>().join("; ")
    }
}
