//! Data that cannot be trained on are refused before the first step, at file, line and column.

use crate::bad_recipes::refused;
use crate::support::{Bench, said};

/// A bench whose data are a file of prompts with these bytes.
fn with_rows(bytes: &[u8]) -> (Bench, String) {
    let bench = Bench::new();
    let file = bench.write("rows.jsonl", bytes);
    let setting = format!("data.train={file}");
    bench.edit("format = \"arithmetic\"\nheldout_rows = 8\n", "format = \"prompts\"\nheldout_rows = 2\n");
    bench.edit("[data.arithmetic]\noperators = [\"+\"]\nmax = 9\nexamples = 1\n", "");
    (bench, setting)
}

fn rows(n: usize) -> Vec<u8> {
    (0..n).map(|i| format!("{{\"prompt\": \"{i} + 1 =\", \"answer\": \"{}\"}}\n", i + 1)).collect::<String>().into_bytes()
}

#[test]
fn good_rows_are_trained_on() {
    let (bench, train) = with_rows(&rows(12));
    bench.trained("good", &[&train, "run.steps=1"]);
}

#[test]
fn a_row_without_the_needed_column_is_shown_with_the_columns_it_has() {
    let mut bytes = rows(4);
    bytes.extend_from_slice(b"{\"question\": \"1 + 1 =\", \"answer\": \"2\"}\n");
    let (bench, train) = with_rows(&bytes);
    refused(&bench, &[&train], 2, &["rows.jsonl:5:", "prompt", "question"]);
}

#[test]
fn bytes_that_are_not_utf8_are_shown_at_their_offset() {
    let mut bytes = rows(3);
    bytes.extend_from_slice(b"{\"prompt\": \"caf\xe9\", \"answer\": \"2\"}\n");
    let (bench, train) = with_rows(&bytes);
    refused(&bench, &[&train], 2, &["rows.jsonl:4:16", "UTF-8"]);
}

#[test]
fn a_malformed_line_is_shown_at_line_and_column() {
    let mut bytes = rows(3);
    bytes.extend_from_slice(b"{\"prompt\": \"x\", \"answer\": }\n");
    let (bench, train) = with_rows(&bytes);
    refused(&bench, &[&train], 2, &["rows.jsonl:4:27", "JSON"]);
}

#[test]
fn every_bad_row_is_told_in_one_pass() {
    let (bench, train) = with_rows(b"{\"prompt\": 1}\nnull\n{\"prompt\": \"x\", \"answer\": \"1\"}\n{\n");
    refused(&bench, &[&train], 2, &["rows.jsonl:1:", "rows.jsonl:2:", "rows.jsonl:4:"]);
}

#[test]
fn an_empty_file_is_refused() {
    let (bench, train) = with_rows(b"");
    refused(&bench, &[&train], 2, &["rows.jsonl", "has no rows; give a file with one JSON object per line"]);
}

#[test]
fn a_missing_file_is_refused_with_the_key_that_names_it() {
    let (bench, _) = with_rows(b"");
    refused(&bench, &["data.train=/nowhere/rows.jsonl"], 2, &["/nowhere/rows.jsonl", "data.train"]);
}

#[test]
fn a_row_that_asks_for_a_reward_that_is_not_there_is_refused() {
    let mut bytes = rows(11);
    bytes.extend_from_slice(b"{\"prompt\": \"1 + 1 =\", \"answer\": \"2\", \"reward\": \"nonsense\"}\n");
    let (bench, train) = with_rows(&bytes);
    refused(&bench, &[&train], 2, &["nonsense", "length"]);
}

#[test]
fn an_unknown_format_is_refused_with_the_known_names() {
    let (bench, train) = with_rows(&rows(12));
    refused(&bench, &[&train, "data.format=promts"], 2, &["promts", "prompts"]);
}

#[test]
fn a_prompt_longer_than_the_context_is_refused() {
    let mut bytes = rows(11);
    bytes.extend_from_slice(format!("{{\"prompt\": \"{}\", \"answer\": \"2\"}}\n", "a".repeat(300)).as_bytes());
    let (bench, train) = with_rows(&bytes);
    refused(&bench, &[&train], 2, &["the longest prompt has 300 tokens, the model's context 256", "filter long rows out"]);
}

#[test]
fn a_resume_after_the_data_changed_is_refused() {
    let (bench, train) = with_rows(&rows(12));
    bench.trained("run", &[&train, "run.steps=1"]);
    bench.write("rows.jsonl", rows(13));
    let said = said(&mut bench.train("run", &[&train, "--resume", "run.steps=2"])).with_code(2);
    said.telling(&["data.train has changed since the checkpoint", "put the file back, or start a new run"]);
    assert!(!bench.checkpoint("run", 2).exists());
}
