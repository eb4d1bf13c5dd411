//! What a fuzzer drives: any bytes, chopped in any way, must mean the same as the same bytes whole.

use std::time::{Duration, Instant};

use thingway::testing::connection::Connection;
use thingway::testing::http::{HttpConnection, HttpEvent, Limits, Response, problem};

/// Feeds a connection with all bytes of `data` but the first, which picks how they are chopped, and
/// panics if the chopping makes a difference or the connection does not come to an end.
pub fn fuzz_http(data: &[u8]) {
    let Some((&seed, input)) = data.split_first() else {
        return;
    };
    #[expect(clippy::disallowed_methods, reason = "any instant will do")]
    let now = Instant::now();
    let whole = Run::of(now, std::iter::once(input), usize::MAX);
    let chopped = Run::of(now, Chop { rest: input, seed }, usize::from(seed) + 1);
    assert_eq!(whole.events, chopped.events, "events");
    assert_eq!(
        whole.written.escape_ascii().to_string(),
        chopped.written.escape_ascii().to_string()
    );
    assert_eq!(
        whole.upgraded, chopped.upgraded,
        "input of the next protocol"
    );
}

/// Cuts its input into pieces whose sizes follow from a seed.
pub struct Chop<'a> {
    pub rest: &'a [u8],
    pub seed: u8,
}

impl<'a> Iterator for Chop<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        if self.rest.is_empty() {
            return None;
        }
        // A small generator of full period; single bytes are where the mistakes are.
        self.seed = self.seed.wrapping_mul(5).wrapping_add(37);
        let size = if self.seed < 160 {
            1
        } else {
            usize::from(self.seed - 159)
        };
        let (piece, rest) = self.rest.split_at(size.min(self.rest.len()));
        self.rest = rest;
        Some(piece)
    }
}

/// A connection with an owner whose decisions depend on nothing but the requests.
#[derive(Debug)]
pub struct Run {
    now: Instant,
    http: HttpConnection,
    /// The most bytes that are written at once.
    write_size: usize,
    plan: Plan,
    pub events: Vec<HttpEvent>,
    pub written: Vec<u8>,
    pub upgraded: Vec<u8>,
}

/// What the owner has in mind for the current request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Plan {
    Echo,
    EchoLater,
    Stream,
    /// Answered when all input has been fed.
    Parked,
    /// The stream ends when all input has been fed.
    Streaming,
    Nothing,
}

impl Run {
    pub fn of<'a>(now: Instant, pieces: impl Iterator<Item = &'a [u8]>, write_size: usize) -> Self {
        let mut run = Self {
            now,
            http: HttpConnection::new(now, &Limits::default()),
            write_size,
            plan: Plan::Nothing,
            events: Vec::new(),
            written: Vec::new(),
            upgraded: Vec::new(),
        };
        for piece in pieces {
            run.http.handle_input(now, piece);
            run.poll();
            // Asking too early must do no harm.
            run.http.handle_timeout(now);
            run.poll();
        }
        while run.answer_parked() {
            run.poll();
        }
        run.http.handle_closed(now);
        run.poll();
        run.come_to_an_end();
        run
    }

    fn poll(&mut self) {
        self.write();
        while let Some(event) = self.http.poll_event() {
            match &event {
                HttpEvent::Head(head) => {
                    let choice = head.path.bytes().fold(0, u8::wrapping_add) % 8;
                    let key = head.wants_websocket();
                    self.decide(choice, key.is_ok_and(|key| key.is_some()));
                }
                HttpEvent::Body(body) => self.answer_body(body),
                HttpEvent::Gone => self.plan = Plan::Nothing,
            }
            self.events.push(event);
            self.write();
        }
        let upgraded = self.http.take_upgraded_input();
        self.upgraded.extend_from_slice(&upgraded);
    }

    fn decide(&mut self, choice: u8, websocket: bool) {
        let now = self.now;
        self.plan = match choice {
            0 => Plan::Nothing,
            1 | 2 => Plan::Echo,
            3 => Plan::EchoLater,
            4 => Plan::Parked,
            5 => Plan::Stream,
            6 => {
                let response = Response::new(200).header("Cache-Control", "no-store");
                self.http.start_stream(now, response);
                self.push(b"event");
                Plan::Streaming
            }
            _ if websocket => {
                self.http
                    .upgrade(now, Response::new(101).header("Upgrade", "websocket"));
                return;
            }
            _ => {
                self.http.close_after_output();
                Plan::Nothing
            }
        };
        match self.plan {
            Plan::Echo | Plan::EchoLater | Plan::Stream => self.http.accept_body(now),
            Plan::Nothing => self.http.respond(now, problem(404, "", "not here", "")),
            Plan::Parked | Plan::Streaming => {}
        }
    }

    fn answer_body(&mut self, body: &[u8]) {
        let now = self.now;
        match self.plan {
            Plan::Echo => {
                self.http
                    .respond(now, Response::new(200).body("text/plain", body.to_vec()));
            }
            Plan::EchoLater => self.plan = Plan::Parked,
            Plan::Stream => {
                self.http.start_stream(now, Response::new(200));
                self.push(b"first");
                self.push(body);
                self.http.end_stream(now);
            }
            Plan::Parked | Plan::Streaming | Plan::Nothing => {
                unreachable!("a body that nobody asked for")
            }
        }
    }

    /// A body of the largest size does not fit; that is nobody's mistake.
    fn push(&mut self, bytes: &[u8]) {
        if self.http.push(self.now, bytes).is_err() {
            assert!(bytes.len() > 60_000, "nothing else is waiting");
        }
    }

    fn answer_parked(&mut self) -> bool {
        match std::mem::replace(&mut self.plan, Plan::Nothing) {
            Plan::Parked => self.http.respond(self.now, Response::new(204)),
            Plan::Streaming => {
                self.push(b"last event");
                self.http.end_stream(self.now);
            }
            plan @ (Plan::Echo | Plan::EchoLater | Plan::Stream | Plan::Nothing) => {
                self.plan = plan;
                return false;
            }
        }
        true
    }

    fn write(&mut self) {
        while !self.http.output().is_empty() {
            let n = self.write_size.min(self.http.output().len());
            self.written
                .extend_from_slice(self.http.output().get(..n).unwrap_or_default());
            self.http.consume(n);
        }
    }

    /// The peer has closed its side and nothing is parked, so time alone must end it, and soon.
    fn come_to_an_end(&mut self) {
        let start = self.now;
        for _ in 0..10 {
            if self.http.is_finished() {
                break;
            }
            self.now = self.http.poll_timeout().unwrap_or(self.now).max(self.now);
            self.http.handle_timeout(self.now);
            self.poll();
        }
        assert!(self.http.is_finished(), "{:?}", self.http);
        assert!(self.now - start < Duration::from_secs(100));
    }
}
