//! A track: pictures or sound of an endpoint, from its source to its viewers.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use super::keyframe::is_keyframe_start;
use super::packets::{Packet, PacketLog};
use super::rtp::{RtpFault, RtpView};
use super::source::{Numbered, Numbering, Numbers, Restart, SourceNumbers};
use super::stats::{Dropped, TrackStats};
use crate::codec::MediaKind;
use crate::config::TrackConfig;
use crate::ids::{EndpointId, SourceId, ViewerId};

/// The longest payload that can be forwarded. What is longer would not fit into one packet of any network.
const MAX_PAYLOAD: usize = crate::limits::RTP_PAYLOAD;
/// The longest payload that fits into one packet on nearly every path, with all headers.
const SAFE_PAYLOAD: usize = 1_200;

/// A packet that may begin a new stream.
#[derive(Debug)]
struct Held {
    numbers: SourceNumbers,
    marker: bool,
    payload: Arc<[u8]>,
}

/// Pictures or sound of an endpoint.
#[derive(Debug)]
pub(crate) struct Track {
    pub(crate) endpoint: EndpointId,
    /// The name of the endpoint, for the log.
    pub(crate) name: String,
    pub(crate) config: TrackConfig,
    /// The sockets for RTP and for RTCP, if they are to be open.
    pub(crate) sockets: [Option<SourceId>; 2],
    pub(crate) log: PacketLog,
    pub(crate) viewers: Vec<ViewerId>,
    /// Our SSRC towards the source.
    pub(crate) own_ssrc: u32,
    numbering: Numbering,
    /// The program that sends, until it has been silent.
    sender: Option<SocketAddr>,
    /// Where RTCP for the source goes, once it is known.
    pub(crate) rtcp_sender: Option<SocketAddr>,
    payload_type: Option<u8>,
    held: Option<Held>,
    pub(crate) last_keyframe: Option<Instant>,
    /// Whether somebody wants a keyframe that the source may not be asked for yet.
    pub(crate) wants_keyframe: bool,
    /// Why a socket is not open.
    pub(crate) trouble: Option<String>,
    pub(crate) stats: TrackStats,
    /// Whether the log has said that packets are long, or have another payload type.
    has_warned: [bool; 2],
}

/// What a packet has changed.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Change {
    /// Whether viewers have something to get.
    pub(crate) has_news: bool,
    /// Whether the source has begun anew.
    pub(crate) has_restarted: bool,
}

impl Track {
    /// Returns a track without a source.
    pub(crate) fn new(
        endpoint: EndpointId,
        name: &str,
        config: TrackConfig,
        own_ssrc: u32,
    ) -> Self {
        Self {
            endpoint,
            name: name.to_owned(),
            sockets: [None; 2],
            log: PacketLog::new(config.cache),
            viewers: Vec::new(),
            own_ssrc,
            numbering: Numbering::new(config.clock_rate, config.silence),
            sender: None,
            rtcp_sender: None,
            payload_type: config.payload_type.or(config.codec.static_payload_type()),
            held: None,
            last_keyframe: None,
            wants_keyframe: false,
            trouble: None,
            stats: TrackStats::default(),
            has_warned: [false; 2],
            config,
        }
    }

    /// Returns whether packets have come lately.
    pub(crate) fn is_live(&self, now: Instant) -> bool {
        self.numbering.is_live(now)
    }

    /// Returns the SSRC of the source.
    pub(crate) fn ssrc(&self) -> Option<u32> {
        self.numbering.ssrc()
    }

    /// Returns whether this program may send to the track now. The first one is kept until it is silent.
    pub(crate) fn admits(&mut self, now: Instant, remote: SocketAddr) -> bool {
        let ip = remote.ip().to_canonical();
        if !self.config.from.iter().any(|prefix| prefix.contains(ip)) {
            self.stats.drop(Dropped::Stranger);
            return false;
        }
        if self.sender.is_some_and(|sender| sender != remote) && self.is_live(now) {
            self.stats.drop(Dropped::OtherSender);
            return false;
        }
        self.sender = Some(remote);
        true
    }

    /// Handles a datagram of an admitted sender.
    pub(crate) fn handle_rtp(&mut self, now: Instant, datagram: &[u8]) -> Change {
        self.stats.received.add_one(datagram.len());
        let packet = match super::rtp::parse(datagram) {
            Ok(packet) => packet,
            Err(fault) => {
                self.stats.drop(Dropped::Fault(fault));
                return Change::default();
            }
        };
        if !self.accepts(packet.payload_type) {
            self.stats.drop(Dropped::PayloadType);
            return Change::default();
        }
        if packet.payload.len() > SAFE_PAYLOAD {
            self.warn_of_size(packet.payload.len());
            if packet.payload.len() > MAX_PAYLOAD {
                self.stats.drop(Dropped::TooLong);
                return Change::default();
            }
        }
        self.take(now, &packet)
    }

