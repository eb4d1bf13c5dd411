//! Payloads: several packets in the body of one request or answer.
//!
//! Revision 3 writes `<length>:<packet>` for each packet, where the length is that of a JavaScript string: a
//! character above U+FFFF counts twice. Revision 4 puts U+001E between packets, which JSON contains only as
//! an escape.

use std::fmt;

use super::Revision;

/// The packets of a body, in order. After an error no packets follow.
#[derive(Debug, Clone)]
pub struct Packets<'a> {
    revision: Revision,
    /// The rest of the body; `None` at the end. In revision 4, the text after a separator is a packet even if
    /// it is empty.
    rest: Option<&'a str>,
    left: usize,
}

impl<'a> Packets<'a> {
    /// Returns the packets of this body, at most `most`.
    pub fn new(revision: Revision, body: &'a str, most: usize) -> Self {
        Self {
            revision,
            rest: Some(body),
            left: most,
        }
    }

    fn cut(&self, rest: &'a str) -> Result<(&'a str, Option<&'a str>), PayloadError> {
        match self.revision {
            Revision::Three => {
                let (length, rest) = rest.split_once(':').ok_or(PayloadError::Length)?;
                // `parse` alone would accept a plus sign.
                if length.is_empty() || !length.bytes().all(|it| it.is_ascii_digit()) {
                    return Err(PayloadError::Length);
                }
                let length = length.parse().map_err(|_| PayloadError::Length)?;
                let end = utf16_offset(rest, length).ok_or(PayloadError::Short)?;
                let (packet, rest) = rest.split_at_checked(end).ok_or(PayloadError::Short)?;
                Ok((packet, Some(rest).filter(|rest| !rest.is_empty())))
            }
            Revision::Four => match rest.split_once(SEPARATOR) {
                Some((packet, rest)) => Ok((packet, Some(rest))),
                None => Ok((rest, None)),
            },
        }
    }
}

impl<'a> Iterator for Packets<'a> {
    type Item = Result<&'a str, PayloadError>;

    fn next(&mut self) -> Option<Self::Item> {
        let rest = self.rest.take()?;
        let Some(left) = self.left.checked_sub(1) else {
            return Some(Err(PayloadError::TooMany));
        };
        self.left = left;
        Some(self.cut(rest).map(|(packet, rest)| {
            self.rest = rest;
            packet
        }))
    }
}

/// A writer that puts packets into a body.
#[derive(Debug)]
pub struct Writer {
    revision: Revision,
    longest: usize,
    body: String,
}

impl Writer {
    /// Returns a writer with an empty body for at most `longest` bytes.
    pub fn new(revision: Revision, longest: usize) -> Self {
        Self {
            revision,
            longest,
            body: String::new(),
        }
    }

    /// Appends a packet, or returns false and appends nothing. An empty body takes any packet, so that a long
    /// packet does not wait forever.
    #[must_use]
    pub fn push(&mut self, packet: &str) -> bool {
        let head = match self.revision {
            Revision::Three => format!("{}:", packet.encode_utf16().count()),
            Revision::Four if self.body.is_empty() => String::new(),
            Revision::Four => SEPARATOR.to_string(),
        };
        let len = self.body.len() + head.len() + packet.len();
        if !self.body.is_empty() && len > self.longest {
            return false;
        }
        self.body.push_str(&head);
        self.body.push_str(packet);
        true
    }

    /// Returns the body.
    pub fn finish(self) -> String {
        self.body
    }
}

/// Returns the offset in bytes after `units` units of UTF-16; `None` if the text is shorter or the offset is
/// within a character.
fn utf16_offset(text: &str, units: usize) -> Option<usize> {
    let mut left = units;
    for (offset, character) in text.char_indices() {
        if left == 0 {
            return Some(offset);
        }
        left = left.checked_sub(character.len_utf16())?;
    }
    (left == 0).then_some(text.len())
}

const SEPARATOR: char = '\u{1e}';

/// The fault of a payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PayloadError {
    /// A packet has no length before it.
    Length,
    /// The packet is shorter than its length, or ends within a character.
    Short,
    /// The body has too many packets.
    TooMany,
}

impl fmt::Display for PayloadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Length => "a packet has no length before it",
            Self::Short => "a packet is not as long as the payload says",
            Self::TooMany => "the payload has too many packets",
        })
    }
}

impl std::error::Error for PayloadError {}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn packets(revision: Revision, body: &str) -> Result<Vec<&str>, PayloadError> {
        Packets::new(revision, body, 16).collect()
    }

    #[test]
    fn lengths_are_those_of_javascript() {
        let body = "4:4\u{e9}\u{1f600}2:40";
        let there = vec!["4\u{e9}\u{1f600}", "40"];
        assert_eq!(packets(Revision::Three, body), Ok(there));
        let mut writer = Writer::new(Revision::Three, 100);
        assert!(writer.push("4\u{e9}\u{1f600}"));
        assert!(writer.push("40"));
        assert_eq!(writer.finish(), body);
    }

    #[test]
    fn revision_four_has_a_separator() {
        assert_eq!(packets(Revision::Four, "40\u{1e}2"), Ok(vec!["40", "2"]));
        assert_eq!(packets(Revision::Four, "40\u{1e}"), Ok(vec!["40", ""]));
        assert_eq!(packets(Revision::Four, ""), Ok(vec![""]));
    }

    #[test]
    fn malformed_payloads() {
        for (body, error) in [
            ("", PayloadError::Length),
            ("40", PayloadError::Length),
            (":40", PayloadError::Length),
            ("+2:40", PayloadError::Length),
            ("-2:40", PayloadError::Length),
            ("2:40x", PayloadError::Length),
            ("99999999999999999999999:40", PayloadError::Length),
            ("3:40", PayloadError::Short),
            ("2:4\u{1f600}", PayloadError::Short),
        ] {
            assert_eq!(packets(Revision::Three, body), Err(error), "{body:?}");
        }
        let many = ["6"; 17].join("\u{1e}");
        let all = packets(Revision::Four, &many);
        assert_eq!(all, Err(PayloadError::TooMany));
        let enough = ["6"; 16].join("\u{1e}");
        assert_eq!(packets(Revision::Four, &enough).map(|it| it.len()), Ok(16));
    }

    #[test]
    fn a_body_has_a_bound_and_takes_one_packet_at_least() {
        let mut writer = Writer::new(Revision::Four, 5);
        assert!(writer.push("4longer"));
        assert!(!writer.push("6"));
        let mut writer = Writer::new(Revision::Four, 5);
        assert!(writer.push("40") && writer.push("41") && !writer.push("6"));
        assert_eq!(writer.finish(), "40\u{1e}41");
    }

    proptest! {
        #[test]
        fn packets_come_back(packets in prop::collection::vec("[^\u{1e}]{1,8}", 1..16)) {
            for revision in [Revision::Three, Revision::Four] {
                let mut writer = Writer::new(revision, 4_096);
                for packet in &packets {
                    prop_assert!(writer.push(packet));
                }
                let body = writer.finish();
                let again: Result<Vec<&str>, _> = Packets::new(revision, &body, 16).collect();
                prop_assert_eq!(again.unwrap(), packets.clone());
            }
        }

        #[test]
        fn any_text_ends(body in "[0-9:\u{1e}\u{1f600}\\PC]{0,64}") {
            for revision in [Revision::Three, Revision::Four] {
                prop_assert!(Packets::new(revision, &body, 16).count() <= 17);
            }
        }
    }
}
