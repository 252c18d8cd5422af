//! What a data set looks like: kinds, lengths, repetitions, balance, and whether the preferred side is simply the longer one.
//!
//! One pass; what is kept grows with the number of different rows by 16 bytes each (the hashes that tell repetitions), with nothing else.

mod figures;
mod lengths;
mod pairs;

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::hash::{BuildHasherDefault, Hasher};
use std::path::{Path, PathBuf};

use serde::Serialize;

pub use lengths::Lengths;
pub use pairs::Pairs;

use crate::containers::Flow;
use crate::pass::{Measure, Pass};
use crate::{Counts, DataConfig, DataError};
use figures::Figures;

/// The figures of a data set.
#[derive(Debug, Clone, Serialize)]
#[non_exhaustive]
pub struct Stats {
    /// What was read.
    pub file: PathBuf,
    /// Rows by the format that read them.
    pub formats: BTreeMap<&'static str, u64>,
    /// Rows by the kind of example they give.
    pub kinds: BTreeMap<&'static str, u64>,
    /// Bytes of the text.
    pub bytes: u64,
    /// All rows.
    pub rows: u64,
    /// Rows that give an example.
    pub good: u64,
    /// Rows that cannot be used.
    pub wrong: u64,
    /// Rows that a rule left out, and odd ones, by name.
    pub counts: Counts,
    /// What lengths are counted in: `characters` or `tokens`.
    pub unit: &'static str,
    /// Lengths of prompts.
    pub prompt: Lengths,
    /// Lengths of answers; a pair has two.
    pub answer: Lengths,
    /// Prompts and their longest answers together.
    pub total: Lengths,
    /// How many rows are longer than a limit, if one was given.
    pub truncated: Option<Truncated>,
    /// Turns of a conversation (those of the person) by their number.
    pub turns: BTreeMap<u64, u64>,
    /// Rows whose content an earlier row has.
    pub repeated: u64,
    /// Rows whose prompt an earlier row has.
    pub repeated_prompts: u64,
    /// Rated answers and steps that are good, of how many.
    pub good_labels: [u64; 2],
    /// Figures of pairs, if there are any.
    pub pairs: Option<Pairs>,
    /// What is wrong, each with its place and its mend.
    pub problems: Vec<String>,
}

/// Rows that are longer than a limit.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Truncated {
    /// The limit.
    pub limit: u64,
    /// How many prompts and answers together are longer.
    pub rows: u64,
    /// Their share.
    pub share: f64,
}

/// Gathers the figures of what a name stands for. With `measure` lengths are counted in tokens; `limit` is in the same unit (exact below
/// 4,096).
///
/// # Errors
/// If the format does not exist. Everything that is wrong with rows is part of the figures.
pub fn stats(name: &Path, config: &DataConfig, measure: Option<&dyn Measure>, limit: Option<u64>) -> Result<Stats, DataError> {
    let mut pass = Pass::new(config, measure)?;
    pass.judge.names = false;
    let mut stats = Stats::empty(name, measure.is_some());
    let mut known = Known::default();
    let mut failed = None;
    pass.read("train", name, &|located| Figures::of(located, measure), &mut |figures| {
        match figures {
            Ok(figures) => stats.add(figures, &mut known),
            Err(why) => _ = failed.get_or_insert(why),
        }
        Flow::Continue(())
    });
    stats.formats = known.formats.sums();
    stats.kinds = known.kinds.sums();
    stats.bytes = pass.seen.bytes;
    stats.rows = pass.seen.rows;
    stats.wrong = pass.wrong;
    stats.good = stats.kinds.values().sum();
    stats.truncated = limit.map(|limit| {
        let rows = stats.total.above(limit);
        Truncated { limit, rows, share: rows as f64 / stats.good.max(1) as f64 }
    });
    stats.problems = pass.faults.iter().map(ToString::to_string).chain(failed).collect();
    stats.counts = pass.counts;
    Ok(stats)
}

/// Hashes of what was seen; they are hashes already, so they are not hashed again.
#[derive(Default)]
struct Known {
    /// The first content of each prompt.
    prompts: HashMap<u64, u64, BuildHasherDefault<Same>>,
    /// All further ones.
    further: HashSet<u64, BuildHasherDefault<Same>>,
    formats: Tally,
    kinds: Tally,
}

