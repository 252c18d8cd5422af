//! Formats, order and resume cursor: bytes to rows to tasks.
//!
//! ```text
//! file ── jsonl ──► Row ── formats::<one file> ──► Task ── split ──► Split{train, heldout} ── Order + Cursor ──► Arc<Task>
//! ```
//!
//! Nothing is skipped silently: every row that cannot be used is an error with file, line and column, and all of them are found in one
//! pass, before the first step. What is read is named by its content (`TaskSet::digest`), so that a run can tell whether it resumes on the
//! data it started with.
//!
//! To add a format: one file in `src/formats/` and one word in its roster.

mod check;
mod digest;
mod error;
mod fields;
mod format;
pub mod formats;
mod jsonl;
mod load;
mod order;
mod permute;
mod split;
mod tasks;

pub use check::{Duplicate, Report, check};
pub use error::{DataError, Fault, RowError};
pub use format::{FieldCard, Format, FormatCard, Generated, KnobCard, Row};
pub use formats::{DataConfig, FORMATS, format_named};
pub use jsonl::MAX_LINE_BYTES;
pub use load::{MAX_LISTED, load};
pub use order::{Cursor, Order};
pub use permute::Permutation;
pub use tasks::{Split, TaskSet};
