//! RTCP between a track and its source, and the requests for keyframes.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use super::clocks::ClockOf;
use super::reports::LastReport;
use super::rtcp::{self, Feedback, Sent};
use super::{Media, MediaNews, TimerKey};
use crate::ids::{SessionId, TrackId, ViewerId};
use crate::sources::Context;
use crate::transceiver::{MediaEvent, TransceiverKey};

/// How old the last keyframe may be for a viewer that is too slow. More of them would make it slower still, and cost
/// everybody else.
const ENOUGH_KEYFRAMES: Duration = Duration::from_secs(10);

/// What a datagram of RTCP says.
#[derive(Debug, Default)]
struct Heard {
    is_of_source: bool,
    has_ended: bool,
    report: Option<Sent>,
    /// Whether the program that gets what browsers send wants a keyframe.
    wants_keyframe: bool,
    is_malformed: bool,
}

impl Heard {
    /// Reads a datagram. `source` is the SSRC of the source.
    fn of(datagram: &[u8], source: Option<u32>) -> Self {
        let mut heard = Self::default();
        let parsed = rtcp::parse(datagram, |feedback| match feedback {
            Feedback::Bye { ssrc } if source == Some(ssrc) => {
                (heard.is_of_source, heard.has_ended) = (true, true);
            }
            Feedback::SenderReport { ssrc, sent } if source == Some(ssrc) => {
                (heard.is_of_source, heard.report) = (true, Some(sent));
            }
            Feedback::PictureLoss { .. } | Feedback::FullIntra { .. } => {
                heard.wants_keyframe = true;
            }
            Feedback::Bye { .. }
            | Feedback::SenderReport { .. }
            | Feedback::ReceiverReport { .. }
            | Feedback::Nack { .. }
            | Feedback::Estimate { .. }
            | Feedback::Other => {}
        });
        heard.is_malformed = parsed.is_err();
        heard
    }
}

impl Media {
    /// Handles RTCP of a track's source.
    pub(super) fn handle_rtcp(
        &mut self,
        cx: &mut Context<'_>,
        id: TrackId,
        remote: SocketAddr,
        datagram: &[u8],
    ) {
        let now = cx.now;
        let Some(track) = self.tracks.get_mut(id) else {
            return;
        };
        let ip = remote.ip().to_canonical();
        let is_admitted = track.config.from.iter().any(|prefix| prefix.contains(ip));
        let is_of_sender = track
            .sender()
            .is_none_or(|sender| sender.ip() == remote.ip());
        if !is_admitted || !is_of_sender {
            track.stats.drop(super::stats::Dropped::Stranger);
            return;
        }
        let heard = Heard::of(datagram, track.ssrc());
        let receiver = track.config.send_to.map(|to| to.ip().to_canonical());
        let is_request = heard.wants_keyframe && receiver == Some(ip);
        // The first that speaks for the source is kept until the source is silent.
        let is_other = track.rtcp_sender.is_some_and(|known| known != remote);
        if is_other && !is_request {
            return track.stats.drop(super::stats::Dropped::OtherSender);
        }
        match heard.is_malformed {
            false => track.stats.rtcp += 1,
            true => track.stats.bad_rtcp += 1,
        }
        let is_of_source = heard.is_of_source && !is_other;
        if is_of_source {
            track.rtcp_sender = Some(remote);
        }
        // The source may be the program behind `send_to`, and speak as both in one datagram.
        if is_request {
            self.ask_publishers(cx, id);
        }
        let Some(track) = self.tracks.get_mut(id).filter(|_| is_of_source) else {
            return;
        };
        if heard.has_ended && track.is_live(now) {
            track.end_source(now);
            self.timers.set(TimerKey::Silence(id), Some(now));
        }
        if let Some(sent) = heard.report {
            let clock = ClockOf::Program(track.endpoint);
            let at = self.clocks.find(clock, sent.ntp, now);
            let report = LastReport {
                ntp: sent.ntp,
                arrival: now,
            };
            track.set_clock(sent.rtp, at, report);
        }
        self.schedule_report(cx, id);
    }

    /// Handles what a peer says about a section.
    pub(crate) fn handle_event(
        &mut self,
        cx: &mut Context<'_>,
        session: SessionId,
        section: TransceiverKey,
        event: MediaEvent,
    ) {
        if let MediaEvent::Packet(packet) = event {
            return self.handle_published(cx, session, section, packet);
        }
        let Some(id) = self.find_viewer(session, section) else {
            return;
        };
        match event {
            MediaEvent::KeyframeWanted => self.handle_keyframe_wanted(cx, id),
            MediaEvent::Estimate(bitrate) => self.handle_estimate(cx, session, bitrate),
            MediaEvent::Report(report) => self.handle_report(cx, id, report),
            MediaEvent::Packet(_) => {}
        }
    }

    fn handle_keyframe_wanted(&mut self, cx: &mut Context<'_>, id: ViewerId) {
        let Some(viewer) = self.viewers.get_mut(id) else {
            return;
        };
        let (id, session) = (viewer.track, viewer.session);
        let Some(track) = self.tracks.get_mut(id) else {
            return;
        };
        // A viewer that has missed the first packets begins again with the keyframe that is kept.
        if viewer.rewind(cx.now, &track.log) {
            track.stats.keyframes_wanted += 1;
            return self.queue(session);
        }
        let lately = |at: Instant| cx.now.saturating_duration_since(at) < ENOUGH_KEYFRAMES;
        if viewer.is_slow() && track.last_keyframe().is_some_and(lately) {
            track.stats.keyframes_wanted += 1;
            return;
        }
        self.want_keyframe(cx, id);
    }

    /// Asks the source for a keyframe, or does so as soon as the interval between requests has passed.
    pub(super) fn want_keyframe(&mut self, cx: &mut Context<'_>, id: TrackId) {
        let Some(track) = self.tracks.get_mut(id) else {
            return;
        };
        track.stats.keyframes_wanted += 1;
        if self.timers.is_set(TimerKey::Keyframe(id)) {
            track.wants_keyframe = true;
            return;
        }
        self.request_keyframe(cx, id);
    }

    pub(super) fn want_keyframe_again(&mut self, cx: &mut Context<'_>, id: TrackId) {
        let track = self.tracks.get_mut(id);
        if track.is_some_and(|track| std::mem::take(&mut track.wants_keyframe)) {
            self.request_keyframe(cx, id);
        }
    }

    fn request_keyframe(&mut self, cx: &mut Context<'_>, id: TrackId) {
        let Some(track) = self.tracks.get_mut(id) else {
            return;
        };
        let again = cx.now + track.config.keyframe_interval;
        if let Some(publisher) = track.source_publisher() {
            self.news.push_back(MediaNews::KeyframeWanted {
                session: publisher.session,
                section: publisher.section,
            });
            track.stats.keyframes_requested += 1;
            return self.timers.set(TimerKey::Keyframe(id), Some(again));
        }
        let (Some(to), Some(ssrc)) = (track.rtcp_sender, track.ssrc()) else {
            return;
        };
        let Some(socket) = track.sockets.for_feedback() else {
            return;
        };
        let mut datagram = Vec::with_capacity(64);
        rtcp::write_picture_loss(&mut datagram, track.own_ssrc, ssrc);
        cx.sources.transmits().push(socket, None, to, &datagram);
        track.stats.keyframes_requested += 1;
        self.timers.set(TimerKey::Keyframe(id), Some(again));
    }
}
