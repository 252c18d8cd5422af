//! The same protocol as JSON lines, for plugins in other languages; HTTP verifiers take and give the same objects.
//!
//! ```text
//! plugin   {"collimate_reward":1,"name":"polite","range":[0,1],"deterministic":true}
//! trainer  {"config":{},"deadline_s":10.0}
//! plugin   {"ready":true}                              or {"refused":"why"}
//! trainer  {"id":0,"task":"t1","prompt":"Say hello.","messages":[],"truth":null,"answer":{"text":"Hello, please.","finish":"eos","tokens":[5,9]}}
//! plugin   {"id":0,"score":1.0,"parts":{"please":1.0}} or {"id":0,"unscorable":"why"} or {"id":0,"error":"why"}
//! ```
//!
//! With `"whole_groups":true` an item has `answers`, a list, and its verdict is `{"id":0,"verdicts":[{"score":1.0},{"unscorable":"why"}]}`.
//! Each item is answered in order with its id, and each line is flushed.

use std::collections::BTreeMap;

use collimate_types::{Answer, InfraKind, Prompt, Verdict};
use serde::Deserialize;
use serde_json::{Value, json};

use super::WireError;

/// The part of an item that all answers to a prompt share, without braces: `"task":…,"prompt":…,"messages":…,"truth":…`.
pub fn put_prompt(out: &mut Vec<u8>, prompt: &Prompt) {
    let task = &prompt.task;
    let text = |t: &str| Value::from(t);
    let (id, shown, messages) = (text(&task.id), text(&prompt.text), json!(task.messages));
    out.extend_from_slice(format!("\"task\":{id},\"prompt\":{shown},\"messages\":{messages},\"truth\":{}", task.truth).as_bytes());
}

/// An answer: `{"text":…,"finish":…,"tokens":[…]}`.
pub fn put_answer(out: &mut Vec<u8>, answer: &Answer<'_>) {
    let object = json!({ "text": answer.text, "finish": answer.finish, "tokens": answer.tokens });
    out.extend_from_slice(object.to_string().as_bytes());
}

/// An item from its parts: one answer, or a list if the plugin wants whole groups.
pub fn put_item(out: &mut Vec<u8>, id: u64, prompt: &[u8], answers: &[&[u8]], whole_group: bool) {
    out.extend_from_slice(format!("{{\"id\":{id},").as_bytes());
    out.extend_from_slice(prompt);
    out.extend_from_slice(if whole_group { b",\"answers\":[" } else { b",\"answer\":" });
    for (i, answer) in answers.iter().enumerate() {
        if i > 0 {
            out.push(b',');
        }
        out.extend_from_slice(answer);
    }
    out.extend_from_slice(if whole_group { b"]}" } else { b"}" });
}

/// What a verifier answers to an item.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reply {
    /// The item.
    pub id: Option<u64>,
    /// The total.
    score: Option<f64>,
    /// Named parts of it.
    #[serde(default)]
    parts: BTreeMap<String, f64>,
    /// Why it cannot be judged.
    unscorable: Option<String>,
    /// Why the verifier did not get to judge it.
    error: Option<String>,
    /// The verdicts of a whole group.
    verdicts: Option<Vec<Reply>>,
}

impl Reply {
    /// Reads a line or an object. `NaN` and `Infinity`, which are no JSON but which some languages write, are read as such: the answer is
    /// unscorable.
    ///
    /// # Errors
    /// When it is not a reply.
    pub fn read(text: &[u8]) -> Result<Self, WireError> {
        let error = match serde_json::from_slice(text) {
            Ok(reply) => return Ok(reply),
            Err(error) => error,
        };
        let text = String::from_utf8_lossy(text);
        if let Some(id) = not_finite(&text) {
            let unscorable = Some("the score is not a finite number".to_owned());
            return Ok(Self { id: Some(id), score: None, parts: BTreeMap::new(), unscorable, error: None, verdicts: None });
        }
        let shown: String = text.chars().take(80).collect();
        Err(WireError::Json(format!("a reply cannot be read ({error}): {shown}")))
    }

