//! One HTTP connection: the order of things. RFC 9112 §9 (connections), RFC 9110 §10.1.1 (expect).

mod steps;

use std::mem;
use std::time::{Duration, Instant};

use super::error::HttpError;
use super::exchange::{Ending, State};
use super::head::RequestHead;
use super::queue::Queue;
use super::response::{Fate, Framing, Part, Response};
use super::{Full, Limits};
use crate::connection::Connection;

/// What the owner of a connection has to know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HttpEvent {
    /// A request. To be decided at once: [`respond`](HttpConnection::respond),
    /// [`start_stream`](HttpConnection::start_stream), [`upgrade`](HttpConnection::upgrade), or
    /// [`accept_body`](HttpConnection::accept_body), also if there is no body.
    Head(RequestHead),
    /// The complete body of the request, which waits for its answer now.
    Body(Vec<u8>),
    /// The request does not need an answer any more: the peer left, stopped reading, or spoilt its
    /// body. An answer given all the same is written if the peer has only closed its sending side;
    /// an owner without one calls [`close_after_output`](HttpConnection::close_after_output), or
    /// [`end_stream`](HttpConnection::end_stream).
    Gone,
}

/// The server side of one HTTP connection.
///
/// [`poll_event`](Self::poll_event) is called until `None` after every input, timeout,
/// [`consume`](Connection::consume) and answer: each of them can let the next pipelined request
/// begin. Calls that do not fit the state (an answer when the peer is long gone) do nothing.
#[derive(Debug)]
pub struct HttpConnection {
    limits: Limits,
    /// The latest time that anybody told.
    now: Instant,
    input: Queue,
    output: Queue,
    state: State,
    event: Option<HttpEvent>,
    gone: Notice,
    /// For the state.
    deadline: Option<Instant>,
    /// The deadline is waiting for somebody to tell the time.
    unclocked: bool,
    /// For the next byte of output to be taken.
    write_deadline: Option<Instant>,
    /// A byte of output was taken since the write deadline was set.
    progressed: bool,
    /// No more input will come.
    half_closed: bool,
    shutting_down: bool,
}

/// Whether the owner has to be told something, and knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Notice {
    None,
    Due,
    Told,
}

impl HttpConnection {
    /// A connection that has just been accepted.
    pub fn new(now: Instant, limits: &Limits) -> Self {
        Self {
            limits: limits.clone(),
            now,
            input: Queue::default(),
            output: Queue::default(),
            state: State::Idle,
            event: None,
            gone: Notice::None,
            deadline: Some(now + limits.first_timeout),
            unclocked: false,
            write_deadline: None,
            progressed: false,
            half_closed: false,
            shutting_down: false,
        }
    }

    /// Changes how long the connection may be idle, from the next response on.
    pub fn set_idle_timeout(&mut self, timeout: Duration) {
        self.limits.idle_timeout = timeout;
    }

    /// The next event.
    pub fn poll_event(&mut self) -> Option<HttpEvent> {
        if let Some(event) = self.event.take() {
            return Some(event);
        }
        let left = self.half_closed && self.gone == Notice::None && self.is_serving();
        if left || self.gone == Notice::Due {
            self.gone = Notice::Told;
            return Some(HttpEvent::Gone);
        }
        None
    }

    /// Asks for the body of the request whose head was the last event, which then comes as
    /// [`HttpEvent::Body`]. Tells the client to continue if it waits for that.
    pub fn accept_body(&mut self, now: Instant) {
        self.clock(now);
        if let State::Deciding(_) = self.state
            && let Some(mut exchange) = self.take_exchange()
        {
            if mem::take(&mut exchange.awaits_continue) {
                // Also if the body is already here: whether it is depends on the network only.
                self.output.push(b"HTTP/1.1 100 Continue\r\n\r\n");
            }
            self.enter(State::Receiving {
                exchange,
                body: Vec::new(),
            });
        }
        self.settle();
    }

    /// Answers the request, at any time after its head.
    pub fn respond(&mut self, now: Instant, response: Response) {
        debug_assert!(response.status() >= 200, "an answer is final");
        self.clock(now);
        if let Some(exchange) = self.take_exchange() {
            let fate = self.fate(&exchange);
            response.write(self.output.tail(), exchange.part, fate);
            self.finish_exchange(exchange, fate);
        }
        self.settle();
    }

    /// Answers the request with a head only. The body is [`push`](Self::push)ed, and ends with
    /// [`end_stream`](Self::end_stream); for HEAD, what is pushed goes nowhere.
    pub fn start_stream(&mut self, now: Instant, response: Response) {
        debug_assert!(response.status() >= 200, "an answer is final");
        self.clock(now);
        if let Some(exchange) = self.take_exchange() {
            let fate = match exchange.ends_by_closing() {
                true => Fate::Closed,
                false => self.fate(&exchange),
            };
            response.write_head(self.output.tail(), exchange.stream_framing(), fate);
            self.enter(State::Streaming { exchange, fate });
        }
        self.settle();
    }

