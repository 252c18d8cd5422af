//! `collimate selftest` holds here, tells a figure for each check, and needs no file.

use crate::support::{collimate, said};

#[test]
fn every_check_of_the_selftest_holds_and_is_told() {
    let empty = tempfile::tempdir().unwrap();
    let lines = said(collimate(["selftest", "--json", "--threads", "1"]).current_dir(empty.path())).with_code(0).json_lines();
    let checks = lines[0]["checks"].as_array().unwrap();
    assert!(lines[0]["good"] == true && checks.len() > 60);
    for check in checks {
        assert!(check["good"] == true && check["figure"].as_f64().unwrap() <= check["limit"].as_f64().unwrap(), "{check}");
    }
    for what in ["grpo: gradient", "dpo: loss", "sampler against learner", "accumulated", "resume against no stop"] {
        assert!(checks.iter().any(|c| c["name"].as_str().unwrap().contains(what)), "{what}");
    }
    assert_eq!(std::fs::read_dir(empty.path()).unwrap().count(), 0);
    let text = said(collimate(["selftest", "--threads", "1"]).current_dir(empty.path())).with_code(0);
    assert!(text.out.contains("0 breaches"), "{}", text.out);
}
