//! Row L1: the process is killed at every system call of a save, and every time the resumed run is the run that was never killed.

use std::fs;
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::Command;
use std::sync::Mutex;

use crate::point::{Point, of_save};
use crate::row::{Args, Count, Outcome, holds};
use crate::strace::{Hit, hit, refused, watch};
use crate::support::{Bench, Said, assert_same_state, metrics};

/// The save that is hit, and the end of the run.
pub(crate) const SAVE: u64 = 2;
pub(crate) const STEPS: u64 = 3;
/// Fewer points would mean that the log was misread.
const AT_LEAST: usize = 40;

/// Two steps that are followed by a third, every boundary saved; of the old checkpoints one stays, so that a save also prunes.
pub(crate) fn train(bench: &Bench, name: &str, keep: u64, more: &[&str]) -> Command {
    let steps = format!("run.steps={STEPS}");
    let keep = format!("checkpoint.keep={keep}");
    let mut words = vec![steps.as_str(), keep.as_str()];
    words.extend_from_slice(more);
    bench.train(name, &words)
}

fn runs(bench: &Bench) -> String {
    bench.path("runs").display().to_string()
}

/// The undisturbed run, and the points of one of its saves.
pub(crate) fn points(bench: &Bench, keep: u64) -> Vec<Point> {
    let (output, calls) = watch(&train(bench, "watched", keep, &[]), &bench.path("calls.log"));
    Said::from(output).with_code(0);
    let named = |text: &str| text.replace(&format!("{}/watched", runs(bench)), &format!("{}/NAME", runs(bench)));
    let points = of_save(&calls, &bench.run_dir("watched"), SAVE);
    points.into_iter().map(|p| Point { path: named(&p.path), line: named(&p.line), ..p }).collect()
}

/// The point in a run of another name.
pub(crate) fn in_run(point: &Point, name: &str) -> Point {
    Point { path: point.path.replace("/runs/NAME", &format!("/runs/{name}")), ..point.clone() }
}

/// Asserts that a run ended as another did: its last checkpoint and every line of its metrics.
pub(crate) fn same_end(bench: &Bench, name: &str, whole: &str) {
    assert_eq!(metrics(&bench.run_dir(name)), metrics(&bench.run_dir(whole)), "the metrics differ");
    assert_same_state(&bench.checkpoint(name, STEPS), &bench.checkpoint(whole, STEPS));
}

/// Half-made things in a run's directory.
pub(crate) fn leftovers(run: &Path) -> Vec<String> {
    let entries = fs::read_dir(run.join("checkpoints")).unwrap();
    let names = entries.map(|e| e.unwrap().file_name().into_string().unwrap());
    names.filter(|n| n.contains(".tmp") || n.contains(".gone") || n.contains(".set-aside")).collect()
}

pub(crate) fn every_call_of_a_save(_: &Args) -> Outcome {
    if let Some(why) = refused() {
        return Outcome::Cannot(why);
    }
    let bench = Bench::new();
    let points = points(&bench, 1);
    assert!(points.len() >= AT_LEAST, "only {} points: {points:#?}", points.len());
    let next = Mutex::new(points.iter().enumerate());
    let count = Mutex::new(Count::default());
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(|| {
                loop {
                    let Some((number, point)) = next.lock().unwrap().next() else { return };
                    let outcome = killed_at(&bench, number, point);
                    let mut count = count.lock().unwrap();
                    count.injected += 1;
                    match outcome {
                        Ok(()) => count.survived += 1,
                        Err(why) => {
                            count.lost += 1;
                            count.first_loss.get_or_insert(format!("killed at {} ({}): {why}", point.line, point.k));
                        }
                    }
                }
            });
        }
    });
    let count = count.into_inner().unwrap();
    eprintln!("{} crash points, {} clean resumes", count.injected, count.survived);
    Outcome::Ran(count)
}

fn killed_at(bench: &Bench, number: usize, point: &Point) -> Result<(), String> {
    let name = format!("killed-{number}");
    holds(|| {
        let output = hit(&train(bench, &name, 1, &[]), &in_run(point, &name), Hit::Kill);
        assert_eq!(output.status.signal(), Some(9), "it was not killed: {}", String::from_utf8_lossy(&output.stderr));
        let steps: Vec<u64> = collimate_store::checkpoints(&bench.run_dir(&name)).unwrap().into_iter().map(|c| c.step).collect();
        assert!(steps.iter().all(|s| *s < STEPS), "it was killed too late: {steps:?}");
        Said::from(train(bench, &name, 1, &["--resume"]).output().unwrap()).with_code(0);
        same_end(bench, &name, "watched");
        assert_eq!(leftovers(&bench.run_dir(&name)), [""; 0]);
        fs::remove_dir_all(bench.run_dir(&name)).unwrap();
    })
}
