//! The media of a session: its sections with tracks, packets for the peer, and what the peer says about them.
//!
//! str0m forwards packets as they are (its RTP mode). A session without tracks has none of this.

use std::time::{Duration, Instant, SystemTime};

use str0m::Input;
use str0m::bwe::BweKind;
use str0m::format::Codec as StrCodec;
use str0m::media::{KeyframeRequestKind, MediaTime, Mid, Pt};
use str0m::rtp::rtcp::SenderInfo;
use str0m::rtp::{Extension, ExtensionMap, ExtensionValues, RtpPacket, RtpWrite, Ssrc};
use str0m::stats::MediaEgressStats;

use super::event::SessionEvent;
use super::resend::Resends;
use super::sdp::{Slots, TrackSection};
use super::{Session, color_space};
use crate::codec::{Codec, MediaKind};
use crate::limits;
use crate::transceiver::{
    Direction, IncomingPacket, MediaEvent, OutgoingPacket, SenderReport, TransceiverKey,
    ViewerReport,
};

/// How much str0m sends again, as a share of everything. It saves the work of sealing what a peer asks for too often;
/// str0m looks back over a while, so a sudden flood is stopped only where it leaves ([`Resends`]).
const MOST_RESENT: f32 = 0.5;
/// The most packets of one stream that are kept to be sent again.
const RESENT_PACKETS: usize = 512;

/// Returns a codec as str0m names it.
pub(super) fn codec(codec: Codec) -> StrCodec {
    match codec {
        Codec::H264 => StrCodec::H264,
        Codec::H265 => StrCodec::H265,
        Codec::Vp8 => StrCodec::Vp8,
        Codec::Vp9 => StrCodec::Vp9,
        Codec::Av1 => StrCodec::Av1,
        Codec::Opus => StrCodec::Opus,
        Codec::Pcmu => StrCodec::PCMU,
        Codec::Pcma => StrCodec::PCMA,
        Codec::G722 => StrCodec::G722,
    }
}

/// Returns what a sender report says of its stream's clock.
fn report(info: SenderInfo) -> SenderReport {
    let since = (info.ntp_time.duration_since(SystemTime::UNIX_EPOCH)).unwrap_or_default();
    let fraction = (u64::from(since.subsec_nanos()) << 32) / 1_000_000_000;
    let low = info.rtp_time.numer() & u64::from(u32::MAX);
    SenderReport {
        ntp: (since.as_secs() << 32) | fraction,
        timestamp: u32::try_from(low).unwrap_or(0),
    }
}

/// Returns the header extensions that may be negotiated. The offer's numbers replace ours.
pub(super) fn extensions() -> ExtensionMap {
    let mut map = ExtensionMap::empty();
    let all = [
        Extension::AudioLevel,
        Extension::AbsoluteSendTime,
        Extension::RtpMid,
        Extension::VideoOrientation,
        Extension::PlayoutDelay,
        Extension::RtpStreamId,
        color_space::extension(),
    ];
    for (id, extension) in (1..).zip(all) {
        map.set(id, extension);
    }
    map
}

/// A media section with a track.
#[derive(Debug)]
struct Transceiver {
    mid: Mid,
    payload_type: Pt,
    kind: MediaKind,
    direction: Direction,
    /// How long the peer may buffer, in steps of 10 ms.
    playout_delay: Option<(MediaTime, MediaTime)>,
}

/// The sections of a session that carry tracks.
#[derive(Debug, Default)]
pub(super) struct Transceivers {
    /// By their keys. A key without a section can be given again.
    all: Vec<Option<Transceiver>>,
    /// The sections that str0m has.
    pub(super) slots: Slots,
    /// Streams of the peer, and the sections that they belong to.
    streams: Vec<(Ssrc, TransceiverKey)>,
    resends: Resends,
    /// Whether packets were written since str0m was drained last.
    is_written: bool,
}