    /// Adds to the body of a streamed answer: everything, or nothing if too much is waiting.
    /// Without a stream, what is pushed goes nowhere.
    pub fn push(&mut self, now: Instant, bytes: &[u8]) -> Result<(), Full> {
        self.clock(now);
        let State::Streaming { exchange, .. } = &self.state else {
            return Ok(());
        };
        // A chunk of no bytes would be the last one.
        if exchange.part == Part::Head || bytes.is_empty() {
            return Ok(());
        }
        let (before, after) = match exchange.stream_framing() {
            Framing::Chunked => (format!("{:x}\r\n", bytes.len()), "\r\n"),
            Framing::Length | Framing::None => (String::new(), ""),
        };
        let length = before.len() + bytes.len() + after.len();
        if self.output.len().saturating_add(length) > self.limits.output {
            return Err(Full);
        }
        self.output.push(before.as_bytes());
        self.output.push(bytes);
        self.output.push(after.as_bytes());
        self.settle();
        Ok(())
    }

    /// Ends a streamed answer.
    pub fn end_stream(&mut self, now: Instant) {
        self.clock(now);
        self.finish_stream();
        self.settle();
    }

    /// Answers the request with a head of status 101, after which the stream belongs to another
    /// protocol. A request that still has a body to send is refused instead.
    pub fn upgrade(&mut self, now: Instant, response: Response) {
        self.clock(now);
        if let Some(exchange) = self.take_exchange() {
            if exchange.rest.is_done() {
                response.write_head(self.output.tail(), Framing::None, Fate::Upgraded);
                self.enter(State::Upgraded);
            } else {
                let refusal = HttpError::WebSocketRequest.response();
                refusal.write(self.output.tail(), exchange.part, Fate::Closed);
                self.finish_exchange(exchange, Fate::Closed);
            }
        }
        self.settle();
    }

    /// Whether the stream belongs to another protocol and the 101 is written: the owner can replace
    /// this connection by that protocol's, beginning with what
    /// [`take_upgraded_input`](Self::take_upgraded_input) answers.
    pub fn is_upgraded(&self) -> bool {
        matches!(self.state, State::Upgraded) && self.output.is_empty()
    }

    /// The bytes that came after the head of the request that was upgraded.
    pub fn take_upgraded_input(&mut self) -> Vec<u8> {
        match self.state {
            State::Upgraded => self.input.take(),
            State::Idle
            | State::Head(_)
            | State::Deciding(_)
            | State::Receiving { .. }
            | State::Answering(_)
            | State::Streaming { .. }
            | State::Discarding(_)
            | State::Closing(_)
            | State::Lingering
            | State::Finished => Vec::new(),
        }
    }

    /// Shuts down: no request is begun any more, a stream ends, and the connection is finished when
    /// its output is drained. A request that waits for its answer can still be given one, unless
    /// the peer has closed its side.
    pub fn close_after_output(&mut self) {
        self.shutting_down = true;
        match &self.state {
            State::Streaming { .. } => self.finish_stream(),
            State::Deciding(_) | State::Receiving { .. } | State::Answering(_) => {
                if self.half_closed {
                    self.event = None;
                    self.enter(State::Closing(Ending::Close));
                }
            }
            State::Head(_) | State::Discarding(_) => self.enter(State::Closing(Ending::Linger)),
            State::Upgraded => self.enter(State::Closing(Ending::Close)),
            State::Idle | State::Closing(_) | State::Lingering | State::Finished => {}
        }
        self.settle_without_clock();
    }
}

impl Connection for HttpConnection {
    fn handle_input(&mut self, now: Instant, input: &[u8]) {
        self.clock(now);
        self.input.push(input);
        self.settle();
    }

    fn handle_closed(&mut self, now: Instant) {
        self.clock(now);
        self.half_closed = true;
        if self.is_serving() {
            self.deadline = self.allowance().map(|allowance| now + allowance);
        }
        self.settle();
    }

    fn output(&self) -> &[u8] {
        self.output.as_slice()
    }

    fn consume(&mut self, n: usize) {
        self.output.consume(n);
        self.settle_without_clock();
    }

    fn wants_input(&self) -> bool {
        !self.half_closed
            && match self.state {
                State::Idle
                | State::Deciding(_)
                | State::Answering(_)
                | State::Streaming { .. }
                | State::Upgraded => self.input.len() < self.limits.head,
                // These take every byte at once.
                State::Head(_)
                | State::Receiving { .. }
                | State::Discarding(_)
                | State::Closing(_)
                | State::Lingering => true,
                State::Finished => false,
            }
    }

    fn is_finished(&self) -> bool {
        matches!(self.state, State::Finished)
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.deadline.into_iter().chain(self.write_deadline).min()
    }

    fn handle_timeout(&mut self, now: Instant) {
        self.clock(now);
        if self.write_deadline.is_some_and(|at| at <= now) {
            if mem::take(&mut self.progressed) {
                self.write_deadline = Some(now + self.limits.write_timeout);
            } else {
                self.lose_exchange();
                self.enter(State::Finished);
            }
        }
        if self.deadline.is_some_and(|at| at <= now) {
            self.expire();
        }
        self.settle();
    }
}
