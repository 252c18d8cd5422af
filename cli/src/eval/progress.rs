//! How far an evaluation is: a bar on a terminal, a line now and then elsewhere. A signal ends it.

use std::io::IsTerminal;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

use crate::exit::Exit;
use crate::run::{Signals, clock};
use crate::session;

/// How often a line is written where there is no terminal.
const EVERY: Duration = Duration::from_secs(20);

/// Progress over a known number of items, and the end that a signal asks for.
#[derive(Debug)]
pub(super) struct Progress {
    bar: Option<ProgressBar>,
    what: &'static str,
    total: usize,
    start: Instant,
    told: Instant,
    signals: Signals,
}

impl Progress {
    /// Begins; `what` is counted.
    pub(super) fn start(what: &'static str, total: usize, signals: &Signals) -> Self {
        let bar = std::io::stderr().is_terminal().then(|| {
            let bar = ProgressBar::new(total as u64);
            let style = ProgressStyle::with_template("{spinner} {pos}/{len} {msg} [{bar:24}] ETA {eta}");
            bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
            bar.set_message(what);
            bar
        });
        Self { bar, what, total, start: Instant::now(), told: Instant::now(), signals: signals.clone() }
    }

    /// So many are done.
    ///
    /// # Errors
    /// When a signal asked for the end: what was measured so far is no result, and nothing is written.
    pub(super) fn at(&mut self, done: usize) -> Result<(), Exit> {
        self.show(done);
        if self.signals.asked() { Err(self.interrupted(done)) } else { Ok(()) }
    }

    /// As [`Progress::at`], for places that can only go on or not.
    pub(super) fn going(&mut self, done: usize) -> bool {
        self.show(done);
        !self.signals.asked()
    }

    /// The end that a signal asked for.
    pub(super) fn interrupted(&self, done: usize) -> Exit {
        let message = format!("interrupted after {done} of {} {}; a part is no result, so nothing is written", self.total, self.what);
        Exit { code: self.signals.code(), message: Some(message) }
    }

    /// Whether a signal asked for the end.
    pub(super) fn asked(&self) -> bool {
        self.signals.asked()
    }

    fn show(&mut self, done: usize) {
        match &self.bar {
            Some(bar) => bar.set_position(done as u64),
            None if self.told.elapsed() >= EVERY => {
                self.told = Instant::now();
                let spent = self.start.elapsed().as_secs_f64();
                let left = spent / done.max(1) as f64 * self.total.saturating_sub(done) as f64;
                session::say(&format!("{done}/{} {}, about {} to go", self.total, self.what, clock(left)));
            }
            None => {}
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
