//! One pass over the files of a source: every row is an example, left out by a rule, set aside as bad, or a located error.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use collimate_types::Message;
use serde::Serialize;

use crate::columns::Columns;
use crate::containers::files::Wanted;
use crate::containers::{Flow, Place, Seen, read_rows};
use crate::digest::word;
use crate::example::Content;
use crate::{Counts, DataConfig, DataError, Example, FORMATS, Fault, Format, Reading, Row, RowError, fields, format_named};

/// The most rows of a file that are listed as wrong; the others are counted.
pub const MAX_LISTED: usize = 50;

/// Counts tokens as a run will see them.
pub trait Measure: Sync {
    /// Tokens of a prompt, rendered.
    ///
    /// # Errors
    /// What the tokenizer or the chat template says.
    fn prompt(&self, text: Option<&str>, messages: &[Message]) -> Result<usize, String>;

    /// Tokens of an answer.
    ///
    /// # Errors
    /// What the tokenizer says.
    fn answer(&self, text: &str) -> Result<usize, String>;
}

/// A bad row that was set aside.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Rejected {
    /// The file.
    pub file: PathBuf,
    /// The line, or the row of a table, counted from 1.
    pub line: u64,
    /// In characters, counted from 1.
    pub column: u64,
    /// In bytes from the start of the file.
    pub offset: u64,
    /// What is wrong.
    pub reason: String,
    /// How to mend it.
    pub mend: String,
    /// The row as it stands, its first 64 KiB.
    pub row: String,
}

/// An example, where it stands.
#[derive(Debug)]
pub struct Located<'a> {
    /// The example.
    pub example: Example,
    /// The row it was read from.
    pub row: &'a Row,
    /// The format that read it.
    pub format: &'static str,
    /// Something about the row that was counted.
    pub note: Option<&'static str>,
    /// Whether the first of two sides that have an order of their own is the preferred one.
    pub first: Option<bool>,
    pub(crate) content: [u8; 32],
}

/// Gets each example, and may stop the pass.
pub(crate) type Sink<'s> = dyn FnMut(Located<'_>) -> Flow + 's;

/// The state of a pass.
pub(crate) struct Pass<'c> {
    config: &'c DataConfig,
    measure: Option<&'c dyn Measure>,
    columns: Columns,
    format: Option<&'static dyn Format>,
    caps: HashMap<u64, u32>,
    ids: HashMap<u64, (u32, u64)>,
    /// Rows that were left out or noted.
    pub(crate) counts: Counts,
    /// The format that read the first rows.
    pub(crate) found: Option<&'static dyn Format>,
    /// What was seen of all files.
    pub(crate) seen: Seen,
    /// How many rows are bad.
    pub(crate) wrong: u64,
    pub(crate) rejected: Vec<Rejected>,
    pub(crate) faults: Vec<DataError>,
}

/// Set-aside rows that are kept to be shown.
const MAX_REJECTED: usize = 100_000;
const MAX_SHOWN: usize = 1 << 16;

impl<'c> Pass<'c> {
    /// A pass with the format, columns and rules of a configuration.
    ///
    /// # Errors
    /// If the format does not exist.
    pub(crate) fn new(config: &'c DataConfig, measure: Option<&'c dyn Measure>) -> Result<Self, DataError> {
        let format = match config.format.as_str() {
            "auto" => None,
            name => Some(format_named(name)?),
        };
        Ok(Self {
            config,
            measure,
            columns: Columns::new(&config.columns),
            format,
            caps: HashMap::new(),
            ids: HashMap::new(),
            counts: Counts::default(),
            found: None,
            seen: Seen::default(),
            wrong: 0,
            rejected: Vec::new(),
            faults: Vec::new(),
        })
    }

    /// Reads all files that a name stands for.
    pub(crate) fn read(&mut self, key: &'static str, name: &Path, sink: &mut Sink<'_>) {
        let wanted = Wanted { key, name, config: &self.config.config, split: &self.config.split };
        let files = match wanted.files() {
            Ok(files) => files,
            Err(error) => return self.faults.push(error),
        };
        let before = (self.seen.rows, self.faults.len());
        for (index, file) in files.iter().enumerate() {
            if self.file(key, index as u32, file, sink).is_break() {
                break;
            }
        }
        if self.seen.rows == before.0 && self.faults.len() == before.1 {
            self.faults.push(DataError::Empty { path: name.to_owned() });
        }
        self.check_share();
    }

