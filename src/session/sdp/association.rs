//! The transport that all sections of a session share, in checked values, and the text about it that str0m
//! sees. Lines on which str0m would fail, or which it would read from the wrong place, never reach it.

use std::fmt::Write as _;

use super::SdpError;
use super::sections::{Section, Sections, Transport, Valued};
use crate::limits;

/// The transport of a session (RFC 8839, RFC 8122) with the limit of its data channels (RFC 8841), in checked
/// values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Association<'a> {
    pub(super) ufrag: &'a str,
    password: &'a str,
    setup: Option<String>,
    fingerprint: String,
    is_ice_lite: bool,
    max_message: Option<u64>,
    /// The candidates to check, as whole lines.
    pub(super) candidates: Vec<&'a str>,
}

impl<'a> Association<'a> {
    /// Collects the values of a section's transport: from the section itself, from the first section of its
    /// bundle, or from the session.
    pub(super) fn gather(
        all: &Sections<'a>,
        ours: &Section<'a>,
        what: &str,
    ) -> Result<Self, SdpError> {
        let first = all.bundle_of(ours).and_then(|mids| {
            let first = mids.split_ascii_whitespace().next();
            all.media.iter().find(|section| section.mid == first)
        });
        let nothing = Transport::default();
        let places = [
            &ours.transport,
            first.map_or(&nothing, |first| &first.transport),
            &all.transport,
        ];
        let missing = |name| SdpError::whole(format!("the {what} has no a={name}"));
        // The fragment and the password must come from the same place (RFC 8839 §5.4).
        let credentials = places.iter().find(|place| place.ufrag.is_some());
        let credentials = credentials.ok_or_else(|| missing("ice-ufrag"))?;
        let ufrag = credentials.ufrag.ok_or_else(|| missing("ice-ufrag"))?;
        let password = places.iter().find_map(|place| place.password);
        let password = credentials.password.or(password);
        let password = password.ok_or_else(|| missing("ice-pwd"))?;
        let fingerprints = places.iter().find(|place| !place.fingerprints.is_empty());
        let fingerprints = fingerprints.ok_or_else(|| missing("fingerprint"))?;
        let setup = places.iter().find_map(|place| place.setup);
        let mut candidates = ours.candidates.clone();
        if let Some(first) = first.filter(|first| first.shares_transport(ours)) {
            for candidate in &first.candidates {
                if !candidates.contains(candidate) {
                    candidates.push(candidate);
                }
            }
        }
        candidates.truncate(limits::CHECKED_CANDIDATES);
        Ok(Self {
            ufrag: ice_characters(ufrag, 4, "ufrag")?,
            password: ice_characters(password, 22, "password")?,
            setup: setup.map(role).transpose()?,
            fingerprint: sha_256(&fingerprints.fingerprints)?,
            is_ice_lite: all.is_ice_lite,
            max_message: ours.max_message,
            candidates,
        })
    }

    /// Returns the largest message that the peer accepts, and never more than our own limit.
    pub(super) fn max_message(&self) -> usize {
        // RFC 8841 §6.1: without the attribute the limit is 64 KiB, and 0 means no limit.
        match self.max_message.unwrap_or(65_536) {
            0 => limits::MAX_MESSAGE,
            n => usize::try_from(n).map_or(limits::MAX_MESSAGE, |n| n.min(limits::MAX_MESSAGE)),
        }
    }

    /// Begins a description for str0m whose sections have these names.
    pub(super) fn begin(&self, mids: &str) -> String {
        let lite = if self.is_ice_lite {
            "a=ice-lite\r\n"
        } else {
            ""
        };
        format!("v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\na=group:BUNDLE {mids}\r\n{lite}")
    }

    /// Adds the lines about the transport, which each section of a description has.
    pub(super) fn write_transport(&self, text: &mut String) {
        let _never_fails = write!(
            text,
            "a=ice-ufrag:{}\r\na=ice-pwd:{}\r\na=fingerprint:{}\r\n",
            self.ufrag, self.password, self.fingerprint,
        );
        if let Some(setup) = &self.setup {
            let _never_fails = write!(text, "a=setup:{setup}\r\n");
        }
    }

