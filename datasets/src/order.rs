//! In which order tasks are learned from, and where a run stands in it.

use std::sync::Arc;

use collimate_types::{Seed, Task};
use serde::{Deserialize, Serialize};

use crate::mixture::Mixture;
use crate::{Permutation, Set};

/// Where a run stands: the next row is row `position` of epoch `epoch`. It is all that a checkpoint keeps of the data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cursor {
    /// How often all rows have been handed out; of a mixture, whose sources end at different times, always 0.
    pub epoch: u64,
    /// How many rows of this epoch have been handed out, less than the number of rows; of a mixture, how many rows ever.
    pub position: u64,
}

/// The endless sequence of tasks: epoch after epoch, each in its own order.
///
/// The order of an epoch is an address (`seed.fork("epoch", e)`), not a stream, so a cursor can be moved to any row at no cost.
///
/// ```
/// # use collimate_datasets::*; use collimate_types::*; use std::sync::Arc;
/// # let task = |t: &str| Arc::new(Task { id: t.into(), text: Some(t.into()), messages: vec![], truth: serde_json::Value::Null, reward: None });
/// let set = TaskSet::new(vec![task("a"), task("b"), task("c")]);
/// let order = Order::new(&set, Seed(7), true);
/// let mut cursor = Cursor::default();
/// assert_eq!(order.next(&mut cursor, 4).len(), 4); // one epoch and one row
/// assert_eq!(cursor, Cursor { epoch: 1, position: 1 });
/// ```
#[derive(Debug, Clone)]
pub struct Order<T = Task> {
    tasks: Vec<Arc<T>>,
    mixture: Option<Mixture>,
    seed: Seed,
    shuffle: bool,
}

impl<T> Order<T> {
    /// The order of a set at an address; without `shuffle` every epoch runs in the order of the file.
    #[must_use]
    pub fn new(set: &Set<T>, seed: Seed, shuffle: bool) -> Self {
        Self { tasks: set.tasks.clone(), mixture: set.mixture.clone(), seed, shuffle }
    }

    /// The next `n` rows; the cursor moves behind them. Within an epoch every row comes exactly once; a batch may span epochs.
    ///
    /// A cursor beyond the end of its epoch (saved with more rows) starts the next one. An empty set gives nothing.
    #[must_use]
    pub fn next(&self, cursor: &mut Cursor, n: usize) -> Vec<Arc<T>> {
        if self.tasks.is_empty() {
            return Vec::new();
        }
        match &self.mixture {
            Some(mixture) => self.mixed(mixture, cursor, n),
            None => self.plain(cursor, n),
        }
    }

    fn plain(&self, cursor: &mut Cursor, n: usize) -> Vec<Arc<T>> {
        let rows = self.tasks.len() as u64;
        let mut out = Vec::with_capacity(n.min(self.tasks.len()));
        while out.len() < n {
            let order = self.shuffle.then(|| Permutation::new(rows, self.seed.fork("epoch", cursor.epoch)));
            while out.len() < n && cursor.position < rows {
                let row = order.map_or(cursor.position, |o| o.at(cursor.position).unwrap_or(cursor.position));
                out.push(Arc::clone(&self.tasks[row as usize]));
                cursor.position += 1;
            }
            if cursor.position >= rows {
                *cursor = Cursor { epoch: cursor.epoch + 1, position: 0 };
            }
        }
        out
    }

