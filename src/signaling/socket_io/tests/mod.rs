//! Inputs from clients of both revisions, and inputs that no client sends.

use std::time::{Duration, Instant};

use serde_json::Value;

mod life;
mod packet;
mod property;
mod wire;

use super::request::TransportRefusal;
use super::*;

const SID: &str = "abcdefghijklmnopqrst";
const SOCKET: &str = "ABCDEFGHIJKLMNOPQRST";
const SECOND: Duration = Duration::from_secs(1);
const NOTHING: [Value; 0] = [];

fn start() -> Instant {
    Instant::now()
}

fn session(now: Instant, revision: Revision, transport: Transport) -> Session {
    let settings = Settings::new();
    Session::new(now, revision, transport, SID, SOCKET, settings)
}

/// Returns a session of revision 4 that polls and is connected, with no packet left.
fn connected(now: Instant) -> Session {
    let mut session = session(now, Revision::Four, Transport::Polling);
    get(&mut session).unwrap();
    session.handle_post(now, b"40").unwrap();
    get(&mut session).unwrap();
    assert_eq!(events(&mut session), ["connected"]);
    session
}

/// Returns a connected session of revision 4 with a WebSocket from the beginning.
fn connected_by_websocket(now: Instant) -> Session {
    let mut session = session(now, Revision::Four, Transport::WebSocket);
    session.handle_websocket_message(now, "40");
    frames(&mut session);
    assert_eq!(events(&mut session), ["connected"]);
    session
}

/// Returns the body that a GET receives at once.
fn get(session: &mut Session) -> Option<String> {
    session.handle_poll().unwrap();
    session.poll_answer()
}

fn frames(session: &mut Session) -> Vec<String> {
    let frame = || session.poll_frame();
    let text = |frame| match frame {
        Frame::Text(text) => text,
        Frame::Close => "close".to_owned(),
    };
    std::iter::from_fn(frame).map(text).collect()
}

fn events(session: &mut Session) -> Vec<String> {
    let event = || session.poll_event();
    let text = |event| match event {
        Event::Connected => "connected".to_owned(),
        Event::Received {
            name,
            arguments,
            ack,
        } => {
            let arguments: Vec<&str> = arguments.iter().map(|it| it.get()).collect();
            format!("{name} {ack:?} {}", arguments.join(" "))
        }
        Event::Closed { reason } => format!("closed {reason:?}"),
    };
    std::iter::from_fn(event).map(text).collect()
}

fn closed(session: &mut Session) -> Option<Reason> {
    std::iter::from_fn(|| session.poll_event()).find_map(|event| match event {
        Event::Closed { reason } => Some(reason),
        Event::Connected | Event::Received { .. } => None,
    })
}
