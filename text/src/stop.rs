//! Stop texts, which may span tokens.

/// What a piece of text added.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Found {
    /// Text that is final: it lies before any stop text that may still come.
    pub text: String,
    /// Whether a stop text is complete; it and what follows are dropped.
    pub stopped: bool,
}

/// Looks for stop texts in text that comes in pieces. Keeps back no more than the longest stop text could still need.
#[derive(Debug, Clone)]
pub struct StopMatcher {
    stops: Vec<String>,
    held: String,
}

impl StopMatcher {
    /// A matcher for these texts; empty ones are ignored.
    #[must_use]
    pub fn new(stops: &[String]) -> Self {
        Self { stops: stops.iter().filter(|s| !s.is_empty()).cloned().collect(), held: String::new() }
    }

    /// Takes the next piece.
    pub fn push(&mut self, piece: &str) -> Found {
        if self.stops.is_empty() {
            return Found { text: piece.to_owned(), stopped: false };
        }
        self.held.push_str(piece);
        if let Some(at) = self.stops.iter().filter_map(|s| self.held.find(s.as_str())).min() {
            self.held.truncate(at);
            return Found { text: std::mem::take(&mut self.held), stopped: true };
        }
        let keep = self.stops.iter().map(|s| overlap(&self.held, s)).max().unwrap_or(0);
        let rest = self.held.split_off(self.held.len() - keep);
        Found { text: std::mem::replace(&mut self.held, rest), stopped: false }
    }

    /// The text that was kept back, when nothing follows any more.
    pub fn finish(&mut self) -> String {
        std::mem::take(&mut self.held)
    }
}

/// How many bytes at the end of `text` are a beginning of `stop`.
fn overlap(text: &str, stop: &str) -> usize {
    let longest = text.len().min(stop.len() - 1);
    (1..=longest).rev().find(|n| text.as_bytes().ends_with(&stop.as_bytes()[..*n]) && text.is_char_boundary(text.len() - n)).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn feed(stops: &[&str], pieces: &[&str]) -> (String, bool) {
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
        assert_eq!(feed(&["END"], &["abE", "N", "Dxy"]), ("ab".into(), true));
        assert_eq!(feed(&["END"], &["abE", "N", "Xxy"]), ("abENXxy".into(), false));
        assert_eq!(feed(&["\n\n", "Q:"], &["4\n", "Q", ":"]), ("4\n".into(), true));
        assert_eq!(feed(&["aab"], &["a", "a", "a", "b"]), ("a".into(), true));
        assert_eq!(feed(&["é!"], &["caf", "é", "?"]), ("café?".into(), false));
        assert_eq!(feed(&[], &["a", "b"]), ("ab".into(), false));
    }

    #[test]
    fn the_earliest_stop_counts() {
        assert_eq!(feed(&["later", "la"], &["a later"]), ("a ".into(), true));
    }
}
