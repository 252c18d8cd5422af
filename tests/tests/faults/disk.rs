//! Rows L3 to L8: what disks do.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use collimate_store::{FileState, model::sweep, verify};
use rustix::process::{Pid, Signal, kill_process};

use crate::point::Point;
use crate::row::{Args, Count, Outcome, holds};
use crate::strace::{Hit, hit, refused};
use crate::support::{Bench, Said, collimate, metrics, said, wait_until};
use crate::sweep::{SAVE, STEPS, in_run, leftovers, points, same_end, train};

fn swept(sweeps: impl IntoIterator<Item = Result<sweep::Swept, String>>) -> Outcome {
    let mut count = Count::default();
    for swept in sweeps {
        match swept {
            Ok(swept) => {
                count.injected += swept.states as u64;
                count.survived += swept.states as u64;
            }
            Err(why) => {
                count.injected += 1;
                count.lost += 1;
                count.first_loss.get_or_insert(why);
            }
        }
    }
    Outcome::Ran(count)
}

pub(crate) fn power_loss(_: &Args) -> Outcome {
    swept([sweep::power_loss(), sweep::resume_power_loss()])
}

pub(crate) fn model(_: &Args) -> Outcome {
    swept([sweep::one_error(), sweep::death()])
}

/// Metrics without the counter of what was injected.
fn plain(run: &Path) -> Vec<serde_json::Value> {
    let mut lines = metrics(run);
    for line in &mut lines {
        line["flow/failed_saves"] = 0.into();
    }
    lines
}

/// One call of the save fails: the save is given up with a warning, the run goes on, the next save holds all, nothing is left half-made.
fn refused_once(bench: &Bench, name: &str, point: &Point, errno: &'static str, words: &[&str]) {
    let output = hit(&train(bench, name, 100, &[]), &in_run(point, name), Hit::Error(errno));
    let said = Said::from(output).with_code(0);
    let run = bench.run_dir(name);
    let there = bench.checkpoint(name, SAVE).exists();
    let warned = said.err.contains(&format!("warning: step {SAVE} is not saved, the checkpoint before it stands"));
    if !there {
        assert!(warned, "nobody was told: {}", said.err);
        said.telling(words);
        let failed: f64 = metrics(&run).iter().filter_map(|l| l["flow/failed_saves"].as_f64()).sum();
        assert!((failed - 1.0).abs() < 1e-9, "{failed} failed saves are counted");
    } else {
        assert!(!warned, "the step is there, and it is said that it is not");
    }
    assert_eq!(plain(&run), plain(&bench.run_dir("watched")), "the metrics differ");
    for info in collimate_store::checkpoints(&run).unwrap() {
        assert!(verify(&info.dir).unwrap().is_good(), "{} is not good", info.dir.display());
    }
    assert_eq!(leftovers(&run), [""; 0]);
    crate::support::assert_same_state(&bench.checkpoint(name, STEPS), &bench.checkpoint("watched", STEPS));
    fs::remove_dir_all(run).unwrap();
}

fn each(row: &str, errno: &'static str, wanted: fn(&Point) -> bool, words: &[&str]) -> Outcome {
    if let Some(why) = refused() {
        return Outcome::Cannot(why);
    }
    let bench = Bench::new();
    let points: Vec<Point> = points(&bench, 100).into_iter().filter(wanted).collect();
    crate::count(points.iter().enumerate().map(|(i, point)| {
        let name = format!("{row}-{i}");
        holds(|| refused_once(&bench, &name, point, errno, words)).map_err(|why| format!("{errno} at {}: {why}", point.line))
    }))
}

/// The points at which a new checkpoint is written; what only reads, and what only sets links for people, is told or does not matter.
fn writes(point: &Point) -> bool {
    let creates = point.call == "openat" && point.line.contains("O_CREAT");
    let changes = ["write", "pwrite64", "mkdir", "mkdirat", "rename", "renameat", "renameat2", "ftruncate"].contains(&point.call.as_str());
    (creates || changes) && point.path.contains("/checkpoints/step-")
}

