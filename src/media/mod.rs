//! Pictures and sound: from programs that speak RTP to browsers, and back.
//!
//! Nothing is decoded. A packet of a source is parsed once, and its payload is kept once. A viewer is a cursor
//! into the packets of a track.

mod clocks;
mod description;
mod feedback;
mod figures;
mod gaps;
mod joining;
pub mod keyframe;
mod pace;
mod packets;
mod published;
mod publisher;
mod publishers;
mod rate;
mod reports;
mod requests;
#[cfg_attr(
    not(any(test, feature = "testing")),
    expect(
        dead_code,
        reason = "the ends of streams, and the names of faults, come next"
    )
)]
pub mod rtcp;
#[cfg_attr(
    not(any(test, feature = "testing")),
    expect(dead_code, reason = "the list of all faults is for tests")
)]
pub mod rtp;
mod slow;
mod source;
mod stats;
mod tables;
#[cfg(test)]
mod tests;
mod told;
mod track;
mod view;
mod viewer;
mod window;

use std::collections::{HashMap, VecDeque};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::{RngCore, SeedableRng};

use crate::config::{RtcpPlace, RtpConfig, UdpConfig};
use crate::endpoint::Failure;
use crate::ids::{EndpointId, SessionId, TrackId, TrackKind, TrackSocket, ViewerId, ViewerKind};
use crate::sources::{Command, Context, Owner};
use crate::transceiver::{RtpWriter, TransceiverKey};
use crate::util::slab::Slab;
use crate::util::timers::Timers;
use clocks::{ClockOf, Clocks};
use track::Track;
use viewer::Viewer;

/// When a socket that failed is opened again.
const RETRY_INTERVAL: Duration = Duration::from_secs(2);

/// The purpose of a deadline of this component.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum TimerKey {
    /// A session's viewers go on to catch up.
    CatchUp(SessionId),
    /// The source may be asked for a keyframe again.
    Keyframe(TrackId),
    /// A source that is alive may have stopped.
    Silence(TrackId),
    /// Reports about a track are due.
    Report(TrackId),
    /// The bit rate of a track is due to be told.
    Bitrate(TrackId),
    /// A socket is to be opened again.
    Retry(TrackId, TrackSocket),
}

/// An event for the wiring.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum MediaNews {
    /// The state of an endpoint's tracks may have changed.
    Changed(EndpointId),
    /// A peer that sends is to be asked for a keyframe.
    KeyframeWanted {
        session: SessionId,
        section: TransceiverKey,
    },
    /// A peer that sends may send this many bits a second.
    Limited {
        session: SessionId,
        section: TransceiverKey,
        bitrate: u64,
    },
    /// What a peer is to be told of a track.
    Told {
        session: SessionId,
        endpoint: String,
        kind: &'static str,
        state: &'static str,
        detail: String,
    },
    /// The bit rate that the source of a track is told, in bit/s, and who else is to know.
    Bitrate {
        endpoint: String,
        kind: &'static str,
        bitrate: u64,
        sessions: Vec<SessionId>,
    },
}

/// The tracks in a session.
#[derive(Debug, Default)]
struct SessionTracks {
    viewers: Vec<ViewerId>,
    /// The sections with tracks.
    sections: Vec<(TransceiverKey, TrackId)>,
    /// The tracks that the peer has asked for and not got, and why.
    refused: Vec<(TrackId, String)>,
    /// The sections that send, and the tracks that they send to.
    published: Vec<(TransceiverKey, TrackId)>,
    /// Whether the session is connected. Nothing can be sent while it is not.
    is_connected: bool,
    /// Whether it has been connected.
    was_connected: bool,
    /// Whether the session is in `readable`.
    is_queued: bool,
}

impl SessionTracks {
    /// Queues the session, unless it is queued or not connected.
    fn queue(&mut self, session: SessionId, readable: &mut VecDeque<SessionId>) {
        if self.is_connected && !std::mem::replace(&mut self.is_queued, true) {
            readable.push_back(session);
        }
    }
}

/// All tracks and their viewers.
pub(crate) struct Media {
    tracks: Slab<TrackKind, Track>,
    viewers: Slab<ViewerKind, Viewer>,
    sessions: HashMap<SessionId, SessionTracks>,
    /// Sessions for which packets have come.
    readable: VecDeque<SessionId>,
    /// Tracks that have got packets, and those of them whose viewers are queued.
    fresh: Vec<TrackId>,
    queued: Vec<TrackId>,
    timers: Timers<TimerKey>,
    news: VecDeque<MediaNews>,
    random: StdRng,
    /// When the clock of our sender reports began.
    started: Instant,
    clocks: Clocks,
    /// The datagram that is being written, to use its memory again.
    datagram: Vec<u8>,
    max_viewers: usize,
    refused_viewers: u64,
}

