//! What can be wrong with data, where it stands, and how to mend it.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::Serialize;

/// Data that cannot be used. All of them are found in one pass, before the first step.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DataError {
    /// One row.
    #[error(transparent)]
    Row(#[from] RowError),
    /// More rows are wrong than are listed.
    #[error("{}: {hidden} more rows cannot be used (only the first are listed)", file.display())]
    More {
        /// The file.
        file: PathBuf,
        /// How many were not listed.
        hidden: u64,
    },
    /// The file cannot be opened or read.
    #[error("cannot read `{}` (set by `data.{key}`): {source}", path.display())]
    Read {
        /// The setting that names the file: `train` or `heldout`.
        key: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// A compressed file that cannot be decompressed to its end, or bytes that are none.
    #[error("`{}` is damaged behind byte {offset} of its text: {source}; it was cut off or changed on its way, fetch it again", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// How far it could be read.
        offset: u64,
        /// What the decompressor says.
        source: std::io::Error,
    },
    /// A Parquet file that cannot be read.
    #[error("`{}` is no Parquet file that can be read: {why}; write it again, or convert it to JSON lines", path.display())]
    Table {
        /// The file.
        path: PathBuf,
        /// What its reader says.
        why: String,
    },
    /// A Parquet file, and this build does not read them.
    #[error("`{}` is a Parquet file, and this build does not read them; build with `--features parquet`, or convert it to JSON lines", path.display())]
    NoParquet {
        /// The file.
        path: PathBuf,
    },
    /// Rows that give another kind of example than the run learns from.
    #[error("{}:{line}: the format `{format}` gives {found}, and {wanted} are wanted; set another `data.format`, or another algorithm", file.display())]
    Kind {
        /// The file.
        file: PathBuf,
        /// The first such row.
        line: u64,
        /// The format that read it.
        format: &'static str,
        /// What it gives.
        found: &'static str,
        /// What is wanted.
        wanted: &'static str,
    },
    /// More rows are bad than may be skipped.
    #[error("{wrong} of {rows} rows are bad, more than the share of {share} that may be skipped; mend them, or raise `data.max_bad_share`")]
    TooManyBad {
        /// Bad rows.
        wrong: u64,
        /// All rows.
        rows: u64,
        /// The largest share.
        share: f64,
    },
    /// One of the bad rows behind [`DataError::TooManyBad`].
    #[error("{}:{}:{}: {}; {}", row.file.display(), row.line, row.column, row.reason, row.mend)]
    Rejected {
        /// The row.
        row: crate::Rejected,
    },
    /// No row is left.
    #[error("of the rows of `{}` none is left: {why}", path.display())]
    NothingLeft {
        /// The file.
        path: PathBuf,
        /// How many each rule took.
        why: String,
    },
    /// The file has no row.
    #[error("`{}` has no rows; give a file with one JSON object per line", path.display())]
    Empty {
        /// The file.
        path: PathBuf,
    },
    /// No such format.
    #[error("no format is called `{name}`{}; the formats are {known}", hint(nearest.as_deref()))]
    UnknownFormat {
        /// What was asked for.
        name: String,
        /// The closest name.
        nearest: Option<String>,
        /// All names.
        known: String,
    },
    /// `format = "auto"`, and the first row fits no format.
    #[error("{}:{line}: the columns {columns} fit no known format{}; set `data.format` to one of {known}, or rename the columns with `data.columns`", file.display(), close.as_deref().map_or_else(String::new, |c| format!(": {c}")))]
    NoFormat {
        /// The file.
        file: PathBuf,
        /// The line of the row that was looked at.
        line: u64,
        /// Its columns.
        columns: String,
        /// The format that comes closest, and what it misses.
        close: Option<String>,
        /// All formats with the columns they need.
        known: String,
    },
    /// A setting that means nothing, or does not go with another.
    #[error("`data.{key}` = {value} is not possible: {wanted}")]
    Setting {
        /// The setting, without `data.`.
        key: String,
        /// What was given.
        value: String,
        /// What is allowed, or what to change.
        wanted: String,
    },
}

