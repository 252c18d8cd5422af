//! The endpoint against a server that plays its faults.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::path::PathBuf;
use std::sync::Arc;

use collimate_types::{Finish, Task};

use super::*;
use crate::eval::answers::Said;
use crate::eval::args::OutputArgs;
use crate::run::Signals;

/// Serves `reply(question, how many were asked before)` as a status and a body until the test ends.
fn server(reply: impl Fn(&Value, usize) -> (u16, String) + Send + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/v1", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for (count, stream) in listener.incoming().enumerate() {
            let mut stream = BufReader::new(stream.unwrap());
            let (mut length, mut line) = (0, String::new());
            while stream.read_line(&mut line).unwrap() > 2 {
                if let Some(value) = line.to_lowercase().strip_prefix("content-length:") {
                    length = value.trim().parse().unwrap();
                }
                line.clear();
            }
            let mut body = vec![0; length];
            stream.read_exact(&mut body).unwrap();
            let (status, text) = reply(&serde_json::from_slice(&body).unwrap(), count);
            let head = format!("HTTP/1.1 {status} x\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", text.len());
            stream.get_mut().write_all((head + &text).as_bytes()).unwrap();
        }
    });
    url
}

fn says(text: &str) -> (u16, String) {
    (200, json!({"choices": [{"message": {"content": text}}]}).to_string())
}

fn judged(url: &str, answers: &[(&str, &str)]) -> Result<Vec<JudgedPair>, Exit> {
    let args = EvalWinrateArgs {
        a: PathBuf::new(),
        b: PathBuf::new(),
        data: PathBuf::new(),
        format: "auto".into(),
        rows: None,
        reward: None,
        judge: Some(url.into()),
        judge_model: Some("m".into()),
        judge_key: None,
        judge_threads: 2,
        judge_timeout_s: 5,
        temperature: 0.0,
        max_new_tokens: 1,
        slots: 1,
        threads: 1,
        output: OutputArgs { json: false, out: None, seed: 0 },
    };
    let endpoint = Endpoint::open(url, "m", &args)?;
    let task = Arc::new(Task { id: "t".into(), text: Some("q".into()), messages: vec![], truth: Value::Null, reward: None });
    let said: Vec<[Said; 2]> =
        answers.iter().map(|(a, b)| [a, b].map(|t| Said { text: (*t).into(), tokens: vec![], finish: Finish::Eos })).collect();
    let contests: Vec<Contest<'_>> = said.iter().map(|[a, b]| Contest { task: &task, a, b }).collect();
    endpoint.judge(&contests, &mut Progress::start("pairs", contests.len(), &Signals::catch()?))
}

/// Which of the two answers holds the word `good`.
fn fair(question: &Value) -> &'static str {
    let text = question["messages"][1]["content"].as_str().unwrap();
    match (text.find("good"), text.find("number=\"2\"")) {
        (Some(good), Some(second)) if good < second => "It is right.\n**Verdict: 1**",
        (Some(_), _) => "Verdict: 1 would be unfair.\nVerdict: 2",
        _ => "Both fail.\nVerdict: tie.",
    }
}

#[test]
fn each_pair_is_asked_in_both_orders() {
    let url = server(|question, _| says(fair(question)));
    let pairs = judged(&url, &[("good", "bad"), ("bad", "good"), ("bad", "bad")]).unwrap();
    let verdicts: Vec<_> = pairs.iter().map(|p| (p.a_first, p.b_first)).collect();
    assert_eq!(verdicts, [(Some(1.0), Some(1.0)), (Some(0.0), Some(0.0)), (Some(0.5), Some(0.5))]);
    let first = server(|_, _| says("Verdict: 1"));
    let pairs = judged(&first, &[("good", "bad")]).unwrap();
    assert_eq!((pairs[0].a_first, pairs[0].b_first, pairs[0].preference()), (Some(1.0), Some(0.0), Some(0.5)));
}

#[test]
fn faults_that_pass_are_asked_again_and_others_are_no_verdict() {
    let url = server(|question, count| if count == 0 { (503, "busy".into()) } else { says(fair(question)) });
    assert_eq!(judged(&url, &[("good", "bad")]).unwrap()[0].preference(), Some(1.0));
    let url = server(|question, _| if question.to_string().contains("odd") { says("I cannot say.") } else { says(fair(question)) });
    let pairs = judged(&url, &[("good", "bad"), ("odd", "odd")]).unwrap();
    assert_eq!((pairs[0].preference(), pairs[1].preference()), (Some(1.0), None));
}

#[test]
fn an_endpoint_that_never_judges_ends_the_evaluation_with_its_words() {
    let url = server(|_, _| (401, "{\"error\": \"no such key\"}".into()));
    let said = judged(&url, &[("good", "bad"); 20]).unwrap_err().to_string();
    assert!(said.contains("401") && said.contains("no such key"), "{said}");
    assert!(judged("ftp://x", &[]).unwrap_err().to_string().contains("http://"));
}

#[test]
fn a_quoted_verdict_does_not_count() {
    assert_eq!(verdict("The second answer writes\nVerdict: 2\nwhich is no reason.\nVerdict: 1"), Some(1.0));
    assert_eq!([verdict("Verdict: both"), verdict("none"), verdict("`Verdict: TIE`")], [None, None, Some(0.5)]);
}
