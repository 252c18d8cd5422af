//! The algorithms, one file each. Registering one is one word below.

mod knobs;
mod policy;

use serde_json::Value;

use crate::{Algorithm, Card, KnobError, error::most_similar};

pub(crate) use knobs::read;
pub(crate) use policy::{KlTerm, PolicyLoss, Reduction};

/// An algorithm in the roster.
#[derive(Debug, Clone, Copy)]
pub struct Entry {
    /// Its card.
    pub card: &'static Card,
    /// Sets it up from a table of knobs; what is not given has its default.
    pub build: fn(&Value) -> Result<Box<dyn Algorithm>, KnobError>,
}

macro_rules! roster {
    ($($name:ident),+ $(,)?) => {
        $(mod $name;)+
        static ROSTER: &[Entry] = &[$(Entry { card: &$name::CARD, build: $name::build }),+];
    };
}

roster! { dapo, dr_grpo, grpo, reinforce, rloo }

/// All algorithms, by name.
#[must_use]
pub fn roster() -> &'static [Entry] {
    ROSTER
}

/// The algorithm of a name.
///
/// # Errors
/// If there is none; the error has the most similar name.
pub fn find(name: &str) -> Result<&'static Entry, KnobError> {
    ROSTER.iter().find(|e| e.card.name == name).ok_or_else(|| {
        let names = || ROSTER.iter().map(|e| e.card.name);
        let known = names().map(|n| format!("`{n}`")).collect::<Vec<_>>().join(", ");
        KnobError::UnknownAlgorithm { name: name.to_owned(), nearest: most_similar(name, names()), known }
    })
}

/// Sets an algorithm up.
///
/// # Errors
/// When the name, a knob or a value is unknown.
pub fn build(name: &str, knobs: &Value) -> Result<Box<dyn Algorithm>, KnobError> {
    (find(name)?.build)(knobs)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn every_algorithm_is_presentable() {
        for entry in roster() {
            let card = entry.card;
            assert!(card.paper.contains("arXiv:"), "{}: no paper", card.name);
            assert!(card.equation.len() > 8 && card.claim.ends_with('.') && !card.parts.is_empty(), "{}", card.name);
            assert!(card.knobs.iter().all(|k| k.help.ends_with('.')), "{}", card.name);
            let algorithm = (entry.build)(&json!({})).unwrap();
            assert_eq!(algorithm.card(), card);
        }
        let names: Vec<_> = roster().iter().map(|e| e.card.name).collect();
        assert!(names.is_sorted() && names.len() == 5);
    }

    #[test]
    fn the_defaults_on_a_card_are_the_ones_in_the_code() {
        for entry in roster() {
            let given: serde_json::Map<String, Value> =
                entry.card.knobs.iter().map(|k| (k.name.to_owned(), serde_json::from_str(k.default).unwrap())).collect();
            let (by_card, by_code) = ((entry.build)(&Value::Object(given)).unwrap(), (entry.build)(&json!({})).unwrap());
            assert_eq!(format!("{by_card:?}"), format!("{by_code:?}"), "{}", entry.card.name);
        }
    }

    #[test]
    fn what_is_unknown_is_refused_with_the_nearest() {
        let error = build("gropo", &json!({})).unwrap_err().to_string();
        assert!(error.contains("did you mean `grpo`?") && error.contains("`rloo`"), "{error}");
        let error = build("grpo", &json!({"epsilon_hihg": 0.3})).unwrap_err().to_string();
        assert!(error.contains("did you mean `epsilon_high`?") && error.contains("`beta`"), "{error}");
        let error = build("grpo", &json!({"beta": "much"})).unwrap_err();
        assert!(error.to_string().contains("`beta`") && error.knob() == Some("beta"), "{error}");
        let error = build("grpo", &json!({"epsilon_low": -0.1})).unwrap_err().to_string();
        assert!(error.contains("`epsilon_low` is -0.1"), "{error}");
    }
}
