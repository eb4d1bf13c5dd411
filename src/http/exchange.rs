//! Where a connection stands, and what it must remember of the request it is serving.

use super::body::{BodyDecoder, BodyLength};
use super::head::{Method, RequestHead, Version};
use super::response::{Fate, Framing, Part};
use super::scan::HeadScanner;

/// Where a connection stands.
#[derive(Debug)]
pub(super) enum State {
    /// Between requests; no byte of the next one has been looked at.
    Idle,
    /// Part of a head is here.
    Head(HeadScanner),
    /// The owner has the head and has neither accepted the body nor answered.
    Deciding(Exchange),
    /// The body is being collected.
    Receiving { exchange: Exchange, body: Vec<u8> },
    /// The request is complete and its answer is awaited, perhaps for minutes.
    Answering(Exchange),
    /// The head of the answer is out, its body is being pushed.
    Streaming { exchange: Exchange, fate: Fate },
    /// The answer is complete, but the body of the request is still coming.
    Discarding(BodyDecoder),
    /// The last answer is being written.
    Closing(Ending),
    /// Everything is written, and input is thrown away for a moment: to close a socket that has
    /// unread input resets it, and the peer might lose the answer (RFC 9112 §9.6).
    Lingering,
    /// The stream belongs to another protocol.
    Upgraded,
    /// Nothing more will happen.
    Finished,
}

/// What happens after the last byte was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ending {
    /// The peer may still be sending.
    Linger,
    /// The peer has said all it had to say, or waits for the end of the stream.
    Close,
}

/// A request that is being served.
#[derive(Debug)]
pub(super) struct Exchange {
    pub(super) version: Version,
    /// HEAD wants no body.
    pub(super) part: Part,
    /// The client wants to go on after this.
    keep_alive: bool,
    /// The client waits for `100 Continue`.
    pub(super) awaits_continue: bool,
    /// What has not been read of the body.
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

    /// Whether the connection can go on after an answer given now.
    pub(super) fn fate(&self) -> Fate {
        // A client that was never told to continue may send its body or not, and nobody can tell
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

    /// How the end of a streamed answer is told.
    pub(super) fn stream_framing(&self) -> Framing {
        match self.version {
            Version::Http11 => Framing::Chunked,
            Version::Http10 => Framing::None,
        }
    }

    /// Whether the end of the connection is the end of a streamed answer.
    pub(super) fn ends_by_closing(&self) -> bool {
        self.part == Part::Whole && self.version == Version::Http10
    }

    /// What follows the answer if the connection is not kept.
    pub(super) fn ending(&self) -> Ending {
        // A client that announced its last request and has sent it all will send nothing more.
        if self.keep_alive || !self.rest.is_done() {
            Ending::Linger
        } else {
            Ending::Close
        }
    }

    /// What remains of the body, to be thrown away up to a bound.
    pub(super) fn into_rest(mut self) -> BodyDecoder {
        self.rest.set_room(MAX_DISCARD);
        self.rest
    }
}

/// A body that nobody wants is read to its end if it is no longer than this; beyond, closing and
/// connecting again is cheaper for both sides.
const MAX_DISCARD: usize = 64 * 1024;

/// A body too large to be accepted is refused by its announcement.
pub(super) fn announces_too_much(head: &RequestHead, limit: usize) -> bool {
    match head.body_length() {
        BodyLength::Known(n) => n > limit as u64,
        BodyLength::None | BodyLength::Chunked => false,
    }
}
