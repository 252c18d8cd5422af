//! Which metric is drawn where.

use std::fmt::Write;

use super::chart::{Chart, Line};
use super::html::{self, details, esc, number};
use super::{Run, series};
use crate::{Proportion, Table};

/// The groups in their order: a title, and what the names of its metrics begin with. The first that fits takes a metric.
const GROUPS: [(&str, &[&str]); 9] = [
    ("Held-out results", &["eval/"]),
    ("Rewards and preferences", &["reward", "frac_reward", "logps/", "logits/", "margin", "accuracy"]),
    (
        "Loss and policy",
        &[
            "loss",
            "policy/",
            "objective/",
            "entropy",
            "kl",
            "clip_ratio",
            "ratio",
            "sequence_ratio",
            "grad_norm",
            "learning_rate",
            "value",
            "val/",
        ],
    ),
    ("Lengths", &["completions/", "prompts/", "num_tokens"]),
    ("Throughput", &["perf/", "time/step"]),
    ("Sampler against learner", &["sampling/"]),
    ("Faults and flow", &["faults/", "rollout/", "learner/", "flow/"]),
    ("Everything else", &[""]),
    // Drawn as areas in a section of their own.
    ("", &["time/"]),
];

fn group_of(name: &str) -> usize {
    if name.starts_with("time/") && name != "time/step" {
        return GROUPS.len() - 1;
    }
    GROUPS.iter().position(|(_, starts)| starts.iter().any(|s| name.starts_with(s))).unwrap_or(GROUPS.len() - 2)
}

/// The most important curve of a group first; the others follow by name.
fn rank(name: &str) -> (usize, &str) {
    const FIRST: [&str; 9] =
        ["eval/accuracy", "reward", "reward_std", "loss", "kl", "entropy", "completions/mean_length", "perf/tokens_per_s", "time/step"];
    (FIRST.iter().position(|f| *f == name).unwrap_or(FIRST.len()), name)
}

/// All curves, in their groups. A metric that was 0 at every step of every run is named and not drawn.
pub(super) fn section(runs: &[Run]) -> String {
    let names = series::names(runs);
    let mut out = String::new();
    for (at, (title, _)) in GROUPS.iter().enumerate().take(GROUPS.len() - 1) {
        let mut mine: Vec<&String> = names.iter().filter(|n| group_of(n) == at).collect();
        mine.sort_by_key(|n| rank(n));
        let charts: Vec<Chart> = mine.iter().map(|n| chart(runs, n)).filter(|c| !c.lines.is_empty()).collect();
        let (silent, drawn): (Vec<Chart>, Vec<Chart>) = charts.into_iter().filter(|c| c.name != "eval/n").partition(all_zero);
        if drawn.is_empty() && silent.is_empty() {
            continue;
        }
        let _ = write!(out, "<h3>{title}</h3><div class=\"charts\">");
        drawn.iter().for_each(|c| out.push_str(&c.svg()));
        out.push_str("</div>");
        if !silent.is_empty() {
            let names: Vec<String> = silent.iter().map(|c| format!("<code>{}</code>", esc(&c.name))).collect();
            let _ = write!(out, "<p class=\"quiet\">0 at every step: {}</p>", names.join(", "));
        }
        if !drawn.is_empty() {
            out.push_str(&details("The same as a table", &html::table(&values(title, &drawn))));
        }
    }
    out
}

fn chart(runs: &[Run], name: &str) -> Chart {
    let line = |(at, run): (usize, &Run)| {
        let points = series::of(run, name);
        (!points.is_empty()).then(|| Line { run: at, name: run.name.clone(), intervals: intervals(run, name, &points), points })
    };
    Chart { name: name.to_owned(), lines: runs.iter().enumerate().filter_map(line).collect() }
}

/// Wilson's interval around each held-out accuracy.
fn intervals(run: &Run, name: &str, points: &[(u64, f64)]) -> Vec<[f64; 2]> {
    if name != "eval/accuracy" {
        return Vec::new();
    }
    let n: std::collections::BTreeMap<u64, f64> = series::of(run, "eval/n").into_iter().collect();
    let one = |(step, value): &(u64, f64)| {
        let n = *n.get(step)?;
        Some(Proportion::new((value * n).round() as u64, n as u64).ok()?.interval())
    };
    points.iter().map(one).collect::<Option<Vec<_>>>().unwrap_or_default()
}

fn all_zero(chart: &Chart) -> bool {
    chart.lines.iter().flat_map(|l| &l.points).all(|p| p.1 == 0.0)
}

/// First, last, lowest and highest values.
fn values(title: &str, charts: &[Chart]) -> Table {
    let mut table = Table::new(format!("{title}: values"), &["metric", "run", "first", "last", "lowest", "highest", "steps"]);
    for (chart, line) in charts.iter().flat_map(|c| c.lines.iter().map(move |l| (c, l))) {
        let numbers = || line.points.iter().map(|p| p.1);
        let ends = [numbers().next(), numbers().next_back(), numbers().reduce(f64::min), numbers().reduce(f64::max)];
        let cells = ends.map(|v| v.map_or_else(String::new, number));
        let steps = line.points.len().to_string();
        table.row([chart.name.clone(), line.name.clone()].into_iter().chain(cells).chain([steps]));
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;
    use collimate_types::Metrics;

    #[test]
    fn every_metric_has_its_place_and_zeros_are_named() {
        let metric = |names: &[(&str, f64)]| Metrics(names.iter().map(|(n, v)| ((*n).to_owned(), *v)).collect());
        let line = metric(&[
            ("reward", 0.5),
            ("faults/panic", 0.0),
            ("mine/own", 3.0),
            ("time/update", 1.0),
            ("eval/accuracy", 0.5),
            ("eval/n", 10.0),
        ]);
        let run = Run { name: "r".into(), lines: vec![(1, line)], ..Run::default() };
        let out = section(&[run]);
        assert!(out.contains("<h3>Everything else</h3>") && out.contains("<figcaption>mine/own</figcaption>"));
        assert!(out.contains("0 at every step: <code>faults/panic</code>") && !out.contains("<figcaption>faults/panic"));
        assert!(!out.contains("time/update"), "phases are drawn as areas");
        assert_eq!(out.matches("line bar").count(), 1, "the accuracy has its interval");
    }

    #[test]
    fn the_important_curves_come_first() {
        let mut names = ["rewards/a/mean", "reward", "reward_std", "frac_reward_zero_std"];
        names.sort_by_key(|n| rank(n));
        assert_eq!(names[..2], ["reward", "reward_std"]);
        assert_eq!(group_of("time/step"), 4);
    }
}
