//! Evaluations of models, and the report in a browser.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use serde_json::Value;

use crate::resume::whole;
use crate::support::{Bench, run, said, tiny_model};

/// Preference pairs of three lengths, in the shape of HH-RLHF.
fn pairs(bench: &Bench) -> String {
    let dialogue = |asked: &str, answer: &str| format!("\n\nHuman: {asked}\n\nAssistant: {answer}");
    let row = |i: usize| {
        let asked = format!("What is {i} + {i}?");
        let asked = if i.is_multiple_of(3) { format!("Hi.\n\nAssistant: Hello.\n\nHuman: {asked}") } else { asked };
        serde_json::json!({
            "chosen": dialogue(&asked, &format!("It is {}.", 2 * i)),
            "rejected": dialogue(&asked, &"I will not say. ".repeat(1 + i % 4)),
        })
        .to_string()
    };
    bench.write("pairs.jsonl", (0..24).map(row).collect::<Vec<_>>().join("\n"))
}

/// Runs `collimate eval` of the tiny model and gives the last line of its output.
#[track_caller]
fn eval(bench: &Bench, words: &[&str]) -> Value {
    let out = bench.path("results");
    let all = ["eval"].iter().chain(words).copied().chain(["--json", "--out", out.to_str().unwrap()]);
    run(all).with_code(0).json_lines().pop().unwrap()
}

#[test]
fn preferences_are_measured_whatever_the_batch_and_kept_as_they_are_printed() {
    let bench = Bench::new();
    let (data, model) = (pairs(&bench), tiny_model().to_str().unwrap());
    let all = eval(&bench, &["preference", "--model", model, "--data", &data, "--format", "hh-rlhf"]);
    for key in ["accuracy", "n", "ties", "interval", "by_turns", "by_length_difference", "calibration", "sign", "model_hash", "data_hash"] {
        assert!(!all[key].is_null(), "{key} is missing: {all}");
    }
    assert_eq!((all["n"].as_u64(), all["by_turns"][0]["name"].as_str()), (Some(24), Some("1")));
    let kept: Vec<PathBuf> = fs::read_dir(bench.path("results")).unwrap().map(|e| e.unwrap().path()).collect();
    assert_eq!(serde_json::from_slice::<Value>(&fs::read(&kept[0]).unwrap()).unwrap(), all);
    let alone = eval(&bench, &["preference", "--model", model, "--data", &data, "--micro-tokens", "1"]);
    let margin = |v: &Value| v["margin_mean"].as_f64().unwrap();
    assert!((margin(&all) - margin(&alone)).abs() < 1e-4, "{} {}", margin(&all), margin(&alone));
}

#[test]
fn a_model_has_no_implicit_reward_against_itself() {
    let bench = Bench::new();
    let (data, model) = (pairs(&bench), tiny_model().to_str().unwrap());
    let result = eval(&bench, &["preference", "--model", model, "--data", &data, "--scorer", "implicit", "--reference", model]);
    assert_eq!((&result["accuracy"], &result["ties"], &result["sign"]), (&0.5.into(), &24.into(), &"constant".into()));
    run(["eval", "preference", "--model", model, "--data", &data, "--scorer", "implicit"]).with_code(2).telling(&["--reference"]);
}

#[test]
fn perplexity_does_not_depend_on_the_window_where_the_text_fits_it() {
    let bench = Bench::new();
    let model = tiny_model().to_str().unwrap();
    let data = bench.write("texts.jsonl", "{\"body\": \"3 + 4 = 7\"}\n{\"body\": \"5 + 4 = 9 and more of it\"}\n");
    let of = |more: &[&str]| eval(&bench, &[&["perplexity", "--model", model, "--data", &data, "--field", "body"], more].concat());
    let (one, other) = (of(&[]), of(&["--window", "40", "--stride", "1"]));
    assert!((one["perplexity"].as_f64().unwrap() - other["perplexity"].as_f64().unwrap()).abs() < 1e-2 && one["n"] == 2, "{one} {other}");
    let narrow = of(&["--window", "4", "--stride", "2"]);
    assert_eq!(narrow["tokens"], one["tokens"], "each token is scored once, whatever the window");
    assert_ne!(narrow["perplexity"], one["perplexity"]);
}

