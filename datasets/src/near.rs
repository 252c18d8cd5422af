//! Texts that are nearly the same: MinHash over sequences of five words (Broder 1997, "On the resemblance and containment of documents"),
//! with locality-sensitive hashing to find candidates (Indyk and Motwani 1998).
//!
//! 64 minima estimate the Jaccard similarity with a standard error of at most 1/16. In 16 bands of 4, two texts of similarity 0.8 are found
//! with a probability of 1 - (1 - 0.8⁴)¹⁶ = 0.9998, of 0.5 with 0.64; a candidate counts if the estimate reaches the threshold.

use std::collections::HashMap;

use crate::words::{finish, sequences};

const MINIMA: usize = 64;
const BAND: usize = 4;
const SEQUENCE: usize = 5;

/// The texts seen so far.
#[derive(Debug)]
pub(crate) struct Near {
    threshold: f64,
    signatures: Vec<[u32; MINIMA]>,
    /// The first texts of each band's hash.
    bands: HashMap<u64, Vec<u32>>,
}

impl Near {
    pub(crate) fn new(threshold: f64) -> Self {
        Self { threshold, signatures: Vec::new(), bands: HashMap::new() }
    }

    /// Whether a text is nearly the same as an earlier one; if not, it is remembered.
    pub(crate) fn seen(&mut self, words: &[u64]) -> bool {
        let signature = signature(words);
        let bands = || {
            signature
                .chunks_exact(BAND)
                .enumerate()
                .map(|(i, band)| band.iter().fold(finish(i as u64 + 1), |h, m| finish(h ^ u64::from(*m))))
        };
        let alike = |other: &u32| {
            let equal = self.signatures[*other as usize].iter().zip(&signature).filter(|(a, b)| a == b).count();
            equal as f64 / MINIMA as f64 >= self.threshold
        };
        if bands().any(|band| self.bands.get(&band).is_some_and(|list| list.iter().any(alike))) {
            return true;
        }
        let index = self.signatures.len() as u32;
        for band in bands() {
            let list = self.bands.entry(band).or_default();
            // A band that very many texts share says nothing about any of them.
            if list.len() < 256 {
                list.push(index);
            }
        }
        self.signatures.push(signature);
        false
    }
}

fn signature(words: &[u64]) -> [u32; MINIMA] {
    let mut minima = [u32::MAX; MINIMA];
    for sequence in sequences(words, SEQUENCE) {
        for (i, minimum) in minima.iter_mut().enumerate() {
            // One multiplication a function: odd multipliers of a mixed value, the upper half taken.
            let value = (sequence.wrapping_mul(finish(i as u64 + 1) | 1) >> 32) as u32;
            *minimum = value.min(*minimum);
        }
    }
    minima
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::words::words_of;
    use collimate_types::Seed;

    fn words(text: &str) -> Vec<u64> {
        let mut out = Vec::new();
        words_of(text, &mut out);
        out
    }

    /// A text of random words, with every `every`-th one changed.
    fn text(seed: u64, every: usize) -> String {
        (0..400)
            .map(
                |i| {
                    if every > 0 && i % every == 0 {
                        format!("x{i} ")
                    } else {
                        format!("w{} ", (Seed(seed).uniform(i as u64) * 1e6) as u64)
                    }
                },
            )
            .collect()
    }

    #[test]
    fn copies_with_small_changes_are_found_and_others_are_not() {
        let mut near = Near::new(0.8);
        for seed in 0..50 {
            assert!(!near.seen(&words(&text(seed, 0))), "text {seed} is new");
        }
        for seed in 0..50 {
            // 4 of 400 words changed: 20 of 396 sequences, a similarity of 0.90.
            assert!(near.seen(&words(&text(seed, 100))), "a copy of {seed}");
            // Every tenth: half of the sequences, a similarity of 0.33.
            assert!(!near.seen(&words(&text(seed, 10))), "another text than {seed}");
        }
    }

    #[test]
    fn case_and_punctuation_do_not_count_and_short_texts_are_compared_whole() {
        let mut near = Near::new(0.8);
        assert!(!near.seen(&words("What is 2 + 3?")));
        assert!(near.seen(&words("what IS: 2+3")));
        assert!(!near.seen(&words("What is 2 + 4?")));
        assert!(!near.seen(&words("")));
        assert!(near.seen(&words("?!")));
    }
}
