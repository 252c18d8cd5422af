//! Formats, order and resume cursor: bytes to rows to examples.
//!
//! ```text
//! files ── containers ──► Row ── formats::<one file> ──► Example ── rules, split ──► Split{train, heldout} ── Order + Cursor ──► Arc<T>
//! ```
//!
//! Nothing is skipped silently: every row that cannot be used is an error with file, line and column, and all of them are found in one
//! pass, before the first step; what a rule leaves out is counted under the rule's name. What is read is named by its content
//! (`Set::digest`), so that a run can tell whether it resumes on the data it started with.
//!
//! To add a format: one file in `src/formats/` and one word in its roster.

mod chat;
mod check;
mod columns;
mod containers;
mod contamination;
mod content;
mod dialogue;
mod digest;
mod error;
mod example;
mod fields;
mod format;
pub mod formats;
mod judge;
mod load;
mod mixture;
mod near;
mod order;
mod pass;
mod permute;
mod settings;
mod sniff;
mod split;
mod stats;
mod tasks;
mod words;

pub use check::{Duplicate, Report, check, check_with};
pub use containers::{MAX_LINE_BYTES, Writer};
pub use error::{DataError, Fault, RowError};
pub use example::{Example, Item, Reading};
pub use format::{FieldCard, Format, FormatCard, Generated, KnobCard, Row};
pub use formats::{DataConfig, FORMATS, Source, format_named};
pub use load::{load, load_as};
pub use mixture::{Mixture, Share};
pub use order::{Cursor, Order};
pub use pass::{Located, MAX_LISTED, Measure, Rejected, Summary, each_example};
pub use permute::Permutation;
pub use stats::{Lengths, Pairs, Stats, Truncated, stats};
pub use tasks::{Counts, Set, Split, TaskSet};
