//! Parquet tables, read by a crate of their own so that who does not need them does not build them.

use std::fs::File;
use std::path::Path;

use super::{Seen, Visit};
use crate::DataError;
use crate::columns::Columns;

#[cfg(not(feature = "parquet"))]
pub(super) fn read(_key: &'static str, path: &Path, _file: File, _: &Columns, _: &mut Visit<'_>) -> Result<Seen, DataError> {
    Err(DataError::NoParquet { path: path.to_owned() })
}

#[cfg(feature = "parquet")]
pub(super) fn read(key: &'static str, path: &Path, file: File, columns: &Columns, visit: &mut Visit<'_>) -> Result<Seen, DataError> {
    use std::sync::Arc;

    use crate::Row;

    let damaged = |e: collimate_parquet::TableError| DataError::Table { path: path.to_owned(), why: e.to_string() };
    let bytes = file.metadata().map_err(|source| DataError::Read { key, path: path.to_owned(), source })?.len();
    let name: Arc<Path> = path.into();
    let mut seen = Seen { bytes, ..Seen::default() };
    for json in collimate_parquet::Table::open(file).map_err(damaged)?.rows().map_err(damaged)? {
        seen.rows += 1;
        let row = Row { json: columns.rename(json.map_err(damaged)?), file: Arc::clone(&name), line: seen.rows };
        if visit(&place::TableRow { row: &row }, Ok(&row)).is_break() {
            break;
        }
    }
    Ok(seen)
}

#[cfg(feature = "parquet")]
mod place {
    use std::borrow::Cow;
    use std::sync::Arc;

    use serde_json::Value;

    use crate::containers::place::{Place, excerpt, find_key};
    use crate::{Fault, Row, RowError};

    /// A row of a table has no bytes of its own: it is shown as JSON, and its number stands for the line.
    pub(super) struct TableRow<'a> {
        pub(super) row: &'a Row,
    }

    impl Place for TableRow<'_> {
        fn number(&self) -> u64 {
            self.row.line
        }

        fn error(&self, fault: Fault) -> RowError {
            let text = Value::Object(self.row.json.clone()).to_string();
            let at = fault.column().and_then(|key| find_key(text.as_bytes(), key)).unwrap_or(0);
            let excerpt = excerpt(text.as_bytes(), at);
            RowError { file: Arc::clone(&self.row.file), line: self.row.line, column: 1, offset: 0, excerpt, fault: fault.into() }
        }

        fn raw(&self) -> Cow<'_, str> {
            Value::Object(self.row.json.clone()).to_string().into()
        }
    }
}
