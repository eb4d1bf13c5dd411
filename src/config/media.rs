//! `kind = "rtp"`: the tracks of an endpoint with pictures, sound or both.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use super::Prefix;
use crate::codec::{Codec, MediaKind};

/// `kind = "rtp"`: a program that speaks RTP.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RtpConfig {
    /// `video`: the pictures. A configuration without faults has this track, the other one, or both.
    pub video: Option<TrackConfig>,
    /// `audio`: the sound.
    pub audio: Option<TrackConfig>,
}

impl RtpConfig {
    /// Returns the tracks, pictures first.
    pub fn tracks(&self) -> impl Iterator<Item = &TrackConfig> {
        self.video.iter().chain(&self.audio)
    }

    /// Returns the local addresses of all tracks: those of RTP and those of RTCP.
    pub fn local_addresses(&self) -> impl Iterator<Item = SocketAddr> {
        self.tracks().flat_map(TrackConfig::local_addresses)
    }
}

/// `endpoint.video` or `endpoint.audio`: one medium of an endpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrackConfig {
    /// The local address of RTP. `None`: the track takes media from browsers only.
    pub listen: Option<SocketAddr>,
    /// The local port of RTCP. The value means nothing without `listen`.
    pub rtcp: RtcpPlace,
    /// The networks whose addresses may send to `listen` and `rtcp`.
    pub from: Vec<Prefix>,
    /// The codec.
    pub codec: Codec,
    /// The payload type that `listen` accepts. `None`: the codec's static one, or the first dynamic one that
    /// arrives.
    pub payload_type: Option<u8>,
    /// The clock rate of RTP timestamps.
    pub clock_rate: u32,
    /// The number of channels of sound. `None` for pictures.
    pub channels: Option<u8>,
    /// The format parameters (RFC 8866 §6.15) that are added to the negotiated ones.
    pub fmtp: Option<String>,
    /// The destination of RTP that browsers send.
    pub send_to: Option<SocketAddr>,
    /// The destination of RTCP that belongs to `send_to`. Set if and only if `send_to` is.
    pub send_rtcp: Option<SocketAddr>,
    /// The payload type of packets to `send_to`.
    pub send_payload_type: u8,
    /// How many browsers may send at once.
    pub publishers: u16,
    /// The most bytes of packets since the last keyframe that are kept for later viewers; 0 for none.
    pub cache: usize,
    /// The shortest time between two requests for a keyframe.
    pub keyframe_interval: Duration,
    /// How long packets are kept to be sent again.
    pub nack: Duration,
    /// The silence after which the source counts as stopped.
    pub silence: Duration,
    /// How long a browser may buffer, the least and the most; sent as a header extension. `None`: not sent.
    pub playout_delay: Option<(Duration, Duration)>,
    /// Which viewer's estimate the source receives.
    pub bitrate: BitratePolicy,
}

impl TrackConfig {
    /// Returns the settings of a track for which only the codec is configured.
    pub fn new(codec: Codec) -> Self {
        Self {
            listen: None,
            rtcp: RtcpPlace::Mux,
            from: LOOPBACK.to_vec(),
            codec,
            payload_type: None,
            clock_rate: codec.clock_rate(),
            channels: codec.channels(),
            fmtp: None,
            send_to: None,
            send_rtcp: None,
            send_payload_type: codec
                .static_payload_type()
                .unwrap_or_else(|| dynamic_payload_type(codec.kind())),
            publishers: 1,
            cache: match codec.kind() {
                MediaKind::Video => VIDEO_CACHE,
                MediaKind::Audio => 0,
            },
            keyframe_interval: Duration::from_millis(500),
            nack: Duration::from_millis(500),
            silence: Duration::from_secs(2),
            playout_delay: None,
            bitrate: BitratePolicy::Lowest,
        }
    }

    /// Returns whether the track takes what browsers send.
    pub fn takes_from_browsers(&self) -> bool {
        self.send_to.is_some() || self.listen.is_none()
    }

    /// Returns the local addresses: that of RTP, and that of RTCP if it is another one.
    pub fn local_addresses(&self) -> impl Iterator<Item = SocketAddr> {
        let rtcp = match self.rtcp {
            RtcpPlace::At(addr) if self.listen.is_some() => Some(addr),
            RtcpPlace::At(_) | RtcpPlace::Mux => None,
        };
        self.listen.into_iter().chain(rtcp)
    }
}

/// The local port of a track's RTCP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RtcpPlace {
    /// The port of RTP (RFC 5761).
    Mux,
    /// A port of its own.
    At(SocketAddr),
}

/// Which of the viewers' bandwidth estimates the source receives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BitratePolicy {
    /// The lowest estimate.
    Lowest,
    /// The estimate in the middle: half of the viewers have a lower one.
    Median,
    /// No estimate.
    Off,
}

/// The default of `from`: the programs of this machine.
const LOOPBACK: [Prefix; 2] = [
    Prefix::new(IpAddr::V4(Ipv4Addr::new(127, 0, 0, 0)), 8),
    Prefix::new(IpAddr::V6(Ipv6Addr::LOCALHOST), 128),
];

/// The default cache of pictures: two seconds at 4 Mbit/s, which is a usual distance of keyframes.
const VIDEO_CACHE: usize = 1024 * 1024;

/// Returns the payload type for a codec that has no static one. Both are those that browsers use by habit.
fn dynamic_payload_type(kind: MediaKind) -> u8 {
    match kind {
        MediaKind::Video => 96,
        MediaKind::Audio => 111,
    }
}