    /// Rows of a generator.
    pub(crate) fn made(&mut self, format: &'static dyn Format, rows: &[Row], sink: &mut Sink<'_>) {
        self.found = self.found.or(Some(format));
        for row in rows {
            self.seen.rows += 1;
            match format.read(row, self.config) {
                Ok(reading) => {
                    if self.hand_on(reading, row, format, sink).is_break() {
                        break;
                    }
                }
                Err(fault) => self.list(made_wrong(row, fault), 0),
            }
        }
    }

    fn file(&mut self, key: &'static str, index: u32, path: &Path, sink: &mut Sink<'_>) -> Flow {
        let mut state = InFile { index, format: self.format, wrong_before: self.wrong, stopped: false };
        let columns = self.columns.clone();
        match read_rows(key, path, &columns, &mut |place, row| self.row(place, row, &mut state, sink)) {
            Ok(seen) => {
                self.seen.rows += seen.rows;
                self.seen.blank += seen.blank;
                self.seen.bytes += seen.bytes;
            }
            Err(error) => self.faults.push(error),
        }
        let hidden = if self.skips() { 0 } else { (self.wrong - state.wrong_before).saturating_sub(MAX_LISTED as u64) };
        if hidden > 0 {
            self.faults.push(DataError::More { file: path.to_owned(), hidden });
        }
        if state.stopped { Flow::Break(()) } else { Flow::Continue(()) }
    }

    fn row(&mut self, place: &dyn Place, row: Result<&Row, RowError>, state: &mut InFile, sink: &mut Sink<'_>) -> Flow {
        let row = match row {
            Ok(row) => row,
            Err(error) => return self.refuse(error, place, state),
        };
        // Without a format the first good row of each file decides.
        let Some(format) = state.format.or_else(|| FORMATS.iter().copied().find(|f| f.sniff(&row.json))) else {
            self.faults.push(no_format(row));
            return Flow::Break(());
        };
        state.format = Some(format);
        self.found = self.found.or(Some(format));
        if self.is_beyond_cap(format, row) {
            self.counts.leave(BEYOND_CAP, 1);
            return Flow::Continue(());
        }
        let reading = format.read(row, self.config).and_then(|reading| self.unique(reading, state.index, place.number()));
        match reading {
            Ok(reading) => {
                let flow = self.hand_on(reading, row, format, sink);
                state.stopped = flow.is_break();
                flow
            }
            Err(fault) => self.refuse(place.error(nearer(fault, format, row)), place, state),
        }
    }

    /// Rules that any example must keep; what keeps them goes on.
    fn hand_on(&mut self, reading: Reading, row: &Row, format: &'static dyn Format, sink: &mut Sink<'_>) -> Flow {
        let Reading { example, note, first, content, .. } = reading;
        let Some(example) = example else {
            self.counts.leave(note.unwrap_or("left out by its format"), 1);
            return Flow::Continue(());
        };
        match self.too_short_or_long(example.content()) {
            Ok(None) => {}
            Ok(Some(rule)) => {
                self.counts.leave(rule, 1);
                return Flow::Continue(());
            }
            Err(why) => {
                self.list(
                    made_wrong(row, Fault::BadValue { field: "prompt".into(), why, mend: "remove the row, or another template".into() }),
                    0,
                );
                return Flow::Continue(());
            }
        }
        if let Some(note) = note {
            self.counts.note(note);
        }
        sink(Located { example, row, format: format.card().name, note, first, content })
    }

    fn is_beyond_cap(&mut self, format: &'static dyn Format, row: &Row) -> bool {
        let Some((group, most)) = format.cap(row, self.config) else { return false };
        let count = self.caps.entry(word(*blake3::hash(group.as_bytes()).as_bytes())).or_default();
        *count += 1;
        *count > most
    }

