//! Just enough of Rust's lexis to tell code from comments and strings, so that a rule about code reads code only.

/// A file's text twice, byte for byte in place: once with everything but code blanked, once with strings blanked only.
#[derive(Debug)]
pub(crate) struct Layers {
    /// Code alone: comments, strings and character literals are spaces.
    pub(crate) code: String,
    /// Code and comments: strings and character literals are spaces.
    pub(crate) prose: String,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Code,
    Comment,
    Literal,
}

/// Splits a source file into its layers.
pub(crate) fn layers(text: &str) -> Layers {
    let bytes = text.as_bytes();
    let mut kinds = vec![Kind::Code; bytes.len()];
    let mut at = 0;
    while at < bytes.len() {
        let (end, kind) = token(bytes, at);
        kinds[at..end].fill(kind);
        at = end;
    }
    let keep = |wanted: &[Kind]| -> String {
        let byte = |(&byte, kind): (&u8, &Kind)| match byte {
            b'\n' => '\n',
            byte if byte.is_ascii() && wanted.contains(kind) => char::from(byte),
            _ => ' ',
        };
        bytes.iter().zip(&kinds).map(byte).collect()
    };
    Layers { code: keep(&[Kind::Code]), prose: keep(&[Kind::Code, Kind::Comment]) }
}

/// The end and kind of the piece that starts at `at`.
fn token(bytes: &[u8], at: usize) -> (usize, Kind) {
    let rest = &bytes[at..];
    if rest.starts_with(b"//") {
        return (at + rest.iter().position(|&b| b == b'\n').unwrap_or(rest.len()), Kind::Comment);
    }
    if rest.starts_with(b"/*") {
        return (block_comment(bytes, at), Kind::Comment);
    }
    if rest[0] == b'"' {
        return (string(bytes, at), Kind::Literal);
    }
    let starts_word = at == 0 || !is_word(bytes[at - 1]);
    if starts_word && let Some(end) = raw_string(bytes, at) {
        return (end, Kind::Literal);
    }
    if rest[0] == b'\''
        && let Some(end) = character(bytes, at)
    {
        return (end, Kind::Literal);
    }
    (at + 1, Kind::Code)
}

fn block_comment(bytes: &[u8], start: usize) -> usize {
    let (mut depth, mut at) = (0_usize, start);
    while at < bytes.len() {
        match &bytes[at..] {
            [b'/', b'*', ..] => (depth, at) = (depth + 1, at + 2),
            [b'*', b'/', ..] => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
        if depth == 0 {
            break;
        }
    }
    at.min(bytes.len())
}

fn string(bytes: &[u8], start: usize) -> usize {
    let mut at = start + 1;
    while at < bytes.len() {
        match bytes[at] {
            b'\\' => at += 2,
            b'"' => return at + 1,
            _ => at += 1,
        }
    }
    bytes.len()
}

/// `r"..."`, `r#"..."#`, with `b` or `c` before; `None` where none starts.
fn raw_string(bytes: &[u8], start: usize) -> Option<usize> {
    let mut at = start;
    if matches!(bytes[at], b'b' | b'c') {
        at += 1;
    }
    if bytes.get(at) != Some(&b'r') {
        return None;
    }
    at += 1;
    let hashes = bytes[at..].iter().take_while(|&&b| b == b'#').count();
    at += hashes;
    if bytes.get(at) != Some(&b'"') {
        return None;
    }
    at += 1;
    let close = [b"\"".as_slice(), &b"#".repeat(hashes)].concat();
    let length = bytes[at..].windows(close.len()).position(|window| window == close)?;
    Some(at + length + close.len())
}

/// A character literal; `None` for a lifetime.
fn character(bytes: &[u8], start: usize) -> Option<usize> {
    let after = *bytes.get(start + 1)?;
    if after == b'\\' {
        let close = bytes[start + 3..].iter().position(|&b| b == b'\'')?;
        return Some(start + 3 + close + 1);
    }
    // One character of up to four bytes, then the closing quote at once.
    let width = match after {
        0x00..=0x7f => 1,
        0xc0..=0xdf => 2,
        0xe0..=0xef => 3,
        _ => 4,
    };
    (bytes.get(start + 1 + width) == Some(&b'\'')).then_some(start + width + 2)
}

/// Whether a byte can be part of a name.
pub(crate) fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

/// The byte offsets where `word` stands in `text` as a whole word.
pub(crate) fn word_offsets<'a>(text: &'a str, word: &'a str) -> impl Iterator<Item = usize> + 'a {
    let bytes = text.as_bytes();
    text.match_indices(word).map(|(at, _)| at).filter(move |&at| {
        let before = at.checked_sub(1).is_none_or(|i| !is_word(bytes[i]));
        let after = bytes.get(at + word.len()).is_none_or(|&b| !is_word(b));
        before && after
    })
}

/// The line, from 1, of a byte offset.
pub(crate) fn line_of(text: &str, offset: usize) -> usize {
    text.as_bytes()[..offset].iter().filter(|&&b| b == b'\n').count() + 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_and_literals_are_told_from_code() {
        let text =
            "let a = \"x { // \\\" y\"; // tail }\nlet b = r#\"raw \" {\"#; /* a /* b */ { */ let c = '{';\nfn f<'a>(x: &'a str) {}\n";
        let layers = layers(text);
        assert_eq!(layers.code.len(), text.len());
        assert_eq!(layers.code.matches('{').count(), 1, "{}", layers.code);
        assert!(layers.code.contains("fn f<'a>(x: &'a str) {}"));
        assert!(layers.prose.contains("// tail }") && !layers.prose.contains("raw"));
    }

    #[test]
    fn escaped_quotes_and_wide_characters_end_where_they_should() {
        let layers = layers("let a = ['\\'', '\"', 'é', '\\u{1F600}', b'x']; let done = 1;");
        assert!(layers.code.contains("let done = 1;"), "{}", layers.code);
        assert!(!layers.code.contains('"'));
    }

    #[test]
    fn a_word_is_not_found_inside_another() {
        assert_eq!(word_offsets("unsafe_code unsafe xunsafe", "unsafe").collect::<Vec<_>>(), [12]);
    }
}
