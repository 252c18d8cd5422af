//! OpenAI's summaries with human feedback (Stiennon et al. 2020, arXiv:2009.01325): two summaries of one post of Reddit or one news
//! article with the choice that was made (`comparisons`), or one summary with its ratings (`axis`).
//!
//! Prompts have the two forms of the paper: `SUBREDDIT`, `TITLE`, `POST` for Reddit and `TITLE`, article for news, each with `TL;DR:` at
//! its end. Which it is, is told by what the row has.

use collimate_types::{PreferencePair, RatedAnswer, Reply};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::fields::{bad, empty, integer, missing, object, wrong};
use crate::{DataConfig, Example, Fault, FieldCard, Format, FormatCard, KnobCard, Reading, Row};

/// The knobs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Knobs {
    /// A rated summary is wanted if its overall rating (1 to 7) is at least this.
    pub good_from: u32,
}

impl Default for Knobs {
    fn default() -> Self {
        Self { good_from: 5 }
    }
}

/// The format.
#[derive(Debug, Clone, Copy)]
pub struct SummarizeFromFeedback;

/// The one instance.
pub static FORMAT: SummarizeFromFeedback = SummarizeFromFeedback;

static CARD: FormatCard = FormatCard {
    name: "summarize-from-feedback",
    claim: "Two summaries and the choice between them (comparisons), or one with its ratings (axis); prompts in the two forms of the paper. The subset is the batch.",
    fields: &[
        FieldCard {
            name: "info",
            kind: "{id, post, title, subreddit, site, article}",
            help: "What is summarised: a post with title and subreddit, or an article with its title.",
        },
        FieldCard { name: "summaries", kind: "list of two {text, policy, note}, optional", help: "The summaries of a comparison." },
        FieldCard { name: "choice", kind: "0 or 1, optional", help: "The preferred one of them." },
        FieldCard { name: "summary", kind: "{text, axes: {overall, …}, …}, optional", help: "The summary that was rated." },
        FieldCard { name: "batch", kind: "string, optional", help: "The part of the collection; it becomes the subset." },
        FieldCard { name: "worker", kind: "string, optional", help: "Not read, and so are `split` and the rest of `extra`." },
        FieldCard { name: "extra", kind: "{confidence}, optional", help: "How sure the choice is, from 1 to 9; it becomes the margin." },
    ],
    knobs: &[KnobCard {
        name: "good_from",
        help: "A rated summary is wanted if its overall rating (1 to 7) is at least this.",
        default: "5",
    }],
    sample: r#"{"info": {"id": "t3_x", "post": "My cat hides my keys every night and I am late for work.", "title": "The cat and the keys", "subreddit": "cats", "site": null, "article": null}, "summaries": [{"text": " My cat hides my keys.", "policy": "sup2", "note": null}, {"text": " I have a cat.", "policy": "ref", "note": "thin"}], "choice": 0, "worker": "w1", "batch": "batch7", "split": "train", "extra": {"confidence": 7}}"#,
};

impl Format for SummarizeFromFeedback {
    fn card(&self) -> &'static FormatCard {
        &CARD
    }

    fn sniff(&self, row: &Map<String, Value>) -> bool {
        let info = row.get("info").and_then(Value::as_object);
        info.is_some_and(|i| ["post", "article", "subreddit"].iter().any(|key| i.contains_key(*key)))
    }

    fn read(&self, row: &Row, config: &DataConfig) -> Result<Reading, Fault> {
        let row = &row.json;
        let prompt = prompt(object(row, "info")?)?;
        if row.get("summaries").is_some_and(|v| !v.is_null()) {
            let first = integer(row, "choice")? == 0;
            return comparison(row, prompt).map(|pair| Reading::from(pair).preferring(first));
        }
        if row.contains_key("summary") {
            return rated(row, prompt, config.summarize_from_feedback.good_from)
                .map(|r| r.map_or_else(|| Reading::left_out(UNRATED), Reading::from));
        }
        Err(missing(row, "summaries"))
    }
}

const UNRATED: &str = "no overall rating";

fn comparison(row: &Map<String, Value>, prompt: String) -> Result<PreferencePair, Fault> {
    let Some(Value::Array(list)) = row.get("summaries") else {
        return Err(wrong("summaries", "a list of two summaries", &row["summaries"]));
    };
    if list.len() != 2 {
        return Err(bad("summaries", format!("has {} entries", list.len()), "give the two summaries that were compared"));
    }
    let choice = integer(row, "choice")?;
    let (chosen, rejected) = match choice {
        0 => (0, 1),
        1 => (1, 0),
        other => return Err(bad("choice", format!("is {other}"), "give 0 or 1, the preferred one of `summaries`")),
    };
    let said = |i: usize| summary(&list[i], &format!("summaries[{i}]")).map(|s| Reply::Text(s.to_owned()));
    let batch = row.get("batch").and_then(Value::as_str).unwrap_or_default();
    let confidence = row.get("extra").and_then(|e| e.get("confidence")).and_then(Value::as_f64);
    Ok(PreferencePair {
        id: String::new(),
        text: Some(prompt),
        messages: Vec::new(),
        chosen: said(chosen)?,
        rejected: said(rejected)?,
        label: 1.0,
        margin: confidence,
        subset: batch.to_owned(),
    })
}

