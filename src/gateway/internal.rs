//! Sessions of this process that talk to each other: their datagrams never leave it.

use std::time::Instant;

use super::Gateway;
use super::timers::TimerKey;
use crate::datagram::Meta;

/// How often in a turn they may answer each other; a handshake is fewer times. What is left over comes
/// in the next turn, so that others have theirs.
const ROUNDS: usize = 32;

impl Gateway {
    /// Brings every session that was touched to rest, with what they say to each other.
    pub(super) fn settle_sessions(&mut self, now: Instant) {
        for _ in 0..ROUNDS {
            while let Some(session) = self.touched_sessions.pop_front() {
                self.pump_session(now, session);
            }
            if !self.carry_internal(now) {
                if std::mem::take(&mut self.internal_waits) {
                    self.timers.set(TimerKey::Internal, None);
                }
                return;
            }
        }
        self.internal_waits = true;
        self.timers.set(TimerKey::Internal, Some(now));
    }

    /// Hands over what they have said. False: nothing.
    fn carry_internal(&mut self, now: Instant) -> bool {
        let Some(mut mail) = self.routing.transmits.take_internal() else {
            return false;
        };
        for (local, remote, datagram) in mail.iter() {
            let stride = datagram.len().max(1);
            let meta = Meta {
                local,
                remote,
                stride,
            };
            self.handle_ice_datagram(now, &meta, datagram);
        }
        mail.clear();
        self.routing.transmits.give_back_internal(mail);
        true
    }
}
