//! Data sets of the hub: from its cache, and fetched from a server that speaks as the hub does.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Output};

use collimate_datasets::{DataConfig, load};
use collimate_types::Seed;

const ROWS: &str = "{\"prompt\": \"a\"}\n{\"prompt\": \"b\"}\n";

#[test]
fn the_child_of_the_tests_below() {
    if std::env::var_os("COLLIMATE_TEST_HUB").is_none() {
        return;
    }
    let config = DataConfig { train: Some("hub:made/up".into()), heldout_rows: 0, ..DataConfig::default() };
    match load(&config, Seed(0)) {
        Ok(split) => println!("read {} rows", split.train.len()),
        Err(errors) => println!("refused: {}", errors[0]),
    }
}

/// Loads `hub:made/up` in a process of its own, whose hub is what is given.
fn child(home: &Path, endpoint: &str) -> String {
    let Output { stdout, .. } = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "hub::the_child_of_the_tests_below", "--nocapture"])
        .env("COLLIMATE_TEST_HUB", "1")
        .env("HF_HOME", home)
        .env("HF_ENDPOINT", endpoint)
        .env_remove("HF_HUB_CACHE")
        .env_remove("HF_TOKEN")
        .output()
        .unwrap();
    String::from_utf8(stdout).unwrap()
}

#[test]
fn what_is_in_the_cache_is_read_without_a_network() {
    let home = tempfile::tempdir().unwrap();
    let repository = home.path().join("hub/datasets--made--up");
    std::fs::create_dir_all(repository.join("snapshots/c0ffee/data")).unwrap();
    std::fs::create_dir_all(repository.join("refs")).unwrap();
    std::fs::write(repository.join("refs/main"), "c0ffee").unwrap();
    std::fs::write(repository.join("snapshots/c0ffee/data/train-0.jsonl"), ROWS).unwrap();
    assert!(child(home.path(), "http://127.0.0.1:9").contains("read 2 rows"));
}

#[cfg(not(feature = "hub"))]
#[test]
fn what_is_not_in_the_cache_is_refused_by_a_build_that_does_not_fetch() {
    let home = tempfile::tempdir().unwrap();
    let said = child(home.path(), "http://127.0.0.1:9");
    assert!(said.contains("this build does not fetch: build with `--features hub`"), "{said}");
}

/// A hub with one data set; it answers so many requests.
#[cfg_attr(not(feature = "hub"), expect(dead_code, reason = "only a build that fetches asks it"))]
fn serve(listener: &TcpListener, requests: usize, siblings: &str) -> Vec<String> {
    let description = format!("{{\"sha\": \"c0ffee\", \"siblings\": [{siblings}]}}");
    let answer = |path: &str| match path {
        "/api/datasets/made/up/revision/main" => Some(description.as_str()),
        "/datasets/made/up/resolve/c0ffee/data/train-0.jsonl" => Some(ROWS),
        "/datasets/made/up/resolve/c0ffee/README.md" => Some("# Made up\n"),
        _ => None,
    };
    let one = |_| {
        let (stream, _) = listener.accept().unwrap();
        let mut reader = BufReader::new(&stream);
        let mut line = String::new();
        reader.read_line(&mut line).unwrap();
        let path = line.split(' ').nth(1).unwrap_or_default().to_owned();
        while reader.read_line(&mut line).unwrap() > 2 {}
        let (status, body) = answer(&path).map_or(("404 Not Found", ""), |body| ("200 OK", body));
        write!(&stream, "HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}", body.len()).unwrap();
        path
    };
    (0..requests).map(one).collect()
}

#[cfg(feature = "hub")]
#[test]
fn a_data_set_is_fetched_once_whole_or_not_at_all() {
    let home = tempfile::tempdir().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let good = r#"{"rfilename": "README.md"}, {"rfilename": "data/train-0.jsonl"}, {"rfilename": "picture.png"}"#;
    let missing = r#"{"rfilename": "data/train-0.jsonl"}, {"rfilename": "data/train-1.jsonl"}"#;
    let outside = r#"{"rfilename": "../../train.jsonl"}"#;
    let scenario = |requests: usize, siblings: &str| {
        std::thread::scope(|scope| {
            let server = scope.spawn(|| serve(&listener, requests, siblings));
            (child(home.path(), &endpoint), server.join().unwrap())
        })
    };
    let (said, _) = scenario(3, missing);
    assert!(said.contains("cannot be fetched") && said.contains("train-1.jsonl"), "{said}");
    let (said, _) = scenario(1, outside);
    assert!(said.contains("outside of the data set"), "{said}");
    assert!(!home.path().join("hub/datasets--made--up/snapshots/c0ffee").exists(), "a part is no data set");
    let (said, asked) = scenario(3, good);
    assert!(said.contains("read 2 rows") && asked.len() == 3, "{said}");
    assert!(child(home.path(), "http://127.0.0.1:9").contains("read 2 rows"), "the second time it is there");
}
