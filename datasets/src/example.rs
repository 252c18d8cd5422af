//! What a row gives, and how each kind of run takes it.

use collimate_types::{Demonstration, Message, PreferencePair, RatedAnswer, Reply, SteppedAnswer, Task};
use serde_json::{Map, Value, json};

use crate::digest;

/// What a row gives.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Example {
    /// A question with what a reward compares an answer with.
    Task {
        /// The question.
        task: Task,
        /// A worked answer to imitate, if the row has one.
        worked: Option<String>,
    },
    /// Two answers, one of them preferred.
    Pair(PreferencePair),
    /// An answer to imitate.
    Demonstration(Demonstration),
    /// An answer that is good or bad.
    Rated(RatedAnswer),
    /// The steps of a solution, each right or wrong.
    Stepped(SteppedAnswer),
}

impl Example {
    /// What it is called in a message.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Task { .. } => Task::KIND,
            Self::Pair(_) => PreferencePair::KIND,
            Self::Demonstration(_) => Demonstration::KIND,
            Self::Rated(_) => RatedAnswer::KIND,
            Self::Stepped(_) => SteppedAnswer::KIND,
        }
    }

    /// Its content, whatever its kind.
    pub(crate) fn content(&self) -> &dyn Content {
        match self {
            Self::Task { task, .. } => task,
            Self::Pair(pair) => pair,
            Self::Demonstration(demonstration) => demonstration,
            Self::Rated(rated) => rated,
            Self::Stepped(stepped) => stepped,
        }
    }

    /// Its id.
    #[must_use]
    pub fn id(&self) -> &str {
        self.content().id()
    }

    /// Its prompt alone, as a task; none for a text that is learnt as a whole.
    #[must_use]
    pub fn prompt_task(&self) -> Option<Task> {
        let (text, messages) = self.content().prompt();
        let asked = text.map_or(!messages.is_empty(), |text| !text.is_empty());
        let task =
            || Task { id: self.id().into(), text: text.map(str::to_owned), messages: messages.to_vec(), truth: Value::Null, reward: None };
        asked.then(task)
    }

    fn id_mut(&mut self) -> &mut String {
        match self {
            Self::Task { task, .. } => &mut task.id,
            Self::Pair(pair) => &mut pair.id,
            Self::Demonstration(demonstration) => &mut demonstration.id,
            Self::Rated(rated) => &mut rated.id,
            Self::Stepped(stepped) => &mut stepped.id,
        }
    }

    /// As a row of the published shapes (TRL's, and `prompts` for a task); read back it is the same content.
    #[must_use]
    pub fn to_row(&self) -> Value {
        let content = self.content();
        let (text, messages) = content.prompt();
        let prompt = text.map_or_else(|| json!(messages), Value::from);
        let mut row = Map::from_iter([("prompt".to_owned(), prompt)]);
        match self {
            Self::Task { task, .. } => task_row(task, &mut row),
            Self::Pair(pair) => {
                row.insert("chosen".into(), reply_value(&pair.chosen));
                row.insert("rejected".into(), reply_value(&pair.rejected));
                if pair.label != 1.0 {
                    row.insert("label".into(), pair.label.into());
                }
                if let Some(margin) = pair.margin {
                    row.insert("margin".into(), margin.into());
                }
                if !pair.subset.is_empty() {
                    row.insert("subset".into(), pair.subset.as_str().into());
                }
            }
            Self::Demonstration(d) if d.every_turn => row = whole(d),
            Self::Demonstration(d) => _ = row.insert("completion".into(), reply_value(&d.answer)),
            Self::Rated(rated) => {
                row.insert("completion".into(), reply_value(&rated.answer));
                row.insert("label".into(), rated.good.into());
            }
            Self::Stepped(stepped) => {
                let (steps, labels): (Vec<&str>, Vec<bool>) = stepped.steps.iter().map(|(s, l)| (s.as_str(), *l)).unzip();
                row.insert("completions".into(), json!(steps));
                row.insert("labels".into(), json!(labels));
            }
        }
        Value::Object(row)
    }
}

fn task_row(task: &Task, row: &mut Map<String, Value>) {
    match &task.truth {
        Value::Object(truth) => row.extend(truth.iter().filter(|(k, _)| *k != "prompt").map(|(k, v)| (k.clone(), v.clone()))),
        Value::Null => {}
        other => _ = row.insert("answer".into(), other.clone()),
    }
    if let Some(reward) = &task.reward {
        row.insert("reward".into(), reward.as_str().into());
    }
}

/// A text or a conversation that is learnt as a whole.
fn whole(d: &Demonstration) -> Map<String, Value> {
    let (key, value) = match &d.answer {
        Reply::Text(text) => ("text", Value::from(format!("{}{text}", d.text.as_deref().unwrap_or_default()))),
        Reply::Turns(turns) => ("messages", json!(d.messages.iter().chain(turns).collect::<Vec<&Message>>())),
    };
    Map::from_iter([(key.to_owned(), value)])
}

fn reply_value(reply: &Reply) -> Value {
    match reply {
        Reply::Text(text) => text.as_str().into(),
        Reply::Turns(turns) => json!(turns),
    }
}

/// What a row gives, with what is worth counting about it.
#[derive(Debug, Clone, PartialEq)]
pub struct Reading {
    /// The example; none if a rule of the format leaves the row out, and then `note` says which.
    pub example: Option<Example>,
    /// Something to be counted under this name.
    pub note: Option<&'static str>,
    /// Whether the first of two sides that have an order of their own (A and B) is the preferred one.
    pub first: Option<bool>,
}

