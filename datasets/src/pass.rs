//! One pass over the files of a source, in their order: what rows are together (caps, ids, counts), and what is wrong with them.
//!
//! Batches of records are judged by several threads; what is made of their examples comes back in the order of the file.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use collimate_types::Message;
use serde::Serialize;

use crate::columns::Columns;
use crate::containers::files::Wanted;
use crate::containers::{Batch, Batches, Container, Decode, Flow, Named, Place, Seen, TableRow, Unopened, open, unreadable};
use crate::judge::{Judge, Judged, Make, Verdict};
use crate::sniff::{format_of, no_format};
use crate::{Counts, DataConfig, DataError, Example, Fault, Format, Row, RowError, format_named};

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
pub struct Located {
    /// The example.
    pub example: Example,
    /// The row it was read from.
    pub row: Row,
    /// The format that read it.
    pub format: &'static str,
    /// Something about the row that was counted.
    pub note: Option<&'static str>,
    /// Whether the first of two sides that have an order of their own is the preferred one.
    pub first: Option<bool>,
}

/// Gets what was made of each example, and may stop the pass.
pub(crate) type Sink<'s, R> = dyn FnMut(R) -> Flow + 's;

/// The state of a pass.
pub(crate) struct Pass<'c> {
    pub(crate) judge: Judge<'c>,
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
/// Threads that judge, at most; cutting and gathering keep one busy beside them.
const MAX_JUDGES: usize = 4;
const BEYOND_CAP: &str = "beyond the most rows of one group";

