//! What the machine has, and what this process has used of it.

use std::fs;

/// Cores this process may use.
#[must_use]
pub fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// A field of `/proc/self/status` or `/proc/meminfo` in KiB.
fn kib(file: &str, field: &str) -> Option<u64> {
    let text = fs::read_to_string(file).ok()?;
    let line = text.lines().find(|l| l.starts_with(field))?;
    line.split_ascii_whitespace().nth(1)?.parse().ok()
}

/// Bytes of memory that can be had without swapping; none where the system does not tell.
#[must_use]
pub fn free_memory() -> Option<u64> {
    kib("/proc/meminfo", "MemAvailable:").map(|k| k * 1024)
}

/// The most memory this process has held, in MiB.
#[must_use]
pub fn peak_rss_mb() -> f64 {
    kib("/proc/self/status", "VmHWM:").map_or(f64::NAN, |k| k as f64 / 1024.0)
}

/// Page faults of this process that needed no disk, since its start.
#[must_use]
pub fn minor_faults() -> u64 {
    let text = fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // The command's name may hold blanks; fields are counted after its closing bracket.
    let rest = text.rsplit_once(')').map_or("", |(_, r)| r);
    rest.split_ascii_whitespace().nth(7).and_then(|f| f.parse().ok()).unwrap_or(0)
}

/// What the CPU offers, for the record of a run.
#[must_use]
pub fn cpu_flags() -> String {
    let text = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let field =
        |name: &str| text.lines().find(|l| l.starts_with(name)).and_then(|l| l.split_once(':')).map_or("", |(_, v)| v.trim()).to_owned();
    let flags = field("flags");
    let known = ["avx2", "fma", "avx512f", "avx512_bf16", "amx_bf16"];
    let have: Vec<&str> = known.into_iter().filter(|k| flags.split(' ').any(|f| f == *k)).collect();
    format!("{}: {}", field("model name"), have.join(" "))
}

/// How many files this process may have open; none where the system does not tell.
#[must_use]
pub fn open_files() -> Option<u64> {
    let text = fs::read_to_string("/proc/self/limits").ok()?;
    let line = text.lines().find_map(|l| l.strip_prefix("Max open files"))?;
    line.split_ascii_whitespace().next()?.parse().ok()
}