    /// The verdicts it stands for.
    ///
    /// # Errors
    /// When it says nothing, or more than one thing.
    pub fn verdicts(self) -> Result<Vec<Verdict>, WireError> {
        match self.verdicts {
            Some(list) => list.into_iter().map(|r| r.verdict()).collect(),
            None => self.verdict().map(|v| vec![v]),
        }
    }

    fn verdict(self) -> Result<Verdict, WireError> {
        match (self.score, self.unscorable, self.error) {
            (Some(total), None, None) => Ok(Verdict::with_parts(total, self.parts)),
            (None, Some(reason), None) => Ok(Verdict::Unscorable { reason }),
            (None, None, Some(detail)) => Ok(Verdict::InfraError { kind: InfraKind::Transport, retryable: true, detail }),
            _ => Err(WireError::Json("a reply says exactly one of `score`, `unscorable` and `error`".into())),
        }
    }
}

/// The id of a reply that would be JSON if numbers were finite.
fn not_finite(text: &str) -> Option<u64> {
    let mended = text.replace("-Infinity", "0").replace("Infinity", "0").replace("NaN", "0");
    if mended == text {
        return None;
    }
    serde_json::from_str::<Reply>(&mended).ok()?.id
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing;
    use collimate_types::Finish;

    #[test]
    fn items_are_json_with_the_same_content() {
        let prompt = testing::prompt("Say \"hi\".\n", json!({"answer": 5}));
        let (mut shared, mut answer) = (Vec::new(), Vec::new());
        put_prompt(&mut shared, &prompt);
        put_answer(&mut answer, &Answer { text: "hi\u{0}", tokens: &[1, 2], finish: &Finish::Length });
        let item = |answers: &[&[u8]], whole| {
            let mut out = Vec::new();
            put_item(&mut out, 7, &shared, answers, whole);
            serde_json::from_slice::<Value>(&out).unwrap()
        };
        let one = item(&[&answer], false);
        assert_eq!((&one["id"], &one["prompt"], &one["truth"]["answer"]), (&json!(7), &json!("Say \"hi\".\n"), &json!(5)));
        assert_eq!(one["answer"], json!({"text": "hi\u{0}", "finish": "length", "tokens": [1, 2]}));
        assert_eq!(item(&[&answer, &answer], true)["answers"].as_array().map(Vec::len), Some(2));
    }

    #[test]
    fn replies_are_verdicts_and_what_is_not_finite_is_no_score() {
        let read = |text: &str| Reply::read(text.as_bytes()).and_then(|r| r.verdicts());
        let parts = BTreeMap::from([("a".to_owned(), 0.5)]);
        assert_eq!(read(r#"{"id":0,"score":1,"parts":{"a":0.5}}"#).unwrap(), [Verdict::with_parts(1.0, parts)]);
        assert_eq!(read(r#"{"id":0,"unscorable":"x"}"#).unwrap()[0].fault(), Some("unscorable"));
        assert_eq!(read(r#"{"id":0,"error":"x"}"#).unwrap()[0].fault(), Some("transport"));
        for text in [r#"{"id": 3, "score": NaN}"#, r#"{"id": 3, "score": -Infinity}"#, r#"{"id": 3, "score": 1, "parts": {"a": Infinity}}"#]
        {
            assert_eq!(Reply::read(text.as_bytes()).unwrap().id, Some(3));
            assert_eq!(read(text).unwrap()[0].fault(), Some("unscorable"), "{text}");
        }
        assert_eq!(read(r#"{"id":0,"verdicts":[{"score":1},{"unscorable":"x"}]}"#).unwrap().len(), 2);
        for text in ["", "NaN", "{}", r#"{"id":0}"#, r#"{"id":0,"score":1,"error":"x"}"#, r#"{"id":0,"score":1e999}"#, r#"{"scroe":1}"#] {
            assert!(read(text).is_err(), "{text}");
        }
    }
}