/// What a pass knows of the file it is in.
struct InFile<'p> {
    key: &'static str,
    index: u64,
    path: &'p Path,
    file: Arc<Path>,
    wrong_before: u64,
}

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
            judge: Judge { config, measure, columns: Columns::new(&config.columns), names: true },
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
    pub(crate) fn read<R: Send>(&mut self, key: &'static str, name: &Path, make: &Make<'_, R>, sink: &mut Sink<'_, R>) {
        let wanted = Wanted { key, name, config: &self.judge.config.config, split: &self.judge.config.split };
        let files = match wanted.files() {
            Ok(files) => files,
            Err(error) => return self.faults.push(error),
        };
        let before = (self.seen.rows, self.faults.len());
        for (index, path) in files.iter().enumerate() {
            let at = InFile { key, index: index as u64, path, file: path.as_path().into(), wrong_before: self.wrong };
            let flow = self.file(&at, make, sink);
            let hidden = if self.judge.skips() { 0 } else { (self.wrong - at.wrong_before).saturating_sub(MAX_LISTED as u64) };
            if hidden > 0 {
                self.faults.push(DataError::More { file: path.clone(), hidden });
            }
            if flow.is_break() {
                break;
            }
        }
        if self.seen.rows == before.0 && self.faults.len() == before.1 {
            self.faults.push(DataError::Empty { path: name.to_owned() });
        }
        self.check_share();
    }

    /// Rows of a generator.
    pub(crate) fn made<R>(&mut self, format: &'static dyn Format, rows: Vec<Row>, make: &Make<'_, R>, sink: &mut Sink<'_, R>) {
        self.found = self.found.or(Some(format));
        for row in rows {
            let (file, line) = (Arc::clone(&row.file), row.line);
            let at = InFile { key: "train", index: 0, path: Path::new(""), file, wrong_before: 0 };
            if self.table_row(row, line, format, &at, make, sink).is_break() {
                break;
            }
        }
    }

    fn file<R: Send>(&mut self, at: &InFile<'_>, make: &Make<'_, R>, sink: &mut Sink<'_, R>) -> Flow {
        match open(at.key, at.path) {
            Ok(Container::Text(batches, decode)) => self.text(batches, &decode, at, make, sink),
            Ok(Container::Table(rows)) => {
                self.seen.bytes += std::fs::metadata(at.path).map_or(0, |m| m.len());
                let mut format = self.format;
                for (line, row) in (1..).zip(rows) {
                    let json = match row {
                        Ok(json) => self.judge.columns.rename(json),
                        Err(error) => {
                            self.faults.push(error);
                            return Flow::Continue(());
                        }
                    };
                    let Some(known) = format.or_else(|| format_of(&json)) else {
                        self.seen.rows += 1;
                        self.faults.push(no_format(&json, at.path, line));
                        return Flow::Continue(());
                    };
                    format = Some(known);
                    self.found = self.found.or(format);
                    self.table_row(Row { json, file: Arc::clone(&at.file), line }, line, known, at, make, sink)?;
                }
                Flow::Continue(())
            }
            Err(Unopened::File(error)) => {
                self.faults.push(error);
                Flow::Continue(())
            }
            Err(Unopened::Header(error)) => {
                self.seen.rows += 1;
                self.wrong += 1;
                self.faults.push((*error).into());
                Flow::Continue(())
            }
        }
    }

    fn table_row<R>(
        &mut self,
        row: Row,
        line: u64,
        format: &'static dyn Format,
        at: &InFile<'_>,
        make: &Make<'_, R>,
        sink: &mut Sink<'_, R>,
    ) -> Flow {
        let shown = row.json.clone();
        let text = || serde_json::Value::Object(shown.clone()).to_string();
        let place = TableRow { file: &at.file, number: line, text: &text };
        let judged = self.judge.row(Ok(row), line, &place, format, make);
        self.take(judged, &place, at, sink)
    }

    /// A text: its first batches here, until a row tells the format; the rest by several threads.
    fn text<R: Send>(
        &mut self,
        mut batches: Batches,
        decode: &Decode,
        at: &InFile<'_>,
        make: &Make<'_, R>,
        sink: &mut Sink<'_, R>,
    ) -> Flow {
        let mut format = self.format;
        loop {
            let batch = match self.batch(&mut batches, at) {
                Some(batch) => batch,
                None => return Flow::Continue(()),
            };
            if format.is_none() {
                match self.sniff(&batch, decode, at) {
                    Ok(found) => format = found,
                    Err(error) => {
                        self.faults.push(error);
                        return Flow::Continue(());
                    }
                }
            }
            let Some(format) = format else {
                self.no_row_is_good(&batch, decode, at);
                continue;
            };
            self.found = self.found.or(Some(format));
            let judged = self.judge.batch(&batch, decode, format, &at.file, make);
            self.take_all(&batch, judged, at, sink)?;
            let judges = std::thread::available_parallelism().map_or(1, usize::from).min(MAX_JUDGES);
            if judges > 1 {
                return self.side_by_side(batches, decode, format, judges, at, make, sink);
            }
        }
    }

    /// The next batch; what ends the stream before its end is told.
    fn batch(&mut self, batches: &mut Batches, at: &InFile<'_>) -> Option<Batch> {
        let next = batches.next().unwrap_or_else(|error| {
            self.faults.push(unreadable(at.key, at.path, batches.bytes(), error));
            None
        });
        match &next {
            Some(batch) => self.seen.blank += batch.blank,
            None => self.seen.bytes += batches.bytes(),
        }
        next
    }

    /// The format that the first good row of a batch has.
    fn sniff(&self, batch: &Batch, decode: &Decode, at: &InFile<'_>) -> Result<Option<&'static dyn Format>, DataError> {
        for index in 0..batch.len() {
            if let Ok(json) = self.judge.columns(batch, index, decode, &at.file) {
                let line = batch.record(index, &at.file).number;
                return format_of(&json).map(Some).ok_or_else(|| no_format(&json, at.path, line));
            }
        }
        Ok(None)
    }

    fn no_row_is_good(&mut self, batch: &Batch, decode: &Decode, at: &InFile<'_>) {
        for index in 0..batch.len() {
            if let Err(error) = self.judge.columns(batch, index, decode, &at.file) {
                let raw = self.judge.skips().then(|| batch.raw(index, &at.file));
                self.seen.rows += 1;
                self.refuse(error, raw, at);
            }
        }
    }

    /// Batch n goes to judge n modulo their number, and comes back from it: so the order stays, and nobody waits for long.
    #[expect(clippy::too_many_arguments, reason = "what a file and its rows are judged by")]
    fn side_by_side<R: Send>(
        &mut self,
        mut batches: Batches,
        decode: &Decode,
        format: &'static dyn Format,
        judges: usize,
        at: &InFile<'_>,
        make: &Make<'_, R>,
        sink: &mut Sink<'_, R>,
    ) -> Flow {
        let Some(first) = self.batch(&mut batches, at) else { return Flow::Continue(()) };
        // The judges borrow a judge of their own: this pass changes while they work.
        let own = self.judge.clone();
        std::thread::scope(|scope| {
            let work = |receiver: Receiver<Batch>, sender: SyncSender<(Batch, Vec<Judged<R>>)>| {
                // A name of its own: all rows count their references to it.
                let (judge, file) = (&own, Arc::<Path>::from(&*at.file));
                scope.spawn(move || {
                    for batch in receiver {
                        let judged = judge.batch(&batch, decode, format, &file, make);
                        if sender.send((batch, judged)).is_err() {
                            return;
                        }
                    }
                });
            };
            let doors: Vec<_> = (0..judges)
                .map(|_| {
                    let ((to, receiver), (sender, from)) = (sync_channel(2), sync_channel(2));
                    work(receiver, sender);
                    (to, from)
                })
                .collect();
            let (mut sent, mut taken, mut next) = (0, 0, Some(first));
            while next.is_some() || taken < sent {
                if let Some(batch) = next.take_if(|_| sent - taken < 2 * judges) {
                    // A judge that is gone has panicked; the scope tells of it.
                    if doors[sent % judges].0.send(batch).is_err() {
                        break;
                    }
                    sent += 1;
                    next = self.batch(&mut batches, at);
                    continue;
                }
                let Ok((batch, judged)) = doors[taken % judges].1.recv() else { break };
                taken += 1;
                self.take_all(&batch, judged, at, sink)?;
            }
            Flow::Continue(())
        })
    }

    fn take_all<R>(&mut self, batch: &Batch, judged: Vec<Judged<R>>, at: &InFile<'_>, sink: &mut Sink<'_, R>) -> Flow {
        let columns = self.judge.columns.clone();
        for (index, judged) in judged.into_iter().enumerate() {
            let place = Named { record: batch.record(index, &at.file), columns: &columns };
            self.take(judged, &place, at, sink)?;
        }
        Flow::Continue(())
    }

    /// What a judged row is among the others.
    fn take<R>(&mut self, judged: Judged<R>, place: &dyn Place, at: &InFile<'_>, sink: &mut Sink<'_, R>) -> Flow {
        self.seen.rows += 1;
        if let Some((group, most)) = judged.cap {
            let count = self.caps.entry(group).or_default();
            *count += 1;
            if *count > most {
                self.counts.leave(BEYOND_CAP, 1);
                return Flow::Continue(());
            }
        }
        if let Some(own) = judged.own
            && let Some(line) = self.taken_in_line(own.hash ^ at.index, own.content, judged.line)
        {
            let error = place.error(Fault::IdTaken { id: own.id, line });
            let raw = self.judge.skips().then(|| place.raw().into_owned());
            self.refuse(error, raw, at);
            return Flow::Continue(());
        }
        match judged.verdict {
            Verdict::Good { made, note } => {
                if let Some(note) = note {
                    self.counts.note(note);
                }
                sink(made)
            }
            Verdict::Left(rule) => {
                self.counts.leave(rule, 1);
                Flow::Continue(())
            }
            Verdict::Bad { error, raw } => {
                self.refuse(*error, raw, at);
                Flow::Continue(())
            }
        }
    }

    /// Rows that name themselves may repeat a name with the same content only: the line where it stands with another.
    fn taken_in_line(&mut self, id: u64, content: u64, line: u64) -> Option<u64> {
        match self.ids.entry(id) {
            Entry::Vacant(place) => {
                place.insert((u32::try_from(line).unwrap_or(u32::MAX), content));
                None
            }
            Entry::Occupied(place) => (place.get().1 != content).then(|| u64::from(place.get().0)),
        }
    }

    fn refuse(&mut self, error: RowError, raw: Option<String>, at: &InFile<'_>) {
        self.wrong += 1;
        match raw {
            Some(raw) if self.rejected.len() < MAX_REJECTED => self.rejected.push(Rejected::new(&error, &raw)),
            Some(_) => {}
            None if self.wrong - at.wrong_before <= MAX_LISTED as u64 => self.faults.push(error.into()),
            None => {}
        }
    }

    fn check_share(&mut self) {
        let (wrong, rows, share) = (self.wrong, self.seen.rows, self.judge.config.max_bad_share);
        if self.judge.skips() && wrong as f64 > share * rows as f64 {
            self.faults.push(DataError::TooManyBad { wrong, rows, share });
            let shown = self.rejected.iter().take(MAX_LISTED).map(|r| DataError::Rejected { row: r.clone() });
            self.faults.extend(shown);
        }
    }
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

/// Reads whatever a name stands for and shows every example, one at a time: memory does not grow with the files.
///
/// # Errors
/// Everything that is wrong, in one pass, after all good rows have been shown.
pub fn each_example(
    name: &Path,
    config: &DataConfig,
    measure: Option<&dyn Measure>,
    each: &mut dyn FnMut(Located) -> std::ops::ControlFlow<()>,
) -> Result<Summary, Vec<DataError>> {
    let mut pass = Pass::new(config, measure).map_err(|e| vec![e])?;
    pass.read("train", name, &|located| located, each);
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
