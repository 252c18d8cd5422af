//! A run that stops and goes on is the run that never stopped, bit for bit.

use std::sync::OnceLock;

use crate::support::{Bench, assert_same_state, metrics};

/// The run that never stopped; every test of interruption is compared with it.
static WHOLE: OnceLock<Bench> = OnceLock::new();

/// Six steps without a stop, in the run `whole`.
pub(crate) fn whole() -> &'static Bench {
    WHOLE.get_or_init(|| {
        let bench = Bench::shared();
        bench.trained("whole", &[]);
        bench
    })
}

/// Asserts that a run ended as the one that never stopped did: state of the last boundary, and every line of the metrics.
#[track_caller]
pub(crate) fn assert_as_whole(bench: &Bench, name: &str) {
    let (expected, seen) = (metrics(&whole().run_dir("whole")), metrics(&bench.run_dir(name)));
    for (line, (a, b)) in expected.iter().zip(&seen).enumerate() {
        assert_eq!(a, b, "line {} of metrics.jsonl", line + 1);
    }
    assert_eq!(expected.len(), seen.len(), "lines of metrics.jsonl");
    assert_same_state(&whole().checkpoint("whole", 6), &bench.checkpoint(name, 6));
}

/// Evaluations come at every boundary here, so that the end of the first part evaluates and saves nothing that the whole run does not.
#[test]
fn k_steps_and_a_resume_equal_six_steps_byte_for_byte() {
    for k in 1..=5 {
        let (bench, steps) = (Bench::new(), format!("run.steps={k}"));
        bench.trained("parts", &[&steps]);
        let said = bench.trained("parts", &["--resume", "run.steps=6"]);
        let expected = format!("at step {k} ");
        assert!(said.err.contains(&expected) && said.err.contains("bitwise: yes"), "{}", said.err);
        assert_as_whole(&bench, "parts");
    }
}

#[test]
fn the_run_that_others_are_compared_with_learns_at_every_step() {
    let steps: Vec<_> = metrics(&whole().run_dir("whole")).into_iter().filter(|line| line.get("reward").is_some()).collect();
    assert_eq!(steps.len(), 6);
    let states: Vec<_> = (1..=6).map(|step| crate::support::state(&whole().checkpoint("whole", step))).collect();
    for pair in states.windows(2) {
        assert_ne!(pair[0]["model.safetensors"], pair[1]["model.safetensors"], "a step changed no weight");
    }
}

#[test]
fn the_same_seed_gives_the_same_bytes_and_another_seed_others() {
    let bench = Bench::new();
    bench.trained("again", &[]);
    assert_as_whole(&bench, "again");
    bench.trained("other", &["run.seed=2"]);
    let (a, b) = (crate::support::state(&bench.checkpoint("again", 6)), crate::support::state(&bench.checkpoint("other", 6)));
    assert_ne!(a["model.safetensors"], b["model.safetensors"]);
}
