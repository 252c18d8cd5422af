//! A metric over the steps of a run, drawn with characters.

use std::fmt::Write;

/// Eighths of a cell, from empty to full.
const BLOCKS: [char; 9] = [' ', '▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
/// The same in ASCII; half a cell is enough.
const ASCII: [char; 3] = [' ', '.', '#'];

/// How a curve is drawn.
///
/// ```text
///  0.62 ┤        ▂▆██
///       │    ▁▄██████
///  0.10 ┤▂▅██████████
///       └────────────
///        0         40
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Curve {
    /// Columns between the axis and the right edge. Where there are more points than columns, a column shows their mean.
    pub width: usize,
    /// Rows above the horizontal axis.
    pub height: usize,
    /// Only ASCII characters, for terminals and logs that know no others.
    pub ascii: bool,
    /// The values at the lower and upper edge; without it the range of the points.
    pub range: Option<[f64; 2]>,
}

impl Default for Curve {
    fn default() -> Self {
        Self { width: 60, height: 8, ascii: false, range: None }
    }
}

impl Curve {
    /// Draws `(step, value)` points, which must be ordered by step. Every line ends with a line break, and no line is longer than
    /// `width` + the labels. Values that are not finite are left out; without any point the text is empty.
    #[must_use]
    pub fn draw(&self, points: &[(u64, f64)]) -> String {
        let (width, height) = (self.width.max(1), self.height.max(1));
        let points: Vec<_> = points.iter().copied().filter(|(_, v)| v.is_finite()).collect();
        let (Some((first, _)), Some((last, _))) = (points.first(), points.last()) else { return String::new() };
        let columns = buckets(&points, width);
        let [low, high] = self.range.unwrap_or_else(|| range(&columns));
        let levels = self.levels();
        let labels = [label(high), label(low)];
        let margin = labels.iter().map(String::len).max().unwrap_or(0);
        let [tick, bar, corner, dash] = if self.ascii { ['+', '|', '+', '-'] } else { ['┤', '│', '└', '─'] };
        let mut out = String::new();
        for row in (0..height).rev() {
            let (text, mark) = match row {
                _ if row + 1 == height => (labels[0].as_str(), tick),
                0 => (labels[1].as_str(), tick),
                _ => ("", bar),
            };
            let cells: String = columns.iter().map(|v| cell(*v, [low, high], row, height, levels)).collect();
            line(&mut out, &format!("{text:>margin$} {mark}{cells}"));
        }
        line(&mut out, &format!("{:>margin$} {corner}{}", "", dash.to_string().repeat(columns.len())));
        let (first, last) = (first.to_string(), last.to_string());
        let gap = columns.len().saturating_sub(first.len()).max(last.len() + 1);
        let steps = if first == last { first } else { format!("{first}{last:>gap$}") };
        line(&mut out, &format!("{:>margin$}  {steps}", ""));
        out
    }

    fn levels(&self) -> &'static [char] {
        if self.ascii { &ASCII } else { &BLOCKS }
    }
}

/// One line of at most `width` characters, from the lowest to the highest value; a value that is not finite is a gap.
///
/// ```
/// use collimate_evals::sparkline;
/// assert_eq!(sparkline(&[0.0, 1.0, 2.0, 3.0], 8, false), "▁▃▆█");
/// assert_eq!(sparkline(&[0.0, 1.0, 2.0, 3.0], 8, true), ".-=#");
/// ```
#[must_use]
pub fn sparkline(values: &[f64], width: usize, ascii: bool) -> String {
    const ASCII_LINE: [char; 4] = ['.', '-', '=', '#'];
    let points: Vec<_> = values.iter().enumerate().map(|(i, v)| (i as u64, *v)).collect();
    let columns = buckets(&points, width.max(1));
    let [low, high] = range(&columns);
    let levels: &[char] = if ascii { &ASCII_LINE } else { &BLOCKS[1..] };
    let draw = |value: Option<f64>| match value {
        None => ' ',
        Some(v) => levels[(place(v, [low, high]) * (levels.len() - 1) as f64).round() as usize],
    };
    columns.into_iter().map(draw).collect()
}

/// The means of at most `width` equal runs of points; `None` where a run has no finite value.
fn buckets(points: &[(u64, f64)], width: usize) -> Vec<Option<f64>> {
    let columns = points.len().min(width);
    let run = |i: usize| &points[i * points.len() / columns..(i + 1) * points.len() / columns];
    (0..columns).map(|i| mean(run(i))).collect()
}

