//! The turn of a session: the messages that wait for the peer are written, then str0m is drained once.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use super::{Sessions, TimerKey};
use crate::channel::{ChannelKey, PeerWriter, Written};
use crate::ids::SessionId;
use crate::session::Session;
use crate::session::event::ConnectionState;
use crate::sources::Context;
use crate::transceiver::{OutgoingPacket, RtpWriter, TransceiverKey};

/// The step for keep-alives of sessions with nothing in flight, so that these sessions wake up together. The
/// shortest wait that the step may lengthen is [`SOON`], which is longer than a delayed acknowledgement (200
/// ms, RFC 9260 §6.2).
const TOGETHER: Duration = Duration::from_millis(250);
/// The step for all other sessions, whose deadline may be that of a retransmission.
const NEARLY: Duration = Duration::from_millis(50);
const SOON: Duration = Duration::from_millis(250);

/// Writes messages to the peer of one session.
pub(crate) struct Writer<'a> {
    session: &'a mut Session,
    has_panicked: bool,
}

impl PeerWriter for Writer<'_> {
    fn is_writable(&self) -> bool {
        !self.has_panicked && self.session.is_writable()
    }

    fn write(&mut self, channel: ChannelKey, binary: bool, bytes: &[u8]) -> Written {
        let session = &mut *self.session;
        let write = || session.write(channel, binary, bytes);
        catch_unwind(AssertUnwindSafe(write)).unwrap_or_else(|_| {
            self.has_panicked = true;
            Written::Gone
        })
    }
}

impl RtpWriter for Writer<'_> {
    fn write_rtp(&mut self, section: TransceiverKey, packet: &OutgoingPacket<'_>) -> bool {
        let session = &mut *self.session;
        let write = || session.write_rtp(section, packet);
        let written = catch_unwind(AssertUnwindSafe(write));
        written.unwrap_or_else(|_| {
            self.has_panicked = true;
            false
        })
    }
}

impl Sessions {
    /// Begins a session's turn by writing the control channel's messages before any payload. Returns whether
    /// the control channel has room for messages that can wait, or `None` if the session has ended.
    pub(crate) fn begin_turn(&mut self, id: SessionId) -> Option<bool> {
        let entry = self.entries.get_mut(id)?;
        entry.touched = false;
        Some(entry.session.has_room_for_answers())
    }

    /// Writes the control channel's messages, and then the messages of `write`.
    pub(crate) fn write(
        &mut self,
        cx: &mut Context<'_>,
        id: SessionId,
        write: impl FnOnce(&mut Writer<'_>),
    ) {
        self.with(cx, id, |session, _| session.write_control());
        self.write_and_flush(cx, id, |writer| {
            if writer.is_writable() {
                write(writer);
            }
        });
    }

    /// Writes packets of media. This comes after [`Self::write`], so that the messages of the session's channels
    /// leave first.
    pub(crate) fn write_media(
        &mut self,
        cx: &mut Context<'_>,
        id: SessionId,
        write: impl FnOnce(&mut Writer<'_>),
    ) {
        self.write_and_flush(cx, id, write);
    }

    #[inline]
    fn write_and_flush(
        &mut self,
        cx: &mut Context<'_>,
        id: SessionId,
        write: impl FnOnce(&mut Writer<'_>),
    ) {
        let now = cx.now;
        let Some(entry) = self.entries.get_mut(id) else {
            return;
        };
        let mut writer = Writer {
            session: &mut entry.session,
            has_panicked: false,
        };
        write(&mut writer);
        if writer.has_panicked {
            return self.end_panicked(id);
        }
        self.with(cx, id, |session, transmits| session.flush(now, transmits));
    }

    /// Asks a session's peer for a picture that can be decoded without others.
    pub(crate) fn request_keyframe(
        &mut self,
        cx: &mut Context<'_>,
        id: SessionId,
        section: TransceiverKey,
    ) {
        self.with(cx, id, |session, _| session.request_keyframe(section));
        self.touch(id);
    }

    /// Tells a session's peer how many bits a second it may send.
    pub(crate) fn limit_bitrate(
        &mut self,
        cx: &mut Context<'_>,
        id: SessionId,
        section: TransceiverKey,
        bitrate: u64,
    ) {
        self.with(cx, id, |session, _| session.limit_bitrate(section, bitrate));
        self.touch(id);
    }

    /// Returns the control channel of a session if the peer does not read it.
    pub(crate) fn overflowed_control(&self, id: SessionId) -> Option<ChannelKey> {
        self.get(id)?.overflowed_control()
    }

    /// Ends a session's turn by setting the session's deadline.
    pub(crate) fn end_turn(&mut self, cx: &Context<'_>, id: SessionId) {
        let Some(entry) = self.entries.get_mut(id) else {
            return;
        };
        let mut deadline = entry.session.poll_timeout();
        if let Some(at) = deadline.as_mut().filter(|at| **at >= cx.now + SOON) {
            let quiet = entry.session.is_quiet();
            let step = if quiet { TOGETHER } else { NEARLY };
            *at = round_up(self.started, *at, step);
        }
        self.timers.set(TimerKey::Session(id), deadline);
    }

    /// Logs a change of state.
    pub(crate) fn log_state(&self, id: SessionId, state: ConnectionState) {
        if let Some(entry) = self.entries.get(id) {
            let (level, name) = (entry.life_level(), entry.session.name());
            log::log!(level, "session {name}: {}", state.as_str());
        }
    }
}

/// Returns the first multiple of `step` since `start` that is not before `at`, so that many sessions share a wake-up.
pub(super) fn round_up(start: Instant, at: Instant, step: Duration) -> Instant {
    let since = at.saturating_duration_since(start).as_millis();
    let steps = u32::try_from(since.div_ceil(step.as_millis())).unwrap_or(u32::MAX);
    start + step.saturating_mul(steps)
}
