//! The server side of a WebSocket after its upgrade (RFC 6455), without any I/O.
//!
//! `tungstenite` frames, unmasks, assembles and checks. It wants something to read from and write
//! to, so it is given two buffers in memory (`Pipe`) that report "would block" when one is empty
//! and the other full. Here are the limits, the clock, and what to do when a peer errs.
//!
//! Fragments are put together before anybody sees them. No extension is negotiated, so there is no
//! compression.

mod pipe;
#[cfg(test)]
mod tests;

use std::io::ErrorKind;
use std::time::{Duration, Instant};

use tungstenite::protocol::frame::coding::CloseCode;
use tungstenite::protocol::{CloseFrame, Message, Role, WebSocketConfig, WebSocketContext};
use tungstenite::{Error, handshake};

pub(crate) use crate::connection::Full;

use crate::connection::Connection;
use pipe::Pipe;

/// The value of `Sec-WebSocket-Accept` that answers a `Sec-WebSocket-Key` (RFC 6455 §4.2.2).
pub(crate) fn accept_key(key: &str) -> String {
    handshake::derive_accept_key(key.as_bytes())
}

/// A complete message of the peer.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names are those of RFC 6455 §5.6")]
pub(crate) enum WsMessage {
    Text(String),
    Binary(Vec<u8>),
}

/// The server side of one WebSocket.
///
/// [`poll_message`](Self::poll_message) is called until `None` after every input and every
/// [`consume`](Connection::consume): that is also what answers pings and ends the connection.
#[derive(Debug)]
pub(crate) struct WebSocketConnection {
    context: WebSocketContext,
    pipe: Pipe,
    state: State,
    /// The latest time that anybody told.
    now: Instant,
    /// It was asked for a sign of life, and is given up if none has come by then.
    probed: Option<Instant>,
}

/// Where the connection stands.
#[derive(Debug)]
enum State {
    /// Messages go both ways.
    Open {
        heard: Instant,
        keep_alive: KeepAlive,
    },
    /// We have sent a close frame and wait for the peer's.
    Closing { until: Instant },
    /// Both close frames are exchanged, and ours may still wait to be written.
    Closed { until: Instant },
    /// The peer's input makes no sense, or never came. It is told why, and its input thrown away
    /// so that what we tell it is not lost in a reset.
    Failed { until: Instant },
    /// Nothing more will happen.
    Finished,
}

/// Whether a silent peer has been asked for a sign of life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum KeepAlive {
    Quiet,
    Pinged,
}

impl WebSocketConnection {
    /// A connection whose 101 has been written. `already_received` is what followed the request.
    pub(crate) fn new(now: Instant, already_received: &[u8]) -> Self {
        let config = WebSocketConfig::default()
            .read_buffer_size(READ_BUFFER)
            .write_buffer_size(0)
            .max_write_buffer_size(MAX_OUTPUT)
            .max_message_size(Some(MAX_MESSAGE))
            .max_frame_size(Some(MAX_MESSAGE));
        let mut pipe = Pipe::new(MAX_OUTPUT);
        pipe.push(already_received);
        Self {
            context: WebSocketContext::new(Role::Server, Some(config)),
            pipe,
            state: State::Open {
                heard: now,
                keep_alive: KeepAlive::Quiet,
            },
            now,
            probed: None,
        }
    }

    /// Asks the peer for a sign of life now. It is given up unless one comes within this time.
    pub(crate) fn probe(&mut self, now: Instant, within: Duration) {
        self.now = now;
        if let State::Open { .. } = self.state
            && self.probed.is_none()
        {
            self.probed = Some(now + within);
            self.ping();
        }
    }

    /// The next message of the peer.
    pub(crate) fn poll_message(&mut self) -> Option<WsMessage> {
        loop {
            // While pongs cannot be written, their pings are not read either.
            if !self.reads() || !self.flush() {
                return None;
            }
            match self.context.read(&mut self.pipe) {
                Ok(Message::Text(text)) => return Some(WsMessage::Text(text.to_string())),
                Ok(Message::Binary(bytes)) => return Some(WsMessage::Binary(bytes.to_vec())),
                // The answers to these are on their way with the next read.
                Ok(Message::Ping(_) | Message::Pong(_) | Message::Close(_) | Message::Frame(_)) => {
                }
                Err(error) if is_would_block(&error) => return None,
                Err(error) => self.stop(&error),
            }
        }
    }

