//! The binding of a channel to an endpoint: the waiting messages, the peer's credit, and the counters of
//! everything that passed or was dropped.

use std::collections::VecDeque;
use std::time::Instant;

use super::transcode::Transcoder;
use crate::channel::ChannelKey;
use crate::drops::{Direction, Drops};
use crate::endpoint::{Count, DropReason};
use crate::ids::{EndpointId, SessionId};

/// How many bytes a waiting route may deliver per turn.
pub(super) const DELIVERY_QUANTUM: usize = 4 * 1024;

/// A message of a peer that its endpoint had no room for yet.
#[derive(Debug)]
pub(super) struct Waiting {
    /// Whether the message arrived in a binary frame.
    pub(super) binary: bool,
    pub(super) data: Vec<u8>,
}

/// One channel bound to one endpoint.
#[derive(Debug)]
pub(super) struct Route {
    /// The channel's session.
    pub(super) session: SessionId,
    /// The channel.
    pub(super) channel: ChannelKey,
    /// The SCTP stream id.
    pub(super) stream: u16,
    /// The channel's label.
    pub(super) label: String,
    /// The endpoint that the channel is bound to.
    pub(super) endpoint: EndpointId,
    /// Whether the channel fails when one of its messages is lost.
    pub(super) reliable: bool,
    /// Encodes and decodes the channel's messages. `None`: their bytes go unchanged.
    pub(super) transcoder: Option<Box<Transcoder>>,
    /// Whether messages to the peer go in text frames, whatever the endpoint's configuration says.
    pub(super) as_text: bool,
    /// Whether the session's token allows writing.
    pub(super) may_write: bool,
    /// Messages that came from the peer.
    pub(super) from_peer: Count,
    /// Messages that were sent to the peer.
    pub(super) to_peer: Count,
    /// Messages that were dropped, by reason.
    pub(super) drops: Drops,
    /// The drops last reported to the peer, and the time of the report.
    pub(super) reported: (Count, Option<Instant>),
    /// How many bytes the route may still deliver in its device's turn.
    pub(super) deficit_in: usize,
    /// Whether the peer has closed the channel while messages waited. The messages are delivered, then the
    /// route ends.
    pub(super) lingers: bool,
    /// How many bytes the channel may still send in its session's turn (deficit round robin).
    pub(super) deficit: usize,
    /// Whether the peer has missed bytes of a stream. If so, nothing more is sent, and the channel is being
    /// closed.
    pub(super) has_gap: bool,
    /// The offset before which bytes are discarded, including bytes that have not arrived yet, because the
    /// request and the bytes use two channels.
    discarded_until: u64,
    queue: VecDeque<Waiting>,
    queued_bytes: usize,
    /// How many bytes [`Self::queue`] may hold, which is also the credit window.
    window: usize,
    /// The credit last reported to the peer.
    granted: u64,
}

/// The largest number that every JSON parser reads exactly (RFC 8259 §6).
const UNLIMITED: u64 = (1 << 53) - 1;

/// The most messages that may wait where messages must stay apart. Empty messages use no credit, so their
/// number needs a limit too.
const MAX_WAITING: usize = 4096;

/// The size up to which small messages to a byte stream are merged: one turn of the device.
const MERGED: usize = DELIVERY_QUANTUM;

impl Route {
    /// Returns a route without messages or counts.
    pub(super) fn new(
        session: SessionId,
        channel: ChannelKey,
        (stream, label): (u16, String),
        endpoint: EndpointId,
        reliable: bool,
        window: usize,
    ) -> Self {
        Self {
            session,
            channel,
            stream,
            label,
            endpoint,
            reliable,
            transcoder: None,
            as_text: false,
            may_write: true,
            from_peer: Count::default(),
            to_peer: Count::default(),
            drops: Drops::default(),
            reported: (Count::default(), None),
            deficit_in: 0,
            lingers: false,
            deficit: 0,
            has_gap: false,
            discarded_until: 0,
            queue: VecDeque::new(),
            queued_bytes: 0,
            window,
            granted: 0,
        }
    }

