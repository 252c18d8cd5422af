//! The corpus of bad files (D1 to D4): no panic, exact counts, every error with its place and its mend.

use collimate_datasets::{DataConfig, Report, check, load};
use collimate_types::Seed;
use std::io::Write;
use tempfile::TempDir;

const GOOD: &str = "{\"prompt\": \"a\", \"answer\": 1}\n";

/// A file, how many rows are good and wrong in it, and what its first problem says.
struct Case {
    name: &'static str,
    bytes: Vec<u8>,
    good: u64,
    wrong: u64,
    says: &'static [&'static str],
}

fn case(name: &'static str, bytes: impl Into<Vec<u8>>, good: u64, wrong: u64, says: &'static [&'static str]) -> Case {
    Case { name, bytes: bytes.into(), good, wrong, says }
}

fn with(row: &[u8]) -> Vec<u8> {
    [GOOD.as_bytes(), row, b"\n", GOOD.as_bytes()].concat()
}

fn rows() -> Vec<Case> {
    let long = format!("{{\"prompt\": \"{}\"}}", "x".repeat(100 << 20));
    vec![
        case("malformed.jsonl", with(b"{\"prompt\": \"b\" \"answer\": 1}"), 2, 1, &[":2:16:", "not JSON", "one whole JSON object"]),
        case("cut.jsonl", with(b"{\"prompt\": \"b"), 2, 1, &[":2:13:", "not JSON"]),
        case("trailing.jsonl", with(b"{\"prompt\": \"b\"} x"), 2, 1, &[":2:17:", "trailing"]),
        case("single-quotes.jsonl", with(b"{'prompt': 'b'}"), 2, 1, &[":2:2:", "not JSON"]),
        case("nan.jsonl", with(b"{\"prompt\": NaN}"), 2, 1, &[":2:12:", "not JSON"]),
        case("comment.jsonl", with(b"// nothing"), 2, 1, &[":2:1:", "not JSON"]),
        case("list.jsonl", with(b"[1, 2]"), 2, 1, &[":2:1:", "a list, not an object"]),
        case("number.jsonl", with(b"7"), 2, 1, &[":2:1:", "a number, not an object"]),
        case("null.jsonl", with(b"null"), 2, 1, &[":2:1:", "null, not an object"]),
        case("utf8.jsonl", with(b"{\"prompt\": \"caf\xe9\"}"), 2, 1, &[":2:16:", "invalid UTF-8", "save the file as UTF-8"]),
        case("surrogate.jsonl", with(b"{\"prompt\": \"\\ud83d\"}"), 2, 1, &[":2:", "pair of escapes"]),
        case("low-surrogate.jsonl", with(b"{\"prompt\": \"\\ude00\"}"), 2, 1, &[":2:", "pair of escapes"]),
        case("nul.jsonl", with(b"{\"prompt\": \"\0\"}"), 2, 1, &[":2:13:", "NUL", "zero bytes"]),
        case("control.jsonl", with(b"{\"prompt\": \"a\tb\"}"), 2, 1, &[":2:", "control character"]),
        case("utf16.jsonl", b"\xff\xfe{\0}\0\n\0".to_vec(), 0, 1, &[":1:1:", "UTF-16", "save the file as UTF-8"]),
        case("bom.jsonl", [b"\xef\xbb\xbf", GOOD.as_bytes()].concat(), 1, 0, &[]),
        case("crlf.jsonl", GOOD.replace('\n', "\r\n").repeat(2), 2, 0, &[]),
        case("blank.jsonl", format!("\n\n{GOOD}  \n"), 1, 0, &[]),
        case("long.jsonl", with(long.as_bytes()), 2, 1, &[":2:1:", "longer than 16777216 bytes", "cut the text"]),
        case("deep.jsonl", with(&[b"{\"prompt\": ".to_vec(), vec![b'['; 5000]].concat()), 2, 1, &[":2:", "recursion limit"]),
        case(
            "missing.jsonl",
            with(b"{\"promt\": \"b\"}"),
            2,
            1,
            &[":2:1:", "`prompt` is missing (did you mean `promt`?)", "rename `promt`"],
        ),
        case("type.jsonl", with(b"{\"prompt\": {\"a\": 1}}"), 2, 1, &[":2:2:", "`prompt` is an object, wanted"]),
        case("empty-prompt.jsonl", with(b"{\"prompt\": \" \"}"), 2, 1, &[":2:2:", "`prompt` is empty"]),
        case("quote.csv", "prompt,answer\na,1\n\"b,2\n", 1, 1, &[":3:1:", "never closed", "quotation marks around"]),
        case("fields.csv", "prompt,answer\na,1\nb\n", 1, 1, &[":3:1:", "has 1 fields, the header 2"]),
        case("header.csv", "prompt,prompt\na,1\n", 0, 1, &[":1:1:", "names `prompt` twice"]),
        case("open.json", "[{\"prompt\": \"a\"}, {\"prompt\": \"b\"", 1, 1, &[":1:19:", "ends inside"]),
        case("closed.json", "[{\"prompt\": \"a\"}] {\"prompt\": \"b\"}", 1, 1, &[":1:19:", "outside of the list"]),
        case("pairs.jsonl", "{\"prompt\": \"a\", \"chosen\": \"\", \"rejected\": \"c\"}\n", 0, 1, &[":1:17:", "`chosen` is empty"]),
        case("completion.jsonl", "{\"prompt\": \"a\", \"completion\": \" \"}\n", 0, 1, &[":1:17:", "`completion` is empty"]),
        case("label.jsonl", "{\"prompt\": \"a\", \"completion\": \"b\", \"label\": 2}\n", 0, 1, &[":1:36:", "wanted true or false"]),
    ]
}

fn report(dir: &TempDir, case: &Case) -> Report {
    let path = dir.path().join(case.name);
    std::fs::write(&path, &case.bytes).unwrap();
    check(&path, "auto").unwrap()
}

#[test]
fn the_corpus_of_bad_files_is_told_with_place_and_mend() {
    let dir = TempDir::new().unwrap();
    for case in rows() {
        let report = report(&dir, &case);
        assert_eq!((report.good, report.wrong), (case.good, case.wrong), "{}: {report}", case.name);
        let first = report.problems.first().map_or("", String::as_str);
        for part in case.says {
            assert!(first.contains(part), "{}: {part:?} is not in {first}", case.name);
        }
        assert_eq!(report.usable(), case.says.is_empty(), "{}", case.name);
    }
}

#[test]
fn files_that_are_no_data_are_refused_with_a_mend() {
    let dir = TempDir::new().unwrap();
    let mut gz = flate2_like(&dir);
    gz.truncate(gz.len() - 20);
    let cases: [(&str, Vec<u8>, &str); 4] = [
        ("empty.jsonl", Vec::new(), "give a file with one JSON object per line"),
        ("cut.jsonl.gz", gz, "fetch it again"),
        ("not.jsonl.zst", b"\x28\xb5\x2f\xfd rubbish".to_vec(), "fetch it again"),
        ("strange.jsonl", b"{\"frage\": 1}\n".to_vec(), "set `data.format`"),
    ];
    for (name, bytes, mend) in cases {
        let path = dir.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        let report = check(&path, "auto").unwrap();
        assert!(!report.usable() && report.problems[0].contains(mend) && report.problems[0].contains(name), "{name}: {report}");
    }
}

/// Many rows, compressed by the crate's own writer.
fn flate2_like(dir: &TempDir) -> Vec<u8> {
    let path = dir.path().join("whole.jsonl.gz");
    let mut writer = collimate_datasets::Writer::create(&path).unwrap();
    for i in 0..5000 {
        writer.row(&serde_json::json!({"prompt": format!("row {}", i * i)})).unwrap();
    }
    writer.finish().unwrap();
    std::fs::read(path).unwrap()
}

#[test]
fn changed_data_have_another_digest() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("d.jsonl");
    std::fs::write(&path, GOOD.repeat(3)).unwrap();
    let config = DataConfig { train: Some(path.clone()), heldout_rows: 0, ..DataConfig::default() };
    let before = load(&config, Seed(0)).unwrap().train.digest;
    std::fs::OpenOptions::new().append(true).open(&path).unwrap().write_all(GOOD.as_bytes()).unwrap();
    assert_ne!(load(&config, Seed(0)).unwrap().train.digest, before);
}
