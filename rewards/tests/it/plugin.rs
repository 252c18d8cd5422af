//! A plugin that judges, panics, hangs, lies or dies: rows R1, R2, R3, R5, R9.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use collimate_rewards::{RewardSet, read_cases, score_all, trial};
use collimate_types::{Reward, Verdict};
use serde_json::json;

use crate::support::{detail, group, groups, judged, set, settings, start};

#[test]
fn a_plugin_judges_as_the_same_code_would_here() {
    let dir = tempfile::tempdir().unwrap();
    let reward = start(dir.path(), json!({"batch": 5, "pipeline": 3}));
    let hello = reward.hello().unwrap();
    assert_eq!((hello.name.as_str(), hello.range, hello.whole_groups), ("faulty", Some([0.0, 1.0]), false));
    let answers = ["", "a", "ü\u{0}\u{1F600}", "long ".repeat(10).as_str()].map(str::to_owned);
    let group = group("t", &answers.each_ref().map(String::as_str));
    let wanted = answers.each_ref().map(|a| {
        let parts = BTreeMap::from([("tokens".to_owned(), a.len() as f64)]);
        Verdict::with_parts(a.len() as f64 / 100.0, parts)
    });
    assert_eq!(reward.score_group(&group).unwrap(), wanted);
    let answer = group.answers().nth(1).unwrap();
    assert_eq!(reward.score(&group.prompt, &answer).unwrap(), wanted[1]);
}

#[test]
fn a_plugin_may_compare_the_answers_to_a_prompt() {
    let dir = tempfile::tempdir().unwrap();
    let words = json!({"plugin": crate::faulty::command(true)});
    let set = set(dir.path(), words);
    let scored = set.score(group("t", &["abc", "", "a", "ab"]));
    let totals: Vec<_> = scored.verdicts.iter().map(|v| v.score().unwrap().total).collect();
    assert_eq!(totals, [0.03, 0.0, 0.01, 0.02]);
    let scored = set.score(group("t", &["abc", "panic", "a"]));
    assert!(scored.verdicts.iter().all(|v| v.fault() == Some("panic")), "a group that is judged together fails together");
    assert_eq!(set.score(group("t", &["a", "ab"])).scores().count(), 2, "and the next group is judged again");
}

#[test]
fn the_reward_of_a_recipe_is_a_plugin_with_weight_and_label() {
    let dir = tempfile::tempdir().unwrap();
    let set = set(dir.path(), json!({"label": "mine", "weight": 2}));
    assert_eq!(set.labels().collect::<Vec<_>>(), ["mine"]);
    let verdict = &set.score(group("t", &["abcde"])).verdicts[0];
    let parts = BTreeMap::from([("mine".to_owned(), 0.05), ("mine/tokens".to_owned(), 5.0)]);
    assert_eq!(*verdict, Verdict::with_parts(0.1, parts));
}

#[test]
fn settings_that_a_plugin_refuses_are_refused_before_the_run() {
    let dir = tempfile::tempdir().unwrap();
    let spec = serde_json::from_value(settings(dir.path(), json!({"config": {"dri": "x"}}))).unwrap();
    let told = RewardSet::build(&[spec]).unwrap_err()[0].to_string();
    assert!(told.contains("reward `faulty`") && told.contains("refuses its `config`: unknown field `dri`"), "{told}");
}

