//! How a command ends.

use std::fmt;

/// The exit codes of the command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Code {
    /// Finished.
    Done = 0,
    /// The run failed.
    Failed = 1,
    /// Usage, configuration or data were refused before step 1.
    Refused = 2,
    /// A checkpoint or model was refused.
    Model = 3,
    /// Stopped early with a complete checkpoint; run again with `--resume`.
    Stopped = 75,
    /// SIGINT, after a graceful save.
    Interrupted = 130,
    /// SIGTERM, after a graceful save.
    Terminated = 143,
}

/// An error that ends the command, with its code. The message says what, where, and the mend.
#[derive(Debug)]
pub struct Exit {
    /// The code.
    pub code: Code,
    /// What is printed to stderr after `error: `; nothing if everything has been said already.
    pub message: Option<String>,
}

impl fmt::Display for Exit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.message.as_deref().unwrap_or_default())
    }
}

impl std::error::Error for Exit {}

/// Gives an error its exit code.
pub trait OrExit<T> {
    /// The run failed.
    ///
    /// # Errors
    /// With code 1.
    fn or_failed(self) -> Result<T, Exit>;
    /// Usage, configuration or data are refused.
    ///
    /// # Errors
    /// With code 2.
    fn or_refused(self) -> Result<T, Exit>;
    /// A checkpoint or model is refused.
    ///
    /// # Errors
    /// With code 3.
    fn or_model(self) -> Result<T, Exit>;
}

impl<T, E: fmt::Display> OrExit<T> for Result<T, E> {
    fn or_failed(self) -> Result<T, Exit> {
        self.map_err(|e| Exit { code: Code::Failed, message: Some(e.to_string()) })
    }

    fn or_refused(self) -> Result<T, Exit> {
        self.map_err(|e| Exit { code: Code::Refused, message: Some(e.to_string()) })
    }

    fn or_model(self) -> Result<T, Exit> {
        self.map_err(|e| Exit { code: Code::Model, message: Some(e.to_string()) })
    }
}

/// A refusal of usage, configuration or data.
#[must_use]
pub fn refused(message: impl Into<String>) -> Exit {
    Exit { code: Code::Refused, message: Some(message.into()) }
}