    /// Adds the section of the data channels.
    pub(super) fn write_data_channel(&self, mid: &str, text: &mut String) {
        let _never_fails = write!(
            text,
            "m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\nc=IN IP4 0.0.0.0\r\na=mid:{mid}\r\n"
        );
        self.write_transport(text);
        text.push_str("a=sctp-port:5000\r\n");
        if let Some(size) = self.max_message {
            let size = size.min(u64::from(u32::MAX));
            let _never_fails = write!(text, "a=max-message-size:{size}\r\n");
        }
    }

    /// Adds a section that is stopped (RFC 3264 §8.2), whose format means nothing.
    pub(super) fn write_stopped(&self, mid: &str, text: &mut String) {
        let _never_fails = write!(
            text,
            "m=audio 0 UDP/TLS/RTP/SAVPF 127\r\nc=IN IP4 0.0.0.0\r\na=mid:{mid}\r\na=inactive\r\n\
             a=rtpmap:127 none/8000\r\n"
        );
        self.write_transport(text);
    }

    /// Adds the candidates to check.
    pub(super) fn write_candidates(&self, text: &mut String) {
        for candidate in &self.candidates {
            let _never_fails = write!(text, "{candidate}\r\n");
        }
    }
}

impl Section<'_> {
    fn shares_transport(&self, other: &Section<'_>) -> bool {
        let (ours, theirs) = (self.transport.ufrag, other.transport.ufrag);
        let same = ours.map(|(_, ufrag)| ufrag) == theirs.map(|(_, ufrag)| ufrag);
        self.number != other.number && (same || theirs.is_none())
    }
}

/// Checks a fragment or password (RFC 8839 §5.4): 4 or 22 to 256 letters, digits, `+` and `/`. Some libraries
/// write other characters, which do no harm.
fn ice_characters<'a>(
    (line, value): Valued<'a>,
    shortest: usize,
    name: &str,
) -> Result<&'a str, SdpError> {
    let is_good =
        (shortest..=256).contains(&value.len()) && value.bytes().all(|c| c.is_ascii_graphic());
    if !is_good {
        let detail = format!("an ICE {name} has {shortest} to 256 letters and digits");
        return Err(SdpError::line(line, detail));
    }
    Ok(value)
}

/// Reads a role (RFC 4145 §4).
fn role((line, value): Valued<'_>) -> Result<String, SdpError> {
    let role = value.to_ascii_lowercase();
    if ["active", "passive", "actpass"].contains(&role.as_str()) {
        return Ok(role);
    }
    Err(SdpError::line(line, "none of actpass, active and passive"))
}

/// Returns the first fingerprint that can be compared, in the form that str0m requires. The name of the hash
/// may be in any case (RFC 8122 §5).
fn sha_256(fingerprints: &[Valued<'_>]) -> Result<String, SdpError> {
    const BYTES: usize = 32;
    for (line, value) in fingerprints {
        let Some((hash, digest)) = value.split_once(' ') else {
            return Err(SdpError::line(
                *line,
                "not of the form <hash> <fingerprint>",
            ));
        };
        if !hash.eq_ignore_ascii_case("sha-256") {
            continue;
        }
        let digest = digest.trim().to_ascii_uppercase();
        let mut pairs = digest.split(':');
        let is_hex = |pair: &str| pair.len() == 2 && pair.bytes().all(|c| c.is_ascii_hexdigit());
        if pairs.clone().count() != BYTES || !pairs.all(is_hex) {
            let detail =
                "a sha-256 fingerprint has 32 pairs of hexadecimal digits with colons between them";
            return Err(SdpError::line(*line, detail));
        }
        return Ok(format!("sha-256 {digest}"));
    }
    let line = fingerprints.first().map_or(0, |(line, _)| *line);
    let detail = "no fingerprint that can be compared: sha-256 is needed (RFC 8122 §5)";
    Err(SdpError {
        unsupported: true,
        ..SdpError::line(line, detail)
    })
}
