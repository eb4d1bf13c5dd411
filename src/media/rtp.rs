//! RTP packets (RFC 3550 §5.1), read from a local program and written for one.

use rtp_types::{RtpPacket, RtpPacketBuilder, RtpParseError};

/// A packet whose header has been read. CSRCs and header extensions are the source's own business, because
/// session descriptions of viewers number the extensions differently, so a view does not have them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RtpView<'a> {
    /// The payload type, of 7 bits.
    pub payload_type: u8,
    /// The sequence number, which starts anywhere and wraps.
    pub sequence: u16,
    /// The timestamp in the clock of the codec, which starts anywhere and wraps.
    pub timestamp: u32,
    /// The synchronization source.
    pub ssrc: u32,
    /// The marker bit. For pictures it marks the last packet of a picture.
    pub marker: bool,
    /// The payload without padding. Never empty.
    pub payload: &'a [u8],
}

/// The reason why a datagram is no packet to forward.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RtpFault {
    /// The datagram is shorter than the fixed header.
    TooShort,
    /// The version is not 2.
    BadVersion,
    /// The CSRCs or the header extension end beyond the datagram.
    BadHeader,
    /// The padding is longer than what follows the header, or 0 bytes long.
    BadPadding,
    /// Nothing but padding follows the header. Such packets probe the bandwidth or keep a path open.
    Empty,
    /// The datagram is an RTCP packet.
    NotRtp,
}

impl RtpFault {
    /// All faults.
    pub const ALL: [Self; 6] = [
        Self::TooShort,
        Self::BadVersion,
        Self::BadHeader,
        Self::BadPadding,
        Self::Empty,
        Self::NotRtp,
    ];

    /// Returns the name of the fault's counter.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::TooShort => "too-short",
            Self::BadVersion => "bad-version",
            Self::BadHeader => "bad-header",
            Self::BadPadding => "bad-padding",
            Self::Empty => "empty",
            Self::NotRtp => "not-rtp",
        }
    }
}

/// Reads the header of a packet.
///
/// # Errors
///
/// Returns the reason why the datagram has no payload to forward.
pub fn parse(datagram: &[u8]) -> Result<RtpView<'_>, RtpFault> {
    // RTCP is told apart before the length is checked, because its shortest packet has 8 bytes.
    let [first, second, ..] = datagram else {
        return Err(RtpFault::TooShort);
    };
    if first >> 6 != 2 {
        return Err(RtpFault::BadVersion);
    }
    if is_rtcp(*second) {
        return Err(RtpFault::NotRtp);
    }
    let packet = RtpPacket::parse(datagram).map_err(|error| fault(datagram, &error))?;
    // `RtpPacket::payload` would live only as long as `packet`.
    let payload = datagram
        .get(packet.payload_offset()..)
        .and_then(|rest| rest.get(..packet.payload_len()))
        .ok_or(RtpFault::BadHeader)?;
    if payload.is_empty() {
        return Err(RtpFault::Empty);
    }
    Ok(RtpView {
        payload_type: packet.payload_type(),
        sequence: packet.sequence_number(),
        timestamp: packet.timestamp(),
        ssrc: packet.ssrc(),
        marker: packet.marker_bit(),
        payload,
    })
}

/// Returns whether the second byte of a datagram makes it RTCP. Payload types 64 to 95 are reserved, because
/// with the marker bit they are the types of RTCP packets (RFC 5761 §4).
fn is_rtcp(second: u8) -> bool {
    matches!(second & 0x7f, 64..=95)
}

/// Returns what the error of the library means. The library reports a header and a padding beyond the end in
/// the same way.
fn fault(datagram: &[u8], error: &RtpParseError) -> RtpFault {
    match error {
        RtpParseError::UnsupportedVersion(_) => RtpFault::BadVersion,
        RtpParseError::PaddingInvalid(_) => RtpFault::BadPadding,
        RtpParseError::Truncated { .. } if datagram.len() < RtpPacket::MIN_RTP_PACKET_LEN => {
            RtpFault::TooShort
        }
        RtpParseError::Truncated { .. } if header_fits(datagram) => RtpFault::BadPadding,
        RtpParseError::Truncated { .. } => RtpFault::BadHeader,
    }
}

/// Returns whether the CSRCs and the header extension end within the datagram (RFC 3550 §5.1, §5.3.1).
fn header_fits(datagram: &[u8]) -> bool {
    let first = datagram.first().copied().unwrap_or(0);
    let csrcs = RtpPacket::MIN_RTP_PACKET_LEN + 4 * usize::from(first & 0x0f);
    let Some(rest) = datagram.get(csrcs..) else {
        return false;
    };
    match rest {
        _ if first & 0x10 == 0 => true,
        [_, _, high, low, extension @ ..] => {
            extension.len() >= 4 * usize::from(u16::from_be_bytes([*high, *low]))
        }
        _ => false,
    }
}