    fn too_short_or_long(&self, content: &dyn Content) -> Result<Option<&'static str>, String> {
        let config = self.config;
        if config.min_chars > 0 || config.max_chars > 0 {
            let mut chars = 0;
            content.asked(&mut |text| chars += text.chars().count());
            content.answers(&mut |text| chars += text.chars().count());
            if chars < config.min_chars {
                return Ok(Some("fewer characters than data.min_chars"));
            }
            if config.max_chars > 0 && chars > config.max_chars {
                return Ok(Some("more characters than data.max_chars"));
            }
        }
        let (Some(measure), true) = (self.measure, config.max_prompt_tokens > 0 || config.max_tokens > 0) else { return Ok(None) };
        let (text, messages) = content.prompt();
        let prompt = measure.prompt(text, messages)?;
        if config.max_prompt_tokens > 0 && prompt > config.max_prompt_tokens {
            return Ok(Some("a prompt of more tokens than data.max_prompt_tokens"));
        }
        if config.max_tokens > 0 {
            let (mut longest, mut failed) = (0, None);
            content.answers(&mut |text| match measure.answer(text) {
                Ok(tokens) => longest = tokens.max(longest),
                Err(error) => failed = Some(error),
            });
            if let Some(error) = failed {
                return Err(error);
            }
            if prompt + longest > config.max_tokens {
                return Ok(Some("more tokens than data.max_tokens"));
            }
        }
        Ok(None)
    }

    /// Rows that name themselves may repeat a name with the same content only.
    fn unique(&mut self, reading: Reading, file: u32, line: u64) -> Result<Reading, Fault> {
        let Some(example) = reading.example.as_ref().filter(|_| reading.own_id) else { return Ok(reading) };
        let id = example.content().id();
        let name = word(*blake3::hash(id.as_bytes()).as_bytes()) ^ u64::from(file);
        match self.ids.entry(name) {
            Entry::Vacant(place) => {
                place.insert((u32::try_from(line).unwrap_or(u32::MAX), word(reading.content)));
                Ok(reading)
            }
            Entry::Occupied(place) if place.get().1 == word(reading.content) => Ok(reading),
            Entry::Occupied(place) => Err(Fault::IdTaken { id: id.to_owned(), line: u64::from(place.get().0) }),
        }
    }

    fn skips(&self) -> bool {
        self.config.bad_rows == "skip"
    }

    fn refuse(&mut self, error: RowError, place: &dyn Place, state: &InFile) -> Flow {
        if self.skips() {
            self.wrong += 1;
            if self.rejected.len() < MAX_REJECTED {
                self.rejected.push(Rejected::new(&error, &place.raw()));
            }
        } else {
            self.list(error, state.wrong_before);
        }
        Flow::Continue(())
    }

    fn list(&mut self, error: RowError, wrong_before: u64) {
        self.wrong += 1;
        if self.wrong - wrong_before <= MAX_LISTED as u64 {
            self.faults.push(error.into());
        }
    }

    fn check_share(&mut self) {
        let (wrong, rows, share) = (self.wrong, self.seen.rows, self.config.max_bad_share);
        if self.skips() && wrong as f64 > share * rows as f64 {
            self.faults.push(DataError::TooManyBad { wrong, rows, share });
            let shown = self.rejected.iter().take(MAX_LISTED).map(|r| DataError::Rejected { row: r.clone() });
            self.faults.extend(shown);
        }
    }
}

const BEYOND_CAP: &str = "beyond the most rows of one group";

/// What a pass knows of the file it is in.
struct InFile {
    index: u32,
    format: Option<&'static dyn Format>,
    wrong_before: u64,
    /// The sink wants no more.
    stopped: bool,
}

impl Rejected {
    fn new(error: &RowError, raw: &str) -> Self {
        let mut end = raw.len().min(MAX_SHOWN);
        while !raw.is_char_boundary(end) {
            end -= 1;
        }
        Self {
            file: error.file.to_path_buf(),
            line: error.line,
            column: error.column,
            offset: error.offset,
            reason: error.fault.to_string(),
            mend: error.fault.mend(),
            row: raw[..end].to_owned(),
        }
    }
}

