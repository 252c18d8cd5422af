//! Statistics of an evaluation: accuracy, intervals, and the report line.
