//! Anthropic's HH-RLHF (Bai et al. 2022, arXiv:2204.05862): two whole dialogues, of which people preferred one.
//!
//! All four folders (helpful-base, helpful-online, helpful-rejection-sampled, harmless-base) have this shape. The prompt is what both
//! dialogues share, up to the last turn of the assistant that both reach: in some rows the sides part before the last answer, and cutting
//! one side by the length of the other would cut through words.

use std::path::Path;

use collimate_types::{PreferencePair, Reply, Speaker};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::dialogue::{Turn, is_dialogue, turns};
use crate::fields::{bad, text};
use crate::{DataConfig, Fault, FieldCard, Format, FormatCard, KnobCard, Reading, Row};

/// The knobs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Knobs {
    /// Whether turns become messages; otherwise prompt and answers are the text as it stands, cut behind the mark of the assistant.
    pub chat: bool,
}

impl Default for Knobs {
    fn default() -> Self {
        Self { chat: true }
    }
}

/// The format.
#[derive(Debug, Clone, Copy)]
pub struct HhRlhf;

/// The one instance.
pub static FORMAT: HhRlhf = HhRlhf;

static CARD: FormatCard = FormatCard {
    name: "hh-rlhf",
    claim: "Two dialogues with `\\n\\nHuman:` and `\\n\\nAssistant:` marks; the prompt is what they share, up to the last answer that both reach.",
    fields: &[
        FieldCard { name: "chosen", kind: "string", help: "The preferred dialogue." },
        FieldCard { name: "rejected", kind: "string", help: "The other one." },
    ],
    knobs: &[KnobCard {
        name: "chat",
        help: "Whether turns become messages; otherwise prompt and answers are the text as it stands.",
        default: "true",
    }],
    sample: r#"{"chosen": "\n\nHuman: How do I boil an egg?\n\nAssistant: Soft or hard?\n\nHuman: Soft.\n\nAssistant: Six minutes in boiling water.", "rejected": "\n\nHuman: How do I boil an egg?\n\nAssistant: Soft or hard?\n\nHuman: Soft.\n\nAssistant: I do not cook."}"#,
};

const PARTED: &str = "the sides part before the last answer";
const SAME: &str = "both sides are the same";
const EMPTY: &str = "an answer is empty";

impl Format for HhRlhf {
    fn card(&self) -> &'static FormatCard {
        &CARD
    }

    fn sniff(&self, row: &Map<String, Value>) -> bool {
        ["chosen", "rejected"].iter().all(|side| row.get(*side).and_then(Value::as_str).is_some_and(is_dialogue))
    }

    fn read(&self, row: &Row, config: &DataConfig) -> Result<Reading, Fault> {
        let (chosen_text, rejected_text) = (text(&row.json, "chosen")?, text(&row.json, "rejected")?);
        let (chosen, rejected) = (side("chosen", chosen_text)?, side("rejected", rejected_text)?);
        let cut = cut(&chosen, &rejected).ok_or_else(|| {
            bad(
                "rejected",
                "shares no turn with `chosen`",
                "both sides answer the same request; remove the row, or `data.bad_rows = \"skip\"`",
            )
        })?;
        let replies = (reply(&chosen, chosen_text, cut, config.hh_rlhf.chat), reply(&rejected, rejected_text, cut, config.hh_rlhf.chat));
        let (text, messages) = if config.hh_rlhf.chat {
            (None, chosen[..cut].iter().map(Turn::message).collect())
        } else {
            (Some(chosen_text[..chosen[cut].start].to_owned()), Vec::new())
        };
        let parted = chosen.len() > cut + 1 || rejected.len() > cut + 1;
        let empty = [&chosen, &rejected].iter().any(|turns| turns.last().is_some_and(|t| t.text.trim().is_empty()));
        let same = replies.0 == replies.1;
        let (chosen, rejected) = replies;
        let pair =
            PreferencePair { id: String::new(), text, messages, chosen, rejected, label: 1.0, margin: None, subset: subset(&row.file) };
        Ok(Reading::from(pair).noting(empty, EMPTY).noting(parted, PARTED).noting(same, SAME))
    }
}

fn side<'a>(field: &str, text: &'a str) -> Result<Vec<Turn<'a>>, Fault> {
    let turns = turns(field, text)?;
    match turns.last() {
        Some(last) if last.role == Speaker::Assistant => Ok(turns),
        _ => Err(bad(field, "does not end with a turn of the assistant", "the last turn is the answer that was judged")),
    }
}

/// How many turns are the prompt: all that both sides share, but at least one turn is left to each, and it is the assistant's.
fn cut(chosen: &[Turn<'_>], rejected: &[Turn<'_>]) -> Option<usize> {
    let same = |(a, b): &(&Turn<'_>, &Turn<'_>)| a.role == b.role && a.text == b.text;
    let shared = chosen.iter().zip(rejected).take_while(same).count();
    let most = shared.min(chosen.len() - 1).min(rejected.len() - 1);
    let answer = |k: &usize| chosen[*k].role == Speaker::Assistant && rejected[*k].role == Speaker::Assistant;
    (1..=most).rev().find(answer)
}

