//! `--trace FILE`: the spans of a run as a Chrome trace, for `chrome://tracing` or Perfetto.
//!
//! Format: <https://docs.google.com/document/d/1CvAClvFfyA5R-PhYUmn5OOQtYMH4h6I0nSsKchNAySU>, JSON array form, duration events. The closing
//! bracket is optional there, so a run that is killed leaves a readable file.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use tracing::{Event, Metadata, Subscriber, span};

use crate::exit::{Exit, OrExit, refused};

/// Writes until it is dropped.
#[derive(Debug)]
pub(crate) struct Trace(Arc<Mutex<BufWriter<File>>>);

impl Drop for Trace {
    fn drop(&mut self) {
        let mut out = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // A trace that cannot be written is no reason to fail a run that is done, but it is told.
        if let Err(error) = out.write_all(b"\n]\n").and_then(|()| out.flush()) {
            crate::session::say(&format!("warning: the trace is not whole: {error}"));
        }
    }
}

/// Starts a trace of all spans of this process, if a file is named.
///
/// # Errors
/// With code 2, when the file cannot be made or a trace runs already.
pub(crate) fn start(file: Option<&Path>) -> Result<Option<Trace>, Exit> {
    let Some(path) = file else { return Ok(None) };
    let made = File::create(path).map_err(|e| format!("--trace {}: {e}", path.display())).or_refused()?;
    let mut out = BufWriter::new(made);
    out.write_all(b"[\n").map_err(|e| format!("--trace {}: {e}", path.display())).or_refused()?;
    let out = Arc::new(Mutex::new(out));
    let chrome = Chrome { since: Instant::now(), out: out.clone(), names: Mutex::default(), first: Mutex::new(true) };
    tracing::subscriber::set_global_default(chrome).map_err(|_| refused("a trace is being written already"))?;
    Ok(Some(Trace(out)))
}

/// Writes a begin and an end for every span that is entered.
struct Chrome {
    since: Instant,
    out: Arc<Mutex<BufWriter<File>>>,
    /// Names of spans; a span's id is its name's place, for no span carries more than its name.
    names: Mutex<Vec<&'static str>>,
    first: Mutex<bool>,
}

thread_local! {
    static THREAD: u64 = {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        NEXT.fetch_add(1, Ordering::Relaxed)
    };
}

impl Chrome {
    fn write(&self, span: &span::Id, phase: char) {
        let ts = self.since.elapsed().as_nanos() as f64 / 1e3;
        let name = {
            let names = self.names.lock().unwrap_or_else(PoisonError::into_inner);
            names.get(span.into_u64() as usize - 1).copied().unwrap_or("?")
        };
        let mut first = self.first.lock().unwrap_or_else(PoisonError::into_inner);
        let comma = if std::mem::replace(&mut *first, false) { "" } else { ",\n" };
        let tid = THREAD.with(|t| *t);
        let mut out = self.out.lock().unwrap_or_else(PoisonError::into_inner);
        // What the buffer could not write it keeps, and tells when the trace is closed.
        let _ = write!(out, "{comma}{{\"name\":\"{name}\",\"ph\":\"{phase}\",\"ts\":{ts:.3},\"pid\":1,\"tid\":{tid}}}");
    }
}

impl Subscriber for Chrome {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.is_span() && metadata.target().starts_with("collimate")
    }

    fn new_span(&self, attributes: &span::Attributes<'_>) -> span::Id {
        let name = attributes.metadata().name();
        let mut names = self.names.lock().unwrap_or_else(PoisonError::into_inner);
        let place = names.iter().position(|n| *n == name).unwrap_or_else(|| {
            names.push(name);
            names.len() - 1
        });
        span::Id::from_u64(place as u64 + 1)
    }

    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}

    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}

    fn event(&self, _: &Event<'_>) {}

    fn enter(&self, span: &span::Id) {
        self.write(span, 'B');
    }

    fn exit(&self, span: &span::Id) {
        self.write(span, 'E');
    }
}
