//! What a plugin takes and leaves behind: rows R4, R6, R7; and a plugin that cannot be helped.

use std::collections::BTreeMap;
use std::process::{Command, Stdio};
use std::time::Duration;

use collimate_types::Reward;
use serde_json::json;

use crate::support::{detail, gone, group, groups, judged, set, start, within};

/// Kilobytes of this process that are resident.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|l| l.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

#[test]
fn r4_a_leak_costs_its_own_copy_and_nothing_else() {
    let dir = tempfile::tempdir().unwrap();
    let more = json!({"memory_mb": 256, "max_deaths": 100});
    let before = resident();
    let set = set(dir.path(), more.clone());
    let counts = judged(&set, groups(20, "leak", 2), "leak", Ok(0.04));
    assert_eq!(counts, BTreeMap::from([("score", 160)]), "80 leaks of 10 MB each, under a limit of 256 MB");
    let grown = resident().saturating_sub(before);
    assert!(grown < 64 << 10, "this process grew by {grown} KB");
    let reward = start(dir.path(), more);
    reward.score_group(&group("t", &["leak"; 60])).unwrap();
    assert!(reward.counts().died >= 2, "600 MB were leaked: {:?}", reward.counts());
    let fresh = start(dir.path(), json!({"memory_mb": 256, "recycle": 10, "workers": 1, "batch": 5}));
    fresh.score_group(&group("t", &["leak"; 60])).unwrap();
    assert_eq!((fresh.counts().died, fresh.counts().judged), (0, 60), "a copy that is replaced in time does not die");
}

fn orphans(dir: &std::path::Path) -> Vec<u32> {
    let text = std::fs::read_to_string(dir.join("orphans")).unwrap_or_default();
    text.lines().filter_map(|l| l.parse().ok()).collect()
}

#[test]
fn r6_what_a_plugin_starts_ends_with_it() {
    let dir = tempfile::tempdir().unwrap();
    let set = set(dir.path(), json!({}));
    let counts = judged(&set, groups(4, "orphan", 8), "orphan", Ok(0.06));
    assert_eq!(counts, BTreeMap::from([("score", 32)]));
    let left = orphans(dir.path());
    assert_eq!(left.len(), 4);
    assert!(left.iter().all(|pid| !gone(*pid)), "they live while the plugin does");
    drop(set);
    within(2.0, "the end of the orphans", || left.iter().all(|pid| gone(*pid)));
}

#[test]
fn r6_a_copy_that_is_killed_takes_what_it_started_along() {
    let dir = tempfile::tempdir().unwrap();
    let reward = start(dir.path(), json!({"workers": 1, "deadline_s": 0.5}));
    reward.score_group(&group("t", &["orphan", "hang"])).unwrap();
    let left = orphans(dir.path());
    within(2.0, "the end of the orphans", || left.iter().all(|pid| gone(*pid)));
    assert!(!left.is_empty());
}

/// Not a test by itself: the next one starts it in a process of its own and kills that.
#[test]
#[ignore = "the test below starts it"]
fn a_trainer_that_will_be_killed() {
    let Some(dir) = std::env::var_os("COLLIMATE_TEST_DIR") else { return };
    let dir = std::path::PathBuf::from(dir);
    // The kernel kills the script alone; the plugin sees it and takes care of the rest.
    let mut script = ["sh", "-c", "\"$@\"; true", "sh"].map(str::to_owned).to_vec();
    script.extend(crate::faulty::command(false));
    let reward = start(&dir, json!({"deadline_s": 100, "workers": 1, "plugin": script}));
    std::fs::write(dir.join("copies"), format!("{:?}", reward.processes())).unwrap();
    let _ = reward.score_group(&group("t", &["orphan", "spin"]));
}

