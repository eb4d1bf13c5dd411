//! The server side of a WebSocket after its upgrade (RFC 6455), without any I/O.
//!
//! `tungstenite` frames, unmasks, assembles and checks. It needs a stream to read from and write to, so it
//! gets two buffers in memory (`Pipe`) that report "would block" when one is empty and the other full. This
//! module adds the limits, the clock, and the reactions to a peer's errors.
//!
//! Fragments are assembled before the owner sees a message. No extension is negotiated, so there is no
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

/// Returns the value of `Sec-WebSocket-Accept` that answers a `Sec-WebSocket-Key` (RFC 6455 §4.2.2).
pub(crate) fn accept_key(key: &str) -> String {
    handshake::derive_accept_key(key.as_bytes())
}

/// A complete message from the peer.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names are those of RFC 6455 §5.6")]
pub(crate) enum WsMessage {
    Text(String),
    Binary(Vec<u8>),
}

/// The server side of one WebSocket.
///
/// The owner calls [`poll_message`](Self::poll_message) until `None` after every input and every
/// [`consume`](Connection::consume), because this call also answers pings and ends the connection.
#[derive(Debug)]
pub(crate) struct WebSocketConnection {
    context: WebSocketContext,
    pipe: Pipe,
    state: WebSocketState,
    /// The latest time that a caller has passed in.
    now: Instant,
    /// The deadline of a probe: the peer is given up if it has sent nothing by then.
    probed: Option<Instant>,
}

/// The state of the connection.
#[derive(Debug)]
enum WebSocketState {
    /// Messages are sent and received.
    Open {
        heard: Instant,
        keep_alive: KeepAlive,
    },
    /// The server has sent a close frame and waits for the peer's.
    Closing { until: Instant },
    /// Both close frames are exchanged, and the server's may still wait to be written.
    Closed { until: Instant },
    /// The peer's input is invalid, or never arrived. The server tells the peer the reason, and discards
    /// further input so that a reset does not destroy the close frame.
    Failed { until: Instant },
    /// The connection has ended.
    Finished,
}

/// The state of the keep-alive: whether a silent peer has been pinged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum KeepAlive {
    Quiet,
    Pinged,
}

impl WebSocketConnection {
    /// Returns a connection whose 101 was written. `already_received` is what followed the request.
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
            state: WebSocketState::Open {
                heard: now,
                keep_alive: KeepAlive::Quiet,
            },
            now,
            probed: None,
        }
    }

    /// Pings the peer now. The connection is given up unless the peer sends something within this time.
    pub(crate) fn probe(&mut self, now: Instant, within: Duration) {
        self.now = now;
        if let WebSocketState::Open { .. } = self.state
            && self.probed.is_none()
        {
            self.probed = Some(now + within);
            self.ping();
        }
    }

    /// Returns the next message from the peer.
    pub(crate) fn poll_message(&mut self) -> Option<WsMessage> {
        loop {
            // While pongs cannot be written, further pings are not read either.
            if !self.reads() || !self.flush() {
                return None;
            }
            match self.context.read(&mut self.pipe) {
                Ok(Message::Text(text)) => return Some(WsMessage::Text(text.to_string())),
                Ok(Message::Binary(bytes)) => return Some(WsMessage::Binary(bytes.to_vec())),
                // `tungstenite` sends the answers to these frames with the next read.
                Ok(Message::Ping(_) | Message::Pong(_) | Message::Close(_) | Message::Frame(_)) => {
                }
                Err(error) if is_would_block(&error) => return None,
                Err(error) => self.stop(&error),
            }
        }
    }

    /// Queues a text message: whole, or not at all if too much output is waiting. On a connection that is
    /// being closed, the message is discarded.
    pub(crate) fn send_text(&mut self, now: Instant, text: &str) -> Result<(), Full> {
        self.now = now;
        let WebSocketState::Open { .. } = self.state else {
            return Ok(());
        };
        // `tungstenite` holds nothing back before this text, because it does so only while there is no room
        // at all.
        if self.pipe.room() < text.len().saturating_add(MAX_FRAME_HEAD) {
            return Err(Full);
        }
        if let Err(error) = self.context.write(&mut self.pipe, Message::text(text)) {
            self.stop(&error);
        }
        Ok(())
    }

    /// Returns how many bytes must be written before anything that is sent now.
    pub(crate) fn waiting(&self) -> usize {
        self.output().len()
    }

    /// Begins the closing handshake. A code that may not be sent (RFC 6455 §7.4) becomes 1011, and a reason
    /// that is too long is cut.
    pub(crate) fn close(&mut self, now: Instant, code: u16, reason: &str) {
        self.now = now;
        if let WebSocketState::Open { .. } = self.state {
            let code = Some(CloseCode::from(code)).filter(|code| code.is_allowed());
            self.send_close(code.unwrap_or(CloseCode::Error), reason);
            self.state = WebSocketState::Closing {
                until: now + CLOSE_TIMEOUT,
            };
        }
    }
}

impl Connection for WebSocketConnection {
    fn handle_input(&mut self, now: Instant, input: &[u8]) {
        self.now = now;
        match &mut self.state {
            WebSocketState::Open { heard, keep_alive } => {
                *heard = now;
                *keep_alive = KeepAlive::Quiet;
                self.probed = None;
                self.pipe.push(input);
            }
            WebSocketState::Closing { .. } => self.pipe.push(input),
            WebSocketState::Closed { .. }
            | WebSocketState::Failed { .. }
            | WebSocketState::Finished => {}
        }
    }

    fn handle_closed(&mut self, now: Instant) {
        self.now = now;
        // RFC 6455 §7.1.1: a peer that closes its side without a close frame has ended the connection.
        self.state = WebSocketState::Finished;
    }

