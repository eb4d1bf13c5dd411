//! The transitions of a connection: what follows from input, output and time.

use std::mem;
use std::time::{Duration, Instant};

use super::super::body::Sink;
use super::super::error::HttpError;
use super::super::exchange::{Ending, Exchange, State, announces_too_much};
use super::super::head::RequestHead;
use super::super::response::{Fate, Part};
use super::super::scan::HeadScanner;
use super::{HttpConnection, HttpEvent, Notice};

impl HttpConnection {
    /// Advances as far as input, output and owner allow.
    pub(super) fn settle(&mut self) {
        while let Some(next) = self.step() {
            self.enter(next);
        }
        if self.output.is_empty() {
            self.write_deadline = None;
            if self.deadline.is_none() && matches!(self.state, State::Idle) {
                self.deadline = Some(self.now + self.limits.idle_timeout);
            }
        } else if self.write_deadline.is_none() {
            self.write_deadline = Some(self.now + self.limits.write_timeout);
            self.progressed = false;
        }
    }

    /// Settles like `settle`, for calls without a time: a deadline that begins now is due at once, and is set
    /// properly when the caller passes in the time.
    pub(super) fn settle_without_clock(&mut self) {
        let before = self.deadline;
        self.settle();
        self.progressed = true;
        if self.deadline.is_some() && self.deadline != before {
            self.deadline = Some(self.now);
            self.unclocked = true;
        }
    }

    pub(super) fn clock(&mut self, now: Instant) {
        self.now = now;
        if mem::take(&mut self.unclocked) {
            self.deadline = self.allowance().map(|allowance| now + allowance);
        }
    }

    /// Returns the next state, if there is a reason to leave this one.
    fn step(&mut self) -> Option<State> {
        match &mut self.state {
            State::Idle => self.step_idle(),
            State::Head(scanner) => match scanner.scan(self.input.as_slice()) {
                Ok(Some(length)) => Some(self.begin_exchange(length)),
                Ok(None) => self.half_closed.then_some(State::Closing(Ending::Close)),
                Err(error) => Some(self.refuse(error, Part::Whole)),
            },
            State::Receiving { .. } => self.step_receiving(),
            State::Discarding(_) => self.step_discarding(),
            State::Closing(ending) => {
                self.input.clear();
                self.output.is_empty().then_some(match ending {
                    Ending::Linger => State::Lingering,
                    Ending::Close => State::Finished,
                })
            }
            State::Lingering => {
                self.input.clear();
                self.half_closed.then_some(State::Finished)
            }
            State::Upgraded => self.half_closed.then_some(State::Closing(Ending::Close)),
            State::Finished => {
                self.input.clear();
                None
            }
            State::Deciding(_) | State::Answering(_) | State::Streaming { .. } => None,
        }
    }

    fn step_idle(&mut self) -> Option<State> {
        // RFC 9112 §2.2: some clients send an extra line end after a body.
        loop {
            match self.input.as_slice() {
                [b'\n', ..] => self.input.consume(1),
                [b'\r', b'\n', ..] => self.input.consume(2),
                [b'\r'] | [] if self.half_closed || self.shutting_down => {
                    return Some(State::Closing(Ending::Close));
                }
                [b'\r'] | [] => return None,
                [..] if self.shutting_down => return Some(State::Closing(Ending::Linger)),
                // A client that asks faster than it reads has to wait.
                [..] if self.output.len() >= self.limits.output => return None,
                [..] => return Some(State::Head(HeadScanner::new(self.limits.head))),
            }
        }
    }

    fn begin_exchange(&mut self, length: usize) -> State {
        let head = RequestHead::parse(self.input.as_slice().get(..length).unwrap_or_default());
        self.input.consume(length);
        let head = match head {
            Ok(head) => head,
            Err(error) => return self.refuse(error, Part::Whole),
        };
        let exchange = Exchange::new(&head, self.limits.body);
        if announces_too_much(&head, self.limits.body) {
            return self.refuse(HttpError::BodyTooLarge, exchange.part);
        }
        self.gone = Notice::None;
        self.event = Some(HttpEvent::Head(head));
        State::Deciding(exchange)
    }

    fn step_receiving(&mut self) -> Option<State> {
        let State::Receiving { exchange, body } = &mut self.state else {
            return None;
        };
        match exchange
            .rest
            .decode(self.input.as_slice(), Sink::Keep(body))
        {
            Ok(n) => self.input.consume(n),
            Err(error) => {
                let part = exchange.part;
                self.lose_exchange();
                return Some(self.refuse(error, part));
            }
        }
        if exchange.rest.is_done() {
            self.event = Some(HttpEvent::Body(mem::take(body)));
            return self.take_exchange().map(State::Answering);
        }
        if self.half_closed {
            self.lose_exchange();
            return Some(State::Closing(Ending::Close));
        }
        None
    }

    fn step_discarding(&mut self) -> Option<State> {
        let State::Discarding(rest) = &mut self.state else {
            return None;
        };
        match rest.decode(self.input.as_slice(), Sink::Discard) {
            Ok(n) => self.input.consume(n),
            // The answer was sent already, and a request has only one.
            Err(_) => return Some(State::Closing(Ending::Linger)),
        }
        if rest.is_done() {
            return Some(State::Idle);
        }
        self.half_closed.then_some(State::Closing(Ending::Close))
    }