    /// Queues a text message: whole, or not at all if too much is waiting. On a connection that is
    /// being closed, what is sent goes nowhere.
    pub(crate) fn send_text(&mut self, now: Instant, text: &str) -> Result<(), Full> {
        self.now = now;
        let State::Open { .. } = self.state else {
            return Ok(());
        };
        // Nothing is held back before this text: that happens only while there is no room at all.
        if self.pipe.room() < text.len().saturating_add(MAX_FRAME_HEAD) {
            return Err(Full);
        }
        if let Err(error) = self.context.write(&mut self.pipe, Message::text(text)) {
            self.stop(&error);
        }
        Ok(())
    }

    /// How many bytes are to be written before anything that is sent now.
    pub(crate) fn waiting(&self) -> usize {
        self.output().len()
    }

    /// Begins the closing handshake. A code that may not be sent (RFC 6455 §7.4) becomes 1011, and
    /// a reason is cut to what fits.
    pub(crate) fn close(&mut self, now: Instant, code: u16, reason: &str) {
        self.now = now;
        if let State::Open { .. } = self.state {
            let code = Some(CloseCode::from(code)).filter(|code| code.is_allowed());
            self.send_close(code.unwrap_or(CloseCode::Error), reason);
            self.state = State::Closing {
                until: now + CLOSE_TIMEOUT,
            };
        }
    }
}

impl Connection for WebSocketConnection {
    fn handle_input(&mut self, now: Instant, input: &[u8]) {
        self.now = now;
        match &mut self.state {
            State::Open { heard, keep_alive } => {
                *heard = now;
                *keep_alive = KeepAlive::Quiet;
                self.probed = None;
                self.pipe.push(input);
            }
            State::Closing { .. } => self.pipe.push(input),
            State::Closed { .. } | State::Failed { .. } | State::Finished => {}
        }
    }

    fn handle_closed(&mut self, now: Instant) {
        self.now = now;
        // RFC 6455 §7.1.1: a peer that closes its side without us is gone.
        self.state = State::Finished;
    }

    fn output(&self) -> &[u8] {
        match self.state {
            State::Finished => &[],
            State::Open { .. }
            | State::Closing { .. }
            | State::Closed { .. }
            | State::Failed { .. } => self.pipe.output(),
        }
    }

    fn consume(&mut self, n: usize) {
        self.pipe.consume(n);
        self.flush();
        self.settle();
    }

    fn wants_input(&self) -> bool {
        match self.state {
            State::Open { .. } | State::Closing { .. } => {
                self.pipe.room() > 0 && self.pipe.waiting() < MAX_MESSAGE
            }
            State::Closed { .. } | State::Failed { .. } => true,
            State::Finished => false,
        }
    }

    fn is_finished(&self) -> bool {
        matches!(self.state, State::Finished)
    }

    fn poll_timeout(&self) -> Option<Instant> {
        match self.state {
            State::Open {
                heard,
                keep_alive: KeepAlive::Quiet,
            } => Some((heard + PING_AFTER).min(self.probed.unwrap_or(heard + PING_AFTER))),
            State::Open {
                heard,
                keep_alive: KeepAlive::Pinged,
            } => Some((heard + CLOSE_AFTER).min(self.probed.unwrap_or(heard + CLOSE_AFTER))),
            State::Closing { until } | State::Closed { until } | State::Failed { until } => {
                Some(until)
            }
            State::Finished => None,
        }
    }

    fn handle_timeout(&mut self, now: Instant) {
        self.now = now;
        match self.state {
            State::Open { heard, .. }
                if now >= heard + CLOSE_AFTER || self.probed.is_some_and(|at| now >= at) =>
            {
                self.fail(CloseCode::Error, "no sign of life");
            }
            State::Open {
                heard,
                keep_alive: KeepAlive::Quiet,
            } if now >= heard + PING_AFTER => {
                self.ping();
                if let State::Open { keep_alive, .. } = &mut self.state {
                    *keep_alive = KeepAlive::Pinged;
                }
            }
            State::Closing { until } | State::Closed { until } | State::Failed { until }
                if now >= until =>
            {
                self.state = State::Finished;
            }
            State::Open { .. }
            | State::Closing { .. }
            | State::Closed { .. }
            | State::Failed { .. }
            | State::Finished => {}
        }
    }
}

