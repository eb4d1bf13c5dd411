//! Our answer in the shape of its offer: the same number of sections, in the same order and with the same
//! names (RFC 3264 §6).
//!
//! A media section without a track that shares the session's transport is answered as inactive, and any other
//! is rejected. Browsers would accept the rejection of all of them. But a rejected section leaves the bundle
//! (RFC 9143 §7.3.3), and aiortc then waits for that section's own transport before it starts the data
//! channel.

use std::fmt::Write as _;

use super::formats::Format;
use super::sections::{Section, Sections};
use super::tracks::TrackSection;
use crate::limits;
use crate::session::color_space;

/// A section of the offer that str0m sees.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Accepted<'a> {
    /// The section's place in str0m's descriptions.
    pub(super) slot: usize,
    /// The section's index in the offer.
    pub(super) index: usize,
    pub(super) track: Option<AcceptedTrack<'a>>,
}

/// What the answer says of a track.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct AcceptedTrack<'a> {
    /// The value of `a=msid` (RFC 8830), if the track sends. Chromium refuses an answer that names one track
    /// twice, as that of a peer would that watches an endpoint and sends to it.
    msid: Option<String>,
    format: Format<'a>,
    /// The value of `a=fmtp` without the payload type.
    parameters: String,
}

impl<'a> AcceptedTrack<'a> {
    pub(super) fn of(section: &TrackSection<'a>) -> Self {
        let ours = section.wish.fmtp.as_deref().unwrap_or_default();
        Self {
            msid: section.direction.sends.then(|| section.msid()),
            format: section.format,
            parameters: section.format.parameters_with(ours),
        }
    }

    /// Adds the line `a=rtpmap` as the offer has it, and `a=fmtp`.
    fn write_format(&self, text: &mut String) {
        let Format {
            payload_type,
            name,
            clock_rate,
            channels,
            ..
        } = self.format;
        let channels = channels
            .map(|number| format!("/{number}"))
            .unwrap_or_default();
        push(
            text,
            format_args!("a=rtpmap:{payload_type} {name}/{clock_rate}{channels}"),
        );
        if !self.parameters.is_empty() {
            let parameters = &self.parameters;
            push(text, format_args!("a=fmtp:{payload_type} {parameters}"));
        }
    }
}

/// The parts of an offer that its answer repeats.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Shape<'a> {
    sections: Vec<Section<'a>>,
    /// The sections that str0m sees, in the order of the offer.
    accepted: Vec<Accepted<'a>>,
    /// The mids that share the transport, including those of sections that are rejected.
    bundle: Option<&'a str>,
}

/// str0m's answer in parts: its session, and the accepted sections.
struct Given<'a> {
    session: &'a str,
    sections: Vec<&'a str>,
}

impl<'a> Given<'a> {
    fn new(answer: &'a str) -> Self {
        let mut begins: Vec<usize> = answer
            .match_indices("\r\nm=")
            .map(|(at, _)| at + 2)
            .collect();
        begins.push(answer.len());
        let piece = |from: usize, to: usize| answer.get(from..to).unwrap_or_default();
        let end = begins.first().copied().unwrap_or_default();
        let sections = begins.windows(2).map(|pair| match pair {
            [from, to] => piece(*from, *to),
            _ => "",
        });
        Self {
            session: piece(0, end),
            sections: sections.collect(),
        }
    }

    /// Returns the lines about the transport, which the first section of a bundle must have (RFC 9143
    /// §7.3.1).
    fn transport(&self) -> impl Iterator<Item = &'a str> {
        let names = [
            "ice-ufrag:",
            "ice-pwd:",
            "ice-options:",
            "fingerprint:",
            "setup:",
            "candidate:",
            "end-of-candidates",
        ];
        let first = self.sections.first().copied().unwrap_or_default();
        first.lines().filter(move |line| {
            let attribute = line.strip_prefix("a=").unwrap_or_default();
            names.iter().any(|name| attribute.starts_with(name))
        })
    }
}

impl<'a> Shape<'a> {
    pub(super) fn of(sections: Sections<'a>, accepted: Vec<Accepted<'a>>) -> Self {
        let first = accepted.first().and_then(|it| sections.media.get(it.index));
        let bundle = first.and_then(|section| sections.bundle_of(section));
        Self {
            sections: sections.media,
            accepted,
            bundle,
        }
    }

