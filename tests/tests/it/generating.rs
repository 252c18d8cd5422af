//! `collimate generate`: JSON lines, several prompts, standard input, seeds, closed pipes.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};

use crate::support::{Bench, Said, collimate, said, tiny_model};

fn generate(more: &[&str]) -> Command {
    let fixed = ["generate", "--threads", "1", "--max-new-tokens", "8", "--model"];
    let more = more.iter().map(OsStr::new);
    collimate(fixed.map(OsStr::new).into_iter().chain([tiny_model().as_os_str()]).chain(more))
}

fn fed(more: &[&str], input: &str) -> Said {
    let mut child = generate(more).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    Said::from(child.wait_with_output().unwrap())
}

#[test]
fn json_gives_a_line_for_each_answer_with_its_tokens_and_log_probabilities() {
    let lines =
        said(&mut generate(&["--json", "--raw", "-p", "one", "-p", "two", "-n", "3", "--temperature", "1"])).with_code(0).json_lines();
    assert_eq!(lines.len(), 6);
    for line in &lines {
        let (tokens, logp) = (line["tokens"].as_array().unwrap(), line["logp"].as_array().unwrap());
        assert!(!tokens.is_empty() && tokens.len() <= 8 && tokens.len() == logp.len(), "{line}");
        assert!(logp.iter().all(|p| p.as_f64().unwrap() <= 0.0), "{line}");
        assert_eq!(line["prompt_tokens"], 3);
        assert!(line["finish"].is_string() && line["text"].is_string(), "{line}");
    }
    for (prompt, member) in ["one", "two"].into_iter().flat_map(|p| (0..3).map(move |m| (p, m))) {
        assert!(lines.iter().any(|l| l["prompt"] == prompt && l["member"] == member), "no answer {member} to `{prompt}`");
    }
}

#[test]
fn a_seed_decides_the_draws() {
    let tokens = |seed| {
        let args = ["--json", "--raw", "-p", "one", "--temperature", "1", "--seed", seed];
        said(&mut generate(&args)).with_code(0).json_lines()[0]["tokens"].clone()
    };
    assert_eq!(tokens("7"), tokens("7"));
    assert_ne!(tokens("7"), tokens("8"));
}

#[test]
fn an_answer_does_not_depend_on_the_prompts_beside_it() {
    let alone = said(&mut generate(&["--json", "--raw", "-p", "one"])).with_code(0).json_lines();
    let beside = said(&mut generate(&["--json", "--raw", "-p", "one", "-p", "another, longer prompt"])).with_code(0).json_lines();
    let first = beside.iter().find(|l| l["prompt"] == "one").unwrap();
    assert_eq!(alone[0]["tokens"], first["tokens"]);
}

#[test]
fn standard_input_is_one_prompt_and_a_file_has_one_a_line() {
    let whole = fed(&["--json", "--raw"], "one\ntwo\n").with_code(0).json_lines();
    assert_eq!((whole.len(), &whole[0]["prompt"]), (1, &"one\ntwo".into()));
    let lines = fed(&["--json", "--raw", "--file", "-"], "one\n\ntwo\n").with_code(0).json_lines();
    assert_eq!(lines.len(), 2);
    let bench = Bench::new();
    let file = bench.write("prompts.jsonl", "{\"prompt\": \"one\"}\n{\"messages\": [{\"role\": \"user\", \"content\": \"two\"}]}\n");
    let rows = said(&mut generate(&["--json", "--file", &file])).with_code(0).json_lines();
    assert!(rows.iter().any(|l| l["prompt"].as_str().unwrap().contains("<|im_start|>user\ntwo<|im_end|>")), "{rows:?}");
}

#[test]
fn a_model_cannot_send_control_characters_to_the_terminal() {
    let answer = said(&mut generate(&["--raw", "-p", "x", "-n", "40", "--temperature", "2"])).with_code(0);
    assert!(answer.out.chars().all(|c| c == '\n' || c == '\t' || !c.is_control()), "{:?}", answer.out);
}

#[test]
fn a_reader_that_goes_away_ends_the_command_quietly() {
    let mut child = generate(&["--json", "--raw", "-p", "x", "-n", "400"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    assert!(line.starts_with('{'), "{line}");
    let rest = Said::from(child.wait_with_output().unwrap()).with_code(0);
    assert!(rest.err.is_empty(), "{}", rest.err);
}

#[test]
fn an_impossible_sampling_law_is_refused() {
    said(&mut generate(&["-p", "x", "--top-p", "0"])).with_code(2).telling(&["top_p"]);
    said(&mut generate(&["-p", "x", "-n", "0"])).with_code(2).telling(&["--group"]);
}

#[test]
fn an_empty_prompt_is_refused() {
    fed(&["--raw"], "").with_code(2).telling(&["prompt"]);
}
