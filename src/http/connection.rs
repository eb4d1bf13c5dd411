//! One HTTP connection: the order of input, events and output. RFC 9112 §9 (connections), RFC 9110 §10.1.1
//! (expect).

mod steps;

use std::mem;
use std::time::{Duration, Instant};

use super::error::HttpError;
use super::exchange::{Ending, ExchangeState};
use super::head::RequestHead;
use super::queue::Queue;
use super::response::{Fate, Framing, Part, Response};
use super::{Full, Limits};
use crate::connection::Connection;

/// An event for the owner of a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HttpEvent {
    /// A request. The owner must decide at once: [`respond`](HttpConnection::respond),
    /// [`start_stream`](HttpConnection::start_stream), [`upgrade`](HttpConnection::upgrade), or
    /// [`accept_body`](HttpConnection::accept_body), even if there is no body.
    Head(RequestHead),
    /// The complete body of the request, which now waits for its answer.
    Body(Vec<u8>),
    /// The request no longer needs an answer: the peer left, stopped reading, or sent a malformed body. An
    /// answer that is still given is written if the peer has only closed its sending side; an owner without an
    /// answer calls [`close_after_output`](HttpConnection::close_after_output), or
    /// [`end_stream`](HttpConnection::end_stream).
    Gone,
}

/// The server side of one HTTP connection.
///
/// The owner calls [`poll_event`](Self::poll_event) until `None` after every input, timeout,
/// [`consume`](Connection::consume) and answer, because each of them can let the next pipelined request
/// begin. Calls that do not fit the state (an answer after the peer has left) do nothing.
#[derive(Debug)]
pub struct HttpConnection {
    limits: Limits,
    /// The latest time that a caller has passed in.
    now: Instant,
    input: Queue,
    output: Queue,
    state: ExchangeState,
    event: Option<HttpEvent>,
    gone: Notice,
    /// The deadline of the state.
    deadline: Option<Instant>,
    /// Whether the deadline must be set as soon as a caller passes in the time.
    unclocked: bool,
    /// The deadline by which the next byte of output must be taken.
    write_deadline: Option<Instant>,
    /// Whether a byte of output was taken since the write deadline was set.
    progressed: bool,
    /// Whether the peer has closed its sending side, so that no more input arrives.
    half_closed: bool,
    shutting_down: bool,
}

/// The progress of the notice [`HttpEvent::Gone`] to the owner.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Notice {
    None,
    Due,
    Told,
}

