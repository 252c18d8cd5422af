//! What an author declares of a reward.

use std::ops::RangeInclusive;

use collimate_types::{BoxError, Reward};
use schemars::JsonSchema;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::wire::{Hello, PROTOCOL};

type Build = dyn FnOnce(Value) -> Result<Box<dyn Reward>, String>;

/// A reward with what its author declares of it. Give it to [`main!`](crate::main).
pub struct Plugin {
    pub(crate) hello: Hello,
    pub(crate) build: Box<Build>,
}

impl std::fmt::Debug for Plugin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Plugin").field("hello", &self.hello).finish_non_exhaustive()
    }
}

/// No setting: every key is refused by name.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Nothing {}

impl Plugin {
    /// A reward without settings: a closure, a function, or a type that implements [`Reward`].
    pub fn of(reward: impl Reward + 'static) -> Self {
        Self::with(move |Nothing {}| Ok(reward))
    }

    /// A reward that is made from the `config` table of the recipe. Derive `Deserialize` and [`JsonSchema`] for the settings, and give them
    /// `#[serde(default, deny_unknown_fields)]`: then a recipe may leave keys out, and a wrong key is refused by name before the run.
    ///
    /// ```
    /// use collimate_reward_sdk::{Answer, JsonSchema, Plugin, Prompt, serde::Deserialize};
    ///
    /// #[derive(Deserialize, JsonSchema, Default)]
    /// #[serde(default, deny_unknown_fields, crate = "collimate_reward_sdk::serde")]
    /// #[schemars(crate = "collimate_reward_sdk::schemars")]
    /// struct Config {
    ///     /// The word that earns the point.
    ///     word: String,
    /// }
    ///
    /// let plugin = Plugin::with(|config: Config| {
    ///     Ok(move |_: &Prompt, answer: &Answer<'_>| f64::from(answer.text.contains(&config.word)))
    /// });
    /// # let _ = plugin;
    /// ```
    pub fn with<C, R>(build: impl FnOnce(C) -> Result<R, BoxError> + 'static) -> Self
    where
        C: DeserializeOwned + JsonSchema,
        R: Reward + 'static,
    {
        let schema = schemars::schema_for!(C).to_value();
        let hello = Hello {
            collimate_reward: PROTOCOL,
            name: "plugin".into(),
            version: "0".into(),
            range: None,
            deterministic: true,
            whole_groups: false,
            schema: Some(schema),
        };
        let build = move |config: Value| {
            let config: C = serde_json::from_value(config).map_err(|e| e.to_string())?;
            Ok(Box::new(build(config).map_err(|e| e.to_string())?) as Box<dyn Reward>)
        };
        Self { hello, build: Box::new(build) }
    }

    /// The scores that are possible. A score outside is not taken: the answer counts as unscorable, and the range is named.
    #[must_use]
    pub fn range(mut self, range: RangeInclusive<f64>) -> Self {
        self.hello.range = Some([*range.start(), *range.end()]);
        self
    }

    /// Says that the same answer may get another score another time (a judge that samples, a clock). Nothing is cached then.
    #[must_use]
    pub fn not_deterministic(mut self) -> Self {
        self.hello.deterministic = false;
        self
    }

    /// Asks for all answers to a prompt at once, through [`Reward::score_group`]: for rewards that compare answers. The group's rollouts have
    /// text, tokens and finish; their log-probabilities stay with the trainer (the lists are empty).
    #[must_use]
    pub fn whole_groups(mut self) -> Self {
        self.hello.whole_groups = true;
        self
    }

    /// Its name and version in messages.
    #[must_use]
    pub fn named(mut self, name: &str, version: &str) -> Self {
        self.hello.name = name.into();
        self.hello.version = version.into();
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use collimate_types::{Answer, Prompt};
    use serde_json::json;

    #[derive(Deserialize, JsonSchema, Default)]
    #[serde(default, deny_unknown_fields)]
    struct Config {
        /// The word that earns the point.
        word: String,
    }

    fn polite() -> Plugin {
        Plugin::with(|config: Config| {
            if config.word.is_empty() {
                return Err("`word` is empty".into());
            }
            Ok(move |_: &Prompt, a: &Answer<'_>| f64::from(a.text.contains(&config.word)))
        })
    }

    #[test]
    fn settings_are_typed_described_and_refused_by_name() {
        let schema = polite().hello.schema.unwrap();
        assert_eq!(schema["properties"]["word"]["description"], "The word that earns the point.");
        assert!((polite().build)(json!({"word": "please"})).is_ok());
        let refused = |config| (polite().build)(config).err().unwrap();
        assert!(refused(json!({"wrod": "x"})).contains("unknown field `wrod`, expected `word`"));
        assert!(refused(json!({"word": 5})).contains("invalid type"));
        assert_eq!(refused(json!({})), "`word` is empty");
        let none = Plugin::of(|_: &Prompt, _: &Answer<'_>| 1.0);
        assert!((none.build)(json!({"x": 1})).err().unwrap().contains("`x`"));
    }

    #[test]
    fn what_is_declared_is_said() {
        let hello = polite().range(-1.0..=2.0).not_deterministic().whole_groups().named("polite", "1.2.3").hello;
        assert_eq!((hello.range, hello.deterministic, hello.whole_groups), (Some([-1.0, 2.0]), false, true));
        assert_eq!((hello.name.as_str(), hello.version.as_str(), hello.collimate_reward), ("polite", "1.2.3", PROTOCOL));
    }
}
