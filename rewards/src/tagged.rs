//! The part of an answer that stands in a tag.

/// The content of the last closed `<tag>…</tag>`, trimmed; all of the text if no tag is asked for. `None` if the tag is not there.
pub(crate) fn tagged<'a>(text: &'a str, tag: &str) -> Option<&'a str> {
    if tag.is_empty() {
        return Some(text.trim());
    }
    let end = text.rfind(&format!("</{tag}>"))?;
    let open = format!("<{tag}>");
    let start = text[..end].rfind(&open)? + open.len();
    Some(text[start..end].trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_closed_tag_counts() {
        assert_eq!(tagged("<a>1</a> <a> 2 </a> <a>3", "a"), Some("2"));
        assert_eq!((tagged(" x ", ""), tagged("x", "a"), tagged("</a><a>", "a")), (Some("x"), None, None));
    }
}