impl Reading {
    /// An example without a name is named by its content.
    #[must_use]
    pub(crate) fn named(mut self) -> Self {
        if let Some(example) = self.example.as_mut().filter(|e| e.id().is_empty()) {
            *example.id_mut() = digest::id_of(digest::of_content(example.content()));
        }
        self
    }
}

impl Reading {
    /// A row that a rule leaves out.
    #[must_use]
    pub fn left_out(rule: &'static str) -> Self {
        Self { example: None, note: Some(rule), first: None }
    }

    /// With the side that is preferred.
    #[must_use]
    pub fn preferring(mut self, first: bool) -> Self {
        self.first = Some(first);
        self
    }

    /// With a note, if the condition holds.
    #[must_use]
    pub fn noting(mut self, condition: bool, note: &'static str) -> Self {
        if condition {
            self.note = Some(note);
        }
        self
    }
}

impl<E: Into<Example>> From<E> for Reading {
    fn from(example: E) -> Self {
        Self { example: Some(example.into()), note: None, first: None }
    }
}

/// A text that is asked or said in an example.
pub(crate) type Visit<'v> = dyn FnMut(&str) + 'v;

/// What is hashed, measured and compared.
pub(crate) trait Content {
    /// The prompt: text, or a conversation.
    fn prompt(&self) -> (Option<&str>, &[Message]);

    /// The id, as far as the format has set one.
    fn id(&self) -> &str;

    /// Feeds everything but id and prompt to the hash.
    fn feed(&self, hash: &mut dyn digest::Feed);

    /// Shows every text behind the prompt.
    fn answers(&self, visit: &mut Visit<'_>);

    /// Shows every text of the prompt.
    fn asked(&self, visit: &mut Visit<'_>) {
        let (text, messages) = self.prompt();
        text.into_iter().for_each(&mut *visit);
        messages.iter().for_each(|m| visit(&m.content));
    }
}

/// What a run can be given: one kind of example.
#[expect(private_bounds, reason = "the kinds are those of this crate")]
pub trait Item: Content + std::fmt::Debug + Clone + PartialEq + Send + Sync + 'static {
    /// What it is called in a message.
    const KIND: &'static str;

    /// Takes an example, if it is or can stand for one of this kind.
    fn of(example: Example) -> Option<Self>;
}

impl Item for Task {
    const KIND: &'static str = "tasks";

    /// Every kind has a prompt to be answered; what else stands in the row is the truth.
    fn of(example: Example) -> Option<Self> {
        let (id, text, messages, truth) = match example {
            Example::Task { task, .. } => return Some(task),
            Example::Pair(p) => {
                (p.id, p.text, p.messages, json!({ "chosen": p.chosen.said(), "rejected": p.rejected.said(), "label": p.label }))
            }
            Example::Demonstration(d) if d.text.as_deref() == Some("") => return None,
            Example::Demonstration(d) => (d.id, d.text, d.messages, json!({ "completion": d.answer.said() })),
            Example::Rated(r) => (r.id, r.text, r.messages, json!({ "completion": r.answer.said(), "label": r.good })),
            Example::Stepped(s) => {
                let (steps, labels): (Vec<String>, Vec<bool>) = s.steps.into_iter().unzip();
                (s.id, s.text, s.messages, json!({ "completions": steps, "labels": labels }))
            }
        };
        (text.is_some() || !messages.is_empty()).then_some(Self { id, text, messages, truth, reward: None })
    }
}

impl Item for PreferencePair {
    const KIND: &'static str = "preference pairs";

    fn of(example: Example) -> Option<Self> {
        if let Example::Pair(pair) = example { Some(pair) } else { None }
    }
}

impl Item for Demonstration {
    const KIND: &'static str = "demonstrations";

    /// A worked answer is imitated, and so is the wanted one of rated answers.
    fn of(example: Example) -> Option<Self> {
        match example {
            Example::Demonstration(d) => Some(d),
            Example::Task { task, worked: Some(worked) } => {
                let answer = if task.text.is_some() { Reply::Text(worked) } else { Reply::turn(worked) };
                Some(Self { id: task.id, text: task.text, messages: task.messages, answer, every_turn: false })
            }
            Example::Rated(r) if r.good => Some(Self { id: r.id, text: r.text, messages: r.messages, answer: r.answer, every_turn: false }),
            _ => None,
        }
    }
}

impl Item for RatedAnswer {
    const KIND: &'static str = "rated answers";

    fn of(example: Example) -> Option<Self> {
        if let Example::Rated(rated) = example { Some(rated) } else { None }
    }
}

impl Item for SteppedAnswer {
    const KIND: &'static str = "stepped answers";

    fn of(example: Example) -> Option<Self> {
        if let Example::Stepped(stepped) = example { Some(stepped) } else { None }
    }
}

macro_rules! into_example {
    ($($ty:ty => $variant:ident),+) => {
        $(impl From<$ty> for Example {
            fn from(item: $ty) -> Self {
                Self::$variant(item)
            }
        })+
    };
}

into_example! { PreferencePair => Pair, Demonstration => Demonstration, RatedAnswer => Rated, SteppedAnswer => Stepped }

impl From<Task> for Example {
    fn from(task: Task) -> Self {
        Self::Task { task, worked: None }
    }
}
