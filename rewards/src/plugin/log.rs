//! What a plugin prints: a capped file, and the last words for messages.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{PipeReader, Read, Write};
use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Bytes of last words.
const LAST_WORDS: usize = 600;

/// The log of all copies of a plugin. Until [`Log::open`] nothing is written to disk: a recipe that is refused leaves nothing behind.
pub(super) struct Log(Mutex<State>);

struct State {
    path: Option<PathBuf>,
    file: Option<File>,
    early: Vec<u8>,
    left: usize,
}

impl Log {
    pub(super) fn new(path: Option<PathBuf>, cap: usize) -> Self {
        Self(Mutex::new(State { path, file: None, early: Vec::new(), left: cap }))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Opens the file, if one is set and it can be opened: a log is no reason to stop. What was printed before is written first.
    pub(super) fn open(&self) {
        let mut state = self.lock();
        let Some(path) = state.path.take() else { return };
        state.file = File::options().create(true).append(true).open(path).ok();
        let early = std::mem::take(&mut state.early);
        if let Some(file) = &mut state.file {
            let _ = file.write_all(&early);
        }
    }

    fn write(&self, bytes: &[u8]) {
        let mut state = self.lock();
        if state.left == 0 {
            return;
        }
        let kept = &bytes[..bytes.len().min(state.left)];
        state.left -= kept.len();
        let mut piece = kept.to_vec();
        if state.left == 0 {
            piece.extend_from_slice(b"\n[the log is full: the rest is thrown away]\n");
        }
        if let Some(file) = &mut state.file {
            let _ = file.write_all(&piece);
        } else if state.path.is_some() {
            state.early.extend_from_slice(&piece);
        }
    }
}

/// The last words of one copy.
#[derive(Default)]
pub(super) struct LastWords {
    state: Mutex<(VecDeque<u8>, bool)>,
    over: Condvar,
}

impl LastWords {
    /// Reads everything a copy prints, in a thread of its own, so that it never waits for a reader.
    pub(super) fn listen(mut pipe: PipeReader, log: Arc<Log>) -> Arc<Self> {
        let words = Arc::new(Self::default());
        let heard = words.clone();
        let listen = move || {
            let mut bytes = vec![0; 1 << 16];
            while let Ok(n @ 1..) = pipe.read(&mut bytes) {
                log.write(&bytes[..n]);
                heard.add(&bytes[..n]);
            }
            heard.lock().1 = true;
            heard.over.notify_all();
        };
        // Without the thread the pipe is closed and the copy's printing fails: its verdicts still count.
        let _ = std::thread::Builder::new().name("reward-log".into()).spawn(listen);
        words
    }

    fn lock(&self) -> MutexGuard<'_, (VecDeque<u8>, bool)> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn add(&self, bytes: &[u8]) {
        let words = &mut self.lock().0;
        words.extend(&bytes[bytes.len().saturating_sub(LAST_WORDS)..]);
        let surplus = words.len().saturating_sub(LAST_WORDS);
        words.drain(..surplus);
    }

    /// The last words of a copy that has ended: `; its last words: …`, or nothing.
    pub(super) fn text(&self) -> String {
        let guard = self.lock();
        let wait = self.over.wait_timeout_while(guard, Duration::from_millis(100), |(_, over)| !*over);
        let (guard, _) = wait.unwrap_or_else(PoisonError::into_inner);
        let bytes: Vec<u8> = guard.0.iter().copied().collect();
        let text = String::from_utf8_lossy(&bytes);
        let lines: Vec<&str> = text.lines().map(str::trim_end).filter(|l| !l.is_empty()).collect();
        let tail = lines[lines.len().saturating_sub(4)..].join(" | ");
        if tail.is_empty() { String::new() } else { format!("; its last words: {tail}") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_is_capped_and_begins_when_it_is_opened() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x.log");
        let log = Log::new(Some(path.clone()), 10);
        log.write(b"early ");
        assert!(!path.exists());
        log.open();
        log.write(b"and later");
        log.write(b"never");
        let text = std::fs::read_to_string(path).unwrap();
        assert!(text.starts_with("early and \n[the log is full") && !text.contains("never"), "{text}");
    }

    #[test]
    fn the_last_words_are_the_last() {
        let words = LastWords::default();
        words.add(&[b'x'; 2000]);
        words.add(b"\n\nthe end\n");
        words.lock().1 = true;
        let text = words.text();
        assert!(text.ends_with(" | the end") && text.len() < LAST_WORDS + 40, "{text}");
    }
}