pub(crate) fn full(args: &Args) -> Outcome {
    let outcome = each("L4", "ENOSPC", writes, &["bytes are needed and"]);
    let Outcome::Ran(mut count) = outcome else { return outcome };
    // For good: the third failure in a row ends the run, and says so.
    let for_good = holds(|| {
        let bench = Bench::new();
        let first = points(&bench, 100).into_iter().find(|p| p.call.starts_with("mkdir")).unwrap();
        let mut point = in_run(&first, "full");
        point.path = bench.run_dir("full").join("metrics.jsonl").display().to_string();
        point.call = "fsync".to_owned();
        point.k = 2;
        let output = hit(&bench.train("full", &["run.steps=6"]), &point, Hit::Errors("ENOSPC"));
        let told = Said::from(output).with_code(1);
        told.telling(&["the checkpoint of step 4 could not be saved (3 failed in a row), the newest is that of step 1", "--resume"]);
        let run = bench.run_dir("full");
        assert!(verify(&bench.checkpoint("full", 1)).unwrap().is_good() && leftovers(&run).is_empty());
        bench.trained("full", &["--resume", &format!("run.steps={STEPS}")]);
        same_end(&bench, "full", "watched");
    });
    count.injected += 1;
    match for_good {
        Ok(()) => count.survived += 1,
        Err(why) => {
            count.lost += 1;
            count.first_loss.get_or_insert(format!("full for good: {why}"));
        }
    }
    let _ = args;
    Outcome::Ran(count)
}

pub(crate) fn fsync_fails(_: &Args) -> Outcome {
    each("L5", "EIO", |point| point.call == "fsync" || point.call == "fdatasync", &["os error 5"])
}

pub(crate) fn read_only(_: &Args) -> Outcome {
    if let Some(why) = refused() {
        return Outcome::Cannot(why);
    }
    let bench = Bench::new();
    crate::count(["EROFS", "EACCES", "EDQUOT"].map(|errno| {
        holds(|| {
            let path = bench.run_dir("new").display().to_string();
            let point = Point { call: "mkdir".to_owned(), path, k: 1, line: String::new() };
            let told = Said::from(hit(&bench.train("new", &[]), &point, Hit::Error(errno))).with_code(2);
            told.telling(&["cannot create", "runs/new", "os error"]);
            assert!(!bench.run_dir("new").exists());
        })
        .map_err(|why| format!("{errno}: {why}"))
    }))
}

pub(crate) fn second_learner(_: &Args) -> Outcome {
    let bench = Bench::new();
    bench.trained("whole", &[]);
    crate::count([holds(|| {
        let mut first = bench.train("run", &[]).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        wait_until("the first checkpoint", &mut first, || bench.checkpoint("run", 1).exists());
        // It stands still, so that it is not done before the second one is there.
        kill_process(Pid::from_child(&first), Signal::STOP).unwrap();
        let second = said(&mut bench.train("run", &["--resume"])).with_code(2);
        second.telling(&["is in use by", &format!("pid {}", first.id()), "on host"]);
        first.kill().unwrap();
        first.wait().unwrap();
        bench.trained("run", &["--resume"]);
        assert_eq!(metrics(&bench.run_dir("run")), metrics(&bench.run_dir("whole")));
        crate::support::assert_same_state(&bench.checkpoint("run", 6), &bench.checkpoint("whole", 6));
    })])
}

pub(crate) fn flipped_bits(args: &Args) -> Outcome {
    let (bench, mut dice) = (Bench::new(), args.dice("L8"));
    bench.trained("run", &["run.steps=2"]);
    let dir = bench.checkpoint("run", 2);
    let mut files: Vec<String> = verify(&dir).unwrap().manifest.files.into_keys().collect();
    files.push(collimate_store::MANIFEST.to_owned());
    let found = |name: &str| match verify(&dir) {
        Err(_) => name == collimate_store::MANIFEST,
        Ok(report) => report.files.iter().any(|f| f.path == name && f.state != FileState::Good),
    };
    let flips = (0..200).map(|_| {
        let name = files[dice.below(files.len() as u64) as usize].clone();
        let path = dir.join(&name);
        let good = fs::read(&path).unwrap();
        let mut bad = good.clone();
        let (at, bit) = (dice.below(bad.len() as u64) as usize, dice.below(8));
        bad[at] ^= 1 << bit;
        fs::write(&path, bad).unwrap();
        let seen = found(&name);
        fs::write(&path, good).unwrap();
        if seen { Ok(()) } else { Err(format!("bit {bit} of byte {at} of `{name}` was not seen")) }
    });
    let flips: Vec<_> = flips.collect();
    let resumed = holds(|| {
        let path = dir.join("trainer/optimizer.safetensors");
        let mut bytes = fs::read(&path).unwrap();
        let at = bytes.len() / 2;
        bytes[at] ^= 1;
        fs::write(&path, bytes).unwrap();
        let mut command: Command = collimate(["ckpt", "verify", dir.to_str().unwrap()]);
        let told = Said::from(command.output().unwrap()).with_code(3);
        assert!(told.out.contains("trainer/optimizer.safetensors"), "{}", told.out);
        let told = bench.trained("run", &["--resume", "run.steps=3"]);
        assert!(told.err.contains("WARNING: a damaged checkpoint is passed over") && told.err.contains("at step 1 "), "{}", told.err);
    });
    crate::count(flips.into_iter().chain([resumed]))
}
