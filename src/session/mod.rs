//! One peer association: str0m's `Rtc` with its channels, and the order in which it is driven.
//!
//! str0m's rule is that after every mutation its outputs are drained to the next time-out;
//! `Session::drive` is the one place that does it. Everything here may panic, because str0m
//! does; the gateway catches that and drops the session.

pub mod channels;
pub mod control;
mod create;
pub mod crypto;
mod dtls;
pub mod event;
mod late_closes;
mod messages;
mod reassembly;
pub mod sdp;
pub(crate) mod set;
mod stun;
mod window;

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use str0m::change::SdpPendingOffer;
use str0m::net::{Protocol, Receive};
use str0m::{Candidate, Event, IceConnectionState, Input, Output, Rtc, RtcError};

use crate::datagram::TransmitQueue;
use crate::limits;
use channels::{ChannelKey, Channels};
use control::Outbox;
use event::{ConnectionState, EndReason, Handled, Path, SessionEvent};
use late_closes::LateCloses;
use reassembly::Reassembly;
use sdp::SdpError;
pub use stun::by_stun_ufrag;
use window::Window;

/// A session of ours: the answerer, or the offerer for peers that only answer.
pub struct Session {
    rtc: Box<Rtc>,
    name: String,
    created: Instant,
    state: ConnectionState,
    events: VecDeque<SessionEvent>,
    channels: Channels,
    control: Option<(ChannelKey, Outbox)>,
    control_overflowed: bool,
    max_channels: usize,
    remote_ufrag: String,
    local_ufrag: String,
    max_message: usize,
    remote_candidates: usize,
    checked_candidates: usize,
    /// Address pairs already told to the owner, oldest first.
    pairs: VecDeque<(SocketAddr, SocketAddr)>,
    path: Option<Path>,
    bytes_sent: u64,
    bytes_received: u64,
    /// str0m's deadline.
    timeout: Instant,
    /// Ours: connected by then, or no longer disconnected.
    give_up: Option<(Instant, EndReason)>,
    disconnected_timeout: Duration,
    window: Window,
    /// Something was written, and what of it has been acknowledged is not known.
    unacknowledged: bool,
    /// It was since the last turn.
    wrote: bool,
    /// Our offer, until its answer has come, with the name of its section.
    offer: Option<(SdpPendingOffer, String)>,
    /// A write did not fit; cleared when enough has been acknowledged.
    blocked: bool,
    /// Something was written or closed since str0m was drained last.
    dirty: bool,
    /// How many messages that were.
    burst: usize,
    /// Channels that are closed a little later; `None`: the peer's library needs no such thing.
    late_closes: Option<LateCloses>,
    /// What has come of a message that is not whole.
    reassembly: Reassembly,
    ended: bool,
}

impl Session {
    // ---- input: each ends with `drive`, called by the owner through the same method ----

    /// A datagram that the demultiplexer thinks is ours. `known`: its pair was learned before.
    pub fn handle_datagram(
        &mut self,
        now: Instant,
        local: SocketAddr,
        remote: SocketAddr,
        known: bool,
        datagram: &[u8],
        transmits: &mut TransmitQueue,
    ) -> Handled {
        let Ok(receive) = Receive::new(Protocol::Udp, remote, local, datagram) else {
            return Handled::Malformed;
        };
        let input = Input::Receive(now, receive);
        // For an unknown pair this verifies MESSAGE-INTEGRITY (RFC 8489 §14.5).
        if !known && !self.rtc.accepts(&input) {
            return Handled::NotOurs;
        }
        self.bytes_received += datagram.len() as u64;
        self.reassembly.handle_datagram(datagram);
        if !known {
            self.learn(local, remote, true);
        }
        let result = self.rtc.handle_input(input);
        self.settle(now, result, transmits);
        Handled::Taken
    }