fn reply(turns: &[Turn<'_>], text: &str, cut: usize, chat: bool) -> Reply {
    if chat { Reply::Turns(turns[cut..].iter().map(Turn::message).collect()) } else { Reply::Text(text[turns[cut].start..].to_owned()) }
}

/// The folder that a file of the data set lies in names the subset.
fn subset(file: &Path) -> String {
    const FOLDERS: [&str; 4] = ["helpful-base", "helpful-online", "helpful-rejection-sampled", "harmless-base"];
    let folder = |part: std::path::Component<'_>| FOLDERS.into_iter().find(|f| part.as_os_str().to_str() == Some(*f));
    file.components().rev().find_map(folder).unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Example;
    use collimate_types::Message;
    use serde_json::json;

    fn read_as(chosen: &str, rejected: &str, chat: bool) -> Result<(PreferencePair, Option<&'static str>), Fault> {
        let json = json!({"chosen": chosen, "rejected": rejected}).as_object().unwrap().clone();
        let config = DataConfig { hh_rlhf: Knobs { chat }, ..DataConfig::default() };
        let reading = HhRlhf.read(&Row { json, file: Path::new("d/harmless-base/train.jsonl.gz").into(), line: 1 }, &config)?;
        let Some(Example::Pair(pair)) = reading.example else { panic!("no pair") };
        Ok((pair, reading.note))
    }

    fn talk(turns: &[&str]) -> String {
        turns.iter().enumerate().map(|(i, t)| format!("\n\n{}: {t}", ["Human", "Assistant"][i % 2])).collect()
    }

    #[test]
    fn the_prompt_is_what_both_sides_share() {
        let (pair, note) = read_as(&talk(&["a", "b", "c", "good"]), &talk(&["a", "b", "c", "bad"]), true).unwrap();
        let said: Vec<_> = pair.messages.iter().map(|m| m.content.as_str()).collect();
        assert_eq!((said.as_slice(), note, pair.label, pair.subset.as_str()), (["a", "b", "c"].as_slice(), None, 1.0, "harmless-base"));
        assert_eq!((pair.chosen, pair.rejected), (Reply::turn("good"), Reply::turn("bad")));
    }

    #[test]
    fn where_the_sides_part_early_the_turns_of_each_stay_with_it() {
        let (pair, note) = read_as(&talk(&["a", "b", "c", "d"]), &talk(&["a", "x", "y", "z"]), true).unwrap();
        assert_eq!((pair.messages.len(), note), (1, Some(PARTED)));
        assert_eq!(pair.rejected.said(), "x\nz");
        // The persons' turns differ: the cut goes back to the answer before, which both have.
        let (pair, note) = read_as(&talk(&["a", "b", "c", "d"]), &talk(&["a", "b", "y", "z"]), true).unwrap();
        assert_eq!((pair.messages.len(), note), (1, Some(PARTED)));
        assert!(matches!(&pair.chosen, Reply::Turns(t) if t[0].content == "b" && t[1] == Message::user("c")));
        // One side says more turns in a row.
        let longer = talk(&["a", "b"]) + "\n\nAssistant: more";
        let (pair, note) = read_as(&talk(&["a", "b"]), &longer, true).unwrap();
        assert_eq!((pair.messages.len(), note, pair.rejected.said().as_str()), (1, Some(PARTED), "b\nmore"));
    }

    #[test]
    fn as_text_nothing_is_lost() {
        let (chosen, rejected) = (talk(&["a ", "b", "c", "good \n"]), talk(&["a ", "b", "c", "bad"]));
        let (pair, _) = read_as(&chosen, &rejected, false).unwrap();
        let (Reply::Text(good), Reply::Text(bad)) = (&pair.chosen, &pair.rejected) else { panic!("no texts") };
        let prompt = pair.text.unwrap();
        assert!(prompt.ends_with("\n\nAssistant:"));
        assert_eq!((format!("{prompt}{good}"), format!("{prompt}{bad}")), (chosen, rejected));
    }

    #[test]
    fn odd_rows_are_named_and_impossible_ones_refused() {
        assert_eq!(read_as(&talk(&["a", "b"]), &talk(&["a", "b"]), true).unwrap().1, Some(SAME));
        assert_eq!(read_as(&talk(&["a", "b"]), &talk(&["a", ""]), true).unwrap().1, Some(EMPTY));
        let shown = |c: &str, r: &str| read_as(c, r, true).unwrap_err().to_string();
        assert!(shown(&talk(&["a", "b"]), &talk(&["x", "b"])).contains("shares no turn"));
        assert!(shown(&talk(&["a"]), &talk(&["a", "b"])).contains("`chosen` does not end with a turn of the assistant"));
        assert!(shown("plain", &talk(&["a", "b"])).contains("does not begin"));
    }
}
