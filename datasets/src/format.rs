//! The contract of a format.

use std::path::Path;
use std::sync::Arc;

use collimate_types::Seed;
use serde_json::{Map, Value};

use crate::{DataConfig, DataError, Fault, Reading};

/// One row of a file, or one made by a generator.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// Its columns.
    pub json: Map<String, Value>,
    /// Where it stands; `<name>` for a generator.
    pub file: Arc<Path>,
    /// Counted from 1.
    pub line: u64,
}

/// How rows become examples.
pub trait Format: Sync {
    /// What the format is, for the documentation, the command line and the tests.
    fn card(&self) -> &'static FormatCard;

    /// Whether a row looks like this format.
    fn sniff(&self, row: &Map<String, Value>) -> bool;

    /// Maps one row.
    ///
    /// # Errors
    /// What is wrong with the row; the loader adds file, line and column.
    fn read(&self, row: &Row, config: &DataConfig) -> Result<Reading, Fault>;

    /// What a row belongs to, and how many rows of one such thing are taken at most (the first ones). The default takes all.
    fn cap(&self, _row: &Row, _config: &DataConfig) -> Option<(String, u32)> {
        None
    }

    /// Every knob of the format that means nothing. The default has none.
    fn check(&self, _config: &DataConfig) -> Vec<DataError> {
        Vec::new()
    }

    /// The rows, if the format makes them itself and reads no file. The default reads a file.
    ///
    /// # Errors
    /// When the knobs leave too few rows.
    fn generate(&self, _config: &DataConfig, _seed: Seed) -> Option<Result<Generated, DataError>> {
        None
    }

    /// Whether [`Format::generate`] makes the rows where no file is given.
    fn generates(&self) -> bool {
        false
    }

    /// Whether it reads files; a generator may do both.
    fn reads(&self) -> bool {
        !self.generates()
    }
}

impl std::fmt::Debug for dyn Format {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Format({})", self.card().name)
    }
}

/// What a generator makes. No question stands on both sides.
#[derive(Debug, Clone, PartialEq)]
pub struct Generated {
    /// To learn from.
    pub train: Vec<Row>,
    /// To be measured on.
    pub heldout: Vec<Row>,
}

/// What a format is. Documentation, command line and tests read it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FormatCard {
    /// Its name in `data.format`.
    pub name: &'static str,
    /// What it is good for, in a sentence.
    pub claim: &'static str,
    /// The columns of a row.
    pub fields: &'static [FieldCard],
    /// Its settings, under `[data.<name>]`.
    pub knobs: &'static [KnobCard],
    /// A made-up row, as it stands in a file.
    pub sample: &'static str,
}

/// A column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FieldCard {
    /// Its name.
    pub name: &'static str,
    /// The kind of value.
    pub kind: &'static str,
    /// What it means.
    pub help: &'static str,
}

/// A setting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KnobCard {
    /// Its name.
    pub name: &'static str,
    /// What it does.
    pub help: &'static str,
    /// Its value when it is not given, as JSON.
    pub default: &'static str,
}
