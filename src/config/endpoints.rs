//! `[[endpoint]]`: the keys of all kinds, and the calls into the readers of each kind.

use super::check_name;
use super::claims::Claim;
use super::reader::{Document, Section, one_of};
use super::values::required;
use super::{
    ConfigPlace, EndpointConfig, EndpointKind, Meeting, MessageType, Traffic, Writers, rtp, serial,
    sockets, traffic,
};

pub(super) const KINDS: [&str; 9] = [
    "serial", "tcp", "unix", "udp", "rtp", "demo", "echo", "sink", "source",
];

const MESSAGES: [(&str, MessageType); 2] =
    [("binary", MessageType::Binary), ("text", MessageType::Text)];

/// Reads one section, and notes the local ports that its tracks claim. Returns `None` if a fault leaves no
/// usable endpoint.
pub(super) fn read<'a>(
    mut section: Section<'a>,
    document: &mut Document<'a>,
    claims: &mut Vec<Claim>,
) -> Option<EndpointConfig> {
    let section_line = section.line();
    let name = required(&mut section, "name", document);
    let name = name.and_then(|(line, name)| match check_name(&name) {
        Ok(()) => Some(name),
        Err(why) => {
            document.fault_at(line, format!("endpoint.name {name:?} {why}"));
            None
        }
    });
    // Without a kind it is not known which other keys are right.
    let (line, word) = required(&mut section, "kind", document)?;
    let known = KINDS.contains(&word.as_str());
    if !known {
        let message = format!("endpoint.kind must be {}, not {word:?}", one_of(&KINDS));
        document.fault_at(line, message);
    }
    let kind = match word.as_str() {
        "serial" => serial::read(&mut section, document),
        "tcp" => sockets::read_tcp(&mut section, document),
        "unix" => sockets::read_unix(&mut section, document),
        "udp" => sockets::read_udp(&mut section, document),
        "rtp" => rtp::read(&mut section, document, claims),
        "demo" => Some(EndpointKind::Demo),
        "echo" => Some(EndpointKind::Echo),
        "sink" => Some(EndpointKind::Sink),
        "source" => Some(EndpointKind::Source),
        _ => None,
    };
    let messages = match word.as_str() {
        // Pictures and sound are no messages.
        "rtp" => None,
        _ => section.choice("messages", &MESSAGES, document),
    };
    let traffic = match word.as_str() {
        "serial" => traffic::read_stream(traffic::Stream::Tty, &mut section, document),
        "tcp" | "unix" if kind.as_ref().is_some_and(is_per_channel) => {
            traffic::read_stream(traffic::Stream::Conversation, &mut section, document)
        }
        "tcp" | "unix" => traffic::read_stream(traffic::Stream::Program, &mut section, document),
        "udp" => traffic::read_datagrams(&mut section, document),
        _ => Traffic::default(),
    };
    if known {
        section.finish(document);
    }
    let kind = kind?;
    if is_per_channel(&kind) && (traffic.writers == Writers::One || traffic.capture.is_some()) {
        let message = "endpoint.connection \"channel\" has no use for writers and capture: every \
                       channel is alone with its connection";
        document.fault_at(section_line, message.to_owned());
    }
    Some(EndpointConfig {
        messages: messages.unwrap_or_else(|| default_messages(&kind)),
        name: name?,
        kind,
        traffic,
        place: ConfigPlace::File {
            file: String::new(),
            line: section_line,
        },
    })
}

fn is_per_channel(kind: &EndpointKind) -> bool {
    matches!(
        kind,
        EndpointKind::Tcp(Meeting::PerChannel(_)) | EndpointKind::Unix(Meeting::PerChannel(_))
    )
}

fn default_messages(kind: &EndpointKind) -> MessageType {
    match kind {
        EndpointKind::Demo => MessageType::Text,
        EndpointKind::Serial { .. }
        | EndpointKind::Tcp(_)
        | EndpointKind::Unix(_)
        | EndpointKind::Udp(_)
        | EndpointKind::Rtp(_)
        | EndpointKind::Echo
        | EndpointKind::Sink
        | EndpointKind::Source => MessageType::Binary,
    }
}
