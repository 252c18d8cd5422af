//! How many requests run at once, and when a verifier that keeps failing is left alone.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// A limit of requests at once with a circuit breaker.
#[derive(Debug)]
pub(super) struct Gate {
    state: Mutex<State>,
    free: Condvar,
    places: usize,
    breaker: u32,
    cool: Duration,
}

#[derive(Debug, Default)]
struct State {
    inside: usize,
    failed_in_row: u32,
    closed_until: Option<Instant>,
}

/// A place inside; it is given back when it is dropped.
#[derive(Debug)]
pub(super) struct Pass<'a>(&'a Gate);

impl Gate {
    pub(super) fn new(places: usize, breaker: u32, cool: Duration) -> Self {
        Self { state: Mutex::new(State::default()), free: Condvar::new(), places, breaker, cool }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for a place. None while the verifier is left alone; when that time is over one request may try, and the others are turned away
    /// until it has come back.
    pub(super) fn enter(&self) -> Option<Pass<'_>> {
        let mut state = self.lock();
        loop {
            if let Some(until) = state.closed_until {
                if Instant::now() < until {
                    return None;
                }
                state.closed_until = Some(Instant::now() + self.cool);
                state.inside += 1;
                return Some(Pass(self));
            }
            if state.inside < self.places {
                state.inside += 1;
                return Some(Pass(self));
            }
            state = self.free.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// A request came back with an answer.
    pub(super) fn worked(&self) {
        let mut state = self.lock();
        state.failed_in_row = 0;
        state.closed_until = None;
    }

    /// A request failed.
    pub(super) fn failed(&self) {
        let mut state = self.lock();
        state.failed_in_row += 1;
        if state.failed_in_row >= self.breaker {
            state.closed_until = Some(Instant::now() + self.cool);
        }
        drop(state);
        self.free.notify_all();
    }
}

impl Drop for Pass<'_> {
    fn drop(&mut self) {
        self.0.lock().inside -= 1;
        self.0.free.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};

    #[test]
    fn no_more_than_allowed_are_inside() {
        let gate = Gate::new(3, 5, Duration::from_secs(1));
        let (now, most) = (AtomicUsize::new(0), AtomicUsize::new(0));
        std::thread::scope(|scope| {
            for _ in 0..12 {
                scope.spawn(|| {
                    let pass = gate.enter().unwrap();
                    most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                    std::thread::sleep(Duration::from_millis(5));
                    now.fetch_sub(1, Ordering::SeqCst);
                    drop(pass);
                });
            }
        });
        assert_eq!(most.into_inner(), 3);
    }

    #[test]
    fn after_failures_in_a_row_it_is_closed_and_one_may_try() {
        let gate = Gate::new(8, 2, Duration::from_millis(50));
        gate.failed();
        gate.worked();
        gate.failed();
        assert!(gate.enter().is_some(), "a success between two failures starts the count anew");
        gate.failed();
        assert!(gate.enter().is_none());
        std::thread::sleep(Duration::from_millis(60));
        assert!(gate.enter().is_some() && gate.enter().is_none(), "one may try");
        gate.worked();
        assert!(gate.enter().is_some() && gate.enter().is_some());
    }
}
