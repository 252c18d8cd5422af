//! From a configuration to the two parts of a run. Everything that is wrong is found in one pass.

use std::collections::HashMap;
use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use collimate_types::{Seed, Task};
use serde_json::{Map, Value};

use crate::jsonl::{Flow, Line, Seen, read_rows};
use crate::{DataConfig, DataError, FORMATS, Fault, Format, Row, RowError, Split, TaskSet, digest, fields, format_named, split};

/// The most rows of a file that are listed as wrong; the others are counted.
pub const MAX_LISTED: usize = 50;

/// Reads the data of a run, or makes them. `seed` (the run's) decides what a generator makes; what a file holds does not depend on it.
///
/// # Errors
/// Everything that is wrong with settings and rows, in one pass; of each file at most [`MAX_LISTED`] rows are listed and the rest is
/// counted ([`DataError::More`]).
pub fn load(config: &DataConfig, seed: Seed) -> Result<Split, Vec<DataError>> {
    let format = match config.format.as_str() {
        "auto" => None,
        name => Some(format_named(name).map_err(|e| vec![e])?),
    };
    let formats = format.map_or_else(|| FORMATS.to_vec(), |f| vec![f]);
    let faults: Vec<_> = formats.iter().flat_map(|f| f.check(config)).collect();
    if !faults.is_empty() {
        return Err(faults);
    }
    match format.filter(|f| f.generates()) {
        Some(generator) => generated(generator, config, seed),
        None => from_files(format, config),
    }
}

fn generated(format: &'static dyn Format, config: &DataConfig, seed: Seed) -> Result<Split, Vec<DataError>> {
    let name = format.card().name;
    let files = [("train", &config.train), ("heldout", &config.heldout)];
    let given = files.iter().filter_map(|(key, file)| file.as_ref().map(|f| (*key, f)));
    let wanted = format!("the format `{name}` makes its rows itself; remove it, or set another `data.format`");
    let setting =
        |(key, file): (&str, &PathBuf)| DataError::Setting { key: key.into(), value: file.display().to_string(), wanted: wanted.clone() };
    let faults: Vec<_> = given.map(setting).collect();
    if !faults.is_empty() {
        return Err(faults);
    }
    let nothing = || vec![DataError::Empty { path: format!("<{name}>").into() }];
    let made = format.generate(config, seed).ok_or_else(nothing)?.map_err(|e| vec![e])?;
    let read = |rows: &[Row]| {
        let tasks = rows.iter().map(|row| format.read(row, config).map(Arc::new).map_err(|fault| vec![made_wrong(row, fault)]));
        tasks.collect::<Result<Vec<_>, _>>().map(TaskSet::new)
    };
    let (train, heldout) = (read(&made.train)?, read(&made.heldout)?);
    if train.is_empty() {
        return Err(nothing());
    }
    Ok(Split { train, heldout, overlap: 0, format: name })
}

/// A made row has no bytes to point at.
fn made_wrong(row: &Row, fault: Fault) -> DataError {
    let excerpt = Value::Object(row.json.clone()).to_string();
    RowError { file: Arc::clone(&row.file), line: row.line, column: 1, offset: 0, excerpt, fault: fault.into() }.into()
}

fn from_files(format: Option<&'static dyn Format>, config: &DataConfig) -> Result<Split, Vec<DataError>> {
    let Some(path) = &config.train else {
        let wanted = "name a file of JSON lines, or set format = \"arithmetic\" to make the data up".into();
        return Err(vec![DataError::Setting { key: "train".into(), value: "nothing".into(), wanted }]);
    };
    let mut train = FileRead::of("train", path, format, config);
    let heldout = config.heldout.as_ref().map(|path| FileRead::of("heldout", path, format.or(train.format), config));
    let mut faults = std::mem::take(&mut train.faults);
    let heldout = heldout.map(|mut file| {
        faults.append(&mut file.faults);
        file.tasks
    });
    if !faults.is_empty() {
        return Err(faults);
    }
    let name = train.format.map_or("auto", |f| f.card().name);
    let (train, heldout) = parts(train.tasks, heldout, config.heldout_rows).map_err(|e| vec![e])?;
    let overlap = split::overlap(&train, &heldout);
    Ok(Split { train: TaskSet::new(train), heldout: TaskSet::new(heldout), overlap, format: name })
}

