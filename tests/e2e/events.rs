//! `GET /events` as server-sent events and over a WebSocket.

use std::net::TcpStream;
use std::time::Instant;

use serde_json::Value;
use tungstenite::{Message, WebSocket};

use crate::daemon::{Daemon, Folder, SOON};
use crate::http::Http;
use crate::page::Page;
use crate::peer::reliable;
use crate::pty::Pty;
use crate::serial;

/// A reader of server-sent events (HTML standard §9.2.6, the parts needed here).
pub struct EventSource {
    http: Http,
    text: String,
    last_id: u64,
}

impl EventSource {
    pub fn open(daemon: &Daemon) -> Self {
        let mut http = Http::connect(daemon.addr);
        http.send(format!(
            "GET /events HTTP/1.1\r\nHost: {}\r\n\r\n",
            daemon.addr
        ));
        let head = http.head();
        assert_eq!(head.status, 200);
        assert_eq!(head.header("Content-Type"), Some("text/event-stream"));
        assert_eq!(head.header("Cache-Control"), Some("no-store"));
        assert_eq!(head.header("Transfer-Encoding"), Some("chunked"));
        Self {
            http,
            text: String::new(),
            last_id: 0,
        }
    }

    pub fn next(&mut self) -> (String, Value) {
        let event = loop {
            if let Some(at) = self.text.find("\n\n") {
                let event: String = self.text.drain(..at + 2).collect();
                // A comment keeps proxies from closing an idle stream.
                if event.starts_with(':') {
                    continue;
                }
                break event;
            }
            let chunk = self.http.chunk().expect("the stream goes on");
            self.text
                .push_str(std::str::from_utf8(&chunk).expect("text"));
        };
        let field = |name: &str| {
            let mut lines = event.lines().filter_map(|line| line.strip_prefix(name));
            let value = lines
                .next()
                .unwrap_or_else(|| panic!("no {name} in {event:?}"));
            assert_eq!(lines.next(), None, "one {name} in {event:?}");
            value.to_owned()
        };
        let id: u64 = field("id: ").parse().expect("a counter");
        assert!(id > self.last_id, "ids grow");
        self.last_id = id;
        (
            field("event: "),
            serde_json::from_str(&field("data: ")).expect("one line of JSON"),
        )
    }
}

/// A reader of the same events over a WebSocket.
struct Socket(WebSocket<TcpStream>);

impl Socket {
    fn open(daemon: &Daemon) -> Self {
        let stream = TcpStream::connect(daemon.addr).expect("it listens");
        stream.set_read_timeout(Some(SOON)).expect("a limit");
        let url = format!("ws://{}/events", daemon.addr);
        let (socket, response) = tungstenite::client(url, stream).expect("a WebSocket");
        assert_eq!(response.status().as_u16(), 101);
        Self(socket)
    }

    fn next(&mut self) -> (String, Value) {
        loop {
            match self.0.read().expect("an event in time") {
                Message::Text(text) => {
                    let event: Value = serde_json::from_str(text.as_str()).expect("JSON");
                    let kind = event["event"].as_str().expect("a kind").to_owned();
                    return (kind, event["data"].clone());
                }
                Message::Ping(_) => {}
                other => panic!("{other:?} is no event"),
            }
        }
    }
}

/// Reads until an event satisfies a condition, and returns the event.
pub fn find(
    mut next: impl FnMut() -> (String, Value),
    what: &str,
    wanted: impl Fn(&str, &Value) -> bool,
) -> Value {
    let end = Instant::now() + SOON;
    let mut seen = Vec::new();
    while Instant::now() < end {
        let (kind, data) = next();
        if wanted(&kind, &data) {
            return data;
        }
        seen.push((kind, data));
    }
    panic!("no {what} among {seen:?}");
}

