//! Our answer in the shape of its offer: as many sections, in the same order and with the same names (RFC 3264 §6).

use std::fmt::Write as _;

use super::sections::{Section, Sections};
use crate::limits;

/// What of an offer its answer repeats.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Shape<'a> {
    sections: Vec<Section<'a>>,
    /// Which of them is the data channel's.
    ours: usize,
    is_bundled: bool,
}

impl<'a> Shape<'a> {
    pub(super) fn of(sections: Sections<'a>, ours: usize) -> Self {
        let is_bundled =
            (sections.media.get(ours)).is_some_and(|section| sections.bundle_of(section).is_some());
        Self {
            sections: sections.media,
            ours,
            is_bundled,
        }
    }

    /// str0m's answer, whose one section is the data channel's, with the other sections of the offer, rejected.
    pub(super) fn answer(&self, answer: &str) -> String {
        let (session, section) = match answer.find("\r\nm=") {
            Some(end) => answer.split_at(end + 2),
            None => (answer, ""),
        };
        let mut text = String::with_capacity(answer.len() + 64 * self.sections.len());
        for line in session.lines() {
            // RFC 9143 §7.3: rejected sections are in no group.
            match (line.starts_with("a=group:"), self.sections.get(self.ours)) {
                (true, Some(Section { mid: Some(mid), .. })) if self.is_bundled => {
                    push(&mut text, format_args!("a=group:BUNDLE {mid}"));
                }
                (true, _) => {}
                (false, _) => push(&mut text, format_args!("{line}")),
            }
        }
        for (index, offered) in self.sections.iter().enumerate() {
            if index == self.ours {
                accept(&mut text, offered, section);
            } else {
                reject(&mut text, offered);
            }
        }
        text
    }
}

fn push(text: &mut String, line: std::fmt::Arguments<'_>) {
    let _never_fails = write!(text, "{line}\r\n");
}

fn accept(text: &mut String, offered: &Section<'_>, section: &str) {
    for line in section.lines() {
        if let Some(media) = line.strip_prefix("m=") {
            let port = media.split(' ').nth(1).unwrap_or("9");
            let Section {
                media,
                proto,
                formats,
                ..
            } = offered;
            push(text, format_args!("m={media} {port} {proto} {formats}"));
        } else if line.starts_with("a=mid:") {
            if let Some(mid) = offered.mid {
                push(text, format_args!("a=mid:{mid}"));
            }
        } else if line.starts_with("a=sctp-port:") && offered.is_old() {
            let map = offered.sctpmap.unwrap_or_default();
            push(text, format_args!("a=sctpmap:{map}"));
        } else if line.starts_with("a=max-message-size:") {
            push(
                text,
                format_args!("a=max-message-size:{}", limits::MAX_MESSAGE),
            );
        } else {
            push(text, format_args!("{line}"));
        }
    }
}

/// RFC 3264 §6: port 0, and formats of the offer. Some stacks look for a codec that both have before they look at the port,
/// so its formats keep their names.
fn reject(text: &mut String, offered: &Section<'_>) {
    let Section {
        media,
        proto,
        formats,
        ..
    } = offered;
    push(text, format_args!("m={media} 0 {proto} {formats}"));
    push(text, format_args!("c=IN IP4 0.0.0.0"));
    if let Some(mid) = offered.mid {
        push(text, format_args!("a=mid:{mid}"));
    }
    push(text, format_args!("a=inactive"));
    for rtpmap in &offered.rtpmaps {
        push(text, format_args!("{rtpmap}"));
    }
}
