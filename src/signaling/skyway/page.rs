//! One page of SkyWay-JS, over Socket.IO: polling, a WebSocket, or first polling and then a WebSocket.

use std::time::{Duration, Instant};

use super::Handshake;
use crate::access::UnixTime;
use crate::access::locality::Locality;
use crate::http::Response;
use crate::ids::{PeerId, RequestId, SocketId};
use crate::signaling::dialect::{Output, Shown};
use crate::signaling::door::PageOrigin;
use crate::signaling::rendezvous::roster::Guest;
use crate::signaling::socket_io::request::TransportRefusal;
use crate::signaling::socket_io::{Frame, Session};

/// The number of unwritten bytes above which a page's frames stay in its queue.
const WRITTEN_FIRST: usize = 16 * 1024;
/// The number of seconds before the end of a credential at which its page is warned.
pub(super) const WARNED_BEFORE: u64 = 300;
/// The close code for a normal end (RFC 6455 §7.4.1).
pub(super) const NORMAL: u16 = 1000;

/// The WebSocket of a page.
#[derive(Debug, Clone, Copy)]
pub(super) struct Socket {
    pub(super) id: SocketId,
    /// The bytes that wait to be written: those last reported, and those sent since.
    pub(super) waiting: usize,
}

/// A page until both sides know that it has left.
#[derive(Debug)]
pub(super) struct Page {
    pub(super) session: Session,
    pub(super) handshake: Option<Handshake>,
    pub(super) opened: Instant,
    pub(super) locality: Locality,
    pub(super) origin: PageOrigin,
    /// The request that waits for packets.
    pub(super) poll: Option<RequestId>,
    pub(super) socket: Option<Socket>,
    /// Whether the page begins with its WebSocket.
    pub(super) is_direct: bool,
    pub(super) peer: Option<PeerId>,
    /// The end of its credential, and whether the page was warned.
    pub(super) expires: Option<UnixTime>,
    pub(super) warned: bool,
    /// The time of the next check of the credential.
    pub(super) look: Option<Instant>,
}

impl Page {
    /// Returns the claims with which the page was admitted.
    pub(super) fn guest(&self, key: &str) -> Guest {
        Guest {
            key: key.to_owned(),
            locality: self.locality,
            origin: self.origin.clone(),
        }
    }

    /// Returns the connections that carry the page's packets: the waiting request, and the WebSocket.
    pub(super) fn carriers(&self) -> impl Iterator<Item = Shown> + use<> {
        let socket = self.socket.map(|socket| Shown::Socket(socket.id));
        self.poll.map(Shown::Request).into_iter().chain(socket)
    }

    /// Returns how many packets were dropped because the page did not read.
    pub(super) fn dropped(&self) -> u64 {
        self.session.dropped().packets
    }

    /// Returns the next deadline of the page.
    pub(super) fn deadline(&self) -> Option<Instant> {
        let both = [self.session.poll_timeout(), self.look];
        both.into_iter().flatten().min()
    }

    /// Takes out the session's next output for the page, over the waiting request or over the WebSocket.
    pub(super) fn poll_output(&mut self) -> Option<Output> {
        // The answer to the poll comes first, because it carries what the page must know before it changes to
        // its WebSocket.
        if let Some(body) = self.session.poll_answer() {
            let kind = "text/plain; charset=UTF-8";
            let response = Response::new(200).body(kind, body.into_bytes());
            let request = self.poll.take();
            return match request {
                Some(request) => Some(answer(request, response)),
                None => self.poll_output(),
            };
        }
        let socket = self.socket.as_mut()?;
        if socket.waiting > WRITTEN_FIRST {
            return None;
        }
        Some(match self.session.poll_frame()? {
            Frame::Text(text) => {
                socket.waiting += text.len();
                Output::Send(socket.id, text)
            }
            Frame::Close => Output::Close(socket.id, NORMAL, ""),
        })
    }

    /// Sets the time of the next check of the credential.
    pub(super) fn schedule_look(&mut self, now: Instant, time: UnixTime) {
        self.look = self.expires.map(|end| {
            let left = end.saturating_sub(time);
            let before = if self.warned { 0 } else { WARNED_BEFORE };
            // Check again at least once an hour, because the clock may be set meanwhile.
            now + Duration::from_secs(left.saturating_sub(before).clamp(1, 3600))
        });
    }
}

/// Returns the answer to a request of Socket.IO.
pub(super) fn answer(request: RequestId, response: Response) -> Output {
    let response = response.header("Cache-Control", "no-store");
    Output::Answer(request, response)
}

/// Returns the answer to a request of Socket.IO that is refused.
pub(super) fn refusal(request: RequestId, refusal: TransportRefusal) -> Output {
    let body = refusal.body().into_bytes();
    let response = Response::new(refusal.status()).body("application/json", body);
    answer(request, response)
}
