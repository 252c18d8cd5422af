//! Rows B1, B4 and H2: what resumes to the same bytes, and what is refused.

use std::process::Command;

use serde_json::Value;

use crate::row::{Args, Outcome, holds};
use crate::support::{Bench, Said, assert_same_state, metrics, run, said};

/// Six steps in one go, and in two, cut at every boundary, for every algorithm there is.
pub(crate) fn every_algorithm(_: &Args) -> Outcome {
    let cards: Value = serde_json::from_str(&run(["algorithms", "--json"]).with_code(0).out).unwrap();
    let names: Vec<String> = cards.as_array().unwrap().iter().map(|c| c["name"].as_str().unwrap().to_owned()).collect();
    let bench = Bench::new();
    let mut done = Vec::new();
    for name in &names {
        let algorithm = format!("algorithm.name={name}");
        let whole = format!("{name}-whole");
        // Algorithms of other families need other recipes.
        if said(&mut bench.train(&whole, &[&algorithm, "--dry-run"])).code != Some(0) {
            continue;
        }
        bench.trained(&whole, &[&algorithm]);
        for k in 1..=5 {
            let (part, steps) = (format!("{name}-{k}"), format!("run.steps={k}"));
            let one = holds(|| {
                bench.trained(&part, &[&algorithm, &steps]);
                let told = bench.trained(&part, &[&algorithm, "--resume"]);
                assert!(told.err.contains("bitwise: yes"), "{}", told.err);
                assert_eq!(metrics(&bench.run_dir(&part)), metrics(&bench.run_dir(&whole)), "the metrics differ");
                assert_same_state(&bench.checkpoint(&part, 6), &bench.checkpoint(&whole, 6));
            });
            done.push(one.map_err(|why| format!("{name} cut at {k}: {why}")));
        }
    }
    crate::count(done)
}

pub(crate) fn changed_recipe(_: &Args) -> Outcome {
    let bench = Bench::new();
    bench.trained("run", &["run.steps=2"]);
    let refused = ["learner.lr=2e-3", "algorithm.name=rloo", "run.seed=2", "rollout.group=8"].map(|change| {
        holds(|| {
            let told = said(&mut bench.train("run", &["--resume", change])).with_code(2);
            let key = change.split('=').next().unwrap();
            told.telling(&[&format!("changed since the run began: {key}:"), "->", "a resumed run cannot change", key]);
            assert!(!bench.checkpoint("run", 3).exists());
        })
        .map_err(|why| format!("{change}: {why}"))
    });
    let allowed = holds(|| bench.trained("run", &["--resume", "run.steps=3", "log.rollouts_per_step=2"]));
    crate::count(refused.into_iter().chain([allowed]))
}

pub(crate) fn few_files(_: &Args) -> Outcome {
    let bench = Bench::new();
    crate::count([16, 32, 48].map(|limit| {
        holds(|| {
            let train = bench.train("new", &[]);
            let mut shell = Command::new("sh");
            shell.arg("-c").arg(format!("ulimit -n {limit}; exec \"$0\" \"$@\"")).arg(train.get_program()).args(train.get_args());
            let told = Said::from(shell.output().unwrap()).with_code(2);
            told.telling(&[&format!("a process may open {limit} files here"), "ulimit -n"]);
            assert!(!bench.run_dir("new").exists());
        })
        .map_err(|why| format!("{limit} files: {why}"))
    }))
}
