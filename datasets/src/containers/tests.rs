//! Every container, good and bad.

use std::io::Write;
use std::path::PathBuf;

use super::*;

type Rows = Vec<Result<(u64, Map<String, Value>), RowError>>;

/// What is read of a file with this name.
fn read(name: &str, bytes: &[u8]) -> (Rows, Result<Seen, DataError>) {
    let dir = tempfile::tempdir().unwrap();
    let path: PathBuf = dir.path().join(name);
    std::fs::write(&path, bytes).unwrap();
    let file: Arc<Path> = path.as_path().into();
    let (mut batches, decode) = match open("train", &path) {
        Ok(Container::Text(batches, decode)) => (batches, decode),
        Ok(Container::Table(_)) => panic!("not a text"),
        Err(Unopened::File(error)) => return (Vec::new(), Err(error)),
        Err(Unopened::Header(error)) => return (vec![Err(*error)], Ok(Seen::default())),
    };
    let (mut out, mut seen) = (Vec::new(), Seen::default());
    loop {
        match batches.next() {
            Ok(Some(batch)) => {
                seen.blank += batch.blank;
                seen.rows += batch.len() as u64;
                let row = |i| columns_of(&batch.record(i, &file), &decode).map(|json| (batch.record(i, &file).number, json));
                out.extend((0..batch.len()).map(row));
            }
            Ok(None) => break,
            Err(error) => return (out, Err(unreadable("train", &path, batches.bytes(), error))),
        }
    }
    (out, Ok(Seen { bytes: batches.bytes(), ..seen }))
}

fn rows(name: &str, bytes: &[u8]) -> Vec<(u64, Value)> {
    read(name, bytes).0.into_iter().map(|r| r.map(|(line, json)| (line, Value::Object(json))).unwrap()).collect()
}

fn only_error(name: &str, bytes: &[u8]) -> RowError {
    let mut errors: Vec<_> = read(name, bytes).0.into_iter().filter_map(Result::err).collect();
    assert_eq!(errors.len(), 1, "{errors:?}");
    errors.remove(0)
}

fn place(error: &RowError) -> (u64, u64, u64) {
    (error.line, error.column, error.offset)
}

