//! Evaluations: one table of all, each with its interval, then each one whole.

use std::fmt::Write;

use super::Run;
use super::html::{self, details, esc, number};
use crate::table::percent;
use crate::{Outcome, Record, Table};

/// Units of the small drawing of an interval.
const WIDTH: f64 = 100.0;

/// The evaluations of all runs.
pub(super) fn section(runs: &[Run]) -> String {
    let all: Vec<(&Run, &str, &Record)> = runs.iter().flat_map(|r| r.evaluations.iter().map(move |(n, e)| (r, n.as_str(), e))).collect();
    if all.is_empty() {
        return String::new();
    }
    let mut out = overview(&all);
    for (run, name, record) in all {
        let title = format!("{} of {} ({name})", record.outcome.name(), run.name);
        out.push_str(&details(&title, &whole(record)));
    }
    out
}

fn overview(all: &[(&Run, &str, &Record)]) -> String {
    const COLUMNS: [&str; 9] = ["run", "what", "by", "value", "95% interval", "", "n", "model", "data"];
    let title = "Results with their 95% intervals";
    let mut out =
        format!("<div class=\"scroll\" role=\"region\" aria-label=\"{title}\" tabindex=\"0\"><table><caption>{title}</caption><thead><tr>");
    for column in COLUMNS {
        let name = if column.is_empty() { "<span class=\"unseen\">drawn</span>" } else { column };
        let _ = write!(out, "<th scope=\"col\">{name}</th>");
    }
    out.push_str("</tr></thead><tbody>");
    for (run, _, record) in all {
        let (what, value, interval, n) = record.outcome.headline();
        let share = !matches!(record.outcome, Outcome::Perplexity(_));
        let show = |v: f64| if share { percent(v) } else { number(v) };
        let ends = interval.map_or_else(|| "-".into(), |[low, high]| format!("{} to {}", show(low), show(high)));
        let bar = if share { drawing(value, interval) } else { String::new() };
        let (model, data) = (last_part(&record.model.path), last_part(&record.data.path));
        let text = |cell: &str| format!("<td class=\"text\">{}</td>", esc(cell));
        let _ = write!(
            out,
            "<tr><th scope=\"row\">{}</th>{}{}<td>{}</td><td>{ends}</td><td>{bar}</td><td>{n}</td>{}{}</tr>",
            esc(&run.name),
            text(what),
            text(&by(record)),
            show(value),
            text(model),
            text(data)
        );
    }
    out + "</tbody></table></div>"
}

/// What gave the scores or the verdicts.
fn by(record: &Record) -> String {
    let named = ["scorer", "judge", "rewards"].iter().find_map(|key| record.settings.get(*key));
    let text = named.map_or_else(String::new, |v| v.as_str().map_or_else(|| v.to_string(), str::to_owned));
    if record.settings.get("per_token") == Some(&true.into()) { format!("{text}, per token") } else { text }
}

/// A share and its interval between 0 and 1.
fn drawing(value: f64, interval: Option<[f64; 2]>) -> String {
    let x = |v: f64| 4.0 + v.clamp(0.0, 1.0) * (WIDTH - 8.0);
    let whisker =
        interval.map_or_else(String::new, |[low, high]| format!("<path class=\"line c0\" d=\"M{:.1} 8H{:.1}\"/>", x(low), x(high)));
    format!(
        "<svg class=\"interval\" viewBox=\"0 0 {WIDTH} 16\" aria-hidden=\"true\"><path class=\"grid\" d=\"M4 8H{}M{1:.1} 3V13\"/>{whisker}\
         <circle class=\"dot c0\" cx=\"{2:.1}\" cy=\"8\" r=\"3.5\"/></svg>",
        WIDTH - 4.0,
        x(0.5),
        x(value)
    )
}

fn whole(record: &Record) -> String {
    let mut about = Table::new("About", &["", "value"]);
    let short = |hash: &str| hash.chars().take(16).collect::<String>();
    let source = |s: &crate::Source| if s.hash.is_empty() { s.path.clone() } else { format!("{} (BLAKE3 {})", s.path, short(&s.hash)) };
    about.row(["model".into(), source(&record.model)]);
    if let Some(against) = &record.against {
        about.row(["against".into(), source(against)]);
    }
    about.row(["data".into(), format!("{}, {}", source(&record.data), record.format)]);
    for (name, value) in &record.settings {
        about.row([name.clone(), value.as_str().map_or_else(|| value.to_string(), str::to_owned)]);
    }
    about.row(["seconds".into(), format!("{:.1}", record.seconds)]);
    about.row(["collimate".into(), record.version.clone()]);
    let mut out: String = record.outcome.tables().iter().map(html::table).collect();
    if let Outcome::Preference(result) = &record.outcome {
        out.push_str(&reliability(&result.calibration));
        let _ = write!(out, "<p>Sign: {}.</p>", result.sign.says());
    }
    out + &html::table(&about)
}

/// The reliability curve: how often the scorer is right where it is so confident. On the diagonal it knows its own doubt.
fn reliability(calibration: &crate::Calibration) -> String {
    let frame = super::plot::Frame::new([0.5, 1.0], [0.0, 1.0]);
    let right = |b: &crate::ReliabilityBin| (b.confidence, b.accuracy);
    let mut out = format!(
        "<figure class=\"chart\"><figcaption>Reliability: right, by confidence</figcaption><svg viewBox=\"0 0 {} {}\" role=\"img\" \
         aria-label=\"Reliability curve, expected calibration error {:.3}\">{}<path class=\"diagonal\" d=\"{}\"/>",
        super::plot::WIDTH,
        super::plot::HEIGHT,
        calibration.ece,
        frame.axes(),
        frame.path([(0.5, 0.5), (1.0, 1.0)].into_iter())
    );
    let _ = write!(out, "<path class=\"line main c0\" d=\"{}\"/>", frame.path(calibration.bins.iter().map(right)));
    for bin in &calibration.bins {
        let (x, y) = frame.place(right(bin));
        let _ = write!(out, "<circle class=\"dot c0\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"3\"/>");
    }
    out + "</svg></figure>"
}

fn last_part(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::tests::{outcomes, record};

    #[test]
    fn every_kind_of_evaluation_has_its_row_and_its_page() {
        let evaluations: Vec<(String, Record)> = outcomes().into_iter().map(|o| (format!("{}<1>", o.name()), record(o))).collect();
        let out = section(&[Run { name: "r".into(), evaluations, ..Run::default() }]);
        for name in ["task", "preference", "winrate", "perplexity"] {
            assert!(out.contains(&format!("{name}&lt;1&gt;")), "{name}");
        }
        assert_eq!((out.matches("<details>").count(), out.matches("class=\"interval\"").count()), (4, 3));
        assert!(out.contains("Reliability") && out.contains("BLAKE3 1111111111111111)"));
        assert_eq!(section(&[Run::default()]), "");
    }
}
