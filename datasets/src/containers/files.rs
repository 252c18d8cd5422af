//! Which files a name stands for: one file, all of a folder, a pattern, a Hugging Face data-set folder, or a data set of the hub.

use std::path::{Path, PathBuf};

use super::readme::{self, Declared};
use crate::DataError;
use crate::fields::nearest;

/// Endings of files that hold rows.
pub(super) const ENDINGS: [&str; 7] = ["jsonl", "json", "ndjson", "csv", "tsv", "txt", "parquet"];

/// Names under which the parts of a data set go, as the hub's own rules have them.
const PARTS: [(&str, &[&str]); 3] = [
    ("train", &["train", "training"]),
    ("test", &["test", "testing", "eval", "evaluation"]),
    ("validation", &["validation", "valid", "dev", "val"]),
];

/// What is asked for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Wanted<'a> {
    /// The setting that names it: `train`, `heldout`, ….
    pub(crate) key: &'static str,
    /// A file, a folder, a pattern or `hub:OWNER/NAME`.
    pub(crate) name: &'a Path,
    /// The configuration of a data set that has several; empty takes the only one.
    pub(crate) config: &'a str,
    /// The part of a folder: `train`, `test`, `validation`; empty takes what the key stands for.
    pub(crate) split: &'a str,
}

impl Wanted<'_> {
    /// The files, sorted.
    ///
    /// # Errors
    /// When there are none, when a folder cannot be read, or when the choice is not clear.
    pub(crate) fn files(&self) -> Result<Vec<PathBuf>, DataError> {
        let text = self.name.to_string_lossy();
        if let Some(name) = text.strip_prefix("hub:") {
            return self.folder(&hub(self.key, name)?);
        }
        if self.name.is_dir() {
            return self.folder(self.name);
        }
        if !self.name.exists() && text.contains(['*', '?', '[']) {
            return self.pattern(&text);
        }
        Ok(vec![self.name.to_owned()])
    }

    fn pattern(&self, text: &str) -> Result<Vec<PathBuf>, DataError> {
        let paths = glob::glob(text).map_err(|e| self.wrong(format!("this is no pattern: {}", e.msg)))?;
        let mut files: Vec<PathBuf> = paths.filter_map(Result::ok).filter(|p| p.is_file()).collect();
        files.sort();
        if files.is_empty() { Err(self.wrong("no file has such a name".into())) } else { Ok(files) }
    }

    fn folder(&self, dir: &Path) -> Result<Vec<PathBuf>, DataError> {
        if let Ok(text) = std::fs::read_to_string(dir.join("README.md"))
            && let declared = readme::declared(&text)
            && !declared.is_empty()
        {
            return self.declared(dir, &declared);
        }
        let mut files = Vec::new();
        walk(dir, 0, &mut files).map_err(|source| DataError::Read { key: self.key, path: dir.to_owned(), source })?;
        files.sort();
        if !self.config.is_empty() {
            let folder = dir.join(self.config);
            files.retain(|f| f.starts_with(&folder));
        }
        if files.is_empty() {
            return Err(self.wrong(format!("the folder has no file that ends in {}", ENDINGS.join(", "))));
        }
        self.part(dir, files)
    }

    /// The files of one part. Files whose names say nothing of parts are all of one part.
    fn part(&self, dir: &Path, files: Vec<PathBuf>) -> Result<Vec<PathBuf>, DataError> {
        let part_of = |file: &PathBuf| part(&file.strip_prefix(dir).unwrap_or(file).to_string_lossy().to_lowercase());
        let mut there: Vec<&str> = files.iter().filter_map(part_of).collect();
        there.sort_unstable();
        there.dedup();
        if there.is_empty() {
            return Ok(files);
        }
        let named = PARTS.iter().find(|(name, others)| *name == self.split || others.contains(&self.split)).map(|(name, _)| *name);
        let order: &[&str] = match (named, self.key) {
            (Some(name), _) => &[name],
            (None, "heldout") => &["test", "validation"],
            (None, _) => &["train", "test", "validation"],
        };
        let chosen = order.iter().find(|name| there.contains(*name)).filter(|_| named.is_some() || self.split.is_empty());
        let Some(chosen) = chosen else {
            return Err(self.wrong(format!("the folder has {}; set `data.split`", there.join(", "))));
        };
        Ok(files.into_iter().filter(|f| part_of(f) == Some(*chosen)).collect())
    }

    /// The files that the front of a README names.
    fn declared(&self, dir: &Path, declared: &[Declared]) -> Result<Vec<PathBuf>, DataError> {
        let mut configs: Vec<&str> = declared.iter().map(|d| d.config.as_str()).collect();
        configs.dedup();
        let config = match (self.config, configs.as_slice()) {
            ("", [only]) => *only,
            ("", many) if many.contains(&"default") => "default",
            ("", many) => return Err(self.wrong(format!("it has the configurations {}; set `data.config` to one", many.join(", ")))),
            (name, many) if many.contains(&name) => name,
            (name, many) => {
                let close = nearest(name, many.iter().copied()).map_or_else(String::new, |n| format!(" (did you mean `{n}`?)"));
                return Err(self.wrong(format!("it has no configuration `{name}`{close}; there are {}", many.join(", "))));
            }
        };
        let of_config = || declared.iter().filter(|d| d.config == config);
        let splits: Vec<&str> = of_config().map(|d| d.split.as_str()).collect();
        let wanted: Vec<&str> = match (self.split, self.key) {
            ("", "heldout") => vec!["test", "validation", "dev"],
            ("", _) => vec!["train"],
            (split, _) => vec![split],
        };
        let split =
            wanted.iter().find(|w| splits.contains(w)).copied().or_else(|| (splits.len() == 1 && self.split.is_empty()).then(|| splits[0]));
        let Some(split) = split else {
            return Err(self.wrong(format!("`{config}` has the parts {}; set `data.split` to one", splits.join(", "))));
        };
        let mut files = Vec::new();
        for path in of_config().filter(|d| d.split == split).flat_map(|d| &d.paths) {
            let pattern = format!("{}/{path}", glob::Pattern::escape(&dir.to_string_lossy()));
            let mut found: Vec<PathBuf> =
                glob::glob(&pattern).into_iter().flatten().filter_map(Result::ok).filter(|p| p.is_file()).collect();
            found.sort();
            files.append(&mut found);
        }
        if files.is_empty() {
            Err(self.wrong(format!("the files that its README.md names for `{config}`, `{split}` are not there")))
        } else {
            Ok(files)
        }
    }

    fn wrong(&self, wanted: String) -> DataError {
        DataError::Setting { key: self.key.into(), value: self.name.display().to_string(), wanted }
    }
}

