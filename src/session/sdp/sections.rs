//! A description in parts (RFC 8866): the lines of the session, and of each media section the values that
//! concern a data channel.

use super::SdpError;
use super::candidate;
use crate::limits;

/// The most media sections in a description: more than any browser offers.
const MAX_SECTIONS: usize = 32;

/// The most lines in a description. Chromium's offer with every codec has about 300; the time to parse grows
/// with the number of lines.
const MAX_LINES: usize = 2_000;

/// An attribute's value with its line, counted from 1.
pub(super) type Valued<'a> = (usize, &'a str);

/// The values of a section about its transport. The session may give them for all sections (RFC 8839 §4.4.3,
/// RFC 8122 §5).
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) struct Transport<'a> {
    pub(super) ufrag: Option<Valued<'a>>,
    pub(super) password: Option<Valued<'a>>,
    pub(super) setup: Option<Valued<'a>>,
    pub(super) fingerprints: Vec<Valued<'a>>,
}

/// One media section.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) struct Section<'a> {
    /// The number of the m= line.
    pub(super) number: usize,
    /// The four parts of the m= line (RFC 8866 §5.14).
    pub(super) media: &'a str,
    pub(super) port: &'a str,
    pub(super) proto: &'a str,
    pub(super) formats: &'a str,
    pub(super) mid: Option<&'a str>,
    pub(super) transport: Transport<'a>,
    /// The lines `a=candidate:…` that ICE here would check.
    pub(super) candidates: Vec<&'a str>,
    pub(super) max_message: Option<u64>,
    /// The value of `a=sctpmap`, which was used before RFC 8841.
    pub(super) sctpmap: Option<&'a str>,
    pub(super) is_bundle_only: bool,
    pub(super) is_rtcp_mux: bool,
    /// The lines `a=rtpmap:…` and `a=fmtp:…`.
    pub(super) codecs: Vec<&'a str>,
    /// The direction of the section, as its name (RFC 8866 §6.7). Empty: none is given.
    pub(super) direction: &'a str,
    /// Other lines that only a section with a track needs: feedback, extensions, and the streams of the peer.
    pub(super) of_track: Vec<&'a str>,
}

impl Section<'_> {
    /// Returns whether the section is SCTP for data channels (RFC 8841 §4.3, and drafts before it).
    pub(super) fn is_data_channel(&self) -> bool {
        let is_sctp = self.media.eq_ignore_ascii_case("application")
            && self.proto.to_ascii_uppercase().ends_with("DTLS/SCTP");
        is_sctp && (names_data_channel(self.formats) || self.is_old())
    }

    /// Returns whether the section has the form used before RFC 8841, with a port in place of the format.
    pub(super) fn is_old(&self) -> bool {
        self.sctpmap.is_some_and(|map| {
            let mut words = map.split_ascii_whitespace();
            words.next() == Some(self.formats.trim())
                && words.next().is_some_and(names_data_channel)
        })
    }

    /// Returns the section's first format, with the lines about that format.
    pub(super) fn codec(&self) -> (&str, impl Iterator<Item = &&str>) {
        let format = self.formats.split(' ').next().unwrap_or_default();
        let lines = self.codecs.iter();
        let of_it = lines.filter(move |line| {
            let value = line.split_once(':').map(|(_, value)| value);
            value.and_then(|value| value.split(' ').next()) == Some(format)
        });
        (format, of_it)
    }

    /// Returns whether the offerer itself has rejected the section (RFC 8866 §5.14, RFC 9143 §6).
    pub(super) fn is_rejected(&self) -> bool {
        self.port == "0" && !self.is_bundle_only
    }

    /// Returns whether nothing is to be sent either way (RFC 8866 §6.7.4).
    pub(super) fn is_inactive(&self) -> bool {
        self.direction == "a=inactive"
    }
}

fn names_data_channel(format: &str) -> bool {
    format.trim().eq_ignore_ascii_case("webrtc-datachannel")
}

/// A whole description.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Sections<'a> {
    pub(super) transport: Transport<'a>,
    pub(super) is_ice_lite: bool,
    /// The mids of each `a=group:BUNDLE` (RFC 9143).
    pub(super) bundles: Vec<&'a str>,
    pub(super) media: Vec<Section<'a>>,
    candidates: usize,
}

impl<'a> Sections<'a> {
    /// Reads a description line by line.
    pub(super) fn read(text: &'a str) -> Result<Self, SdpError> {
        let mut found = Self::default();
        // Some libraries end a description with an empty line.
        for (index, line) in text.trim_end().lines().enumerate() {
            if index == MAX_LINES {
                let detail = format!("more than {MAX_LINES} lines");
                return Err(SdpError::line(index + 1, detail));
            }
            found.line(index + 1, line)?;
        }
        Ok(found)
    }

