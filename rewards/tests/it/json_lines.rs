//! Plugins in other languages: JSON lines.

use std::collections::BTreeMap;
use std::path::Path;

use collimate_rewards::{RewardSet, score_all};
use collimate_types::Verdict;
use serde_json::{Value, json};

use crate::support::{detail, group};

fn build(plugin: &Value, more: &Value) -> Result<RewardSet, String> {
    let mut table = json!({"plugin": plugin, "name": "p", "deadline_s": 20});
    table.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    RewardSet::build(&[serde_json::from_value(table).unwrap()]).map_err(|e| e[0].to_string())
}

/// The example in Python; none where there is no Python.
fn python() -> Option<Value> {
    let there = std::process::Command::new("python3").arg("--version").output().is_ok_and(|o| o.status.success());
    if !there {
        eprintln!("skipped: there is no python3");
        return None;
    }
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join("examples/rewards/polite.py");
    Some(json!(["python3", file]))
}

#[test]
fn the_example_in_python_judges_and_says_what_it_cannot() {
    let Some(plugin) = python() else { return };
    let set = build(&plugin, &json!({"config": {"word": "bitte"}})).unwrap();
    let long = "x".repeat(100);
    let scored = set.score(group("t", &["Bitte!", "no", &long, "ü\u{0}\n\u{1F600} bitte"]));
    let totals: Vec<_> = scored.verdicts.iter().map(|v| v.score().unwrap().total).collect();
    assert_eq!(totals, [2.0, 1.0, 0.0, 2.0]);
    let parts = BTreeMap::from([("p".to_owned(), 2.0), ("p/brief".to_owned(), 1.0), ("p/polite".to_owned(), 1.0)]);
    assert_eq!(scored.verdicts[0], Verdict::with_parts(2.0, parts));
    let mut lost = group("t", &["a", "b"]);
    let mut prompt = collimate_types::Prompt::clone(&lost.prompt);
    let task = collimate_types::Task { truth: json!("unknown"), ..collimate_types::Task::clone(&prompt.task) };
    prompt.task = task.into();
    lost.prompt = prompt.into();
    let scored = set.score(lost);
    assert!(scored.verdicts.iter().all(|v| v.fault() == Some("unscorable")));
    assert_eq!(detail(&scored), "p: ValueError: nobody knows what is right here");
    let told = build(&plugin, &json!({"config": {"wrod": "x"}})).unwrap_err();
    assert!(told.contains("refuses its `config`: unknown settings ['wrod']"), "{told}");
}

#[test]
fn many_answers_go_through_python_in_order() {
    let Some(plugin) = python() else { return };
    let set = build(&plugin, &json!({"workers": 3, "batch": 7})).unwrap();
    let groups: Vec<_> = (0..100).map(|g| group(&format!("t{g}"), &["please", "x", "please", "y"])).collect();
    for scored in score_all(&set, groups, 8) {
        let totals: Vec<_> = scored.scores().map(|(_, s)| s).collect();
        assert_eq!(totals, [2.0, 1.0, 2.0, 1.0]);
    }
}

/// A verifier in a shell, which answers every item with the same line; `ID` stands for the item's number.
fn shell(reply: &str) -> Value {
    let script = format!(
        r#"exec 3>&0; echo '{{"collimate_reward":1,"name":"sh","range":[0,1]}}' >&3; read init; echo '{{"ready":true}}' >&3
           n=0; while read line; do echo '{reply}' | sed "s/ID/$n/" >&3; n=$((n+1)); done"#
    );
    json!(["sh", "-c", script])
}

#[test]
fn a_shell_is_enough_for_a_verifier_and_bad_replies_are_never_scores() {
    for (reply, wanted) in [
        (r#"{"id":ID,"score":0.5}"#, None),
        (r#"{"id":ID,"score":NaN}"#, Some("unscorable")),
        (r#"{"id":ID,"score":-Infinity}"#, Some("unscorable")),
        (r#"{"id":ID,"score":1.5}"#, Some("unscorable")),
        (r#"{"id":ID,"unscorable":"no idea"}"#, Some("unscorable")),
        (r#"{"id":ID,"error":"a service is down"}"#, Some("transport")),
        (r#"{"id":ID}"#, Some("transport")),
        (r#"{"id":ID,"scroe":1}"#, Some("transport")),
        (r#"{"id":7,"score":1}"#, Some("transport")),
        ("Traceback", Some("transport")),
    ] {
        let set = build(&shell(reply), &json!({"max_deaths": 50})).unwrap();
        let scored = score_all(&set, vec![group("t", &["a", "b"])], 1);
        for verdict in scored.iter().flat_map(|g| &g.verdicts) {
            assert_eq!(verdict.fault(), wanted, "{reply}: {verdict:?}");
        }
    }
}
