//! Dialogues that are one text, their turns marked `\n\nHuman:` and `\n\nAssistant:` (Bai et al. 2022, arXiv:2204.05862).

use collimate_types::{Message, Speaker};

use crate::Fault;
use crate::fields::bad;

const HUMAN: &str = "\n\nHuman:";
const ASSISTANT: &str = "\n\nAssistant:";

/// A turn, with where its text begins in the dialogue (behind the mark).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Turn<'a> {
    pub(crate) role: Speaker,
    pub(crate) start: usize,
    /// As it stands, with the blank behind the mark.
    pub(crate) text: &'a str,
}

impl Turn<'_> {
    pub(crate) fn message(&self) -> Message {
        Message { role: self.role, content: self.text.trim().to_owned() }
    }
}

/// The turns of a dialogue.
///
/// # Errors
/// When it does not begin with a mark.
pub(crate) fn turns<'a>(field: &str, text: &'a str) -> Result<Vec<Turn<'a>>, Fault> {
    let mut found = Vec::new();
    let Some((mut role, mut start)) = mark(text).filter(|(at, ..)| *at == 0).map(|(_, role, behind)| (role, behind)) else {
        return Err(bad(
            field,
            "does not begin with `\\n\\nHuman:`",
            "a dialogue marks its turns with `\\n\\nHuman:` and `\\n\\nAssistant:`",
        ));
    };
    while let Some((at, next, behind)) = mark(&text[start..]) {
        found.push(Turn { role, start, text: &text[start..start + at] });
        (role, start) = (next, start + behind);
    }
    found.push(Turn { role, start, text: &text[start..] });
    Ok(found)
}

/// The first mark: where it stands, whose it is, and where the text behind it begins.
fn mark(text: &str) -> Option<(usize, Speaker, usize)> {
    let mut from = 0;
    loop {
        let at = from + text[from..].find("\n\n")?;
        let rest = &text[at..];
        if rest.starts_with(HUMAN) {
            return Some((at, Speaker::User, at + HUMAN.len()));
        }
        if rest.starts_with(ASSISTANT) {
            return Some((at, Speaker::Assistant, at + ASSISTANT.len()));
        }
        from = at + 1;
    }
}

/// Whether a text begins as a dialogue does.
pub(crate) fn is_dialogue(text: &str) -> bool {
    text.starts_with(HUMAN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn turns_keep_blank_lines_and_words_that_are_no_marks() {
        let text = "\n\nHuman: a\n\nb Human: c\n\n\n\nAssistant: d\n\nAssistant:";
        let turns = turns("x", text).unwrap();
        let found: Vec<_> = turns.iter().map(|t| (t.role, t.text)).collect();
        assert_eq!(found, [(Speaker::User, " a\n\nb Human: c\n\n"), (Speaker::Assistant, " d"), (Speaker::Assistant, "")]);
        assert!(turns.iter().all(|t| text[t.start..].starts_with(t.text)));
        assert_eq!(turns[0].message(), Message::user("a\n\nb Human: c"));
    }

    #[test]
    fn a_text_without_marks_is_refused() {
        for text in ["", "Human: a", "x\n\nHuman: a"] {
            assert!(turns("chosen", text).unwrap_err().to_string().contains("`chosen` does not begin"), "{text}");
        }
    }

    proptest::proptest! {
        #[test]
        fn nothing_is_lost(parts in proptest::collection::vec("[\nHuman: Assistant é]{0,24}", 0..6)) {
            let text = format!("{HUMAN}{}", parts.join(ASSISTANT));
            let rebuilt: String = turns("x", &text).unwrap().iter().map(|t| {
                let mark = if t.role == Speaker::User { HUMAN } else { ASSISTANT };
                format!("{mark}{}", t.text)
            }).collect();
            proptest::prop_assert_eq!(rebuilt, text);
        }
    }
}