/// Counts of a few names.
#[derive(Default)]
struct Tally(Vec<(&'static str, u64)>);

impl Tally {
    fn add(&mut self, name: &'static str) {
        match self.0.iter_mut().find(|(known, _)| std::ptr::eq(*known, name)) {
            Some((_, count)) => *count += 1,
            None => self.0.push((name, 1)),
        }
    }

    /// One name may stand at several addresses.
    fn sums(self) -> BTreeMap<&'static str, u64> {
        let mut sums = BTreeMap::new();
        self.0.into_iter().for_each(|(name, count)| *sums.entry(name).or_default() += count);
        sums
    }
}

impl Known {
    /// Counts a row whose prompt or whole content has been seen.
    fn tell(&mut self, prompt: u64, content: u64, stats: &mut Stats) {
        match self.prompts.entry(prompt) {
            Entry::Vacant(place) => _ = place.insert(content),
            Entry::Occupied(first) => {
                stats.repeated_prompts += 1;
                stats.repeated += u64::from(*first.get() == content || !self.further.insert(content));
            }
        }
    }
}

#[derive(Default)]
struct Same(u64);

impl Hasher for Same {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|b| self.0 = self.0.rotate_left(8) ^ u64::from(*b));
    }

    fn write_u64(&mut self, word: u64) {
        self.0 = word;
    }
}

impl Stats {
    fn empty(name: &Path, tokens: bool) -> Self {
        Self {
            file: name.to_owned(),
            formats: BTreeMap::new(),
            kinds: BTreeMap::new(),
            bytes: 0,
            rows: 0,
            good: 0,
            wrong: 0,
            counts: Counts::default(),
            unit: if tokens { "tokens" } else { "characters" },
            prompt: Lengths::default(),
            answer: Lengths::default(),
            total: Lengths::default(),
            truncated: None,
            turns: BTreeMap::new(),
            repeated: 0,
            repeated_prompts: 0,
            good_labels: [0, 0],
            pairs: None,
            problems: Vec::new(),
        }
    }

    /// Whether all rows can be used.
    #[must_use]
    pub fn usable(&self) -> bool {
        self.problems.is_empty()
    }

    fn add(&mut self, row: Figures, known: &mut Known) {
        known.formats.add(row.format);
        known.kinds.add(row.kind);
        known.tell(row.asked, row.content, self);
        if let Some(turns) = row.turns {
            *self.turns.entry(turns).or_default() += 1;
        }
        row.answers.iter().flatten().for_each(|length| self.answer.add(*length));
        self.good_labels[0] += row.labels[0];
        self.good_labels[1] += row.labels[1];
        self.prompt.add(row.prompt);
        self.total.add(row.prompt + row.longest);
        if let Some(pair) = row.pair {
            self.pairs.get_or_insert_default().add(pair);
        }
    }
}

impl std::fmt::Display for Stats {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let named = |map: &BTreeMap<&'static str, u64>| map.iter().map(|(n, c)| format!("{c} {n}")).collect::<Vec<_>>().join(", ");
        for problem in &self.problems {
            writeln!(f, "{problem}")?;
        }
        writeln!(f, "{}: {} rows, {} good, {} wrong, {} bytes", self.file.display(), self.rows, self.good, self.wrong, self.bytes)?;
        writeln!(f, "kinds          {}", named(&self.kinds))?;
        writeln!(f, "formats        {}", named(&self.formats))?;
        for (rule, rows) in &self.counts.left_out {
            writeln!(f, "left out       {rows}: {rule}")?;
        }
        for (note, rows) in &self.counts.notes {
            writeln!(f, "note           {rows}: {note}")?;
        }
        let share = |n: u64| 100.0 * n as f64 / self.good.max(1) as f64;
        writeln!(
            f,
            "repeated rows  {} ({:.2}%), repeated prompts {} ({:.2}%)",
            self.repeated,
            share(self.repeated),
            self.repeated_prompts,
            share(self.repeated_prompts)
        )?;
        if !self.turns.is_empty() {
            let turns: Vec<_> = self.turns.iter().take(8).map(|(turns, rows)| format!("{turns}: {rows}")).collect();
            writeln!(f, "turns          {}", turns.join(", "))?;
        }
        if self.good_labels[1] > 0 {
            let [good, all] = self.good_labels;
            writeln!(f, "good labels    {good} of {all} ({:.1}%)", 100.0 * good as f64 / all as f64)?;
        }
        if let Some(pairs) = &self.pairs {
            writeln!(f, "{pairs}")?;
        }
        if let Some(Truncated { limit, rows, share }) = &self.truncated {
            writeln!(f, "truncated      {rows} rows are longer than {limit} {} ({:.2}%)", self.unit, 100.0 * share)?;
        }
        for (name, lengths) in [("prompt", &self.prompt), ("answer", &self.answer), ("together", &self.total)] {
            if lengths.rows() > 0 {
                writeln!(f, "\n{name}, in {}: {lengths}", self.unit)?;
                for bar in lengths.bars(40) {
                    writeln!(f, "  {bar}")?;
                }
            }
        }
        Ok(())
    }
}
