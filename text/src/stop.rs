//! Stop texts, which may span tokens.

use std::sync::Arc;

/// What a piece of text added.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Found {
    /// Text that is final: it lies before any stop text that may still come.
    pub text: String,
    /// Whether a stop text is complete; it and what follows are dropped.
    pub stopped: bool,
}

/// Looks for stop texts in text that comes in pieces. Keeps back only what a stop text could still need.
///
/// The stop text that is complete first ends the answer, of several that are complete at the same place the longest: however the text is cut
/// into pieces, the answer is the same. Every byte is looked at once for each stop text (Knuth, Morris and Pratt 1977).
#[derive(Debug, Clone)]
pub struct StopMatcher {
    stops: Arc<[Stop]>,
    /// How many bytes of each stop text the end of the text matches.
    matched: Vec<usize>,
    /// The text that a stop text may still swallow: the longest of `matched`.
    held: String,
    stopped: bool,
}

/// One stop text with the automaton that finds it.
#[derive(Debug)]
struct Stop {
    text: Box<[u8]>,
    /// `back[n]`: the longest beginning of the text that is also an end of its first `n + 1` bytes, and shorter than they.
    back: Box<[usize]>,
}

impl Stop {
    fn new(text: &str) -> Self {
        let mut stop = Self { text: text.as_bytes().into(), back: vec![0; text.len()].into() };
        let mut matched = 0;
        for n in 1..text.len() {
            matched = stop.step(matched, stop.text[n]);
            stop.back[n] = matched;
        }
        stop
    }

    /// How many bytes match after one more byte. `matched` is less than the whole text.
    fn step(&self, mut matched: usize, byte: u8) -> usize {
        while matched > 0 && self.text[matched] != byte {
            matched = self.back[matched - 1];
        }
        matched + usize::from(self.text[matched] == byte)
    }
}

impl StopMatcher {
    /// A matcher for these texts; empty ones are ignored. Cloning it is cheap: a clone before the first piece serves another row.
    #[must_use]
    pub fn new(stops: &[String]) -> Self {
        let stops: Arc<[Stop]> = stops.iter().filter(|s| !s.is_empty()).map(|s| Stop::new(s)).collect();
        Self { matched: vec![0; stops.len()], stops, held: String::new(), stopped: false }
    }

    /// Takes the next piece. After a stop nothing is text any more.
    pub fn push(&mut self, piece: &str) -> Found {
        if self.stopped {
            return Found { text: String::new(), stopped: true };
        }
        if self.stops.is_empty() {
            return Found { text: piece.to_owned(), stopped: false };
        }
        let complete = piece.bytes().enumerate().find_map(|(at, byte)| self.advance(byte).map(|length| (at, length)));
        let before = self.held.len();
        self.held.push_str(piece);
        if let Some((at, length)) = complete {
            self.stopped = true;
            // A stop text begins with a whole character, so the cut is never inside one.
            self.held.truncate(before + at + 1 - length);
            return Found { text: std::mem::take(&mut self.held), stopped: true };
        }
        let keep = self.matched.iter().copied().max().unwrap_or(0);
        let rest = self.held.split_off(self.held.len() - keep);
        Found { text: std::mem::replace(&mut self.held, rest), stopped: false }
    }

    /// Takes one byte; gives the length of the longest stop text that it completes.
    fn advance(&mut self, byte: u8) -> Option<usize> {
        let mut longest = None;
        for (stop, matched) in self.stops.iter().zip(&mut self.matched) {
            *matched = stop.step(*matched, byte);
            if *matched == stop.text.len() {
                longest = longest.max(Some(stop.text.len()));
            }
        }
        longest
    }

    /// The text that was kept back, when nothing follows any more.
    pub fn finish(&mut self) -> String {
        self.matched.fill(0);
        std::mem::take(&mut self.held)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn feed<'p>(stops: &[&str], pieces: impl IntoIterator<Item = &'p str>) -> (String, bool) {
        let mut matcher = StopMatcher::new(&stops.iter().map(|s| (*s).to_owned()).collect::<Vec<_>>());
        let mut text = String::new();
        for piece in pieces {
            let found = matcher.push(piece);
            text.push_str(&found.text);
            if found.stopped {
                return (text, true);
            }
        }
        text.push_str(&matcher.finish());
        (text, false)
    }

    #[test]
    fn a_stop_text_is_found_across_pieces_and_cut_off() {
        assert_eq!(feed(&["END"], ["abE", "N", "Dxy"]), ("ab".into(), true));
        assert_eq!(feed(&["END"], ["abE", "N", "Xxy"]), ("abENXxy".into(), false));
        assert_eq!(feed(&["\n\n", "Q:"], ["4\n", "Q", ":"]), ("4\n".into(), true));
        assert_eq!(feed(&["aab"], ["a", "a", "a", "b"]), ("a".into(), true));
        assert_eq!(feed(&["é!"], ["caf", "é", "?"]), ("café?".into(), false));
        assert_eq!(feed(&[], ["a", "b"]), ("ab".into(), false));
    }

    #[test]
    fn the_first_complete_stop_counts_and_the_longest_of_those() {
        assert_eq!(feed(&["later", "la"], ["a later"]), ("a ".into(), true));
        assert_eq!(feed(&["bcd", "c"], ["abcd"]), ("ab".into(), true));
        assert_eq!(feed(&["c", "bc"], ["abcd"]), ("a".into(), true));
    }

    #[test]
    fn nothing_is_text_after_a_stop() {
        let mut matcher = StopMatcher::new(&["x".to_owned()]);
        assert!(matcher.push("ax").stopped);
        assert_eq!((matcher.push("b"), matcher.finish()), (Found { text: String::new(), stopped: true }, String::new()));
    }

    #[test]
    fn only_what_a_stop_text_could_need_is_kept_back() {
        let mut matcher = StopMatcher::new(&["abc".to_owned()]);
        assert_eq!(matcher.push("xyzab").text, "xyz");
        assert_eq!(matcher.push("d").text, "abd");
    }

    /// The definition, written plainly: the least end, then the least start.
    fn plainly(stops: &[&str], text: &str) -> (String, bool) {
        let ends = (1..=text.len()).filter(|end| text.is_char_boundary(*end));
        let start = |end: usize| stops.iter().filter(|s| text[..end].ends_with(**s)).map(|s| end - s.len()).min();
        match ends.filter_map(start).next() {
            Some(start) => (text[..start].to_owned(), true),
            None => (text.to_owned(), false),
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]
        #[test]
        fn the_answer_does_not_depend_on_the_pieces(
            text in "[abé]{0,24}",
            stops in prop::collection::vec("[abé]{1,5}", 0..4),
            cuts in prop::collection::vec(0..=24_usize, 0..6),
        ) {
            let stops: Vec<&str> = stops.iter().map(String::as_str).collect();
            let chars: Vec<usize> = text.char_indices().map(|(at, _)| at).chain([text.len()]).collect();
            let mut cuts: Vec<usize> = cuts.into_iter().map(|c| chars[c.min(chars.len() - 1)]).chain([0, text.len()]).collect();
            cuts.sort_unstable();
            prop_assert_eq!(feed(&stops, cuts.windows(2).map(|w| &text[w[0]..w[1]])), plainly(&stops, &text));
        }
    }
}
