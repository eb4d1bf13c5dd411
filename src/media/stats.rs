//! Counters of tracks.

use std::collections::BTreeMap;

use super::rtp::RtpFault;

/// Packets and their bytes.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Packets {
    pub(crate) packets: u64,
    pub(crate) bytes: u64,
}

impl Packets {
    /// Adds one packet of this size.
    pub(crate) fn add_one(&mut self, bytes: usize) {
        self.packets += 1;
        self.bytes += bytes as u64;
    }
}

/// Why a packet of a source was dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Dropped {
    /// Its sender is not in `from`.
    Stranger,
    /// Another program sends already.
    OtherSender,
    /// It is of another stream than the present one.
    OtherStream,
    /// It has another payload type.
    PayloadType,
    /// It came before.
    Duplicate,
    /// It belongs before the first packet of its browser.
    Early,
    /// It is longer than a packet to a browser may be.
    TooLong,
    /// It is no RTP packet.
    Fault(RtpFault),
}

/// Counters of a track.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct TrackStats {
    /// Datagrams of admitted senders, with their headers.
    pub(crate) received: Packets,
    /// Packets that went on to viewers, without headers.
    pub(crate) forwarded: Packets,
    /// Packets of browsers, without headers.
    pub(crate) published: Packets,
    pub(crate) dropped: BTreeMap<Dropped, u64>,
    /// RTCP of the source, and datagrams that should have been RTCP.
    pub(crate) rtcp: u64,
    pub(crate) bad_rtcp: u64,
    /// How often the source has begun anew.
    pub(crate) restarts: u64,
    /// Keyframes of the source.
    pub(crate) keyframes: u64,
    /// How often viewers have asked for a keyframe, and how often the source was asked.
    pub(crate) keyframes_wanted: u64,
    pub(crate) keyframes_requested: u64,
}

impl TrackStats {
    /// Counts a dropped packet.
    pub(crate) fn drop(&mut self, why: Dropped) {
        *self.dropped.entry(why).or_default() += 1;
    }
}