/// One row that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, thiserror::Error)]
#[error("{}:{line}:{column}: {fault}, at `{excerpt}`; {}", file.display(), fault.mend())]
pub struct RowError {
    /// The file.
    pub file: Arc<Path>,
    /// Counted from 1.
    pub line: u64,
    /// In characters, counted from 1.
    pub column: u64,
    /// In bytes from the start of the file, counted from 0.
    pub offset: u64,
    /// The text around the place, with control characters escaped.
    pub excerpt: String,
    /// What is wrong.
    pub fault: Box<Fault>,
}

/// What is wrong with a row.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, thiserror::Error)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Fault {
    /// A line longer than the limit.
    #[error("the line is longer than {limit} bytes")]
    LongLine {
        /// The limit.
        limit: usize,
    },
    /// Bytes that are not UTF-8.
    #[error("invalid UTF-8")]
    Utf8,
    /// The file starts with a UTF-16 byte order mark.
    #[error("the file is UTF-16")]
    Utf16,
    /// A zero byte.
    #[error("a NUL byte")]
    Nul,
    /// Not JSON.
    #[error("not JSON: {message}")]
    Json {
        /// What the parser says.
        message: String,
    },
    /// Not CSV.
    #[error("not CSV: {why}")]
    Csv {
        /// What is wrong.
        why: String,
    },
    /// JSON, but no object.
    #[error("the row is {found}, not an object")]
    NotAnObject {
        /// The kind of value.
        found: &'static str,
    },
    /// A column is missing.
    #[error("column `{field}` is missing{}", hint(nearest.as_deref()))]
    Missing {
        /// The column.
        field: String,
        /// The closest column of the row.
        nearest: Option<String>,
        /// The columns of the row.
        columns: String,
    },
    /// A column holds the wrong kind of value.
    #[error("`{field}` is {found}, wanted {wanted}")]
    WrongType {
        /// The column, with a path inside it.
        field: String,
        /// The kind that is wanted.
        wanted: &'static str,
        /// The kind that stands there.
        found: &'static str,
    },
    /// A column holds a value that cannot be used.
    #[error("`{field}` {why}")]
    BadValue {
        /// The column, with a path inside it.
        field: String,
        /// What is wrong.
        why: String,
        /// How to mend it.
        mend: String,
    },
    /// Two rows with different content have the same id.
    #[error("id `{id}` is taken by the different row in line {line}")]
    IdTaken {
        /// The id.
        id: String,
        /// The line of the first row.
        line: u64,
    },
}

impl Fault {
    /// How to mend it.
    #[must_use]
    pub fn mend(&self) -> String {
        match self {
            Self::LongLine { .. } => "write one JSON object per line, and cut the text".into(),
            Self::Utf8 => "save the file as UTF-8 (a cut-off file can end inside a character)".into(),
            Self::Utf16 => "save the file as UTF-8".into(),
            Self::Nul => "remove the zero bytes (a crash while the file was written, or UTF-16, leaves them)".into(),
            Self::Json { message } if message.contains("surrogate") || message.contains("hex escape") => {
                r"write a character beyond U+FFFF as a pair of escapes (\ud83d\ude00), or as itself".into()
            }
            Self::Csv { .. } => "put quotation marks around the field and double those inside it".into(),
            Self::Json { .. } | Self::NotAnObject { .. } => "write one whole JSON object per line".into(),
            Self::Missing { nearest: Some(name), .. } => format!("rename `{name}`"),
            Self::Missing { columns, .. } => format!("the row has {columns}"),
            Self::WrongType { wanted, .. } => format!("give {wanted}"),
            Self::BadValue { mend, .. } => mend.clone(),
            Self::IdTaken { .. } => "give every row its own `id`, or none at all".into(),
        }
    }

    /// The top-level column it is about, if any.
    pub(crate) fn column(&self) -> Option<&str> {
        match self {
            Self::WrongType { field, .. } | Self::BadValue { field, .. } => field.split(['[', '.']).next(),
            Self::IdTaken { .. } => Some("id"),
            _ => None,
        }
    }
}

fn hint(nearest: Option<&str>) -> String {
    nearest.map_or_else(String::new, |name| format!(" (did you mean `{name}`?)"))
}
