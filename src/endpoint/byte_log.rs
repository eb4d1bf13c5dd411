//! The bytes that a stream has sent, and how far each route has read them.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::ring::Ring;
use super::{Count, Message, Outgoing};
use crate::ids::RouteId;
use crate::limits;
use crate::util::utf8;

/// One ring with a cursor per route. Bytes are cut into messages of at most [`limits::STREAM_MESSAGE`].
#[derive(Debug)]
pub struct ByteLog {
    ring: Ring,
    /// The absolute offset up to which each route has read.
    cursors: BTreeMap<RouteId, u64>,
    binary: bool,
    /// How many bytes of the past a new route receives.
    scrollback: usize,
    /// How long bytes wait for more, because a few full messages cost far less than many small ones.
    latency: Duration,
    /// The absolute offset up to which bytes may be sent. Bytes behind this offset wait for more.
    ripe: u64,
    /// The time until which a small number of bytes waits, because other bytes were just sent. The first
    /// bytes after a silence do not wait, and neither does an answer, so the echo of a key is as prompt as
    /// the wire.
    pause: Option<Instant>,
    /// Whether bytes wait for the end of the pause.
    waiting: bool,
    /// The absolute offset at which the device last vanished. A character that began before this offset stays
    /// incomplete.
    gone: u64,
}

impl ByteLog {
    /// Returns a log without routes. `binary` is the frame type of its messages.
    pub fn new(binary: bool, scrollback: usize, latency: Duration) -> Self {
        Self {
            ring: Ring::new(limits::RING, limits::STREAM_MESSAGE),
            cursors: BTreeMap::new(),
            binary,
            scrollback,
            latency,
            ripe: 0,
            pause: None,
            waiting: false,
            gone: 0,
        }
    }

    /// Adds a route, which begins with the scrollback.
    pub fn attach(&mut self, route: RouteId) {
        let past = self.ring.end().saturating_sub(self.scrollback as u64);
        let past = self.after_cut(past.max(self.ring.start()));
        self.cursors.insert(route, past);
    }

    /// Forgets a route's cursor.
    pub fn detach(&mut self, route: RouteId) {
        self.cursors.remove(&route);
    }

    /// Adds bytes that the device sent. Without routes the bytes still go into the ring, because a later
    /// route may want them.
    pub fn push(&mut self, now: Instant, input: &[u8]) {
        self.ring.push(input);
        if self.latency.is_zero() {
            self.ripe = self.ring.end();
            return;
        }
        let unripe = self.ring.end() - self.ripe;
        let full = unripe - unripe % limits::STREAM_MESSAGE as u64;
        let quiet = self.pause.is_none_or(|end| end <= now);
        if quiet || full > 0 {
            self.ripe += if quiet { unripe } else { full };
            self.pause = Some(now + self.latency);
        }
        self.waiting = self.ripe < self.ring.end();
    }

    /// Notes that a peer has written to the device, so that the device's next bytes do not wait, like the
    /// first bytes after a silence.
    pub fn expect_answer(&mut self) {
        if !self.waiting {
            self.pause = None;
        }
    }

    /// Handles a device that has vanished: bytes that waited for more are passed on as they are.
    pub fn handle_gone(&mut self) {
        if let Some(deadline) = self.poll_timeout() {
            self.handle_timeout(deadline);
        }
        self.gone = self.ring.end();
    }

    /// Returns how many bytes may arrive before the slowest route loses one. Without routes there is no
    /// limit.
    pub fn room(&self) -> usize {
        let Some(slowest) = self.cursors.values().min() else {
            return usize::MAX;
        };
        let unread = usize::try_from(self.ring.end() - slowest).unwrap_or(usize::MAX);
        limits::RING.saturating_sub(unread)
    }