type Parts = (Vec<Arc<Task>>, Vec<Arc<Task>>);

fn parts(train: Vec<Arc<Task>>, heldout: Option<Vec<Arc<Task>>>, rows: usize) -> Result<Parts, DataError> {
    match heldout {
        Some(heldout) if rows == 0 => Ok((train, heldout)),
        Some(heldout) => Ok((train, split::hold_out(heldout, rows).1)),
        None => {
            let questions = split::distinct(&train);
            if rows >= questions {
                let wanted = format!(
                    "the file has {questions} different questions, and some must be left to train on; lower it, or set `data.heldout`"
                );
                return Err(DataError::Setting { key: "heldout_rows".into(), value: rows.to_string(), wanted });
            }
            Ok(split::hold_out(train, rows))
        }
    }
}

/// A file as far as it could be read.
pub(crate) struct FileRead {
    pub(crate) tasks: Vec<Arc<Task>>,
    /// Where each task stands.
    pub(crate) lines: Vec<u64>,
    pub(crate) format: Option<&'static dyn Format>,
    pub(crate) seen: Seen,
    /// How many rows are wrong.
    pub(crate) wrong: u64,
    pub(crate) faults: Vec<DataError>,
}

impl FileRead {
    /// Reads a file; without a format the first good row decides.
    pub(crate) fn of(key: &'static str, path: &Path, format: Option<&'static dyn Format>, config: &DataConfig) -> Self {
        let mut read = Self { tasks: vec![], lines: vec![], format, seen: Seen::default(), wrong: 0, faults: vec![] };
        let file: Arc<Path> = path.into();
        let mut ids = HashMap::new();
        let mut take = |line: &Line<'_>, row| read.take(line, row, config, &mut ids);
        match File::open(path).and_then(|f| read_rows(BufReader::with_capacity(1 << 16, f), &file, &mut take)) {
            Ok(seen) => read.seen = seen,
            Err(source) => read.faults.push(DataError::Read { key, path: path.to_owned(), source }),
        }
        let hidden = read.wrong.saturating_sub(MAX_LISTED as u64);
        if hidden > 0 {
            read.faults.push(DataError::More { file: path.to_owned(), hidden });
        }
        if read.faults.is_empty() && read.tasks.is_empty() {
            read.faults.push(DataError::Empty { path: path.to_owned() });
        }
        read
    }

    fn take(&mut self, line: &Line<'_>, row: Result<Row, RowError>, config: &DataConfig, ids: &mut Ids) -> Flow {
        let row = match row {
            Ok(row) => row,
            Err(error) => return self.refuse(error),
        };
        let Some(format) = self.format.or_else(|| FORMATS.iter().copied().find(|f| f.sniff(&row.json))) else {
            self.faults.push(no_format(&row));
            return Flow::Break(());
        };
        self.format = Some(format);
        match format.read(&row, config).and_then(|task| unique(task, line.number, ids)) {
            Ok(task) => {
                self.tasks.push(Arc::new(task));
                self.lines.push(line.number);
                Flow::Continue(())
            }
            Err(fault) => self.refuse(line.error(fault)),
        }
    }

    fn refuse(&mut self, error: RowError) -> Flow {
        self.wrong += 1;
        if self.wrong <= MAX_LISTED as u64 {
            self.faults.push(error.into());
        }
        Flow::Continue(())
    }
}

/// The line and the content that first had an id.
type Ids = HashMap<String, (u64, [u8; 32])>;

fn unique(task: Task, line: u64, ids: &mut Ids) -> Result<Task, Fault> {
    let content = digest::of_content(&task);
    let (first, known) = *ids.entry(task.id.clone()).or_insert((line, content));
    if known == content { Ok(task) } else { Err(Fault::IdTaken { id: task.id, line: first }) }
}

fn no_format(row: &Row) -> DataError {
    let needs = |f: &&dyn Format| {
        let names: Vec<_> = f.card().fields.iter().filter(|c| !c.kind.contains("optional")).map(|c| c.name).collect();
        format!("`{}` ({})", f.card().name, names.join(", "))
    };
    let known: Vec<_> = FORMATS.iter().filter(|f| !f.generates()).map(needs).collect();
    let columns = fields::columns(&Map::clone(&row.json));
    DataError::NoFormat { file: row.file.to_path_buf(), line: row.line, columns, known: known.join(", ") }
}
