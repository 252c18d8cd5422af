//! `metrics.jsonl`: one line a step, the same bytes for the same numbers.

use std::fs;
use std::path::Path;

use collimate_types::Metrics;
use serde_json::Value;

use super::json_lines::JsonLines;
use crate::error::{StoreError, failed};

/// Names that a line uses itself: the step, and how many numbers of the line were not finite.
const RESERVED: [&str; 2] = ["step", "non_finite"];

/// The metrics of a run: `{"step":3,"kl":0.01,"loss":0.5}`, names sorted, numbers unrounded (they read back to the same bits).
///
/// A number that is not finite has no JSON form: it is written as `null`, and the line says how many in `non_finite`.
#[derive(Debug)]
pub struct MetricsFile {
    lines: JsonLines,
    non_finite: u64,
}

/// A line of metrics that was read back.
#[derive(Debug, Clone, PartialEq)]
pub struct MetricsLine {
    /// The flow step.
    pub step: u64,
    /// The numbers; one that was not finite is NaN.
    pub metrics: Metrics,
}

impl MetricsFile {
    /// Opens a file of metrics at its end; makes it if it is not there.
    ///
    /// # Errors
    /// [`StoreError::Io`].
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        Ok(Self { lines: JsonLines::open(path)?, non_finite: 0 })
    }

    /// Adds the line of a step. It is in the file when this returns; a save makes it durable.
    ///
    /// # Errors
    /// [`StoreError::ReservedMetric`] for a metric named `step` or `non_finite`, [`StoreError::Io`]; then the file is as before.
    pub fn append(&mut self, step: u64, metrics: &Metrics) -> Result<(), StoreError> {
        let (line, non_finite) = line(step, metrics)?;
        self.lines.append(line)?;
        self.non_finite += non_finite;
        Ok(())
    }

    /// Cuts the file back to a length that [`Self::len`] gave; a shorter file stays as it is.
    ///
    /// # Errors
    /// [`StoreError::Io`].
    pub fn truncate_to(&mut self, bytes: u64) -> Result<(), StoreError> {
        self.lines.truncate_to(bytes)
    }

    /// The length of the file in bytes.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.lines.bytes()
    }

    /// Whether there is no line.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many numbers were not finite since the file was opened.
    #[must_use]
    pub fn non_finite(&self) -> u64 {
        self.non_finite
    }
}

fn line(step: u64, metrics: &Metrics) -> Result<(String, u64), StoreError> {
    let mut line = format!("{{\"step\":{step}");
    let mut non_finite = 0;
    for (name, value) in &metrics.0 {
        if RESERVED.contains(&name.as_str()) {
            return Err(StoreError::ReservedMetric { name: name.clone() });
        }
        non_finite += u64::from(!value.is_finite());
        // `Value` writes a number that is not finite as null.
        line.push_str(&format!(",{}:{}", Value::from(name.as_str()), Value::from(*value)));
    }
    if non_finite > 0 {
        line.push_str(&format!(",\"non_finite\":{non_finite}"));
    }
    line.push('}');
    Ok((line, non_finite))
}

/// Reads a file of metrics, also of a run that is going on: a last line without its end is left out.
///
/// # Errors
/// [`StoreError::Io`], and [`StoreError::BadMetrics`] with the number of the line.
pub fn read_metrics(path: &Path) -> Result<Vec<MetricsLine>, StoreError> {
    let text = fs::read_to_string(path).map_err(failed("read", path))?;
    let ended = text.rfind('\n').map_or("", |end| &text[..end]);
    let parsed = ended
        .lines()
        .enumerate()
        .map(|(at, line)| parse(line).map_err(|reason| StoreError::BadMetrics { path: path.to_owned(), line: at + 1, reason }));
    parsed.collect()
}

