//! Every place where a save or a resume can be hit, tried one by one on the model of a disk.
//!
//! Each sweep returns what it tried, or the first place where a promise broke, told so that it can be found again.

use std::collections::BTreeMap;
use std::path::Path;

use collimate_types::Seed;

use super::{Call, MemFs, Trouble, create, latest, resume, save};
use crate::checkpoint::{is_leftover, list_names};
use crate::fs::{SaveFs as _, read};
use crate::{Blob, Checkpoint, CheckpointMeta, StoreError};

/// The errors that a disk gives: EIO, ENOSPC, EROFS, EDQUOT.
pub const ERRORS: [i32; 4] = [5, 28, 30, 122];

const RUN: &str = "/run";
const LOG: &str = "metrics.jsonl";

/// What a sweep tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Swept {
    /// Calls of the save or resume that was hit.
    pub calls: usize,
    /// States of the disk that were looked at.
    pub states: usize,
    /// Of these, how many had the old checkpoint.
    pub old: usize,
    /// And the new one.
    pub new: usize,
}

type Broken = String;

/// The files of a small checkpoint. The weights take several writes.
fn contents(step: u64) -> BTreeMap<String, Vec<u8>> {
    let weights = (0..50).flat_map(|i| (step * 1000 + i).to_le_bytes()).collect();
    BTreeMap::from([
        ("config.json".to_owned(), format!("{{\"step\":{step}}}").into_bytes()),
        ("model.safetensors".to_owned(), weights),
        ("trainer/optimizer.safetensors".to_owned(), vec![step as u8; 300]),
        ("trainer/state/rng".to_owned(), step.to_be_bytes().to_vec()),
    ])
}

fn meta(step: u64) -> CheckpointMeta {
    CheckpointMeta {
        config_hash: "c".to_owned(),
        score: Some(step as f64),
        state: serde_json::json!({ "step": step }),
        ..Default::default()
    }
}

/// Keeps one checkpoint alone, so that the old one is pruned as early as it ever can be.
fn save_on(fs: &MemFs, step: u64) -> Result<crate::SavedCheckpoint, StoreError> {
    let blobs = contents(step).into_iter().map(|(path, bytes)| Blob::bytes(path, bytes)).collect();
    save(fs, Path::new(RUN), 1, step, blobs, meta(step))
}

fn line(step: u64) -> Vec<u8> {
    format!("{{\"step\":{step}}}\n").into_bytes()
}

/// A disk with a run on it that has saved step 1 and has added to its metrics since.
fn world() -> Result<MemFs, Broken> {
    let (fs, run) = (MemFs::new(), Path::new(RUN));
    let made = create(&fs, run).and_then(|()| {
        let log = crate::error::failed("append to", LOG);
        fs.append(&run.join(LOG), &line(1)).map_err(log)?;
        save_on(&fs, 1)?;
        fs.append(&run.join(LOG), &line(2)).map_err(crate::error::failed("append to", LOG))?;
        fs.append(&run.join("events.out.tfevents.1"), b"event").map_err(crate::error::failed("append to", LOG))
    });
    made.map_err(|e| format!("the disk is well, and {e}"))?;
    fs.take_calls();
    Ok(fs)
}

/// The checkpoint that a run on this disk would go on from, after a look at all it would read.
fn found(fs: &MemFs, told: &str) -> Result<Checkpoint, Broken> {
    let broken = |what: String| format!("{told}: {what}");
    let found = latest(fs, Path::new(RUN)).map_err(|e| broken(e.to_string()))?.ok_or_else(|| broken("nothing is left".to_owned()))?;
    if let Some(half) = found.skipped.first() {
        return Err(broken(format!("a half checkpoint has a step's name: {half}")));
    }
    for (path, bytes) in contents(found.step()) {
        if read(fs, &found.dir.join(&path)).ok() != Some(bytes) {
            return Err(broken(format!("`{path}` is not that of step {}", found.step())));
        }
    }
    if found.manifest.meta != meta(found.step()) || found.manifest.files.len() != contents(found.step()).len() {
        return Err(broken("the manifest is of something else".to_owned()));
    }
    for (name, length) in &found.manifest.logs {
        let have = read(fs, &Path::new(RUN).join(name)).map_or(0, |b| b.len() as u64);
        if have < *length {
            return Err(broken(format!("`{name}` has {have} bytes of the {length} in the manifest")));
        }
    }
    Ok(found)
}

/// The states that a power loss can leave: every prefix of what no sync has covered, whole and torn, and some picks at random.
fn losses(fs: &MemFs, place: usize) -> impl Iterator<Item = (MemFs, String)> + '_ {
    let open = fs.uncovered();
    let prefixes = (0..=open).flat_map(|first| [(first, false), (first, true)]);
    let prefixes = prefixes.map(move |(first, torn)| {
        (fs.after_power_loss(|n| n < first, torn), format!("power off at call {place}, {first} of {open} late changes, torn {torn}"))
    });
    let picks = (0..20).map(move |draw| {
        let seed = Seed(3).fork("cut", place as u64).fork("draw", draw);
        let fs = fs.after_power_loss(|n| seed.uniform(n as u64) < 0.5, draw % 2 == 0);
        (fs, format!("power off at call {place}, {seed:?}"))
    });
    prefixes.chain(picks)
}

