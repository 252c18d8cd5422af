//! The seeds of the fuzz targets (fuzz/), each as it is and with small changes: refused or read, but without a panic and in time.

use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use crate::support::{Bench, checkout, run};

#[path = "../../../fuzz/src/lib.rs"]
#[allow(unreachable_pub, reason = "it is a library of its own for cargo-fuzz")]
mod targets;

/// Changes of each seed.
const CHANGES: u64 = 60;
/// No input may take longer.
const PATIENCE: Duration = Duration::from_secs(5);

fn seeds(target: &str) -> Vec<(PathBuf, Vec<u8>)> {
    let dir = checkout().join("fuzz/corpus").join(target);
    let mut files: Vec<PathBuf> =
        fs::read_dir(&dir).unwrap_or_else(|e| panic!("{}: {e}", dir.display())).flatten().map(|e| e.path()).collect();
    files.sort();
    assert!(files.len() >= 2, "{target} has no seeds");
    files.into_iter().map(|f| (f.clone(), fs::read(&f).unwrap())).collect()
}

/// Byte flips, cuts, repetitions and numbers at their limits, by chance that repeats itself.
fn changed(seed: &[u8], n: u64) -> Vec<u8> {
    let mut state = n.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ seed.len() as u64;
    let mut next = |below: usize| {
        state = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9).wrapping_add(1);
        (state >> 16) as usize % below.max(1)
    };
    let mut bytes = seed.to_vec();
    for _ in 0..=next(3) {
        let at = next(bytes.len());
        match next(5) {
            0 => bytes.truncate(at),
            1 if !bytes.is_empty() => bytes[at] ^= 1 << next(8),
            2 => bytes.extend_from_slice(&seed[..at.min(seed.len())]),
            3 if bytes.len() >= 8 => {
                let at = at.min(bytes.len() - 8);
                bytes[at..at + 8].copy_from_slice(&[u64::MAX, 1 << 63, 0, u64::from(u32::MAX)][next(4)].to_le_bytes());
            }
            _ if !bytes.is_empty() => bytes[at] = [0, 0xff, b'"', b'{', b'[', b'%'][next(6)],
            _ => {}
        }
    }
    bytes
}

/// What a fuzz target does with bytes.
type Target = fn(&[u8]);

#[test]
fn no_seed_of_the_fuzz_targets_and_no_small_change_of_one_breaks_a_reader() {
    let all: [(&str, Target); 7] = [
        ("safetensors", targets::safetensors),
        ("gguf", targets::gguf),
        ("jsonl", targets::jsonl),
        ("recipe", targets::recipe),
        ("control_frame", targets::control_frame),
        ("plugin_frame", targets::plugin_frame),
        ("chat_template", targets::chat_template),
    ];
    let mut count = 0;
    for (name, target) in all {
        for (file, seed) in seeds(name) {
            for n in 0..=CHANGES {
                let bytes = if n == 0 { seed.clone() } else { changed(&seed, n) };
                let start = Instant::now();
                let outcome = std::panic::catch_unwind(|| target(&bytes));
                assert!(outcome.is_ok() && start.elapsed() < PATIENCE, "{} with change {n}: {:?}", file.display(), start.elapsed());
                count += 1;
            }
        }
    }
    assert!(count > 1000, "{count} inputs");
}

#[test]
fn the_recipes_of_the_corpus_are_read_or_refused_by_the_binary() {
    let bench = Bench::new();
    for (file, seed) in seeds("recipe") {
        for n in 0..4 {
            let bytes = if n == 0 { seed.clone() } else { changed(&seed, n) };
            let path = bench.write("fuzzed.toml", bytes);
            let said = run(["config", "show", path.as_str()]); // a panic fails inside
            assert!(matches!(said.code, Some(0 | 2)), "{} with change {n}: {said:?}", file.display());
        }
    }
}
