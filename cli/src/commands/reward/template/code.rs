//! A reward: one point for the right number, and a little more for a polite word.

use std::collections::BTreeMap;

use collimate_reward_sdk::{Answer, BoxError, JsonSchema, Plugin, Prompt, Reward, Verdict};
use serde::Deserialize;

/// The `config` of the recipe. A key that is not here is refused before the run.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
struct Config {
    /// The polite word.
    word: String,
    /// What it is worth.
    bonus: f64,
}

impl Default for Config {
    fn default() -> Self {
        Self { word: "please".into(), bonus: 0.1 }
    }
}

impl Reward for Config {
    fn score(&self, prompt: &Prompt, answer: &Answer<'_>) -> Result<Verdict, BoxError> {
        // `truth` is what the data keep for a reward. An error says: this cannot be judged. It is counted, and never becomes a 0.
        let truth = prompt.task.truth.get("answer").ok_or("the row has no `answer`")?;
        let truth = truth.as_str().map_or_else(|| truth.to_string(), str::to_owned);
        let number = answer.text.split(|c: char| !c.is_ascii_digit()).rfind(|n| !n.is_empty());
        let right = f64::from(number == Some(truth.as_str()));
        let polite = if answer.text.to_lowercase().contains(&self.word) { self.bonus } else { 0.0 };
        let parts = BTreeMap::from([("right".to_owned(), right), ("polite".to_owned(), polite)]);
        Ok(Verdict::with_parts(right + polite, parts))
    }
}

fn plugin() -> Plugin {
    Plugin::with(|config: Config| {
        if !config.bonus.is_finite() {
            return Err("`bonus` is a finite number".into());
        }
        Ok(config)
    })
}

collimate_reward_sdk::main!(plugin());

#[cfg(test)]
mod tests {
    use super::*;
    use collimate_reward_sdk::testing;
    use serde_json::json;

    #[test]
    fn the_right_number_and_a_polite_word_are_rewarded() {
        let score = |answer: &str| testing::score(&Config::default(), json!({"answer": "42"}), answer);
        assert_eq!(score("So it is 42."), Some(1.0));
        assert_eq!(score("Please take 42."), Some(1.1));
        assert_eq!(score("It is 7."), Some(0.0));
    }

    #[test]
    fn a_row_without_an_answer_is_not_judged() {
        assert_eq!(testing::score(&Config::default(), json!({}), "42"), None);
    }
}
