//! The state of a connection, and what the connection remembers of the request that it serves.

use super::body::{BodyDecoder, BodyLength};
use super::head::{Method, RequestHead, Version};
use super::response::{Fate, Framing, Part};
use super::scan::HeadScanner;

/// The state of a connection.
#[derive(Debug)]
pub(super) enum ExchangeState {
    /// Between requests; no byte of the next one was examined.
    Idle,
    /// Part of a head has arrived.
    Head(HeadScanner),
    /// The owner has the head and has neither accepted the body nor answered.
    Deciding(Exchange),
    /// The body is being collected.
    Receiving { exchange: Exchange, body: Vec<u8> },
    /// The request is complete and awaits its answer, perhaps for minutes.
    Answering(Exchange),
    /// The head of the answer is written, and its body is being pushed.
    Streaming { exchange: Exchange, fate: Fate },
    /// The answer is complete, but the body of the request is still arriving.
    Discarding(BodyDecoder),
    /// The last answer is being written.
    Closing(Ending),
    /// Everything is written, and input is discarded for a moment. Closing a socket that has unread input
    /// resets it, and the peer might lose the answer (RFC 9112 §9.6).
    Lingering,
    /// The stream belongs to another protocol.
    Upgraded,
    /// The connection has ended.
    Finished,
}

/// The step after the last byte was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ending {
    /// The peer may still be sending.
    Linger,
    /// The peer has sent all of its input, or waits for the end of the stream.
    Close,
}

/// A request that is being served.
#[derive(Debug)]
pub(super) struct Exchange {
    pub(super) version: Version,
    /// The part of the response to write; HEAD has no body.
    pub(super) part: Part,
    /// Whether the client wants to keep the connection after this request.
    keep_alive: bool,
    /// Whether the client waits for `100 Continue`.
    pub(super) awaits_continue: bool,
    /// The decoder of the part of the body that was not read yet.
    pub(super) rest: BodyDecoder,
}

impl Exchange {
    pub(super) fn new(head: &RequestHead, body_limit: usize) -> Self {
        Self {
            version: head.version,
            part: match head.method == Method::Head {
                true => Part::Head,
                false => Part::Whole,
            },
            keep_alive: head.wants_keep_alive(),
            awaits_continue: head.expects_continue(),
            rest: BodyDecoder::new(head.body_length(), body_limit),
        }
    }

    /// Returns whether the connection can be kept after an answer given now.
    pub(super) fn fate(&self) -> Fate {
        // A client that was never told to continue may send its body or not, and a server cannot distinguish
        // the body from a next request (RFC 9110 §10.1.1).
        let unclear = self.awaits_continue && !self.rest.is_done();
        let long = self
            .rest
            .remaining()
            .is_some_and(|n| n > MAX_DISCARD as u64);
        if self.keep_alive && !unclear && !long {
            Fate::Kept(self.version)
        } else {
            Fate::Closed
        }
    }

    /// Returns how the end of a streamed answer is marked.
    pub(super) fn stream_framing(&self) -> Framing {
        match self.version {
            Version::Http11 => Framing::Chunked,
            Version::Http10 => Framing::None,
        }
    }

    /// Returns whether the end of the connection marks the end of a streamed answer.
    pub(super) fn ends_by_closing(&self) -> bool {
        self.part == Part::Whole && self.version == Version::Http10
    }

    /// Returns what follows the answer if the connection is not kept.
    pub(super) fn ending(&self) -> Ending {
        // A client that announced its last request and has sent all of it will send nothing more.
        if self.keep_alive || !self.rest.is_done() {
            Ending::Linger
        } else {
            Ending::Close
        }
    }

    /// Returns the rest of the body, to be discarded up to a bound.
    pub(super) fn into_rest(mut self) -> BodyDecoder {
        self.rest.set_room(MAX_DISCARD);
        self.rest
    }
}

/// The largest body that is read to its end and discarded; beyond this size, closing and connecting again is
/// cheaper for both sides.
const MAX_DISCARD: usize = 64 * 1024;

/// Returns whether the announced length of a body exceeds the limit, so that the body is refused in advance.
pub(super) fn announces_too_much(head: &RequestHead, limit: usize) -> bool {
    match head.body_length() {
        BodyLength::Known(n) => n > limit as u64,
        BodyLength::None | BodyLength::Chunked => false,
    }
}