impl Media {
    /// Returns a component without tracks. `seed` is for first sequence numbers.
    pub(crate) fn new(now: Instant, max_viewers: usize, seed: [u8; 32]) -> Self {
        Self {
            tracks: Slab::new(),
            viewers: Slab::new(),
            sessions: HashMap::new(),
            readable: VecDeque::new(),
            fresh: Vec::new(),
            queued: Vec::new(),
            timers: Timers::default(),
            news: VecDeque::new(),
            random: StdRng::from_seed(seed),
            started: now,
            clocks: Clocks::default(),
            datagram: Vec::new(),
            max_viewers,
            refused_viewers: 0,
        }
    }

    /// Sets the most viewers of all tracks together.
    pub(crate) fn set_max_viewers(&mut self, most: usize) {
        self.max_viewers = most;
    }

    // ---- tracks ----

    /// Makes the tracks of an endpoint, and opens their sockets.
    pub(crate) fn add(
        &mut self,
        cx: &mut Context<'_>,
        endpoint: EndpointId,
        name: &str,
        config: &RtpConfig,
    ) {
        for config in config.tracks() {
            let own_ssrc = self.random.next_u32().max(1);
            let track = Track::new(endpoint, name, config.clone(), own_ssrc);
            let id = self.tracks.insert(track);
            for socket in [TrackSocket::Rtp, TrackSocket::Rtcp] {
                self.open(cx, id, socket);
            }
        }
        self.news.push_back(MediaNews::Changed(endpoint));
    }

    /// Removes the tracks of an endpoint. Their viewers get nothing more.
    pub(crate) fn remove(&mut self, cx: &mut Context<'_>, endpoint: EndpointId) {
        self.clocks.remove(ClockOf::Program(endpoint));
        let ids: Vec<TrackId> = self.tracks_of(endpoint).collect();
        for id in ids {
            self.tell_removed(id);
            let Some(track) = self.tracks.remove(id) else {
                continue;
            };
            for source in track.sockets.all() {
                cx.sources.close(source);
            }
            for viewer in track.viewers {
                self.remove_viewer(viewer);
            }
            for key in [
                TimerKey::Keyframe(id),
                TimerKey::Silence(id),
                TimerKey::Report(id),
                TimerKey::Bitrate(id),
            ] {
                self.timers.set(key, None);
            }
            for socket in [TrackSocket::Rtp, TrackSocket::Rtcp] {
                self.timers.set(TimerKey::Retry(id, socket), None);
            }
        }
    }

    fn open(&mut self, cx: &mut Context<'_>, id: TrackId, socket: TrackSocket) {
        let Some(track) = self.tracks.get_mut(id) else {
            return;
        };
        let config = &track.config;
        let bind = match (socket, config.listen) {
            (TrackSocket::Rtp, Some(listen)) => Some(listen),
            (TrackSocket::Rtp, None) => config.send_to.map(track::any_port_towards),
            (TrackSocket::Rtcp, None) => None,
            (TrackSocket::Rtcp, Some(_)) => match config.rtcp {
                RtcpPlace::Mux => None,
                RtcpPlace::At(addr) => Some(addr),
            },
        };
        if bind.is_none() {
            return;
        }
        let udp = UdpConfig {
            bind,
            ..UdpConfig::default()
        };
        let source = (cx.sources).open(Owner::Track(id, socket), |source| Command::OpenUdp {
            source,
            udp,
        });
        *track.sockets.of(socket) = Some(source);
    }

    /// Handles a socket that could not be opened, or that has failed.
    pub(crate) fn handle_failed(
        &mut self,
        cx: &mut Context<'_>,
        id: TrackId,
        socket: TrackSocket,
        failure: &Failure,
    ) {
        let Some(track) = self.tracks.get_mut(id) else {
            return;
        };
        track.note_trouble(socket, &failure.detail);
        if let Some(source) = track.sockets.of(socket).take() {
            cx.sources.forget(source);
        }
        let again = Some(cx.now + RETRY_INTERVAL);
        self.timers.set(TimerKey::Retry(id, socket), again);
        self.news.push_back(MediaNews::Changed(track.endpoint));
    }

    /// Handles a socket that was opened.
    pub(crate) fn handle_opened(&mut self, id: TrackId, socket: TrackSocket) {
        if let Some(track) = self.tracks.get_mut(id) {
            track.socket_trouble.take_if(|(of, _)| *of == socket);
            self.news.push_back(MediaNews::Changed(track.endpoint));
        }
    }

    // ---- packets ----

    /// Handles a datagram of a program.
    pub(crate) fn handle_datagram(
        &mut self,
        cx: &mut Context<'_>,
        id: TrackId,
        socket: TrackSocket,
        remote: SocketAddr,
        datagram: &[u8],
    ) {
        let now = cx.now;
        let Some(track) = self.tracks.get_mut(id) else {
            return;
        };
        let is_rtcp = socket == TrackSocket::Rtcp || rtcp::is_rtcp(datagram);
        if track.config.listen.is_none() && !is_rtcp {
            // The socket is there to send.
            return track.stats.drop(stats::Dropped::Stranger);
        }
        if is_rtcp {
            return self.handle_rtcp(cx, id, remote, datagram);
        }
        if !track.admits(now, remote) {
            return;
        }
        let was_live = track.is_live(now);
        let change = track.handle_rtp(now, datagram);
        if !change.has_news {
            return;
        }
        if !was_live {
            self.begin_source(now, id);
        }
        let is_first = !self.fresh.contains(&id);
        if is_first {
            self.fresh.push(id);
        }
        if change.has_restarted {
            self.want_keyframe(cx, id);
        }
    }

