//! What is said of an algorithm, once: documentation and command line print it from here.

use std::fmt;

use serde::{Serialize, Serializer};

/// A setting of an algorithm.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Knob {
    /// Its key.
    pub name: &'static str,
    /// What it does.
    pub help: &'static str,
    /// Its default, as JSON.
    pub default: &'static str,
}

/// What an algorithm learns from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Family {
    /// Answers that the policy draws itself, with their scores.
    Online,
    /// Pairs of answers, one preferred.
    Pairs,
    /// Single answers, each desirable or not.
    Labelled,
    /// Answers to imitate.
    Demonstrations,
    /// Scores of pairs of answers: a reward model learns.
    Comparisons,
}

impl Family {
    /// What it is, in words that fit after "learns from".
    #[must_use]
    pub fn data(self) -> &'static str {
        match self {
            Self::Online => "answers it draws itself and their scores",
            Self::Pairs => "pairs of answers, one preferred",
            Self::Labelled => "single answers, each desirable or not",
            Self::Demonstrations => "answers to imitate",
            Self::Comparisons => "scores of pairs of answers, one preferred",
        }
    }
}

/// An algorithm in words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Card {
    /// Its name in recipes.
    pub name: &'static str,
    /// What it learns from.
    pub family: Family,
    /// What it is, in a sentence.
    pub claim: &'static str,
    /// Where it was published.
    pub paper: &'static str,
    /// What is computed.
    pub equation: &'static str,
    /// The shared parts it is made of, at its defaults.
    pub parts: &'static [&'static str],
    /// Its settings, by the part that reads them.
    #[serde(serialize_with = "flat")]
    pub knobs: &'static [&'static [Knob]],
}

fn flat<S: Serializer>(knobs: &&'static [&'static [Knob]], to: S) -> Result<S::Ok, S::Error> {
    to.collect_seq(knobs.iter().copied().flatten())
}

impl Card {
    /// Its settings, one after another.
    pub fn all_knobs(&self) -> impl Iterator<Item = &'static Knob> + use<> {
        self.knobs.iter().copied().flatten()
    }

    /// The card as a section of docs/algorithms.md.
    #[must_use]
    pub fn to_markdown(&self) -> String {
        let mut text = format!("## `{}`\n\n{}\n\nLearns from {}.\n\n", self.name, self.claim, self.family.data());
        text.push_str(&format!("Paper: {}\n\n```text\n{}\n```\n\n", self.paper, self.equation));
        if !self.parts.is_empty() {
            text.push_str(&format!("Parts: {}\n", self.parts.join(", ")));
        }
        if self.all_knobs().next().is_some() {
            text.push_str("\n| knob | default | what it does |\n|---|---|---|\n");
            for k in self.all_knobs() {
                text.push_str(&format!("| `{}` | `{}` | {} |\n", k.name, k.default, k.help.replace('|', "\\|")));
            }
        }
        text
    }
}

impl fmt::Display for Card {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}\n  {}\n  learns from {}\n  paper: {}\n", self.name, self.claim, self.family.data(), self.paper)?;
        for line in self.equation.lines() {
            writeln!(f, "    {line}")?;
        }
        if !self.parts.is_empty() {
            writeln!(f, "\n  parts: {}", self.parts.join(", "))?;
        }
        for k in self.all_knobs() {
            writeln!(f, "  {} = {}\n      {}", k.name, k.default, k.help)?;
        }
        Ok(())
    }
}