    fn mixed(&self, mixture: &Mixture, cursor: &mut Cursor, n: usize) -> Vec<Arc<T>> {
        let starts: Vec<u64> = mixture.shares().iter().scan(0, |sum, s| Some(std::mem::replace(sum, *sum + s.rows))).collect();
        let mut out = Vec::with_capacity(n);
        while out.len() < n {
            let block = mixture.rows_of_block(cursor.position / mixture.block(), self.seed, self.shuffle);
            let from = (cursor.position % mixture.block()) as usize;
            for (source, row) in block.iter().skip(from).take(n - out.len()) {
                out.push(Arc::clone(&self.tasks[(starts[*source] + row) as usize]));
                cursor.position += 1;
            }
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::TaskSet;
    use proptest::prelude::*;

    fn set(n: usize) -> TaskSet {
        let task = |i: usize| {
            Arc::new(Task { id: i.to_string(), text: Some(i.to_string()), messages: vec![], truth: serde_json::Value::Null, reward: None })
        };
        TaskSet::new((0..n).map(task).collect())
    }

    fn ids(tasks: &[Arc<Task>]) -> Vec<usize> {
        tasks.iter().map(|t| t.id.parse().unwrap()).collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn an_epoch_has_every_row_once_however_it_is_cut(rows in 1_usize..80, seed: u64, cuts in prop::collection::vec(1_usize..100, 1..12)) {
            let order = Order::new(&set(rows), Seed(seed), true);
            let mut cursor = Cursor::default();
            let mut all = Vec::new();
            for n in &cuts {
                all.extend(ids(&order.next(&mut cursor, *n)));
            }
            let total: usize = cuts.iter().sum();
            prop_assert_eq!(all.len(), total);
            prop_assert_eq!(cursor, Cursor { epoch: (total / rows) as u64, position: (total % rows) as u64 });
            for epoch in all.chunks_exact(rows) {
                let mut epoch = epoch.to_vec();
                epoch.sort_unstable();
                prop_assert_eq!(epoch, (0..rows).collect::<Vec<_>>());
            }
        }

        #[test]
        fn a_mixture_goes_on_at_the_very_row(first in 0_usize..300, second in 0_usize..300, seed: u64, shuffle: bool) {
            let mixture = Mixture::new(10, &[(0.7, 20), (0.3, 7)]).unwrap();
            let set = TaskSet::mixed(set(27).tasks, Some(mixture));
            let undisturbed = Order::new(&set, Seed(seed), shuffle).next(&mut Cursor::default(), first + second);
            let mut cursor = Cursor::default();
            let mut resumed = Order::new(&set, Seed(seed), shuffle).next(&mut cursor, first);
            resumed.extend(Order::new(&set, Seed(seed), shuffle).next(&mut cursor, second));
            prop_assert_eq!(ids(&undisturbed), ids(&resumed));
            for block in undisturbed.chunks_exact(10) {
                prop_assert_eq!(ids(block).iter().filter(|i| **i < 20).count(), 7);
            }
        }

        #[test]
        fn a_resumed_run_goes_on_at_the_very_row(rows in 1_usize..80, seed: u64, first in 0_usize..200, second in 0_usize..200) {
            let order = Order::new(&set(rows), Seed(seed), true);
            let undisturbed = order.next(&mut Cursor::default(), first + second);
            let mut cursor = Cursor::default();
            let mut resumed = order.next(&mut cursor, first);
            let saved = serde_json::to_string(&cursor).unwrap();
            let mut cursor: Cursor = serde_json::from_str(&saved).unwrap();
            resumed.extend(Order::new(&set(rows), Seed(seed), true).next(&mut cursor, second));
            prop_assert_eq!(ids(&undisturbed), ids(&resumed));
        }
    }

    #[test]
    fn epochs_and_seeds_differ_and_without_shuffling_the_file_order_stands() {
        let drawn = |seed, epoch, shuffle| ids(&Order::new(&set(50), Seed(seed), shuffle).next(&mut Cursor { epoch, position: 0 }, 50));
        assert_ne!(drawn(1, 0, true), drawn(1, 1, true));
        assert_ne!(drawn(1, 0, true), drawn(2, 0, true));
        assert_eq!(drawn(1, 3, false), (0..50).collect::<Vec<_>>());
    }

    #[test]
    fn a_cursor_of_other_data_and_an_empty_set_do_not_hang() {
        let mut cursor = Cursor { epoch: 2, position: 99 };
        assert_eq!(ids(&Order::new(&set(3), Seed(0), false).next(&mut cursor, 2)), [0, 1]);
        assert_eq!(cursor, Cursor { epoch: 3, position: 2 });
        assert!(Order::new(&set(0), Seed(0), true).next(&mut cursor, 2).is_empty());
    }
}