fn parse(line: &str) -> Result<MetricsLine, String> {
    let fields: serde_json::Map<String, Value> = serde_json::from_str(line).map_err(|error| error.to_string())?;
    let step = fields.get("step").and_then(Value::as_u64).ok_or("it has no whole number `step`")?;
    let mut metrics = Metrics::default();
    for (name, value) in fields.iter().filter(|(name, _)| !RESERVED.contains(&name.as_str())) {
        let number = if value.is_null() { Some(f64::NAN) } else { value.as_f64() };
        metrics.set(name, number.ok_or_else(|| format!("`{name}` is not a number"))?);
    }
    Ok(MetricsLine { step, metrics })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn metrics(of: &[(&str, f64)]) -> Metrics {
        Metrics(of.iter().map(|(name, value)| ((*name).to_owned(), *value)).collect())
    }

    #[test]
    fn a_line_is_sorted_unrounded_and_says_how_many_numbers_were_not_finite() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("metrics.jsonl");
        let mut file = MetricsFile::open(&path).unwrap();
        file.append(0, &metrics(&[("loss", 0.1 + 0.2), ("clip_ratio/low", 1.0)])).unwrap();
        file.append(1, &metrics(&[("loss", f64::NAN), ("kl", f64::INFINITY), ("a\"b", -0.0)])).unwrap();
        let text = fs::read_to_string(&path).unwrap();
        let want = "{\"step\":0,\"clip_ratio/low\":1.0,\"loss\":0.30000000000000004}\n{\"step\":1,\"a\\\"b\":-0.0,\"kl\":null,\"loss\":null,\"non_finite\":2}\n";
        assert_eq!(text, want);
        assert_eq!((file.len(), file.non_finite()), (want.len() as u64, 2));
    }

    #[test]
    fn a_metric_cannot_take_the_name_of_the_step_and_leaves_no_trace() {
        let dir = tempfile::tempdir().unwrap();
        let mut file = MetricsFile::open(&dir.path().join("m")).unwrap();
        assert!(matches!(file.append(0, &metrics(&[("step", 1.0)])), Err(StoreError::ReservedMetric { .. })));
        assert!(file.is_empty());
    }

    #[test]
    fn a_file_that_was_cut_back_grows_again_as_if_nothing_had_been() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("m");
        let mut file = MetricsFile::open(&path).unwrap();
        file.append(0, &metrics(&[("loss", 1.0)])).unwrap();
        let kept = file.len();
        file.append(1, &metrics(&[("loss", 2.0)])).unwrap();
        let whole = fs::read(&path).unwrap();
        file.truncate_to(kept).unwrap();
        file.append(1, &metrics(&[("loss", 2.0)])).unwrap();
        assert_eq!(fs::read(&path).unwrap(), whole);
        assert_eq!(MetricsFile::open(&path).unwrap().len(), whole.len() as u64);
    }

    #[test]
    fn a_broken_line_is_named_and_a_half_last_line_is_left_out() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("m");
        fs::write(&path, "{\"step\":0}\n{\"step\":1,\"x\":\"y\"}\n").unwrap();
        let error = read_metrics(&path).unwrap_err().to_string();
        assert!(error.contains("m:2: ") && error.contains("`x` is not a number"), "{error}");
        fs::write(&path, "{\"step\":0}\n{\"step\":1,\"x").unwrap();
        assert_eq!(read_metrics(&path).unwrap().len(), 1);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(128))]
        #[test]
        fn numbers_read_back_to_the_same_bits(step: u64, all in proptest::collection::btree_map("[a-z/\\PC]{1,8}", proptest::num::f64::NORMAL | proptest::num::f64::SUBNORMAL | proptest::num::f64::ZERO, 0..6)) {
            prop_assume!(!all.contains_key("step"));
            let (text, _) = line(step, &Metrics(all.clone())).unwrap();
            let back = parse(&text).unwrap();
            let bits = |m: &Metrics| m.0.iter().map(|(k, v)| (k.clone(), v.to_bits())).collect::<Vec<_>>();
            prop_assert_eq!(back.step, step);
            prop_assert_eq!(bits(&back.metrics), bits(&Metrics(all)));
        }
    }
}
