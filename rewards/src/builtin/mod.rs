//! The rewards that ship with the program, one file each.

use crate::Builtin;

/// One word per reward: declares its file and lists it.
macro_rules! roster {
    ($($name:ident),+ $(,)?) => {
        $(mod $name;)+
        static BUILTINS: &[&dyn Builtin] = &[$(&$name::BUILTIN),+];
    };
}

roster! { format, length, numeric }

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
}
