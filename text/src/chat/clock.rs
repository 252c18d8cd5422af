//! `strftime_now` of chat templates, at a fixed moment.
//!
//! Some templates write today's date into the system prompt. Prompts would then differ from day to day, a resumed run would not go on as it
//! began, and cached log-probabilities would be wrong without a sign. The moment is Friday, 26 July 2024, 00:00: the date that Llama 3's
//! templates themselves fall back to where the function is missing.

use minijinja::{Error, ErrorKind};

/// What each directive of C's `strftime` writes, and without leading zeros (`%-d`).
const DIRECTIVES: [(char, &str, &str); 20] = [
    ('a', "Fri", "Fri"),
    ('A', "Friday", "Friday"),
    ('b', "Jul", "Jul"),
    ('B', "July", "July"),
    ('d', "26", "26"),
    ('e', "26", "26"),
    ('F', "2024-07-26", "2024-07-26"),
    ('H', "00", "0"),
    ('I', "12", "12"),
    ('j', "208", "208"),
    ('m', "07", "7"),
    ('M', "00", "0"),
    ('p', "AM", "AM"),
    ('S', "00", "0"),
    ('T', "00:00:00", "00:00:00"),
    ('w', "5", "5"),
    ('y', "24", "24"),
    ('Y', "2024", "2024"),
    ('z', "+0000", "+0000"),
    ('%', "%", "%"),
];

/// The fixed moment in a format of C's `strftime`.
pub(super) fn strftime_now(format: &str) -> Result<String, Error> {
    let mut text = String::new();
    let mut chars = format.chars();
    while let Some(c) = chars.next() {
        if c != '%' {
            text.push(c);
            continue;
        }
        let mut directive = chars.next();
        let bare = directive == Some('-');
        if bare {
            directive = chars.next();
        }
        let known = DIRECTIVES.iter().find(|(name, ..)| Some(*name) == directive);
        let Some((_, padded, plain)) = known else {
            let what = format!("strftime_now does not know `%{}`", directive.map(String::from).unwrap_or_default());
            return Err(Error::new(ErrorKind::InvalidOperation, what));
        };
        text.push_str(if bare { plain } else { padded });
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_date_is_always_the_same() {
        assert_eq!(strftime_now("%d %b %Y").unwrap(), "26 Jul 2024");
        assert_eq!(strftime_now("%A, %B %d; %-m/%m 100%%").unwrap(), "Friday, July 26; 7/07 100%");
        assert!(strftime_now("%Q").unwrap_err().to_string().contains("`%Q`"));
        assert!(strftime_now("%").is_err());
    }
}