impl HttpConnection {
    /// Returns a connection that was just accepted.
    pub fn new(now: Instant, limits: &Limits) -> Self {
        Self {
            limits: limits.clone(),
            now,
            input: Queue::default(),
            output: Queue::default(),
            state: ExchangeState::Idle,
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

    /// Returns the next event.
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

    /// Asks for the body of the request whose head was the last event; the body then arrives as
    /// [`HttpEvent::Body`]. Tells the client to continue if the client waits for that.
    pub fn accept_body(&mut self, now: Instant) {
        self.clock(now);
        if let ExchangeState::Deciding(_) = self.state
            && let Some(mut exchange) = self.take_exchange()
        {
            if mem::take(&mut exchange.awaits_continue) {
                // Sent even if the body has already arrived, because its arrival depends on the network only.
                self.output.push(b"HTTP/1.1 100 Continue\r\n\r\n");
            }
            self.enter(ExchangeState::Receiving {
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

    /// Answers the request with a head only. The owner [`push`](Self::push)es the body, and ends it with
    /// [`end_stream`](Self::end_stream); for HEAD, pushed bytes are discarded.
    pub fn start_stream(&mut self, now: Instant, response: Response) {
        debug_assert!(response.status() >= 200, "an answer is final");
        self.clock(now);
        if let Some(exchange) = self.take_exchange() {
            let fate = match exchange.ends_by_closing() {
                true => Fate::Closed,
                false => self.fate(&exchange),
            };
            response.write_head(self.output.tail(), exchange.stream_framing(), fate);
            self.enter(ExchangeState::Streaming { exchange, fate });
        }
        self.settle();
    }

    /// Adds to the body of a streamed answer: everything, or nothing if too much output is waiting. Without a
    /// stream, pushed bytes are discarded.
    pub fn push(&mut self, now: Instant, bytes: &[u8]) -> Result<(), Full> {
        self.clock(now);
        let ExchangeState::Streaming { exchange, .. } = &self.state else {
            return Ok(());
        };
        // An empty chunk would end the body.
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

    /// Answers the request with a head of status 101, after which the stream belongs to another protocol. A
    /// request whose body is not complete is refused instead.
    pub fn upgrade(&mut self, now: Instant, response: Response) {
        self.clock(now);
        if let Some(exchange) = self.take_exchange() {
            if exchange.rest.is_done() {
                response.write_head(self.output.tail(), Framing::None, Fate::Upgraded);
                self.enter(ExchangeState::Upgraded);
            } else {
                let refusal = HttpError::WebSocketRequest.response();
                refusal.write(self.output.tail(), exchange.part, Fate::Closed);
                self.finish_exchange(exchange, Fate::Closed);
            }
        }
        self.settle();
    }

    /// Returns whether the stream belongs to another protocol and the 101 is written. The owner can then
    /// replace this connection by that protocol's, beginning with the bytes of
    /// [`take_upgraded_input`](Self::take_upgraded_input).
    pub fn is_upgraded(&self) -> bool {
        matches!(self.state, ExchangeState::Upgraded) && self.output.is_empty()
    }

    /// Takes the bytes that arrived after the head of the upgraded request.
    pub fn take_upgraded_input(&mut self) -> Vec<u8> {
        match self.state {
            ExchangeState::Upgraded => self.input.take(),
            ExchangeState::Idle
            | ExchangeState::Head(_)
            | ExchangeState::Deciding(_)
            | ExchangeState::Receiving { .. }
            | ExchangeState::Answering(_)
            | ExchangeState::Streaming { .. }
            | ExchangeState::Discarding(_)
            | ExchangeState::Closing(_)
            | ExchangeState::Lingering
            | ExchangeState::Finished => Vec::new(),
        }
    }

    /// Shuts down: no further request begins, a stream ends, and the connection is finished when its output
    /// is written. A request that waits for its answer can still be answered, unless the peer has closed its
    /// side.
    pub fn close_after_output(&mut self) {
        self.shutting_down = true;
        match &self.state {
            ExchangeState::Streaming { .. } => self.finish_stream(),
            ExchangeState::Deciding(_)
            | ExchangeState::Receiving { .. }
            | ExchangeState::Answering(_) => {
                if self.half_closed {
                    self.event = None;
                    self.enter(ExchangeState::Closing(Ending::Close));
                }
            }
            ExchangeState::Head(_) | ExchangeState::Discarding(_) => {
                self.enter(ExchangeState::Closing(Ending::Linger));
            }
            ExchangeState::Upgraded => self.enter(ExchangeState::Closing(Ending::Close)),
            ExchangeState::Idle
            | ExchangeState::Closing(_)
            | ExchangeState::Lingering
            | ExchangeState::Finished => {}
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
                ExchangeState::Idle
                | ExchangeState::Deciding(_)
                | ExchangeState::Answering(_)
                | ExchangeState::Streaming { .. }
                | ExchangeState::Upgraded => self.input.len() < self.limits.head,
                // These states accept every byte at once.
                ExchangeState::Head(_)
                | ExchangeState::Receiving { .. }
                | ExchangeState::Discarding(_)
                | ExchangeState::Closing(_)
                | ExchangeState::Lingering => true,
                ExchangeState::Finished => false,
            }
    }

    fn is_finished(&self) -> bool {
        matches!(self.state, ExchangeState::Finished)
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
                self.enter(ExchangeState::Finished);
            }
        }
        if self.deadline.is_some_and(|at| at <= now) {
            self.expire();
        }
        self.settle();
    }
}
