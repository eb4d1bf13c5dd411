//! The two directions of a byte stream: bytes of the device, cut into messages, and one bounded queue towards
//! the device.

use std::time::Instant;

use super::byte_log::ByteLog;
use super::message_log::MessageLog;
use super::message_ring::MAX_ENTRIES;
use super::{Count, DropReason, LagPolicy, Outgoing, Unaccepted};
use crate::config::{StreamFraming, Traffic};
use crate::framing::{self, Decoder, Faults, Framing};
use crate::ids::RouteId;
use crate::limits;
use crate::util::byte_queue::ByteQueue;

/// The state that every endpoint over a byte stream shares.
#[derive(Debug)]
pub struct ByteStream {
    inbound: Inbound,
    max_message: usize,
    output: ByteQueue,
    /// How many bytes the device has taken in all.
    written: u64,
    /// The frame of the message that is being queued.
    frame: Vec<u8>,
    /// Whether the device is not read while there is no room.
    waits: bool,
    /// Whether the device was not read for lack of room. If so, the absence of bytes does not mean that the
    /// device is silent.
    held: bool,
}

#[derive(Debug)]
enum Inbound {
    Raw(ByteLog),
    Framed {
        framing: Framing,
        decoder: Box<Decoder>,
        log: MessageLog,
    },
}

impl ByteStream {
    /// Returns a stream without routes. `binary` is the frame type of the messages to the peers.
    pub fn new(binary: bool, traffic: &Traffic) -> Self {
        let inbound = match traffic.framing {
            StreamFraming::Raw { latency } => {
                Inbound::Raw(ByteLog::new(binary, traffic.scrollback, latency))
            }
            StreamFraming::Framed(framing) => Inbound::Framed {
                framing,
                decoder: Box::new(if binary {
                    Decoder::new(framing, traffic.max_message)
                } else {
                    Decoder::of_text(framing, traffic.max_message)
                }),
                log: MessageLog::new(binary, traffic.scrollback),
            },
        };
        Self {
            inbound,
            max_message: traffic.max_message,
            output: ByteQueue::new(limits::STREAM_OUTPUT),
            written: 0,
            frame: Vec::new(),
            waits: traffic.lag == LagPolicy::Wait,
            held: false,
        }
    }

    /// Adds a route, which begins with the scrollback.
    pub fn attach(&mut self, route: RouteId) {
        match &mut self.inbound {
            Inbound::Raw(log) => log.attach(route),
            Inbound::Framed { log, .. } => log.attach(route),
        }
    }

    /// Forgets a route's cursor.
    pub fn detach(&mut self, route: RouteId) {
        match &mut self.inbound {
            Inbound::Raw(log) => log.detach(route),
            Inbound::Framed { log, .. } => log.detach(route),
        }
    }

    /// Queues a peer's message for the device.
    pub fn write(&mut self, message: &[u8]) -> Result<(), Unaccepted> {
        let too_large = Err(Unaccepted::Refused(DropReason::TooLarge));
        if message.len() > self.max_message {
            return too_large;
        }
        let bytes = match &self.inbound {
            Inbound::Raw(_) => message,
            Inbound::Framed { framing, .. } => {
                self.frame.clear();
                let encoded = framing::encode(*framing, self.max_message, message, &mut self.frame);
                if encoded.is_err() {
                    return too_large;
                }
                &self.frame
            }
        };
        if !self.output.push(bytes) {
            return Err(Unaccepted::Full);
        }
        if let Inbound::Raw(log) = &mut self.inbound {
            log.expect_answer();
        }
        Ok(())
    }

    /// Returns whether message boundaries mean nothing to the device.
    pub fn is_raw(&self) -> bool {
        matches!(self.inbound, Inbound::Raw(_))
    }

    /// Replaces the queue by these bytes, without framing. Returns what was dropped.
    pub fn overtake(&mut self, bytes: &[u8]) -> Count {
        let dropped = self.forget_output();
        let fitted = self.output.push(bytes);
        debug_assert!(fitted, "an empty queue takes anything");
        dropped
    }

    /// Handles bytes that the device sent.
    pub fn handle_input(&mut self, now: Instant, input: &[u8]) {
        match &mut self.inbound {
            Inbound::Raw(log) => log.push(now, input),
            Inbound::Framed { decoder, log, .. } => {
                if self.held {
                    decoder.postpone(now);
                }
                decoder.handle_input(now, input, &mut |message: &[u8]| log.push(message));
            }
        }
        self.held = self.waits && self.room() == 0;
    }

