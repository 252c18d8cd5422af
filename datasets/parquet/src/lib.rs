//! Rows of Parquet tables as JSON, one at a time, without Arrow.
//!
//! Row groups are read one after another, each column page by page, so memory does not grow with the file. A table is hostile input: its
//! schema is checked for what the decoder below cannot read before a value is decoded, and a panic of the decoder on damaged pages is
//! caught and told as an error.

mod value;

use std::fs::File;
use std::panic::{AssertUnwindSafe, catch_unwind};

use parquet::basic::{ConvertedType, LogicalType, Repetition, Type as Physical};
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::record::reader::RowIter;
use parquet::schema::types::Type;
use serde_json::{Map, Value};

/// A table that cannot be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TableError {
    /// What the decoder says.
    #[error("{0}")]
    Decoder(#[from] parquet::errors::ParquetError),
    /// A column of a kind that has no JSON.
    #[error("the column `{column}` is of the kind {kind}, which is not read; leave it out, or write it as text")]
    Kind {
        /// The column, by its path.
        column: String,
        /// The kind.
        kind: String,
    },
    /// The pages say something else than the schema.
    #[error("row {row} cannot be decoded: the pages of the table are damaged")]
    Damaged {
        /// Counted from 1.
        row: u64,
    },
    /// The file's own description of itself is damaged.
    #[error("the description at the end of the file is damaged")]
    Footer,
}

/// A table, opened.
pub struct Table {
    reader: SerializedFileReader<File>,
}

impl std::fmt::Debug for Table {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Table").field("rows", &self.len()).finish_non_exhaustive()
    }
}

impl Table {
    /// Opens a table and checks its schema.
    ///
    /// # Errors
    /// When the file is no table, or has columns that are not read.
    pub fn open(file: File) -> Result<Self, TableError> {
        let reader = quietly(|| SerializedFileReader::new(file)).ok_or(TableError::Footer)??;
        let schema = reader.metadata().file_metadata().schema();
        schema.get_fields().iter().try_for_each(|field| readable(field, field.name()))?;
        Ok(Self { reader })
    }

    /// How many rows its description promises.
    #[must_use]
    pub fn len(&self) -> u64 {
        u64::try_from(self.reader.metadata().file_metadata().num_rows()).unwrap_or(0)
    }

    /// Whether it promises none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Its rows.
    ///
    /// # Errors
    /// When the first row group cannot be opened.
    pub fn rows(self) -> Result<Rows, TableError> {
        let reader: Box<dyn FileReader> = Box::new(self.reader);
        let iter = quietly(|| RowIter::from_file_into(reader).with_batch_size(BATCH)).ok_or(TableError::Footer)?;
        Ok(Rows { iter: Some(iter), row: 0 })
    }
}

/// Values of a column that are decoded ahead.
const BATCH: usize = 256;

/// The rows of a table. The first error ends them.
pub struct Rows {
    iter: Option<RowIter<'static>>,
    row: u64,
}

impl std::fmt::Debug for Rows {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Rows").field("row", &self.row).finish_non_exhaustive()
    }
}

impl Iterator for Rows {
    type Item = Result<Map<String, Value>, TableError>;

    fn next(&mut self) -> Option<Self::Item> {
        let iter = self.iter.as_mut()?;
        self.row += 1;
        let row = self.row;
        let next = quietly(|| iter.next());
        let item = match next {
            Some(None) => None,
            Some(Some(Ok(row))) => return Some(Ok(value::object(row))),
            Some(Some(Err(error))) => Some(Err(error.into())),
            None => Some(Err(TableError::Damaged { row })),
        };
        self.iter = None;
        item
    }
}

/// Runs the decoder; nothing if it panics. What it was working on is not used afterwards.
fn quietly<T>(work: impl FnOnce() -> T) -> Option<T> {
    catch_unwind(AssertUnwindSafe(work)).ok()
}

/// Whether the decoder reads a column: it stops the process's thread at kinds it does not know.
fn readable(field: &Type, path: &str) -> Result<(), TableError> {
    let refuse = |kind: String| Err(TableError::Kind { column: path.to_owned(), kind });
    let info = field.get_basic_info();
    if field.is_group() {
        let fields = field.get_fields();
        if fields.is_empty() {
            return refuse("group without fields".into());
        }
        return fields.iter().try_for_each(|inner| readable(inner, &format!("{path}.{}", inner.name())));
    }
    let _ = info.has_repetition().then(|| info.repetition() == Repetition::REPEATED);
    let (physical, converted) = (field.get_physical_type(), info.converted_type());
    let known = match physical {
        Physical::BOOLEAN | Physical::FLOAT | Physical::DOUBLE | Physical::INT96 => true,
        Physical::INT32 => {
            !matches!(converted, ConvertedType::TIMESTAMP_MILLIS | ConvertedType::TIMESTAMP_MICROS | ConvertedType::INTERVAL)
        }
        Physical::INT64 => !matches!(converted, ConvertedType::INTERVAL | ConvertedType::DATE | ConvertedType::TIME_MILLIS),
        Physical::BYTE_ARRAY => !matches!(converted, ConvertedType::INTERVAL),
        Physical::FIXED_LEN_BYTE_ARRAY => {
            matches!(converted, ConvertedType::NONE | ConvertedType::DECIMAL)
                || matches!(info.logical_type_ref(), Some(LogicalType::Float16))
        }
    };
    if known { Ok(()) } else { refuse(format!("{physical} as {converted}")) }
}