impl Transceivers {
    fn get(&self, key: TransceiverKey) -> Option<&Transceiver> {
        self.all.get(usize::from(key.0))?.as_ref()
    }

    fn set(&mut self, key: TransceiverKey, transceiver: Option<Transceiver>) {
        let at = usize::from(key.0);
        if self.all.len() <= at {
            self.all.resize_with(at + 1, || None);
        }
        if let Some(place) = self.all.get_mut(at) {
            *place = transceiver;
        }
    }

    fn find(&self, mid: Mid) -> Option<TransceiverKey> {
        let is_it = |it: &Option<Transceiver>| it.as_ref().is_some_and(|it| it.mid == mid);
        let at = self.all.iter().position(is_it)?;
        u8::try_from(at).ok().map(TransceiverKey)
    }
}

impl Session {
    /// Makes the transceivers of an offer that str0m has just accepted, and forgets those that it has released.
    pub(super) fn set_tracks(
        &mut self,
        released: &[TransceiverKey],
        tracks: &[TrackSection<'_>],
        slots: &Slots,
    ) {
        let mut media = self.media.take().unwrap_or_default();
        media.slots = slots.clone();
        for key in released {
            media.set(*key, None);
            media.streams.retain(|(_, of)| of != key);
        }
        for track in tracks {
            let mid = Mid::from(track.mid);
            let wish = &track.wish;
            if let Some(stream) = self.rtc.direct_api().stream_tx_by_mid(mid, None) {
                let packets = match wish.kind() {
                    MediaKind::Video => RESENT_PACKETS,
                    MediaKind::Audio => 0,
                };
                if !track.is_kept {
                    stream.set_rtx_cache(packets, wish.resend, Some(MOST_RESENT));
                }
            }
            let in_steps = |delay: Duration| {
                let steps = u64::try_from(delay.as_millis() / 10).unwrap_or(0);
                MediaTime::from_hundredths(steps)
            };
            let transceiver = Transceiver {
                mid,
                payload_type: track.payload_type().into(),
                kind: wish.kind(),
                direction: track.direction,
                playout_delay: wish
                    .playout_delay
                    .map(|(least, most)| (in_steps(least), in_steps(most))),
            };
            media.set(track.key, Some(transceiver));
            if let Some(payload_type) = track.resend_type() {
                media.resends.add_type(payload_type);
            }
        }
        self.media = Some(media);
    }

    /// Queues a packet for the peer. The owner calls [`Self::flush`] after the last one. Returns false if the
    /// section does not send, or the packet is too long.
    pub(crate) fn write_rtp(&mut self, key: TransceiverKey, packet: &OutgoingPacket<'_>) -> bool {
        let Some(media) = self.media.as_deref_mut().filter(|_| !self.ended) else {
            return false;
        };
        let Some(section) = media.get(key).filter(|it| it.direction.sends) else {
            return false;
        };
        let mut api = self.rtc.direct_api();
        let Some(stream) = api.stream_tx_by_mid(section.mid, None) else {
            return false;
        };
        if packet.payload.len() > limits::RTP_PAYLOAD {
            return false;
        }
        let mut write = RtpWrite::new(
            section.payload_type,
            packet.sequence.into(),
            packet.timestamp,
            packet.wallclock,
            std::sync::Arc::clone(packet.payload),
        )
        .marker(packet.marker)
        .nackable(section.kind == MediaKind::Video);
        if section.playout_delay.is_some() || packet.color_space.is_some() {
            let (least, most) = section.playout_delay.unzip();
            let mut values = ExtensionValues {
                play_delay_min: least,
                play_delay_max: most,
                ..ExtensionValues::default()
            };
            if let Some(value) = packet.color_space {
                color_space::set(&mut values, value);
            }
            write = write.ext_vals(values);
        }
        stream.write_rtp(write);
        media.resends.note_first();
        media.is_written = true;
        self.dirty = true;
        true
    }

    /// Returns whether a datagram may leave. Packets that the peer has asked for too often may not.
    pub(super) fn may_leave(&mut self, datagram: &[u8]) -> bool {
        let media = self.media.as_deref_mut();
        media.is_none_or(|media| media.resends.pass(datagram))
    }

    /// Asks the peer for a picture that can be decoded without others.
    pub(crate) fn request_keyframe(&mut self, key: TransceiverKey) {
        let Some(section) = self.media.as_deref().and_then(|media| media.get(key)) else {
            return;
        };
        let mid = section.mid;
        if let Some(stream) = self.rtc.direct_api().stream_rx_by_mid(mid, None) {
            stream.request_keyframe(KeyframeRequestKind::Pli);
            self.dirty = true;
        }
    }

    /// Tells the peer how many bits a second it may send, by REMB.
    pub(crate) fn limit_bitrate(&mut self, key: TransceiverKey, bitrate: u64) {
        let Some(section) = self.media.as_deref().and_then(|media| media.get(key)) else {
            return;
        };
        let mid = section.mid;
        if let Some(stream) = self.rtc.direct_api().stream_rx_by_mid(mid, None) {
            stream.request_remb(bitrate.into());
            self.dirty = true;
        }
    }

    /// Lets str0m take up the packets that were written. It gives them a time only at its next time-out.
    pub(super) fn take_up_packets(&mut self, now: Instant) -> Result<(), str0m::RtcError> {
        let Some(media) = self.media.as_deref_mut() else {
            return Ok(());
        };
        if !std::mem::take(&mut media.is_written) {
            return Ok(());
        }
        self.rtc.handle_input(Input::Timeout(now))
    }

    // ---- what the peer says ----

    pub(super) fn handle_keyframe_request(&mut self, mid: Mid) {
        self.push_media(mid, MediaEvent::KeyframeWanted);
    }

    pub(super) fn handle_estimate(&mut self, estimate: BweKind) {
        if let BweKind::Remb { estimate, mid } = estimate {
            self.push_media(mid, MediaEvent::Estimate(estimate.as_u64()));
        }
    }

    pub(super) fn handle_egress_stats(&mut self, stats: &MediaEgressStats) {
        let report = ViewerReport {
            loss: stats.loss,
            jitter: stats.remote.as_ref().map_or(0, |remote| remote.jitter),
            nacks: stats.nacks,
            round_trip: stats.rtt,
        };
        self.push_media(stats.mid, MediaEvent::Report(report));
    }

    pub(super) fn handle_rtp(&mut self, packet: RtpPacket) {
        let ssrc = packet.header.ssrc;
        let Some(media) = self.media.as_deref_mut() else {
            return;
        };
        let known = media.streams.iter().find(|(of, _)| *of == ssrc);
        let key = if let Some((_, key)) = known {
            *key
        } else {
            let mid = (self.rtc.direct_api().stream_rx(&ssrc)).map(|stream| stream.mid());
            let Some(key) = mid.and_then(|mid| media.find(mid)) else {
                return;
            };
            // A section has one stream at a time.
            media.streams.retain(|(_, other)| *other != key);
            media.streams.push((ssrc, key));
            key
        };
        let packet = IncomingPacket {
            ssrc: *ssrc,
            sequence: *packet.seq_no,
            timestamp: packet.header.timestamp,
            marker: packet.header.marker,
            payload: packet.payload,
            color_space: color_space::get(&packet.header.ext_vals),
            report: packet.last_sender_info.map(report),
        };
        let event = MediaEvent::Packet(packet);
        self.events.push_back(SessionEvent::Media(key, event));
    }

    fn push_media(&mut self, mid: Mid, event: MediaEvent) {
        let key = self.media.as_deref().and_then(|media| media.find(mid));
        if let Some(key) = key {
            self.events.push_back(SessionEvent::Media(key, event));
        }
    }
}