fn rated(row: &Map<String, Value>, prompt: String, good_from: u32) -> Result<Option<Example>, Fault> {
    let value = &row["summary"];
    let answer = Reply::Text(summary(value, "summary")?.to_owned());
    let Some(axes) = value.get("axes") else { return Err(bad("summary.axes", "is missing", "a rated summary has `axes` with `overall`")) };
    let overall = match axes.get("overall") {
        None | Some(Value::Null) => return Ok(None),
        Some(value) => value.as_f64().ok_or_else(|| wrong("summary.axes.overall", "a number", value))?,
    };
    let good = overall >= f64::from(good_from);
    Ok(Some(RatedAnswer { id: String::new(), text: Some(prompt), messages: Vec::new(), answer, good }.into()))
}

fn summary<'a>(value: &'a Value, place: &str) -> Result<&'a str, Fault> {
    let field = format!("{place}.text");
    match value.get("text") {
        Some(Value::String(text)) if text.trim().is_empty() => Err(empty(field)),
        Some(Value::String(text)) => Ok(text),
        Some(other) => Err(wrong(field, "a string", other)),
        None => Err(bad(field, "is missing", "a summary is an object with `text`")),
    }
}

fn prompt(info: &Map<String, Value>) -> Result<String, Fault> {
    let of = |key: &str| info.get(key).and_then(Value::as_str).map(str::trim).filter(|text| !text.is_empty());
    match (of("post"), of("article")) {
        (Some(post), _) => {
            let subreddit = of("subreddit").ok_or_else(|| bad("info.subreddit", "is missing", "a post has a subreddit"))?;
            let title = of("title").unwrap_or_default();
            Ok(format!("SUBREDDIT: r/{subreddit}\n\nTITLE: {title}\n\nPOST: {post}\n\nTL;DR:"))
        }
        (None, Some(article)) => Ok(format!("TITLE: {}\n\n{article}\n\nTL;DR:", of("title").unwrap_or_default())),
        (None, None) => Err(bad("info", "has neither `post` nor `article`", "give what the summaries are of")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn read(changes: Value) -> Result<Reading, Fault> {
        let mut json: Map<String, Value> = serde_json::from_str(CARD.sample).unwrap();
        let Value::Object(changes) = changes else { panic!("not an object") };
        json.extend(changes);
        SummarizeFromFeedback.read(&Row { json, file: std::path::Path::new("x").into(), line: 1 }, &DataConfig::default())
    }

    #[test]
    fn a_choice_between_summaries_of_a_post() {
        let Some(Example::Pair(pair)) = read(json!({})).unwrap().example else { panic!("no pair") };
        let prompt =
            "SUBREDDIT: r/cats\n\nTITLE: The cat and the keys\n\nPOST: My cat hides my keys every night and I am late for work.\n\nTL;DR:";
        assert_eq!(pair.text.as_deref(), Some(prompt));
        assert_eq!((pair.chosen, pair.rejected), (Reply::Text(" My cat hides my keys.".into()), Reply::Text(" I have a cat.".into())));
        assert_eq!((pair.margin, pair.subset.as_str()), (Some(7.0), "batch7"));
        let Some(Example::Pair(other)) = read(json!({"choice": 1, "extra": {"confidence": null}})).unwrap().example else {
            panic!("no pair")
        };
        assert_eq!((other.chosen, other.margin), (Reply::Text(" I have a cat.".into()), None));
    }

    #[test]
    fn an_article_has_the_other_form() {
        let info = json!({"id": "c1", "post": null, "subreddit": null, "title": "Rain", "site": "cnn", "article": "It rained.\n"});
        let Some(Example::Pair(pair)) = read(json!({"info": info})).unwrap().example else { panic!("no pair") };
        assert_eq!(pair.text.as_deref(), Some("TITLE: Rain\n\nIt rained.\n\nTL;DR:"));
    }

    #[test]
    fn a_rated_summary_is_good_or_bad_by_its_overall_rating() {
        let axis = |overall: Value| {
            read(json!({"summaries": null, "choice": null, "summary": {"text": " A cat.", "axes": {"overall": overall}}})).unwrap()
        };
        assert!(matches!(axis(json!(5)).example, Some(Example::Rated(r)) if r.good));
        assert!(matches!(axis(json!(4)).example, Some(Example::Rated(r)) if !r.good));
        assert_eq!(axis(Value::Null), Reading::left_out(UNRATED));
    }

    #[test]
    fn what_is_not_a_comparison_is_refused_by_name() {
        let shown = |changes| read(changes).unwrap_err().to_string();
        assert_eq!(shown(json!({"choice": 2})), "`choice` is 2");
        assert_eq!(shown(json!({"summaries": [{"text": "x"}]})), "`summaries` has 1 entries");
        assert_eq!(shown(json!({"summaries": [{"text": "x"}, {"txt": "y"}]})), "`summaries[1].text` is missing");
        assert_eq!(shown(json!({"info": {"title": "x"}})), "`info` has neither `post` nor `article`");
    }
}
