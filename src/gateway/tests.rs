//! What can only be seen from inside.

use std::time::Instant;

use super::*;
use crate::session::event::EndReason;

const OFFER: &[u8] = include_bytes!("../../tests/golden/offers/chromium-156-trickle.sdp");

fn gateway() -> (Gateway, SourceId) {
    let identity = Identity::generate().expect("an identity");
    let now = Instant::now();
    let mut gateway = Gateway::new(now, Config::default(), identity, Vec::new(), [7; 32]);
    let mut ice = None;
    while let Some(command) = gateway.poll_command() {
        match command {
            Command::OpenIce { source, addr } => {
                ice = ice.or(Some(source));
                let local = SocketAddr::new(addr.ip(), 5000);
                gateway.handle_opened(now, source, Some(local));
            }
            Command::Listen { source, addr } => gateway.handle_listening(now, source, addr),
            other => panic!("{other:?}: the default has the demo device only"),
        }
    }
    (gateway, ice.expect("an ICE socket"))
}

fn offer(gateway: &mut Gateway, now: Instant) -> SessionId {
    let before = gateway.sessions.ids();
    let local = "127.0.0.1:8000".parse().unwrap();
    let source = gateway.handle_accept(now, local, local).expect("accepted");
    let head = format!(
        "POST /sessions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/sdp\r\n\
         Content-Length: {}\r\n\r\n",
        OFFER.len()
    );
    gateway.handle_data(now, source, head.as_bytes());
    gateway.handle_data(now, source, OFFER);
    gateway.handle_addresses(now, &["127.0.0.1".parse().unwrap()]);
    gateway.settle(now);
    let answer = String::from_utf8_lossy(gateway.output(source)).into_owned();
    assert!(answer.starts_with("HTTP/1.1 201"), "{answer}");
    let new = gateway
        .sessions
        .ids()
        .into_iter()
        .find(|id| !before.contains(id));
    new.expect("a new session")
}

#[test]
fn a_panic_costs_one_session() {
    let (mut gateway, _) = gateway();
    let now = Instant::now();
    let first = offer(&mut gateway, now);
    let second = offer(&mut gateway, now);
    // The hook for panics belongs to the whole process, in which other tests run: it stays.
    let outcome: Option<()> = gateway.with_session(first, |_, _| panic!("as str0m does"));
    assert!(outcome.is_none());
    assert!(gateway.sessions.get(first).is_none());
    assert!(
        gateway.with_session(second, |_, _| ()).is_some(),
        "the other one is unharmed"
    );
    assert_eq!(gateway.stats.sessions_panicked, 1);
    gateway.settle(now);
    let third = offer(&mut gateway, now);
    gateway.end_session(second, &EndReason::PeerClosed);
    gateway.end_session(third, &EndReason::PeerClosed);
    assert_eq!(gateway.demux.len(), (0, 0), "nothing of them is left");
    assert!(gateway.names.is_empty());
}

#[test]
fn bytes_on_an_unknown_channel_are_counted() {
    use crate::endpoint::DropReason;
    use crate::session::event::SessionEvent;
    let (mut gateway, _) = gateway();
    let now = Instant::now();
    let id = offer(&mut gateway, now);
    for bytes in [100, 23] {
        let entry = gateway.sessions.get_mut(id).expect("the session");
        entry
            .session
            .push_event_for_test(SessionEvent::Unbound { bytes });
        gateway.handle_session_events(now, id);
    }
    let counted: Vec<_> = gateway.stats.drops.iter().collect();
    let closed = (Direction::FromPeer, DropReason::Closed);
    let count = Count {
        messages: 2,
        bytes: 123,
    };
    assert_eq!(counted, [(closed, count)]);
}

#[test]
fn session_names_are_long_and_differ() {
    let (mut gateway, _) = gateway();
    let now = Instant::now();
    for _ in 0..3 {
        offer(&mut gateway, now);
    }
    let names: Vec<&String> = gateway.names.keys().collect();
    assert_eq!(names.len(), 3);
    assert!(names.iter().all(|name| name.len() == 32));
}

#[test]
fn learned_pairs_are_capped_and_the_chosen_one_stays() {
    use crate::datagram::TransmitQueue;
    let (mut gateway, _) = gateway();
    let id = offer(&mut gateway, Instant::now());
    let mut transmits = TransmitQueue::new();
    let entry = gateway.sessions.get_mut(id).expect("the session");
    let local = "127.0.0.1:5000".parse().unwrap();
    let chosen = "198.51.100.1:1".parse().unwrap();
    entry.session.assume_path(local, chosen);
    for port in 1..=100 {
        entry
            .session
            .learn_for_test(local, SocketAddr::new(chosen.ip(), port));
    }
    entry.session.flush(Instant::now(), &mut transmits);
    let pairs: Vec<_> = entry.session.pairs().collect();
    assert_eq!(pairs.len(), limits::PAIRS_PER_SESSION);
    assert!(pairs.contains(&(local, chosen)));
    gateway.handle_session_events(Instant::now(), id);
    assert_eq!(gateway.demux.len().0, limits::PAIRS_PER_SESSION);
    gateway.end_session(id, &EndReason::PeerClosed);
    assert!(gateway.demux.is_empty());
}
