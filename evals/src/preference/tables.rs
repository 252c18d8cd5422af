//! A preference result as tables.

use super::{GroupAccuracy, PreferenceResult};
use crate::table::{Table, percent, percents, short};

impl PreferenceResult {
    /// The tables of the result, the most important first.
    #[must_use]
    pub fn tables(&self) -> Vec<Table> {
        let mut tables = vec![self.summary()];
        let groups = [("By part of the data", &self.by_subset), ("By turns of the user", &self.by_turns)];
        let groups = groups.into_iter().chain([("By length of the preferred answer, in tokens", &self.by_length_difference)]);
        tables.extend(groups.filter(|(_, g)| !g.is_empty()).map(|(title, g)| by(title, g)));
        tables.push(self.length_table());
        tables.push(self.reliability());
        tables
    }

    fn summary(&self) -> Table {
        let mut table = Table::new("Preference accuracy", &["", "value", "95% interval", "n"]);
        table.row(["accuracy (ties as 0.5)".into(), percent(self.accuracy), percents(self.interval), self.n.to_string()]);
        table.row(["ties".into(), percent(self.tie_rate), String::new(), self.ties.to_string()]);
        table.row(["margin, mean and deviation".into(), format!("{} ± {}", short(self.margin_mean), short(self.margin_std))]);
        for (name, count) in [("not scored", self.unscorable), ("equally good to people", self.human_ties)] {
            if count > 0 {
                table.row([name.into(), String::new(), String::new(), count.to_string()]);
            }
        }
        table
    }

    fn length_table(&self) -> Table {
        let length = &self.length;
        let share = |value: Option<f64>| value.map_or_else(|| "-".into(), percent);
        let mut table = Table::new("Length", &["", "value", "95% interval"]);
        table.row(["people prefer the longer answer".into(), share(length.people_prefer_longer)]);
        table.row(["the scorer prefers the longer answer".into(), share(length.scorer_prefers_longer)]);
        table.row(["correlation of margin and length".into(), length.correlation.map_or_else(|| "-".into(), |c| format!("{c:.3}"))]);
        let interval = length.balanced_interval.map_or_else(String::new, percents);
        table.row(["accuracy, longer and shorter weighed alike".into(), share(length.balanced_accuracy), interval]);
        table.row(["accuracy without the part of length".into(), share(length.accuracy_without_length)]);
        table
    }

    fn reliability(&self) -> Table {
        let c = &self.calibration;
        let title = format!("Calibration: ECE {:.3}, Brier {:.3}, log loss {:.3}", c.ece, c.brier, c.log_loss);
        let mut table = Table::new(title, &["confidence", "mean", "right", "n"]);
        for b in &c.bins {
            table.row([format!("{:.2} to {:.2}", b.low, b.high), format!("{:.3}", b.confidence), percent(b.accuracy), b.n.to_string()]);
        }
        table
    }
}

fn by(title: &str, groups: &[GroupAccuracy]) -> Table {
    let mut table = Table::new(title, &["", "accuracy", "95% interval", "ties", "n"]);
    for group in groups {
        let cells = [percent(group.accuracy), percents(group.interval), group.ties.to_string(), group.n.to_string()];
        table.row(std::iter::once(group.name.clone()).chain(cells));
    }
    table
}
