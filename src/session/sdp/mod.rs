//! What is checked in a description before str0m sees it, and what is put right in its own.
//!
//! str0m parses and makes SDP (RFC 8866). It says no line numbers, may stop with a panic on input
//! it does not expect, and announces a message size that it does not keep; these are mended here.

use std::borrow::Cow;
use std::fmt;

use crate::limits;

/// Why a description or a trickled candidate was not taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SdpError {
    /// Where, as in `line 7`; empty when it is the whole.
    pub place: String,
    /// What is wrong with it.
    pub detail: String,
    /// Well-formed, but nothing we can do.
    pub unsupported: bool,
}

impl SdpError {
    pub(super) fn whole(detail: impl Into<String>) -> Self {
        Self {
            place: String::new(),
            detail: detail.into(),
            unsupported: false,
        }
    }

    /// A fault in a line, counted from 1.
    pub fn line(number: usize, detail: impl Into<String>) -> Self {
        Self {
            place: format!("line {number}"),
            detail: detail.into(),
            unsupported: false,
        }
    }

    fn unsupported(detail: impl Into<String>) -> Self {
        Self {
            place: String::new(),
            detail: detail.into(),
            unsupported: true,
        }
    }
}

impl fmt::Display for SdpError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.place.is_empty() {
            f.write_str(&self.detail)
        } else {
            write!(f, "{}: {}", self.place, self.detail)
        }
    }
}

impl std::error::Error for SdpError {}

/// An offer or answer that has the shape of one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckedDescription<'a> {
    /// As it came, but for candidates beyond [`limits::CHECKED_CANDIDATES`].
    pub text: Cow<'a, str>,
    /// How many candidates in it are to be checked.
    pub candidates: usize,
    /// The largest message that the peer takes, and never more than ours.
    pub max_message: usize,
    /// The peer's ufrag, to tell its trickled candidates from those of a restart.
    pub ufrag: &'a str,
}

/// More media sections than any browser offers.
const MAX_SECTIONS: usize = 32;

/// Chromium's offer with every codec has about 300; the time to parse grows with them.
const MAX_LINES: usize = 2_000;

/// Checks an offer's shape, line by line.
pub fn check_offer(body: &[u8]) -> Result<CheckedDescription<'_>, SdpError> {
    let text = text_of(body)?;
    check(text, "offer")
}

/// The same for an answer.
pub fn check_answer(text: &str) -> Result<CheckedDescription<'_>, SdpError> {
    check(text, "answer")
}

fn text_of(body: &[u8]) -> Result<&str, SdpError> {
    std::str::from_utf8(body).map_err(|error| {
        let before = body.get(..error.valid_up_to()).unwrap_or_default();
        let line = 1 + before.iter().filter(|byte| **byte == b'\n').count();
        SdpError::line(line, "not UTF-8")
    })
}

fn check<'a>(text: &'a str, what: &str) -> Result<CheckedDescription<'a>, SdpError> {
    if text.trim().is_empty() {
        return Err(SdpError::whole(format!(
            "the body is empty; an SDP {what} is expected"
        )));
    }
    let mut found = Found::default();
    for (index, line) in text.lines().enumerate() {
        if index == MAX_LINES {
            let detail = format!("more than {MAX_LINES} lines");
            return Err(SdpError::line(index + 1, detail));
        }
        found.read(index + 1, line)?;
    }
    if found.sections == 0 {
        return Err(SdpError::whole(format!("the {what} has no m= line")));
    }
    if !found.data_channel {
        return Err(SdpError::unsupported(format!(
            "the {what} has no data channel (an m=application line with webrtc-datachannel); \
             create one before createOffer()"
        )));
    }
    let ufrag = found
        .ufrag
        .ok_or_else(|| SdpError::whole(format!("the {what} has no a=ice-ufrag")))?;
    // RFC 8841 §6.1: without the attribute 64 KiB, and 0 means without limit.
    let max_message = match found.max_message.unwrap_or(65_536) {
        0 => limits::MAX_MESSAGE,
        n => usize::try_from(n)
            .unwrap_or(usize::MAX)
            .min(limits::MAX_MESSAGE),
    };
    Ok(CheckedDescription {
        text: bounded(text, found.checked),
        candidates: found.checked.min(limits::CHECKED_CANDIDATES),
        max_message,
        ufrag,
    })
}

