//! The save against lost power and a failing disk, at every one of its operations.

use std::path::Path;
use std::sync::Mutex;

use super::{Blob, SavedCheckpoint, Saver};
use crate::error::StoreError;
use crate::model::{Call, MemFs, Trouble, create, sweep};
use crate::testing::{blobs, meta, run_with_checkpoints, save};

const RUN: &str = "/run";

fn save_on(fs: &MemFs, step: u64) -> Result<SavedCheckpoint, StoreError> {
    Saver { fs, run: Path::new(RUN), keep: 1, synced: &Mutex::default() }.save(step, blobs(step), meta(step, false))
}

/// Row L3 of the fault matrix.
#[test]
fn power_lost_at_any_operation_leaves_the_old_checkpoint_or_the_new_one_and_never_a_mix() {
    let swept = sweep::power_loss().unwrap();
    assert!(swept.calls > 30 && swept.states > 1000 && swept.old > 100 && swept.new > 100, "{swept:?}");
}

/// Rows L4 and L5 of the fault matrix.
#[test]
fn a_disk_that_refuses_any_one_call_fails_the_save_cleanly_and_the_next_one_succeeds() {
    let swept = sweep::one_error().unwrap();
    assert!(swept.states == 4 * swept.calls && swept.old > 100 && swept.new > 10, "{swept:?}");
}

#[test]
fn a_disk_that_fails_for_good_at_any_operation_keeps_what_it_had() {
    let swept = sweep::death().unwrap();
    assert!(swept.states == 4 * swept.calls && swept.old > 100 && swept.new > 10, "{swept:?}");
}

#[test]
fn power_lost_at_any_call_of_a_resume_leaves_what_a_second_one_finishes() {
    let swept = sweep::resume_power_loss().unwrap();
    assert!(swept.calls > 10 && swept.states > 300, "{swept:?}");
}

#[test]
fn a_full_disk_is_said_with_path_needed_and_free_bytes() {
    let mut fs = MemFs::new();
    create(&fs, Path::new(RUN)).unwrap();
    let total = save_on(&fs, 1).unwrap().bytes;
    fs.take_calls();
    fs.free = 700;
    let text = save_on(&fs, 2).unwrap_err().to_string();
    assert!(text.contains(&format!("`/run`: at least {} bytes are needed and 700 are free", total + total / 5)), "{text}");
    assert!(fs.take_calls().iter().all(|call| *call == Call::Read), "something was written");

    fs.free = 2000;
    fs.set_trouble(Some(Trouble { at: 25, errno: 28, lasting: false }));
    let text = save_on(&fs, 2).unwrap_err().to_string();
    assert!(text.contains("step-2.tmp-") && text.contains("bytes are needed and 2000 are free"), "{text}");
}

/// Whoever writes weights has errors of its own around the system's.
#[test]
fn a_full_disk_is_known_under_the_errors_of_whoever_writes() {
    #[derive(Debug, thiserror::Error)]
    #[error("cannot write tensor `x`")]
    struct Wrapped(#[source] std::io::Error);
    let (_root, run) = run_with_checkpoints(&[1]);
    let full = || std::io::Error::other(Wrapped(std::io::Error::from_raw_os_error(28)));
    let text = run.save(2, vec![Blob::new("model.safetensors", move |_| Err(full()))], meta(2, false)).unwrap_err().to_string();
    assert!(text.contains("bytes are needed and"), "{text}");
}

#[test]
fn a_blob_that_fails_fails_the_save_and_names_the_file() {
    let (_root, run) = run_with_checkpoints(&[1]);
    let bad = Blob::new("trainer/bad", |out| out.write_all(b"half").and_then(|()| Err(std::io::Error::other("not finite"))));
    let text = run.save(2, vec![bad], meta(2, false)).unwrap_err().to_string();
    assert!(text.contains("trainer/bad`: not finite"), "{text}");
    assert_eq!(run.latest().unwrap().unwrap().step(), 1);
    save(&run, 2).unwrap();
}

#[test]
fn a_step_saved_twice_is_the_same_or_refused_and_a_damaged_one_is_replaced() {
    let (_root, run) = run_with_checkpoints(&[1]);
    let again = save(&run, 1).unwrap();
    assert!(again.existed && again.dir.is_dir());
    let other = run.save(1, blobs(2), meta(2, false)).unwrap_err().to_string();
    assert!(other.contains("differs in its files and its score and its state"), "{other}");
    std::fs::write(again.dir.join("config.json"), "damaged").unwrap();
    let saved = save(&run, 1).unwrap();
    assert!(!saved.existed && saved.warnings[0].contains("step-1.set-aside"), "{:?}", saved.warnings);
    assert_eq!(run.latest().unwrap().unwrap().step(), 1);
}

#[test]
fn a_score_that_is_not_finite_is_saved_as_none() {
    let (_root, run) = run_with_checkpoints(&[]);
    run.save(1, blobs(1), crate::CheckpointMeta { score: Some(f64::NAN), ..meta(1, false) }).unwrap();
    assert_eq!(run.latest().unwrap().unwrap().manifest.meta.score, None);
}
