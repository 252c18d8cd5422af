//! Whole files through the crate's front door: every problem is located, counted and mendable.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use collimate_datasets::{DataConfig, DataError, FORMATS, Fault, MAX_LISTED, Order, check, load};
use collimate_types::Seed;
use tempfile::TempDir;

fn write(dir: &TempDir, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
    let path = dir.path().join(name);
    std::fs::write(&path, bytes).expect("the temporary directory can be written");
    path
}

fn config(train: &Path, rows: usize) -> DataConfig {
    DataConfig { train: Some(train.to_owned()), heldout_rows: rows, ..DataConfig::default() }
}

fn numbered(n: usize) -> String {
    (0..n).map(|i| format!("{{\"prompt\": \"question {i}\", \"answer\": {i}}}\n")).collect()
}

fn ids(set: &collimate_datasets::TaskSet) -> HashSet<String> {
    set.tasks.iter().map(|t| t.id.clone()).collect()
}

#[test]
fn every_wrong_row_is_located_in_one_pass() {
    let dir = TempDir::new().unwrap();
    let rows: [&[u8]; 7] = [
        b"{\"prompt\": \"fine\", \"answer\": 1}",
        b"{\"promt\": \"x\"}",
        b"{\"prompt\": \"x\", \"id\": 2.5}",
        b"{\"prompt\": \"x\" \"answer\": 1}",
        b"{\"prompt\": \"\xff\"}",
        b"{\"prompt\": \"\\ud800\"}",
        b"\"prompt\"",
    ];
    let path = write(&dir, "bad.jsonl", rows.join(&b"\r\n"[..]));
    let faults = load(&config(&path, 1), Seed(0)).unwrap_err();
    let places: Vec<_> = faults
        .iter()
        .map(|e| match e {
            DataError::Row(row) => (row.line, row.column, row.offset),
            other => panic!("{other}"),
        })
        .collect();
    assert_eq!(places, [(2, 1, 33), (3, 17, 65), (4, 16, 92), (5, 13, 118), (6, 19, 141), (7, 1, 145)]);
    let shown = faults[0].to_string();
    assert!(shown.contains("bad.jsonl:2:1: column `prompt` is missing (did you mean `promt`?)") && shown.ends_with("rename `promt`"));
    let report = check(&path, "auto").unwrap();
    assert_eq!((report.rows, report.good, report.wrong, report.format), (7, 1, 6, Some("prompts")));
    assert_eq!(report.problems.len(), 6);
    assert!(!report.usable());
}

#[test]
fn the_listing_is_capped_and_the_rest_counted() {
    let dir = TempDir::new().unwrap();
    let path = write(&dir, "bad.jsonl", "{\"prompt\": 1}\n".repeat(1000));
    let faults = load(&config(&path, 1), Seed(0)).unwrap_err();
    assert_eq!(faults.len(), MAX_LISTED + 1);
    assert!(matches!(faults.last(), Some(DataError::More { hidden: 950, .. })));
}

#[test]
fn both_files_are_read_before_anything_is_reported() {
    let dir = TempDir::new().unwrap();
    let train = write(&dir, "train.jsonl", "{\"prompt\": \"x\"}\n{\"prompt\": 1}\n");
    let heldout = write(&dir, "heldout.jsonl", "{\"prompt\": null}\n");
    let faults = load(&DataConfig { heldout: Some(heldout), ..config(&train, 0) }, Seed(0)).unwrap_err();
    let files: Vec<_> = faults.iter().map(|e| e.to_string().contains("heldout.jsonl")).collect();
    assert_eq!(files, [false, true]);
    let missing = load(&DataConfig { heldout: Some("no/such/file".into()), ..config(&train, 0) }, Seed(0)).unwrap_err();
    assert!(missing[1].to_string().contains("set by `data.heldout`"), "{missing:?}");
}

#[test]
fn empty_unknown_and_missing_data_are_refused_with_the_mend() {
    let dir = TempDir::new().unwrap();
    let first = |c: &DataConfig| load(c, Seed(0)).unwrap_err().remove(0).to_string();
    for empty in ["", "\n\n", "\u{feff}"] {
        let path = write(&dir, "empty.jsonl", empty);
        assert!(first(&config(&path, 0)).contains("has no rows"));
    }
    let odd = write(&dir, "odd.jsonl", "{\"frage\": 1, \"antwort\": 2}\n");
    let shown = first(&config(&odd, 0));
    assert!(shown.contains("`frage`") && shown.contains("`gsm8k` (question, answer)"), "{shown}");
    assert!(first(&DataConfig::default()).contains("name a file"));
    std::fs::create_dir(dir.path().join("folder")).unwrap();
    assert!(first(&config(&dir.path().join("folder"), 0)).contains("no file that ends in jsonl"));
    assert!(first(&config(dir.path(), 0)).contains("`frage`"), "a folder is all of its files");
    let two = write(&dir, "two.jsonl", numbered(2));
    assert!(first(&config(&two, 2)).contains("the file has 2 different questions"));
    let made = DataConfig { format: "arithmetic".into(), ..config(&two, 10) };
    assert!(first(&made).contains("makes its rows itself"));
    assert!(first(&DataConfig { format: "promts".into(), ..config(&two, 0) }).contains("did you mean `prompts`?"));
}