/// The part that a path names, if it does: a word of it, between signs that are no letters or digits.
fn part(path: &str) -> Option<&'static str> {
    let words: Vec<&str> = path.split(|c: char| !c.is_ascii_alphanumeric()).collect();
    // The last word that names one counts: a folder `test-sets/train.jsonl` holds a training part.
    words.iter().rev().find_map(|word| PARTS.iter().find(|(_, names)| names.contains(word)).map(|(name, _)| *name))
}

/// All files below a folder that hold rows. Hidden ones are passed over.
fn walk(dir: &Path, depth: u32, files: &mut Vec<PathBuf>) -> std::io::Result<()> {
    for entry in std::fs::read_dir(dir)? {
        let path = entry?.path();
        let hidden = path.file_name().is_some_and(|n| n.to_string_lossy().starts_with('.'));
        // `metadata` follows links: the hub's own cache is made of them.
        match std::fs::metadata(&path) {
            _ if hidden => {}
            Ok(meta) if meta.is_dir() && depth < 6 => walk(&path, depth + 1, files)?,
            Ok(meta) if meta.is_file() && ENDINGS.contains(&super::codec::ending(&path).as_str()) && !is_metadata(&path) => {
                files.push(path)
            }
            _ => {}
        }
    }
    Ok(())
}

/// Files that stand beside rows and are none.
fn is_metadata(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    matches!(name.as_ref(), "dataset_info.json" | "dataset_infos.json" | "state.json" | "dataset_dict.json")
}

/// The folder of a data set of the hub: in the cache, or fetched into it.
fn hub(key: &'static str, name: &str) -> Result<PathBuf, DataError> {
    let wrong = |wanted: String| DataError::Setting { key: key.into(), value: format!("hub:{name}"), wanted };
    let (name_only, revision) = name.split_once('@').unwrap_or((name, "main"));
    let valid =
        |part: &str| !part.is_empty() && !part.starts_with('.') && part.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c));
    let valid_name = name_only.split('/').count() <= 2 && name_only.split('/').all(valid) && revision.split('/').all(valid);
    if !valid_name {
        return Err(wrong("write `hub:OWNER/NAME`, or `hub:OWNER/NAME@REVISION`".into()));
    }
    if let Some(dir) = cached(name_only, revision) {
        return Ok(dir);
    }
    #[cfg(feature = "hub")]
    return super::hub::fetch(name_only, revision).map_err(|e| wrong(e.to_string()));
    #[cfg(not(feature = "hub"))]
    Err(wrong(
        "it is not in the hub's cache (HF_HOME), and this build does not fetch: build with `--features hub`, or fetch it first".into(),
    ))
}

