//! A look at a data file before anything is trained on it: `collimate data check`.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::load::FileRead;
use crate::{DataConfig, DataError, MAX_LISTED, digest, format_named};

/// What a data file holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Report {
    /// The file.
    pub file: PathBuf,
    /// The format that read it; none if no row could be recognised.
    pub format: Option<&'static str>,
    /// The length of the file.
    pub bytes: u64,
    /// Lines that hold something.
    pub rows: u64,
    /// Lines that hold nothing; they are skipped.
    pub blank: u64,
    /// Rows that can be used.
    pub good: u64,
    /// Rows that cannot be used.
    pub wrong: u64,
    /// What is wrong, each with its place and its mend; at most [`MAX_LISTED`] rows are listed.
    pub problems: Vec<String>,
    /// How many good rows ask what an earlier row asks.
    pub repeated: u64,
    /// The first [`MAX_LISTED`] of them.
    pub duplicates: Vec<Duplicate>,
    /// The content of the good rows, as `TaskSet::digest` names it.
    pub digest: String,
}

/// A row that asks what an earlier row asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Duplicate {
    /// Where it stands.
    pub line: u64,
    /// Where the question stands first.
    pub first: u64,
    /// Whether the truth is the same too.
    pub same_truth: bool,
}

impl Report {
    /// Whether the file can be trained on as it is.
    #[must_use]
    pub fn usable(&self) -> bool {
        self.problems.is_empty()
    }
}

/// Reads a whole file and reports every problem, with the format's default knobs. `format` is a name or `auto`.
///
/// # Errors
/// If the format does not exist or makes its rows itself. Everything that is wrong with the file is part of the report.
pub fn check(path: &Path, format: &str) -> Result<Report, DataError> {
    let config = DataConfig::default();
    let chosen = if format == "auto" { None } else { Some(format_named(format)?) };
    if let Some(generator) = chosen.filter(|f| f.generates()) {
        let wanted = format!("`{}` makes its rows itself and reads no file", generator.card().name);
        return Err(DataError::Setting { key: "format".into(), value: format.into(), wanted });
    }
    let read = FileRead::of("train", path, chosen, &config);
    let (repeated, duplicates) = duplicates(&read);
    Ok(Report {
        file: path.to_owned(),
        format: read.format.map(|f| f.card().name),
        bytes: read.seen.bytes,
        rows: read.seen.rows,
        blank: read.seen.blank,
        good: read.tasks.len() as u64,
        wrong: read.wrong,
        problems: read.faults.iter().map(ToString::to_string).collect(),
        repeated,
        duplicates,
        digest: digest::of_list(read.tasks.iter().map(AsRef::as_ref)),
    })
}

fn duplicates(read: &FileRead) -> (u64, Vec<Duplicate>) {
    let mut first_seen = HashMap::new();
    let (mut repeated, mut listed) = (0, Vec::new());
    for (task, line) in read.tasks.iter().zip(&read.lines) {
        let content = digest::of_content(task);
        match first_seen.entry(digest::of_question(task)) {
            Entry::Vacant(place) => {
                place.insert((*line, content));
            }
            Entry::Occupied(place) => {
                let (first, known) = *place.get();
                repeated += 1;
                if listed.len() < MAX_LISTED {
                    listed.push(Duplicate { line: *line, first, same_truth: known == content });
                }
            }
        }
    }
    (repeated, listed)
}

impl std::fmt::Display for Report {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for problem in &self.problems {
            writeln!(f, "{problem}")?;
        }
        for Duplicate { line, first, same_truth } in &self.duplicates {
            let truth = if *same_truth { "the same truth" } else { "another truth" };
            writeln!(f, "{}:{line}: asks what line {first} asks, with {truth}", self.file.display())?;
        }
        let hidden = self.repeated - self.duplicates.len() as u64;
        if hidden > 0 {
            writeln!(f, "{}: {hidden} more rows repeat a question", self.file.display())?;
        }
        let format = self.format.unwrap_or("unknown");
        let Self { rows, good, wrong, repeated, blank, .. } = self;
        let file = self.file.display();
        write!(f, "{file}: format {format}, {rows} rows: {good} good, {wrong} wrong, {repeated} repeated; {blank} blank lines")
    }
}
