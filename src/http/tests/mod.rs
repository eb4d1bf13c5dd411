//! The connection as its two neighbours see it: a client on one side, an owner on the other.

mod bodies;
mod exchanges;
mod malformed;
mod refused;
mod streams;
mod timeouts;

use std::time::{Duration, Instant};

use super::{HttpConnection, HttpEvent, Limits, RequestHead, Response};
use crate::connection::Connection;

/// A connection under a virtual clock.
struct Rig {
    now: Instant,
    http: HttpConnection,
}

impl Rig {
    fn new() -> Self {
        Self::with(&Limits::default())
    }

    fn with(limits: &Limits) -> Self {
        #[expect(clippy::disallowed_methods, reason = "a test has to begin somewhere")]
        let now = Instant::now();
        Self {
            now,
            http: HttpConnection::new(now, limits),
        }
    }

    fn send(&mut self, input: impl AsRef<[u8]>) -> &mut Self {
        self.http.handle_input(self.now, input.as_ref());
        self
    }

    fn close(&mut self) -> &mut Self {
        self.http.handle_closed(self.now);
        self
    }

    /// Advances the time as the event loop does: every deadline on the way is served.
    fn wait(&mut self, time: Duration) -> &mut Self {
        let end = self.now + time;
        for _ in 0..1000 {
            match self.http.poll_timeout() {
                Some(at) if at <= end => {
                    self.now = self.now.max(at);
                    self.http.handle_timeout(self.now);
                }
                Some(_) | None => {
                    self.now = end;
                    return self;
                }
            }
        }
        panic!("the connection asks for the same deadline again and again")
    }

    fn head(&mut self) -> RequestHead {
        match self.http.poll_event() {
            Some(HttpEvent::Head(head)) => head,
            other => panic!("a head was expected, not {other:?}"),
        }
    }

    fn accept(&mut self) -> &mut Self {
        self.http.accept_body(self.now);
        self
    }

    /// Takes the head of a request, accepts its body, and returns that body.
    fn body(&mut self) -> Vec<u8> {
        self.head();
        self.accept();
        self.received()
    }

    fn received(&mut self) -> Vec<u8> {
        match self.http.poll_event() {
            Some(HttpEvent::Body(body)) => body,
            other => panic!("a body was expected, not {other:?}"),
        }
    }

    #[track_caller]
    fn quiet(&mut self) -> &mut Self {
        assert_eq!(self.http.poll_event(), None);
        self
    }

    #[track_caller]
    fn gone(&mut self) -> &mut Self {
        assert_eq!(self.http.poll_event(), Some(HttpEvent::Gone));
        self.quiet()
    }

    fn respond(&mut self, status: u16) -> &mut Self {
        self.http.respond(self.now, Response::new(status));
        self
    }

    fn respond_text(&mut self, text: &str) -> &mut Self {
        let response = Response::new(200).body("text/plain", text.as_bytes().to_vec());
        self.http.respond(self.now, response);
        self
    }

    /// Returns all waiting output and marks it as written.
    fn written(&mut self) -> String {
        let text = String::from_utf8(self.http.output().to_vec()).unwrap();
        self.http.consume(text.len());
        text
    }

    /// Returns the status code of the only answer in the waiting output.
    #[track_caller]
    fn status(&mut self) -> u16 {
        let text = self.written();
        assert_eq!(text.matches("HTTP/1.1 ").count(), 1, "{text}");
        text.get(9..12).unwrap().parse().unwrap()
    }

    #[track_caller]
    fn finished(&self) {
        assert!(self.http.is_finished());
        assert_eq!(self.http.poll_timeout(), None);
        assert!(!self.http.wants_input());
        assert!(self.http.output().is_empty());
    }

    #[track_caller]
    fn open(&mut self) -> &mut Self {
        assert!(!self.http.is_finished());
        self
    }
}

const GET: &str = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
const OK_EMPTY: &str = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
const OK_CLOSE: &str = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";

fn post(lines: &str, body: &str) -> String {
    format!("POST /p HTTP/1.1\r\nHost: a\r\n{lines}\r\n{body}")
}

fn secs(n: u64) -> Duration {
    Duration::from_secs(n)
}
