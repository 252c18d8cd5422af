//! The save against lost power and a failing disk, at every one of its operations.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Mutex;

use collimate_types::Seed;

use super::{Blob, SavedCheckpoint, Saver, checkpoints_dir, is_leftover, latest_with, list_names};
use crate::error::StoreError;
use crate::fs::{SaveFs, read};
use crate::testing::{MemFs, Trouble, blobs, meta, run_with_checkpoints, save};

const RUN: &str = "/run";

/// A disk with a run on it that has saved step 1 and has added to its metrics since.
fn world() -> MemFs {
    let fs = MemFs::new();
    fs.create_dir(Path::new(RUN)).unwrap();
    fs.create_dir(&checkpoints_dir(Path::new(RUN))).unwrap();
    fs.sync_dir(Path::new("/")).unwrap();
    fs.sync_dir(Path::new(RUN)).unwrap();
    fs.append("/run/metrics.jsonl", b"{\"step\":1}\n");
    save_on(&fs, 1).unwrap();
    fs.append("/run/metrics.jsonl", b"{\"step\":2}\n");
    fs.append("/run/events.out.tfevents.1", b"event");
    fs.take_calls();
    fs
}

/// Keeps one checkpoint only, so that the old one is pruned as early as it ever can be.
fn save_on(fs: &MemFs, step: u64) -> Result<SavedCheckpoint, StoreError> {
    Saver { fs, run: Path::new(RUN), keep: 1, synced: &Mutex::default() }.save(step, blobs(step), meta(step, false))
}

/// The contents of a small checkpoint, by path.
fn contents(step: u64) -> BTreeMap<String, Vec<u8>> {
    let written = blobs(step).into_iter().map(|mut blob| {
        let mut bytes = Vec::new();
        (blob.write)(&mut bytes).unwrap();
        (blob.path, bytes)
    });
    written.collect()
}

/// The step that a run on this disk would resume from, after a look at all it would read.
fn resumes_from(fs: &MemFs, told: &str) -> u64 {
    let found =
        latest_with(fs, Path::new(RUN)).unwrap_or_else(|e| panic!("{told}: {e}")).unwrap_or_else(|| panic!("{told}: nothing is left"));
    assert_eq!(found.skipped, [], "{told}: a half checkpoint has a step's name");
    let bytes: BTreeMap<_, _> = found.manifest.files.keys().map(|p| (p.clone(), read(fs, &found.dir.join(p)).unwrap())).collect();
    assert_eq!(bytes, contents(found.step()), "{told}: a mix");
    assert_eq!(found.manifest.meta, meta(found.step(), false), "{told}");
    for (name, length) in &found.manifest.logs {
        let have = read(fs, &Path::new(RUN).join(name)).map_or(0, |b| b.len() as u64);
        assert!(have >= *length, "{told}: `{name}` has {have} bytes of the {length} in the manifest");
    }
    found.step()
}

/// Row L3 of the fault matrix.
#[test]
fn power_lost_at_any_operation_leaves_the_old_checkpoint_or_the_new_one_and_never_a_mix() {
    let calm = world();
    save_on(&calm, 2).unwrap();
    let calls = calm.take_calls();
    assert!(calls > 30, "{calls} operations");
    let (mut states, mut seen) = (0, [false; 2]);
    for cut in 0..=calls {
        let fs = world();
        fs.set_trouble(Some(Trouble { at: cut, errno: 5, lasting: true }));
        let done = save_on(&fs, 2).is_ok();
        let mut check = |after: MemFs, told: String| {
            let step = resumes_from(&after, &told);
            assert!(!done || step == 2, "{told}: the save had returned, and its checkpoint is gone");
            seen[step as usize - 1] = true;
            states += 1;
        };
        let open = fs.uncovered();
        for first in 0..=open {
            for torn in [false, true] {
                check(fs.after_power_loss(|n| n < first, torn), format!("power off at {cut}, {first} of {open} late changes, torn {torn}"));
            }
        }
        for draw in 0..20 {
            let seed = Seed(3).fork("cut", cut as u64).fork("draw", draw);
            check(fs.after_power_loss(|n| seed.uniform(n as u64) < 0.5, draw % 2 == 0), format!("power off at {cut}, {seed:?}"));
        }
    }
    assert_eq!(seen, [true, true]);
    assert!(states > 1000, "{states} states");
}

/// Rows L4 and L5 of the fault matrix.
#[test]
fn a_disk_that_refuses_any_one_operation_fails_the_save_cleanly_and_the_next_one_succeeds() {
    let calm = world();
    save_on(&calm, 2).unwrap();
    let calls = calm.take_calls();
    for at in 0..calls {
        for errno in [5, 28] {
            let fs = world();
            fs.set_trouble(Some(Trouble { at, errno, lasting: false }));
            let told = format!("error {errno} at operation {at}");
            match save_on(&fs, 2) {
                Ok(saved) => assert!(saved.warnings.len() == 1 && resumes_from(&fs, &told) == 2, "{told}: only pruning may fail quietly"),
                Err(error) => {
                    assert_eq!(resumes_from(&fs, &told), 1, "{told}: a failed save was taken for good");
                    let named = matches!(&error, StoreError::NoSpace { .. } if errno == 28) || error.to_string().contains("os error 5");
                    assert!(named, "{told}: {error}");
                    let left = list_names(&fs, Path::new(RUN)).unwrap();
                    assert!(!left.iter().any(|n| is_leftover(n)), "{told}: {left:?}");
                }
            }
            fs.set_trouble(None);
            save_on(&fs, 2).unwrap_or_else(|e| panic!("{told}: the disk is well again, and {e}"));
            assert_eq!(resumes_from(&fs, &told), 2);
        }
    }
}

#[test]
fn a_disk_that_fails_for_good_at_any_operation_keeps_what_it_had() {
    let calm = world();
    save_on(&calm, 2).unwrap();
    for at in 0..calm.take_calls() {
        let fs = world();
        fs.set_trouble(Some(Trouble { at, errno: 28, lasting: true }));
        let _ = save_on(&fs, 2);
        resumes_from(&fs, &format!("disk full from operation {at} on"));
    }
}

#[test]
fn a_full_disk_is_said_with_path_needed_and_free_bytes() {
    let mut fs = world();
    fs.free = 700;
    let total: usize = contents(1).values().map(Vec::len).sum();
    let text = save_on(&fs, 2).unwrap_err().to_string();
    assert!(text.contains(&format!("`/run`: at least {} bytes are needed and 700 are free", total + total / 5)), "{text}");
    assert_eq!(fs.take_calls(), 0, "nothing was written");

    fs.free = 2000;
    fs.set_trouble(Some(Trouble { at: 10, errno: 28, lasting: true }));
    let text = save_on(&fs, 2).unwrap_err().to_string();
    assert!(text.contains("step-2.tmp-") && text.contains("bytes are needed and 2000 are free"), "{text}");
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
