//! A list of texts that takes no more memory than it takes in the file.

/// Texts end to end, with the place where each one ends.
///
/// A vocabulary of 50,000 tokens is two allocations instead of 50,000; in a hostile file a million empty texts cost eight bytes each, as
/// they do on disk.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Strings {
    text: String,
    ends: Vec<usize>,
}

impl Strings {
    /// How many texts there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// The text at position `at`.
    #[must_use]
    pub fn get(&self, at: usize) -> Option<&str> {
        let end = *self.ends.get(at)?;
        let start = at.checked_sub(1).map_or(0, |before| self.ends[before]);
        Some(&self.text[start..end])
    }

    /// The texts in order.
    #[must_use = "iterators do nothing until they are read"]
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &str> {
        (0..self.len()).map(|at| self.get(at).unwrap_or_default())
    }

    /// Appends a text.
    pub fn push(&mut self, text: &str) {
        self.text.push_str(text);
        self.ends.push(self.text.len());
    }
}

impl<S: AsRef<str>> FromIterator<S> for Strings {
    fn from_iter<I: IntoIterator<Item = S>>(texts: I) -> Self {
        let mut strings = Self::default();
        texts.into_iter().for_each(|text| strings.push(text.as_ref()));
        strings
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_come_back_in_order_empty_ones_too() {
        let strings: Strings = ["a", "", "übel", ""].into_iter().collect();
        assert_eq!(strings.iter().collect::<Vec<_>>(), ["a", "", "übel", ""]);
        assert_eq!((strings.get(2), strings.get(4)), (Some("übel"), None));
    }
}