#[test]
fn a_model_against_itself_is_a_tie_and_answers_may_come_from_a_file() {
    let bench = Bench::new();
    let model = tiny_model().to_str().unwrap();
    let data = bench.write("prompts.jsonl", "{\"prompt\": \"2 + 3 =\", \"answer\": \"5\"}\n{\"prompt\": \"1 + 1 =\", \"answer\": \"2\"}\n");
    let generated = run(["generate", "--model", model, "--file", &data, "--json", "--raw", "--max-new-tokens", "5"]).with_code(0);
    let answers = bench.write("answers.jsonl", generated.out.clone());
    let words = ["winrate", "--a", model, "--b", &answers, "--data", &data, "--reward", "numeric", "--max-new-tokens", "5"];
    let result = eval(&bench, &words);
    assert_eq!((&result["win_rate"], &result["ties"], &result["n"]), (&0.5.into(), &2.into(), &2.into()));
    let right = generated.json_lines().into_iter().zip(["5", "2"]).map(|(mut line, truth)| {
        line["text"] = truth.into();
        line.to_string()
    });
    bench.write("answers.jsonl", right.collect::<Vec<_>>().join("\n"));
    let result = eval(&bench, &words);
    assert_eq!((&result["win_rate"], &result["losses"]), (&0.0.into(), &2.into()), "a random model does not know sums");
}

#[test]
fn questions_answered_several_times_have_their_curves() {
    let bench = Bench::new();
    let words = bench.words("unused", &["--samples", "4", "eval.temperature=1", "--rows", "3", "--json"]);
    let line = run(["eval".to_owned(), "task".to_owned()].into_iter().chain(words)).with_code(0).json_lines().remove(0);
    let at: Vec<u64> = line["at_k"].as_array().unwrap().iter().map(|a| a["k"].as_u64().unwrap()).collect();
    assert_eq!((at, &line["n"], &line["questions"]), (vec![1, 2, 4], &12.into(), &3.into()));
}

/// A headless browser of this machine.
fn browser() -> Option<&'static str> {
    let known = ["chromium-headless-shell", "chromium", "chromium-browser", "google-chrome", "chrome-headless-shell"];
    known.into_iter().find(|name| Command::new(name).arg("--version").output().is_ok_and(|o| o.status.success()))
}

#[test]
fn the_report_of_a_run_opens_in_a_browser_without_a_word_of_complaint() {
    let bench = Bench::new();
    let (data, run_dir) = (pairs(&bench), whole().run_dir("whole"));
    let out = bench.path("results");
    run(["eval", "preference", "--model", tiny_model().to_str().unwrap(), "--data", &data, "--out", out.to_str().unwrap()]).with_code(0);
    let page = bench.path("report.html");
    run(["report".as_ref(), run_dir.as_os_str(), out.as_os_str(), "--out".as_ref(), page.as_os_str()]).with_code(0);
    let text = fs::read_to_string(&page).unwrap();
    let drawn = text.matches("<figure class=\"chart\">").count();
    assert!(drawn > 15 && text.contains("preference accuracy") && text.contains("rewards/numeric/mean"), "{drawn}");
    let Some(browser) = browser() else { return eprintln!("skipped: no headless browser is installed") };
    for size in ["390,900", "1280,900"] {
        let log = bench.path("net.json");
        let mut command = Command::new(browser);
        command.args([
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--enable-logging=stderr",
            "--virtual-time-budget=2000",
            "--dump-dom",
        ]);
        command.args([format!("--window-size={size}"), format!("--log-net-log={}", log.display()), format!("file://{}", page.display())]);
        let shown = said(&mut command).with_code(0);
        assert!(!shown.err.contains(":CONSOLE"), "{}", shown.err);
        assert_eq!(shown.out.matches("<figure class=\"chart\">").count(), drawn);
        assert!(shown.out.contains("<div class=\"controls\">"), "the script did not run");
        let asked = fs::read_to_string(&log).unwrap_or_default();
        assert!(!asked.contains("\"url\":\"http"), "the page asked the network for something");
    }
}