/// Checks what a reader sees while a device, a session and its channels appear and vanish.
fn follow(daemon: &Daemon, pty: Pty, next: &mut dyn FnMut() -> (String, Value)) {
    let (kind, first) = next();
    assert_eq!((kind.as_str(), &first["name"]), ("endpoint", &"arm".into()));
    assert_eq!(
        (&first["state"], &first["kind"]),
        (&"open".into(), &"serial".into())
    );

    let mut page = Page::connect(
        daemon,
        &[reliable("thingway"), reliable("arm"), reliable("nobody")],
    );
    page.until("closed", |page| page.peer.channels["nobody"].closed);
    page.until("open", |page| page.peer.channels["arm"].open);
    let id = page.session.clone();
    for state in ["new", "connecting", "connected"] {
        let wanted = |kind: &str, data: &Value| kind == "session" && data["state"] == state;
        assert_eq!(find(&mut *next, state, wanted)["id"], id.as_str());
    }
    // The order in which two channels open is not defined.
    let (mut opened, mut refused) = (None, None);
    while opened.is_none() || refused.is_none() {
        let channel = find(&mut *next, "channel", |kind, _| kind == "channel");
        let place = if channel["state"] == "opened" {
            &mut opened
        } else {
            &mut refused
        };
        *place = Some(channel);
    }
    let (opened, refused) = (opened.expect("seen"), refused.expect("seen"));
    assert_eq!(
        (&opened["session"], &opened["endpoint"]),
        (&id.as_str().into(), &"arm".into())
    );
    assert_eq!(
        opened["channel"].as_u64(),
        page.peer.channels["arm"].stream.map(u64::from)
    );
    assert_eq!(
        (&refused["state"], &refused["label"]),
        (&"refused".into(), &"nobody".into())
    );
    assert_eq!(
        (&refused["reason"], &refused["endpoint"]),
        (&"unknown-endpoint".into(), &Value::Null)
    );

    drop(pty);
    let gone = find(&mut *next, "absence", |kind, _| kind == "endpoint");
    assert_eq!(
        (&gone["name"], &gone["state"]),
        (&"arm".into(), &"absent".into())
    );
    assert!(!gone["detail"].as_str().expect("a sentence").is_empty());
    let pty = Pty::plug(&daemon.folder.join("arm"));
    find(&mut *next, "return", |kind, data| {
        kind == "endpoint" && data["state"] == "open"
    });

    page.peer.close_channel(Instant::now(), "arm");
    page.until("unbound", |_| daemon.get("/endpoints/arm")["routes"] == 0);
    let closed = find(&mut *next, "closed", |kind, data| {
        kind == "channel" && data["state"] == "closed"
    });
    assert_eq!(
        (&closed["label"], &closed["session"]),
        (&"arm".into(), &id.as_str().into())
    );
    let path = format!("/sessions/{id}");
    assert_eq!(
        crate::http::request(daemon.addr, "DELETE", &path, "", "").status,
        200
    );
    let ended = find(&mut *next, "end", |kind, data| {
        kind == "session" && data["state"] == "closed"
    });
    assert_eq!(
        (&ended["id"], &ended["reason"]),
        (&id.as_str().into(), &"closed over the API".into())
    );
    drop(pty);
}

#[test]
fn a_stream_of_server_sent_events_tells_everything() {
    let (daemon, pty) = serial::daemon_with_line();
    let mut source = EventSource::open(&daemon);
    follow(&daemon, pty, &mut || source.next());
}

#[test]
fn a_websocket_tells_the_same() {
    let (daemon, pty) = serial::daemon_with_line();
    let mut socket = Socket::open(&daemon);
    follow(&daemon, pty, &mut || socket.next());
    socket
        .0
        .send(Message::Ping(b"are you there".as_slice().into()))
        .expect("sent");
    loop {
        match socket.0.read().expect("a pong in time") {
            Message::Pong(data) => break assert_eq!(data.as_ref(), b"are you there"),
            other => drop(other),
        }
    }
    socket.0.close(None).expect("closing");
    let end = std::iter::from_fn(|| socket.0.read().ok()).find(Message::is_close);
    assert!(end.is_some(), "a close frame answers a close frame");
}

#[test]
fn who_listens_later_is_told_first_how_things_stand() {
    let daemon = Daemon::start("[[endpoint]]\nname = \"demo\"\nkind = \"demo\"\n");
    let page = Page::demo(&daemon);
    let mut source = EventSource::open(&daemon);
    let mut socket = Socket::open(&daemon);
    for next in [&mut || source.next(), &mut || socket.next()] as [&mut dyn FnMut() -> _; 2] {
        let (kind, data): (String, Value) = next();
        assert_eq!((kind.as_str(), &data["name"]), ("endpoint", &"demo".into()));
        let (kind, data) = next();
        assert_eq!(
            (kind.as_str(), &data["id"]),
            ("session", &page.session.as_str().into())
        );
        assert_eq!(data["state"], "connected");
    }
}

#[test]
fn a_reader_hears_of_the_end_of_the_daemon() {
    let mut daemon = Daemon::start("");
    let mut source = EventSource::open(&daemon);
    let mut socket = Socket::open(&daemon);
    daemon.signal(rustix::process::Signal::TERM);
    assert_eq!(source.http.chunk(), None, "the stream ends properly");
    let close = socket.0.read().expect("a close frame");
    let Message::Close(Some(frame)) = close else {
        panic!("{close:?} is no close frame")
    };
    assert_eq!(u16::from(frame.code), 1001);
    let status = daemon.ended_within(SOON).expect("ended");
    assert_eq!(status.code(), Some(0));
}

#[test]
fn readers_that_leave_are_forgotten() {
    let folder = std::sync::Arc::new(Folder::new());
    let daemon = Daemon::start_in(folder, "", &["--listen", "127.0.0.1:0"]);
    let before = daemon.descriptors();
    for _ in 0..20 {
        let source = EventSource::open(&daemon);
        let socket = Socket::open(&daemon);
        drop((source, socket));
    }
    daemon.until("descriptors closed", |d| d.descriptors() <= before);
    let metrics = crate::http::get(daemon.addr, "/metrics").text();
    assert!(metrics.contains("thingway_event_readers 0"), "{metrics}");
}