    /// Handles a device that has vanished: no byte waits for more any longer.
    pub fn handle_gone(&mut self) {
        match &mut self.inbound {
            Inbound::Raw(log) => log.handle_gone(),
            Inbound::Framed { decoder, log, .. } => {
                decoder.reset(&mut |message: &[u8]| log.push(message));
            }
        }
    }

    /// Returns how many bytes may arrive now without a loss for the slowest route. A little room counts as
    /// none, because a few large reads cost less than many small ones.
    pub fn room(&self) -> usize {
        let (room, least) = match &self.inbound {
            Inbound::Raw(log) => (log.room(), limits::RING / 16),
            Inbound::Framed { log, .. } => (log.room(), MAX_ENTRIES / 4),
        };
        if room < least { 0 } else { room }
    }

    /// Returns the faults of the framing, for bytes that fitted no frame.
    pub fn faults(&self) -> Option<Faults> {
        match &self.inbound {
            Inbound::Raw(_) => None,
            Inbound::Framed { decoder, .. } => Some(decoder.faults()),
        }
    }

    /// Returns when [`Self::handle_timeout`] must be called next.
    pub fn poll_timeout(&self) -> Option<Instant> {
        match &self.inbound {
            Inbound::Raw(log) => log.poll_timeout(),
            Inbound::Framed { decoder, .. } => decoder.poll_timeout(),
        }
    }

    /// Handles a deadline that has passed.
    pub fn handle_timeout(&mut self, now: Instant) {
        let stays_held = self.held && self.room() == 0;
        match &mut self.inbound {
            Inbound::Raw(log) => log.handle_timeout(now),
            Inbound::Framed { decoder, .. } if self.held => {
                decoder.postpone(now);
                self.held = stays_held;
            }
            Inbound::Framed { decoder, log, .. } => {
                decoder.handle_timeout(now, &mut |message: &[u8]| log.push(message));
            }
        }
    }

