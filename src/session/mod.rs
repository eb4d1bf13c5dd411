//! One peer association: str0m's `Rtc` with its channels, and the order in which it is driven.
//!
//! str0m requires that its outputs are drained to the next time-out after every mutation. `Session::drive` is
//! the only place that does this. Everything here may panic, because str0m may panic. The gateway catches
//! that and drops the session.

pub mod channels;
mod color_space;
pub mod control;
mod create;
pub mod crypto;
mod dtls;
pub mod event;
mod late_closes;
pub(crate) mod media;
mod messages;
mod reassembly;
pub mod reoffer;
mod resend;
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
use media::Transceivers;
use reassembly::Reassembly;
use sdp::SdpError;
pub use stun::by_stun_ufrag;
use window::Window;

/// A session with a peer. The gateway is the answerer, or the offerer for peers that only answer.
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
    /// Address pairs that the owner knows of, oldest first.
    pairs: VecDeque<(SocketAddr, SocketAddr)>,
    path: Option<Path>,
    bytes_sent: u64,
    bytes_received: u64,
    /// str0m's deadline.
    timeout: Instant,
    /// Our own deadline: until then the session must connect, or recover from being disconnected.
    give_up: Option<(Instant, EndReason)>,
    disconnected_timeout: Duration,
    window: Window,
    /// Whether written data may still be unacknowledged.
    unacknowledged: bool,
    /// Whether data was written since the last turn.
    wrote: bool,
    /// Our offer with the name of its section, until the answer arrives.
    offer: Option<(SdpPendingOffer, String)>,
    /// Whether a write did not fit. This is reset when enough data has been acknowledged.
    blocked: bool,
    /// Whether data was written or a channel was closed since str0m was drained last.
    dirty: bool,
    /// How many messages were written since str0m was drained last.
    burst: usize,
    /// Channels that are closed a little later. `None`: the peer's library does not need this.
    late_closes: Option<LateCloses>,
    /// How much of an incomplete message has arrived.
    reassembly: Reassembly,
    /// The sections with tracks. `None`: the session has data channels only.
    media: Option<Box<Transceivers>>,
    ended: bool,
}

impl Session {
    // ---- input: each ends with `drive`, called by the owner through the same method ----

    /// Handles a datagram that the demultiplexer assigned to this session. `known` says whether the pair was
    /// learned before.
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

    /// Handles a deadline that has passed.
    pub fn handle_timeout(&mut self, now: Instant, transmits: &mut TransmitQueue) {
        self.reassembly.handle_other();
        let result = self.rtc.handle_input(Input::Timeout(now));
        // The acknowledgement for which the channels waited may be due in this very step, and str0m would
        // send it after what closes them.
        self.settle(now, result, transmits);
        while let Some(id) = self.late_closes.as_mut().and_then(|late| late.pop(now)) {
            self.rtc.direct_api().close_data_channel(id);
            self.dirty = true;
        }
        self.flush(now, transmits);
        if let Some((_, reason)) = self.give_up.take_if(|(at, _)| *at <= now) {
            self.set_state(ConnectionState::Failed);
            self.end(reason);
        }
    }

    /// Adds a candidate that the peer trickled. `candidate` is the attribute's value, `candidate:…`.
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

    /// Drains the results of writing and closing, if data was written or a channel was closed.
    pub fn flush(&mut self, now: Instant, transmits: &mut TransmitQueue) {
        if self.dirty {
            let result = self.take_up_packets(now);
            self.settle(now, result, transmits);
        }
    }

    /// Closes at once the channels that wait to be closed, and closes no channel late from now on, because
    /// the session ends soon.
    pub fn hurry(&mut self) {
        for id in self.late_closes.take().into_iter().flatten() {
            self.rtc.direct_api().close_data_channel(id);
            self.dirty = true;
        }
    }

    /// Closes the session properly: SCTP and DTLS tell the peer.
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

    /// Removes and returns the next event. The owner calls this until `None` after every input.
    pub fn poll_event(&mut self) -> Option<SessionEvent> {
        self.events.pop_front()
    }