fn mean(points: &[(u64, f64)]) -> Option<f64> {
    let finite: Vec<f64> = points.iter().map(|(_, v)| *v).filter(|v| v.is_finite()).collect();
    // Divided first: the sum of two large values may not be finite.
    (!finite.is_empty()).then(|| finite.iter().map(|v| v / finite.len() as f64).sum())
}

fn range(columns: &[Option<f64>]) -> [f64; 2] {
    let values = || columns.iter().flatten().copied();
    [values().fold(f64::INFINITY, f64::min), values().fold(f64::NEG_INFINITY, f64::max)]
}

/// Where a value stands in a range, 0 to 1; in the middle of a range without width.
fn place(value: f64, [low, high]: [f64; 2]) -> f64 {
    let place = (value / 2.0 - low / 2.0) / (high / 2.0 - low / 2.0);
    if place.is_nan() { 0.5 } else { place.clamp(0.0, 1.0) }
}

/// The character of one cell: the lowest value still shows one level, so that it differs from a gap.
fn cell(value: Option<f64>, range: [f64; 2], row: usize, height: usize, levels: &[char]) -> char {
    let Some(value) = value else { return ' ' };
    let per_row = levels.len() - 1;
    let all = (place(value, range) * (height * per_row) as f64).round().max(1.0) as usize;
    levels[all.saturating_sub(row * per_row).min(per_row)]
}

fn label(value: f64) -> String {
    if value != 0.0 && !(1e-3..1e5).contains(&value.abs()) { format!("{value:.1e}") } else { format!("{value:.3}") }
}

fn line(out: &mut String, text: &str) {
    // Writing to a String cannot fail.
    let _ = writeln!(out, "{}", text.trim_end());
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn points(values: &[f64]) -> Vec<(u64, f64)> {
        values.iter().enumerate().map(|(i, v)| (10 * i as u64, *v)).collect()
    }

    #[test]
    fn a_rising_curve_is_drawn_as_it_always_was() {
        let curve = Curve { width: 20, height: 3, ascii: false, range: None };
        let wanted = "0.600 ┤    ▃█\n      │  ▂▆██\n0.100 ┤▁▅████\n      └──────\n       0   50\n";
        assert_eq!(curve.draw(&points(&[0.1, 0.2, 0.3, 0.4, 0.5, 0.6])), wanted);
        let ascii = Curve { ascii: true, range: Some([0.0, 1.0]), ..curve };
        let wanted = "1.000 +  ##\n      | .##\n0.000 +.###\n      +----\n       0 30\n";
        assert_eq!(ascii.draw(&points(&[0.0, 0.5, 1.0, 2.0])), wanted);
    }

    #[test]
    fn gaps_constants_and_nothing_are_drawn_without_made_up_values() {
        assert_eq!(Curve::default().draw(&[]), "");
        assert_eq!(Curve::default().draw(&[(0, f64::NAN)]), "");
        assert_eq!(sparkline(&[1.0, f64::NAN, 3.0], 9, false), "▁ █");
        assert_eq!(sparkline(&[2.0, 2.0], 9, false), "▅▅");
        assert_eq!(sparkline(&[], 9, true), "");
        let one = Curve { width: 5, height: 2, ..Curve::default() }.draw(&[(7, 0.5)]);
        assert_eq!(one, "0.500 ┤\n0.500 ┤█\n      └─\n       7\n");
    }

    #[test]
    fn more_points_than_columns_are_averaged() {
        assert_eq!(sparkline(&[0.0, 0.0, 4.0, 4.0, 8.0, 8.0, 14.0, 14.0], 4, false), "▁▃▅█");
        assert_eq!(sparkline(&vec![1.0; 1000], 30, false).chars().count(), 30);
    }

    proptest! {
        #[test]
        fn any_values_fit_the_width_and_ascii_is_ascii(values: Vec<f64>, width in 0_usize..40, height in 0_usize..9) {
            let curve = Curve { width, height, ascii: true, range: None };
            let drawn = curve.draw(&points(&values));
            prop_assert!(drawn.is_ascii());
            prop_assert!(drawn.is_empty() || drawn.lines().count() == height.max(1) + 2);
            prop_assert!(drawn.lines().all(|l| l.len() <= width.max(1) + 24));
            prop_assert!(sparkline(&values, width, false).chars().count() <= width.max(1));
        }
    }
}