    /// Returns when [`Self::handle_timeout`] must be called next.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.pause.filter(|_| self.waiting)
    }

    /// Releases bytes that have waited long enough.
    pub fn handle_timeout(&mut self, now: Instant) {
        if self.poll_timeout().is_some_and(|at| at <= now) {
            self.waiting = false;
            self.ripe = self.ring.end();
            self.pause = Some(now + self.latency);
        }
    }

    /// Returns the next piece for a route.
    pub fn message(&self, route: RouteId) -> Option<Outgoing<'_>> {
        let cursor = *self.cursors.get(&route)?;
        match self.piece(cursor) {
            Some([]) => None,
            Some(bytes) => Some(Outgoing::Message(Message {
                binary: self.binary,
                bytes,
            })),
            None => Some(Outgoing::Lagged(Count {
                messages: 0,
                bytes: self.after_cut(self.ring.start()) - cursor,
            })),
        }
    }

    /// Moves a route's cursor past the piece that [`Self::message`] returned.
    pub fn consume_message(&mut self, route: RouteId) {
        let Some(cursor) = self.cursors.get(&route).copied() else {
            return;
        };
        let next = match self.piece(cursor) {
            Some(bytes) => cursor + bytes.len() as u64,
            None => self.after_cut(self.ring.start()),
        };
        self.cursors.insert(route, next);
    }

    /// Returns the piece at a cursor, or `None` if newer bytes have replaced it.
    fn piece(&self, cursor: u64) -> Option<&[u8]> {
        let ripe = usize::try_from(self.ripe.saturating_sub(cursor)).unwrap_or(usize::MAX);
        let bytes = self.ring.read(cursor, ripe.min(limits::STREAM_MESSAGE))?;
        let end = cursor + bytes.len() as u64;
        if self.binary || end == self.gone {
            return Some(bytes);
        }
        // A text frame must not end within a character whose other bytes have not arrived yet.
        bytes.get(..utf8::whole(bytes))
    }

    /// Returns the first offset from `from` on at which text may begin: not within a character whose first
    /// byte is missing.
    fn after_cut(&self, from: u64) -> u64 {
        if self.binary || from == 0 {
            return from;
        }
        let bytes = self.ring.read(from, utf8::LONGEST).unwrap_or_default();
        from + utf8::rest(bytes) as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::util::slab::Id;

    fn log(binary: bool) -> ByteLog {
        ByteLog::new(binary, 0, Duration::ZERO)
    }

    fn drain(log: &mut ByteLog, route: RouteId) -> Vec<u8> {
        let mut all = Vec::new();
        while let Some(Outgoing::Message(message)) = log.message(route) {
            assert!(message.bytes.len() <= limits::STREAM_MESSAGE);
            all.extend_from_slice(message.bytes);
            log.consume_message(route);
        }
        all
    }

    #[test]
    fn each_route_reads_by_its_own_cursor_from_where_it_attached() {
        let now = Instant::now();
        let mut log = log(true);
        let (a, b) = (Id::from_bits(1), Id::from_bits(2));
        log.attach(a);
        log.push(now, b"early ");
        log.attach(b);
        log.push(now, &[b'x'; 3000]);
        assert_eq!(drain(&mut log, a).len(), 3006);
        assert_eq!(drain(&mut log, b), vec![b'x'; 3000]);
        log.detach(a);
        assert_eq!(log.message(a), None);
    }

    #[test]
    fn who_attaches_late_sees_the_end_of_the_past() {
        let now = Instant::now();
        let mut log = ByteLog::new(true, 1_000, Duration::ZERO);
        let (a, b) = (Id::from_bits(1), Id::from_bits(2));
        log.push(now, b"booting");
        log.attach(a);
        assert_eq!(drain(&mut log, a), b"booting");
        log.push(now, &vec![b'.'; 3 * limits::RING]);
        log.push(now, &[b'x'; 999]);
        log.attach(b);
        assert_eq!(drain(&mut log, b), [&b"."[..], &[b'x'; 999]].concat());
    }

    #[test]
    fn the_first_bytes_go_at_once_and_those_behind_them_wait_for_more_but_not_long() {
        let now = Instant::now();
        let latency = Duration::from_millis(2);
        let mut log = ByteLog::new(true, 0, latency);
        let route = Id::from_bits(1);
        log.attach(route);
        log.push(now, b"a");
        assert_eq!(drain(&mut log, route), b"a");
        assert_eq!(log.poll_timeout(), None, "nothing waits");
        log.push(now + latency / 4, b"bc");
        log.push(now + latency / 2, b"de");
        assert_eq!(
            (log.message(route), log.poll_timeout()),
            (None, Some(now + latency))
        );
        let later = now + latency;
        log.handle_timeout(later);
        assert_eq!(drain(&mut log, route), b"bcde", "as one message");
        assert_eq!(log.poll_timeout(), None);
        // A device that sends without a pause sends no more often than before.
        log.push(later + latency / 2, b"f");
        assert_eq!(log.message(route), None);
        assert_eq!(log.poll_timeout(), Some(later + latency));
        log.expect_answer();
        assert_eq!(
            log.poll_timeout(),
            Some(later + latency),
            "it waits already"
        );
        log.handle_timeout(later + latency);
        assert_eq!(drain(&mut log, route), b"f");
        // An answer does not wait, although other bytes were just sent.
        log.expect_answer();
        log.push(later + latency, b"ok");
        assert_eq!(drain(&mut log, route), b"ok");
        log.push(later + latency, b"more");
        assert_eq!(log.message(route), None);
    }

    #[test]
    fn a_full_message_waits_for_nothing_and_what_is_beyond_it_waits_from_then_on() {
        let now = Instant::now();
        let latency = Duration::from_millis(2);
        let mut log = ByteLog::new(true, 0, latency);
        let route = Id::from_bits(1);
        log.attach(route);
        log.push(now, b"x");
        assert_eq!(drain(&mut log, route), b"x");
        let later = now + latency / 2;
        log.push(later, &[0; limits::STREAM_MESSAGE + 5]);
        assert_eq!(drain(&mut log, route).len(), limits::STREAM_MESSAGE);
        assert_eq!(log.poll_timeout(), Some(later + latency));
        log.push(later, &[0; limits::STREAM_MESSAGE - 5]);
        assert_eq!(drain(&mut log, route).len(), limits::STREAM_MESSAGE);
        assert_eq!(log.poll_timeout(), None);
        // After a silence even more than one message is sent at once.
        log.push(later + latency, &[0; limits::STREAM_MESSAGE + 5]);
        assert_eq!(drain(&mut log, route).len(), limits::STREAM_MESSAGE + 5);
    }

    #[test]
    fn a_route_that_falls_off_the_tail_learns_how_much_it_lost() {
        let mut log = log(true);
        let route = Id::from_bits(1);
        log.attach(route);
        log.push(Instant::now(), &vec![1; limits::RING + 10]);
        let count = Count {
            messages: 0,
            bytes: 10,
        };
        assert_eq!(log.message(route), Some(Outgoing::Lagged(count)));
        log.consume_message(route);
        assert_eq!(drain(&mut log, route).len(), limits::RING);
    }

    #[test]
    fn text_is_never_cut_within_a_character() {
        let now = Instant::now();
        let mut log = log(false);
        let route = Id::from_bits(1);
        log.attach(route);
        log.push(now, "21 °".as_bytes());
        log.push(now, &"°".as_bytes()[..1]);
        assert_eq!(drain(&mut log, route), "21 °".as_bytes());
        log.push(now, &"°".as_bytes()[1..]);
        assert_eq!(drain(&mut log, route), "°".as_bytes());
        log.push(now, &[0xff, 0xfe]);
        let rubbish = drain(&mut log, route);
        assert_eq!(rubbish, [0xff, 0xfe], "what is no text at all still passes");
        let long = "°".repeat(limits::RING / 2);
        log.push(now, long.as_bytes());
        assert_eq!(drain(&mut log, route), long.as_bytes());
    }

    /// Reads the log as a page does: each message by itself.
    fn read(log: &mut ByteLog, route: RouteId) -> String {
        let mut text = String::new();
        while let Some(Outgoing::Message(message)) = log.message(route) {
            text += &String::from_utf8_lossy(message.bytes);
            log.consume_message(route);
        }
        text
    }

    #[test]
    fn a_bad_byte_costs_itself_alone() {
        let mut log = log(false);
        let route = Id::from_bits(1);
        log.attach(route);
        let good = "€".repeat(50_000);
        log.push(Instant::now(), &[b"\xff", good.as_bytes()].concat());
        assert_eq!(read(&mut log, route), format!("\u{fffd}{good}"));
    }

    #[test]
    fn the_past_begins_with_a_whole_character() {
        for scrollback in [1_000, 1_001, 1_002] {
            let mut log = ByteLog::new(false, scrollback, Duration::ZERO);
            let route = Id::from_bits(1);
            log.push(Instant::now(), "€".repeat(2_000).as_bytes());
            log.attach(route);
            assert_eq!(read(&mut log, route), "€".repeat(scrollback / 3));
        }
    }

    #[test]
    fn what_is_left_of_a_character_at_the_tail_is_counted_with_what_was_lost() {
        let mut log = log(false);
        let route = Id::from_bits(1);
        log.attach(route);
        let sent = limits::RING / 3 + 2;
        log.push(Instant::now(), "€".repeat(sent).as_bytes());
        let Some(Outgoing::Lagged(count)) = log.message(route) else {
            panic!("more was sent than the ring holds");
        };
        log.consume_message(route);
        let rest = read(&mut log, route);
        assert!(rest.chars().all(|character| character == '€'));
        assert_eq!(count.bytes as usize + rest.len(), 3 * sent);
    }

    #[test]
    fn half_a_character_is_passed_on_when_the_device_has_gone() {
        let mut log = ByteLog::new(false, 0, Duration::from_millis(2));
        let route = Id::from_bits(1);
        log.attach(route);
        log.push(Instant::now(), b"a\xe2\x82");
        assert_eq!(drain(&mut log, route), b"a");
        log.handle_gone();
        assert_eq!(drain(&mut log, route), b"\xe2\x82");
    }

    #[test]
    fn there_is_room_for_what_the_slowest_has_read() {
        let now = Instant::now();
        let mut log = log(true);
        let (slow, fast) = (Id::from_bits(1), Id::from_bits(2));
        log.push(now, &[0; 100]);
        assert_eq!(log.room(), usize::MAX);
        log.attach(slow);
        log.attach(fast);
        log.push(now, &vec![0; limits::RING - 1]);
        drain(&mut log, fast);
        assert_eq!(log.room(), 1);
        log.push(now, &[0]);
        assert_eq!(log.room(), 0);
        drain(&mut log, fast);
        assert_eq!(drain(&mut log, slow).len(), limits::RING);
        assert_eq!(log.room(), limits::RING);
    }
}