    fn output(&self) -> &[u8] {
        match self.state {
            WebSocketState::Finished => &[],
            WebSocketState::Open { .. }
            | WebSocketState::Closing { .. }
            | WebSocketState::Closed { .. }
            | WebSocketState::Failed { .. } => self.pipe.output(),
        }
    }

    fn consume(&mut self, n: usize) {
        self.pipe.consume(n);
        self.flush();
        self.settle();
    }

    fn wants_input(&self) -> bool {
        match self.state {
            WebSocketState::Open { .. } | WebSocketState::Closing { .. } => {
                self.pipe.room() > 0 && self.pipe.waiting() < MAX_MESSAGE
            }
            WebSocketState::Closed { .. } | WebSocketState::Failed { .. } => true,
            WebSocketState::Finished => false,
        }
    }

    fn is_finished(&self) -> bool {
        matches!(self.state, WebSocketState::Finished)
    }

    fn poll_timeout(&self) -> Option<Instant> {
        match self.state {
            WebSocketState::Open {
                heard,
                keep_alive: KeepAlive::Quiet,
            } => Some((heard + PING_AFTER).min(self.probed.unwrap_or(heard + PING_AFTER))),
            WebSocketState::Open {
                heard,
                keep_alive: KeepAlive::Pinged,
            } => Some((heard + CLOSE_AFTER).min(self.probed.unwrap_or(heard + CLOSE_AFTER))),
            WebSocketState::Closing { until }
            | WebSocketState::Closed { until }
            | WebSocketState::Failed { until } => Some(until),
            WebSocketState::Finished => None,
        }
    }

    fn handle_timeout(&mut self, now: Instant) {
        self.now = now;
        match self.state {
            WebSocketState::Open { heard, .. }
                if now >= heard + CLOSE_AFTER || self.probed.is_some_and(|at| now >= at) =>
            {
                self.fail(CloseCode::Error, "no sign of life");
            }
            WebSocketState::Open {
                heard,
                keep_alive: KeepAlive::Quiet,
            } if now >= heard + PING_AFTER => {
                self.ping();
                if let WebSocketState::Open { keep_alive, .. } = &mut self.state {
                    *keep_alive = KeepAlive::Pinged;
                }
            }
            WebSocketState::Closing { until }
            | WebSocketState::Closed { until }
            | WebSocketState::Failed { until }
                if now >= until =>
            {
                self.state = WebSocketState::Finished;
            }
            WebSocketState::Open { .. }
            | WebSocketState::Closing { .. }
            | WebSocketState::Closed { .. }
            | WebSocketState::Failed { .. }
            | WebSocketState::Finished => {}
        }
    }
}

impl WebSocketConnection {
    /// Returns whether the peer's input is still processed.
    fn reads(&self) -> bool {
        match self.state {
            WebSocketState::Open { .. } | WebSocketState::Closing { .. } => true,
            WebSocketState::Closed { .. }
            | WebSocketState::Failed { .. }
            | WebSocketState::Finished => false,
        }
    }

    /// Moves what tungstenite holds back to the output; returns false if not all of it fits.
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

    /// Sends a ping. A ping that does not fit is dropped because the peer is not reading, so it will not
    /// answer either.
    fn ping(&mut self) {
        if self.pipe.room() >= MAX_FRAME_HEAD
            && let Err(error) = self
                .context
                .write(&mut self.pipe, Message::Ping(Vec::new().into()))
        {
            self.stop(&error);
        }
    }

    /// Ends the connection as an error requires.
    fn stop(&mut self, error: &Error) {
        if is_would_block(error) || !self.reads() {
            return;
        }
        match error {
            Error::ConnectionClosed | Error::AlreadyClosed => {
                self.state = WebSocketState::Closed {
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

    /// Tells the peer the reason, and ignores its input from now on.
    fn fail(&mut self, code: CloseCode, reason: &str) {
        self.send_close(code, reason);
        self.pipe.clear_input();
        self.state = WebSocketState::Failed {
            until: self.now + LINGER,
        };
    }

    /// Queues a close frame unless one was sent before. There is always room for it because tungstenite holds
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
        if let WebSocketState::Closed { .. } = self.state
            && self.pipe.output().is_empty()
        {
            self.state = WebSocketState::Finished;
        }
    }
}

fn is_would_block(error: &Error) -> bool {
    matches!(error, Error::Io(error) if error.kind() == ErrorKind::WouldBlock)
}

/// The size of the read buffer. tungstenite's default is 128 KiB for every connection, from its beginning.
const READ_BUFFER: usize = 4 * 1024;

/// The largest message from the peer, its fragments put together.
const MAX_MESSAGE: usize = 64 * 1024;

/// The largest number of bytes of output that may wait.
const MAX_OUTPUT: usize = 128 * 1024;

/// The longest head of a frame. RFC 6455 §5.2: two bytes and a length of eight; only clients add a mask.
const MAX_FRAME_HEAD: usize = 10;

/// The longest reason. RFC 6455 §5.5: a control frame has at most 125 bytes, two of which are the code.
const MAX_REASON: usize = 123;

/// The silence after which a peer is pinged: often enough for the address translators on the path, which
/// forget a quiet connection after a minute or more.
const PING_AFTER: Duration = Duration::from_secs(30);

/// The silence, even without a pong, after which the peer counts as lost.
const CLOSE_AFTER: Duration = Duration::from_secs(60);

/// The time for a close frame to be answered, or to be written.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(5);

/// The time for which input is discarded after a failure, so that the close frame can arrive.
const LINGER: Duration = Duration::from_secs(1);
