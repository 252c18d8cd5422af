//! What strangers and broken peers can do: nothing to anybody else (rows P2, P3, P4 and P7 of the fault matrix).

use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use collimate_transport::{Header, Hello, HubEvent, Kind, Link, TransportError};

use crate::{event, hub, limits, wait_until};

fn raw(dir: &std::path::Path) -> UnixStream {
    let stream = UnixStream::connect(dir.join("control")).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    stream
}

/// What the hub says until it hangs up.
fn answer(mut stream: UnixStream) -> Vec<u8> {
    let mut bytes = Vec::new();
    let _ = stream.read_to_end(&mut bytes);
    bytes
}

fn frame(kind: Kind, payload: &[u8]) -> Vec<u8> {
    [&Header { kind, len: payload.len() as u32 }.encode()[..], payload].concat()
}

#[test]
fn strangers_of_every_kind_are_turned_away_in_time_and_the_run_does_not_notice() {
    let dir = tempfile::tempdir().unwrap();
    let hub = hub(dir.path());
    let link = Link::<String, String>::connect(dir.path(), "control", &Hello::of("actor-0", 1), limits()).unwrap();
    let HubEvent::Joined { .. } = event(&hub) else { panic!("nobody joined") };
    let mut oversize = Header { kind: Kind::Hello, len: 0 }.encode();
    oversize[4..].fill(0xff);
    let attacks: [(&str, Vec<u8>); 7] = [
        ("silence", Vec::new()),
        ("random bytes", (0..64_u8).map(|i| i.wrapping_mul(151).wrapping_add(91)).collect()),
        ("a TLS hello", vec![0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3]),
        ("a message before the hello", frame(Kind::Message, b"\"x\"")),
        ("a frame of 4 GB", oversize.to_vec()),
        ("half a head", b"CF\x01".to_vec()),
        ("half a frame", frame(Kind::Hello, &[b'{'; 100])[..50].to_vec()),
    ];
    for (index, (what, bytes)) in attacks.iter().enumerate() {
        let mut stream = raw(dir.path());
        stream.write_all(bytes).unwrap();
        let clock = Instant::now();
        answer(stream);
        assert!(clock.elapsed() < 2 * limits().handshake, "{what}: {:?}", clock.elapsed());
        wait_until(what, || hub.refusals().count == index as u64 + 1);
    }
    link.send(&"still here".to_owned(), Duration::from_secs(1)).unwrap();
    assert!(matches!(event(&hub), HubEvent::Message { message, .. } if message == "still here"));
}

#[test]
fn a_frame_that_comes_byte_by_byte_ends_at_the_deadline() {
    let dir = tempfile::tempdir().unwrap();
    let hub = hub(dir.path());
    let mut stream = raw(dir.path());
    let clock = Instant::now();
    for byte in frame(Kind::Hello, &[b' '; 1000]) {
        if stream.write_all(&[byte]).is_err() {
            break;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    answer(stream);
    assert!(clock.elapsed() < Duration::from_secs(2), "{:?}", clock.elapsed());
    assert!(hub.refusals().last.unwrap().contains("waited 300ms"));
}

#[test]
fn a_peer_that_was_let_in_and_then_talks_rubbish_is_dropped_with_the_reason() {
    let dir = tempfile::tempdir().unwrap();
    let hub = hub(dir.path());
    let mut oversize = Header { kind: Kind::Message, len: 0 }.encode();
    oversize[4..].fill(0xff);
    for (bytes, wanted) in [
        (frame(Kind::Message, b"{not JSON"), "cannot be read"),
        (frame(Kind::Hello, b"{}"), "after the handshake"),
        (oversize.to_vec(), "at most 1048576 are taken"),
        (b"GET / HTTP/1.1\r\n".to_vec(), "not those of a frame"),
        (frame(Kind::Beat, b"abc"), "wrong length"),
    ] {
        let mut stream = raw(dir.path());
        stream.write_all(&frame(Kind::Hello, &serde_json_hello(1))).unwrap();
        let HubEvent::Joined { peer, .. } = event(&hub) else { panic!("nobody joined") };
        stream.write_all(&bytes).unwrap();
        let HubEvent::Left { peer: left, why } = event(&hub) else { panic!("it did not leave") };
        assert!(left == peer && why.to_string().contains(wanted), "{why}");
    }
}

fn serde_json_hello(protocol: u32) -> Vec<u8> {
    format!("{{\"protocol\":{protocol},\"program\":\"collimate 9.9\",\"part\":\"raw\",\"incarnation\":1}}").into_bytes()
}

#[test]
fn another_release_is_told_both_versions_and_the_mend() {
    let dir = tempfile::tempdir().unwrap();
    let _hub = hub(dir.path());
    let mut stream = raw(dir.path());
    stream.write_all(&frame(Kind::Hello, &serde_json_hello(2))).unwrap();
    let said = String::from_utf8_lossy(&answer(stream)).into_owned();
    assert!(said.contains("protocol 2 (collimate 9.9), this one 1") && said.contains("start the run with one binary"), "{said}");
    let newer = Hello { protocol: 2, ..Hello::of("actor-0", 1) };
    let refused = Link::<String, String>::connect(dir.path(), "control", &newer, limits()).unwrap_err();
    assert!(matches!(&refused, TransportError::Refused(why) if why.contains("protocol 2")), "{refused}");
}

#[test]
fn a_thousand_connections_use_a_handful_of_handles_and_a_peer_is_still_let_in() {
    let dir = tempfile::tempdir().unwrap();
    let hub = hub(dir.path());
    let mut open = Vec::new();
    let mut most = 0;
    for i in 0..1000 {
        open.push(raw(dir.path()));
        if i % 50 == 0 {
            let own = std::fs::read_dir("/proc/self/fd").unwrap().count();
            most = most.max(own - open.len());
        }
        if open.len() > 100 {
            open.clear();
        }
    }
    assert!(most < 150, "{most} handles beside those of the attack");
    drop(open);
    let link = Link::<String, String>::connect(dir.path(), "control", &Hello::of("actor-0", 1), limits()).unwrap();
    let HubEvent::Joined { .. } = event(&hub) else { panic!("nobody joined") };
    drop(link);
    assert!(hub.refusals().count > 900, "{:?}", hub.refusals());
}