#[test]
fn what_is_no_plugin_is_refused_with_what_it_said() {
    for (program, wanted) in [
        (json!(["sh", "-c", "echo hello >&2; exit 7"]), "ended before it was ready"),
        (json!(["sh", "-c", "echo nonsense >&0; sleep 5"]), "does not speak the protocol"),
        (json!(["sleep", "5"]), "was not ready in time"),
        (
            json!(["sh", "-c", r#"echo '{"collimate_reward":99,"name":"x"}' >&0; sleep 5"#]),
            "speaks version 99 of the reward protocol, this program 1",
        ),
    ] {
        let spec = serde_json::from_value(json!({"plugin": program, "start_s": 0.5, "name": "x"})).unwrap();
        let start = Instant::now();
        let told = RewardSet::build(&[spec]).unwrap_err()[0].to_string();
        assert!(told.contains(wanted), "{told}");
        assert!(start.elapsed() < Duration::from_secs(4), "{:?}", start.elapsed());
        assert_eq!(told.contains("hello"), wanted.contains("ended"), "{told}");
    }
}

#[test]
fn r1_a_panic_is_that_answers_fault_and_the_copy_is_replaced() {
    let dir = tempfile::tempdir().unwrap();
    let set = set(dir.path(), json!({}));
    let counts = judged(&set, groups(25, "panic", 20), "panic", Err("panic"));
    assert_eq!(counts, BTreeMap::from([("panic", 10), ("score", 190)]));
    assert!(detail(&set.score(group("t", &["panic"]))).contains("no such thing"));
    let reward = start(dir.path(), json!({"workers": 1}));
    reward.score_group(&group("t", &["a", "panic", "b"])).unwrap();
    reward.score_group(&group("t", &["c"])).unwrap();
    let counts = reward.counts();
    assert_eq!((counts.judged, counts.started, counts.died), (4, 2, 0), "a panic that is reported is no death");
}

#[test]
fn r2_a_hang_ends_at_the_second_deadline_and_hurts_nobody_else() {
    let quick = json!({"deadline_s": 0.8});
    for hang in ["hang", "spin"] {
        let dir = tempfile::tempdir().unwrap();
        let set = set(dir.path(), quick.clone());
        let mut took = Vec::new();
        for _ in 0..3 {
            let begun = Instant::now();
            let counts = judged(&set, groups(4, hang, 32), hang, Err("deadline"));
            took.push(begun.elapsed());
            assert_eq!(counts, BTreeMap::from([("deadline", 1), ("score", 31)]));
            if took.iter().any(|t| *t < Duration::from_millis(2 * 800 + 500)) {
                break;
            }
        }
        assert!(took.iter().all(|t| *t >= Duration::from_millis(2 * 800)), "both tries have their whole deadline: {took:?}");
        // A busy machine may make it longer, but not each time.
        assert!(took.iter().any(|t| *t < Duration::from_millis(2 * 800 + 500)), "two deadlines and half a second are enough: {took:?}");
        let told = detail(&set.score(group("t9", &["a", hang])));
        assert!(told.contains("missed twice at task `t9`"), "{told}");
    }
    let dir = tempfile::tempdir().unwrap();
    let counts = judged(&set(dir.path(), quick), groups(4, "hang once", 32), "hang once", Ok(0.09));
    assert_eq!(counts, BTreeMap::from([("score", 32)]), "an answer that hung once is judged the second time");
}

#[test]
fn an_answer_may_take_its_whole_deadline_even_behind_others() {
    let dir = tempfile::tempdir().unwrap();
    let reward = start(dir.path(), json!({"workers": 1, "deadline_s": 1}));
    let verdicts = reward.score_group(&group("t", &["slow"; 5])).unwrap();
    assert!(verdicts.iter().all(|v| v.score().is_some()), "{verdicts:?}");
    assert_eq!(reward.counts().late, 0, "five answers of 0.3 s each in one batch, with a deadline of 1 s for each");
}

#[test]
fn r3_numbers_that_are_none_or_out_of_range_are_no_scores() {
    for (bad, wanted) in [("nan", "NaN"), ("inf", "inf"), ("high", "outside of the declared range 0 to 1")] {
        let dir = tempfile::tempdir().unwrap();
        let set = set(dir.path(), json!({}));
        let counts = judged(&set, groups(10, bad, 16), bad, Err("unscorable"));
        assert_eq!(counts, BTreeMap::from([("score", 75), ("unscorable", 5)]));
        let told = detail(&set.score(group("t", &[bad])));
        assert!(told.contains(wanted) && told.starts_with("faulty: "), "{told}");
        let scored = score_all(&set, groups(10, bad, 16), 4);
        assert!(scored.iter().flat_map(|g| g.scores()).all(|(_, s)| s.is_finite() && (0.0..=1.0).contains(&s)));
    }
}

#[test]
fn an_answer_that_the_author_cannot_judge_is_unscorable() {
    let dir = tempfile::tempdir().unwrap();
    let scored = set(dir.path(), json!({})).score(group("t7", &["refuse", "a"]));
    assert_eq!(detail(&scored), "faulty: task t7 cannot be judged");
    assert_eq!(scored.scores().count(), 1);
}

#[test]
fn r5_exit_abort_overflow_and_segfault_are_deaths_charged_to_the_answer_alone() {
    for (bad, how) in [("exit", "exit status 3"), ("abort", "signal 6"), ("overflow", "overflow"), ("segfault", "signal 11")] {
        let dir = tempfile::tempdir().unwrap();
        let set = set(dir.path(), json!({}));
        let counts = judged(&set, groups(10, bad, 40), bad, Err("death"));
        assert_eq!(counts, BTreeMap::from([("death", 2), ("score", 78)]), "{bad}");
        let told = detail(&set.score(group("t3", &["a", bad])));
        assert!(told.contains("twice, while it judged task `t3` and nothing else") && told.contains(how), "{told}");
    }
    let dir = tempfile::tempdir().unwrap();
    let counts = judged(&set(dir.path(), json!({})), groups(10, "die once", 40), "die once", Ok(0.08));
    assert_eq!(counts, BTreeMap::from([("score", 80)]), "an answer in whose company a copy died once is judged the second time");
    let dir = tempfile::tempdir().unwrap();
    let counts = judged(&set(dir.path(), json!({})), groups(2, "die twice", 16), "die twice", Ok(0.09));
    assert_eq!(counts, BTreeMap::from([("score", 16)]), "one death in company and one alone are not two alone");
}

#[test]
fn r9_a_reward_that_changes_its_mind_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let cases = read_cases("{\"answer\": \"abc\", \"score\": 0.03}\n{\"answer\": \"clock\"}\n").unwrap();
    let trial = trial(&start(dir.path(), json!({})), "faulty", &cases);
    assert_eq!((trial.wrong.len(), trial.changing.len()), (0, 1), "{trial:?}");
    assert!(trial.changing[0].starts_with("line 2: `faulty` gave "), "{:?}", trial.changing);
}