    /// Returns the next message for a route.
    pub fn message(&self, route: RouteId) -> Option<Outgoing<'_>> {
        match &self.inbound {
            Inbound::Raw(log) => log.message(route),
            Inbound::Framed { log, .. } => log.message(route),
        }
    }

    /// Moves a route's cursor past the message that [`Self::message`] returned.
    pub fn consume_message(&mut self, route: RouteId) {
        match &mut self.inbound {
            Inbound::Raw(log) => log.consume_message(route),
            Inbound::Framed { log, .. } => log.consume_message(route),
        }
    }

    /// Returns the next bytes for the device.
    pub fn output(&self) -> &[u8] {
        self.output.as_slice()
    }

    /// Removes `n` bytes, which the device took.
    pub fn consume(&mut self, n: usize) {
        self.written += n.min(self.output.len()) as u64;
        self.output.consume(n);
    }

    /// Returns how many bytes the device has taken in all.
    pub fn written(&self) -> u64 {
        self.written
    }

    /// Drops the queue for the device.
    pub fn forget_output(&mut self) -> Count {
        let bytes = self.output.clear() as u64;
        Count {
            messages: u64::from(bytes > 0),
            bytes,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;
    use crate::endpoint::Message;
    use crate::framing::{ByteOrder, Width};
    use crate::util::slab::Id;

    #[test]
    fn the_queue_to_the_device_is_bounded_and_a_giant_is_refused() {
        let mut stream = ByteStream::new(true, &Traffic::stream());
        let giant = vec![0; limits::MAX_MESSAGE + 1];
        let too_large = Err(Unaccepted::Refused(DropReason::TooLarge));
        assert_eq!(stream.write(&giant), too_large);
        let big = vec![0; limits::MAX_MESSAGE];
        assert_eq!(stream.write(&big), Ok(()));
        assert_eq!(stream.write(&big), Ok(()));
        assert_eq!(stream.write(b"x"), Err(Unaccepted::Full));
        stream.consume(10);
        assert_eq!(stream.written(), 10);
        let left = 2 * limits::MAX_MESSAGE as u64 - 10;
        assert_eq!(stream.overtake(b"stop").bytes, left);
        assert_eq!(stream.output(), b"stop");
        assert_eq!(stream.write(b"x"), Ok(()));
    }

    proptest! {
        #[test]
        fn who_is_given_no_more_than_there_is_room_for_loses_nothing(
            framing in 0..5_usize,
            max_message in prop_oneof![1..200_usize, Just(limits::MAX_MESSAGE)],
            reads in proptest::collection::vec((1..20_000_usize, 0..6_u8, 0..3_000_usize), 1..60),
        ) {
            let gap = Some(Duration::from_millis(1));
            let framing = [
                StreamFraming::Raw { latency: Duration::from_millis(2) },
                StreamFraming::Framed(Framing::Line { gap }),
                StreamFraming::Framed(Framing::Line { gap: None }),
                StreamFraming::Framed(Framing::Slip),
                StreamFraming::Framed(Framing::Length { gap, width: Width::One, order: ByteOrder::Big }),
            ][framing];
            let traffic = Traffic { framing, max_message, ..Traffic::stream() };
            let mut stream = ByteStream::new(true, &traffic);
            let (route, mut now) = (Id::from_bits(1), Instant::now());
            stream.attach(route);
            let is_behind = |stream: &ByteStream| matches!(stream.message(route), Some(Outgoing::Lagged(_)));
            for (bytes, kind, read) in reads {
                let byte = [0, b'\n', 0xc0, 1, b'x', 0xff][usize::from(kind)];
                let bytes = vec![byte; bytes.min(stream.room())];
                stream.handle_input(now, &bytes);
                prop_assert!(!is_behind(&stream));
                now += Duration::from_millis(u64::from(kind));
                stream.handle_timeout(now);
                prop_assert!(!is_behind(&stream));
                for _ in 0..read {
                    stream.consume_message(route);
                }
            }
            stream.handle_gone();
            prop_assert!(!is_behind(&stream));
            while stream.message(route).is_some() {
                stream.consume_message(route);
            }
            prop_assert!(stream.room() >= MAX_ENTRIES / 4, "who has read all has room");
        }
    }

    #[test]
    fn a_program_that_has_to_wait_is_not_silent() {
        let gap = Duration::from_millis(5);
        let traffic = Traffic {
            framing: StreamFraming::Framed(Framing::Length {
                gap: Some(gap),
                width: Width::Two,
                order: ByteOrder::Big,
            }),
            lag: LagPolicy::Wait,
            ..Traffic::stream()
        };
        let mut stream = ByteStream::new(true, &traffic);
        let (route, mut now) = (Id::from_bits(1), Instant::now());
        stream.attach(route);
        let whole = [&60_000_u16.to_be_bytes()[..], &[7; 60_000]].concat();
        let (first, rest) = whole.split_at(1_000);
        while stream.room() > 0 {
            stream.handle_input(now, &whole);
            stream.handle_input(now, first);
            if stream.room() > 0 {
                stream.handle_input(now, rest);
            }
        }
        // The deadline moves on as long as the device is not read, and for the length of a silence after
        // that.
        for _ in 0..3 {
            now = stream.poll_timeout().expect("a deadline");
            stream.handle_timeout(now);
        }
        while stream.message(route).is_some() {
            stream.consume_message(route);
        }
        now = stream.poll_timeout().expect("a deadline");
        stream.handle_timeout(now);
        stream.handle_input(now + gap / 2, rest);
        assert!(stream.message(route).is_some(), "it goes on where it was");
        assert_eq!(stream.faults().map(|faults| faults.frames), Some(0));
        stream.handle_input(now, first);
        now = stream.poll_timeout().expect("a deadline");
        stream.handle_timeout(now);
        assert_eq!(stream.faults().map(|faults| faults.frames), Some(1));
    }

    #[test]
    fn frames_are_messages_both_ways() {
        let now = Instant::now();
        let traffic = Traffic {
            framing: StreamFraming::Framed(Framing::Slip),
            max_message: 8,
            ..Traffic::stream()
        };
        let mut stream = ByteStream::new(true, &traffic);
        let route = Id::from_bits(1);
        stream.attach(route);
        assert_eq!(stream.write(b"a\xc0b"), Ok(()));
        let wire = stream.output().to_vec();
        let too_large = Err(Unaccepted::Refused(DropReason::TooLarge));
        assert_eq!(stream.write(&[0; 9]), too_large);
        for byte in wire {
            stream.handle_input(now, &[byte]);
        }
        let message = Outgoing::Message(Message {
            binary: true,
            bytes: b"a\xc0b",
        });
        assert_eq!(stream.message(route), Some(message));
        stream.consume_message(route);
        stream.handle_input(now, &[7; 20]);
        stream.handle_input(now, &[0xc0]);
        assert_eq!(stream.message(route), None);
        assert_eq!(stream.faults().map(|f| f.frames), Some(1));
    }
}
