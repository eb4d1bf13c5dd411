//! The transitions of a connection: what follows from input, output and time.

use std::mem;
use std::time::{Duration, Instant};

use super::super::body::Sink;
use super::super::error::HttpError;
use super::super::exchange::{Ending, Exchange, ExchangeState, announces_too_much};
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
            if self.deadline.is_none() && matches!(self.state, ExchangeState::Idle) {
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
    fn step(&mut self) -> Option<ExchangeState> {
        match &mut self.state {
            ExchangeState::Idle => self.step_idle(),
            ExchangeState::Head(scanner) => match scanner.scan(self.input.as_slice()) {
                Ok(Some(length)) => Some(self.begin_exchange(length)),
                Ok(None) => self
                    .half_closed
                    .then_some(ExchangeState::Closing(Ending::Close)),
                Err(error) => Some(self.refuse(error, Part::Whole)),
            },
            ExchangeState::Receiving { .. } => self.step_receiving(),
            ExchangeState::Discarding(_) => self.step_discarding(),
            ExchangeState::Closing(ending) => {
                self.input.clear();
                self.output.is_empty().then_some(match ending {
                    Ending::Linger => ExchangeState::Lingering,
                    Ending::Close => ExchangeState::Finished,
                })
            }
            ExchangeState::Lingering => {
                self.input.clear();
                self.half_closed.then_some(ExchangeState::Finished)
            }
            ExchangeState::Upgraded => self
                .half_closed
                .then_some(ExchangeState::Closing(Ending::Close)),
            ExchangeState::Finished => {
                self.input.clear();
                None
            }
            ExchangeState::Deciding(_)
            | ExchangeState::Answering(_)
            | ExchangeState::Streaming { .. } => None,
        }
    }

    fn step_idle(&mut self) -> Option<ExchangeState> {
        // RFC 9112 §2.2: some clients send an extra line end after a body.
        loop {
            match self.input.as_slice() {
                [b'\n', ..] => self.input.consume(1),
                [b'\r', b'\n', ..] => self.input.consume(2),
                [b'\r'] | [] if self.half_closed || self.shutting_down => {
                    return Some(ExchangeState::Closing(Ending::Close));
                }
                [b'\r'] | [] => return None,
                [..] if self.shutting_down => return Some(ExchangeState::Closing(Ending::Linger)),
                // A client that asks faster than it reads has to wait.
                [..] if self.output.len() >= self.limits.output => return None,
                [..] => return Some(ExchangeState::Head(HeadScanner::new(self.limits.head))),
            }
        }
    }

    fn begin_exchange(&mut self, length: usize) -> ExchangeState {
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
        ExchangeState::Deciding(exchange)
    }

    fn step_receiving(&mut self) -> Option<ExchangeState> {
        let ExchangeState::Receiving { exchange, body } = &mut self.state else {
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
            return self.take_exchange().map(ExchangeState::Answering);
        }
        if self.half_closed {
            self.lose_exchange();
            return Some(ExchangeState::Closing(Ending::Close));
        }
        None
    }

    fn step_discarding(&mut self) -> Option<ExchangeState> {
        let ExchangeState::Discarding(rest) = &mut self.state else {
            return None;
        };
        match rest.decode(self.input.as_slice(), Sink::Discard) {
            Ok(n) => self.input.consume(n),
            // The answer was sent already, and a request has only one.
            Err(_) => return Some(ExchangeState::Closing(Ending::Linger)),
        }
        if rest.is_done() {
            return Some(ExchangeState::Idle);
        }
        self.half_closed
            .then_some(ExchangeState::Closing(Ending::Close))
    }

    /// Acts on the end of the time allowed for the state.
    pub(super) fn expire(&mut self) {
        let next = match &self.state {
            ExchangeState::Idle if !self.output.is_empty() => {
                // The last answer is still being written. The write deadline limits that, and the time
                // between requests begins when the answer is written.
                self.deadline = None;
                return;
            }
            ExchangeState::Idle | ExchangeState::Lingering => ExchangeState::Finished,
            ExchangeState::Head(_) => self.refuse(HttpError::Timeout, Part::Whole),
            ExchangeState::Receiving { exchange, .. } => {
                let part = exchange.part;
                self.lose_exchange();
                self.refuse(HttpError::Timeout, part)
            }
            ExchangeState::Discarding(_) => ExchangeState::Closing(Ending::Linger),
            // These states have a deadline only after the peer has closed its side.
            ExchangeState::Deciding(_)
            | ExchangeState::Answering(_)
            | ExchangeState::Streaming { .. } => {
                self.lose_exchange();
                ExchangeState::Closing(Ending::Close)
            }
            ExchangeState::Closing(_) | ExchangeState::Upgraded | ExchangeState::Finished => return,
        };
        self.enter(next);
    }

    pub(super) fn enter(&mut self, state: ExchangeState) {
        if let ExchangeState::Finished = state {
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
            ExchangeState::Idle => Some(self.limits.idle_timeout),
            ExchangeState::Head(_) => Some(self.limits.head_timeout),
            ExchangeState::Receiving { .. } | ExchangeState::Discarding(_) => {
                Some(self.limits.body_timeout)
            }
            ExchangeState::Deciding(_)
            | ExchangeState::Answering(_)
            | ExchangeState::Streaming { .. } => {
                self.half_closed.then_some(self.limits.idle_timeout)
            }
            ExchangeState::Lingering => Some(LINGER),
            ExchangeState::Closing(_) | ExchangeState::Upgraded | ExchangeState::Finished => None,
        }
    }

    /// Answers a fault, because the rest of the input cannot be interpreted.
    fn refuse(&mut self, error: HttpError, part: Part) -> ExchangeState {
        error
            .response()
            .write(self.output.tail(), part, Fate::Closed);
        ExchangeState::Closing(Ending::Linger)
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
        match mem::replace(&mut self.state, ExchangeState::Finished) {
            ExchangeState::Deciding(exchange)
            | ExchangeState::Answering(exchange)
            | ExchangeState::Receiving { exchange, .. } => Some(exchange),
            state @ (ExchangeState::Idle
            | ExchangeState::Head(_)
            | ExchangeState::Streaming { .. }
            | ExchangeState::Discarding(_)
            | ExchangeState::Closing(_)
            | ExchangeState::Lingering
            | ExchangeState::Upgraded
            | ExchangeState::Finished) => {
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
            Fate::Kept(_) if exchange.rest.is_done() => ExchangeState::Idle,
            Fate::Kept(_) => ExchangeState::Discarding(exchange.into_rest()),
            Fate::Closed | Fate::Upgraded => ExchangeState::Closing(exchange.ending()),
        });
    }

    pub(super) fn finish_stream(&mut self) {
        match mem::replace(&mut self.state, ExchangeState::Finished) {
            ExchangeState::Streaming { exchange, .. } if exchange.ends_by_closing() => {
                self.enter(ExchangeState::Closing(Ending::Close));
            }
            ExchangeState::Streaming { exchange, fate } => {
                if exchange.part == Part::Whole {
                    self.output.push(b"0\r\n\r\n");
                }
                self.finish_exchange(exchange, fate);
            }
            state @ (ExchangeState::Idle
            | ExchangeState::Head(_)
            | ExchangeState::Deciding(_)
            | ExchangeState::Receiving { .. }
            | ExchangeState::Answering(_)
            | ExchangeState::Discarding(_)
            | ExchangeState::Closing(_)
            | ExchangeState::Lingering
            | ExchangeState::Upgraded
            | ExchangeState::Finished) => self.state = state,
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
            ExchangeState::Deciding(_)
                | ExchangeState::Receiving { .. }
                | ExchangeState::Answering(_)
                | ExchangeState::Streaming { .. }
        )
    }
}

/// The time for which input is discarded: long enough for the last answer to arrive before an unread byte
/// makes the system reset the connection, and short enough that a client gains nothing by provoking it.
const LINGER: Duration = Duration::from_secs(1);
