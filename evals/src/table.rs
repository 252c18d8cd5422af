//! Tables of results: the same rows for the terminal and for the page of a report.

use serde::{Deserialize, Serialize};

/// A titled table of texts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Table {
    /// What it shows.
    pub title: String,
    /// The names of the columns. The first column names the row; the others hold values and stand to the right.
    pub columns: Vec<String>,
    /// The rows, each as long as `columns`.
    pub rows: Vec<Vec<String>>,
}

impl Table {
    /// A table without rows.
    #[must_use]
    pub fn new(title: impl Into<String>, columns: &[&str]) -> Self {
        Self { title: title.into(), columns: columns.iter().map(|c| (*c).to_owned()).collect(), rows: Vec::new() }
    }

    /// Adds a row; missing cells are empty, cells beyond the columns are left out.
    pub fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        let mut row: Vec<String> = cells.into_iter().collect();
        row.resize(self.columns.len(), String::new());
        self.rows.push(row);
    }
}

impl std::fmt::Display for Table {
    /// Title, head and rows in columns as wide as their widest text.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let wide = |text: &String| text.chars().count();
        let width = |at: usize| self.rows.iter().map(|r| &r[at]).chain([&self.columns[at]]).map(wide).max().unwrap_or(0);
        let widths: Vec<usize> = (0..self.columns.len()).map(width).collect();
        writeln!(f, "{}", self.title)?;
        for row in std::iter::once(&self.columns).chain(&self.rows) {
            let cell = |(at, text): (usize, &String)| match at {
                0 => format!("  {text:<width$}", width = widths[0]),
                _ => format!("  {text:>width$}", width = widths[at]),
            };
            writeln!(f, "{}", row.iter().enumerate().map(cell).collect::<String>().trim_end())?;
        }
        Ok(())
    }
}

/// A share in percent: `37.5%`.
#[must_use]
pub(crate) fn percent(share: f64) -> String {
    format!("{:.1}%", 100.0 * share)
}

/// An interval of shares: `31.1% to 44.4%`.
#[must_use]
pub(crate) fn percents([low, high]: [f64; 2]) -> String {
    format!("{} to {}", percent(low), percent(high))
}

/// A number with four significant digits.
#[must_use]
pub(crate) fn short(value: f64) -> String {
    if !value.is_finite() {
        return value.to_string();
    }
    let size = value.abs();
    if size == 0.0 {
        return "0".into();
    }
    if !(1e-4..1e7).contains(&size) {
        return format!("{value:.3e}");
    }
    let digits = (3 - size.log10().floor() as i32).clamp(0, 8) as usize;
    let text = format!("{value:.digits$}");
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_text() {
        let mut table = Table::new("by turns", &["turns", "accuracy", "n"]);
        table.row(["1".into(), percent(0.5), "1200".into()]);
        table.row(["2 or more".into(), percent(1.0)]);
        assert_eq!(table.to_string(), "by turns\n  turns      accuracy     n\n  1             50.0%  1200\n  2 or more    100.0%\n");
    }

    #[test]
    fn numbers_keep_four_digits_whatever_their_size() {
        let shown = [0.0, 0.123_456, 12.345_67, 1234.56, 123_456.0, 1e9, -0.000_012_3, 2.0].map(short);
        assert_eq!(shown, ["0", "0.1235", "12.35", "1235", "123456", "1.000e9", "-1.230e-5", "2"]);
    }
}