/// A column that the format has for something else is not what a missing one was meant to be.
fn nearer(mut fault: Fault, format: &dyn Format, row: &Row) -> Fault {
    if let Fault::Missing { field, nearest, .. } = &mut fault {
        *nearest = fields::nearest(field, strangers(format, row)).map(str::to_owned);
    }
    fault
}

/// The columns of a row that its format does not know.
fn strangers<'r>(format: &dyn Format, row: &'r Row) -> impl Iterator<Item = &'r str> {
    let known = format.card().fields;
    row.json.keys().map(String::as_str).filter(move |name| !known.iter().any(|f| f.name == *name))
}

/// A made row has no bytes to point at.
fn made_wrong(row: &Row, fault: Fault) -> RowError {
    let excerpt = crate::containers::place::excerpt(serde_json::Value::Object(row.json.clone()).to_string().as_bytes(), 0);
    RowError { file: Arc::clone(&row.file), line: row.line, column: 1, offset: 0, excerpt, fault: fault.into() }
}

/// No format fits; if the columns come close to those of one, the first missing one is named.
fn no_format(row: &Row) -> DataError {
    let needed = |f: &&dyn Format| {
        let needed: Vec<_> = f.card().fields.iter().filter(|c| !c.kind.contains("optional")).map(|c| c.name).collect();
        if needed.is_empty() { f.card().fields.iter().take(1).map(|c| c.name).collect() } else { needed }
    };
    let known: Vec<_> = FORMATS.iter().filter(|f| f.reads()).map(|f| format!("`{}` ({})", f.card().name, needed(f).join(", "))).collect();
    let columns = fields::columns(&row.json);
    let close = closest(row);
    DataError::NoFormat { file: row.file.to_path_buf(), line: row.line, columns, close, known: known.join(", ") }
}

/// The format with the largest share of its columns in the row, at least half; and what it misses.
fn closest(row: &Row) -> Option<String> {
    let score = |format: &&dyn Format| {
        let needed: Vec<_> = format.card().fields.iter().filter(|c| !c.kind.contains("optional")).map(|c| c.name).collect();
        let there = needed.iter().filter(|name| row.json.contains_key(**name)).count();
        (there, needed.len())
    };
    let with_scores = FORMATS.iter().filter(|f| f.reads()).map(|f| (score(f), *f));
    let enough = with_scores.filter(|((there, needed), _)| *there * 2 >= *needed && *there >= 1 && there < needed);
    let ((_, _), format) = enough.max_by_key(|((there, needed), _)| (*there * 1000 / *needed, *there))?;
    let missing = format.card().fields.iter().filter(|c| !c.kind.contains("optional") && !row.json.contains_key(c.name));
    let told = missing.map(|column| {
        let near = fields::nearest(column.name, strangers(format, row)).map_or_else(String::new, |n| format!(" (did you mean `{n}`?)"));
        format!("`{}`{near}", column.name)
    });
    Some(format!("as `{}` it misses {}", format.card().name, told.collect::<Vec<_>>().join(", ")))
}

/// Reads whatever a name stands for and shows every example, one at a time: memory does not grow with the files.
///
/// # Errors
/// Everything that is wrong, in one pass, after all good rows have been shown.
pub fn each_example(
    name: &Path,
    config: &DataConfig,
    measure: Option<&dyn Measure>,
    each: &mut dyn FnMut(Located<'_>) -> std::ops::ControlFlow<()>,
) -> Result<Summary, Vec<DataError>> {
    let mut pass = Pass::new(config, measure).map_err(|e| vec![e])?;
    pass.read("train", name, each);
    if !pass.faults.is_empty() {
        return Err(pass.faults);
    }
    Ok(Summary { rows: pass.seen.rows, counts: pass.counts, rejected: pass.rejected })
}

/// What a pass saw.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Summary {
    /// Rows, good and bad.
    pub rows: u64,
    /// Rows that were left out or noted.
    pub counts: Counts,
    /// Bad rows that were set aside.
    pub rejected: Vec<Rejected>,
}