    /// Queues the sessions whose viewers have something to get.
    pub(crate) fn settle(&mut self) {
        for at in 0..self.fresh.len() {
            let Some(track) = self.fresh.get(at).and_then(|id| self.tracks.get(*id)) else {
                continue;
            };
            for viewer in &track.viewers {
                if let Some(viewer) = self.viewers.get(*viewer)
                    && let Some(tracks) = self.sessions.get_mut(&viewer.session)
                {
                    tracks.queue(viewer.session, &mut self.readable);
                }
            }
        }
        self.queued.append(&mut self.fresh);
    }

    /// Returns whether [`Self::poll_readable`] or [`Self::settle`] has something to do.
    pub(crate) fn has_readable(&self) -> bool {
        !self.readable.is_empty() || !self.fresh.is_empty()
    }

    /// Removes and returns the next session whose viewers have something to get.
    pub(crate) fn poll_readable(&mut self) -> Option<SessionId> {
        self.readable.pop_front()
    }

    /// Returns whether a session has tracks.
    pub(crate) fn watches(&self, session: SessionId) -> bool {
        self.sessions.contains_key(&session)
    }

    /// Writes to the peer of a session what its viewers have not got.
    pub(crate) fn serve(&mut self, now: Instant, session: SessionId, writer: &mut impl RtpWriter) {
        let Some(tracks) = self.sessions.get_mut(&session) else {
            return;
        };
        tracks.is_queued = false;
        if !tracks.is_connected {
            return;
        }
        let mut again: Option<Instant> = None;
        let mut changed = Vec::new();
        for id in &tracks.viewers {
            let Some(viewer) = self.viewers.get_mut(*id) else {
                continue;
            };
            let Some(track) = self.tracks.get(viewer.track) else {
                continue;
            };
            viewer.serve(now, track.config.codec, &track.log, writer);
            again = crate::util::timers::sooner(again, viewer.catch_up_at);
            if viewer.told != Some(told::state(track, viewer)) {
                changed.push(*id);
            }
        }
        self.timers.set(TimerKey::CatchUp(session), again);
        for viewer in changed {
            self.note_state(now, viewer);
        }
    }

    /// Notes that all viewers were served, and drops what nobody needs any more. The owner calls this at the end
    /// of a turn. `has_more`: not every session has had its turn.
    pub(crate) fn end_turn(&mut self, has_more: bool) {
        if has_more {
            return;
        }
        let mut queued = std::mem::take(&mut self.queued);
        for id in queued.drain(..) {
            let behind = self.behind(id);
            if let Some(track) = self.tracks.get_mut(id) {
                track.log.note_served(behind);
            }
        }
        // With its memory.
        self.queued = queued;
    }

    // ---- time ----

    /// Handles deadlines that have passed.
    pub(crate) fn handle_timeout(&mut self, cx: &mut Context<'_>) {
        while let Some(key) = self.timers.pop_expired(cx.now) {
            match key {
                TimerKey::CatchUp(session) => self.queue(session),
                TimerKey::Keyframe(id) => self.want_keyframe_again(cx, id),
                TimerKey::Silence(id) => self.check_silence(cx, id),
                TimerKey::Report(id) => self.send_reports(cx, id),
                TimerKey::Bitrate(id) => self.tell_bitrate(cx, id),
                TimerKey::Retry(id, socket) => self.open(cx, id, socket),
            }
        }
    }

    fn check_silence(&mut self, cx: &mut Context<'_>, id: TrackId) {
        let Some(track) = self.tracks.get_mut(id) else {
            return;
        };
        if track.is_live(cx.now) {
            let at = cx.now + track.config.silence / 2;
            return self.timers.set(TimerKey::Silence(id), Some(at));
        }
        track.forget_source();
        log::info!(
            "endpoint {}: no {} packets for {} ms",
            track.name,
            track.config.codec.kind().as_str(),
            track.config.silence.as_millis()
        );
        self.news.push_back(MediaNews::Changed(track.endpoint));
        self.note_states(cx.now, id);
    }

    /// Returns when [`Self::handle_timeout`] must be called next.
    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        self.timers.next()
    }

    /// Removes and returns the next event.
    pub(crate) fn poll_news(&mut self) -> Option<MediaNews> {
        self.news.pop_front()
    }

    /// Returns whether [`Self::poll_news`] has an event.
    pub(crate) fn has_news(&self) -> bool {
        !self.news.is_empty()
    }
}
