//! Input: bytes and datagrams, to each source its share of a turn.

use std::time::Instant;

use super::{EventLoop, Io, Slot};
use crate::endpoint::{Failure, FailureKind};
use crate::ids::SourceId;
use crate::io::failure;
use crate::io::stream::{Progress, Stream};

/// The number of reads of one stream, or of receive calls of one socket, per turn.
const BUDGET: usize = 4;

impl EventLoop {
    pub(super) fn read_stream(&mut self, now: Instant, id: SourceId) {
        let mut buffer = std::mem::take(&mut self.buffer);
        let mut more = true;
        for _ in 0..BUDGET {
            let room = self.gateway.input_room(id).min(buffer.len());
            if room == 0 {
                // The slot stays readable; the next `write` after a touch queues it again.
                more = false;
                break;
            }
            let Some(Slot {
                io: Io::Stream(stream),
                readable: true,
                ..
            }) = self.slot(id)
            else {
                more = false;
                break;
            };
            match stream.read(buffer.get_mut(..room).unwrap_or_default()) {
                Progress::Bytes(n) => {
                    self.gateway
                        .handle_data(now, id, buffer.get(..n).unwrap_or_default());
                }
                end @ (Progress::WouldBlock | Progress::Ended | Progress::Failed(_)) => {
                    self.drained(id);
                    self.handle_end(now, id, end);
                    more = false;
                    break;
                }
            }
        }
        self.buffer = buffer;
        if more {
            self.again(id);
        }
    }

    /// Acts on a stream that has no more input, now or ever.
    fn handle_end(&mut self, now: Instant, id: SourceId, end: Progress) {
        let broken = self.slot(id).and_then(|slot| slot.broken.take());
        match (broken, end) {
            (Some(failure), _) => self.gateway.handle_failed(now, id, &failure),
            (None, Progress::Ended) => self.stream_ended(now, id),
            (None, Progress::Failed(error)) => {
                let failure = failure("the line has vanished", &error);
                self.gateway.handle_failed(now, id, &failure);
            }
            (None, Progress::WouldBlock | Progress::Bytes(_)) => {}
        }
    }

    pub(super) fn stream_ended(&mut self, now: Instant, id: SourceId) {
        match self.slot(id) {
            Some(Slot {
                io: Io::Stream(Stream::Tcp(_) | Stream::Unix(_)),
                ..
            }) => self.gateway.handle_closed(now, id),
            // A raw tty returns 0 bytes when it has hung up.
            Some(_) => {
                let gone = Failure::new(FailureKind::Absent, "the line has hung up");
                self.gateway.handle_failed(now, id, &gone);
            }
            None => {}
        }
    }

    pub(super) fn receive(&mut self, now: Instant, id: SourceId) {
        for _ in 0..BUDGET {
            let Some(Some(Slot {
                io: Io::Udp(udp), ..
            })) = self.slots.get(id.index())
            else {
                return;
            };
            let gateway = &mut self.gateway;
            let take = |meta: &_, bytes: &[u8]| gateway.handle_datagrams(now, id, meta, bytes);
            if !self.receiver.receive(udp, take) {
                return self.drained(id);
            }
        }
        self.again(id);
    }
}