/// Whether a candidate (RFC 8839 §5.1, with or without `a=`) is one that we would check. An mDNS name (RFC 8828) cannot be
/// resolved from here; the peer's own checks reach us. TCP candidates have nothing of ours to pair with.
pub(super) fn is_checked(candidate: &str) -> bool {
    let mut words = candidate.split_ascii_whitespace();
    let transport = words.nth(2).unwrap_or_default();
    let address = words.nth(1).unwrap_or_default();
    !transport.eq_ignore_ascii_case("tcp") && !address.ends_with(".local")
}

/// Takes the candidates out of a description that are beyond the bound. `checked`: how many it has that would be checked.
fn bounded(text: &str, checked: usize) -> Cow<'_, str> {
    if checked <= limits::CHECKED_CANDIDATES {
        return Cow::Borrowed(text);
    }
    let mut left = limits::CHECKED_CANDIDATES;
    let kept = text.split_inclusive('\n').filter(|line| {
        if !line.starts_with("a=candidate:") || !is_checked(line) {
            return true;
        }
        let is_kept = left > 0;
        left = left.saturating_sub(1);
        is_kept
    });
    Cow::Owned(kept.collect())
}

#[derive(Default)]
struct Found<'a> {
    sections: usize,
    candidates: usize,
    checked: usize,
    data_channel: bool,
    ufrag: Option<&'a str>,
    max_message: Option<u64>,
}

impl<'a> Found<'a> {
    fn read(&mut self, number: usize, line: &'a str) -> Result<(), SdpError> {
        let mut chars = line.chars();
        let (kind, equals) = (chars.next(), chars.next());
        if !kind.is_some_and(|c| c.is_ascii_lowercase()) || equals != Some('=') {
            return Err(SdpError::line(number, "not of the form <letter>=<value>"));
        }
        if number == 1 && line != "v=0" {
            return Err(SdpError::line(1, "an SDP description begins with v=0"));
        }
        if let Some(media) = line.strip_prefix("m=") {
            self.sections += 1;
            if self.sections > MAX_SECTIONS {
                return Err(SdpError::line(
                    number,
                    format!("more than {MAX_SECTIONS} m= lines"),
                ));
            }
            let mut words = media.split(' ');
            let is_application = words.next() == Some("application");
            if is_application
                && words
                    .nth(1)
                    .is_some_and(|proto| proto.ends_with("DTLS/SCTP"))
            {
                self.data_channel |= media.ends_with("webrtc-datachannel");
            }
        } else if let Some(value) = line.strip_prefix("a=max-message-size:") {
            let size = value
                .trim()
                .parse()
                .map_err(|_| SdpError::line(number, "not a number"))?;
            self.max_message = Some(size);
        } else if let Some(value) = line.strip_prefix("a=ice-ufrag:") {
            self.ufrag = self.ufrag.or_else(|| Some(value.trim()));
        } else if line.starts_with("a=candidate:") {
            self.candidates += 1;
            self.checked += usize::from(is_checked(line));
            if self.candidates > limits::REMOTE_CANDIDATES {
                let detail = format!("more than {} candidates", limits::REMOTE_CANDIDATES);
                return Err(SdpError::line(number, detail));
            }
        }
        Ok(())
    }
}

