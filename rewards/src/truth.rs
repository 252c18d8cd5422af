//! What a reward compares with: a field of the truth.

use serde_json::{Map, Value};

/// The value that counts, and how it is called in messages: the field of an object, or a truth that is no object as it is.
///
/// # Errors
/// Why there is none.
pub(crate) fn field<'a>(truth: &'a Value, name: &str) -> Result<(String, &'a Value), String> {
    match truth {
        Value::Object(map) => {
            let value = map.get(name).ok_or_else(|| missing(name, map))?;
            Ok((format!("field `{name}` of the truth"), value))
        }
        other => Ok(("the truth".to_owned(), other)),
    }
}

fn missing(field: &str, map: &Map<String, Value>) -> String {
    let has = crate::error::listed(map.keys().take(12).map(String::as_str));
    format!("the truth has no field `{field}` (set the knob `field`); it has {has}")
}

/// The texts of a truth: one text or number, or a list of them, any of which is right.
///
/// # Errors
/// Why there is none.
pub(crate) fn texts(truth: &Value, name: &str) -> Result<Vec<String>, String> {
    let (place, value) = field(truth, name)?;
    let one = |value: &Value| match value {
        Value::String(text) if !text.trim().is_empty() => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    };
    let texts: Option<Vec<String>> = match value {
        Value::Array(values) => values.iter().map(one).collect(),
        value => one(value).map(|text| vec![text]),
    };
    texts.filter(|texts| !texts.is_empty()).ok_or_else(|| format!("{place} is neither a text nor a number nor a list of them"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn texts_are_taken_from_a_field_or_as_they_are() {
        assert_eq!(texts(&json!({"answer": "a"}), "answer"), Ok(vec!["a".into()]));
        assert_eq!(texts(&json!([1, "b"]), "answer"), Ok(vec!["1".into(), "b".into()]));
        for (truth, wanted) in
            [(json!({"x": 1}), "no field"), (json!(null), "neither"), (json!([]), "neither"), (json!({"answer": " "}), "neither")]
        {
            assert!(texts(&truth, "answer").is_err_and(|e| e.contains(wanted)), "{truth}");
        }
    }
}
