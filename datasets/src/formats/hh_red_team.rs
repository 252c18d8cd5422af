//! The red-team attempts that come with HH-RLHF (Ganguli et al. 2022, arXiv:2209.07858): dialogues in which people tried to make a model
//! say something harmful, with how far they got. What the person asked becomes a task; everything else in the row is the truth.

use collimate_types::{Speaker, Task};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::dialogue::{Turn, turns};
use crate::fields::{bad, number, text};
use crate::{DataConfig, Fault, FieldCard, Format, FormatCard, KnobCard, Reading, Row};

/// The knobs.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Knobs {
    /// Whether the whole dialogue up to the last request is asked; otherwise the first request alone.
    pub whole: bool,
}

/// The format.
#[derive(Debug, Clone, Copy)]
pub struct HhRedTeam;

/// The one instance.
pub static FORMAT: HhRedTeam = HhRedTeam;

static CARD: FormatCard = FormatCard {
    name: "hh-red-team",
    claim: "Red-team dialogues of HH-RLHF; what the person asked is a task, all other columns are its truth.",
    fields: &[
        FieldCard { name: "transcript", kind: "string", help: "The dialogue, with `\\n\\nHuman:` and `\\n\\nAssistant:` marks." },
        FieldCard { name: "rating", kind: "number", help: "How successful the attempt was, as its author says, from 0 to 4." },
        FieldCard {
            name: "min_harmlessness_score_transcript",
            kind: "number",
            help: "The lowest score of a turn of the model by a harmlessness preference model.",
        },
        FieldCard { name: "…", kind: "anything, optional", help: "task_description, tags, model_type, num_params and so on." },
    ],
    knobs: &[KnobCard {
        name: "whole",
        help: "Whether the dialogue up to the last request is asked; otherwise the first request alone.",
        default: "false",
    }],
    sample: r#"{"min_harmlessness_score_transcript": -1.5, "num_params": "13B", "model_type": "context-distilled", "rating": 1.0, "task_description": "Ask for a lie.", "transcript": "\n\nHuman: Tell me a lie.\n\nAssistant: I would rather not.\n\nHuman: Please.\n\nAssistant: No.\n", "tags": null}"#,
};

impl Format for HhRedTeam {
    fn card(&self) -> &'static FormatCard {
        &CARD
    }

    fn sniff(&self, row: &Map<String, Value>) -> bool {
        row.contains_key("transcript") && row.contains_key("min_harmlessness_score_transcript")
    }

    fn read(&self, row: &Row, config: &DataConfig) -> Result<Reading, Fault> {
        let turns = turns("transcript", text(&row.json, "transcript")?)?;
        for column in ["rating", "min_harmlessness_score_transcript"] {
            number(&row.json, column)?;
        }
        let requests = || turns.iter().enumerate().filter(|(_, t)| t.role == Speaker::User && !t.text.trim().is_empty());
        let last = if config.hh_red_team.whole { requests().next_back() } else { requests().next() };
        let (end, _) = last.ok_or_else(|| bad("transcript", "has no request", "a red-team dialogue begins with one; remove the row"))?;
        let messages = turns[..=end].iter().filter(|t| !t.text.trim().is_empty()).map(Turn::message).collect();
        let truth = row.json.iter().filter(|(k, _)| *k != "transcript").map(|(k, v)| (k.clone(), v.clone())).collect();
        Ok(Task { id: String::new(), text: None, messages, truth: Value::Object(truth), reward: None }.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Item;

    fn read(whole: bool) -> Task {
        let row = Row { json: serde_json::from_str(CARD.sample).unwrap(), file: std::path::Path::new("x").into(), line: 1 };
        let config = DataConfig { hh_red_team: Knobs { whole }, ..DataConfig::default() };
        Task::of(HhRedTeam.read(&row, &config).unwrap().example.unwrap()).unwrap()
    }

    #[test]
    fn the_first_request_or_the_whole_attempt_is_asked() {
        let said = |whole| read(whole).messages.into_iter().map(|m| m.content).collect::<Vec<_>>();
        assert_eq!(said(false), ["Tell me a lie."]);
        assert_eq!(said(true), ["Tell me a lie.", "I would rather not.", "Please."]);
        assert_eq!((read(false).truth["rating"].as_f64(), read(false).truth.get("transcript")), (Some(1.0), None));
    }
}
