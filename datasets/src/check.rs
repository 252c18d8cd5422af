//! A look at data before anything is trained on them: `collimate data check`.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::Serialize;

use crate::containers::Flow;
use crate::digest::{self, Quick, word};
use crate::pass::{Located, MAX_LISTED, Pass};
use crate::{Counts, DataConfig, DataError, Example, Rejected, format_named};

/// What a data set holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Report {
    /// What was read: a file, or what stands for several.
    pub file: PathBuf,
    /// The format that read the first rows; none if no row could be recognised.
    pub format: Option<&'static str>,
    /// Bytes of the (decompressed) text.
    pub bytes: u64,
    /// Lines that hold something.
    pub rows: u64,
    /// Lines that hold nothing; they are skipped.
    pub blank: u64,
    /// Rows that can be used.
    pub good: u64,
    /// Rows that cannot be used.
    pub wrong: u64,
    /// What is wrong, each with its place and its mend; of each file at most [`MAX_LISTED`] rows are listed.
    pub problems: Vec<String>,
    /// Rows that a rule left out, and odd ones, by name.
    pub counts: Counts,
    /// How many good rows ask what an earlier row asks; a pair asks which of its two answers is better.
    pub repeated: u64,
    /// The first [`MAX_LISTED`] of them.
    pub duplicates: Vec<Duplicate>,
    /// The content of the good rows, as `Set::digest` names it.
    pub digest: String,
    /// Bad rows that were set aside.
    #[serde(skip)]
    pub rejected: Vec<Rejected>,
}

/// A row that asks what an earlier row asks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Duplicate {
    /// The file.
    pub file: PathBuf,
    /// Where it stands.
    pub line: u64,
    /// The file in which the question stands first.
    pub first_file: PathBuf,
    /// Where the question stands first.
    pub first: u64,
    /// Whether the truth is the same too.
    pub same_truth: bool,
}

impl Report {
    /// Whether the data can be trained on as they are.
    #[must_use]
    pub fn usable(&self) -> bool {
        self.problems.is_empty()
    }
}

/// Reads everything that a name stands for and reports every problem, with the format's default knobs. `format` is a name or `auto`.
///
/// # Errors
/// If the format does not exist or reads no files. Everything that is wrong with the file is part of the report.
pub fn check(path: &Path, format: &str) -> Result<Report, DataError> {
    check_with(path, &DataConfig { format: format.into(), ..DataConfig::default() })
}

/// As [`check`], with the format, columns and rules of a configuration.
///
/// # Errors
/// As [`check`].
pub fn check_with(path: &Path, config: &DataConfig) -> Result<Report, DataError> {
    if config.format != "auto" && !format_named(&config.format)?.reads() {
        let wanted = format!("`{}` makes its rows itself and reads no file", config.format);
        return Err(DataError::Setting { key: "format".into(), value: config.format.clone(), wanted });
    }
    let mut pass = Pass::new(config, None)?;
    let (mut good, mut list, mut known) = (0, digest::OfList::default(), Known::default());
    pass.read("train", path, &Seen::of, &mut |seen| {
        good += 1;
        list.add_hashed(&seen.id, &seen.hash);
        known.add(&seen);
        Flow::Continue(())
    });
    Ok(Report {
        file: path.to_owned(),
        format: pass.found.map(|f| f.card().name),
        bytes: pass.seen.bytes,
        rows: pass.seen.rows,
        blank: pass.seen.blank,
        good,
        wrong: pass.wrong,
        problems: pass.faults.iter().map(ToString::to_string).collect(),
        counts: pass.counts,
        repeated: known.repeated,
        duplicates: known.duplicates,
        digest: list.finish(),
        rejected: pass.rejected,
    })
}

/// The questions seen so far, by their hashes.
#[derive(Default)]
struct Known {
    files: Vec<Arc<Path>>,
    /// Question to file, line and content.
    first: HashMap<u64, (u32, u32, u64)>,
    repeated: u64,
    duplicates: Vec<Duplicate>,
}

/// What is kept of a row.
struct Seen {
    file: Arc<Path>,
    line: u64,
    id: String,
    hash: [u8; 32],
    asked: u64,
    content: u64,
}

impl Seen {
    #[expect(clippy::needless_pass_by_value, reason = "the row ends where it was judged")]
    fn of(located: Located) -> Self {
        let (example, row) = (&located.example, &located.row);
        let (asked, content) = Quick::of(example.content());
        let (asked, hash) = (question(asked, example), digest::of_content(example.content()));
        Self { file: Arc::clone(&row.file), line: row.line, id: example.id().to_owned(), hash, asked, content }
    }
}

impl Known {
    fn add(&mut self, row: &Seen) {
        if self.files.last().is_none_or(|f| **f != *row.file) {
            self.files.push(Arc::clone(&row.file));
        }
        let content = row.content;
        match self.first.entry(row.asked) {
            Entry::Vacant(place) => {
                place.insert((self.files.len() as u32 - 1, u32::try_from(row.line).unwrap_or(u32::MAX), content));
            }
            Entry::Occupied(place) => {
                let (file, line, known) = *place.get();
                self.repeated += 1;
                if self.duplicates.len() < MAX_LISTED {
                    let first_file = self.files[file as usize].to_path_buf();
                    let same_truth = known == content;
                    let file = row.file.to_path_buf();
                    self.duplicates.push(Duplicate { file, line: row.line, first_file, first: u64::from(line), same_truth });
                }
            }
        }
    }
}

/// What a row asks. Of a pair: which of the two answers is better, in whichever order they stand.
fn question(asked: u64, example: &Example) -> u64 {
    let Example::Pair(pair) = example else { return asked };
    let side = |text: String| word(*blake3::hash(text.as_bytes()).as_bytes());
    asked ^ side(pair.chosen.said()).wrapping_add(side(pair.rejected.said()))
}

impl std::fmt::Display for Report {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for problem in &self.problems {
            writeln!(f, "{problem}")?;
        }
        for Duplicate { file, line, first_file, first, same_truth } in &self.duplicates {
            let truth = if *same_truth { "the same truth" } else { "another truth" };
            let other = if file == first_file { String::new() } else { format!("{}:", first_file.display()) };
            writeln!(f, "{}:{line}: asks what line {other}{first} asks, with {truth}", file.display())?;
        }
        let hidden = self.repeated - self.duplicates.len() as u64;
        if hidden > 0 {
            writeln!(f, "{}: {hidden} more rows repeat a question", self.file.display())?;
        }
        for (rule, rows) in &self.counts.left_out {
            writeln!(f, "{}: {rows} rows left out: {rule}", self.file.display())?;
        }
        for (note, rows) in &self.counts.notes {
            writeln!(f, "{}: {rows} rows kept: {note}", self.file.display())?;
        }
        let format = self.format.unwrap_or("unknown");
        let Self { rows, good, wrong, repeated, blank, .. } = self;
        let file = self.file.display();
        write!(f, "{file}: format {format}, {rows} rows: {good} good, {wrong} wrong, {repeated} repeated; {blank} blank lines")
    }
}
