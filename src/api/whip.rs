//! The native dialect, shaped like WHIP (RFC 9725): the client POSTs an offer, receives an answer, and sends
//! candidates as fragments (RFC 8840).

use crate::session::sdp::SdpError;

/// The media type of offers and answers.
pub const SDP: &str = "application/sdp";
/// The media type of fragments.
pub const FRAGMENT: &str = "application/trickle-ice-sdpfrag";

/// Returns whether a body is a description and no fragment. Only a description begins with a version (RFC 8866 §5).
pub fn is_description(body: &[u8]) -> bool {
    body.starts_with(b"v=")
}

/// Returns whether an `If-Match` (RFC 9110 §13.1.1: `*` or a list) names this entity tag. A weak tag matches
/// nothing.
pub fn matches(if_match: &str, etag: &str) -> bool {
    let mut tags = if_match.split(',').map(str::trim);
    if_match.trim() == "*" || tags.any(|tag| tag == etag)
}

/// The content of a fragment.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Fragment<'a> {
    /// The ICE generation of the fragment; none means the current one.
    pub ufrag: Option<&'a str>,
    /// `candidate:…` values with their lines, counted from 1.
    pub candidates: Vec<(usize, &'a str)>,
}

impl<'a> Fragment<'a> {
    /// Parses a fragment. `a=end-of-candidates` has no effect because the gateway never waits for an end.
    pub fn parse(body: &'a [u8]) -> Result<Self, SdpError> {
        let text = std::str::from_utf8(body).map_err(|error| {
            let before = body.get(..error.valid_up_to()).unwrap_or_default();
            let line = 1 + before.iter().filter(|byte| **byte == b'\n').count();
            SdpError::line(line, "not UTF-8")
        })?;
        let mut fragment = Self::default();
        let mut lines = 0;
        for (index, line) in text.lines().enumerate() {
            let number = index + 1;
            lines += usize::from(!line.trim().is_empty());
            if let Some(value) = line.strip_prefix("a=") {
                if value.starts_with("candidate:") {
                    fragment.candidates.push((number, value));
                } else if let Some(ufrag) = value.strip_prefix("ice-ufrag:") {
                    fragment.ufrag = Some(ufrag.trim());
                }
            } else if !line.starts_with("m=") && !line.trim().is_empty() {
                // RFC 8840 §9 allows these two kinds of lines only.
                return Err(SdpError::line(number, "neither an a= nor an m= line"));
            }
        }
        if lines == 0 {
            return Err(SdpError::line(1, "the fragment is empty"));
        }
        Ok(fragment)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fragment_names_its_candidates_with_their_lines() {
        let text = "a=ice-ufrag:abcd\r\na=ice-pwd:x\r\nm=application 9 UDP/DTLS/SCTP 0\r\n\
                    a=mid:0\r\na=candidate:1 1 udp 1 192.0.2.1 5 typ host\r\na=end-of-candidates\r\n";
        let fragment = Fragment::parse(text.as_bytes()).expect("good");
        assert_eq!(fragment.ufrag, Some("abcd"));
        assert_eq!(
            fragment.candidates,
            [(5, "candidate:1 1 udp 1 192.0.2.1 5 typ host")]
        );
    }

    #[test]
    fn one_tag_of_a_list_is_enough() {
        for matching in [
            "*",
            " * ",
            "\"a\"",
            "\"b\", \"a\"",
            "\"a\",\"b\"",
            "W/\"a\" , \"a\"",
        ] {
            assert!(matches(matching, "\"a\""), "{matching}");
        }
        for other in ["", "a", "\"b\"", "W/\"a\"", "\"b\", W/\"a\"", "*, \"b\""] {
            assert!(!matches(other, "\"a\""), "{other}");
        }
    }

    #[test]
    fn rubbish_is_told_its_line() {
        for (body, message) in [
            (&b""[..], "line 1: the fragment is empty"),
            (
                b"a=mid:0\r\nhello\r\n",
                "line 2: neither an a= nor an m= line",
            ),
            (b"a=mid:0\r\n\xff", "line 2: not UTF-8"),
        ] {
            assert_eq!(Fragment::parse(body).expect_err("bad").to_string(), message);
        }
    }
}
