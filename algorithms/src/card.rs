//! What is said of an algorithm, once: documentation and command line print it from here.

use std::fmt;

use serde::Serialize;

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

/// An algorithm in words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Card {
    /// Its name in recipes.
    pub name: &'static str,
    /// What it is, in a sentence.
    pub claim: &'static str,
    /// Where it was published.
    pub paper: &'static str,
    /// What is computed.
    pub equation: &'static str,
    /// The shared parts it is made of.
    pub parts: &'static [&'static str],
    /// Its settings.
    pub knobs: &'static [Knob],
}

impl Card {
    /// The card as a section of docs/algorithms.md.
    #[must_use]
    pub fn to_markdown(&self) -> String {
        let mut text = format!("## `{}`\n\n{}\n\nPaper: {}\n\n```text\n{}\n```\n\n", self.name, self.claim, self.paper, self.equation);
        text.push_str(&format!("Parts: {}\n", self.parts.join(", ")));
        if !self.knobs.is_empty() {
            text.push_str("\n| knob | default | what it does |\n|---|---|---|\n");
            for k in self.knobs {
                text.push_str(&format!("| `{}` | `{}` | {} |\n", k.name, k.default, k.help.replace('|', "\\|")));
            }
        }
        text
    }
}

impl fmt::Display for Card {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}\n  {}\n  paper: {}\n", self.name, self.claim, self.paper)?;
        for line in self.equation.lines() {
            writeln!(f, "    {line}")?;
        }
        writeln!(f, "\n  parts: {}", self.parts.join(", "))?;
        for k in self.knobs {
            writeln!(f, "  {} = {}\n      {}", k.name, k.default, k.help)?;
        }
        Ok(())
    }
}
