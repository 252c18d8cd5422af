//! How fast and in how much memory `stats` reads a large file, beside a bare parse of the same file in the same process.
//!
//! ```text
//! cargo run -p collimate-datasets --example stats_speed -- 1000000
//! ```
//!
//! Prints one JSON line: rows a second of both (median of three, taken in turns), their ratio, and the peak memory of processes that read
//! 1,000 rows and all rows.

use std::fs;
use std::io::{BufRead, BufReader, BufWriter, Write};
use std::path::Path;
use std::process::Command;
use std::time::Instant;

use collimate_datasets::{DataConfig, stats};

type Done<T> = Result<T, Box<dyn std::error::Error>>;

fn main() -> Done<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    if let [word, file] = args.as_slice()
        && word == "peak"
    {
        look(Path::new(file))?;
        writeln!(std::io::stdout(), "{}", peak_kib()?)?;
        return Ok(());
    }
    let rows: usize = args.first().map_or(Ok(1_000_000), |n| n.parse())?;
    let dir = std::env::temp_dir().join(format!("collimate-stats-{}", std::process::id()));
    fs::create_dir_all(&dir)?;
    let (small, large) = (dir.join("small.jsonl"), dir.join("large.jsonl"));
    write(&small, 1000)?;
    write(&large, rows)?;
    let (mut bare, mut own) = (Vec::new(), Vec::new());
    for _ in 0..3 {
        bare.push(seconds(|| parse(&large))?);
        own.push(seconds(|| look(&large))?);
    }
    let (bare, own) = (median(&mut bare), median(&mut own));
    let peaks = (in_a_process(&small)?, in_a_process(&large)?);
    let line = serde_json::json!({
        "rows": rows, "bytes": fs::metadata(&large)?.len(), "bare_rows_per_second": rows as f64 / bare, "stats_rows_per_second": rows as f64 / own,
        "ratio": bare / own, "peak_mb_of_1000_rows": peaks.0, "peak_mb_of_all_rows": peaks.1, "peak_mb_more": peaks.1 - peaks.0,
    });
    fs::remove_dir_all(&dir)?;
    writeln!(std::io::stdout(), "{line}")?;
    Ok(())
}

/// Rows of the published preference shape, all different, some 400 bytes each.
fn write(path: &Path, rows: usize) -> std::io::Result<()> {
    let mut file = BufWriter::new(fs::File::create(path)?);
    for i in 0..rows {
        let answer = "a quiet answer of some words \\u00e9 and \\\"marks\\\" ".repeat(1 + i % 4);
        writeln!(
            file,
            "{{\"prompt\": \"Question {i}: what would you say to somebody who asks number {} of many questions?\\n\", \"chosen\": \"{answer}{i}\", \
             \"rejected\": \"I would not say much about {i}.\"}}",
            i * 7
        )?;
    }
    file.flush()
}

/// A bare parse: every line to a JSON value.
fn parse(path: &Path) -> Done<()> {
    let mut reader = BufReader::with_capacity(1 << 17, fs::File::open(path)?);
    let mut line = Vec::new();
    while reader.read_until(b'\n', &mut line)? > 0 {
        std::hint::black_box(serde_json::from_slice::<serde_json::Value>(&line)?);
        line.clear();
    }
    Ok(())
}

fn look(path: &Path) -> Done<()> {
    let figures = stats(path, &DataConfig::default(), None, None)?;
    if figures.usable() && figures.repeated == 0 { Ok(()) } else { Err("the rows are not as they were written".into()) }
}

fn seconds(work: impl FnOnce() -> Done<()>) -> Done<f64> {
    let start = Instant::now();
    work()?;
    Ok(start.elapsed().as_secs_f64())
}

fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// The peak memory of a process that reads a file, in MB.
fn in_a_process(path: &Path) -> Done<f64> {
    let output = Command::new(std::env::current_exe()?).arg("peak").arg(path).output()?;
    let kib: f64 = String::from_utf8(output.stdout)?.trim().parse()?;
    Ok(kib * 1024.0 / 1e6)
}

fn peak_kib() -> Done<u64> {
    let text = fs::read_to_string("/proc/self/status")?;
    let line = text.lines().find(|l| l.starts_with("VmHWM:")).ok_or("no VmHWM")?;
    Ok(line.split_whitespace().nth(1).ok_or("no number")?.parse()?)
}
