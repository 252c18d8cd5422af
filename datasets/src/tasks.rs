//! The tasks of a run.

use std::sync::Arc;

use collimate_types::Task;

use crate::digest;

/// A list of tasks, named by its content.
#[derive(Debug, Clone, PartialEq)]
pub struct TaskSet {
    /// In the order of the file.
    pub tasks: Vec<Arc<Task>>,
    /// BLAKE3 over ids and contents in their order, as hexadecimal digits. A run that resumes compares it.
    pub digest: String,
}

impl TaskSet {
    /// Names the list by its content.
    #[must_use]
    pub fn new(tasks: Vec<Arc<Task>>) -> Self {
        let digest = digest::of_list(tasks.iter().map(AsRef::as_ref));
        Self { tasks, digest }
    }

    /// How many tasks there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.tasks.len()
    }

    /// Whether there is no task.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.tasks.is_empty()
    }
}

/// What a run learns from and what it is measured on.
#[derive(Debug, Clone, PartialEq)]
pub struct Split {
    /// To learn from; never empty.
    pub train: TaskSet,
    /// To be measured on; empty if `data.heldout_rows` is 0 and no file is given.
    pub heldout: TaskSet,
    /// How many held-out questions also stand in the training part: 0 unless both files are given and overlap.
    pub overlap: usize,
    /// The format that read the rows.
    pub format: &'static str,
}
