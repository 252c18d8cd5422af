//! The data of an evaluation, through the loader that training uses.

use std::path::Path;
use std::sync::Arc;

use collimate_datasets::{Counts, DataConfig, DataError, Item, load_as};
use collimate_types::Seed;

use crate::exit::{Exit, OrExit, refused};
use crate::session;

/// Examples with the format that read them.
#[derive(Debug)]
pub(super) struct Examples<T> {
    pub(super) list: Vec<Arc<T>>,
    pub(super) format: &'static str,
}

/// The first `rows` examples of a file or folder (all, without a number), in its order. What a rule left out, and what is odd, is told.
///
/// # Errors
/// With code 2: everything that is wrong with the rows, each at its place.
pub(super) fn load<T: Item>(path: &Path, format: &str, rows: Option<usize>, columns: &[(&str, &str)]) -> Result<Examples<T>, Exit> {
    if rows == Some(0) {
        return Err(refused("--rows must be 1 or more"));
    }
    let columns = columns.iter().map(|(name, of)| ((*name).to_owned(), (*of).to_owned())).collect();
    let config = DataConfig {
        format: format.to_owned(),
        train: Some(path.to_owned()),
        heldout_rows: 0,
        shuffle: false,
        columns,
        ..DataConfig::default()
    };
    let join = |errors: Vec<DataError>| errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n");
    let split = load_as::<T>(&config, Seed(0), None).map_err(join).or_refused()?;
    tell(&split.counts);
    let mut list = split.train.tasks;
    list.truncate(rows.unwrap_or(usize::MAX));
    Ok(Examples { list, format: split.format })
}

fn tell(counts: &Counts) {
    for (what, all) in [("left out", &counts.left_out), ("kept, but odd", &counts.notes)] {
        for (rule, rows) in all {
            session::say(&format!("{rows} rows {what}: {rule}"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use collimate_types::{Demonstration, PreferencePair};

    #[test]
    fn pairs_and_texts_are_read_by_their_own_formats() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("hh.jsonl");
        let row = |answer: &str| format!("\\n\\nHuman: Hi\\n\\nAssistant: {answer}");
        std::fs::write(&path, format!("{{\"chosen\": \"{}\", \"rejected\": \"{}\"}}\n", row("Hello"), row("No"))).unwrap();
        let pairs = load::<PreferencePair>(&path, "auto", None, &[]).unwrap();
        assert_eq!((pairs.list.len(), pairs.format, pairs.list[0].chosen.said().as_str()), (1, "hh-rlhf", "Hello"));
        let wrong = load::<Demonstration>(&path, "auto", None, &[]).unwrap_err();
        assert!(wrong.to_string().contains("hh.jsonl"), "{wrong}");
        std::fs::write(&path, "{\"body\": \"Once.\"}\n{\"body\": \"Twice.\"}\n").unwrap();
        let texts = load::<Demonstration>(&path, "text", Some(1), &[("text", "body")]).unwrap();
        assert_eq!((texts.list.len(), texts.list[0].answer.said().as_str()), (1, "Once."));
    }
}
