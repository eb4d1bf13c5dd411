//! Codecs of RTP streams, as the configuration names them, as SDP names them, and with the facts that their
//! payload formats fix.

/// The kind of a medium: the first word of its `m=` line (RFC 8866 §5.14).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum MediaKind {
    /// Sound.
    Audio,
    /// Pictures.
    Video,
}

impl MediaKind {
    /// Returns the name in SDP, in the configuration and in the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Audio => "audio",
            Self::Video => "video",
        }
    }
}

/// A codec that is carried over RTP.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Codec {
    /// H.264 (RFC 6184).
    H264,
    /// H.265 (RFC 7798).
    H265,
    /// VP8 (RFC 7741).
    Vp8,
    /// VP9 (RFC 9628).
    Vp9,
    /// AV1 (RTP Payload Format For AV1, version 1.0, of the Alliance for Open Media).
    Av1,
    /// Opus (RFC 7587).
    Opus,
    /// G.711 with the µ law (RFC 3551 §4.5.14).
    Pcmu,
    /// G.711 with the A law (RFC 3551 §4.5.14).
    Pcma,
    /// G.722 (RFC 3551 §4.5.2).
    G722,
}

impl Codec {
    /// All codecs: those for pictures, then those for sound.
    pub const ALL: [Self; 9] = [
        Self::H264,
        Self::H265,
        Self::Vp8,
        Self::Vp9,
        Self::Av1,
        Self::Opus,
        Self::Pcmu,
        Self::Pcma,
        Self::G722,
    ];

    /// Returns the name in SDP and in the configuration. Comparisons ignore its case (RFC 4855 §3).
    pub fn as_str(self) -> &'static str {
        match self {
            Self::H264 => "H264",
            Self::H265 => "H265",
            Self::Vp8 => "VP8",
            Self::Vp9 => "VP9",
            Self::Av1 => "AV1",
            Self::Opus => "opus",
            Self::Pcmu => "PCMU",
            Self::Pcma => "PCMA",
            Self::G722 => "G722",
        }
    }

    /// Returns the codec of this name, in any case.
    pub fn find(name: &str) -> Option<Self> {
        let mut all = Self::ALL.into_iter();
        all.find(|codec| codec.as_str().eq_ignore_ascii_case(name))
    }

    /// Returns whether the codec is for pictures or for sound.
    pub fn kind(self) -> MediaKind {
        match self {
            Self::H264 | Self::H265 | Self::Vp8 | Self::Vp9 | Self::Av1 => MediaKind::Video,
            Self::Opus | Self::Pcmu | Self::Pcma | Self::G722 => MediaKind::Audio,
        }
    }

    /// Returns how often the RTP timestamp counts in a second. For G.722 this is half of its samples, by an
    /// old mistake that became the rule (RFC 3551 §4.5.2).
    pub fn clock_rate(self) -> u32 {
        match self {
            Self::H264 | Self::H265 | Self::Vp8 | Self::Vp9 | Self::Av1 => 90_000,
            Self::Opus => 48_000,
            Self::Pcmu | Self::Pcma | Self::G722 => 8_000,
        }
    }

    /// Returns the number of channels in `a=rtpmap`, or `None` for a codec whose entry has none. Opus always
    /// has 2 there, whatever it carries (RFC 7587 §7).
    pub fn channels(self) -> Option<u8> {
        match self {
            Self::Opus => Some(2),
            Self::Pcmu | Self::Pcma | Self::G722 => Some(1),
            Self::H264 | Self::H265 | Self::Vp8 | Self::Vp9 | Self::Av1 => None,
        }
    }

    /// Returns the payload type that is reserved for the codec (RFC 3551 §6).
    pub fn static_payload_type(self) -> Option<u8> {
        match self {
            Self::Pcmu => Some(0),
            Self::Pcma => Some(8),
            Self::G722 => Some(9),
            Self::H264 | Self::H265 | Self::Vp8 | Self::Vp9 | Self::Av1 | Self::Opus => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_codec_is_found_by_its_name_in_any_case() {
        for codec in Codec::ALL {
            let name = codec.as_str();
            assert_eq!(Codec::find(name), Some(codec));
            assert_eq!(Codec::find(&name.to_lowercase()), Some(codec));
            assert_eq!(Codec::find(&name.to_uppercase()), Some(codec));
        }
        assert_eq!(Codec::find("H263"), None);
    }

    #[test]
    fn static_payload_types_are_those_of_rfc_3551() {
        let types = Codec::ALL.map(Codec::static_payload_type);
        let fixed: Vec<u8> = types.into_iter().flatten().collect();
        assert_eq!(fixed, [0, 8, 9]);
    }
}