/// Appends a packet without CSRCs, extension and padding. A payload type has 7 bits; a higher bit is ignored.
pub fn write(into: &mut Vec<u8>, packet: &RtpView<'_>) {
    let builder: RtpPacketBuilder<&[u8], &[u8]> = RtpPacketBuilder::new()
        .payload_type(packet.payload_type & 0x7f)
        .sequence_number(packet.sequence)
        .timestamp(packet.timestamp)
        .ssrc(packet.ssrc)
        .marker_bit(packet.marker)
        .payload(packet.payload);
    let written = builder.write_into_vec(into);
    written.expect("a payload type of 7 bits, and neither CSRCs nor extension");
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Version 2, marker, payload type 96, sequence 1, timestamp 2, SSRC 3.
    const FIXED: [u8; 12] = [0x80, 0xe0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3];

    /// Returns a packet with these flags in its first byte and these bytes after the fixed header.
    fn packet(flags: u8, rest: &[u8]) -> Vec<u8> {
        let mut packet = [&FIXED, rest].concat();
        packet[0] |= flags;
        packet
    }

    fn payload(packet: &[u8]) -> Result<&[u8], RtpFault> {
        parse(packet).map(|view| view.payload)
    }

    #[test]
    fn a_packet_of_gstreamer_is_read() {
        // The SPS as rtph264pay sent it with `pt=97 ssrc=305419896 seqnum-offset=4660 timestamp-offset=1985229328`,
        // as the second packet.
        let packet = [
            0x80, 0x61, 0x12, 0x35, 0x76, 0x54, 0x32, 0x10, 0x12, 0x34, 0x56, 0x78, 0x67, 0x64,
            0x00, 0x14, 0xac, 0xd9, 0x42, 0x84,
        ];
        let expected = RtpView {
            payload_type: 97,
            sequence: 4_660 + 1,
            timestamp: 1_985_229_328,
            ssrc: 305_419_896,
            marker: false,
            payload: &[0x67, 0x64, 0x00, 0x14, 0xac, 0xd9, 0x42, 0x84],
        };
        assert_eq!(parse(&packet), Ok(expected));
    }

    #[test]
    fn csrcs_extension_and_padding_are_not_payload() {
        assert_eq!(payload(&packet(0, &[9])), Ok(&[9][..]));
        assert_eq!(payload(&packet(1, &[1, 1, 1, 1, 9])), Ok(&[9][..]));
        let extension = [0xbe, 0xde, 0, 1, 1, 1, 1, 1];
        let extended = packet(0x10, &[&extension[..], &[9]].concat());
        assert_eq!(payload(&extended), Ok(&[9][..]));
        assert_eq!(payload(&packet(0x20, &[9, 8, 0, 0, 3])), Ok(&[9, 8][..]));
        let all = packet(0x32, &[&[7; 8], &extension[..], &[9, 1]].concat());
        assert_eq!(payload(&all), Ok(&[9][..]));
    }

    #[test]
    fn each_fault_has_its_reason() {
        for length in 0..FIXED.len() {
            assert_eq!(parse(&FIXED[..length]), Err(RtpFault::TooShort), "{length}");
        }
        for version in [0x00, 0x40, 0xc0] {
            let mut other = packet(0, &[9]);
            other[0] = version;
            assert_eq!(parse(&other), Err(RtpFault::BadVersion));
        }
        assert_eq!(parse(&FIXED), Err(RtpFault::Empty));
        assert_eq!(parse(&packet(0x20, &[0, 0, 3])), Err(RtpFault::Empty));
        for beyond in [
            packet(1, &[1, 1, 1]),
            packet(0x0f, &[1; 59]),
            packet(0x10, &[0, 0, 0]),
            packet(0x10, &[0, 0, 0, 1, 1, 1, 1]),
            packet(0x10, &[0, 0, 0xff, 0xff, 1, 1, 1]),
            // The last byte would be a padding that fits.
            packet(0x30, &[0, 0, 0, 2, 1, 1, 1, 1]),
            packet(0x21, &[1, 1]),
        ] {
            assert_eq!(parse(&beyond), Err(RtpFault::BadHeader), "{beyond:?}");
        }
        for padding in [
            packet(0x20, &[]),
            packet(0x20, &[9, 0]),
            packet(0x20, &[9, 3]),
            packet(0x21, &[1, 1, 1, 1, 2]),
            packet(0x30, &[0, 0, 0, 0, 2]),
        ] {
            assert_eq!(parse(&padding), Err(RtpFault::BadPadding), "{padding:?}");
        }
    }

    #[test]
    fn rtcp_is_not_rtp_even_if_it_is_short() {
        // An empty receiver report, and each type of RTCP packets with enough bytes for RTP.
        assert_eq!(parse(&[0x80, 201, 0, 1, 0, 0, 0, 1]), Err(RtpFault::NotRtp));
        for kind in 192..=223 {
            let mut rtcp = packet(0, &[9]);
            rtcp[1] = kind;
            assert_eq!(parse(&rtcp), Err(RtpFault::NotRtp));
        }
        for (kind, payload_type) in [(191, 63), (224, 96), (0, 0), (0x80, 0), (255, 127)] {
            let mut rtp = packet(0, &[9]);
            rtp[1] = kind;
            let read = parse(&rtp).expect("RTP");
            assert_eq!(read.payload_type, payload_type);
        }
    }

    #[test]
    fn what_is_written_is_read_and_appended() {
        let view = RtpView {
            payload_type: 127,
            sequence: u16::MAX,
            timestamp: u32::MAX,
            ssrc: 0x0102_0304,
            marker: true,
            payload: &[5; 1_200],
        };
        let mut wire = vec![42];
        write(&mut wire, &view);
        assert_eq!(wire.len(), 1 + 12 + 1_200);
        assert_eq!(wire[..3], [42, 0x80, 0xff]);
        assert_eq!(parse(&wire[1..]), Ok(view));
        let unmarked = RtpView {
            marker: false,
            payload_type: 0,
            ..view
        };
        wire.clear();
        write(&mut wire, &unmarked);
        assert_eq!(parse(&wire), Ok(unmarked));
    }

    #[test]
    fn faults_have_names_of_their_own() {
        let names: std::collections::BTreeSet<_> = RtpFault::ALL.map(RtpFault::as_str).into();
        assert_eq!(names.len(), RtpFault::ALL.len());
        // They stand in the API beside other reasons, which have hyphens.
        assert!(names.iter().all(|name| !name.contains('_')), "{names:?}");
    }
}