    /// Returns a section of the offer.
    pub(super) fn section(&self, index: usize) -> Option<&Section<'a>> {
        self.sections.get(index)
    }

    /// Returns str0m's answer, extended by the sections of the offer that str0m has not seen.
    pub(super) fn answer(&self, answer: &str) -> String {
        let given = Given::new(answer);
        let mut text = String::with_capacity(answer.len() * (1 + self.sections.len()));
        for line in given.session.lines() {
            if line.starts_with("a=group:") {
                self.group(&mut text);
            } else {
                push(&mut text, format_args!("{line}"));
            }
        }
        let mut of_accepted = self.accepted.iter().peekable();
        for (index, offered) in self.sections.iter().enumerate() {
            if let Some(accepted) = of_accepted.next_if(|it| it.index == index) {
                let section = given.sections.get(accepted.slot).copied();
                let section = section.unwrap_or_default();
                match &accepted.track {
                    Some(track) => accept_track(&mut text, offered, section, track),
                    None => accept(&mut text, offered, section),
                }
            } else if self.is_shared(offered) {
                deactivate(&mut text, offered, &given);
            } else {
                reject(&mut text, offered, &given);
            }
        }
        text
    }

    fn group(&self, text: &mut String) {
        let Some(bundle) = self.bundle else { return };
        let is_in = |mid: &&str| {
            let is_accepted = |index| self.accepted.iter().any(|it| it.index == index);
            let mut sections = self.sections.iter().enumerate();
            sections.any(|(index, section)| {
                section.mid == Some(mid) && (is_accepted(index) || self.is_shared(section))
            })
        };
        let mids: Vec<_> = bundle.split_ascii_whitespace().filter(is_in).collect();
        push(text, format_args!("a=group:BUNDLE {}", mids.join(" ")));
    }

    /// Returns whether a media section can be answered as sharing the session's transport.
    fn is_shared(&self, section: &Section<'_>) -> bool {
        let mut mids = self.bundle.unwrap_or_default().split_ascii_whitespace();
        let is_media = ["audio", "video"].contains(&section.media);
        is_media
            && section.is_rtcp_mux
            && !section.is_rejected()
            && mids.any(|mid| section.mid == Some(mid))
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

/// Accepts a section with a track, whose stream has the name of its endpoint (RFC 8830 §2), and whose format is
/// that of the offer.
fn accept_track(
    text: &mut String,
    offered: &Section<'_>,
    section: &str,
    track: &AcceptedTrack<'_>,
) {
    let payload_type = track.format.payload_type;
    let of_format = |name: &str| format!("a={name}:{payload_type} ");
    let (map, parameters) = (of_format("rtpmap"), of_format("fmtp"));
    for line in section.lines() {
        if let Some(media) = line.strip_prefix("m=") {
            let mut words = media.splitn(4, ' ');
            let (_, port, _) = (words.next(), words.next(), words.next());
            let (port, formats) = (port.unwrap_or("9"), words.next().unwrap_or_default());
            let Section { media, proto, .. } = offered;
            push(text, format_args!("m={media} {port} {proto} {formats}"));
        } else if line.starts_with(&map) {
            track.write_format(text);
        } else if line.starts_with(&parameters) {
            // Those are in another form.
        } else if line.starts_with("a=msid:") {
            if let Some(msid) = &track.msid {
                push(text, format_args!("a=msid:{msid}"));
            }
        } else if let Some((ssrc, _)) = line.split_once(" msid:") {
            if let Some(msid) = &track.msid {
                push(text, format_args!("{ssrc} msid:{msid}"));
            }
        } else if let Some(begin) = line.strip_suffix(color_space::ALIAS) {
            push(text, format_args!("{begin}{}", color_space::URI));
        } else {
            push(text, format_args!("{line}"));
        }
    }
}

/// Answers a media section as inactive, so that nothing is sent either way (RFC 3264 §5.1). The section must
/// still list one codec.
fn deactivate(text: &mut String, offered: &Section<'_>, given: &Given<'_>) {
    media(text, offered, "9");
    push(text, format_args!("a=rtcp-mux"));
    for line in given.transport() {
        push(text, format_args!("{line}"));
    }
}

/// Rejects a section with port 0 and a format of the offer (RFC 3264 §6). The other lines of a rejected
/// section mean nothing, but webrtcbin refuses the whole answer if a section has no credentials.
fn reject(text: &mut String, offered: &Section<'_>, given: &Given<'_>) {
    media(text, offered, "0");
    let is_candidate = |line: &&str| line.contains("candidate");
    for line in given.transport().filter(|line| !is_candidate(line)) {
        push(text, format_args!("{line}"));
    }
}

fn media(text: &mut String, offered: &Section<'_>, port: &str) {
    let Section {
        media, proto, mid, ..
    } = offered;
    let (format, codec) = offered.codec();
    push(text, format_args!("m={media} {port} {proto} {format}"));
    push(text, format_args!("c=IN IP4 0.0.0.0"));
    if let Some(mid) = mid {
        push(text, format_args!("a=mid:{mid}"));
    }
    push(text, format_args!("a=inactive"));
    for line in codec {
        push(text, format_args!("{line}"));
    }
}
