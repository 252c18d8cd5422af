//! What Python writes is read back equal: rows by Python's `json`, with and without escapes, and tables by pyarrow (tests/data/write.py).

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use collimate_datasets::{DataConfig, each_example};
use serde_json::{Map, Value};

fn data(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(name)
}

fn rows(name: &str) -> Vec<Map<String, Value>> {
    let mut out = Vec::new();
    each_example(&data(name), &DataConfig::default(), None, &mut |located| {
        out.push(located.row.json.clone());
        ControlFlow::Continue(())
    })
    .unwrap_or_else(|e| panic!("{name}: {e:?}"));
    out
}

/// Every character that JSON must or may escape.
fn every_escape() -> String {
    let controls = (1..0x20_u32).filter_map(char::from_u32);
    controls.chain("\u{7f}\"\\/\u{80}\u{e9}\u{2028}\u{2029}\u{feff}\u{fffd}\u{1f600}\u{10ffff}".chars()).collect()
}

#[test]
fn escaped_and_plain_json_are_the_same_rows() {
    let (ascii, utf8) = (rows("rows.ascii.jsonl"), rows("rows.utf8.jsonl"));
    assert_eq!(ascii.len(), 400);
    assert_eq!(ascii, utf8);
    assert_eq!(ascii[100]["prompt"][0]["content"], format!("question 100 {}", every_escape()));
    assert_eq!((&ascii[3]["whole"], &ascii[4]["whole"]), (&Value::from(i64::MIN), &Value::from(i64::MAX)));
    assert_eq!(ascii[2]["real"].as_f64(), Some(5e-324));
}

#[cfg(feature = "parquet")]
mod tables {
    use super::*;
    use collimate_datasets::{DataError, check};
    use collimate_types::Seed;

    #[test]
    fn every_table_holds_the_rows_of_the_json() {
        let wanted = rows("rows.utf8.jsonl");
        for name in ["none", "snappy", "gzip", "zstd", "lz4", "v2"] {
            let read = rows(&format!("rows.{name}.parquet"));
            assert_eq!(read.len(), wanted.len(), "{name}");
            for (i, (read, wanted)) in read.iter().zip(&wanted).enumerate() {
                assert_eq!(read, wanted, "{name}: row {i}");
            }
        }
    }

    #[test]
    fn a_wrong_row_of_a_table_is_told_by_its_number() {
        let config = DataConfig { format: "gsm8k".into(), train: Some(data("rows.zstd.parquet")), ..DataConfig::default() };
        let faults = collimate_datasets::load(&config, Seed(0)).unwrap_err();
        assert!(faults[0].to_string().contains("rows.zstd.parquet:1:1: column `question` is missing"), "{}", faults[0]);
    }

    #[test]
    fn damaged_tables_never_panic_out_and_are_told() {
        let dir = tempfile::tempdir().unwrap();
        let quiet = std::panic::take_hook();
        std::panic::set_hook(Box::new(|_| {})); // What the decoder says of itself is caught.
        let (mut refused, mut kinds) = (0, std::collections::BTreeSet::new());
        for name in ["none", "zstd", "v2"] {
            let bytes = std::fs::read(data(&format!("rows.{name}.parquet"))).unwrap();
            for round in 0..150_u64 {
                let mut bytes = bytes.clone();
                let draw = |k: u64, n: usize| (Seed(round).fork(name, k).uniform(0) * n as f64) as usize;
                if round % 5 == 0 {
                    bytes.truncate(draw(0, bytes.len()).max(8));
                } else {
                    // Half of the changes fall on the description at the end.
                    for k in 0..3 {
                        let from = if round % 2 == 0 { bytes.len() - 2000 } else { 4 };
                        let at = from + draw(2 * k + 1, bytes.len() - from);
                        bytes[at] = draw(2 * k + 2, 256) as u8;
                    }
                }
                let path = dir.path().join("m.parquet");
                std::fs::write(&path, &bytes).unwrap();
                let report = check(&path, "auto").unwrap();
                refused += usize::from(!report.usable());
                kinds.extend(
                    report.problems.first().map(|p| p.rsplit(": ").next().unwrap_or_default().chars().take(40).collect::<String>()),
                );
            }
        }
        std::panic::set_hook(quiet);
        assert!(refused > 150, "only {refused} of 450 were refused: {kinds:?}");
    }

    #[test]
    fn a_file_that_only_begins_as_a_table_is_refused_with_a_mend() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x.parquet");
        std::fs::write(&path, b"PAR1 and nothing more").unwrap();
        let config = DataConfig { train: Some(path), ..DataConfig::default() };
        let faults = collimate_datasets::load(&config, Seed(0)).unwrap_err();
        assert!(
            matches!(&faults[..], [DataError::Table { .. }]) && faults[0].to_string().contains("convert it to JSON lines"),
            "{faults:?}"
        );
    }
}
