//! Ends that nobody planned: kill -9 around a save, INT and TERM; and USR1, which ends nothing.

use std::fs;
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use crate::resume::assert_as_whole;
use crate::support::{Bench, Said, run, wait_until};

/// The names in a run's folder of checkpoints.
fn names(run: &Path) -> Vec<String> {
    let entries = fs::read_dir(run.join("checkpoints"));
    entries.into_iter().flatten().map(|e| e.unwrap().file_name().into_string().unwrap()).collect()
}

/// Whether a name is that of a whole checkpoint.
fn whole(name: &str) -> bool {
    name.strip_prefix("step-").is_some_and(|n| n.bytes().all(|b| b.is_ascii_digit()))
}

fn start(bench: &Bench, name: &str) -> Child {
    bench.train(name, &[]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

/// Numbers that look random and are the same in every test run (splitmix64).
fn draw(state: &mut u64, below: u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut z = *state;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    (z ^ (z >> 31)) % below
}

#[test]
fn a_run_killed_at_random_moments_around_a_save_verifies_and_resumes_to_the_same_bytes() {
    let mut dice = 20_260_101;
    let bench = Bench::new();
    for round in 0..3 {
        let name = format!("killed-{round}");
        let step = 2 + draw(&mut dice, 4);
        let delay = Duration::from_micros(draw(&mut dice, 4000));
        let prefix = format!("step-{step}");
        let mut child = start(&bench, &name);
        let run_dir = bench.run_dir(&name);
        wait_until(&prefix, &mut child, || names(&run_dir).iter().any(|n| n.starts_with(&prefix)));
        std::thread::sleep(delay);
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(names(&run_dir).iter().any(|n| whole(n)), "the checkpoints before step {step} are gone");
        run(["ckpt".as_ref(), "verify".as_ref(), run_dir.as_os_str()]).with_code(0);
        bench.trained(&name, &["--resume"]);
        assert_as_whole(&bench, &name);
        assert!(names(&run_dir).iter().all(|n| !n.contains(".tmp-")), "{:?}", names(&run_dir));
    }
}

#[test]
fn a_run_killed_before_its_first_checkpoint_resumes_from_the_start() {
    let bench = Bench::new();
    let mut child = start(&bench, "early");
    wait_until("config.toml", &mut child, || bench.run_dir("early").join("config.toml").exists());
    child.kill().unwrap();
    child.wait().unwrap();
    bench.trained("early", &["--resume"]);
    assert_as_whole(&bench, "early");
}

/// Sends a signal to a run once `so` holds; a run that was done before the signal came is tried again under another name.
fn signalled(bench: &Bench, signal: Signal, so: impl Fn(&Path) -> bool) -> (String, Said) {
    for attempt in 0..5 {
        let name = format!("stopped-{attempt}");
        let mut child = start(bench, &name);
        wait_until("the moment of the signal", &mut child, || so(&bench.run_dir(&name)));
        kill_process(Pid::from_child(&child), signal).unwrap();
        let said = Said::from(child.wait_with_output().unwrap());
        if said.code != Some(0) {
            return (name, said);
        }
    }
    panic!("five runs were done before the signal came");
}

fn stops_gracefully(signal: Signal, code: i32) {
    let bench = Bench::new();
    let (name, said) = signalled(&bench, signal, |run| names(run).iter().any(|n| n == "step-2"));
    said.with_code(code).telling(&["stopped; checkpoint of step", "go on with --resume"]);
    let run_dir = bench.run_dir(&name);
    assert!(names(&run_dir).iter().all(|n| whole(n) || n == "last" || n == "best"), "{:?}", names(&run_dir));
    run(["ckpt".as_ref(), "verify".as_ref(), run_dir.as_os_str()]).with_code(0);
    bench.trained(&name, &["--resume"]);
    assert_as_whole(&bench, &name);
}

#[test]
fn int_ends_a_run_with_130_and_a_checkpoint_that_resumes_to_the_same_bytes() {
    stops_gracefully(Signal::INT, 130);
}

#[test]
fn term_ends_a_run_with_143_and_a_checkpoint_that_resumes_to_the_same_bytes() {
    stops_gracefully(Signal::TERM, 143);
}

#[test]
fn usr1_saves_the_next_boundary_and_the_run_goes_on_to_the_same_bytes() {
    let bench = Bench::new();
    let quiet = ["checkpoint.every=0", "eval.every=0", "run.steps=40"];
    let mut child = bench.train("asked", &quiet).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let metrics = bench.run_dir("asked").join("metrics.jsonl");
    wait_until("the first step", &mut child, || fs::read_to_string(&metrics).is_ok_and(|text| text.contains('\n')));
    kill_process(Pid::from_child(&child), Signal::USR1).unwrap();
    Said::from(child.wait_with_output().unwrap()).with_code(0).telling(&["a checkpoint is asked for"]);
    let saved = names(&bench.run_dir("asked")).into_iter().filter(|n| whole(n)).count();
    assert_eq!(saved, 2, "the one that was asked for, and the last");
    bench.trained("unasked", &quiet);
    crate::support::assert_same_state(&bench.checkpoint("asked", 40), &bench.checkpoint("unasked", 40));
}

#[test]
fn int_before_the_first_boundary_ends_with_130_and_the_run_resumes() {
    let bench = Bench::new();
    let (name, said) = signalled(&bench, Signal::INT, |run| run.join("config.toml").exists());
    said.with_code(130).telling(&["stopp"]);
    bench.trained(&name, &["--resume"]);
    assert_as_whole(&bench, &name);
}
