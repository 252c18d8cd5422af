//! R8: an HTTP verifier that is slow, broken, absent or malicious.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use collimate_rewards::{RewardSet, score_all};
use collimate_types::Verdict;
use serde_json::{Value, json};

use crate::support::{detail, group};

/// What the server does with a request.
#[derive(Debug, Clone)]
enum Act {
    /// Scores each item by its answer's length over 10.
    Judge,
    Slow(Duration),
    Status(u16, &'static str),
    Reset,
    Half,
    Body(&'static str),
    Redirect(String),
}

/// A server that follows a script and, when it is over, judges.
struct Server {
    address: String,
    seen: Arc<Mutex<Vec<Value>>>,
}

impl Server {
    fn start(script: impl IntoIterator<Item = Act>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let script = Arc::new(Mutex::new(script.into_iter().collect::<VecDeque<_>>()));
        let seen = Arc::new(Mutex::new(Vec::new()));
        let heard = seen.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let (script, seen) = (script.clone(), heard.clone());
                std::thread::spawn(move || serve(stream.unwrap(), &script, &seen));
            }
        });
        Self { address, seen }
    }

    fn url(&self) -> String {
        format!("http://{}/score", self.address)
    }

    fn requests(&self) -> usize {
        self.seen.lock().unwrap().len()
    }
}

fn serve(stream: TcpStream, script: &Mutex<VecDeque<Act>>, seen: &Mutex<Vec<Value>>) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let mut stream = stream;
    loop {
        let (mut length, mut line) = (0, String::new());
        loop {
            line.clear();
            if reader.read_line(&mut line).unwrap_or(0) == 0 {
                return;
            }
            let lower = line.to_ascii_lowercase();
            if let Some(n) = lower.strip_prefix("content-length:") {
                length = n.trim().parse().unwrap();
            }
            if line == "\r\n" {
                break;
            }
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body).unwrap();
        let asked: Value = serde_json::from_slice(&body).unwrap();
        seen.lock().unwrap().push(asked.clone());
        let act = script.lock().unwrap().pop_front().unwrap_or(Act::Judge);
        let answer =
            |status: u16, head: &str, body: &str| format!("HTTP/1.1 {status} X\r\n{head}content-length: {}\r\n\r\n{body}", body.len());
        let text = match act {
            Act::Slow(time) => {
                std::thread::sleep(time);
                return;
            }
            Act::Reset => {
                // Closed without lingering, the connection is reset.
                rustix::net::sockopt::set_socket_linger(&stream, Some(Duration::ZERO)).unwrap();
                return;
            }
            Act::Half => {
                let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n{\"verdicts\":[");
                return;
            }
            Act::Status(status, body) => answer(status, "", body),
            Act::Body(body) => answer(200, "", body),
            Act::Redirect(to) => answer(307, &format!("location: {to}\r\n"), ""),
            Act::Judge => {
                let score = |i: &Value| json!({"id": i["id"], "score": i["answer"]["text"].as_str().unwrap().len() as f64 / 10.0});
                let verdicts: Vec<Value> = asked["items"].as_array().unwrap().iter().map(score).collect();
                answer(200, "", &json!({"verdicts": verdicts}).to_string())
            }
        };
        if stream.write_all(text.as_bytes()).is_err() {
            return;
        }
    }
}

fn set(url: &str, more: &Value) -> RewardSet {
    let mut table = json!({"http": url, "deadline_s": 0.4, "retries": 0, "breaker": 100, "name": "v"});
    table.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    RewardSet::build(&[serde_json::from_value(table).unwrap()]).unwrap_or_else(|e| panic!("{e:?}"))
}

fn faults() -> Vec<(Act, &'static str, &'static str)> {
    vec![
        (Act::Slow(Duration::from_secs(2)), "deadline", "no answer in time"),
        (Act::Status(500, "out of order"), "transport", "HTTP 500: out of order"),
        (Act::Status(404, ""), "transport", "HTTP 404"),
        (Act::Status(429, ""), "transport", "HTTP 429"),
        (Act::Reset, "transport", ""),
        (Act::Half, "transport", ""),
        (Act::Body("<html>"), "transport", "cannot be read"),
        (Act::Body("{\"verdicts\":[{\"id\":0,\"score\":NaN},{\"id\":1,\"score\":1}]}"), "transport", "cannot be read"),
        (Act::Body("{\"verdicts\":[{\"id\":0,\"score\":1},{\"id\":0,\"score\":1}]}"), "transport", "one that came before"),
        (Act::Body("{\"verdicts\":[{\"id\":9,\"score\":1},{\"id\":1,\"score\":1}]}"), "transport", "not asked for"),
        (Act::Body("{\"verdicts\":[]}"), "transport", "no verdict for this item"),
        (Act::Redirect("http://169.254.169.254/latest/meta-data".into()), "transport", "which is not followed"),
        (Act::Redirect("http://127.0.0.1:1/".into()), "transport", "which is not followed"),
        (Act::Redirect("file:///etc/passwd".into()), "transport", "which is not followed"),
    ]
}

