//! The fault programme: `cargo xtask faults [--json] [--seed N] [ROW...]`.
//!
//! Every row of the table of faults is one function: it injects its fault so often, and counts what survived by the table's rule. What this
//! machine cannot inject, and what does not exist yet, says so in one line. One JSON line a row; the exit code is 1 if anything was lost.
#![allow(clippy::unwrap_used, clippy::print_stdout, clippy::print_stderr, reason = "a row that cannot go on shall panic; rows are printed")]

mod control;
mod disk;
mod inputs;
mod kills;
mod point;
mod resuming;
mod row;
mod strace;
#[allow(dead_code, reason = "shared with the tests beside it, which use other parts")]
#[path = "../it/support.rs"]
mod support;
mod sweep;

use std::process::ExitCode;
use std::time::Instant;

use row::{Args, Count, Outcome, Row};

/// What waits for processes of actors.
const NEEDS_SPREAD: &str = "needs spread: there are no actor processes yet";
const NO_PORT: &str = "does not apply: the control plane is a Unix socket, no port is opened";

/// All rows, in the order of the table.
const ROWS: [Row; 41] = [
    Row { name: "A1", what: "an actor is killed while it generates", run: |_| Outcome::Cannot(NEEDS_SPREAD.into()) },
    Row { name: "A2", what: "an actor stands still", run: |_| Outcome::Cannot(NEEDS_SPREAD.into()) },
    Row { name: "A3", what: "all actors die at once", run: |_| Outcome::Cannot(NEEDS_SPREAD.into()) },
    Row { name: "A4", what: "an actor dies again and again", run: |_| Outcome::Cannot(NEEDS_SPREAD.into()) },
    Row { name: "A5", what: "an actor is killed while it takes weights", run: |_| Outcome::Cannot(NEEDS_SPREAD.into()) },
    Row { name: "L1", what: "killed at every system call of a save, then resumed: byte-equal", run: sweep::every_call_of_a_save },
    Row { name: "L2", what: "killed at random instants, then resumed: byte-equal", run: kills::random_instants },
    Row { name: "L3", what: "the power is lost at every call of a save and of a resume", run: disk::power_loss },
    Row { name: "L4", what: "the disk is full at every call of a save: the run goes on", run: disk::full },
    Row { name: "L5", what: "every fsync of a save fails: never taken for saved", run: disk::fsync_fails },
    Row { name: "L6", what: "a run directory that cannot be made: refused before step 1", run: disk::read_only },
    Row { name: "L7", what: "a second learner on one run", run: disk::second_learner },
    Row { name: "L8", what: "one bit of a checkpoint flips", run: disk::flipped_bits },
    Row { name: "C1", what: "damaged safetensors", run: inputs::safetensors },
    Row { name: "C2", what: "damaged and hostile GGUF", run: inputs::gguf },
    Row { name: "C3", what: "damaged tokenizer, configuration, template", run: inputs::tokenizer_and_template },
    Row { name: "N1", what: "one step is not finite", run: |_| Outcome::Cannot("needs a hook that poisons a logit from outside".into()) },
    Row { name: "N2", what: "weights run away: the run stops, what was saved is finite", run: inputs::run_away },
    Row { name: "D1", what: "one malformed row among a thousand", run: inputs::one_bad_row },
    Row { name: "D2", what: "rows of bytes that are no text", run: inputs::odd_bytes },
    Row { name: "D3", what: "columns that are missing or of another type", run: inputs::columns },
    Row { name: "D4", what: "the data change between run and resume", run: inputs::changed_data },
    Row { name: "P1", what: "the port is in use", run: |_| Outcome::Cannot(NO_PORT.into()) },
    Row { name: "P2", what: "strangers on the control socket", run: control::strangers },
    Row { name: "P3", what: "frames that are too long, half, or slow", run: control::frames },
    Row { name: "P4", what: "10,000 connections", run: control::flood },
    Row { name: "P5", what: "a network partition", run: |_| Outcome::Cannot(NO_PORT.into()) },
    Row { name: "P6", what: "latency and loss", run: |_| Outcome::Cannot(NO_PORT.into()) },
    Row { name: "P7", what: "a peer of another release", run: control::other_release },
    Row { name: "S1", what: "SIGINT at random instants", run: kills::interrupted },
    Row { name: "S2", what: "SIGTERM at random instants, start-up included", run: kills::terminated },
    Row { name: "S3", what: "SIGUSR1: a checkpoint at the next boundary", run: kills::save_asked },
    Row { name: "S4", what: "the launcher is killed: no process is left", run: |_| Outcome::Cannot(NEEDS_SPREAD.into()) },
    Row { name: "S5", what: "standard output is closed", run: kills::closed_output },
    Row { name: "B1", what: "resumed at every boundary, every algorithm: byte-equal", run: resuming::every_algorithm },
    Row { name: "B2", what: "the same on two ranks", run: |_| Outcome::Cannot("needs more than one rank: a run has one".into()) },
    Row {
        name: "B3",
        what: "checkpoints of older releases",
        run: |_| Outcome::Cannot("needs an older release; held by the_first_format_still_loads".into()),
    },
    Row { name: "B4", what: "the recipe changes between run and resume", run: resuming::changed_recipe },
    Row { name: "H1", what: "out of memory is told as such", run: |_| Outcome::Cannot(NEEDS_SPREAD.into()) },
    Row { name: "H2", what: "too few open files allowed: refused before step 1", run: resuming::few_files },
    Row { name: "M1", what: "save and resume on the model of a disk: every call refused or the last", run: disk::model },
];

fn main() -> ExitCode {
    let Some(args) = Args::read(std::env::args().skip(1)) else {
        eprintln!("usage: faults [--json] [--seed N] [ROW...]");
        return ExitCode::from(2);
    };
    if let Some(unknown) = args.rows.iter().find(|name| ROWS.iter().all(|row| row.name != name.as_str())) {
        eprintln!("there is no row `{unknown}`; there are {}", ROWS.map(|row| row.name).join(" "));
        return ExitCode::from(2);
    }
    // A row's panic is its line; a trace of it would drown the table.
    std::panic::set_hook(Box::new(|_| {}));
    let mut bad = 0;
    for row in ROWS.iter().filter(|row| args.rows.is_empty() || args.rows.iter().any(|name| name == row.name)) {
        let clock = Instant::now();
        let outcome = row.go(&args);
        bad += u64::from(!outcome.is_good());
        println!("{}", row.line(&outcome, clock.elapsed().as_secs_f64(), args.json));
    }
    eprintln!("seed {}: {}", args.seed, if bad == 0 { "nothing was lost".to_owned() } else { format!("{bad} rows failed") });
    if bad == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Counts by a rule: each injection either survives or is lost, with the reason of the first that is.
fn count(done: impl IntoIterator<Item = Result<(), String>>) -> Outcome {
    let mut count = Count::default();
    for one in done {
        count.injected += 1;
        match one {
            Ok(()) => count.survived += 1,
            Err(why) => {
                count.lost += 1;
                count.first_loss.get_or_insert(why);
            }
        }
    }
    Outcome::Ran(count)
}
