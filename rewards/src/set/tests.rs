//! What a set of rewards promises.

use collimate_types::{Answer, BoxError, InfraKind, Prompt, Score};
use serde_json::{Value, json};

use super::testing::group;
use super::*;

fn specs(value: Value) -> Vec<RewardSpec> {
    serde_json::from_value(value).unwrap()
}

fn totals(scored: &ScoredGroup) -> Vec<Option<f64>> {
    scored.verdicts.iter().map(|v| v.score().map(|s| s.total)).collect()
}

#[test]
fn the_total_is_the_weighted_sum_and_the_parts_are_kept() {
    let rewards = specs(json!([
        {"name": "numeric", "weight": 2},
        {"name": "format", "label": "marked", "weight": 0.5, "pattern": "####"},
        {"name": "length", "weight": 0, "scale": 3},
    ]));
    let set = RewardSet::build(&rewards).unwrap();
    let scored = set.score(group(json!({"answer": 5}), None, &["#### 5", "5", "#### 6", "6"]));
    assert_eq!(totals(&scored), [Some(2.5), Some(2.0), Some(0.5), Some(0.0)]);
    let parts = BTreeMap::from([("numeric".into(), 1.0), ("marked".into(), 1.0), ("length".into(), -1.0)]);
    assert_eq!(scored.verdicts[0].score(), Some(&Score { total: 2.5, parts }));
}

#[test]
fn every_fault_of_a_recipe_is_named_in_one_pass() {
    let rewards = specs(json!([
        {"name": "numerc"},
        {"name": "numeric", "extrct": "last", "right": "one", "wieght": 2},
        {"name": "length", "weight": 1},
        {"name": "length", "weight": 2},
        {"name": "format", "pattern": "("},
    ]));
    let shown: Vec<_> = RewardSet::build(&rewards).unwrap_err().iter().map(ToString::to_string).collect();
    let wanted =
        ["did you mean `numeric`?", "did you mean `extract`?", "`right` = \"one\"", "did you mean `weight`?", "two rewards", "`pattern`"];
    assert_eq!(shown.len(), wanted.len(), "{shown:#?}");
    assert!(wanted.iter().all(|w| shown.iter().any(|s| s.contains(w))), "{shown:#?}");
    assert!(matches!(RewardSet::build(&[]).unwrap_err()[..], [RewardError::None { .. }]));
}

#[test]
fn a_panic_is_charged_to_its_answer_alone() {
    let picky = |_: &Prompt, a: &Answer<'_>| if a.text == "boom" { panic!("no boom") } else { a.text.len() as f64 };
    let scored = RewardSet::of("picky", picky).score(group(Value::Null, None, &["a", "boom", "abc"]));
    assert_eq!(totals(&scored), [Some(1.0), None, Some(3.0)]);
    let Verdict::InfraError { kind, detail, .. } = &scored.verdicts[1] else { panic!("{:?}", scored.verdicts[1]) };
    assert_eq!((*kind, detail.as_str()), (InfraKind::Panic, "picky: no boom"));
}

/// Scores an answer by its rank in its group.
struct Rank;

impl Reward for Rank {
    fn score(&self, _: &Prompt, answer: &Answer<'_>) -> Result<Verdict, BoxError> {
        assert_ne!(answer.text, "boom");
        Err("a rank needs a group".into())
    }

    fn score_group(&self, group: &RolloutGroup) -> Result<Vec<Verdict>, BoxError> {
        assert!(group.answers().all(|a| a.text != "boom"));
        if group.rollouts.len() > 5 {
            panic!("too many");
        }
        let rank = |a: Answer<'_>| group.answers().filter(|b| b.text.len() < a.text.len()).count() as f64;
        let lost = usize::from(group.rollouts[0].text == "short");
        Ok(group.answers().skip(lost).map(|a| Verdict::score_of(rank(a))).collect())
    }
}

#[test]
fn a_reward_that_compares_still_compares_the_survivors_of_a_panic() {
    let judged = |texts: &[&str]| RewardSet::of("rank", Rank).score(group(Value::Null, None, texts));
    assert_eq!(totals(&judged(&["abc", "boom", "a", "ab"])), [Some(2.0), None, Some(0.0), Some(1.0)]);
    assert!(judged(&["boom", "boom"]).verdicts.iter().all(|v| v.fault() == Some("panic")));
    let crowd = judged(&["a"; 6]);
    assert!(crowd.verdicts.iter().all(|v| v.fault() == Some("panic")), "a panic of the group is the fault of all");
    assert_eq!(crowd.verdicts.len(), 6);
    assert!(judged(&["short", "x"]).verdicts.iter().all(|v| v.fault() == Some("transport")), "a lost verdict is no score");
}