    /// Returns when [`Self::handle_timeout`] must be called next.
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

    /// Returns the id in the API, which cannot be guessed.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns when the session was made.
    pub fn created(&self) -> Instant {
        self.created
    }

    /// Returns the connection state, as W3C defines it.
    pub fn state(&self) -> ConnectionState {
        self.state
    }

    /// Returns the open channels.
    pub fn channels(&self) -> &Channels {
        &self.channels
    }

    /// Returns the open channels, to bind them.
    pub fn channels_mut(&mut self) -> &mut Channels {
        &mut self.channels
    }

    /// Returns our ICE user name fragment, which identifies the session of an unknown pair (RFC 8445 §5.3).
    pub fn local_ufrag(&self) -> &str {
        &self.local_ufrag
    }

    /// Returns the peer's ICE user name fragment.
    pub fn remote_ufrag(&self) -> &str {
        &self.remote_ufrag
    }

    /// Returns the chosen candidate pair, once there is one.
    pub fn path(&self) -> Option<Path> {
        self.path
    }

    /// Returns how many bytes of datagrams were sent and received.
    pub fn datagram_bytes(&self) -> (u64, u64) {
        (self.bytes_sent, self.bytes_received)
    }

    /// Returns all learned pairs, so that the owner can forget them.
    pub fn pairs(&self) -> impl Iterator<Item = (SocketAddr, SocketAddr)> {
        self.pairs.iter().copied()
    }

    // ---- inside ----

    /// Drains str0m after a mutation, and ends the session if str0m has failed or closed.
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
        // Check the low threshold on the sum of all channels, and only while a write waits. str0m's own event
        // is per channel, and does not come when a message larger than the threshold waits.
        if self.blocked {
            let in_flight = self.in_flight();
            self.blocked = !self.window.may_go_on(now, in_flight);
        }
    }

    /// Polls str0m to its time-out. This is the only place that polls str0m.
    fn drive(&mut self, now: Instant, transmits: &mut TransmitQueue) -> Result<(), RtcError> {
        loop {
            match self.rtc.poll_output()? {
                Output::Timeout(at) => {
                    // A past deadline of str0m means "now".
                    self.timeout = at.max(now);
                    return Ok(());
                }
                Output::Transmit(transmit) => {
                    let (local, remote) = (transmit.source, transmit.destination);
                    if !self.may_leave(&transmit.contents) {
                        continue;
                    }
                    self.learn(local, remote, false);
                    self.note_path(local, remote, &transmit.contents);
                    self.bytes_sent += transmit.contents.len() as u64;
                    transmits.push_ice(local, remote, &transmit.contents);
                }
                Output::Event(event) => self.handle_event(now, event),
            }
        }
    }

    #[expect(clippy::wildcard_enum_match_arm, reason = "the enum may grow")]
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
            Event::RtpPacket(packet) => self.handle_rtp(packet),
            Event::KeyframeRequest(request) => self.handle_keyframe_request(request.mid),
            Event::EgressBitrateEstimate(estimate) => self.handle_estimate(estimate),
            Event::MediaEgressStats(stats) => self.handle_egress_stats(&stats),
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

    /// Forgets a pair that the owner gave to another session, or did not give to this one.
    pub fn forget_pair(&mut self, local: SocketAddr, remote: SocketAddr) {
        self.pairs.retain(|pair| *pair != (local, remote));
    }

    /// Remembers an address pair of this session, and reports a new pair to the owner.
    fn learn(&mut self, local: SocketAddr, remote: SocketAddr, proved: bool) {
        // Nearly every datagram belongs to the newest pair.
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

    /// Notes the path that DTLS uses. ICE tries many pairs, but DTLS uses only the chosen one. The first byte
    /// tells the two protocols apart (RFC 7983 §7).
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

    /// Returns whether no data is under way that may have to be sent again. The owner calls this at each
    /// turn, so it checks the channels only in a turn without writes that follows a turn with writes.
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

    /// Ends a session whose association, or a layer below it, was closed.
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

/// Joins the lines of a text, because str0m's parser explains a fault over several lines.
fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
