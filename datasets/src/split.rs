//! Which rows are held out: decided by the question itself, so that re-ordering a file changes nothing.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use crate::{Item, digest};

/// Keeps `rows` questions back: those whose hashes are smallest. All rows with the same question go to the same side, and a question is
/// held out once. Both parts keep the order of the file.
///
/// Rows appended to the file displace only as many held-out questions as there are new ones with a smaller hash.
pub(crate) fn hold_out<T: Item>(tasks: Vec<Arc<T>>, rows: usize) -> (Vec<Arc<T>>, Vec<Arc<T>>) {
    let chosen = smallest(&tasks, rows);
    let mut heldout = Vec::with_capacity(chosen.len());
    let mut train = Vec::with_capacity(tasks.len().saturating_sub(chosen.len()));
    let mut taken = HashSet::new();
    for task in tasks {
        let question = digest::of_question(task.as_ref());
        match chosen.get(&question) {
            None => train.push(task),
            // Of several rows with the same question the one with the smallest content stays, wherever it stands.
            Some(content) if *content == digest::of_content(task.as_ref()) && taken.insert(question) => heldout.push(task),
            Some(_) => {}
        }
    }
    (train, heldout)
}

/// How many distinct questions there are.
pub(crate) fn distinct<T: Item>(tasks: &[Arc<T>]) -> usize {
    tasks.iter().map(|t| digest::of_question(t.as_ref())).collect::<HashSet<_>>().len()
}

/// How many questions of one list also stand in the other.
pub(crate) fn overlap<T: Item>(train: &[Arc<T>], heldout: &[Arc<T>]) -> usize {
    let known: HashSet<_> = train.iter().map(|t| digest::of_question(t.as_ref())).collect();
    heldout.iter().filter(|t| known.contains(&digest::of_question(t.as_ref()))).count()
}

/// The `rows` questions with the smallest hashes, each with the smallest content that goes with it.
fn smallest<T: Item>(tasks: &[Arc<T>], rows: usize) -> BTreeMap<[u8; 32], [u8; 32]> {
    let mut chosen = BTreeMap::new();
    for task in tasks {
        let content = digest::of_content(task.as_ref());
        chosen.entry(digest::of_question(task.as_ref())).and_modify(|c: &mut [u8; 32]| *c = content.min(*c)).or_insert(content);
        if chosen.len() > rows {
            chosen.pop_last();
        }
    }
    chosen
}

#[cfg(test)]
mod tests {
    use super::*;
    use collimate_types::Task;
    use proptest::prelude::*;

    fn task(question: u32, truth: u32) -> Arc<Task> {
        let text = Some(format!("question {question}"));
        Arc::new(Task { id: format!("{question}/{truth}"), text, messages: vec![], truth: truth.into(), reward: None })
    }

    fn ids(tasks: &[Arc<Task>]) -> Vec<&str> {
        let mut ids: Vec<_> = tasks.iter().map(|t| t.id.as_str()).collect();
        ids.sort_unstable();
        ids
    }

    proptest! {
        #[test]
        fn the_parts_are_disjoint_in_their_questions_and_do_not_depend_on_the_order(
            rows in prop::collection::vec((0_u32..30, 0_u32..3), 1..80), keep in 0_usize..20, seed: u64,
        ) {
            let tasks: Vec<_> = rows.iter().map(|(q, t)| task(*q, *t)).collect();
            let order = crate::Permutation::new(tasks.len() as u64, collimate_types::Seed(seed));
            let mixed: Vec<_> = order.iter().map(|i| Arc::clone(&tasks[i as usize])).collect();
            let questions = distinct(&tasks);
            let (train, heldout) = hold_out(tasks, keep);
            prop_assert_eq!(heldout.len(), keep.min(questions));
            prop_assert_eq!(overlap(&train, &heldout), 0);
            prop_assert_eq!(distinct(&train) + heldout.len(), questions);
            let (train_mixed, heldout_mixed) = hold_out(mixed, keep);
            prop_assert_eq!(ids(&train), ids(&train_mixed));
            prop_assert_eq!(ids(&heldout), ids(&heldout_mixed));
        }
    }
}
