//! The log lines of a session, and their levels.

use super::SessionEntry;
use crate::session::event::EndReason;

impl SessionEntry {
    /// Returns the log level for the session's own life.
    pub(super) fn life_level(&self) -> log::Level {
        if self.is_quiet {
            log::Level::Debug
        } else {
            log::Level::Info
        }
    }

    /// Returns the log level for one more line about a channel. The level drops after a number of lines, so
    /// that a peer cannot fill the disk by opening channels in a loop.
    pub(super) fn channel_level(&mut self) -> log::Level {
        if self.log_lines == 0 {
            return log::Level::Debug;
        }
        self.log_lines -= 1;
        log::Level::Info
    }

    /// Logs why a session has ended.
    pub(super) fn log_end(&self, reason: &EndReason) {
        let (name, who) = (self.session.name(), self.grant.who());
        match reason {
            EndReason::Panicked => log::error!("session {name}: ended by a bug, please report it"),
            EndReason::NoCertificate | EndReason::MessageTooLong | EndReason::Protocol(_)
                if !self.is_quiet =>
            {
                log::warn!("session {name} of {who}: ended: {reason}");
            }
            EndReason::NoCertificate
            | EndReason::MessageTooLong
            | EndReason::Protocol(_)
            | EndReason::PeerClosed
            | EndReason::Closed(_)
            | EndReason::ConnectTimeout
            | EndReason::DisconnectedTimeout => {
                let level = self.life_level();
                log::log!(level, "session {name} of {who}: ended: {reason}");
            }
        }
    }
}
