//! A process that is killed at any moment goes on at the very row: none twice, none skipped.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use collimate_datasets::{Cursor, Mixture, Order, TaskSet};
use collimate_types::{Seed, Task};

const ROOM: &str = "COLLIMATE_TEST_KILLED_ROOM";
const ROWS: usize = 10_000;

fn order() -> Order {
    let task = |name: String| {
        Arc::new(Task { id: name.clone(), text: Some(name), messages: vec![], truth: serde_json::Value::Null, reward: None })
    };
    let tasks = (0..900).map(|i| task(format!("a{i}"))).chain((0..70).map(|i| task(format!("b{i}")))).collect();
    let mixture = Mixture::new(10, &[(0.7, 900), (0.3, 70)]).unwrap();
    Order::new(&TaskSet::mixed(tasks, Some(mixture)), Seed(11), true)
}

/// What a run does with its data: rows to a log, then the cursor, whole or not at all; on a restart the log is cut back to the cursor.
fn work(room: &Path) {
    let (log_path, saved) = (room.join("log"), room.join("cursor"));
    let (mut cursor, bytes): (Cursor, u64) = fs::read(&saved).map_or_else(|_| Default::default(), |b| serde_json::from_slice(&b).unwrap());
    let mut log = fs::read_to_string(&log_path).unwrap_or_default();
    log.truncate(bytes as usize);
    let order = order();
    let mut step = cursor.position;
    while (cursor.position as usize) < ROWS {
        step += 1;
        let n = (1 + step as usize % 13).min(ROWS - cursor.position as usize);
        for task in order.next(&mut cursor, n) {
            log.push_str(&task.id);
            log.push('\n');
            // Written row by row, so that a kill can fall between two rows of a batch.
            append(&log_path, &log, task.id.len() + 1);
        }
        fs::write(room.join("cursor.new"), serde_json::to_vec(&(cursor, log.len())).unwrap()).unwrap();
        fs::rename(room.join("cursor.new"), &saved).unwrap();
    }
}

fn append(path: &Path, log: &str, new: usize) {
    use std::io::{Seek, SeekFrom, Write};
    let mut file = fs::OpenOptions::new().create(true).write(true).truncate(false).open(path).unwrap();
    file.seek(SeekFrom::Start((log.len() - new) as u64)).unwrap();
    file.write_all(&log.as_bytes()[log.len() - new..]).unwrap();
}

#[test]
fn the_child_of_the_test_below() {
    if let Some(room) = std::env::var_os(ROOM) {
        work(Path::new(&room));
    }
}

#[test]
fn a_mixture_killed_at_fifty_random_points_is_the_undisturbed_one() {
    let room = tempfile::tempdir().unwrap();
    let child = || {
        Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "killed::the_child_of_the_test_below"])
            .env(ROOM, room.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .unwrap()
    };
    let (mut kills, mut moved, mut before) = (0, 0, 0);
    let mut round = 0;
    while kills < 50 {
        round += 1;
        let mut running = child();
        std::thread::sleep(Duration::from_micros(2_000 + (Seed(5).uniform(round) * 8_000.0) as u64));
        if running.try_wait().unwrap().is_some() {
            // It came to its end before it could be killed: from the start again.
            let _ = fs::remove_file(room.path().join("cursor"));
            before = 0;
            continue;
        }
        running.kill().unwrap();
        running.wait().unwrap();
        kills += 1;
        let bytes = fs::metadata(room.path().join("log")).map_or(0, |m| m.len());
        moved += u64::from(bytes > before);
        before = bytes;
    }
    assert!(child().wait().unwrap().success());
    let undisturbed: String = order().next(&mut Cursor::default(), ROWS).iter().map(|t| format!("{}\n", t.id)).collect();
    let mut log = fs::read_to_string(room.path().join("log")).unwrap();
    log.truncate(undisturbed.len());
    assert!(log == undisturbed, "the rows of the killed process are others");
    assert!(moved >= 10, "only {moved} of {kills} kills fell while rows were written");
    for (block, rows) in log.lines().collect::<Vec<_>>().chunks(10).enumerate() {
        assert_eq!(rows.iter().filter(|id| id.starts_with('a')).count(), 7, "block {block}");
    }
}
