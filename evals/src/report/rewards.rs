//! Each reward with its mean, its time and its faults.

use super::html::{self, number};
use super::{Run, series};
use crate::Table;

/// A row a reward, and one for all of them together.
pub(super) fn section(runs: &[Run]) -> String {
    let mut table = Table::new("Rewards", &["run", "reward", "first step", "last tenth", "spread", "seconds a step", "faults"]);
    for run in runs {
        let names = series::names(std::slice::from_ref(run));
        let parts = names.iter().filter_map(|n| n.strip_prefix("rewards/")?.strip_suffix("/mean"));
        for part in parts {
            let of = |what: &str| series::of(run, &format!("rewards/{part}/{what}"));
            let seconds = mean(&series::of(run, &format!("time/reward/{part}")));
            let cells = row(&of("mean"), &of("std"), seconds, sum(&of("faults")));
            table.row([run.name.clone(), part.to_owned()].into_iter().chain(cells));
        }
        let (all, std) = (series::of(run, "reward"), series::of(run, "reward_std"));
        if !all.is_empty() {
            let faults = names.iter().filter(|n| n.starts_with("faults/") && *n != "faults/total").map(|n| series::of(run, n));
            let faults = faults.filter_map(|f| sum(&f)).reduce(|a, b| a + b);
            let cells = row(&all, &std, mean(&series::of(run, "time/score")), faults.or(Some(0.0)));
            table.row([run.name.clone(), "all, as trained on".to_owned()].into_iter().chain(cells));
        }
    }
    if table.rows.is_empty() { String::new() } else { html::table(&table) }
}

fn row(mean: &[(u64, f64)], std: &[(u64, f64)], seconds: Option<f64>, faults: Option<f64>) -> [String; 5] {
    let shown = |value: Option<f64>| value.map_or_else(|| "-".into(), number);
    [shown(mean.first().map(|p| p.1)), shown(series::late_mean(mean)), shown(series::late_mean(std)), shown(seconds), shown(faults)]
}

fn mean(points: &[(u64, f64)]) -> Option<f64> {
    sum(points).map(|s| s / points.len() as f64)
}

fn sum(points: &[(u64, f64)]) -> Option<f64> {
    (!points.is_empty()).then(|| points.iter().map(|p| p.1).sum())
}

#[cfg(test)]
mod tests {
    use super::*;
    use collimate_types::Metrics;

    #[test]
    fn every_reward_has_a_row_and_faults_are_summed_over_the_run() {
        let line = |step: u64| {
            let numbers = [
                ("reward", 0.5),
                ("rewards/format/mean", 0.1 * step as f64),
                ("time/reward/format", 0.125),
                ("rewards/format/faults", 2.0),
                ("faults/panic", 1.0),
                ("faults/total", step as f64),
                ("time/score", 0.25),
            ];
            (step, Metrics(numbers.map(|(n, v)| (n.to_owned(), v)).into()))
        };
        let run = Run { name: "r".into(), lines: (1..=4).map(line).collect(), ..Run::default() };
        let out = section(&[run]);
        assert!(out.contains("<td>format</td><td>0.1</td><td>0.4</td><td>-</td><td>0.125</td><td>8</td>"), "{out}");
        assert!(out.contains("<td>all, as trained on</td><td>0.5</td><td>0.5</td><td>-</td><td>0.25</td><td>4</td>"), "{out}");
        assert_eq!(section(&[Run::default()]), "");
    }
}
