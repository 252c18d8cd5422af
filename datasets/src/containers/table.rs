//! Parquet tables, read by a crate of their own so that who does not need them does not build them.

use std::borrow::Cow;
use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use serde_json::{Map, Value};

use super::place::{Place, excerpt, find_key};
use crate::{DataError, Fault, RowError};

/// The rows of a table; the first error ends them.
pub(crate) type Rows = Box<dyn Iterator<Item = Result<Map<String, Value>, DataError>>>;

#[cfg(not(feature = "parquet"))]
pub(super) fn open(path: &Path, _file: File) -> Result<Rows, DataError> {
    Err(DataError::NoParquet { path: path.to_owned() })
}

#[cfg(feature = "parquet")]
pub(super) fn open(path: &Path, file: File) -> Result<Rows, DataError> {
    let name = path.to_owned();
    let wrong = move |e: collimate_parquet::TableError| DataError::Table { path: name.clone(), why: e.to_string() };
    let rows = collimate_parquet::Table::open(file).map_err(&wrong)?.rows().map_err(&wrong)?;
    Ok(Box::new(rows.map(move |row| row.map_err(&wrong))))
}

/// A row of a table has no bytes of its own: it is shown as JSON, and its number stands for the line.
pub(crate) struct TableRow<'a> {
    pub(crate) file: &'a Arc<Path>,
    pub(crate) number: u64,
    pub(crate) text: &'a dyn Fn() -> String,
}

impl Place for TableRow<'_> {
    fn error(&self, fault: Fault) -> RowError {
        let text = (self.text)();
        let at = fault.column().and_then(|key| find_key(text.as_bytes(), key)).unwrap_or(0);
        let excerpt = excerpt(text.as_bytes(), at);
        RowError { file: Arc::clone(self.file), line: self.number, column: 1, offset: 0, excerpt, fault: fault.into() }
    }

    fn raw(&self) -> Cow<'_, str> {
        (self.text)().into()
    }
}
