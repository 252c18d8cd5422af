//! What well-meaning peers see.

use std::time::{Duration, Instant};

use collimate_transport::{Hello, HubEvent, Limits, Link, TransportError};

use crate::{event, hub, limits, wait_until};

type TestLink = Link<String, String>;
const LONG: Duration = Duration::from_secs(5);

#[test]
fn messages_go_both_ways_in_order_and_progress_travels_with_the_beats() {
    let dir = tempfile::tempdir().unwrap();
    let hub = hub(dir.path());
    let link = TestLink::connect(dir.path(), "control", &Hello::of("actor-0", 4), limits()).unwrap();
    let HubEvent::Joined { peer, pid, hello } = event(&hub) else { panic!("nobody joined") };
    assert_eq!((pid, hello.part.as_str(), hello.incarnation), (std::process::id(), "actor-0", 4));
    for i in 0..200 {
        hub.send(peer, &format!("order {i}")).unwrap();
        assert_eq!(link.next(LONG).unwrap().unwrap(), format!("order {i}"));
        link.send(&format!("report {i}"), LONG).unwrap();
        let HubEvent::Message { message, .. } = event(&hub) else { panic!("no message") };
        assert_eq!(message, format!("report {i}"));
    }
    for _ in 0..7 {
        link.progress().tick();
    }
    wait_until("progress 7", || hub.progress(peer) == Some(7));
    link.send(&"last words".to_owned(), LONG).unwrap();
    drop(link);
    assert!(matches!(event(&hub), HubEvent::Message { message, .. } if message == "last words"), "what was said before the end arrives");
    assert!(matches!(event(&hub), HubEvent::Left { peer: p, why: TransportError::Closed { .. } } if p == peer));
    assert!(matches!(hub.send(peer, &String::new()), Err(TransportError::Closed { .. })));
}

#[test]
fn a_peer_that_computes_for_long_stays_and_one_that_hangs_is_told_of_within_the_limit() {
    let dir = tempfile::tempdir().unwrap();
    let hub = hub(dir.path());
    let link = TestLink::connect(dir.path(), "control", &Hello::of("busy", 1), limits()).unwrap();
    let HubEvent::Joined { .. } = event(&hub) else { panic!("nobody joined") };
    assert!(hub.next(2 * limits().silence).unwrap().is_none(), "its thread gives signs of life while it computes");
    drop(link);
    let HubEvent::Left { .. } = event(&hub) else { panic!("it did not leave") };

    // A stopped process gives none: here one whose beats are too rare.
    let rare = Limits { beat: Duration::from_secs(60), silence: Duration::from_millis(250), ..limits() };
    drop(hub);
    let hub: crate::TestHub = collimate_transport::Hub::open(dir.path(), "control", rare).unwrap();
    let _link = TestLink::connect(dir.path(), "control", &Hello::of("hung", 1), rare).unwrap();
    let HubEvent::Joined { .. } = event(&hub) else { panic!("nobody joined") };
    let clock = Instant::now();
    let HubEvent::Left { why, .. } = event(&hub) else { panic!("it did not leave") };
    assert!(clock.elapsed() < Duration::from_millis(400), "{:?}", clock.elapsed());
    assert!(why.to_string().contains("waited 250ms for a sign of life of hung (process "), "{why}");
}

#[test]
fn when_the_launcher_is_gone_its_peers_know_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let hub = hub(dir.path());
    let link = TestLink::connect(dir.path(), "control", &Hello::of("actor-0", 1), limits()).unwrap();
    let HubEvent::Joined { .. } = event(&hub) else { panic!("nobody joined") };
    drop(hub);
    let clock = Instant::now();
    let error = loop {
        match link.next(LONG) {
            Ok(message) => assert!(message.is_none()),
            Err(error) => break error,
        }
    };
    assert!(
        clock.elapsed() < Duration::from_millis(500) && error.to_string().contains("the connection to the launcher is gone"),
        "{error}"
    );
    assert!(matches!(link.send(&String::new(), LONG), Err(TransportError::Closed { .. })));
    assert!(TestLink::connect(dir.path(), "control", &Hello::of("late", 1), limits()).is_err());
    let _taken_over = crate::hub(dir.path());
}

#[test]
fn a_peer_that_takes_nothing_fills_its_own_queue_and_stops_nobody_else() {
    let dir = tempfile::tempdir().unwrap();
    let hub = hub(dir.path());
    let _deaf = TestLink::connect(dir.path(), "control", &Hello::of("deaf", 1), limits()).unwrap();
    let HubEvent::Joined { peer: deaf, .. } = event(&hub) else { panic!("nobody joined") };
    let other = TestLink::connect(dir.path(), "control", &Hello::of("other", 1), limits()).unwrap();
    let HubEvent::Joined { peer, .. } = event(&hub) else { panic!("nobody joined") };
    let big = "x".repeat(100_000);
    let clock = Instant::now();
    let full = (0..10_000).find_map(|_| hub.send(deaf, &big).err()).expect("the queue has no end");
    assert!(matches!(full, TransportError::Full { .. } | TransportError::Closed { .. }), "{full}");
    assert!(clock.elapsed() < Duration::from_secs(3), "the owner waited for it");
    hub.send(peer, &"hello".to_owned()).unwrap();
    assert_eq!(other.next(LONG).unwrap().as_deref(), Some("hello"));
}

#[test]
fn a_message_longer_than_a_frame_is_refused_where_it_is_said() {
    let dir = tempfile::tempdir().unwrap();
    let hub = hub(dir.path());
    let link = TestLink::connect(dir.path(), "control", &Hello::of("actor-0", 1), limits()).unwrap();
    let HubEvent::Joined { peer, .. } = event(&hub) else { panic!("nobody joined") };
    let long = "x".repeat(2 << 20);
    assert!(matches!(link.send(&long, LONG), Err(TransportError::FrameTooLong { .. })));
    assert!(matches!(hub.send(peer, &long), Err(TransportError::FrameTooLong { .. })));
    link.send(&"fine".to_owned(), LONG).unwrap();
    assert!(matches!(event(&hub), HubEvent::Message { .. }));
}