/// Row L3: the power is lost at every call of a save. The old checkpoint or the new one, never a mix; the new one if the save had returned.
///
/// # Errors
/// The first place where that does not hold.
pub fn power_loss() -> Result<Swept, Broken> {
    let calm = world()?;
    save_on(&calm, 2).map_err(|e| e.to_string())?;
    let mut swept = Swept { calls: calm.take_calls().len(), ..Swept::default() };
    for cut in 0..=swept.calls {
        let fs = world()?;
        fs.set_trouble(Some(Trouble { at: cut, errno: 5, lasting: true }));
        let done = save_on(&fs, 2).is_ok();
        for (after, told) in losses(&fs, cut) {
            let step = found(&after, &told)?.step();
            if done && step != 2 {
                return Err(format!("{told}: the save had returned, and its checkpoint is gone"));
            }
            swept.states += 1;
            *(if step == 1 { &mut swept.old } else { &mut swept.new }) += 1;
        }
    }
    Ok(swept)
}

/// Rows L4 and L5: every call of a save is refused once, by every error. What changes or syncs then fails the save cleanly, or only its
/// pruning, with a warning; and the next save succeeds.
///
/// # Errors
/// The first place where that does not hold.
pub fn one_error() -> Result<Swept, Broken> {
    let calm = world()?;
    save_on(&calm, 2).map_err(|e| e.to_string())?;
    let calls = calm.take_calls();
    let mut swept = Swept { calls: calls.len(), ..Swept::default() };
    for (at, call) in calls.iter().enumerate() {
        for errno in ERRORS {
            let fs = world()?;
            fs.set_trouble(Some(Trouble { at, errno, lasting: false }));
            let told = format!("error {errno} at call {at} ({call:?})");
            let outcome = save_on(&fs, 2);
            fs.set_trouble(None);
            let step = found(&fs, &told)?.step();
            *(if step == 1 { &mut swept.old } else { &mut swept.new }) += 1;
            swept.states += 1;
            match outcome {
                // What a save cannot read of an old checkpoint only keeps it from pruning that one.
                Ok(saved) if step == 2 && (*call == Call::Read || saved.warnings.len() == 1) => {}
                Ok(saved) => return Err(format!("{told}: the save went well, {:?}, and step {step} is there", saved.warnings)),
                Err(error) => clean(&fs, step, errno, &error).map_err(|what| format!("{told}: {what}"))?,
            }
            save_on(&fs, 2).map_err(|e| format!("{told}: the disk is well again, and {e}"))?;
            if found(&fs, &told)?.step() != 2 {
                return Err(format!("{told}: the next save left nothing"));
            }
        }
    }
    Ok(swept)
}

/// Whether a failed save left everything as before and named its error.
fn clean(fs: &MemFs, step: u64, errno: i32, error: &StoreError) -> Result<(), Broken> {
    if step != 1 {
        return Err("a failed save was taken for good".to_owned());
    }
    let named = matches!(error, StoreError::NoSpace { .. } if errno == 28 || errno == 122)
        || error.to_string().contains(&format!("os error {errno}"));
    if !named {
        return Err(format!("the error is not named: {error}"));
    }
    let left = list_names(fs, Path::new(RUN)).map_err(|e| e.to_string())?;
    match left.iter().find(|n| is_leftover(n)) {
        Some(name) => Err(format!("`{name}` is left")),
        None => Ok(()),
    }
}

/// Row L1 on the model: the process dies at every call of a save; every later call never happens, and what was written stays.
///
/// # Errors
/// The first place where the old checkpoint or the new one is not there.
pub fn death() -> Result<Swept, Broken> {
    let calm = world()?;
    save_on(&calm, 2).map_err(|e| e.to_string())?;
    let mut swept = Swept { calls: calm.take_calls().len(), ..Swept::default() };
    for at in 0..swept.calls {
        for errno in ERRORS {
            let fs = world()?;
            fs.set_trouble(Some(Trouble { at, errno, lasting: true }));
            let _ = save_on(&fs, 2);
            fs.set_trouble(None);
            let step = found(&fs, &format!("everything refused with {errno} from call {at} on"))?.step();
            swept.states += 1;
            *(if step == 1 { &mut swept.old } else { &mut swept.new }) += 1;
        }
    }
    Ok(swept)
}

/// The power is lost at every call of a resume, and a second resume does the rest: the same checkpoint, and logs of the same content.
///
/// # Errors
/// The first place where that does not hold.
pub fn resume_power_loss() -> Result<Swept, Broken> {
    let fresh = || -> Result<MemFs, Broken> {
        let fs = world()?;
        // A later start left a half save, a later log, and lines that no checkpoint knows.
        fs.create_dir(Path::new("/run/checkpoints/step-2.tmp-7"))
            .and_then(|()| fs.append(Path::new("/run/checkpoints/step-2.tmp-7/x"), b"x"))
            .map_err(|e| e.to_string())?;
        fs.take_calls();
        Ok(fs)
    };
    let run = Path::new(RUN);
    let go = |fs: &MemFs| -> Result<(), StoreError> {
        let from = latest(fs, run)?;
        resume(fs, run, from.as_ref()).map(drop)
    };
    let calm = fresh()?;
    go(&calm).map_err(|e| e.to_string())?;
    let mut swept = Swept { calls: calm.take_calls().len(), ..Swept::default() };
    for cut in 0..=swept.calls {
        let fs = fresh()?;
        fs.set_trouble(Some(Trouble { at: cut, errno: 5, lasting: true }));
        let _ = go(&fs);
        for (after, told) in losses(&fs, cut) {
            go(&after).map_err(|e| format!("{told}: {e}"))?;
            let step = found(&after, &told)?.step();
            let log = read(&after, &run.join(LOG)).unwrap_or_default();
            let others = read(&after, &run.join("events.out.tfevents.1")).is_ok();
            let left = list_names(&after, run).map_err(|e| e.to_string())?;
            if step != 1 || log != line(1) || others || left != ["step-1"] {
                return Err(format!("{told}: step {step}, log {:?}, events {others}, {left:?}", String::from_utf8_lossy(&log)));
            }
            swept.states += 1;
            swept.old += 1;
        }
    }
    Ok(swept)
}
