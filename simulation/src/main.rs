//! `simulate [--seeds N] [--from SEED]`, `simulate seed=SEED`: sweeps seeds, or shows one again.

use std::io::Write as _;
use std::process::ExitCode;
use std::time::Instant;

use collimate_simulation::{Scenario, simulate};

const USAGE: &str = "usage: simulate [--seeds N] [--from SEED] | simulate seed=SEED";

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words.as_slice() {
        [one] if one.starts_with("seed=") => one["seed=".len()..].parse().map_or_else(|_| misuse(), replay),
        _ => match sweep_words(&words) {
            Some((seeds, from)) => sweep(seeds, from),
            None => misuse(),
        },
    }
}

fn sweep_words(mut words: &[&str]) -> Option<(u64, u64)> {
    let (mut seeds, mut from) = (200, 0);
    while let [name, value, rest @ ..] = words {
        match *name {
            "--seeds" => seeds = value.parse().ok()?,
            "--from" => from = value.parse().ok()?,
            _ => return None,
        }
        words = rest;
    }
    words.is_empty().then_some((seeds, from))
}

fn say(text: &str) {
    // Nobody reads any more: the exit code still tells.
    let _ = writeln!(std::io::stdout(), "{text}");
}

fn misuse() -> ExitCode {
    say(USAGE);
    ExitCode::from(2)
}

/// Shows a seed again, with what it is made of.
fn replay(seed: u64) -> ExitCode {
    say(&format!("{:#?}", Scenario::of(seed)));
    match simulate(seed) {
        Ok(tally) => {
            say(&format!("holds: {tally:?}"));
            ExitCode::SUCCESS
        }
        Err(broken) => {
            say(&broken.to_string());
            ExitCode::FAILURE
        }
    }
}

/// Sweeps seeds; the last line is JSON.
fn sweep(seeds: u64, from: u64) -> ExitCode {
    let clock = Instant::now();
    let (mut lives, mut starts, mut faults, mut ms, mut broken) = (0, 0, 0, 0, 0_u64);
    for seed in from..from.saturating_add(seeds) {
        match simulate(seed) {
            Ok(tally) => {
                lives += tally.lives;
                starts += tally.starts;
                faults += tally.faults;
                ms += tally.ms;
            }
            Err(what) => {
                broken += 1;
                say(&what.to_string());
            }
        }
    }
    let seconds = clock.elapsed().as_secs_f64();
    say(&format!(
        "{{\"name\":\"simulate\",\"seeds\":{seeds},\"from\":{from},\"broken\":{broken},\"faults\":{faults},\"launcher_starts\":{lives},\
         \"actor_starts\":{starts},\"simulated_hours\":{:.1},\"seconds\":{seconds:.1}}}",
        ms as f64 / 3.6e6
    ));
    if broken == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

#[cfg(test)]
mod tests {
    use super::sweep_words;

    #[test]
    fn seeds_and_where_they_start_are_numbers_and_nothing_else_is_taken() {
        assert_eq!(sweep_words(&[]), Some((200, 0)));
        assert_eq!(sweep_words(&["--from", "7", "--seeds", "9"]), Some((9, 7)));
        for bad in [&["--seeds"][..], &["--seeds", "x"], &["--sheep", "3"], &["7"]] {
            assert_eq!(sweep_words(bad), None);
        }
    }
}