    /// Returns the mids that share a transport with this section, if it is in a group. The first of them
    /// carries the values for all.
    pub(super) fn bundle_of(&self, section: &Section<'_>) -> Option<&'a str> {
        let mid = section.mid?;
        let mut bundles = self.bundles.iter();
        bundles
            .find(|mids| mids.split_ascii_whitespace().any(|other| other == mid))
            .copied()
    }

    fn line(&mut self, number: usize, line: &'a str) -> Result<(), SdpError> {
        let mut chars = line.chars();
        let (kind, equals) = (chars.next(), chars.next());
        if !kind.is_some_and(|c| c.is_ascii_lowercase()) || equals != Some('=') {
            return Err(SdpError::line(number, "not of the form <letter>=<value>"));
        }
        if number == 1 && line.trim_end() != "v=0" {
            return Err(SdpError::line(1, "an SDP description begins with v=0"));
        }
        if let Some(media) = line.strip_prefix("m=") {
            return self.media_line(number, media);
        }
        let Some(attribute) = line.strip_prefix("a=") else {
            return Ok(());
        };
        let (name, value) = attribute.split_once(':').unwrap_or((attribute, ""));
        let (valued, mut words) = ((number, value.trim()), value.split_ascii_whitespace());
        let transport = match self.media.last_mut() {
            Some(section) => &mut section.transport,
            None => &mut self.transport,
        };
        match name.trim_end() {
            "ice-ufrag" => transport.ufrag = Some(valued),
            "ice-pwd" => transport.password = Some(valued),
            "setup" => transport.setup = Some(valued),
            "fingerprint" => transport.fingerprints.push(valued),
            "ice-lite" => self.is_ice_lite = true,
            "group" if words.next() == Some("BUNDLE") => {
                self.bundles
                    .push(value.trim_start().trim_start_matches("BUNDLE").trim());
            }
            "candidate" => {
                self.candidates += 1;
                if self.candidates > limits::REMOTE_CANDIDATES {
                    let detail = format!("more than {} candidates", limits::REMOTE_CANDIDATES);
                    return Err(SdpError::line(number, detail));
                }
                let is_usable = candidate::is_usable(attribute)
                    .map_err(|detail| SdpError::line(number, detail))?;
                if let Some(section) = self.media.last_mut().filter(|_| is_usable) {
                    section.candidates.push(line.trim_end());
                }
            }
            _ => return self.media_attribute(valued, line, name),
        }
        Ok(())
    }

    fn media_line(&mut self, number: usize, media: &'a str) -> Result<(), SdpError> {
        if self.media.len() == MAX_SECTIONS {
            let detail = format!("more than {MAX_SECTIONS} m= lines");
            return Err(SdpError::line(number, detail));
        }
        let mut parts = media.splitn(4, ' ');
        let mut part = || parts.next().filter(|part| !part.trim().is_empty());
        let (Some(media), Some(port), Some(proto), Some(formats)) =
            (part(), part(), part(), part())
        else {
            let detail = "not of the form m=<media> <port> <proto> <fmt>";
            return Err(SdpError::line(number, detail));
        };
        self.media.push(Section {
            number,
            media,
            port,
            proto,
            formats: formats.trim_end(),
            ..Section::default()
        });
        Ok(())
    }

    fn media_attribute(
        &mut self,
        (number, value): Valued<'a>,
        line: &'a str,
        name: &str,
    ) -> Result<(), SdpError> {
        let Some(section) = self.media.last_mut() else {
            return Ok(());
        };
        match name {
            "mid" => section.mid = Some(value),
            "sctpmap" => section.sctpmap = Some(value),
            "bundle-only" => section.is_bundle_only = true,
            "rtcp-mux" => section.is_rtcp_mux = true,
            "rtpmap" | "fmtp" => section.codecs.push(line.trim_end()),
            "sendrecv" | "sendonly" | "recvonly" | "inactive" => {
                section.direction = line.trim_end();
            }
            "rtcp-fb" | "extmap" | "ssrc" | "ssrc-group" | "rid" | "simulcast" => {
                section.of_track.push(line.trim_end());
            }
            "max-message-size" => {
                let size = value.parse();
                let size = size.map_err(|_| SdpError::line(number, "not a number"))?;
                section.max_message = Some(size);
            }
            _ => {}
        }
        Ok(())
    }
}
