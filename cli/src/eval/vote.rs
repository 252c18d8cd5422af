//! What an answer says in short, for the majority vote.

/// A short answer as a whole counts, if it has no number.
const SHORT: usize = 64;

/// The last number of an answer, written in one way; of a short answer without one, the text itself. None abstains.
pub(super) fn vote(answer: &str) -> Option<String> {
    let part = |c: char| c.is_ascii_digit() || matches!(c, '.' | ',' | '-');
    let last = answer.split(|c: char| !part(c)).rev().find_map(number);
    last.or_else(|| {
        let text = answer.trim().to_lowercase();
        (!text.is_empty() && text.len() <= SHORT).then_some(text)
    })
}

/// `1,234.50` as `1234.5`. A full stop or a comma at an end belongs to the sentence; a hyphen counts at the front alone.
fn number(text: &str) -> Option<String> {
    let text = text.trim_end_matches(['.', ',', '-']).trim_start_matches(['.', ',']);
    let digits = text.rsplit('-').next()?.replace(',', "");
    let sign = if text.starts_with('-') { "-" } else { "" };
    let value: f64 = format!("{sign}{digits}").parse().ok()?;
    Some(if value == 0.0 { "0".into() } else { value.to_string() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_number_votes_however_it_is_written() {
        let cases = [
            ("So 3 + 4 = 7.", "7"),
            ("the total is $1,234.50", "1234.5"),
            ("from 2 to -05", "-5"),
            ("pages 3-9", "9"),
            ("The answer is YES ", "the answer is yes"),
            ("-0.0", "0"),
        ];
        for (answer, wanted) in cases {
            assert_eq!(vote(answer).as_deref(), Some(wanted), "{answer}");
        }
        assert_eq!([vote(" \n"), vote(&"word ".repeat(40))], [None, None]);
    }
}
