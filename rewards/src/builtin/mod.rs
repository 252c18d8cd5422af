//! The rewards that ship with the program, one file each.

use crate::Builtin;

/// One word per reward: declares its file and lists it.
macro_rules! roster {
    ($($name:ident),+ $(,)?) => {
        $(mod $name;)+
        static BUILTINS: &[&dyn Builtin] = &[$(&$name::BUILTIN),+];
    };
}

roster! { choice, exact, format, json, language, length, math, numeric, overlong, repetition, tags }

/// All built-in rewards, by name.
#[must_use]
pub fn roster() -> &'static [&'static dyn Builtin] {
    BUILTINS
}

/// Checks that a card lists exactly the knobs of a reward with their defaults.
#[cfg(test)]
fn assert_card_matches<K: Default + serde::Serialize>(card: &crate::RewardCard) {
    let knobs = serde_json::to_value(K::default()).unwrap();
    let listed = card.knobs.iter().map(|k| (k.name.to_owned(), serde_json::from_str(k.default).unwrap()));
    assert_eq!(knobs, serde_json::Value::Object(listed.collect()), "{}", card.name);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::set::testing::{answer, prompt};

    #[test]
    fn every_reward_is_presentable_and_builds_from_its_defaults() {
        for builtin in roster() {
            let card = builtin.card();
            assert!(card.claim.ends_with('.'), "{}", card.name);
            assert!(card.knobs.iter().all(|k| k.help.ends_with('.')), "{}", card.name);
            let defaults = card.knobs.iter().map(|k| (k.name.to_owned(), serde_json::from_str(k.default).unwrap()));
            assert!(builtin.build(&defaults.collect()).is_ok() && builtin.build(&serde_json::Map::new()).is_ok(), "{}", card.name);
        }
        assert!(roster().is_sorted_by_key(|b| b.card().name));
    }

    #[test]
    fn every_card_tells_what_the_reward_says() {
        for builtin in roster() {
            let card = builtin.card();
            assert!(card.cases.len() >= 2, "{} has too few cases", card.name);
            for case in card.cases {
                let read = |text: &str| serde_json::from_str(text).unwrap_or_else(|e| panic!("{}: {text}: {e}", card.name));
                let serde_json::Value::Object(knobs) = read(case.knobs) else { panic!("{case:?}") };
                let reward = builtin.build(&knobs).unwrap_or_else(|e| panic!("{case:?}: {e:?}"));
                let verdict = reward.score(&prompt(read(case.truth)), &answer(case.answer)).unwrap();
                let score = verdict.score().map(|s| s.total);
                let near = score.zip(case.score).is_some_and(|(a, b)| (a - b).abs() < 1e-9);
                assert!(near || (score, case.score) == (None, None), "{}: {case:?} has {verdict:?}", card.name);
            }
        }
    }

    #[test]
    fn every_reward_judges_any_answer_in_a_blink() {
        let pieces = [
            "a",
            "1",
            " ",
            "(B) ",
            "{",
            "[1,",
            "\"\\",
            "<think>",
            "</answer>",
            "word ",
            "Das ist ein Satz. ",
            "```json\n",
            "\\boxed{",
            "answer: ",
            "\u{0}",
            "\n",
        ];
        for builtin in roster() {
            let reward = builtin.build(&serde_json::Map::new()).unwrap();
            for piece in pieces {
                let text = piece.repeat((2 << 20) / piece.len());
                let start = std::time::Instant::now();
                let _ = reward.score(&prompt(serde_json::json!({"answer": "B"})), &answer(&text));
                assert!(start.elapsed().as_secs_f64() < 1.5, "{} took {:?} for {piece:?}", builtin.card().name, start.elapsed());
            }
        }
    }
}
