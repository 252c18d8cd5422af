//! Rows P*: strangers and broken peers on the control socket, while a good peer works.

use std::fs;
use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

use collimate_transport::{Header, Hello, Hub, HubEvent, Kind, Limits, Link};

use crate::row::{Args, Outcome, holds};

type TestHub = Hub<String, String>;
type TestLink = Link<String, String>;
/// No attack may hold anything for longer.
const LIMIT: Duration = Duration::from_secs(5);

/// A hub with one good peer.
struct Stage {
    dir: tempfile::TempDir,
    hub: TestHub,
    link: TestLink,
}

impl Stage {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let limits = Limits { handshake: Duration::from_secs(1), frame: Duration::from_secs(1), ..Limits::default() };
        let hub = TestHub::open(dir.path(), "control", limits).unwrap();
        let link = TestLink::connect(dir.path(), "control", &Hello::of("actor-0", 1), limits).unwrap();
        let stage = Self { dir, hub, link };
        let HubEvent::Joined { .. } = stage.event() else { panic!("the good peer did not join") };
        stage
    }

    fn event(&self) -> HubEvent<String> {
        self.hub.next(LIMIT).unwrap().expect("nothing happened")
    }

    fn raw(&self) -> UnixStream {
        let stream = UnixStream::connect(self.dir.path().join("control")).unwrap();
        stream.set_read_timeout(Some(LIMIT)).unwrap();
        stream
    }

    /// The good peer still works, and at once.
    fn works(&self) {
        let clock = Instant::now();
        self.link.send(&"here".to_owned(), LIMIT).unwrap();
        loop {
            match self.event() {
                HubEvent::Message { message, .. } if message == "here" => break,
                HubEvent::Left { why, .. } if why.to_string().contains("actor-0") => panic!("the good peer was dropped: {why}"),
                _ => {}
            }
        }
        assert!(clock.elapsed() < Duration::from_millis(500), "the good peer waited {:?}", clock.elapsed());
    }
}

fn frame(kind: Kind, payload: &[u8]) -> Vec<u8> {
    [&Header { kind, len: payload.len() as u32 }.encode()[..], payload].concat()
}

/// How long the hub takes to hang up.
fn hung_up(mut stream: UnixStream) -> Duration {
    let clock = Instant::now();
    let _ = stream.read_to_end(&mut Vec::new());
    clock.elapsed()
}

fn held_kb() -> u64 {
    let text = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = text.lines().find(|l| l.starts_with("VmRSS:")).unwrap_or_default();
    line.split_ascii_whitespace().nth(1).and_then(|k| k.parse().ok()).unwrap_or(0)
}

fn attack(stage: &Stage, what: &str, bytes: &[u8]) -> Result<(), String> {
    holds(|| {
        let before = held_kb();
        let mut stream = stage.raw();
        stream.write_all(bytes).unwrap();
        let took = hung_up(stream);
        assert!(took < LIMIT, "it was held for {took:?}");
        let grown = held_kb().saturating_sub(before);
        assert!(grown < 16 << 10, "{grown} KiB were taken for it");
        stage.works();
    })
    .map_err(|why| format!("{what}: {why}"))
}

pub(crate) fn strangers(args: &Args) -> Outcome {
    let (stage, mut dice) = (Stage::new(), args.dice("P2"));
    let hello = |extra: &str| format!("{{\"protocol\":1,\"program\":\"x\"{extra}}}").into_bytes();
    let mut attacks: Vec<(String, Vec<u8>)> = vec![
        ("silence".into(), Vec::new()),
        ("a TLS hello".into(), vec![0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3]),
        ("HTTP".into(), b"GET / HTTP/1.1\r\nHost: x\r\n\r\n".to_vec()),
        ("a message before the hello".into(), frame(Kind::Message, b"\"x\"")),
        ("a hello without a part".into(), frame(Kind::Hello, &hello(""))),
        ("a hello of a wrong type".into(), frame(Kind::Hello, &hello(",\"part\":7,\"incarnation\":1"))),
        ("a hello that is no JSON".into(), frame(Kind::Hello, b"\xff\xfe")),
    ];
    attacks.extend((0..20).map(|i| (format!("random bytes {i}"), (0..64).map(|_| dice.below(256) as u8).collect())));
    crate::count(attacks.iter().map(|(what, bytes)| attack(&stage, what, bytes)))
}

pub(crate) fn frames(_: &Args) -> Outcome {
    let stage = Stage::new();
    let good = frame(Kind::Hello, &serde_json::to_vec(&Hello::of("stranger", 1)).unwrap());
    let long = |kind: Kind| {
        let mut head = Header { kind, len: 0 }.encode();
        head[4..].fill(0xff);
        head.to_vec()
    };
    let after = |bytes: Vec<u8>| [good.clone(), bytes].concat();
    let attacks = [
        ("a hello of 4 GB", long(Kind::Hello)),
        ("a message of 4 GB after the handshake", after(long(Kind::Message))),
        ("half a head", b"CF\x01".to_vec()),
        ("half a frame", good[..20].to_vec()),
        ("half a message after the handshake", after(frame(Kind::Message, &[b'x'; 1000])[..500].to_vec())),
        ("a message of 200 MB that never comes", after(Header { kind: Kind::Message, len: 200 << 20 }.encode().to_vec())),
    ];
    let slow = holds(|| {
        let mut stream = stage.raw();
        let clock = Instant::now();
        for byte in frame(Kind::Hello, &[b' '; 4000]) {
            if stream.write_all(&[byte]).is_err() {
                break;
            }
            std::thread::sleep(Duration::from_millis(2));
        }
        hung_up(stream);
        assert!(clock.elapsed() < LIMIT, "a byte at a time was taken for {:?}", clock.elapsed());
        stage.works();
    });
    crate::count(attacks.iter().map(|(what, bytes)| attack(&stage, what, bytes)).chain([slow]))
}

fn handles() -> usize {
    fs::read_dir("/proc/self/fd").map_or(0, Iterator::count)
}

/// 10,000 connections in waves: this process holds their other ends too, so a wave is small enough for both.
pub(crate) fn flood(_: &Args) -> Outcome {
    let stage = Stage::new();
    let before = handles();
    let waves = (0..100).flat_map(|wave| {
        let held = holds(|| {
            let open: Vec<UnixStream> = (0..100).map(|_| stage.raw()).collect();
            if wave % 10 == 0 {
                stage.works();
                let held = handles() - before - open.len();
                assert!(held < 64, "the hub holds {held} handles");
            }
        });
        vec![held; 100]
    });
    let outcome = crate::count(waves.collect::<Vec<_>>());
    stage.works();
    assert!(stage.hub.refusals().count > 9000, "{:?}", stage.hub.refusals());
    outcome
}

pub(crate) fn other_release(_: &Args) -> Outcome {
    let stage = Stage::new();
    let connect = |dir: &Path, hello: &Hello| TestLink::connect(dir, "control", hello, Limits::default());
    crate::count([0, 2, 7, u32::MAX].map(|protocol| {
        holds(|| {
            let hello = Hello { protocol, program: "collimate 9.9".to_owned(), ..Hello::of("actor-1", 1) };
            let why = connect(stage.dir.path(), &hello).unwrap_err().to_string();
            for part in [&format!("protocol {protocol} (collimate 9.9), this one 1") as &str, "one binary"] {
                assert!(why.contains(part), "{why}");
            }
            stage.works();
        })
        .map_err(|why| format!("protocol {protocol}: {why}"))
    }))
}
