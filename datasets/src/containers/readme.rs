//! The part of a data set's README.md that says which files are which: `configs`, `config_name`, `data_files`, `split`, `path`.
//!
//! The front matter is YAML, of which the hub writes and documents one small shape here; its lines are read in order, without a YAML
//! library.

/// Files of one part of one configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Declared {
    pub(super) config: String,
    pub(super) split: String,
    /// Patterns, relative to the folder.
    pub(super) paths: Vec<String>,
}

/// What the front matter declares; nothing if it declares no files.
pub(super) fn declared(readme: &str) -> Vec<Declared> {
    let Some(front) = readme.trim_start_matches('\u{feff}').strip_prefix("---") else { return Vec::new() };
    let mut found: Vec<Declared> = Vec::new();
    let (mut inside, mut config, mut split, mut list) = (false, "default".to_owned(), "train".to_owned(), false);
    for line in front.lines().skip(1).take_while(|line| line.trim_end() != "---") {
        let indented = line.starts_with([' ', '-']);
        if !indented {
            inside = line.trim_end() == "configs:";
            continue;
        }
        if !inside {
            continue;
        }
        let item = line.trim();
        let bare = item.trim_start_matches("- ").trim();
        let mut add = |path: &str| match found.last_mut() {
            Some(last) if last.config == config && last.split == split => last.paths.push(path.to_owned()),
            _ => found.push(Declared { config: config.clone(), split: split.clone(), paths: vec![path.to_owned()] }),
        };
        match bare.split_once(':').map(|(key, value)| (key.trim(), value.trim().trim_matches(['"', '\'']))) {
            Some(("config_name", name)) => (config, split, list) = (name.to_owned(), "train".to_owned(), false),
            Some(("split", name)) => (split, list) = (name.to_owned(), false),
            Some(("path" | "data_files", "")) => list = true,
            Some(("path" | "data_files", path)) => add(path),
            Some(_) => list = false,
            None if list && item.starts_with('-') => add(bare.trim_matches(['"', '\''])),
            None => {}
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn configurations_without_splits_and_quoted_names_are_read() {
        let front = "---\nlicense: mit\nconfigs:\n  - config_name: \"a\"\n    data_files: \"x/*.jsonl\"\n  - config_name: b\n    data_files:\n      - split: test\n        path: 'y.csv'\ntags:\n- path: no\n---\npath: no\n";
        let of = |config: &str, split: &str, path: &str| Declared { config: config.into(), split: split.into(), paths: vec![path.into()] };
        assert_eq!(declared(front), [of("a", "train", "x/*.jsonl"), of("b", "test", "y.csv")]);
        assert!(declared("# no front\n").is_empty() && declared("---\nlicense: mit\n---\n").is_empty() && declared("").is_empty());
    }
}
