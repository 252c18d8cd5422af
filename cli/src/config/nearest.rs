//! The name that was probably meant.

/// The candidate closest to a word that is not one of them, if it is close enough to be what was meant.
///
/// Closeness is the Damerau-Levenshtein distance (optimal string alignment: insert, delete, replace, swap neighbours); at most a third of
/// the longer name may differ. A candidate that begins with the word, or that it begins with, is close too.
pub(super) fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let plain = |s: &str| s.to_lowercase().replace('-', "_");
    let word = plain(word);
    let rated = candidates.into_iter().map(|candidate| {
        let other = plain(candidate);
        let longer = word.chars().count().max(other.chars().count());
        let part = word.len() >= 3 && other.starts_with(&word) || other.len() >= 3 && word.starts_with(&other);
        let far = distance(&word, &other);
        (
            if far * 3 <= longer {
                far
            } else if part {
                longer
            } else {
                usize::MAX
            },
            candidate,
        )
    });
    rated.min_by_key(|(far, _)| *far).filter(|(far, _)| *far != usize::MAX).map(|(_, candidate)| candidate)
}

/// How many single-letter edits lead from one word to the other.
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut rows = vec![vec![0; b.len() + 1]; a.len() + 1];
    for i in 0..=a.len() {
        for j in 0..=b.len() {
            if i == 0 || j == 0 {
                rows[i][j] = i + j;
                continue;
            }
            let replace = rows[i - 1][j - 1] + usize::from(a[i - 1] != b[j - 1]);
            let mut best = replace.min(rows[i - 1][j] + 1).min(rows[i][j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                best = best.min(rows[i - 2][j - 2] + 1);
            }
            rows[i][j] = best;
        }
    }
    rows[a.len()][b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEYS: [&str; 5] = ["temperature", "top_k", "top_p", "max_new_tokens", "min_new_tokens"];

    #[test]
    fn a_slip_of_the_finger_finds_its_key() {
        assert_eq!(nearest("temprature", KEYS), Some("temperature"));
        assert_eq!(nearest("tpo_k", KEYS), Some("top_k"));
        assert_eq!(nearest("max-new-tokens", KEYS), Some("max_new_tokens"));
        assert_eq!(nearest("temp", KEYS), Some("temperature"));
    }

    #[test]
    fn a_stranger_finds_nothing() {
        assert_eq!(nearest("colour", KEYS), None);
        assert_eq!(nearest("", KEYS), None);
    }
}
