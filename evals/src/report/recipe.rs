//! The resolved recipes, where they differ, and what they ran on.

use std::collections::BTreeMap;

use super::Run;
use super::html::{self, details, esc};
use crate::Table;

/// Facts, differences, and the recipes themselves.
pub(super) fn section(runs: &[Run]) -> String {
    let mut out = String::new();
    let mut facts = Table::new("Versions and files", &["run", "what", "value"]);
    for run in runs {
        run.facts.iter().for_each(|(name, value)| facts.row([run.name.clone(), name.clone(), value.clone()]));
    }
    if !facts.rows.is_empty() {
        out.push_str(&html::table(&facts));
    }
    let differences = differences(runs);
    if !differences.rows.is_empty() {
        out.push_str(&html::table(&differences));
    }
    for run in runs.iter().filter(|r| !r.config.is_empty()) {
        out.push_str(&details(&format!("Recipe of {}", run.name), &format!("<pre>{}</pre>", esc(&run.config))));
    }
    out
}

/// Keys whose values are not the same in all runs.
fn differences(runs: &[Run]) -> Table {
    let columns: Vec<&str> = std::iter::once("key").chain(runs.iter().map(|r| r.name.as_str())).collect();
    let mut table = Table::new("Where the recipes differ", &columns);
    let recipes: Vec<BTreeMap<String, String>> = runs.iter().map(|r| keys(&r.config)).collect();
    let all: std::collections::BTreeSet<&String> = recipes.iter().flat_map(BTreeMap::keys).collect();
    for key in all {
        let values: Vec<Option<&String>> = recipes.iter().map(|r| r.get(key)).collect();
        if values.windows(2).any(|w| w[0] != w[1]) {
            let shown = values.into_iter().map(|v| v.map_or_else(|| "-".into(), Clone::clone));
            table.row(std::iter::once(key.clone()).chain(shown));
        }
    }
    table
}

/// The keys of a resolved recipe, which is written one key a line: `[section]` and `key = value`. A table of an array gets a number.
fn keys(config: &str) -> BTreeMap<String, String> {
    let (mut section, mut tables) = (String::new(), BTreeMap::<String, usize>::new());
    let mut all = BTreeMap::new();
    for line in config.lines().map(str::trim).filter(|l| !l.is_empty() && !l.starts_with('#')) {
        if let Some(name) = line.strip_prefix("[[").and_then(|l| l.strip_suffix("]]")) {
            let count = tables.entry(name.to_owned()).or_default();
            *count += 1;
            section = format!("{name}.{count}.");
        } else if let Some(name) = line.strip_prefix('[').and_then(|l| l.strip_suffix(']')) {
            section = format!("{name}.");
        } else if let Some((key, value)) = line.split_once('=') {
            all.insert(format!("{section}{}", key.trim()), value.trim().to_owned());
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_differs_is_in_the_table() {
        let run = |name: &str, config: &str| Run { name: name.into(), config: config.into(), ..Run::default() };
        let a = run("a", "[learner]\nlr = 1e-5\nepochs = 1\n[[reward]]\nname = \"x\"\n[[reward]]\nname = \"y\"\n");
        let b = run("b", "[learner]\nlr = 3e-5\nepochs = 1\n# lr = 9\n[[reward]]\nname = \"x\"\n");
        let table = differences(&[a.clone(), b]);
        assert_eq!(table.rows, [["learner.lr", "1e-5", "3e-5"], ["reward.2.name", "\"y\"", "-"]]);
        assert!(differences(&[a]).rows.is_empty());
    }
}
