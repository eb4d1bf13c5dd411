//! One page of SkyWay-JS, over Socket.IO: polling, a WebSocket, or first the one and then the other.

use std::time::{Duration, Instant};

use super::Handshake;
use crate::access::UnixTime;
use crate::http::Response;
use crate::ids::{PeerId, RequestId, SocketId};
use crate::signaling::dialect::{Output, Shown};
use crate::signaling::door::{PageOrigin, Standing};
use crate::signaling::rendezvous::roster::Guest;
use crate::signaling::socket_io::request::Refusal;
use crate::signaling::socket_io::{Frame, Session};

/// While more than this is to be written, a page's frames stay in its queue.
const WRITTEN_FIRST: usize = 16 * 1024;
/// How many seconds before its end a page is told of its credential.
pub(super) const WARNED_BEFORE: u64 = 300;
/// Close code (RFC 6455 §7.4.1).
pub(super) const NORMAL: u16 = 1000;

/// The WebSocket of a page.
#[derive(Debug, Clone, Copy)]
pub(super) struct Socket {
    pub(super) id: SocketId,
    /// Bytes that wait to be written: what was reported last, and what was sent since.
    pub(super) waiting: usize,
}

/// A page until both sides know that it has left.
#[derive(Debug)]
pub(super) struct Page {
    pub(super) session: Session,
    pub(super) handshake: Option<Handshake>,
    pub(super) opened: Instant,
    pub(super) standing: Standing,
    pub(super) origin: PageOrigin,
    /// The request that waits for packets.
    pub(super) poll: Option<RequestId>,
    pub(super) socket: Option<Socket>,
    /// Whether the page begins with its WebSocket.
    pub(super) is_direct: bool,
    pub(super) peer: Option<PeerId>,
    /// When its credential ends, and whether that was told.
    pub(super) expires: Option<UnixTime>,
    pub(super) warned: bool,
    /// When the credential is looked at next.
    pub(super) look: Option<Instant>,
}

impl Page {
    /// Returns with what the page was let in.
    pub(super) fn guest(&self, key: &str) -> Guest {
        Guest {
            key: key.to_owned(),
            standing: self.standing,
            origin: self.origin.clone(),
        }
    }

    /// Returns the connections that carry the page's packets: the request that waits for some, and the WebSocket.
    pub(super) fn carriers(&self) -> impl Iterator<Item = Shown> + use<> {
        let socket = self.socket.map(|socket| Shown::Socket(socket.id));
        self.poll.map(Shown::Request).into_iter().chain(socket)
    }

    /// Returns how many packets made room because the page did not read.
    pub(super) fn dropped(&self) -> u64 {
        self.session.dropped().packets
    }

    /// Returns when something is to be done for the page.
    pub(super) fn deadline(&self) -> Option<Instant> {
        let both = [self.session.poll_timeout(), self.look];
        both.into_iter().flatten().min()
    }

    /// Takes out what the session has to say to the page, over the request that waits or over the WebSocket.
    pub(super) fn poll_output(&mut self) -> Option<Output> {
        // The answer comes first: it carries what the page is to know before it goes over to its WebSocket.
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

    /// Sets when the credential is to be looked at next.
    pub(super) fn schedule_look(&mut self, now: Instant, time: UnixTime) {
        self.look = self.expires.map(|end| {
            let left = end.saturating_sub(time);
            let before = if self.warned { 0 } else { WARNED_BEFORE };
            // The clock may be set meanwhile.
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
pub(super) fn refusal(request: RequestId, refusal: Refusal) -> Output {
    let body = refusal.body().into_bytes();
    let response = Response::new(refusal.status()).body("application/json", body);
    answer(request, response)
}