    /// A deadline has passed.
    pub fn handle_timeout(&mut self, now: Instant, transmits: &mut TransmitQueue) {
        self.reassembly.handle_other();
        let result = self.rtc.handle_input(Input::Timeout(now));
        while let Some(id) = self.late_closes.as_mut().and_then(|late| late.pop(now)) {
            self.rtc.direct_api().close_data_channel(id);
        }
        self.settle(now, result, transmits);
        if let Some((_, reason)) = self.give_up.take_if(|(at, _)| *at <= now) {
            self.set_state(ConnectionState::Failed);
            self.end(reason);
        }
    }

    /// A candidate that the peer trickled; the attribute's value, `candidate:…`.
    pub fn add_remote_candidate(&mut self, line: usize, candidate: &str) -> Result<(), SdpError> {
        self.remote_candidates += 1;
        if self.remote_candidates > limits::REMOTE_CANDIDATES {
            let detail = format!("more than {} candidates", limits::REMOTE_CANDIDATES);
            return Err(SdpError::line(line, detail));
        }
        let is_usable = sdp::candidate::is_usable(candidate);
        if !is_usable.map_err(|detail| SdpError::line(line, detail))? {
            log::debug!("{}: {candidate} is passed over", self.name);
            return Ok(());
        }
        let candidate = Candidate::from_sdp_string(candidate)
            .map_err(|error| SdpError::line(line, one_line(&error.to_string())))?;
        if self.checked_candidates >= limits::CHECKED_CANDIDATES {
            log::debug!("{}: one candidate more than are checked", self.name);
            return Ok(());
        }
        self.checked_candidates += 1;
        self.rtc.add_remote_candidate(candidate);
        self.dirty = true;
        Ok(())
    }

    /// Drains what writing and closing caused, if anything was written or closed.
    pub fn flush(&mut self, now: Instant, transmits: &mut TransmitQueue) {
        if self.dirty {
            self.settle(now, Ok(()), transmits);
        }
    }

    /// The end is near: no channel is closed late any more.
    pub fn hurry(&mut self) {
        for id in self.late_closes.take().into_iter().flatten() {
            self.rtc.direct_api().close_data_channel(id);
            self.dirty = true;
        }
    }

    /// Ends the session politely: SCTP and DTLS say so to the peer.
    pub fn close(&mut self, now: Instant, why: &'static str, transmits: &mut TransmitQueue) {
        if self.ended {
            return;
        }
        let result = self.rtc.close();
        self.set_state(ConnectionState::Closed);
        self.end(EndReason::Closed(why));
        self.settle(now, result, transmits);
    }

    // ---- output ----

    /// The next event; called until `None` after every input.
    pub fn poll_event(&mut self) -> Option<SessionEvent> {
        self.events.pop_front()
    }

    /// When [`Self::handle_timeout`] wants to be called.
    pub fn poll_timeout(&self) -> Option<Instant> {
        if self.ended {
            return None;
        }
        let ours = self.give_up.as_ref().map(|(at, _)| *at);
        let late = self.late_closes.as_ref().and_then(LateCloses::poll_timeout);
        let others = ours.into_iter().chain(late);
        Some(others.fold(self.timeout, Instant::min))
    }

    // ---- what it is ----

    /// The id in the API: unguessable.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// When the offer came.
    pub fn created(&self) -> Instant {
        self.created
    }

    /// As W3C counts them.
    pub fn state(&self) -> ConnectionState {
        self.state
    }

    /// The channels that are open.
    pub fn channels(&self) -> &Channels {
        &self.channels
    }

    /// The same, to bind them.
    pub fn channels_mut(&mut self) -> &mut Channels {
        &mut self.channels
    }

    /// Our ICE user name fragment, by which unknown pairs are told apart (RFC 8445 §5.3).
    pub fn local_ufrag(&self) -> &str {
        &self.local_ufrag
    }

    /// The peer's.
    pub fn remote_ufrag(&self) -> &str {
        &self.remote_ufrag
    }

    /// The chosen candidate pair, once there is one.
    pub fn path(&self) -> Option<Path> {
        self.path
    }

    /// Bytes of datagrams, sent and received.
    pub fn datagram_bytes(&self) -> (u64, u64) {
        (self.bytes_sent, self.bytes_received)
    }

