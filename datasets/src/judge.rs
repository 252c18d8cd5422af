//! What a row is, by itself: an example, a row that a rule leaves out, or a located error. It remembers nothing, so rows can be judged side
//! by side.

use std::path::Path;
use std::sync::Arc;

use serde_json::{Map, Value};

use crate::columns::Columns;
use crate::containers::{Batch, Decode, Named, Place, columns_of};
use crate::digest::{Quick, word};
use crate::example::Content;
use crate::pass::{Located, Measure};
use crate::{DataConfig, Fault, Format, Reading, Row, RowError};

/// What is made of an example where it is judged; it may be another thread than where it is used.
pub(crate) type Make<'m, R> = dyn Fn(Located) -> R + Sync + 'm;

/// A row, judged.
pub(crate) struct Judged<R> {
    pub(crate) line: u64,
    pub(crate) verdict: Verdict<R>,
    /// The hash of the group that it belongs to, and how many of that group are taken.
    pub(crate) cap: Option<(u64, u32)>,
    /// Its own id, if it has one.
    pub(crate) own: Option<OwnId>,
}

/// The id that a row gives itself.
pub(crate) struct OwnId {
    pub(crate) id: String,
    /// Hashes of the id and of the content that bears it.
    pub(crate) hash: u64,
    pub(crate) content: u64,
}

/// What a row is.
pub(crate) enum Verdict<R> {
    /// An example, and what was made of it.
    Good { made: R, note: Option<&'static str> },
    /// Left out by this rule.
    Left(&'static str),
    /// An error, and the row as it stands if bad rows are set aside.
    Bad { error: Box<RowError>, raw: Option<String> },
}

/// The rules that need no memory.
#[derive(Clone)]
pub(crate) struct Judge<'c> {
    pub(crate) config: &'c DataConfig,
    pub(crate) measure: Option<&'c dyn Measure>,
    pub(crate) columns: Columns,
    /// Whether examples without a name of their own get one.
    pub(crate) names: bool,
}

impl Judge<'_> {
    /// The columns of a record, under the format's names.
    pub(crate) fn columns(&self, batch: &Batch, index: usize, by: &Decode, file: &Arc<Path>) -> Result<Map<String, Value>, RowError> {
        columns_of(&batch.record(index, file), by).map(|json| self.columns.rename(json))
    }

    /// All records of a batch.
    pub(crate) fn batch<R>(
        &self,
        batch: &Batch,
        by: &Decode,
        format: &'static dyn Format,
        file: &Arc<Path>,
        make: &Make<'_, R>,
    ) -> Vec<Judged<R>> {
        let one = |index| {
            let record = batch.record(index, file);
            let line = record.number;
            let row = self.columns(batch, index, by, file).map(|json| Row { json, file: Arc::clone(file), line });
            self.row(row, line, &Named { record, columns: &self.columns }, format, make)
        };
        (0..batch.len()).map(one).collect()
    }

    /// One row.
    pub(crate) fn row<R>(
        &self,
        row: Result<Row, RowError>,
        line: u64,
        place: &dyn Place,
        format: &'static dyn Format,
        make: &Make<'_, R>,
    ) -> Judged<R> {
        let (mut cap, mut own) = (None, None);
        let verdict = row.and_then(|row| {
            cap = format.cap(&row, self.config).map(|(group, most)| (word(*blake3::hash(group.as_bytes()).as_bytes()), most));
            let reading = format.read(&row, self.config).map_err(|fault| place.error(nearer(fault, format, &row)))?;
            own = reading.example.as_ref().filter(|e| !e.id().is_empty()).map(|example| OwnId {
                id: example.id().to_owned(),
                hash: word(*blake3::hash(example.id().as_bytes()).as_bytes()),
                content: Quick::of(example.content()).1,
            });
            self.keep(reading, row, format, make).map_err(|fault| place.error(fault))
        });
        let verdict = verdict.unwrap_or_else(|error| self.bad(error, place));
        Judged { line, verdict, cap, own }
    }

    pub(crate) fn bad<R>(&self, error: RowError, place: &dyn Place) -> Verdict<R> {
        let raw = self.skips().then(|| place.raw().into_owned());
        Verdict::Bad { error: error.into(), raw }
    }

    pub(crate) fn skips(&self) -> bool {
        self.config.bad_rows == "skip"
    }

    fn keep<R>(&self, reading: Reading, row: Row, format: &'static dyn Format, make: &Make<'_, R>) -> Result<Verdict<R>, Fault> {
        let Some(example) = &reading.example else { return Ok(Verdict::Left(reading.note.unwrap_or("left out by its format"))) };
        let bad = |why| Fault::BadValue { field: "prompt".into(), why, mend: "remove the row, or take another template".into() };
        if let Some(rule) = self.too_short_or_long(example.content()).map_err(bad)? {
            return Ok(Verdict::Left(rule));
        }
        let Reading { example, note, first } = if self.names { reading.named() } else { reading };
        let Some(example) = example else { return Ok(Verdict::Left("left out by its format")) };
        let made = make(Located { example, row, format: format.card().name, note, first });
        Ok(Verdict::Good { made, note })
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
}

/// A column that the format has for something else is not what a missing one was meant to be.
fn nearer(mut fault: Fault, format: &dyn Format, row: &Row) -> Fault {
    if let Fault::Missing { field, nearest, .. } = &mut fault {
        *nearest = crate::fields::nearest(field, strangers(format, &row.json)).map(str::to_owned);
    }
    fault
}

/// The columns of a row that a format does not know.
pub(crate) fn strangers<'r>(format: &dyn Format, row: &'r Map<String, Value>) -> impl Iterator<Item = &'r str> {
    let known = format.card().fields;
    row.keys().map(String::as_str).filter(move |name| !known.iter().any(|f| f.name == *name))
}
