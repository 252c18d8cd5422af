//! INT and TERM: the first asks for a graceful end, the second ends at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use signal_hook::consts::{SIGINT, SIGTERM};

use crate::exit::{Code, Exit, OrExit};

/// The signals of this process.
#[derive(Debug, Clone)]
pub struct Signals {
    asked: Arc<AtomicBool>,
    /// The number of the last signal.
    which: Arc<AtomicUsize>,
}

impl Signals {
    /// Catches INT and TERM from now on. A second one ends the process with its own exit code, as if nobody had caught it.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn catch() -> Result<Self, Exit> {
        let (asked, which) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        for (signal, code) in [(SIGINT, Code::Interrupted), (SIGTERM, Code::Terminated)] {
            // Order matters: the shutdown looks at the flag before this signal sets it.
            signal_hook::flag::register_conditional_shutdown(signal, code as i32, asked.clone()).or_failed()?;
            signal_hook::flag::register(signal, asked.clone()).or_failed()?;
            signal_hook::flag::register_usize(signal, which.clone(), signal.unsigned_abs() as usize).or_failed()?;
        }
        Ok(Self { asked, which })
    }

    /// Whether a signal asked for the end.
    #[must_use]
    pub fn asked(&self) -> bool {
        self.asked.load(Ordering::Relaxed)
    }

    /// The exit code after a graceful end.
    #[must_use]
    pub fn code(&self) -> Code {
        if self.which.load(Ordering::Relaxed) == SIGTERM.unsigned_abs() as usize { Code::Terminated } else { Code::Interrupted }
    }
}