/// Announces the message size that we want in place of the one that str0m is told. What str0m is told it also enforces, by
/// never acknowledging a longer message: the association would hang without a word (see [`limits::RECEIVED_MESSAGE`]).
pub(super) fn mend(description: &str) -> String {
    let mut mended = String::with_capacity(description.len());
    for line in description.split_inclusive("\r\n") {
        if line.starts_with("a=max-message-size:") {
            mended.push_str("a=max-message-size:");
            mended.push_str(&limits::MAX_MESSAGE.to_string());
            mended.push_str("\r\n");
        } else {
            mended.push_str(line);
        }
    }
    mended
}

#[cfg(test)]
mod tests {
    use super::*;

    const OFFER: &str = "v=0\r\no=- 1 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n\
        m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\nc=IN IP4 0.0.0.0\r\n\
        a=ice-ufrag:abcd\r\na=max-message-size:262144\r\n";

    #[test]
    fn a_good_offer_is_read() {
        let offer = check_offer(OFFER.as_bytes()).expect("good");
        assert_eq!((offer.max_message, offer.ufrag), (65_536, "abcd"));
        let small = OFFER.replace("262144", "1200");
        assert_eq!(check_offer(small.as_bytes()).unwrap().max_message, 1200);
        let unlimited = OFFER.replace("262144", "0");
        assert_eq!(
            check_offer(unlimited.as_bytes()).unwrap().max_message,
            65_536
        );
    }

    #[test]
    fn of_many_candidates_the_first_are_checked() {
        let line = |n: usize| format!("a=candidate:{n} 1 udp 1 192.0.2.{n} 5 typ host\r\n");
        let few = OFFER.to_owned() + &(0..16).map(line).collect::<String>();
        let offer = check_offer(few.as_bytes()).expect("good");
        assert_eq!((offer.text.as_ref(), offer.candidates), (&few[..], 16));
        let others = "a=candidate:t 1 tcp 1 192.0.2.1 9 typ host tcptype active\r\n\
                      a=candidate:m 1 udp 1 x.local 5 typ host\r\n";
        let many = few.clone() + others + &(16..60).map(line).collect::<String>() + "a=x\r\n";
        let offer = check_offer(many.as_bytes()).expect("good");
        assert_eq!(offer.text, few + others + "a=x\r\n");
        assert_eq!(offer.candidates, 16);
    }

    #[test]
    fn a_bad_offer_is_told_what_and_where() {
        let cases = [
            ("".to_owned(), "", "empty"),
            (OFFER.replace("v=0", "v=1"), "line 1", "v=0"),
            (OFFER.replace("s=-", "sess"), "line 3", "<letter>=<value>"),
            (OFFER.replace("262144", "many"), "line 8", "not a number"),
            (OFFER.replace("a=ice-ufrag:abcd\r\n", ""), "", "ice-ufrag"),
            (OFFER.replace("application", "audio"), "", "no data channel"),
            ("v=0\r\ns=-\r\n".to_owned(), "", "no m= line"),
            (
                OFFER.to_owned() + &"a=candidate:x\r\n".repeat(65),
                "line 73",
                "more than 64",
            ),
            (
                OFFER.to_owned() + &"a=x\r\n".repeat(2_000),
                "line 2001",
                "more than 2000 lines",
            ),
            (
                OFFER.to_owned() + &"m=audio 9 X\r\n".repeat(32),
                "line 40",
                "more than 32",
            ),
        ];
        for (offer, place, detail) in cases {
            let error = check_offer(offer.as_bytes()).expect_err(detail);
            assert_eq!(error.place, place, "{error}");
            assert!(error.detail.contains(detail), "{error}");
        }
        let error = check_offer(b"v=0\r\ns=\xff\r\n").expect_err("not text");
        assert_eq!(error.to_string(), "line 2: not UTF-8");
    }

    #[test]
    fn the_answer_announces_what_we_keep() {
        let mended = mend("v=0\r\na=max-message-size:262144\r\na=x\r\n");
        assert_eq!(mended, "v=0\r\na=max-message-size:65536\r\na=x\r\n");
    }
}
