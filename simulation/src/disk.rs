//! The run's files on the model of a disk.

use std::path::Path;

use collimate_controller::ControllerState;
use collimate_store::model::{MemFs, create, latest, resume, save};
use collimate_store::{Blob, CheckpointMeta, StoreError};
use serde::{Deserialize, Serialize};

use crate::dice::Dice;

const RUN: &str = "/run";
const METRICS: &str = "/run/metrics.jsonl";
const WEIGHTS: &str = "model.safetensors";

/// What a checkpoint holds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Saved {
    pub(crate) controller: ControllerState,
    /// Where the data stand.
    pub(crate) cursor: u64,
    /// The weights.
    pub(crate) digest: u64,
}

/// A disk with one run on it.
#[derive(Debug)]
pub(crate) struct Disk {
    pub(crate) fs: MemFs,
    keep: usize,
}

impl Disk {
    /// A disk with an empty run.
    pub(crate) fn new(keep: usize) -> Result<Self, String> {
        let fs = MemFs::new();
        create(&fs, Path::new(RUN)).map_err(|e| e.to_string())?;
        Ok(Self { fs, keep })
    }

    /// Saves a boundary.
    pub(crate) fn save(&self, saved: &Saved) -> Result<(), StoreError> {
        let weights = saved.digest.to_le_bytes();
        // Enough bytes for several writes, so that there is something to tear.
        let blobs = vec![Blob::new(WEIGHTS, move |out| (0..20).try_for_each(|_| out.write_all(&weights)))];
        let state = serde_json::to_value(saved).unwrap_or_default();
        let meta = CheckpointMeta { state, ..CheckpointMeta::default() };
        save(&self.fs, Path::new(RUN), self.keep, saved.controller.step, blobs, meta).map(drop)
    }

    /// What a run goes on from; its logs are cut back to it.
    pub(crate) fn resume(&self) -> Result<Option<Saved>, String> {
        let found = latest(&self.fs, Path::new(RUN)).map_err(|e| format!("the checkpoints are lost: {e}"))?;
        if let Some(half) = found.iter().flat_map(|c| &c.skipped).next() {
            return Err(format!("a half checkpoint has a step's name: {half}"));
        }
        resume(&self.fs, Path::new(RUN), found.as_ref()).map_err(|e| e.to_string())?;
        let Some(found) = found else { return Ok(None) };
        let saved: Saved = serde_json::from_value(found.manifest.meta.state.clone()).map_err(|e| e.to_string())?;
        if self.read(&format!("{}/{WEIGHTS}", found.dir.display())) != saved.digest.to_le_bytes().repeat(20) {
            return Err(format!("the weights of step {} are not its own", found.step()));
        }
        Ok(Some(saved))
    }

    /// Adds a line to the metrics.
    pub(crate) fn log(&self, line: &str) -> Result<(), String> {
        self.fs.append(Path::new(METRICS), line.as_bytes()).map_err(|e| e.to_string())
    }

    /// The metrics as they are.
    pub(crate) fn metrics(&self) -> Vec<u8> {
        self.read(METRICS)
    }

    /// The power goes: of what was not synced, any prefix or any pick stays, the last write perhaps in part.
    pub(crate) fn lose_power(&mut self, dice: &mut Dice) {
        let open = self.fs.uncovered() as u64;
        let torn = dice.once_in(2);
        self.fs = if dice.once_in(2) {
            let first = dice.between(0, open) as usize;
            self.fs.after_power_loss(|n| n < first, torn)
        } else {
            let picks: Vec<bool> = (0..open).map(|_| dice.once_in(2)).collect();
            self.fs.after_power_loss(|n| picks[n], torn)
        };
    }

    fn read(&self, path: &str) -> Vec<u8> {
        let mut bytes = Vec::new();
        let opened = collimate_store::SaveFs::open(&self.fs, Path::new(path));
        // A file that is not there reads as empty.
        let _ = opened.and_then(|mut file| file.read_to_end(&mut bytes));
        bytes
    }
}