impl WebSocketConnection {
    /// Whether the peer's input still means something.
    fn reads(&self) -> bool {
        match self.state {
            State::Open { .. } | State::Closing { .. } => true,
            State::Closed { .. } | State::Failed { .. } | State::Finished => false,
        }
    }

    /// Moves what tungstenite holds back to the output; `false` if not all of it fits.
    fn flush(&mut self) -> bool {
        match self.context.flush(&mut self.pipe) {
            Ok(()) => true,
            Err(error) if is_would_block(&error) => false,
            Err(error) => {
                self.stop(&error);
                false
            }
        }
    }

    /// A ping that does not fit is not sent: the peer is not reading, and will not answer either.
    fn ping(&mut self) {
        if self.pipe.room() >= MAX_FRAME_HEAD
            && let Err(error) = self
                .context
                .write(&mut self.pipe, Message::Ping(Vec::new().into()))
        {
            self.stop(&error);
        }
    }

    /// Does what an error asks for.
    fn stop(&mut self, error: &Error) {
        if is_would_block(error) || !self.reads() {
            return;
        }
        match error {
            Error::ConnectionClosed | Error::AlreadyClosed => {
                self.state = State::Closed {
                    until: self.now + CLOSE_TIMEOUT,
                };
                self.settle();
            }
            // RFC 6455 §7.4.1.
            Error::Protocol(_) => self.fail(CloseCode::Protocol, &error.to_string()),
            Error::Utf8(_) => self.fail(CloseCode::Invalid, "text is not UTF-8"),
            Error::Capacity(_) => self.fail(CloseCode::Size, "message is too big"),
            Error::Io(_)
            | Error::Tls(_)
            | Error::WriteBufferFull(_)
            | Error::AttackAttempt
            | Error::Url(_)
            | Error::Http(_)
            | Error::HttpFormat(_) => self.fail(CloseCode::Error, "internal error"),
        }
    }

    /// Tells the peer why, and listens to it no longer.
    fn fail(&mut self, code: CloseCode, reason: &str) {
        self.send_close(code, reason);
        self.pipe.clear_input();
        self.state = State::Failed {
            until: self.now + LINGER,
        };
    }

    /// Queues a close frame if there was none yet. There is always room for it: tungstenite holds
    /// back no more than a pong.
    fn send_close(&mut self, code: CloseCode, reason: &str) {
        let reason = reason
            .get(..reason.floor_char_boundary(MAX_REASON))
            .unwrap_or_default();
        let frame = CloseFrame {
            code,
            reason: reason.into(),
        };
        let sent = self.context.close(&mut self.pipe, Some(frame));
        debug_assert!(
            !matches!(sent, Err(Error::WriteBufferFull(_))),
            "room for a close frame"
        );
    }

    fn settle(&mut self) {
        if let State::Closed { .. } = self.state
            && self.pipe.output().is_empty()
        {
            self.state = State::Finished;
        }
    }
}

fn is_would_block(error: &Error) -> bool {
    matches!(error, Error::Io(error) if error.kind() == ErrorKind::WouldBlock)
}

/// tungstenite's own choice is 128 KiB, for every connection and from its beginning.
const READ_BUFFER: usize = 4 * 1024;

/// Of the peer's messages, and of their fragments put together.
const MAX_MESSAGE: usize = 64 * 1024;

/// Bytes of output that may wait.
const MAX_OUTPUT: usize = 128 * 1024;

/// RFC 6455 §5.2: two bytes and a length of eight; only clients add a mask.
const MAX_FRAME_HEAD: usize = 10;

/// RFC 6455 §5.5: a control frame has at most 125 bytes, two of which are the code.
const MAX_REASON: usize = 123;

/// A silent peer is pinged: often enough for the address translators on the way, which forget a
/// quiet connection after a minute or more.
const PING_AFTER: Duration = Duration::from_secs(30);

/// A peer that has not said anything for so long, not even a pong, is not there.
const CLOSE_AFTER: Duration = Duration::from_secs(60);

/// How long a close frame may take to be answered, or to be written.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(5);

/// How long input is thrown away after a failure, for the close frame to arrive.
const LINGER: Duration = Duration::from_secs(1);