    /// All learned pairs, for the owner to forget them.
    pub fn pairs(&self) -> impl Iterator<Item = (SocketAddr, SocketAddr)> {
        self.pairs.iter().copied()
    }

    // ---- inside ----

    /// Drains str0m after a mutation and draws the conclusions.
    fn settle(
        &mut self,
        now: Instant,
        result: Result<(), RtcError>,
        transmits: &mut TransmitQueue,
    ) {
        self.dirty = false;
        self.burst = 0;
        if let Some(late) = &mut self.late_closes {
            late.begin(now);
        }
        let result = result.and_then(|()| self.drive(now, transmits));
        if let Err(error) = result {
            self.end(match dtls::has_no_certificate(&error) {
                true => EndReason::NoCertificate,
                false => EndReason::Protocol(one_line(&error.to_string())),
            });
        } else if !self.rtc.is_alive() {
            self.end_closed();
        }
        // The low threshold. str0m's own event is per channel and misses when a message larger
        // than the threshold waits, so the sum is looked at; only when something waits.
        if self.blocked {
            let in_flight = self.in_flight();
            self.blocked = !self.window.may_go_on(now, in_flight);
        }
    }

    /// The one place that polls str0m, always to its time-out.
    fn drive(&mut self, now: Instant, transmits: &mut TransmitQueue) -> Result<(), RtcError> {
        loop {
            match self.rtc.poll_output()? {
                Output::Timeout(at) => {
                    // str0m's past deadlines mean "now".
                    self.timeout = at.max(now);
                    return Ok(());
                }
                Output::Transmit(transmit) => {
                    let (local, remote) = (transmit.source, transmit.destination);
                    self.learn(local, remote, false);
                    self.note_path(local, remote, &transmit.contents);
                    self.bytes_sent += transmit.contents.len() as u64;
                    transmits.push_ice(local, remote, &transmit.contents);
                }
                Output::Event(event) => self.handle_event(now, event),
            }
        }
    }

    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "the other events are about media"
    )]
    fn handle_event(&mut self, now: Instant, event: Event) {
        match event {
            Event::Connected => {
                self.give_up = None;
                self.set_state(ConnectionState::Connected);
            }
            Event::IceConnectionStateChange(state) => self.handle_ice_state(now, state),
            Event::ChannelOpen(id, label) => self.handle_channel_open(id, label),
            Event::ChannelData(data) => {
                let (binary, data, key) = (data.binary, data.data, self.channels.key(data.id));
                self.reassembly.handle_message(data.len());
                self.events.push_back(match key {
                    Some(channel) => SessionEvent::Message {
                        channel,
                        binary,
                        data,
                    },
                    None => SessionEvent::Unbound { bytes: data.len() },
                });
            }
            Event::ChannelClose(id) => {
                if let Some(key) = self.channels.release(id) {
                    if self
                        .control
                        .as_ref()
                        .is_some_and(|(control, _)| *control == key)
                    {
                        self.control = None;
                    }
                    self.events.push_back(SessionEvent::ChannelClosed(key));
                }
            }
            Event::PeerStats(stats) => {
                if let Some(pair) = stats.selected_candidate_pair {
                    let round_trip = pair.current_round_trip_time;
                    let (local, remote) = (pair.local.addr, pair.remote.addr);
                    self.path = Some(Path {
                        local,
                        remote,
                        round_trip,
                    });
                }
            }
            Event::Closed => self.end_closed(),
            // Media events: no codec is negotiated yet.
            other => log::trace!("{}: {other:?} ignored", self.name),
        }
    }

    fn handle_ice_state(&mut self, now: Instant, state: IceConnectionState) {
        match state {
            IceConnectionState::New => {}
            IceConnectionState::Checking => {
                if self.state == ConnectionState::New {
                    self.set_state(ConnectionState::Connecting);
                }
            }
            IceConnectionState::Connected | IceConnectionState::Completed => {
                if self.state == ConnectionState::Disconnected {
                    self.give_up = None;
                    self.set_state(ConnectionState::Connected);
                }
            }
            IceConnectionState::Disconnected => {
                if self.state == ConnectionState::Connected {
                    let at = now + self.disconnected_timeout;
                    self.give_up = Some((at, EndReason::DisconnectedTimeout));
                    self.set_state(ConnectionState::Disconnected);
                }
            }
        }
    }

    fn handle_channel_open(&mut self, id: str0m::channel::ChannelId, label: String) {
        let stream = self.rtc.direct_api().sctp_stream_id_by_channel_id(id);
        let config = self
            .rtc
            .channel(id)
            .and_then(|channel| channel.config().cloned());
        if let (Some(stream), Some(config)) = (stream, config) {
            let key = self.channels.insert(id, stream, label, &config);
            self.events.push_back(SessionEvent::ChannelOpen(key));
        }
    }

    /// The owner gave a pair to another session, or did not give it to this one.
    pub fn forget_pair(&mut self, local: SocketAddr, remote: SocketAddr) {
        self.pairs.retain(|pair| *pair != (local, remote));
    }

    /// Remembers that a pair of addresses is ours, and tells the owner about news.
    fn learn(&mut self, local: SocketAddr, remote: SocketAddr, proved: bool) {
        // Nearly every datagram is of the newest pair.
        if self.pairs.back() == Some(&(local, remote)) || self.pairs.contains(&(local, remote)) {
            return;
        }
        if self.pairs.len() >= limits::PAIRS_PER_SESSION {
            let chosen = self.path.map(|path| (path.local, path.remote));
            let oldest = self.pairs.iter().position(|pair| Some(*pair) != chosen);
            if let Some((local, remote)) = oldest.and_then(|at| self.pairs.remove(at)) {
                self.events
                    .push_back(SessionEvent::PairForgotten { local, remote });
            }
        }
        self.pairs.push_back((local, remote));
        self.events.push_back(SessionEvent::PairLearned {
            local,
            remote,
            proved,
        });
    }

    /// ICE tries many pairs, DTLS goes over the chosen one. The two are told apart by their first byte (RFC 7983 §7).
    fn note_path(&mut self, local: SocketAddr, remote: SocketAddr, datagram: &[u8]) {
        let is_known = (self.path).is_some_and(|path| path.local == local && path.remote == remote);
        if !is_known && datagram.first().is_some_and(|byte| (20..64).contains(byte)) {
            self.path = Some(Path {
                local,
                remote,
                round_trip: None,
            });
        }
    }

    #[cfg(test)]
    pub(crate) fn assume_path(&mut self, local: SocketAddr, remote: SocketAddr) {
        self.path = Some(Path {
            local,
            remote,
            round_trip: None,
        });
    }

    #[cfg(test)]
    pub(crate) fn push_event_for_test(&mut self, event: SessionEvent) {
        self.events.push_back(event);
    }

    #[cfg(test)]
    pub(crate) fn learn_for_test(&mut self, local: SocketAddr, remote: SocketAddr) {
        self.learn(local, remote, false);
    }

    /// Whether nothing is on its way that may have to be sent again. Asked at each turn, so that it looks at the
    /// channels only in one after something was written.
    pub fn is_quiet(&mut self) -> bool {
        if self.unacknowledged && !std::mem::take(&mut self.wrote) {
            self.unacknowledged = self.in_flight() > 0;
        }
        !self.blocked && !self.unacknowledged
    }

    fn in_flight(&mut self) -> usize {
        self.channels.in_flight(&mut self.rtc)
    }

    fn set_state(&mut self, state: ConnectionState) {
        if self.state != state && !self.ended {
            self.state = state;
            self.events.push_back(SessionEvent::State(state));
        }
    }

    /// The association or what is below it was closed.
    fn end_closed(&mut self) {
        self.set_state(ConnectionState::Closed);
        self.end(if self.reassembly.is_full() {
            EndReason::MessageTooLong
        } else {
            EndReason::PeerClosed
        });
    }

    fn end(&mut self, reason: EndReason) {
        if !self.ended {
            self.ended = true;
            self.events.push_back(SessionEvent::Ended(reason));
        }
    }
}

/// str0m's parser explains itself over several lines.
fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
