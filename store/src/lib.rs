//! The run directory: atomic checkpoints, manifest, lock, metrics and event files.
