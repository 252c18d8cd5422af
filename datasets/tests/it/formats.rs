//! Every format from its sample to a written row and back.

use collimate_datasets::{DataConfig, DataError, Example, FORMATS, each_example, load, load_as};
use collimate_types::{Demonstration, PreferencePair, Seed};
use std::ops::ControlFlow;
use std::path::PathBuf;
use tempfile::TempDir;

fn write(dir: &TempDir, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
    let path = dir.path().join(name);
    std::fs::write(&path, bytes).unwrap();
    path
}

fn examples(path: &std::path::Path, config: &DataConfig) -> Vec<Example> {
    let mut out = Vec::new();
    each_example(path, config, None, &mut |located| {
        out.push(located.example);
        ControlFlow::Continue(())
    })
    .unwrap();
    out
}

fn sample(name: &str) -> &'static str {
    FORMATS.iter().find(|f| f.card().name == name).unwrap().card().sample
}

#[test]
fn what_is_written_in_a_published_shape_is_read_back_the_same() {
    let dir = TempDir::new().unwrap();
    for format in FORMATS.iter().filter(|f| f.reads()) {
        let name = format.card().name;
        let path = write(&dir, name, format.card().sample);
        let read = examples(&path, &DataConfig::default());
        let path = write(&dir, &format!("{name}.back.jsonl"), read[0].to_row().to_string());
        let mut again = examples(&path, &DataConfig::default());
        if let (Example::Task { worked, .. }, Example::Task { worked: first, .. }) = (&mut again[0], &read[0]) {
            *worked = first.clone(); // A worked answer has no column among prompts.
        }
        let without_id = |e: &Example| format!("{e:?}").split_once("text:").unwrap().1.to_owned();
        assert_eq!(without_id(&again[0]), without_id(&read[0]), "{name}");
    }
}

#[test]
fn pairs_demonstrations_and_tasks_are_taken_from_whatever_gives_them() {
    let dir = TempDir::new().unwrap();
    let hh = DataConfig { train: Some(write(&dir, "hh.jsonl", sample("hh-rlhf"))), heldout_rows: 0, ..DataConfig::default() };
    let pairs = load_as::<PreferencePair>(&hh, Seed(1), None).unwrap();
    assert_eq!((pairs.train.len(), pairs.format), (1, "hh-rlhf"));
    let tasks = load(&hh, Seed(1)).unwrap();
    assert_eq!(tasks.train.tasks[0].messages.len(), 3);
    assert_eq!(tasks.train.tasks[0].truth["rejected"], "I do not cook.");
    let gsm = DataConfig { train: Some(write(&dir, "gsm.jsonl", sample("gsm8k"))), heldout_rows: 0, ..DataConfig::default() };
    let worked = load_as::<Demonstration>(&gsm, Seed(1), None).unwrap();
    assert!(worked.train.tasks[0].answer.said().ends_with("#### 37"));
    let faults = load_as::<PreferencePair>(&gsm, Seed(1), None).unwrap_err();
    assert!(
        matches!(&faults[..], [DataError::Kind { line: 1, format: "gsm8k", found: "tasks", wanted: "preference pairs", .. }]),
        "{faults:?}"
    );
}

#[test]
fn the_published_schemas_are_sniffed_whatever_their_container() {
    let dir = TempDir::new().unwrap();
    for name in ["shp", "webgpt", "summarize-from-feedback", "hh-rlhf", "ultrafeedback", "verl", "gsm8k", "math"] {
        let line = format!("{}\n", sample(name));
        let list = format!("[{}]", sample(name));
        for (ending, text) in [("jsonl", &line), ("json", &list)] {
            let mut gz = flate2_of(text.as_bytes());
            for (compression, bytes) in [("", text.clone().into_bytes()), (".gz", std::mem::take(&mut gz))] {
                let path = write(&dir, &format!("{name}.{ending}{compression}"), bytes);
                let mut formats = Vec::new();
                each_example(&path, &DataConfig::default(), None, &mut |l| {
                    formats.push(l.format);
                    ControlFlow::Continue(())
                })
                .unwrap();
                assert_eq!(formats, [name], "{}", path.display());
            }
        }
    }
}

/// Compressed through the crate's own writer.
fn flate2_of(bytes: &[u8]) -> Vec<u8> {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("x.jsonl.gz");
    let mut writer = collimate_datasets::Writer::create(&path).unwrap();
    let value: serde_json::Value = serde_json::from_slice(bytes).unwrap();
    writer.row(&value).unwrap();
    writer.finish().unwrap();
    std::fs::read(path).unwrap()
}

#[test]
fn a_wrong_schema_is_refused_naming_the_column_and_the_nearest_one() {
    let dir = TempDir::new().unwrap();
    let cases = [
        ("shp", "human_ref_B", "human_ref_b"),
        ("shp", "score_ratio", "scoreratio"),
        ("webgpt", "answer_1", "answer1"),
        ("webgpt", "score_0", "scores_0"),
        ("summarize-from-feedback", "choice", "choise"),
        ("summarize-from-feedback", "summaries", "summarys"),
        ("gsm8k", "answer", "answers"),
    ];
    for (format, column, misspelt) in cases {
        let text = sample(format).replace(&format!("\"{column}\":"), &format!("\"{misspelt}\":"));
        assert_ne!(text, sample(format));
        let path = write(&dir, "wrong.jsonl", text);
        for format in [format, "auto"] {
            let config = DataConfig { format: format.into(), train: Some(path.clone()), heldout_rows: 0, ..DataConfig::default() };
            let shown = load(&config, Seed(0)).unwrap_err()[0].to_string();
            assert!(shown.contains(&format!("`{column}`")) && shown.contains(misspelt), "{format}: {shown}");
        }
    }
}

#[test]
fn a_cap_takes_the_first_rows_of_each_group() {
    let dir = TempDir::new().unwrap();
    let row = |post: u32, i: u32| sample("shp").replace("\"p1\"", &format!("\"p{post}\"")).replace("\"c1\"", &format!("\"a{i}\""));
    let text: Vec<String> = (0..12).map(|i| row(i % 2, i)).collect();
    let mut config = DataConfig { train: Some(write(&dir, "shp.jsonl", text.join("\n"))), heldout_rows: 0, ..DataConfig::default() };
    config.shp.pairs_per_post = 5;
    let split = load_as::<PreferencePair>(&config, Seed(0), None).unwrap();
    assert_eq!(split.train.len(), 10);
    assert_eq!(split.counts.left_out.values().sum::<u64>(), 2);
}
