//! The program of a plugin and its arguments.

use serde::{Deserialize, Serialize};

/// A program and its arguments: a text is a path without arguments, a list is a path and arguments.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(from = "Words", into = "Words")]
pub struct PluginCommand(pub Vec<String>);

#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Words {
    One(String),
    Many(Vec<String>),
}

impl From<Words> for PluginCommand {
    fn from(words: Words) -> Self {
        match words {
            Words::One(path) if path.is_empty() => Self(Vec::new()),
            Words::One(path) => Self(vec![path]),
            Words::Many(words) => Self(words),
        }
    }
}

impl From<PluginCommand> for Words {
    fn from(command: PluginCommand) -> Self {
        match <[String; 1]>::try_from(command.0) {
            Ok([path]) => Self::One(path),
            Err(words) => Self::Many(words),
        }
    }
}

impl PluginCommand {
    /// What a recipe calls it if it gives no name: the file's name, of an interpreter the first argument's.
    #[must_use]
    pub fn name(&self) -> Option<String> {
        let stem = |word: &String| std::path::Path::new(word).file_stem().map(|s| s.to_string_lossy().into_owned());
        let script = self.0.iter().skip(1).find(|w| !w.starts_with('-') && w.contains('.'));
        script.or(self.0.first()).and_then(stem)
    }
}

impl std::fmt::Display for PluginCommand {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0.join(" "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_has_a_name() {
        let name = |json: &str| serde_json::from_str::<PluginCommand>(json).unwrap().name();
        assert_eq!(name(r#""./target/release/demo""#).as_deref(), Some("demo"));
        assert_eq!(name(r#"["python3", "-u", "rewards/polite.py", "x"]"#).as_deref(), Some("polite"));
        assert_eq!(name(r#"["/usr/bin/judge", "--fast"]"#).as_deref(), Some("judge"));
        assert_eq!(name("[]"), None);
        let command = PluginCommand(vec!["a".into()]);
        assert_eq!(serde_json::to_string(&command).unwrap(), r#""a""#);
    }
}
