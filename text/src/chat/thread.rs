//! A thread for one rendering.
//!
//! Fuel counts a template's steps, but not everything the engine does in one step: printing or comparing lists that contain each other
//! recurses as deep as a loop has nested them, and takes exponential time where they share their parts. A stack that overflows would end the
//! process, so a rendering gets one that no template can fill; and it gets a deadline.

use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::time::Duration;

/// The stack of a rendering, in bytes; only what is used takes memory. A loop nests a list by one level in seven steps, and printing or
/// dropping it recurses by some 500 bytes a level (measured with minijinja 3.1): 15 MB for all the fuel there is.
const STACK: usize = 48 << 20;
/// A rendering takes some 50 µs. The wait is cut into slices, so that a process that was stopped and continued does not find it over.
const SLICE: Duration = Duration::from_millis(50);
const SLICES: usize = 16;

/// Why a rendering came to no end.
#[derive(Debug, thiserror::Error)]
pub(super) enum Lost {
    #[error("no thread to render it on: {0}")]
    Thread(#[from] std::io::Error),
    #[error("the template engine panicked")]
    Panic,
    #[error("it was given up after {:?}; it builds or compares values without bounds", SLICE * SLICES as u32)]
    Late,
}

/// Runs `work` and waits for it. After the deadline the thread is left to itself: there is no way to end it but to end the process.
pub(super) fn run<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, Lost> {
    let (sender, receiver) = sync_channel(1);
    // Nobody listens any more after the deadline; the result is then worth nothing.
    let job = move || drop(sender.send(work()));
    std::thread::Builder::new().name("chat-template".into()).stack_size(STACK).spawn(job)?;
    for _ in 0..SLICES {
        match receiver.recv_timeout(SLICE) {
            Ok(result) => return Ok(result),
            Err(RecvTimeoutError::Disconnected) => return Err(Lost::Panic),
            Err(RecvTimeoutError::Timeout) => {}
        }
    }
    Err(Lost::Late)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_that_does_not_end_is_given_up() {
        let (end, wait) = sync_channel::<()>(0);
        let lost = run(move || wait.recv()).unwrap_err();
        assert!(matches!(lost, Lost::Late) && lost.to_string().contains("800ms"), "{lost}");
        drop(end);
        assert!(matches!(run(|| -> () { panic!("on purpose") }), Err(Lost::Panic)));
    }
}
