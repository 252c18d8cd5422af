//! UltraFeedback as binarised for Zephyr (Cui et al. 2023, arXiv:2310.01377; Tunstall et al. 2023, arXiv:2310.16944): two conversations
//! with the scores that a judge gave their answers.

use collimate_types::{PreferencePair, Reply};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::chat::conversation;
use crate::fields::{bad, has, list, number, own_id};
use crate::{DataConfig, DataError, Fault, FieldCard, Format, FormatCard, KnobCard, Reading, Row};

/// The knobs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Knobs {
    /// Pairs whose scores differ by less than this are left out; 0 takes all, ties with a label of one half.
    pub min_margin: f64,
}

impl Default for Knobs {
    fn default() -> Self {
        Self { min_margin: 0.0 }
    }
}

/// The format.
#[derive(Debug, Clone, Copy)]
pub struct UltraFeedback;

/// The one instance.
pub static FORMAT: UltraFeedback = UltraFeedback;

static CARD: FormatCard = FormatCard {
    name: "ultrafeedback",
    claim: "Two scored conversations with a common prompt; the margin is the difference of the scores, and equal scores are a tie with the label one half.",
    fields: &[
        FieldCard { name: "prompt", kind: "string, optional", help: "Not read: the conversations hold it." },
        FieldCard { name: "prompt_id", kind: "string, optional", help: "Not read: many pairs may share it." },
        FieldCard { name: "chosen", kind: "list of {role, content}", help: "The conversation with the preferred answer." },
        FieldCard { name: "rejected", kind: "list of {role, content}", help: "The conversation with the other one." },
        FieldCard { name: "score_chosen", kind: "number", help: "The judge's score of the preferred answer." },
        FieldCard { name: "score_rejected", kind: "number", help: "The judge's score of the other one." },
        FieldCard { name: "messages", kind: "list of {role, content}, optional", help: "Not read: it repeats `chosen`." },
    ],
    knobs: &[KnobCard { name: "min_margin", help: "Pairs whose scores differ by less than this are left out.", default: "0.0" }],
    sample: r#"{"prompt": "Name a prime.", "prompt_id": "p7", "chosen": [{"content": "Name a prime.", "role": "user"}, {"content": "Seven.", "role": "assistant"}], "rejected": [{"content": "Name a prime.", "role": "user"}, {"content": "Nine.", "role": "assistant"}], "messages": [{"content": "Name a prime.", "role": "user"}, {"content": "Seven.", "role": "assistant"}], "score_chosen": 8.5, "score_rejected": 4.0}"#,
};

const LOW: &str = "the scores differ by less than data.ultrafeedback.min_margin";
const TIE: &str = "a tie";
const EMPTY: &str = "an answer is empty";

impl Format for UltraFeedback {
    fn card(&self) -> &'static FormatCard {
        &CARD
    }

    fn sniff(&self, row: &Map<String, Value>) -> bool {
        let talks = ["chosen", "rejected"].iter().all(|side| row.get(*side).is_some_and(Value::is_array));
        talks && has(row, "score_chosen") && has(row, "score_rejected")
    }

    fn read(&self, row: &Row, config: &DataConfig) -> Result<Reading, Fault> {
        let row = &row.json;
        let _ = own_id(row, "prompt_id")?;
        let (chosen, rejected) = (conversation("chosen", list(row, "chosen")?)?, conversation("rejected", list(row, "rejected")?)?);
        let (good, poor) = (number(row, "score_chosen")?, number(row, "score_rejected")?);
        if good < poor {
            return Err(bad("score_chosen", format!("is {good}, less than the rejected one's {poor}"), "swap the sides"));
        }
        if good - poor < config.ultrafeedback.min_margin {
            return Ok(Reading::left_out(LOW));
        }
        let (messages, chosen, rejected) = super::preference::common(chosen, rejected)?;
        let empty = |reply: &Reply| reply.said().trim().is_empty();
        let (blank, tie) = (empty(&chosen) || empty(&rejected), good == poor);
        let pair = PreferencePair {
            id: String::new(),
            text: None,
            messages,
            chosen,
            rejected,
            label: if tie { 0.5 } else { 1.0 },
            margin: Some(good - poor),
            subset: String::new(),
        };
        Ok(Reading::from(pair).noting(blank, EMPTY).noting(tie, TIE))
    }

    fn check(&self, config: &DataConfig) -> Vec<DataError> {
        let margin = config.ultrafeedback.min_margin;
        let wanted = "a number, 0 or more".into();
        let good = margin.is_finite() && margin >= 0.0;
        if good {
            Vec::new()
        } else {
            vec![DataError::Setting { key: "ultrafeedback.min_margin".into(), value: margin.to_string(), wanted }]
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Example;
    use collimate_types::Message;
    use serde_json::json;

    fn read(changes: Value, min_margin: f64) -> Result<Reading, Fault> {
        let mut json: Map<String, Value> = serde_json::from_str(CARD.sample).unwrap();
        let Value::Object(changes) = changes else { panic!("not an object") };
        json.extend(changes);
        let config = DataConfig { ultrafeedback: Knobs { min_margin }, ..DataConfig::default() };
        UltraFeedback.read(&Row { json, file: std::path::Path::new("x").into(), line: 1 }, &config)
    }

    #[test]
    fn the_sample_maps_as_it_always_did() {
        let Some(Example::Pair(pair)) = read(json!({}), 0.0).unwrap().example else { panic!("no pair") };
        assert_eq!((pair.messages, pair.margin, pair.label), (vec![Message::user("Name a prime.")], Some(4.5), 1.0));
        assert_eq!((pair.chosen, pair.rejected), (Reply::turn("Seven."), Reply::turn("Nine.")));
    }

    #[test]
    fn ties_are_soft_small_margins_go_and_swapped_scores_are_refused() {
        assert_eq!(read(json!({"score_rejected": 8.5}), 0.0).unwrap().note, Some(TIE));
        assert_eq!(read(json!({}), 5.0).unwrap(), Reading::left_out(LOW));
        assert!(read(json!({"score_rejected": 9}), 0.0).unwrap_err().to_string().contains("less than the rejected one's 9"));
    }
}
