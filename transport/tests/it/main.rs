//! The hub and its peers, over real sockets.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on shall panic")]

mod hostile;
mod peers;

use std::time::{Duration, Instant};

use collimate_transport::{Hub, HubEvent, Limits};

type TestHub = Hub<String, String>;

/// Short limits, so that waits end within a test.
fn limits() -> Limits {
    let ms = Duration::from_millis;
    Limits { handshake: ms(300), frame: ms(300), beat: ms(20), silence: ms(250), frame_bytes: 1 << 20, ..Limits::default() }
}

fn hub(dir: &std::path::Path) -> TestHub {
    Hub::open(dir, "control", limits()).unwrap()
}

/// The next event; there must be one soon.
#[track_caller]
fn event(hub: &TestHub) -> HubEvent<String> {
    hub.next(Duration::from_secs(5)).unwrap().expect("nothing happened in 5 s")
}

#[track_caller]
fn wait_until(what: &str, mut so: impl FnMut() -> bool) -> Duration {
    let clock = Instant::now();
    while !so() {
        assert!(clock.elapsed() < Duration::from_secs(5), "{what} did not come in 5 s");
        std::thread::sleep(Duration::from_millis(1));
    }
    clock.elapsed()
}
