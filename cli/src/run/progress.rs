//! The progress line: one line that moves on a terminal, plain lines otherwise. It lives in a thread of its own, so that it moves while
//! the engine is busy.

use std::io::IsTerminal;
use std::time::{Duration, Instant};

use crossbeam_channel::{RecvTimeoutError, Sender, bounded};
use indicatif::{ProgressBar, ProgressStyle};

use crate::session;

/// How often the line is drawn anew while nothing happens.
const TICK: Duration = Duration::from_millis(200);
/// Messages that may wait. More than a step ever sends.
const QUEUE: usize = 1024;

/// Where a run stands.
#[derive(Debug, Clone, Default)]
pub struct Board {
    /// Steps made.
    pub step: u64,
    /// Steps of the run.
    pub steps: u64,
    /// Mean reward of the last step.
    pub reward: Option<f64>,
    /// The loss of the last step.
    pub loss: Option<f64>,
    /// The last held-out result, in words.
    pub heldout: Option<String>,
    /// Completion tokens a second, end to end.
    pub tokens_per_s: Option<f64>,
    /// Seconds of the last step.
    pub step_s: Option<f64>,
    /// Seconds by phase of the last step, for the plain line.
    pub phases: String,
}

enum Message {
    Phase(&'static str),
    Step(Board),
    Note(String),
    Done,
}

/// The handle of the progress line.
#[derive(Debug)]
pub struct Ui {
    sender: Sender<Message>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl std::fmt::Debug for Message {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Message")
    }
}

impl Ui {
    /// Starts the line for a run of `steps`.
    #[must_use]
    pub fn start(board: Board) -> Self {
        let (sender, receiver) = bounded::<Message>(QUEUE);
        let thread = std::thread::spawn(move || {
            let mut view = View::new(board);
            loop {
                match receiver.recv_timeout(TICK) {
                    Ok(Message::Phase(phase)) => view.phase(phase),
                    Ok(Message::Step(board)) => view.step(board),
                    Ok(Message::Note(line)) => view.note(&line),
                    Err(RecvTimeoutError::Timeout) => view.tick(),
                    Ok(Message::Done) | Err(RecvTimeoutError::Disconnected) => return view.done(),
                }
            }
        });
        Self { sender, thread: Some(thread) }
    }

    /// What is being done now.
    pub fn phase(&self, phase: &'static str) {
        let _ = self.sender.try_send(Message::Phase(phase)); // a full queue loses a word, never time
    }

    /// A step is made.
    pub fn step(&self, board: Board) {
        let _ = self.sender.send(Message::Step(board));
    }

    /// A line that stays.
    pub fn note(&self, line: impl Into<String>) {
        let _ = self.sender.send(Message::Note(line.into()));
    }
}

impl Drop for Ui {
    fn drop(&mut self) {
        let _ = self.sender.send(Message::Done);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

struct View {
    bar: Option<ProgressBar>,
    board: Board,
    phase: &'static str,
    since: Instant,
}

impl View {
    fn new(board: Board) -> Self {
        let bar = std::io::stderr().is_terminal().then(|| {
            let bar = ProgressBar::new(board.steps);
            let style = ProgressStyle::with_template("{spinner} step {pos}/{len} [{bar:24}] {msg}");
            bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
            bar.set_position(board.step);
            bar
        });
        Self { bar, board, phase: "start", since: Instant::now() }
    }

    fn phase(&mut self, phase: &'static str) {
        self.phase = phase;
        self.since = Instant::now();
        self.tick();
    }

    fn step(&mut self, board: Board) {
        self.board = board;
        match &self.bar {
            Some(bar) => bar.set_position(self.board.step),
            None => session::say(&format!("step {}/{}  {}  {}", self.board.step, self.board.steps, self.numbers(), self.board.phases)),
        }
        self.tick();
    }

    fn note(&self, line: &str) {
        match &self.bar {
            Some(bar) => bar.suspend(|| session::say(line)),
            None => session::say(line),
        }
    }

    fn tick(&self) {
        if let Some(bar) = &self.bar {
            bar.set_message(format!("{}  {} {:.0}s", self.numbers(), self.phase, self.since.elapsed().as_secs_f64()));
            bar.tick();
        }
    }

    fn done(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }

    fn numbers(&self) -> String {
        let b = &self.board;
        let mut parts = Vec::new();
        parts.extend(b.reward.map(|r| format!("reward {r:.3}")));
        parts.extend(b.loss.filter(|_| b.reward.is_none()).map(|l| format!("loss {l:.4}")));
        parts.extend(b.heldout.clone());
        parts.extend(b.tokens_per_s.map(|t| format!("{t:.0} tok/s")));
        parts.extend(b.step_s.map(|s| format!("ETA {}", clock(s * b.steps.saturating_sub(b.step) as f64))));
        parts.join("  ")
    }
}

/// Seconds as people read them: `1h02m`, `4m05s`, `12s`.
#[must_use]
pub(crate) fn clock(seconds: f64) -> String {
    let s = seconds.max(0.0).round() as u64;
    match (s / 3600, s / 60 % 60, s % 60) {
        (0, 0, s) => format!("{s}s"),
        (0, m, s) => format!("{m}m{s:02}s"),
        (h, m, _) => format!("{h}h{m:02}m"),
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn times_read_as_people_say_them() {
        assert_eq!([4.4, 245.0, 3720.0].map(super::clock), ["4s", "4m05s", "1h02m"]);
    }
}
