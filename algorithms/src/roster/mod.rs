//! The algorithms, one file each. Registering one is one word below.

use serde_json::Value;

use crate::{Algorithm, Build, Card, Family, KnobError, Method, error::most_similar};

/// An algorithm in the roster.
#[derive(Debug, Clone, Copy)]
pub struct Entry {
    /// Its card.
    pub card: &'static Card,
    /// Sets it up from a table of knobs; what is not given has its default.
    pub build: Build,
}

macro_rules! roster {
    ($($name:ident),+ $(,)?) => {
        $(mod $name;)+
        static ROSTER: &[Entry] = &[$(Entry { card: &$name::CARD, build: |knobs| $name::build(knobs).map(Method::from) }),+];
    };
}

roster! {
    apo_down,
    apo_zero,
    bco_pair,
    cispo,
    cpo,
    dapo,
    dpo,
    dpo_norm,
    dr_grpo,
    exo,
    gmpo,
    grpo,
    gspo,
    hinge,
    ipo,
    kto,
    lite_ppo,
    nca,
    opo,
    orpo,
    ppo,
    reinforce,
    reinforce_pp,
    reinforce_pp_baseline,
    remax,
    reward_model,
    rloo,
    robust,
    sapo,
    sft,
    simpo,
    sppo,
    vespo,
}

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

/// Sets an algorithm of any family up.
///
/// # Errors
/// When the name, a knob or a value is unknown, or two parts make no sense together.
pub fn method(name: &str, knobs: &Value) -> Result<Method, KnobError> {
    (find(name)?.build)(knobs)
}

/// Sets an online algorithm up.
///
/// # Errors
/// As [`method`], and when the algorithm learns from given data.
pub fn build(name: &str, knobs: &Value) -> Result<Box<dyn Algorithm>, KnobError> {
    let card = find(name)?.card;
    if card.family != Family::Online {
        // Told before its knobs are read: a recipe's are likely another algorithm's.
        return Err(KnobError::Family { algorithm: card.name, has: card.family.data(), wanted: Family::Online.data() });
    }
    method(name, knobs)?.online()
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
            assert!(card.equation.len() > 8 && card.claim.ends_with('.'), "{}", card.name);
            assert!(card.all_knobs().all(|k| k.help.ends_with('.')), "{}", card.name);
            let method = (entry.build)(&json!({})).unwrap();
            assert_eq!(method.card(), card);
            for part in method.parts() {
                assert!(card.parts.contains(&part), "{}: {part} is not on the card", card.name);
            }
        }
        let names: Vec<_> = roster().iter().map(|e| e.card.name).collect();
        assert!(names.is_sorted() && names.len() == 33);
    }

    #[test]
    fn the_defaults_on_a_card_are_the_ones_in_the_code() {
        for entry in roster() {
            let given: serde_json::Map<String, Value> =
                entry.card.all_knobs().map(|k| (k.name.to_owned(), serde_json::from_str(k.default).unwrap())).collect();
            assert_eq!(given.len(), entry.card.all_knobs().count(), "{}: a knob twice", entry.card.name);
            let (by_card, by_code) = ((entry.build)(&Value::Object(given)).unwrap(), (entry.build)(&json!({})).unwrap());
            assert_eq!(format!("{by_card:?}"), format!("{by_code:?}"), "{}", entry.card.name);
        }
    }

    #[test]
    fn every_knob_on_a_card_is_read() {
        for entry in roster() {
            for knob in entry.card.all_knobs() {
                let error = (entry.build)(&json!({ knob.name: ["never"] })).map(|m| m.card().name).unwrap_err();
                assert_eq!(error.knob(), Some(knob.name), "{}: {error}", entry.card.name);
            }
        }
    }

    #[test]
    fn another_family_is_refused_with_what_it_learns_from() {
        let error = build("dpo", &json!({"epsilon_low": 0.2})).unwrap_err().to_string();
        assert_eq!(error, "`dpo` learns from pairs of answers, one preferred, not from answers it draws itself and their scores");
    }

    /// What does not go together, the knob that is to change, and a word of the reason.
    #[test]
    fn pairs_that_make_no_sense_are_refused_with_the_reason() {
        let cases = [
            (json!({"delta": 1.1}), "delta", "never bite"),
            (json!({"delta": 3.0, "dual_clip": 3.0}), "dual_clip", "one of them"),
            (json!({"kl_target": 6.0, "beta": 0.1}), "kl_target", "kl_in = \"reward\""),
            (json!({"kl_target": 6.0, "kl_in": "reward"}), "kl_target", "0 stays 0"),
            (json!({"kl_straight_through": true, "kl_in": "reward"}), "kl_straight_through", "no gradient"),
            (json!({"kl_straight_through": true}), "kl_straight_through", "twice"),
            (json!({"kl_straight_through": true, "kl_estimator": "full"}), "kl_straight_through", "true gradient already"),
            (json!({"kl_estimator": "full", "kl_in": "reward"}), "kl_estimator", "by drawn token"),
            (json!({"kl_estimator": "k1", "kl_correction": false}), "kl_estimator", "mean 0"),
            (json!({"correction_high": 2.0}), "correction_high", "choose a correction"),
            (json!({"correction": "tis_token", "correction_low": 0.5}), "correction_low", "cap alone"),
        ];
        for (knobs, knob, reason) in cases {
            let error = build("grpo", &knobs).unwrap_err();
            assert!(error.knob() == Some(knob) && error.to_string().contains(reason), "{knobs}: {error}");
        }
        for fine in [
            json!({"kl_straight_through": true, "kl_correction": false, "kl_estimator": "k1"}),
            json!({"kl_target": 6.0, "kl_in": "reward", "beta": 0.1}),
            json!({"correction": "icepop", "correction_low": 0.2, "correction_high": 5.0}),
        ] {
            build("grpo", &fine).unwrap();
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
