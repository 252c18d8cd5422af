//! `collimate report`: run directories as one HTML file.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};

use collimate_evals::Record;
use collimate_evals::report::{Run, Sample, render};

use crate::args::ReportArgs;
use crate::exit::{Code, Exit, OrExit, refused};
use crate::session;

/// Steps whose samples are read: spread over the run, the first and the last among them.
const SAMPLED_STEPS: usize = 12;
/// Samples of a step that are read.
const SAMPLES: usize = 64;

/// Reads the directories and writes the page.
pub(crate) fn report(args: &ReportArgs) -> Result<Code, Exit> {
    let runs: Vec<Run> = args.dirs.iter().map(|dir| read(dir)).collect::<Result<_, _>>()?;
    let page = render(&distinct(runs), env!("CARGO_PKG_VERSION"));
    let out = args.out.clone().unwrap_or_else(|| args.dirs[0].join("report.html"));
    fs::write(&out, page).map_err(|e| format!("cannot write `{}`: {e}", out.display())).or_failed()?;
    session::print(&out.display().to_string())?;
    Ok(Code::Done)
}

/// A run that is going on may be read: nothing is locked, and a line that is only half written is left out.
fn read(dir: &Path) -> Result<Run, Exit> {
    let metrics = dir.join("metrics.jsonl");
    let name = dir.canonicalize().ok().and_then(|d| d.file_name().map(|n| n.to_string_lossy().into_owned())).unwrap_or_default();
    let mut run = Run { name, ..Run::default() };
    if metrics.is_file() {
        run.lines = collimate_store::read_metrics(&metrics).or_refused()?.into_iter().map(|l| (l.step, l.metrics)).collect();
        run.config = fs::read_to_string(dir.join("config.toml")).unwrap_or_default();
        samples(dir, &mut run);
        facts(dir, &mut run);
        evaluations(&dir.join("evaluations"), &mut run);
    } else {
        evaluations(dir, &mut run);
        if run.evaluations.is_empty() {
            return Err(refused(format!("`{}` is no run (it has no metrics.jsonl) and holds no evaluation", dir.display())));
        }
    }
    Ok(run)
}

/// Runs of the same name are told apart by a number.
fn distinct(mut runs: Vec<Run>) -> Vec<Run> {
    let names: Vec<String> = runs.iter().map(|r| r.name.clone()).collect();
    for (at, run) in runs.iter_mut().enumerate() {
        if names.iter().filter(|n| **n == run.name).count() > 1 {
            run.name = format!("{} ({})", run.name, 1 + names[..at].iter().filter(|n| **n == names[at]).count());
        }
    }
    runs
}

fn entries(dir: &Path, ending: &str) -> Vec<PathBuf> {
    let all = fs::read_dir(dir).into_iter().flatten().flatten().map(|e| e.path());
    let mut paths: Vec<PathBuf> = all.filter(|p| p.extension().is_some_and(|e| e == ending)).collect();
    paths.sort();
    paths
}

fn samples(dir: &Path, run: &mut Run) {
    let step = |path: &PathBuf| path.file_stem()?.to_str()?.strip_prefix("step_")?.parse::<u64>().ok();
    let mut files: Vec<(u64, PathBuf)> = entries(&dir.join("rollouts"), "jsonl").into_iter().filter_map(|p| Some((step(&p)?, p))).collect();
    files.sort();
    let chosen = files.len().min(SAMPLED_STEPS);
    let pick = |i: usize| &files[if chosen == 1 { 0 } else { i * (files.len() - 1) / (chosen - 1) }];
    for (_, path) in (0..chosen).map(pick) {
        let Ok(file) = fs::File::open(path) else { continue };
        for (at, line) in BufReader::new(file).lines().map_while(Result::ok).take(SAMPLES).enumerate() {
            match serde_json::from_str::<Sample>(&line) {
                Ok(sample) => run.samples.push(sample),
                Err(e) => run.notes.push(format!("{}:{}: {e}", path.display(), at + 1)),
            }
        }
    }
}

fn evaluations(dir: &Path, run: &mut Run) {
    for path in entries(dir, "json") {
        let name = path.file_stem().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
        let read = fs::read_to_string(&path).map_err(|e| e.to_string());
        let record = read
            .and_then(|t| serde_json::from_str(&t).map_err(|e| e.to_string()))
            .and_then(|v| Record::from_json(v).map_err(|e| e.to_string()));
        match record {
            Ok(record) => run.evaluations.push((name, record)),
            Err(e) => run.notes.push(format!("{}: {e}", path.display())),
        }
    }
}

/// What the newest checkpoint says of how the run was made.
fn facts(dir: &Path, run: &mut Run) {
    let mut fact = |name: &str, value: String| run.facts.push((name.to_owned(), value));
    fact("directory", dir.display().to_string());
    let checkpoints = collimate_store::checkpoints(dir).unwrap_or_default();
    let good: Vec<_> = checkpoints.iter().filter_map(|c| Some((c.step, c.manifest.as_ref().ok()?))).collect();
    if !good.is_empty() {
        fact("checkpoints", good.iter().map(|(step, _)| step.to_string()).collect::<Vec<_>>().join(", "));
    }
    if let Some((_, manifest)) = good.last() {
        fact("hash of the recipe", manifest.meta.config_hash.clone());
        manifest.meta.versions.iter().for_each(|(name, value)| fact(name, value.clone()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run_dir(root: &Path) -> PathBuf {
        let dir = root.join("grpo");
        fs::create_dir_all(dir.join("rollouts")).unwrap();
        fs::write(dir.join("metrics.jsonl"), "{\"step\":1,\"reward\":0.5}\n{\"step\":2,\"reward\":0.6}\n{\"step\":3,\"rew").unwrap();
        for step in 1..=30 {
            let line = format!("{{\"step\":{step},\"answer\":\"<b>{step}</b>\",\"reward\":1.0,\"tokens\":3}}\nhalf");
            fs::write(dir.join(format!("rollouts/step_{step}.jsonl")), line).unwrap();
        }
        dir
    }

    #[test]
    fn a_run_that_is_going_on_is_read_as_far_as_it_is_written() {
        let root = tempfile::tempdir().unwrap();
        let run = read(&run_dir(root.path())).unwrap();
        assert_eq!((run.name.as_str(), run.lines.len()), ("grpo", 2));
        let steps: Vec<u64> = run.samples.iter().map(|s| s.step).collect();
        assert_eq!((steps.len(), steps[0], steps[SAMPLED_STEPS - 1]), (SAMPLED_STEPS, 1, 30));
        assert!(run.notes.iter().all(|n| n.contains(":2: ")) && run.notes.len() == SAMPLED_STEPS);
    }

    #[test]
    fn the_page_is_written_beside_the_run_and_a_directory_of_nothing_is_refused() {
        let root = tempfile::tempdir().unwrap();
        let dir = run_dir(root.path());
        report(&ReportArgs { dirs: vec![dir.clone(), dir.clone()], out: None }).unwrap();
        let page = fs::read_to_string(dir.join("report.html")).unwrap();
        assert!(page.contains("grpo (1)") && page.contains("grpo (2)") && page.contains("&lt;b&gt;30"));
        let said = read(root.path()).unwrap_err().to_string();
        assert!(said.contains("no metrics.jsonl"), "{said}");
    }
}