#[test]
fn r8_every_fault_is_counted_and_none_is_a_score() {
    for (act, kind, words) in faults() {
        let server = Server::start([act.clone()]);
        let set = set(&server.url(), &json!({}));
        let begun = Instant::now();
        let scored = set.score(group("t", &["ab", "abc"]));
        assert!(begun.elapsed() < Duration::from_millis(900), "{act:?} took {:?}", begun.elapsed());
        assert!(scored.verdicts.iter().all(|v| v.fault() == Some(kind)), "{act:?}: {:?}", scored.verdicts);
        assert!(detail(&scored).contains(words), "{act:?}: {}", detail(&scored));
        let totals: Vec<_> = set.score(group("t", &["ab", "abc"])).scores().map(|(_, s)| s).collect();
        assert_eq!(totals, [0.2, 0.3], "and the next request is answered");
    }
}

#[test]
fn r8_what_may_go_better_is_tried_again_and_the_totals_add_up() {
    let script = faults()
        .into_iter()
        .filter(|(_, _, words)| !words.contains("404") && !words.contains("followed") && !words.contains("for this item"));
    let server = Server::start(script.map(|(act, _, _)| act));
    let set = set(&server.url(), &json!({"retries": 12, "deadline_s": 0.3, "concurrency": 3}));
    let groups: Vec<_> = (0..20).map(|g| group(&format!("t{g}"), &["a", "bb", "ccc"])).collect();
    let scored = score_all(&set, groups, 8);
    for group in &scored {
        assert_eq!(group.scores().map(|(_, s)| s).collect::<Vec<_>>(), [0.1, 0.2, 0.3]);
    }
    assert_eq!(server.requests(), 20 + 9, "each fault cost one more request");
}

#[test]
fn r8_a_verifier_that_is_not_there_is_left_alone() {
    let unused = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let set = set(&format!("http://{unused}/"), &json!({"breaker": 3, "cool_s": 60}));
    let scored = score_all(&set, (0..50).map(|g| group(&format!("t{g}"), &["a", "b"])).collect(), 1);
    let all: Vec<&Verdict> = scored.iter().flat_map(|g| &g.verdicts).collect();
    assert!(all.len() == 100 && all.iter().all(|v| v.fault() == Some("transport")), "{all:?}");
    assert!(detail(&scored[2]).contains("refused"), "{}", detail(&scored[2]));
    assert!(detail(&scored[3]).contains("left alone for 60 s"), "{}", detail(&scored[3]));
}

#[test]
fn a_redirect_is_followed_where_the_recipe_allows_it() {
    let there = Server::start([]);
    let here = Server::start([Act::Redirect(there.url())]);
    let set = set(&here.url(), &json!({"redirects": [there.address]}));
    assert_eq!(set.score(group("t", &["ab"])).verdicts[0].score().map(|s| s.total), Some(0.2));
    assert_eq!((here.requests(), there.requests()), (1, 1));
}

#[test]
fn scores_are_kept_by_content_and_faults_are_asked_again() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start([Act::Status(500, "")]);
    let more = json!({"cache": dir.path().join("scores.jsonl"), "config": {"k": 1}});
    let score = |more: &Value, answers: &[&str]| {
        let scored = set(&server.url(), more).score(group("t", answers));
        scored.verdicts.iter().map(|v| v.score().map(|s| s.total)).collect::<Vec<_>>()
    };
    assert_eq!(score(&more, &["a"]), [None]);
    assert_eq!(score(&more, &["a", "bb"]), [Some(0.1), Some(0.2)]);
    assert_eq!(score(&more, &["bb", "a"]), [Some(0.2), Some(0.1)]);
    assert_eq!(server.requests(), 2, "a later process asks nothing that is known");
    assert_eq!(score(&more, &["bb", "ccc"]), [Some(0.2), Some(0.3)]);
    assert_eq!(server.seen.lock().unwrap()[2]["items"].as_array().unwrap().len(), 1, "only what is not known is asked");
    let other = json!({"cache": dir.path().join("scores.jsonl"), "config": {"k": 2}});
    score(&other, &["a"]);
    assert_eq!(server.requests(), 4, "other settings are another question");
    assert_eq!(server.seen.lock().unwrap()[3]["config"], json!({"k": 2}));
}

#[test]
fn large_groups_are_asked_in_batches_and_a_declared_range_is_held() {
    let server = Server::start([]);
    let set = set(&server.url(), &json!({"batch": 3, "range": [0.0, 0.5]}));
    let answers: Vec<String> = (0..8).map(|i| "x".repeat(i)).collect();
    let scored = set.score(group("t", &answers.iter().map(String::as_str).collect::<Vec<_>>()));
    assert_eq!((server.requests(), scored.scores().count()), (3, 6));
    assert!(detail(&scored).contains("the score 0.6 is outside of the declared range"), "{}", detail(&scored));
}
