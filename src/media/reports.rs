//! Reports in RTCP: to the source what its viewers receive, and to the program behind `send_to` what is sent.

use std::time::{Duration, Instant};

use super::rtcp::{self, ReportBlock};
use super::{Media, TimerKey};
use crate::ids::TrackId;
use crate::sources::Context;

/// How often reports are sent. RFC 3550 §6.2 allows 5 % of the bit rate for them, which is more.
const INTERVAL: Duration = Duration::from_secs(1);
/// Our name in reports. It is the same for all streams, so that a receiver plays them in step (RFC 3550 §6.5.1).
const CNAME: &str = "thingway";

/// The newest sender report of a source.
#[derive(Debug, Clone, Copy)]
pub(super) struct LastReport {
    /// The source's clock: seconds in the upper half, fractions in the lower.
    pub(super) ntp: u64,
    pub(super) arrival: Instant,
}

impl LastReport {
    /// Returns the report's time and its age as report blocks have them (RFC 3550 §6.4.1).
    fn for_block(self, now: Instant) -> (u32, u32) {
        let middle = u32::try_from((self.ntp >> 16) & u64::from(u32::MAX)).unwrap_or(0);
        let age = now.saturating_duration_since(self.arrival).as_micros();
        let delay = u32::try_from(age * 65_536 / 1_000_000).unwrap_or(u32::MAX);
        (middle, delay)
    }
}

impl Media {
    /// Begins to send reports about a track, unless that has begun.
    pub(super) fn schedule_report(&mut self, cx: &Context<'_>, id: TrackId) {
        if !self.timers.is_set(TimerKey::Report(id)) {
            self.timers
                .set(TimerKey::Report(id), Some(cx.now + INTERVAL));
        }
    }

    /// Sends the reports about a track that are due.
    pub(super) fn send_reports(&mut self, cx: &mut Context<'_>, id: TrackId) {
        let (estimate, block) = (self.estimate(id, cx.now), self.block(id, cx.now));
        let Some(track) = self.tracks.get_mut(id) else {
            return;
        };
        let sockets = track.sockets;
        let is_of_source = track.is_live(cx.now) && track.rtcp_sender.is_some();
        if let (true, Some(to), Some(socket), Some(block)) = (
            is_of_source,
            track.rtcp_sender,
            sockets.for_feedback(),
            block,
        ) {
            self.datagram.clear();
            rtcp::write_report(&mut self.datagram, track.own_ssrc, None, &[block], CNAME);
            if let Some(bitrate) = estimate {
                let about = [block.about];
                rtcp::write_estimate(&mut self.datagram, track.own_ssrc, &about, bitrate);
            }
            cx.sources
                .transmits()
                .push(socket, None, to, &self.datagram);
        }
        let mut is_sending = false;
        if let (Some(to), Some(socket)) = (track.config.send_rtcp, sockets.for_output()) {
            for (ssrc, sent) in track.publishers.sent(cx.now, self.started) {
                self.datagram.clear();
                rtcp::write_report(&mut self.datagram, ssrc, Some(&sent), &[], CNAME);
                cx.sources
                    .transmits()
                    .push(socket, None, to, &self.datagram);
                is_sending = true;
            }
        }
        if is_of_source || is_sending {
            self.timers
                .set(TimerKey::Report(id), Some(cx.now + INTERVAL));
        }
    }

    /// Returns what the viewers receive of a source: the worst of them speaks for all.
    fn block(&self, id: TrackId, now: Instant) -> Option<ReportBlock> {
        let track = self.tracks.get(id)?;
        let viewers = track.viewers.iter().filter_map(|id| self.viewers.get(*id));
        let reports = viewers.map(|viewer| viewer.report);
        let (loss, jitter) = reports.fold((0.0_f32, 0), |(loss, jitter), report| {
            (
                loss.max(report.loss.unwrap_or(0.0)),
                jitter.max(report.jitter),
            )
        });
        let (last_report, delay) = track.last_report.map_or((0, 0), |last| last.for_block(now));
        Some(ReportBlock {
            about: track.ssrc()?,
            fraction_lost: share_of_256(loss),
            lost: 0,
            highest: track.highest(),
            jitter,
            last_report,
            delay,
        })
    }
}

/// Returns a share from 0 to 1 in steps of 1/256 (RFC 3550 §6.4.1).
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the value is between 0 and 255"
)]
fn share_of_256(share: f32) -> u8 {
    (share.clamp(0.0, 1.0) * 256.0).min(255.0) as u8
}