fn zipped(bytes: &[u8]) -> [(&'static str, Vec<u8>); 3] {
    let mut gz = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gz.write_all(bytes).unwrap();
    [("", bytes.to_vec()), (".gz", gz.finish().unwrap()), (".zst", zstd::encode_all(bytes, 0).unwrap())]
}

#[test]
fn every_text_container_is_read_plain_and_compressed() {
    let wanted = [serde_json::json!({"a": "1", "b": "x,\n\"y\""}), serde_json::json!({"a": "2", "b": "é"})];
    let containers = [
        ("d.jsonl", "\u{feff}{\"a\":\"1\",\"b\":\"x,\\n\\\"y\\\"\"}\r\n\r\n{\"b\":\"é\",\"a\":\"2\"}"),
        ("d.json", "\u{feff} [\n {\"a\":\"1\",\"b\":\"x,\\n\\\"y\\\"\"},\n{\"b\":\"é\",\"a\":\"2\"} ]\n"),
        ("d.csv", "\u{feff}a,b\r\n1,\"x,\n\"\"y\"\"\"\r\n2,é\r\n"),
        ("d.tsv", "a\tb\n1\t\"x,\n\"\"y\"\"\"\n2\té"),
    ];
    for (name, text) in containers {
        for (ending, bytes) in zipped(text.as_bytes()) {
            let read: Vec<_> = rows(&format!("{name}{ending}"), &bytes).into_iter().map(|(_, v)| v).collect();
            assert_eq!(read, wanted, "{name}{ending}");
        }
    }
    assert_eq!(rows("d.txt", b"one\n\n two \n"), [(1, serde_json::json!({"text": "one"})), (3, serde_json::json!({"text": " two "}))]);
}

#[test]
fn lines_and_blanks_are_counted() {
    let (rows, seen) = read("d.jsonl", b"\xef\xbb\xbf{\"a\":1}\r\n\r\n  \n{\"a\":2}");
    let read: Vec<_> = rows.into_iter().map(|r| r.map(|(line, json)| (line, json["a"].clone())).unwrap()).collect();
    assert_eq!(read, [(1, 1.into()), (4, 2.into())]);
    assert_eq!(seen.unwrap(), Seen { rows: 2, blank: 2, bytes: 24 });
}

#[test]
fn errors_of_lines_have_line_column_and_offset() {
    assert_eq!(place(&only_error("d.jsonl", b"{\"a\":1}\n{\"\xc3\xa9\":\"\xff\"}\n{\"a\":2}\n")), (2, 7, 8 + 7));
    let error = only_error("d.jsonl", "{\"é\": 1 \"b\": 2}\n".as_bytes());
    assert_eq!(place(&error), (1, 9, 9));
    assert!(error.to_string().contains("d.jsonl:1:9: not JSON: expected `,` or `}`, at `{\"é\": 1 \"b\": 2}`"), "{error}");
    let surrogate = only_error("d.jsonl", b"{\"a\":1}\n{\"a\":\"\\ud83d x\"}");
    assert!(surrogate.fault.mend().contains("pair of escapes") && surrogate.offset > 8, "{surrogate}");
    assert_eq!(*only_error("d.jsonl", b"{\"a\":\"\0\"}").fault, Fault::Nul);
    assert_eq!(*only_error("d.jsonl", b"{}\n[1]\n").fault, Fault::NotAnObject { found: "a list" });
    assert_eq!(*only_error("d.jsonl", b"\xff\xfe{\0}\0\n\0{\0}\0").fault, Fault::Utf16);
}

#[test]
fn errors_of_a_list_stand_at_their_own_line_and_the_rest_is_read() {
    let text = "[\n  {\"a\": 1},\n  {\"a\": 1\n   \"b\": 2},\n  7, {\"a\": 3}]";
    let (rows, _) = read("d.json", text.as_bytes());
    let shown: Vec<_> = rows.iter().map(|r| r.as_ref().map_err(place).map(|r| r.0)).collect();
    assert_eq!(shown, [Ok(2), Err((4, 4, 27)), Err((5, 3, 38)), Ok(5)]);
    for (broken, message) in [
        ("[{\"a\":1}", "ends inside"),
        ("[{\"a\":1},", "never closed"),
        ("[", "never closed"),
        ("[] x", "outside of the list"),
        ("[{}]]", "outside"),
    ] {
        let last = read("d.json", broken.as_bytes()).0.pop().unwrap().unwrap_err();
        assert!(last.to_string().contains(message), "{broken}: {last}");
    }
    assert!(read("d.json", b"[]").0.is_empty());
    assert!(read("d.json", b"[{\"a\":1},]").0[1].is_err(), "a comma promises another element");
}

#[test]
fn errors_of_csv_name_what_is_wrong() {
    let shown = |text: &str| read("d.csv", text.as_bytes()).0.pop().unwrap().unwrap_err();
    let fields = shown("a,b\n1,2\n3\n");
    assert!(fields.to_string().contains("has 1 fields, the header 2") && place(&fields) == (3, 1, 8), "{fields}");
    let open = shown("a,b\n1,\"2\n3,4\n");
    assert!(open.to_string().contains("opened and never closed") && place(&open) == (2, 3, 6), "{open}");
    assert!(shown("a,a\n1,2\n").to_string().contains("names `a` twice"));
    assert!(shown("a,\n1,2\n").to_string().contains("has no name"));
    assert!(read("d.csv", b"a,b\n").0.is_empty());
}

#[test]
fn a_row_beyond_the_limit_is_skipped_and_the_next_one_is_read() {
    let wide = |n: usize| format!("{{\"a\":\"{}\"}}", "x".repeat(n - 8));
    let fits = read("d.jsonl", format!("{}\n{{\"a\":1}}\n", wide(MAX_LINE_BYTES)).as_bytes()).0;
    assert!(fits.len() == 2 && fits.iter().all(Result::is_ok));
    for beyond in [1, 2, 3, 5000] {
        let long = wide(MAX_LINE_BYTES + beyond);
        for (name, text) in [("d.jsonl", format!("{{}}\n{long}\n{{\"a\":1}}\n")), ("d.json", format!("[{{}},\n{long},{{\"a\":1}}]"))] {
            let (read, seen) = read(name, text.as_bytes());
            let error = read[1].as_ref().unwrap_err();
            assert_eq!(*error.fault, Fault::LongLine { limit: MAX_LINE_BYTES });
            assert_eq!((error.line, read.len(), read[2].is_ok(), seen.unwrap().bytes), (2, 3, true, text.len() as u64));
        }
    }
}

#[test]
fn a_damaged_file_says_how_far_it_could_be_read() {
    let text = "{\"a\": \"some text that is long enough\"}\n".repeat(5000);
    for (ending, bytes) in zipped(text.as_bytes()).into_iter().skip(1) {
        let (rows, seen) = read(&format!("d.jsonl{ending}"), &bytes[..bytes.len() / 2]);
        let error = seen.unwrap_err();
        assert!(matches!(&error, DataError::Damaged { .. }), "{ending}: {error}");
        assert!(rows.iter().filter(|r| r.is_ok()).count() <= 5000);
    }
}

#[cfg(not(feature = "parquet"))]
#[test]
fn a_table_is_refused_by_a_build_that_does_not_read_them() {
    assert!(read("d.parquet", b"PAR1....PAR1").1.unwrap_err().to_string().contains("build with `--features parquet`"));
}

proptest::proptest! {
    #[test]
    fn arbitrary_bytes_never_panic_and_every_byte_is_seen(bytes: Vec<u8>, kind in 0_usize..4) {
        let name = ["d.jsonl", "d.json", "d.csv", "d.txt"][kind];
        let (_, seen) = read(name, &bytes);
        if let Ok(seen) = seen {
            proptest::prop_assert!(seen.bytes <= bytes.len() as u64);
        }
    }

    #[test]
    fn arbitrary_pieces_of_json_never_panic(text in "[\\[\\]{},:\"\\\\a1 \n]{0,60}") {
        let _ = read("d.json", format!("[{text}").as_bytes());
    }
}
