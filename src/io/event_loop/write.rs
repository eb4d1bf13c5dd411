//! Output: what the gateway has to send, until the system accepts no more.

use std::time::Instant;

use super::{EventLoop, Io, Slot};
use crate::ids::SourceId;
use crate::io::failure;
use crate::io::stream::Progress;
use crate::io::udp::Sent;

/// The number of rounds of settling and writing per turn; the writes of one round may cause the next.
const ROUNDS: usize = 4;

impl EventLoop {
    /// Lets the gateway work and writes its output. Returns true if work remains for the next turn.
    pub(super) fn settle(&mut self, now: Instant) -> bool {
        for _ in 0..ROUNDS {
            while self.gateway.settle(now) {
                self.transmit();
            }
            let mut more = self.run_commands(now);
            let mut wrote = false;
            while let Some(id) = self.gateway.poll_touched() {
                wrote |= self.write(now, id);
            }
            more |= self.run_commands(now);
            if more || !wrote {
                return more;
            }
        }
        true
    }

    /// Writes the output of a stream, and queues the stream for reading if the gateway has room. Returns
    /// whether bytes were written.
    pub(super) fn write(&mut self, now: Instant, id: SourceId) -> bool {
        let mut wrote = false;
        loop {
            let Some(Some(slot)) = self.slots.get_mut(id.index()) else {
                return wrote;
            };
            if let Io::Capture(_) = &slot.io {
                self.write_capture(now, id);
                return wrote;
            }
            let Io::Stream(stream) = &mut slot.io else {
                return wrote;
            };
            if slot.id != id || slot.connecting {
                return wrote;
            }
            let output = self.gateway.output(id);
            if output.is_empty() || slot.write_blocked || slot.broken.is_some() {
                if slot.readable && !slot.queued && self.gateway.input_room(id) > 0 {
                    slot.queued = true;
                    self.ready.push_back(id);
                }
                return wrote;
            }
            match stream.write(output) {
                Progress::Bytes(n) => {
                    self.gateway.consume(now, id, n);
                    wrote = true;
                }
                Progress::WouldBlock => slot.write_blocked = true,
                Progress::Ended => return wrote,
                Progress::Failed(error) => {
                    let failure = failure("the line has vanished", &error);
                    if self.gateway.reads_to_the_end(id) {
                        // Bytes that the other side sent before it hung up are read first.
                        slot.broken = Some(failure);
                        slot.readable = true;
                    } else {
                        self.gateway.handle_failed(now, id, &failure);
                        return true;
                    }
                }
            }
        }
    }

    /// Writes to a capture file at once: files are always ready, and epoll does not accept them.
    pub(super) fn write_capture(&mut self, now: Instant, id: SourceId) {
        while let Some(Some(Slot {
            io: Io::Capture(file),
            ..
        })) = self.slots.get_mut(id.index())
        {
            let output = self.gateway.output(id);
            if output.is_empty() {
                return;
            }
            match file.write(output) {
                Ok(n) => self.gateway.consume(now, id, n),
                Err(error) => {
                    let failure = failure("the capture file", &error);
                    return self.gateway.handle_failed(now, id, &failure);
                }
            }
        }
    }

    pub(super) fn transmit(&mut self) {
        loop {
            let Some(batch) = self.gateway.poll_transmit() else {
                return;
            };
            let socket = batch.socket;
            let lost = match self.slots.get(socket.index()) {
                Some(Some(Slot {
                    io: Io::Udp(udp),
                    id,
                    ..
                })) if *id == socket => match udp.send(&batch) {
                    Sent::All => continue,
                    Sent::Lost(count) => count,
                },
                _ => crate::endpoint::Count::one(batch.contents.len()),
            };
            self.gateway.handle_send_failed(socket, lost);
        }
    }
}
