//! INT and TERM: the first asks for a graceful end, the second ends at once. USR1 asks for a checkpoint at the next boundary.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use signal_hook::consts::{SIGINT, SIGTERM, SIGUSR1};

use crate::exit::{Code, Exit, OrExit};

/// The signals of this process.
#[derive(Debug, Clone)]
pub struct Signals {
    asked: Arc<AtomicBool>,
    save: Arc<AtomicBool>,
    /// The number of the last signal.
    which: Arc<AtomicUsize>,
}

impl Signals {
    /// Catches INT, TERM and USR1 from now on. A second INT or TERM ends the process with its own exit code, as if nobody had caught it.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn catch() -> Result<Self, Exit> {
        let flag = || Arc::new(AtomicBool::new(false));
        let (asked, save, which) = (flag(), flag(), Arc::new(AtomicUsize::new(0)));
        signal_hook::flag::register(SIGUSR1, save.clone()).or_failed()?;
        for (signal, code) in [(SIGINT, Code::Interrupted), (SIGTERM, Code::Terminated)] {
            // Order matters: the shutdown looks at the flag before this signal sets it.
            signal_hook::flag::register_conditional_shutdown(signal, code as i32, asked.clone()).or_failed()?;
            signal_hook::flag::register(signal, asked.clone()).or_failed()?;
            signal_hook::flag::register_usize(signal, which.clone(), signal.unsigned_abs() as usize).or_failed()?;
        }
        Ok(Self { asked, save, which })
    }

    /// Whether a signal asked for the end.
    #[must_use]
    pub fn asked(&self) -> bool {
        self.asked.load(Ordering::Relaxed)
    }

    /// Whether a checkpoint was asked for since this was last asked.
    #[must_use]
    pub fn take_save(&self) -> bool {
        self.save.swap(false, Ordering::Relaxed)
    }

    /// The exit code after a graceful end.
    #[must_use]
    pub fn code(&self) -> Code {
        if self.which.load(Ordering::Relaxed) == SIGTERM.unsigned_abs() as usize { Code::Terminated } else { Code::Interrupted }
    }
}
