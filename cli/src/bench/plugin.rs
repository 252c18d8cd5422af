//! `collimate bench reward-plugin`: what a reward in a program of its own costs.
//!
//! The same answers go through the host to a plugin that gives each the length of its text, and, as the same frames, through a bare socket
//! pair to a process that sends them back. Both other ends are this program, started again.

use std::io::{BufReader, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::mpsc::sync_channel;
use std::time::Instant;

use collimate_reward_sdk::Plugin;
use collimate_reward_sdk::wire::CAP;
use collimate_reward_sdk::wire::frame::{self, HEADER};
use collimate_rewards::plugin::{PluginCommand, PluginReward, PluginSettings, bare_rollout, frames_of};
use collimate_rewards::{RewardSet, lanes, score_all};
use collimate_types::{Answer, Prompt, RolloutGroup, Task};
use serde_json::{Value, json};

use crate::args::BenchPluginArgs;
use crate::exit::{Code, Exit, OrExit, refused};
use crate::session::print;

/// Answers to a prompt.
const GROUP: usize = 8;

/// Measures.
pub(crate) fn bench(args: &BenchPluginArgs) -> Result<Code, Exit> {
    if args.answers == 0 || args.repeats == 0 || args.batch.contains(&0) || args.pipeline.contains(&0) {
        return Err(refused("answers, repeats, batch and pipeline are 1 or more"));
    }
    let groups = groups(args.answers, args.bytes);
    let defaults = PluginSettings::default();
    let mut rows = Vec::new();
    for &batch in &args.batch {
        for &pipeline in &args.pipeline {
            let (mut host, mut echo) = (Vec::new(), Vec::new());
            let frames = frames_of(&groups, batch);
            // Turn by turn, so that both see the same machine; the first round warms up.
            for round in 0..=args.repeats {
                let (a, b) = (through_host(&groups, batch, pipeline)?, through_socket(&frames, pipeline).or_failed()?);
                if round > 0 {
                    host.push(a * 1e3);
                    echo.push(b * 1e3);
                }
            }
            let (host, echo) = (super::spread(&host), super::spread(&echo));
            let ratio = host["median"].as_f64().unwrap_or(f64::NAN) / echo["median"].as_f64().unwrap_or(f64::NAN);
            let default = batch == defaults.batch && pipeline == defaults.pipeline;
            let bytes: usize = frames.iter().map(Vec::len).sum();
            let row = json!({
                "bench": "reward-plugin", "answers": args.answers, "bytes": args.bytes, "batch": batch, "pipeline": pipeline,
                "default": default, "frames": frames.len(), "frame_bytes": bytes, "host_ms": host, "echo_ms": echo, "ratio": ratio,
            });
            print(&if args.json { row.to_string() } else { text(&row) })?;
            rows.push(row);
        }
    }
    Ok(Code::Done)
}

fn text(row: &Value) -> String {
    let ms = |v: &Value| format!("{:.1} ms", v["median"].as_f64().unwrap_or(f64::NAN));
    format!(
        "batch {:>4}  pipeline {:>2}  host {:>9}  echo {:>9}  {:.2} x{}",
        row["batch"],
        row["pipeline"],
        ms(&row["host_ms"]),
        ms(&row["echo_ms"]),
        row["ratio"].as_f64().unwrap_or(f64::NAN),
        if row["default"] == true { "  (the defaults)" } else { "" }
    )
}

/// Answers of letters, each another, in groups of eight.
fn groups(answers: usize, bytes: usize) -> Vec<RolloutGroup> {
    let answer = |i: usize| -> String { (0..bytes).map(|at| char::from(b'a' + ((i * 7 + at * (1 + i % 5)) % 26) as u8)).collect() };
    let group = |first: usize| {
        let task = Task { id: format!("t{first}"), text: None, messages: vec![], truth: json!({"answer": first}), reward: None };
        let prompt = Prompt { task: Arc::new(task), text: format!("What is {first}?"), tokens: vec![1; 16] };
        // Four bytes a token, as tokenizers have it.
        let one = |i| {
            let mut rollout = bare_rollout(&answer(i));
            rollout.tokens.truncate(bytes.div_ceil(4));
            rollout
        };
        RolloutGroup { prompt: Arc::new(prompt), rollouts: (first..answers.min(first + GROUP)).map(one).collect() }
    };
    (0..answers).step_by(GROUP).map(group).collect()
}

fn words(more: &[&str]) -> Result<Vec<String>, Exit> {
    let program = std::env::current_exe().or_failed()?.to_string_lossy().into_owned();
    Ok([program.as_str(), "bench", "reward-plugin-end"].iter().chain(more).map(|w| (*w).to_owned()).collect())
}

/// Seconds from handing the groups over, as a step of a run does, to the last verdict.
fn through_host(groups: &[RolloutGroup], batch: usize, pipeline: usize) -> Result<f64, Exit> {
    let settings = PluginSettings { plugin: PluginCommand(words(&[])?), workers: 1, batch, pipeline, ..PluginSettings::default() };
    let rewards = RewardSet::of("length", PluginReward::start(settings).or_failed()?);
    let lanes = lanes(&[serde_json::from_value(json!({"plugin": "x"})).or_failed()?]);
    let groups = groups.to_vec();
    let start = Instant::now();
    let scored = score_all(&rewards, groups, lanes);
    let seconds = start.elapsed().as_secs_f64();
    let right = |g: &collimate_types::ScoredGroup| {
        g.group.rollouts.iter().zip(&g.verdicts).all(|(r, v)| v.score().is_some_and(|s| s.total == r.text.len() as f64))
    };
    if scored.iter().all(right) { Ok(seconds) } else { Err("a verdict is missing or wrong").or_failed() }
}

/// A process that sends back what it gets; it ends with its socket.
struct Echo(Child);

impl Drop for Echo {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Seconds for all frames there and back, with so many under way at most.
fn through_socket(frames: &[Vec<u8>], pipeline: usize) -> Result<f64, String> {
    let io = |e: std::io::Error| format!("the bare socket: {e}");
    let (ours, theirs) = UnixStream::pair().map_err(io)?;
    let words = words(&["--echo"]).map_err(|e| e.to_string())?;
    let mut command = Command::new(&words[0]);
    command.args(&words[1..]).stdin(Stdio::from(OwnedFd::from(theirs))).stdout(Stdio::null());
    let _echo = Echo(command.spawn().map_err(io)?);
    drop(command);
    let (mut writer, mut reader) = (&ours, BufReader::with_capacity(1 << 18, &ours));
    let mut back = Vec::new();
    // The first frame waits until the process is up.
    writer.write_all(&frames[0]).map_err(io)?;
    frame::read(&mut reader, &mut back, CAP).map_err(io)?;
    let (place, freed) = sync_channel::<()>(pipeline);
    let start = Instant::now();
    std::thread::scope(|scope| {
        let send = scope.spawn(move || {
            frames.iter().try_for_each(|frame| {
                let _ = place.send(());
                writer.write_all(frame)
            })
        });
        for frame in frames {
            frame::read(&mut reader, &mut back, CAP).map_err(io)?;
            let _ = freed.recv();
            if back.len() + HEADER != frame.len() {
                return Err("the bare socket gave back another frame".to_owned());
            }
        }
        send.join().map_err(|_| "the writing thread failed".to_owned())?.map_err(io)
    })?;
    Ok(start.elapsed().as_secs_f64())
}

/// The other end of either socket.
pub(crate) fn other_end(echo: bool) -> Result<Code, Exit> {
    if !echo {
        let length = |_: &Prompt, answer: &Answer<'_>| answer.text.len() as f64;
        let _ = collimate_reward_sdk::serve(Plugin::of(length).named("length", env!("CARGO_PKG_VERSION")));
        return Ok(Code::Done);
    }
    let socket = UnixStream::from(std::io::stdin().as_fd().try_clone_to_owned().or_failed()?);
    let mut reader = BufReader::with_capacity(1 << 18, &socket);
    let mut bytes = vec![0; HEADER];
    loop {
        bytes.truncate(HEADER);
        if reader.read_exact(&mut bytes).is_err() {
            return Ok(Code::Done);
        }
        let length = u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]) as usize;
        bytes.resize(HEADER + length.min(CAP), 0);
        reader.read_exact(&mut bytes[HEADER..]).or_failed()?;
        (&socket).write_all(&bytes).or_failed()?;
    }
}
