//! What one row adds to the figures: numbers alone, so that the row can end where it was judged.

use collimate_types::{Reply, Speaker};

use super::pairs::PairFigures;
use crate::Example;
use crate::digest::Quick;
use crate::pass::{Located, Measure};

/// The figures of one row.
pub(super) struct Figures {
    pub(super) format: &'static str,
    pub(super) kind: &'static str,
    /// Hashes of what is asked and of the whole content.
    pub(super) asked: u64,
    pub(super) content: u64,
    /// Turns of the person, of a conversation.
    pub(super) turns: Option<u64>,
    pub(super) prompt: u64,
    pub(super) answers: [Option<u64>; 2],
    pub(super) longest: u64,
    /// Good labels, and all.
    pub(super) labels: [u64; 2],
    pub(super) pair: Option<PairFigures>,
}

impl Figures {
    /// Measures a row.
    #[expect(clippy::needless_pass_by_value, reason = "the row ends where it was judged")]
    pub(super) fn of(located: Located, measure: Option<&dyn Measure>) -> Result<Self, String> {
        let place = || format!("{}:{}", located.row.file.display(), located.row.line);
        Self::measured(&located, measure).map_err(|why| format!("{}: {why}", place()))
    }

    fn measured(located: &Located, measure: Option<&dyn Measure>) -> Result<Self, String> {
        let (example, content) = (&located.example, located.example.content());
        let (text, messages) = content.prompt();
        let (asked, whole) = Quick::of(content);
        let prompt = match measure {
            Some(measure) => measure.prompt(text, messages)? as u64,
            None => text.map_or(0, chars) + messages.iter().map(|m| chars(&m.content)).sum::<u64>(),
        };
        let said = |text: &str| measure.map_or_else(|| Ok(chars(text)), |m| m.answer(text).map(|n| n as u64));
        let reply = |reply: &Reply| if measure.is_some() { said(&reply.said()) } else { Ok(reply.chars() as u64) };
        let (mut answers, mut labels, mut pair) = ([None, None], [0, 0], None);
        match example {
            Example::Task { worked, .. } => answers[0] = worked.as_deref().map(said).transpose()?,
            Example::Pair(both) => {
                let (chosen, rejected) = (reply(&both.chosen)?, reply(&both.rejected)?);
                answers = [Some(chosen), Some(rejected)];
                pair = Some(PairFigures::of(both, located.first, chosen, rejected));
            }
            Example::Demonstration(demonstration) => answers[0] = Some(reply(&demonstration.answer)?),
            Example::Rated(rated) => {
                answers[0] = Some(reply(&rated.answer)?);
                labels = [u64::from(rated.good), 1];
            }
            Example::Stepped(stepped) => {
                let lengths = stepped.steps.iter().map(|(step, _)| said(step)).collect::<Result<Vec<_>, _>>()?;
                answers[0] = Some(lengths.iter().sum());
                labels = [stepped.steps.iter().filter(|(_, right)| *right).count() as u64, stepped.steps.len() as u64];
            }
        }
        let turns = text.is_none().then(|| messages.iter().filter(|m| m.role == Speaker::User).count() as u64);
        let longest = answers.iter().flatten().copied().max().unwrap_or(0);
        let (format, kind) = (located.format, example.kind());
        Ok(Self { format, kind, asked, content: whole, turns, prompt, answers, longest, labels, pair })
    }
}

fn chars(text: &str) -> u64 {
    text.chars().count() as u64
}
