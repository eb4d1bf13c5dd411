//! The turns of sessions, and the datagrams of those that talk to each other within this process.

use std::net::SocketAddr;
use std::time::Instant;

use super::{Gateway, cx};
use crate::channel::ChannelKey;
use crate::devices::ChannelFault;
use crate::endpoint::DropReason;
use crate::ids::SessionId;
use crate::session::channels::Binding;
use crate::session::control::Reply;

/// How often sessions of this process may answer each other in a turn; a handshake takes fewer times. What is left over comes in the
/// next turn, so that others have theirs.
const INTERNAL_ROUNDS: usize = 32;

impl Gateway {
    /// A datagram on one of the sockets that carry all sessions.
    pub(super) fn handle_session_datagram(
        &mut self,
        now: Instant,
        local: SocketAddr,
        remote: SocketAddr,
        datagram: &[u8],
    ) {
        let cx = cx!(self, now);
        if let Some(id) = self.sessions.handle_datagram(cx, local, remote, datagram) {
            self.take_news(now, id);
        }
    }

    /// A message of a peer.
    pub(super) fn handle_message(
        &mut self,
        now: Instant,
        id: SessionId,
        key: ChannelKey,
        binary: bool,
        data: Vec<u8>,
    ) {
        let channel = self.sessions.channel(id, key);
        match channel.map(|channel| channel.binding) {
            Some(Binding::Route(route)) => {
                let cx = cx!(self, now);
                self.devices.handle_message(cx, route, binary, data);
                self.settle_device_events(now);
            }
            Some(Binding::Control) => self.handle_control(now, id, key, &data),
            Some(Binding::Unbound | Binding::Closing) | None => {
                self.devices.count_unbound(data.len());
            }
        }
    }

    /// Brings every session that was touched to rest, with what sessions of this process say to each other.
    pub(super) fn settle_sessions(&mut self, now: Instant) {
        for _ in 0..INTERNAL_ROUNDS {
            loop {
                while let Some(session) = self.devices.poll_readable() {
                    self.sessions.touch(session);
                }
                let Some(session) = self.sessions.poll_touched() else {
                    break;
                };
                self.take_turn(now, session);
            }
            if !self.carry_internal(now) {
                return self.sessions.set_internal_mail(cx!(self, now), false);
            }
        }
        self.sessions.set_internal_mail(cx!(self, now), true);
    }

    /// Hands over what sessions of this process have said to each other. Returns false if they have said nothing.
    fn carry_internal(&mut self, now: Instant) -> bool {
        let Some(mut mail) = self.sources.transmits().take_internal() else {
            return false;
        };
        for (local, remote, datagram) in mail.iter() {
            self.handle_session_datagram(now, local, remote, datagram);
        }
        mail.clear();
        self.sources.transmits().give_back_internal(mail);
        self.settle_events(now);
        true
    }

    /// A session's turn: what waits for the peer is written, then str0m is drained once.
    fn take_turn(&mut self, now: Instant, id: SessionId) {
        let Some(has_room) = self.sessions.begin_turn(id) else {
            return;
        };
        self.devices.begin_turn(id);
        // What can wait is told only while the control channel has room; it goes out before any payload.
        if has_room {
            self.tell_lease_news(now, id);
        }
        let devices = &mut self.devices;
        self.sessions
            .write(cx!(self, now), id, |writer| devices.serve(id, writer));
        // A channel that has missed bytes is closed before reading makes room for more.
        self.settle_device_events(now);
        if let Some(control) = self.sessions.overflowed_control(id) {
            let detail = "the peer does not read its control channel";
            let reason = ChannelFault::Dropped(DropReason::Lagged).as_str();
            self.end_channel(now, id, control, reason, detail);
        }
        self.devices.end_turn(cx!(self, now), id);
        self.settle_device_events(now);
        self.tell_drop_news(now, id);
        self.take_news(now, id);
        self.sessions.end_turn(cx!(self, now), id);
        self.settle_events(now);
    }

    /// Tells a peer who holds the leases that it is to hear of.
    fn tell_lease_news(&mut self, now: Instant, id: SessionId) {
        let cx = cx!(self, now);
        for endpoint in self.devices.take_lease_news(cx, id) {
            let Some(state) = self.devices.lease(cx, endpoint) else {
                continue;
            };
            let name_of = |id: Option<SessionId>| {
                let name = id.and_then(|id| self.sessions.name(id));
                name.map(str::to_owned)
            };
            let (holder, asked_by) = (name_of(state.holder), name_of(state.asked_by));
            let wait = state.wait.map(|wait| wait.as_millis());
            let lease = Reply::Lease {
                endpoint: self.devices.table().name(endpoint).unwrap_or_default(),
                holder: holder.as_deref(),
                yours: state.holder == Some(id),
                asked_by: asked_by.as_deref(),
                wait_ms: wait.and_then(|wait| u64::try_from(wait).ok()),
            };
            self.sessions.tell(id, &lease);
        }
    }

    /// Tells a peer which of its messages, or of those for it, did not arrive.
    fn tell_drop_news(&mut self, now: Instant, id: SessionId) {
        for news in self.devices.take_drop_news(cx!(self, now), id) {
            self.sessions.tell(
                id,
                &Reply::Dropped {
                    channel: news.stream,
                    label: &news.label,
                    direction: news.direction.as_str(),
                    reason: news.reason.as_str(),
                    messages: news.count.messages,
                    bytes: news.count.bytes,
                },
            );
        }
    }
}
