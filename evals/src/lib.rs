//! Statistics of an evaluation: accuracy, intervals, and the report line.
//!
//! An accuracy never travels without its interval, and an answer that could not be judged is counted apart: it is neither right nor wrong.

mod curve;
mod proportion;
mod task;

pub use curve::{Curve, sparkline};
pub use proportion::{Difference, EvalError, Proportion, Z_95};
pub use task::{TaskResult, outcome};