    /// Acts on the end of the time allowed for the state.
    pub(super) fn expire(&mut self) {
        let next = match &self.state {
            State::Idle if !self.output.is_empty() => {
                // The last answer is still being written. The write deadline limits that, and the time
                // between requests begins when the answer is written.
                self.deadline = None;
                return;
            }
            State::Idle | State::Lingering => State::Finished,
            State::Head(_) => self.refuse(HttpError::Timeout, Part::Whole),
            State::Receiving { exchange, .. } => {
                let part = exchange.part;
                self.lose_exchange();
                self.refuse(HttpError::Timeout, part)
            }
            State::Discarding(_) => State::Closing(Ending::Linger),
            // These states have a deadline only after the peer has closed its side.
            State::Deciding(_) | State::Answering(_) | State::Streaming { .. } => {
                self.lose_exchange();
                State::Closing(Ending::Close)
            }
            State::Closing(_) | State::Upgraded | State::Finished => return,
        };
        self.enter(next);
    }

    pub(super) fn enter(&mut self, state: State) {
        if let State::Finished = state {
            self.input.clear();
            self.output.clear();
        }
        self.state = state;
        self.unclocked = false;
        self.deadline = self.allowance().map(|allowance| self.now + allowance);
    }

    /// Returns how long the state may last.
    pub(super) fn allowance(&self) -> Option<Duration> {
        match self.state {
            State::Idle => Some(self.limits.idle_timeout),
            State::Head(_) => Some(self.limits.head_timeout),
            State::Receiving { .. } | State::Discarding(_) => Some(self.limits.body_timeout),
            State::Deciding(_) | State::Answering(_) | State::Streaming { .. } => {
                self.half_closed.then_some(self.limits.idle_timeout)
            }
            State::Lingering => Some(LINGER),
            State::Closing(_) | State::Upgraded | State::Finished => None,
        }
    }

    /// Answers a fault, because the rest of the input cannot be interpreted.
    fn refuse(&mut self, error: HttpError, part: Part) -> State {
        error
            .response()
            .write(self.output.tail(), part, Fate::Closed);
        State::Closing(Ending::Linger)
    }

    pub(super) fn fate(&self, exchange: &Exchange) -> Fate {
        if self.shutting_down {
            Fate::Closed
        } else {
            exchange.fate()
        }
    }

    /// Takes the exchange that has no answer yet. The caller must enter the next state.
    pub(super) fn take_exchange(&mut self) -> Option<Exchange> {
        match mem::replace(&mut self.state, State::Finished) {
            State::Deciding(exchange)
            | State::Answering(exchange)
            | State::Receiving { exchange, .. } => Some(exchange),
            state @ (State::Idle
            | State::Head(_)
            | State::Streaming { .. }
            | State::Discarding(_)
            | State::Closing(_)
            | State::Lingering
            | State::Upgraded
            | State::Finished) => {
                self.state = state;
                None
            }
        }
    }

    /// Ends the exchange because its answer is complete.
    pub(super) fn finish_exchange(&mut self, exchange: Exchange, fate: Fate) {
        // Drop a body that the owner has not polled yet, because the answer makes it useless.
        self.event = None;
        self.enter(match fate {
            Fate::Kept(_) if exchange.rest.is_done() => State::Idle,
            Fate::Kept(_) => State::Discarding(exchange.into_rest()),
            Fate::Closed | Fate::Upgraded => State::Closing(exchange.ending()),
        });
    }

    pub(super) fn finish_stream(&mut self) {
        match mem::replace(&mut self.state, State::Finished) {
            State::Streaming { exchange, .. } if exchange.ends_by_closing() => {
                self.enter(State::Closing(Ending::Close));
            }
            State::Streaming { exchange, fate } => {
                if exchange.part == Part::Whole {
                    self.output.push(b"0\r\n\r\n");
                }
                self.finish_exchange(exchange, fate);
            }
            state @ (State::Idle
            | State::Head(_)
            | State::Deciding(_)
            | State::Receiving { .. }
            | State::Answering(_)
            | State::Discarding(_)
            | State::Closing(_)
            | State::Lingering
            | State::Upgraded
            | State::Finished) => self.state = state,
        }
    }

    /// Notes that the owner's answer is no longer needed, and notifies the owner if it knows the request.
    pub(super) fn lose_exchange(&mut self) {
        let untold = matches!(self.event.take(), Some(HttpEvent::Head(_)));
        if !untold && self.is_serving() && self.gone == Notice::None {
            self.gone = Notice::Due;
        }
    }

    /// Returns whether the owner has a request to answer.
    pub(super) fn is_serving(&self) -> bool {
        matches!(
            self.state,
            State::Deciding(_)
                | State::Receiving { .. }
                | State::Answering(_)
                | State::Streaming { .. }
        )
    }
}

/// The time for which input is discarded: long enough for the last answer to arrive before an unread byte
/// makes the system reset the connection, and short enough that a client gains nothing by provoking it.
const LINGER: Duration = Duration::from_secs(1);
