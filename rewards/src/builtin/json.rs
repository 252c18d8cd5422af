//! Rewards answers that are JSON of a given shape.

use collimate_types::{Answer, BoxError, Prompt, Reward, Verdict};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::schema::Schema;
use crate::tagged::tagged;
use crate::{Builtin, CardCase, KnobCard, RewardCard, RewardError, knobs};

/// The longest answer that is read, in bytes.
const LONGEST: usize = 1 << 20;

/// The knobs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Knobs {
    /// What the JSON must be.
    schema: Value,
    /// The tag whose content is the JSON; all of the answer if empty.
    within: String,
    /// The score of JSON that fits.
    right: f64,
    /// The score of JSON that does not fit.
    unfit: f64,
    /// The score of what is no JSON.
    wrong: f64,
}

impl Default for Knobs {
    fn default() -> Self {
        Self { schema: json!({}), within: String::new(), right: 1.0, unfit: 0.0, wrong: 0.0 }
    }
}

static CARD: RewardCard = RewardCard {
    name: "json",
    claim: "The answer is JSON that fits a schema: all of it, or what stands in its last ``` fence.",
    knobs: &[
        KnobCard {
            name: "schema",
            help: "A JSON Schema (2020-12) of type, enum, const, minimum, maximum, exclusiveMinimum, exclusiveMaximum, minLength, maxLength, \
                   pattern, items, prefixItems, minItems, maxItems, uniqueItems, properties, required, additionalProperties, minProperties, \
                   maxProperties, allOf, anyOf, oneOf, not; any other keyword but annotations is refused.",
            default: "{}",
        },
        KnobCard { name: "within", help: "The tag whose last content is the JSON; empty: all of the answer.", default: "\"\"" },
        KnobCard { name: "right", help: "The score of JSON that fits.", default: "1.0" },
        KnobCard { name: "unfit", help: "The score of JSON that does not fit.", default: "0.0" },
        KnobCard { name: "wrong", help: "The score of what is no JSON.", default: "0.0" },
    ],
    cases: &[
        CardCase::new("null", r#"{"city": "Paris"}"#, 1.0),
        CardCase::new("null", r#"{"city": Paris}"#, 0.0),
        CardCase::new("null", "Here it is:\n```json\n{\"n\": 3}\n```", 1.0).with(r#"{"schema": {"required": ["n"]}}"#),
        CardCase::new("null", r#"{"n": "3"}"#, 0.2).with(r#"{"schema": {"properties": {"n": {"type": "integer"}}}, "unfit": 0.2}"#),
    ],
};

/// The roster's entry.
pub(super) struct Entry;

pub(super) static BUILTIN: Entry = Entry;

struct Json {
    schema: Schema,
    knobs: Knobs,
}

impl Builtin for Entry {
    fn card(&self) -> &'static RewardCard {
        &CARD
    }

    fn build(&self, given: &Map<String, Value>) -> Result<Box<dyn Reward>, Vec<RewardError>> {
        let knobs: Knobs = knobs::read(&CARD, given)?;
        knobs::finite(&CARD, &[("right", knobs.right), ("unfit", knobs.unfit), ("wrong", knobs.wrong)])?;
        let schema = Schema::read(&knobs.schema).map_err(|why| vec![knobs::impossible(&CARD, "schema", &knobs.schema, why)])?;
        Ok(Box::new(Json { schema, knobs }))
    }
}

impl Reward for Json {
    fn score(&self, _prompt: &Prompt, answer: &Answer<'_>) -> Result<Verdict, BoxError> {
        let text = tagged(answer.text, &self.knobs.within).map(fenced).filter(|text| text.len() <= LONGEST);
        let value = text.and_then(|text| serde_json::from_str::<Value>(text).ok());
        Ok(Verdict::score_of(match value {
            None => self.knobs.wrong,
            Some(value) if self.schema.fits(&value) => self.knobs.right,
            Some(_) => self.knobs.unfit,
        }))
    }
}

/// The content of the last ``` fence, or all of a text without one.
fn fenced(text: &str) -> &str {
    const FENCE: &str = "```";
    let found = text.rfind(FENCE).and_then(|end| {
        let start = text[..end].rfind(FENCE)? + FENCE.len();
        // The first line of a fence may name the language.
        let content = &text[start..end];
        Some(content.trim_start_matches(|c: char| c.is_ascii_alphanumeric()).trim())
    });
    found.unwrap_or(text).trim()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_card_lists_the_knobs() {
        super::super::assert_card_matches::<Knobs>(&CARD);
    }

    #[test]
    fn the_last_fence_counts() {
        assert_eq!(fenced("```json\n1\n``` or ```\n[2]\n``` so"), "[2]");
        assert_eq!((fenced(" 3 "), fenced("```json\n{}")), ("3", "```json\n{}"));
    }

    #[test]
    fn a_schema_beyond_the_subset_is_refused() {
        let error = BUILTIN.build(&Map::from_iter([("schema".to_owned(), json!({"$ref": "#"}))])).err().unwrap();
        assert!(error[0].to_string().contains("#/$ref"), "{error:?}");
    }
}