#[test]
fn r6_nothing_outlives_a_trainer_that_is_killed() {
    let dir = tempfile::tempdir().unwrap();
    let words = ["plugin_hard::a_trainer_that_will_be_killed", "--exact", "--ignored"];
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(words).env("COLLIMATE_TEST_DIR", dir.path()).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let mut trainer = command.spawn().unwrap();
    within(20.0, "the orphan", || !orphans(dir.path()).is_empty());
    let copies: Vec<u32> = serde_json::from_str(&std::fs::read_to_string(dir.path().join("copies")).unwrap()).unwrap();
    trainer.kill().unwrap();
    trainer.wait().unwrap();
    let all: Vec<u32> = copies.into_iter().chain(orphans(dir.path())).collect();
    assert_eq!(all.len(), 2, "the script and the orphan");
    within(3.0, "the end of everything", || all.iter().all(|pid| gone(*pid)));
}

#[test]
fn r7_a_gigabyte_on_standard_output_changes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let log = dir.path().join("plugin.log");
    let set = set(dir.path(), json!({"deadline_s": 60, "log": log, "log_kb": 64}));
    let counts = judged(&set, groups(2, "noise", 16), "noise", Ok(0.05));
    assert_eq!(counts, BTreeMap::from([("score", 16)]));
    let size = std::fs::metadata(&log).unwrap().len();
    assert!((64 << 10..66 << 10).contains(&size), "{size} bytes of log");
}

#[test]
fn a_line_or_a_frame_without_end_is_cut_off() {
    let endless = r#"exec 3>&0; echo '{"collimate_reward":1,"name":"x"}' >&3; read init; echo '{"ready":true}' >&3; while read line; do yes xxxxxxx | tr -d '\n' >&3; done"#;
    let long = r#"printf 'CRP1\377\377\377\377\001' >&0; sleep 5"#;
    let spec = |script: &str| {
        serde_json::from_value(json!({"plugin": ["sh", "-c", script], "deadline_s": 30, "workers": 1, "name": "x"})).unwrap()
    };
    let set = collimate_rewards::RewardSet::build(&[spec(endless)]).unwrap_or_else(|e| panic!("{e:?}"));
    let scored = set.score(group("t", &["a"]));
    assert_eq!(scored.verdicts[0].fault(), Some("transport"), "{scored:?}");
    assert!(detail(&scored).contains("bytes in one piece came"), "{}", detail(&scored));
    let told = collimate_rewards::RewardSet::build(&[spec(long)]).unwrap_err()[0].to_string();
    assert!(told.contains("4294967295 bytes in one piece"), "{told}");
}

#[test]
fn a_plugin_that_always_dies_is_given_up_and_nothing_is_scored() {
    let dir = tempfile::tempdir().unwrap();
    let set = set(dir.path(), json!({"max_deaths": 6}));
    let all = vec![group("t", &["abort"; 8]); 20];
    let begun = std::time::Instant::now();
    let scored = collimate_rewards::score_all(&set, all, 8);
    assert!(scored.iter().flat_map(|g| &g.verdicts).all(|v| v.fault() == Some("death")));
    assert_eq!(scored.iter().map(|g| g.verdicts.len()).sum::<usize>(), 160);
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
    let told = detail(&set.score(group("t", &["fine"])));
    assert!(told.contains("given up after 6 deaths in a row") && told.contains("signal 6"), "{told}");
}

#[test]
fn a_copy_that_is_killed_from_outside_is_replaced_and_nobody_is_blamed() {
    let dir = tempfile::tempdir().unwrap();
    let reward = start(dir.path(), json!({}));
    for round in 0..10 {
        for pid in reward.processes() {
            let _ = rustix::process::kill_process(rustix::process::Pid::from_raw(pid as i32).unwrap(), rustix::process::Signal::KILL);
        }
        let verdicts = reward.score_group(&group("t", &["a"; 40])).unwrap();
        assert!(verdicts.iter().all(|v| v.score().is_some()), "round {round}: {verdicts:?}");
    }
}