    /// Returns whether no message waits.
    pub(super) fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    /// Returns how many bytes wait for the device.
    pub(super) fn queued_bytes(&self) -> usize {
        self.queued_bytes
    }

    /// Keeps a message until the device takes it. Returns false if a reliable channel has no room for the
    /// message. An unreliable channel drops its oldest message instead, and counts it. Messages to a byte
    /// stream need not stay apart, so only their bytes are limited, not their number.
    #[must_use]
    pub(super) fn enqueue(&mut self, binary: bool, data: Vec<u8>, is_stream: bool) -> bool {
        let merges = is_stream && self.reliable;
        while self.queued_bytes + data.len() > self.window
            || (!merges && self.queue.len() >= MAX_WAITING)
        {
            if self.reliable {
                return false;
            }
            let Some(oldest) = self.dequeue() else { break };
            let count = Count::one(oldest.data.len());
            self.drops
                .add(Direction::FromPeer, DropReason::Overflow, count);
        }
        self.queued_bytes += data.len();
        if let Some(newest) = self.queue.back_mut()
            && merges
            && newest.data.len() + data.len() <= MERGED
        {
            newest.data.extend_from_slice(&data);
        } else {
            self.queue.push_back(Waiting { binary, data });
        }
        true
    }

    /// Returns how many bytes of the peer were delivered or dropped. No byte before this offset waits.
    pub(super) fn delivered(&self) -> u64 {
        self.from_peer.bytes - self.queued_bytes as u64
    }

    /// Returns the length of the oldest waiting message.
    pub(super) fn front_len(&self) -> Option<usize> {
        self.queue.front().map(|waiting| waiting.data.len())
    }

    /// Removes and returns the oldest waiting message.
    pub(super) fn dequeue(&mut self) -> Option<Waiting> {
        let waiting = self.queue.pop_front()?;
        self.queued_bytes -= waiting.data.len();
        Some(waiting)
    }

    /// Cuts the oldest waiting message of a byte stream in two, after `at` bytes.
    pub(super) fn cut_front(&mut self, at: usize) {
        let Some(front) = self.queue.front_mut() else {
            return;
        };
        if at == 0 || at >= front.data.len() {
            return;
        }
        let (binary, data) = (front.binary, front.data.split_off(at));
        self.queue.insert(1, Waiting { binary, data });
    }

    /// Puts back the message that [`Self::dequeue`] returned last.
    pub(super) fn put_back(&mut self, waiting: Waiting) {
        self.queued_bytes += waiting.data.len();
        self.queue.push_front(waiting);
    }

    /// Drops all messages that wait.
    pub(super) fn forget(&mut self, reason: DropReason) {
        while let Some(waiting) = self.dequeue() {
            self.drops
                .add(Direction::FromPeer, reason, Count::one(waiting.data.len()));
        }
    }

    /// Discards the bytes before this offset, including bytes that have not arrived yet.
    pub(super) fn discard(&mut self, until: u64) {
        self.discarded_until = self.discarded_until.max(until);
        while let Some(length) = self.front_len().filter(|_| self.delivered() < until) {
            // Small messages to a byte stream were merged, so the offset may lie inside the oldest message.
            let rest = usize::try_from(until - self.delivered()).unwrap_or(usize::MAX);
            if rest < length {
                self.cut_front(rest);
            }
            let Some(waiting) = self.dequeue() else { break };
            let count = Count::one(waiting.data.len());
            self.drops
                .add(Direction::FromPeer, DropReason::Discarded, count);
        }
    }

    /// Returns whether the next message to arrive is discarded.
    pub(super) fn is_discarded(&self) -> bool {
        self.from_peer.bytes < self.discarded_until
    }

    /// Returns how many bytes the peer may send in all: the bytes that have left the queue, plus one window.
    /// On an unreliable channel, lost bytes cannot be told from bytes still to arrive, so the channel's
    /// credit never runs out. Its queue is bounded because it drops the oldest message.
    pub(super) fn credit(&self) -> u64 {
        if !self.reliable {
            return UNLIMITED;
        }
        self.delivered() + self.window as u64
    }

