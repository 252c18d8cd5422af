//! The keys of a `[[reward]]` table that names a plugin.

use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::PluginCommand;
use crate::{KnobCard, RewardCard};

/// How a plugin is run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PluginSettings {
    /// The program, with arguments if it is a list.
    pub plugin: PluginCommand,
    /// Its settings, handed on as they are.
    pub config: Map<String, Value>,
    /// Copies that run at once.
    pub workers: usize,
    /// Seconds that an answer may take (a group, if the plugin takes whole groups).
    pub deadline_s: f64,
    /// Seconds until a copy must be ready.
    pub start_s: f64,
    /// Answers that are sent at once.
    pub batch: usize,
    /// Batches that are sent before the first is answered.
    pub pipeline: usize,
    /// Megabytes of address space of a copy; 0 = no limit.
    pub memory_mb: u64,
    /// Processes and threads of the user who runs it; 0 = no limit.
    pub max_processes: u64,
    /// Deaths in a row without a judged answer after which the plugin is given up.
    pub max_deaths: u32,
    /// Answers after which a copy is replaced by a fresh one; 0 = never.
    pub recycle: u64,
    /// Kilobytes of what it prints that are kept.
    pub log_kb: usize,
    /// The file for what it prints; of a run `reward-<label>.log` in its directory.
    pub log: Option<PathBuf>,
}

impl Default for PluginSettings {
    fn default() -> Self {
        Self {
            plugin: PluginCommand::default(),
            config: Map::new(),
            workers: 2,
            deadline_s: 10.0,
            start_s: 30.0,
            batch: 64,
            pipeline: 2,
            memory_mb: 4096,
            max_processes: 0,
            max_deaths: 10,
            recycle: 0,
            log_kb: 1024,
            log: None,
        }
    }
}

/// What the keys mean.
pub static PLUGIN_CARD: RewardCard = RewardCard {
    name: "plugin",
    claim: "A program of your own judges the answers (docs/rewards.md).",
    knobs: &[
        KnobCard { name: "plugin", help: "The program's path, or a list of program and arguments.", default: "[]" },
        KnobCard { name: "config", help: "Its settings, handed on as they are.", default: "{}" },
        KnobCard { name: "workers", help: "Copies that run at once.", default: "2" },
        KnobCard { name: "deadline_s", help: "Seconds that an answer may take; a second miss is final.", default: "10.0" },
        KnobCard { name: "start_s", help: "Seconds until a copy must be ready.", default: "30.0" },
        KnobCard { name: "batch", help: "Answers that are sent at once.", default: "64" },
        KnobCard { name: "pipeline", help: "Batches that are sent before the first is answered.", default: "2" },
        KnobCard { name: "memory_mb", help: "Megabytes of address space of a copy; 0 = no limit.", default: "4096" },
        KnobCard {
            name: "max_processes",
            help: "Processes and threads of the user who runs it, all programs together; root is not held to it; 0 = no limit.",
            default: "0",
        },
        KnobCard { name: "max_deaths", help: "Deaths in a row without a judged answer after which the plugin is given up.", default: "10" },
        KnobCard { name: "recycle", help: "Answers after which a copy is replaced by a fresh one; 0 = never.", default: "0" },
        KnobCard { name: "log_kb", help: "Kilobytes of what it prints that are kept.", default: "1024" },
        KnobCard { name: "log", help: "The file for what it prints; of a run `reward-<label>.log` in its directory.", default: "null" },
    ],
    // Whoever runs the judge knows its cases; `collimate reward test` takes them from a file.
    cases: &[],
};

impl PluginSettings {
    /// Refuses numbers that mean nothing.
    ///
    /// # Errors
    /// The first of them, with what is possible.
    pub fn check(&self) -> Result<(), String> {
        let counts = [
            ("workers", self.workers, 256),
            ("batch", self.batch, 1 << 16),
            ("pipeline", self.pipeline, 64),
            ("max_deaths", self.max_deaths as usize, usize::MAX),
        ];
        for (name, value, most) in counts {
            if value == 0 || value > most {
                return Err(format!("`{name}` = {value} is not possible: 1 to {most}"));
            }
        }
        for (name, value) in [("deadline_s", self.deadline_s), ("start_s", self.start_s)] {
            if !(0.1..=1e6).contains(&value) {
                return Err(format!("`{name}` = {value} is not possible: 0.1 to 1000000 seconds"));
            }
        }
        if self.plugin.0.is_empty() {
            return Err("`plugin` names no program".into());
        }
        Ok(())
    }

    pub(super) fn deadline(&self) -> Duration {
        Duration::from_secs_f64(self.deadline_s)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_card_lists_the_keys() {
        let listed = PLUGIN_CARD.knobs.iter().map(|k| (k.name.to_owned(), serde_json::from_str(k.default).unwrap()));
        assert_eq!(serde_json::to_value(PluginSettings::default()).unwrap(), Value::Object(listed.collect()));
    }

    #[test]
    fn numbers_that_mean_nothing_are_refused_by_name() {
        let good = PluginSettings { plugin: PluginCommand(vec!["x".into()]), ..PluginSettings::default() };
        assert_eq!(good.check(), Ok(()));
        let bad = [
            (PluginSettings { workers: 0, ..good.clone() }, "workers"),
            (PluginSettings { batch: 0, ..good.clone() }, "batch"),
            (PluginSettings { deadline_s: f64::NAN, ..good.clone() }, "deadline_s"),
            (PluginSettings { deadline_s: 0.01, ..good.clone() }, "deadline_s"),
            (PluginSettings { plugin: PluginCommand(vec![]), ..good }, "plugin"),
        ];
        for (settings, name) in bad {
            assert!(settings.check().unwrap_err().contains(name));
        }
    }
}
