//! Training examples that share a long word sequence with a question of an evaluation set (the n-gram overlap of Brown et al. 2020,
//! arXiv:2005.14165, appendix C).

use std::collections::HashSet;

use crate::example::Content;
use crate::words::{sequences, words_of};

/// The word sequences of the evaluation sets' prompts.
#[derive(Debug)]
pub(crate) struct Contamination {
    words: usize,
    known: HashSet<u64>,
    /// Prompts with fewer words than a sequence, whole.
    short: HashSet<u64>,
}

impl Contamination {
    pub(crate) fn new(words: usize) -> Self {
        Self { words: words.max(1), known: HashSet::new(), short: HashSet::new() }
    }

    /// Adds the prompt of an evaluation example.
    pub(crate) fn add(&mut self, item: &dyn Content) {
        let mut words = Vec::new();
        item.asked(&mut |text| words_of(text, &mut words));
        if words.is_empty() {
            return;
        }
        let into = if words.len() < self.words { &mut self.short } else { &mut self.known };
        into.extend(sequences(&words, self.words));
    }

    /// Whether an example holds a sequence of an evaluation prompt, or is a short one.
    pub(crate) fn touches(&self, item: &dyn Content) -> bool {
        let mut words = Vec::new();
        item.asked(&mut |text| words_of(text, &mut words));
        let whole = sequences(&words, words.len()).next();
        if words.len() < self.words && whole.is_some_and(|w| self.short.contains(&w)) {
            return true;
        }
        item.answers(&mut |text| words_of(text, &mut words));
        words.len() >= self.words && sequences(&words, self.words).any(|s| self.known.contains(&s))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use collimate_types::{Demonstration, Reply, Task};

    fn task(text: &str) -> Task {
        Task { id: String::new(), text: Some(text.into()), messages: vec![], truth: serde_json::Value::Null, reward: None }
    }

    #[test]
    fn a_common_sequence_of_words_is_found_in_prompt_and_answer() {
        let mut known = Contamination::new(5);
        known.add(&task("Tom has seven red apples and eats two."));
        known.add(&task("What is 2+3?"));
        assert!(known.touches(&task("Yesterday: tom has SEVEN red apples!")));
        assert!(!known.touches(&task("Tom has seven green apples")));
        assert!(known.touches(&task("what is 2 + 3")), "a short question, whole");
        assert!(!known.touches(&task("What is 2 + 3 + 4?")));
        let answer = Reply::Text("has seven red apples and".into());
        assert!(known.touches(&Demonstration { id: String::new(), text: Some("Say".into()), messages: vec![], answer, every_turn: false }));
        assert!(!known.touches(&task("")));
    }
}