    /// Returns a new credit if it is worth a message, that is, if a quarter of the window has become free.
    pub(super) fn extend_credit(&mut self) -> Option<u64> {
        let credit = self.credit();
        if credit < self.granted + self.window as u64 / 4 {
            return None;
        }
        self.granted = credit;
        Some(credit)
    }

    /// Returns the credit again, for a control channel that opened after the route.
    pub(super) fn repeat_credit(&mut self) -> u64 {
        self.granted = self.credit();
        self.granted
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::util::slab::Id;

    fn route(reliable: bool) -> Route {
        let channel = (1, "x".to_owned());
        Route::new(
            Id::from_bits(0),
            Id::from_bits(0),
            channel,
            Id::from_bits(0),
            reliable,
            1000,
        )
    }

    fn arrive(route: &mut Route, len: usize) -> bool {
        route.from_peer.add(Count::one(len));
        route.enqueue(true, vec![0; len], false)
    }

    #[test]
    fn credit_is_a_window_beyond_what_left_the_queue() {
        let mut route = route(true);
        assert_eq!(route.extend_credit(), Some(1000));
        assert!(arrive(&mut route, 600) && arrive(&mut route, 400));
        assert_eq!((route.credit(), route.extend_credit()), (1000, None));
        route.dequeue();
        assert_eq!(route.extend_credit(), Some(1600));
        assert_eq!(route.repeat_credit(), 1600);
        // A peer within its credit always fits.
        assert!(arrive(&mut route, 600));
        assert!(
            !arrive(&mut route, 1),
            "beyond it, a reliable channel fails"
        );
    }

    #[test]
    fn many_small_messages_to_a_stream_cost_their_bytes_only() {
        let mut route = Route::new(
            Id::from_bits(0),
            Id::from_bits(0),
            (1, "x".to_owned()),
            Id::from_bits(0),
            true,
            1_000_000,
        );
        for i in 0..1_000_000_u32 {
            assert!(route.enqueue(true, vec![i as u8], true));
        }
        assert!(!route.enqueue(true, vec![0], true), "the window is full");
        let mut next = 0_u32;
        while let Some(waiting) = route.dequeue() {
            assert!(waiting.data.len() <= MERGED);
            for byte in waiting.data {
                assert_eq!(byte, next as u8);
                next += 1;
            }
        }
        assert_eq!(next, 1_000_000);
    }

    #[test]
    fn a_large_window_holds_its_bytes_however_they_are_cut() {
        let window = 16 * 1024 * 1024;
        for len in [1, 2_049, 4_097] {
            let channel = (1, "x".to_owned());
            let id = Id::from_bits(0);
            let (session, endpoint) = (Id::from_bits(0), Id::from_bits(0));
            let mut route = Route::new(session, id, channel, endpoint, true, window);
            while route.queued_bytes() + len <= window {
                let kept = route.enqueue(true, vec![0; len], true);
                assert!(kept, "{len}: {}", route.queued_bytes());
            }
        }
    }

    #[test]
    fn an_unreliable_route_drops_its_oldest_and_counts() {
        let mut route = route(false);
        assert_eq!(
            (route.extend_credit(), route.extend_credit()),
            (Some(UNLIMITED), None)
        );
        for _ in 0..3 {
            assert!(arrive(&mut route, 400));
        }
        assert_eq!(route.queued_bytes(), 800);
        assert_eq!(
            route.drops.total(),
            Count {
                messages: 1,
                bytes: 400
            }
        );
        route.forget(DropReason::Closed);
        assert_eq!(
            route.drops.total(),
            Count {
                messages: 3,
                bytes: 1200
            }
        );
        // The newest messages are kept.
        for byte in [1, 2, 3] {
            assert!(route.enqueue(true, vec![byte; 400], false));
        }
        let kept = std::iter::from_fn(|| Some(route.dequeue()?.data[0]));
        assert_eq!(kept.collect::<Vec<_>>(), [2, 3]);
        assert!((0..MAX_WAITING + 2).all(|_| route.enqueue(true, Vec::new(), false)));
        assert_eq!(route.drops.total().messages, 6);
    }
}