#[test]
fn held_out_rows_come_off_the_training_file_whatever_its_order() {
    let dir = TempDir::new().unwrap();
    let text = numbered(100);
    let backwards: String = text.lines().rev().map(|l| format!("{l}\n")).collect();
    let one = load(&config(&write(&dir, "a.jsonl", &text), 20), Seed(0)).unwrap();
    let two = load(&config(&write(&dir, "b.jsonl", backwards), 20), Seed(9)).unwrap();
    assert_eq!((one.train.len(), one.heldout.len(), one.overlap), (80, 20, 0));
    assert_eq!(ids(&one.heldout), ids(&two.heldout));
    assert_ne!(one.train.digest, two.train.digest, "the digest names the order too");
    assert!(ids(&one.train).is_disjoint(&ids(&one.heldout)));
}

#[test]
fn a_question_in_both_files_is_counted() {
    let dir = TempDir::new().unwrap();
    let (train, heldout) = (write(&dir, "t.jsonl", numbered(30)), write(&dir, "h.jsonl", numbered(10)));
    let split = load(&DataConfig { heldout: Some(heldout), ..config(&train, 0) }, Seed(0)).unwrap();
    assert_eq!((split.train.len(), split.heldout.len(), split.overlap), (30, 10, 10));
    let few = load(&DataConfig { heldout: Some(dir.path().join("h.jsonl")), ..config(&train, 4) }, Seed(0)).unwrap();
    assert_eq!(few.heldout.len(), 4);
}

#[test]
fn the_digest_follows_the_content_and_nothing_else() {
    let dir = TempDir::new().unwrap();
    let digest = |name: &str, text: &str| load(&config(&write(&dir, name, text), 0), Seed(0)).unwrap().train.digest;
    let base = digest("a.jsonl", "{\"prompt\": \"x\", \"answer\": 1}\n");
    assert_eq!(base, digest("b.jsonl", "\u{feff}{\"answer\":1,\"prompt\":\"x\"}"));
    assert_ne!(base, digest("c.jsonl", "{\"prompt\": \"x\", \"answer\": 2}\n"));
}

#[test]
fn ids_may_repeat_with_the_same_content_only() {
    let dir = TempDir::new().unwrap();
    let row = |id: u32, prompt: &str| format!("{{\"id\": {id}, \"prompt\": \"{prompt}\"}}\n");
    let same = write(&dir, "same.jsonl", row(1, "x") + &row(1, "x") + &row(2, "x"));
    assert_eq!(load(&config(&same, 0), Seed(0)).unwrap().train.len(), 3);
    let report = check(&same, "prompts").unwrap();
    assert_eq!((report.repeated, report.duplicates[0].line, report.duplicates[0].first), (2, 2, 1));
    let other = write(&dir, "other.jsonl", row(1, "x") + &row(1, "y"));
    let faults = load(&config(&other, 0), Seed(0)).unwrap_err();
    assert!(matches!(&faults[..], [DataError::Row(e)] if e.line == 2 && matches!(*e.fault, Fault::IdTaken { line: 1, .. })));
}

#[test]
fn every_formats_sample_runs_from_the_file_to_a_resumed_batch() {
    let dir = TempDir::new().unwrap();
    for format in FORMATS {
        let card = format.card();
        let mut config = DataConfig { format: card.name.into(), heldout_rows: 0, ..DataConfig::default() };
        config.text.ask = true;
        if format.reads() {
            config.train = Some(write(&dir, card.name, card.sample));
        }
        let split = load(&config, Seed(3)).unwrap_or_else(|e| panic!("{}: {e:?}", card.name));
        let order = Order::new(&split.train, Seed(3), true);
        let (mut cursor, mut again) = Default::default();
        let all = order.next(&mut cursor, 5);
        let mut twice = order.next(&mut again, 2);
        twice.extend(order.next(&mut again, 3));
        assert_eq!((all, cursor), (twice, again), "{}", card.name);
    }
}

#[test]
fn garbage_never_panics() {
    let dir = TempDir::new().unwrap();
    let sample = FORMATS.iter().map(|f| f.card().sample).collect::<Vec<_>>().join("\n").into_bytes();
    for round in 0..1000_u64 {
        let mut bytes = sample.clone();
        for k in 0..4 {
            let seed = Seed(round).fork("mutate", k);
            let at = (seed.uniform(0) * bytes.len() as f64) as usize;
            bytes[at] = (seed.uniform(1) * 256.0) as u8;
        }
        let path = write(&dir, "m.jsonl", &bytes);
        let report = check(&path, ["auto", "prompts", "gsm8k"][round as usize % 3]).unwrap();
        assert!(report.good + report.wrong <= report.rows && !report.to_string().is_empty());
    }
}