    fn take(&mut self, now: Instant, packet: &RtpView<'_>) -> Change {
        let numbers = SourceNumbers {
            ssrc: packet.ssrc,
            sequence: packet.sequence,
            timestamp: packet.timestamp,
        };
        match self.numbering.number(now, numbers) {
            Numbered::Take { numbers, restart } => {
                let mut change = Change {
                    has_news: true,
                    has_restarted: restart.is_some(),
                };
                if restart.is_some() {
                    self.stats.restarts += 1;
                    self.log.forget_keyframe();
                }
                let mut numbers = numbers;
                // The packet before this one is of the same new stream.
                let is_stream = restart == Some(Restart::Stream);
                let held = self
                    .held
                    .take_if(|held| is_stream && held.numbers.ssrc == packet.ssrc);
                if let Some(held) = held {
                    let behind = packet.timestamp.wrapping_sub(held.numbers.timestamp);
                    let first = Numbers {
                        sequence: numbers.sequence,
                        timestamp: numbers.timestamp.wrapping_sub(behind),
                    };
                    self.push(now, first, held.marker, held.payload);
                    numbers.sequence = self.numbering.make_room();
                }
                self.push(now, numbers, packet.marker, Arc::from(packet.payload));
                change.has_news |= !self.viewers.is_empty();
                change
            }
            Numbered::Hold => {
                let held = self.held.replace(Held {
                    numbers,
                    marker: packet.marker,
                    payload: Arc::from(packet.payload),
                });
                if held.is_some() {
                    self.stats.drop(Dropped::OtherStream);
                }
                Change::default()
            }
            Numbered::Duplicate => {
                self.stats.drop(Dropped::Duplicate);
                Change::default()
            }
            Numbered::Replaced => {
                self.stats.drop(Dropped::OtherStream);
                Change::default()
            }
        }
    }

    fn push(&mut self, now: Instant, numbers: Numbers, marker: bool, payload: Arc<[u8]>) {
        let begins_keyframe = is_keyframe_start(self.config.codec, &payload);
        if begins_keyframe && self.config.codec.kind() == MediaKind::Video {
            self.last_keyframe = Some(now);
        }
        self.stats.forwarded.add_one(payload.len());
        self.log.push(Packet {
            numbers,
            marker,
            begins_keyframe,
            wallclock: now,
            payload,
        });
    }

    /// Returns whether packets of this type are the track's. Without a configured type the first dynamic one
    /// becomes the track's.
    fn accepts(&mut self, payload_type: u8) -> bool {
        let expected = *self.payload_type.get_or_insert_with(|| payload_type);
        if payload_type == expected {
            return true;
        }
        if !std::mem::replace(&mut self.has_warned[1], true) {
            let (name, kind) = (&self.name, self.config.codec.kind().as_str());
            log::warn!(
                "endpoint {name}: {kind} packets of payload type {payload_type} are dropped, {expected} is expected"
            );
        }
        false
    }

    fn warn_of_size(&mut self, size: usize) {
        if std::mem::replace(&mut self.has_warned[0], true) {
            return;
        }
        log::warn!(
            "endpoint {}: a packet has {size} bytes of payload; more than {SAFE_PAYLOAD} do not pass every network \
             (GStreamer: mtu=1200 of the payloader, FFmpeg: pkt_size=1200)",
            self.name
        );
    }

    /// Handles the end of the stream, as its source has said it.
    pub(crate) fn handle_bye(&mut self, now: Instant, ssrc: u32) -> bool {
        let is_ours = self.numbering.ssrc() == Some(ssrc);
        if is_ours {
            self.numbering.end(now);
        }
        is_ours
    }

    /// Returns the program that sends.
    pub(crate) fn sender(&self) -> Option<SocketAddr> {
        self.sender
    }

    /// Returns the payload type that is accepted, once it is known.
    pub(crate) fn payload_type(&self) -> Option<u8> {
        self.payload_type
    }
}

impl Dropped {
    /// Returns the name in the API and in the metrics.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Stranger => "stranger",
            Self::OtherSender => "other-sender",
            Self::OtherStream => "other-stream",
            Self::PayloadType => "payload-type",
            Self::Duplicate => "duplicate",
            Self::TooLong => "too-long",
            Self::Fault(fault) => RtpFault::as_str(fault),
        }
    }
}
