//! What is learnt from without drawing an answer: pairs, demonstrations, judged answers, judged steps.

use serde::{Deserialize, Serialize};

use crate::{Message, Speaker};

/// What follows a prompt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reply {
    /// The continuation of a text, as it stands.
    Text(String),
    /// The turns that continue a conversation; nearly always one of the assistant. Where two sides of a preference pair part before the
    /// last answer, the turns of the person that belong to one side alone stand here too.
    Turns(Vec<Message>),
}

impl Reply {
    /// One turn of the assistant.
    #[must_use]
    pub fn turn(content: impl Into<String>) -> Self {
        Self::Turns(vec![Message { role: Speaker::Assistant, content: content.into() }])
    }

    /// What the model says in it: the text, or the contents of the assistant's turns, a line break between two.
    #[must_use]
    pub fn said(&self) -> String {
        match self {
            Self::Text(text) => text.clone(),
            Self::Turns(turns) => {
                let said: Vec<&str> = turns.iter().filter(|m| m.role == Speaker::Assistant).map(|m| m.content.as_str()).collect();
                said.join("\n")
            }
        }
    }

    /// Unicode characters of all that stands in it.
    #[must_use]
    pub fn chars(&self) -> usize {
        match self {
            Self::Text(text) => text.chars().count(),
            Self::Turns(turns) => turns.iter().map(|m| m.content.chars().count()).sum(),
        }
    }
}

/// Two answers to one prompt, of which people preferred one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PreferencePair {
    /// Stable within the data set: a hash of the content or the row's own id.
    pub id: String,
    /// The prompt as plain text; empty where the data has none. Exactly one of `text` and `messages` is given, as in [`crate::Task`].
    pub text: Option<String>,
    /// The prompt as a conversation; it may be empty only if `text` is given.
    pub messages: Vec<Message>,
    /// The preferred answer; of a tie, the one that stands first in the data.
    pub chosen: Reply,
    /// The other one.
    pub rejected: Reply,
    /// The probability that `chosen` is preferred, from 0.5 (a tie) to 1 (certain).
    pub label: f64,
    /// By how much, in the unit of the data (a ratio or a difference of scores); none where the data does not say.
    pub margin: Option<f64>,
    /// The part of the data it belongs to, for figures by subset; empty where there are no parts.
    pub subset: String,
}

/// A prompt and an answer to imitate.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Demonstration {
    /// Stable within the data set.
    pub id: String,
    /// The prompt as plain text; the empty text where all of the text is to be learnt.
    pub text: Option<String>,
    /// The prompt as a conversation.
    pub messages: Vec<Message>,
    /// What is to be imitated.
    pub answer: Reply,
    /// Whether the assistant's turns inside `messages` are learnt from too (a whole conversation as one example).
    pub every_turn: bool,
}

/// A prompt and an answer that is good or bad by itself.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RatedAnswer {
    /// Stable within the data set.
    pub id: String,
    /// The prompt as plain text.
    pub text: Option<String>,
    /// The prompt as a conversation.
    pub messages: Vec<Message>,
    /// The answer.
    pub answer: Reply,
    /// Whether it is wanted.
    pub good: bool,
}

/// A prompt and the steps of a solution, each right or wrong.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SteppedAnswer {
    /// Stable within the data set.
    pub id: String,
    /// The prompt as plain text.
    pub text: Option<String>,
    /// The prompt as a conversation.
    pub messages: Vec<Message>,
    /// The steps in their order, and whether each is right.
    pub steps: Vec<(String, bool)>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_assistants_turns_are_said() {
        let turns = vec![
            Message { role: Speaker::Assistant, content: "one".into() },
            Message::user("and?"),
            Message { role: Speaker::Assistant, content: "two".into() },
        ];
        let reply = Reply::Turns(turns);
        assert_eq!((reply.said().as_str(), reply.chars()), ("one\ntwo", 10));
        assert_eq!(Reply::turn("é").chars(), Reply::Text("é".into()).chars());
    }
}
