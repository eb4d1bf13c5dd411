//! Output to the peer: payload, the control channel, and the closing of channels.

use super::Session;
use super::channels::{Binding, ChannelKey};
use super::control::{Outbox, Reply};
use super::event::Written;
use crate::limits;

impl Session {
    /// Sends a message, whole or not at all. The owner calls [`Self::flush`] after the last one.
    pub fn write(&mut self, key: ChannelKey, binary: bool, bytes: &[u8]) -> Written {
        let Some(channel) = self.channels.get(key) else {
            return Written::Gone;
        };
        if self.blocked || self.burst >= limits::BURST {
            return Written::Blocked;
        }
        // A text frame must be UTF-8 (RFC 8831 §6.6). Only invalid bytes of a device need this copy.
        let text;
        let bytes = if binary {
            bytes
        } else {
            text = String::from_utf8_lossy(bytes);
            text.as_bytes()
        };
        if bytes.len() > self.max_message {
            return Written::TooLarge;
        }
        // str0m would use a sequence number and send no chunk. RFC 8831 §6.6 requires one zero byte under a
        // protocol identifier that only str0m can choose.
        if bytes.is_empty() {
            return Written::Empty;
        }
        let id = channel.id;
        let (rtc, channels) = (&mut self.rtc, &self.channels);
        if !self
            .window
            .has_room(bytes.len(), || channels.in_flight(rtc))
        {
            self.blocked = true;
            return Written::Blocked;
        }
        let Some(mut channel) = self.rtc.channel(id) else {
            return Written::Gone;
        };
        match channel.write(binary, bytes) {
            Ok(true) => {
                self.window.sent(bytes.len());
                (self.unacknowledged, self.wrote) = (true, true);
                self.dirty = true;
                self.burst += 1;
                Written::Accepted
            }
            Ok(false) => {
                self.blocked = true;
                Written::Blocked
            }
            Err(error) => {
                log::debug!("{}: write: {error}", self.name);
                Written::Gone
            }
        }
    }

    /// Returns whether [`Self::write`] may succeed.
    pub fn is_writable(&self) -> bool {
        !self.blocked && !self.ended && self.burst < limits::BURST
    }

    /// Returns whether everything written has been acknowledged.
    pub fn is_flushed(&mut self) -> bool {
        let waiting = self
            .control
            .as_ref()
            .is_some_and(|(_, outbox)| outbox.front().is_some());
        self.ended || (!waiting && self.in_flight() == 0)
    }

    /// Returns how many written bytes have not been acknowledged.
    pub fn unacknowledged_bytes(&mut self) -> usize {
        self.in_flight()
    }

    /// Closes a channel. The channel's event follows.
    pub fn close_channel(&mut self, key: ChannelKey) {
        if let Some(channel) = self.channels.get(key) {
            let id = channel.id;
            self.channels.bind(key, Binding::Closing);
            match &mut self.late_closes {
                Some(late) if late.len() < self.max_channels => late.push(id),
                Some(_) | None => self.rtc.direct_api().close_data_channel(id),
            }
            self.dirty = true;
        }
        if self
            .control
            .as_ref()
            .is_some_and(|(control, _)| *control == key)
        {
            self.control = None;
        }
    }

    /// Makes a channel the control channel. Returns false if the session has one already.
    #[must_use]
    pub fn set_control(&mut self, key: ChannelKey) -> bool {
        if self.control.is_some() {
            return false;
        }
        self.channels.bind(key, Binding::Control);
        self.control = Some((key, Outbox::new(self.max_channels)));
        self.control_overflowed = false;
        true
    }

    /// Returns whether the peer has a control channel.
    pub fn has_control(&self) -> bool {
        self.control.is_some()
    }

    /// Returns whether the control channel has room for messages that can wait.
    pub fn has_room_for_answers(&self) -> bool {
        let control = self.control.as_ref();
        control.is_some_and(|(_, outbox)| outbox.has_room_for_answers())
    }

    /// Answers a request. The answer is left out if too many replies wait because the peer asks faster than
    /// it reads.
    pub fn answer(&mut self, reply: &Reply<'_>) {
        if self.has_room_for_answers() {
            self.tell(reply);
        }
    }

    /// Queues a message on the control channel, if the session has one.
    pub fn tell(&mut self, reply: &Reply<'_>) {
        if let Some((_, outbox)) = &mut self.control {
            self.control_overflowed |= !outbox.push(reply);
        }
    }

    /// Returns the control channel if its peer does not read it. The peer has missed a message, so the
    /// channel must be closed.
    pub fn overflowed_control(&self) -> Option<ChannelKey> {
        let (key, _) = self.control.as_ref()?;
        self.control_overflowed.then_some(*key)
    }

    /// Writes the waiting messages of the control channel. This comes before any payload.
    pub fn write_control(&mut self) {
        let Some((key, mut outbox)) = self.control.take() else {
            return;
        };
        while let Some(text) = outbox.front() {
            match self.write(key, false, text.as_bytes()) {
                Written::Blocked => break,
                Written::Accepted => outbox.pop(),
                Written::TooLarge | Written::Empty | Written::Gone => {
                    log::debug!("{}: a control message could not be sent", self.name);
                    outbox.pop();
                }
            }
        }
        self.control = Some((key, outbox));
    }
}
