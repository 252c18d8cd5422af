//! Evaluations: from scores, verdicts and log-probabilities to results with intervals, and the report of runs.
//!
//! ```text
//! ScoredPair     ── Preference::evaluate ─► PreferenceResult ┐
//! SampledAnswer  ── SampledResult::of ────► SampledResult    │
//! JudgedPair     ── WinRateResult::of ────► WinRateResult    ├─► Outcome in a Record ─► JSON, tables, page of the report
//! ScoredText     ── PerplexityResult::of ─► PerplexityResult ┘
//! ```
//!
//! Everything here is a function of its input: no model, no file, no clock. A number never travels without its interval, and what could not be
//! judged is counted apart: it is neither right nor wrong.

mod bootstrap;
mod curve;
mod normal;
mod perplexity;
mod preference;
mod proportion;
mod record;
pub mod report;
mod sampled;
mod table;
mod task;
mod winrate;

pub use bootstrap::{Bootstrap, IntervalMethod, Unit, ratio};
pub use curve::{Curve, sparkline};
pub use perplexity::{PerplexityResult, ScoredText};
pub use preference::{
    BINS, Calibration, GroupAccuracy, LENGTH_EDGES, LengthBias, Preference, PreferenceResult, ReliabilityBin, ScoredPair, SignCheck,
};
pub use proportion::{Difference, EvalError, Proportion, Z_95};
pub use record::{Outcome, Record, RecordError, Source};
pub use sampled::{AtK, Estimate, MAX_PICKS, SampledAnswer, SampledResult, best_of_k, consensus_at_k, pass_at_k, powers_up_to};
pub use table::Table;
pub use task::{TaskResult, outcome};
pub use winrate::{JudgedPair, LengthControlled, WinRateResult, length_controlled};