/// The hub's cache on this machine.
pub(super) fn cache() -> Option<PathBuf> {
    let of = |name: &str| std::env::var_os(name).filter(|v| !v.is_empty()).map(PathBuf::from);
    of("HF_HUB_CACHE")
        .or_else(|| of("HF_HOME").map(|home| home.join("hub")))
        .or_else(|| of("XDG_CACHE_HOME").map(|home| home.join("huggingface/hub")))
        .or_else(|| of("HOME").map(|home| home.join(".cache/huggingface/hub")))
}

fn cached(name: &str, revision: &str) -> Option<PathBuf> {
    let repository = cache()?.join(format!("datasets--{}", name.replace('/', "--")));
    let commit = std::fs::read_to_string(repository.join("refs").join(revision)).unwrap_or_else(|_| revision.to_owned());
    Some(repository.join("snapshots").join(commit.trim())).filter(|dir| dir.is_dir())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(files: &[&str]) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        for file in files {
            let path = dir.path().join(file);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, "x").unwrap();
        }
        dir
    }

    fn names(dir: &Path, key: &'static str, config: &str, split: &str) -> Result<Vec<String>, String> {
        let files = Wanted { key, name: dir, config, split }.files().map_err(|e| e.to_string())?;
        let root = if dir.is_dir() { dir } else { dir.parent().unwrap() };
        Ok(files.iter().map(|f| f.strip_prefix(root).unwrap().display().to_string()).collect())
    }

    #[test]
    fn parts_of_a_folder_are_told_by_their_names() {
        let dir = tree(&["helpful/train.jsonl.gz", "helpful/test.jsonl.gz", "harmless/train.jsonl.gz", "notes.md", ".hidden/train.jsonl"]);
        let of = |key, split| names(dir.path(), key, "", split);
        assert_eq!(of("train", "").unwrap(), ["harmless/train.jsonl.gz", "helpful/train.jsonl.gz"]);
        assert_eq!(of("heldout", "").unwrap(), ["helpful/test.jsonl.gz"]);
        assert_eq!(of("train", "test").unwrap(), ["helpful/test.jsonl.gz"]);
        assert!(of("train", "validation").unwrap_err().contains("the folder has test, train; set `data.split`"));
        assert_eq!(names(dir.path(), "train", "helpful", "").unwrap(), ["helpful/train.jsonl.gz"]);
    }

    #[test]
    fn a_folder_without_parts_is_read_whole_and_one_without_rows_is_refused() {
        let dir = tree(&["a.jsonl", "b.csv.zst", "c.parquet", "dataset_info.json"]);
        assert_eq!(names(dir.path(), "heldout", "", "").unwrap(), ["a.jsonl", "b.csv.zst", "c.parquet"]);
        assert!(names(tree(&["x.md"]).path(), "train", "", "").unwrap_err().contains("no file that ends in jsonl"));
    }

    #[test]
    fn a_pattern_stands_for_the_files_it_matches() {
        let dir = tree(&["a-1.jsonl", "a-2.jsonl", "b-1.jsonl"]);
        assert_eq!(names(&dir.path().join("a-*.jsonl"), "train", "", "").unwrap(), ["a-1.jsonl", "a-2.jsonl"]);
        assert!(names(&dir.path().join("z-*"), "train", "", "").unwrap_err().contains("no file has such a name"));
    }

    #[test]
    fn the_readme_of_a_data_set_says_which_files_are_which() {
        let dir = tree(&["main/train-0.parquet", "main/test-0.parquet", "socratic/train-0.parquet"]);
        let readme = "---\nconfigs:\n- config_name: main\n  data_files:\n  - split: train\n    path: main/train-*\n  - split: test\n    path: main/test-*\n- config_name: socratic\n  data_files:\n  - split: train\n    path:\n    - socratic/train-*\n---\n# Title\n";
        std::fs::write(dir.path().join("README.md"), readme).unwrap();
        let of = |key, config, split| names(dir.path(), key, config, split);
        assert!(of("train", "", "").unwrap_err().contains("configurations main, socratic; set `data.config`"));
        assert_eq!(of("train", "main", "").unwrap(), ["main/train-0.parquet"]);
        assert_eq!(of("heldout", "main", "").unwrap(), ["main/test-0.parquet"]);
        assert_eq!(of("heldout", "socratic", "").unwrap(), ["socratic/train-0.parquet"]);
        assert!(of("train", "socratik", "").unwrap_err().contains("did you mean `socratic`?"));
        assert!(of("train", "main", "dev").unwrap_err().contains("has the parts train, test"));
    }

    #[test]
    fn hub_names_are_checked_before_anything_is_looked_for() {
        for bad in ["hub:", "hub:../x", "hub:a/b/c", "hub:a/.b", "hub:a/b@../x"] {
            assert!(names(Path::new(bad), "train", "", "").unwrap_err().contains("write `hub:OWNER/NAME`"), "{bad}");
        }
    }
}