#[test]
fn a_fault_of_one_part_is_never_a_partial_sum() {
    let mut set = RewardSet::of("one", |_: &Prompt, _: &Answer<'_>| 1.0);
    let odd = |_: &Prompt, a: &Answer<'_>| match a.text {
        "nan" => f64::NAN,
        "boom" => panic!("boom"),
        _ => 2.0,
    };
    set.add("odd", 1.0, Arc::new(odd)).unwrap();
    set.add("nan too", 1.0, Arc::new(|_: &Prompt, a: &Answer<'_>| if a.text == "boom" { f64::NAN } else { 0.0 })).unwrap();
    let scored = set.score(group(Value::Null, None, &["nan", "boom", "x"]));
    let faults: Vec<_> = scored.verdicts.iter().map(Verdict::fault).collect();
    assert_eq!(faults, [Some("unscorable"), Some("panic"), None]);
    assert_eq!(totals(&scored)[2], Some(3.0));
    assert!(set.add("odd", 1.0, Arc::new(odd)).is_err() && set.add("new", f64::NAN, Arc::new(odd)).is_err());
}

#[test]
fn a_sum_that_overflows_is_no_score() {
    let mut set = RewardSet::of("a", |_: &Prompt, _: &Answer<'_>| f64::MAX);
    set.add("b", 1.0, Arc::new(|_: &Prompt, _: &Answer<'_>| f64::MAX)).unwrap();
    assert_eq!(set.score(group(Value::Null, None, &["x"])).verdicts[0].fault(), Some("unscorable"));
}

#[test]
fn a_task_chooses_its_own_reward() {
    let set = RewardSet::build(&specs(json!([{"name": "numeric"}, {"name": "length", "label": "brief"}]))).unwrap();
    let judged = |reward| set.score(group(json!(5), reward, &["5"])).verdicts.remove(0);
    assert_eq!(judged(Some("numeric")).score().map(|s| (s.total, s.parts.len())), Some((1.0, 1)));
    assert_eq!(judged(Some("brief")).score().map(|s| s.total), Some(-0.03));
    let Verdict::Unscorable { reason } = judged(Some("brif")) else { panic!("a score without a reward") };
    assert!(reason.contains("did you mean `brief`?"), "{reason}");
    let tasks: Vec<_> = [None, Some("brief"), Some("x"), Some("x")].map(|r| group(json!(5), r, &[]).prompt.task.clone()).into();
    assert_eq!(set.check(tasks.iter().map(AsRef::as_ref)).unwrap_err().len(), 1);
}

#[test]
fn a_task_may_name_several_rewards_and_some_want_to_be_named() {
    let rewards = specs(json!([
        {"name": "numeric"},
        {"name": "length", "label": "brief"},
        {"name": "choice", "only_named": true, "field": "letter"},
    ]));
    let set = RewardSet::build(&rewards).unwrap();
    let judged = |reward| set.score(group(json!({"answer": 5, "letter": "B"}), reward, &["5"])).verdicts.remove(0);
    let labels = |reward| judged(reward).score().map(|s| s.parts.keys().cloned().collect::<Vec<_>>().join(","));
    assert_eq!(labels(None).as_deref(), Some("brief,numeric"));
    assert_eq!(labels(Some("numeric + choice")).as_deref(), Some("choice,numeric"));
    assert_eq!(labels(Some("choice")).as_deref(), Some("choice"));
    assert_eq!(judged(Some("numeric+")).fault(), Some("unscorable"));
    let tasks: Vec<_> = [None, Some("brief+x"), Some("x"), Some("y + choice")].map(|r| group(json!(5), r, &[]).prompt.task.clone()).into();
    assert_eq!(set.check(tasks.iter().map(AsRef::as_ref)).unwrap_err().len(), 2, "x and y");
    let shy = RewardSet::build(&specs(json!([{"name": "numeric", "only_named": true}]))).unwrap();
    assert!(matches!(shy.check(tasks.iter().map(AsRef::as_ref)).unwrap_err()[0], RewardError::Unjudged { .. }));
    assert_eq!(shy.score(group(json!(5), None, &["5"])).verdicts[0].fault(), Some("unscorable"));
}

#[test]
fn a_gate_shuts_out_what_does_not_keep_the_form_and_its_score_is_logged() {
    let rewards = specs(json!([
        {"name": "numeric", "extract": "last"},
        {"name": "tags", "role": "gate", "closed": -1},
        {"name": "length", "role": "factor", "unit": "characters", "shape": "target", "target": 36, "scale": 72},
    ]));
    let set = RewardSet::build(&rewards).unwrap();
    let good = "<think>2+3</think><answer>5</answer>";
    let scored = set.score(group(json!(5), None, &[good, "5", &good.replace("5<", "6<"), &format!("{good}{}", " ".repeat(36))]));
    assert_eq!(totals(&scored), [Some(1.0), Some(-1.0), Some(0.0), Some(0.5)]);
    assert_eq!(scored.verdicts[1].score().map(|s| s.parts["tags"]), Some(0.0));
}

#[test]
fn a_shut_gate_does_not_hide_a_fault() {
    let set = RewardSet::build(&specs(json!([{"name": "tags", "role": "gate"}, {"name": "numeric"}]))).unwrap();
    assert_eq!(set.score(group(json!({"x": 1}), None, &["5"])).verdicts[0].fault(), Some("unscorable"));
}

#[test]
fn normalised_rewards_of_different_ranges_weigh_alike() {
    let rewards = specs(json!([
        {"name": "length", "unit": "characters", "scale": 0.001, "normalise": "group"},
        {"name": "numeric", "normalise": "group"},
    ]));
    let scored = RewardSet::build(&rewards).unwrap().score(group(json!(5), None, &["5", "6", "  5", "  6"]));
    let totals: Vec<f64> = totals(&scored).into_iter().map(Option::unwrap).collect();
    assert!((totals[1] - totals[2]).abs() < 1e-3, "short and wrong weighs as long and right: {totals:?}");
    assert!(totals[0] > 1.7 && totals[3] < -1.7, "{totals:?}");
    assert_eq!(scored.verdicts[0].score().map(|s| s.parts["length"]), Some(-1000.0), "parts are logged as they are");
}

#[test]
fn keys_of_a_share_that_do_not_fit_are_named_with_the_others() {
    let rewards = specs(json!([
        {"name": "numeric", "at_least": 1, "right": "x"},
        {"name": "length", "closed": 1},
        {"name": "tags", "role": "gate", "normalise": "group"},
    ]));
    let shown: Vec<_> = RewardSet::build(&rewards).unwrap_err().iter().map(ToString::to_string).collect();
    for wanted in ["`right`", "`closed` = 1", "`normalise` = \"group\""] {
        assert!(shown.iter().any(|s| s.contains(wanted)), "{shown:#?}");
    }
}
