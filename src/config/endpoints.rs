//! `[[endpoint]]`: the keys that all kinds have, and the way to those of each kind.

use super::reader::{Document, Section, one_of};
use super::{
    EndpointConfig, EndpointKind, Meeting, MessageType, Place, Traffic, Writers, serial, sockets,
    traffic,
};
use crate::limits;

pub(super) const KINDS: [&str; 8] = [
    "serial", "tcp", "unix", "udp", "demo", "echo", "sink", "source",
];

/// Reads one section; `None` when it has a fault that leaves no endpoint to speak of.
pub(super) fn read<'a>(
    mut section: Section<'a>,
    document: &mut Document<'a>,
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
    // Without a kind nobody can tell which other keys are right.
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
        "demo" => Some(EndpointKind::Demo),
        "echo" => Some(EndpointKind::Echo),
        "sink" => Some(EndpointKind::Sink),
        "source" => Some(EndpointKind::Source),
        _ => None,
    };
    let types = [("binary", MessageType::Binary), ("text", MessageType::Text)];
    let messages = section.choice("messages", &types, document);
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
        place: Place::File {
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
        | EndpointKind::Echo
        | EndpointKind::Sink
        | EndpointKind::Source => MessageType::Binary,
    }
}

/// A string that must be there.
pub(super) fn required<'a>(
    section: &mut Section<'a>,
    key: &str,
    document: &mut Document<'a>,
) -> Option<(usize, String)> {
    let before = document.fault_count();
    let value = section.string(key, document);
    if value.is_none() && document.fault_count() == before {
        document.fault_at(section.line(), format!("{} without {key}", section.path()));
    }
    value
}

/// A path from the root; a relative one would depend on where the daemon was started.
pub(super) fn absolute(
    key: &str,
    (line, path): (usize, String),
    document: &mut Document<'_>,
) -> Option<std::path::PathBuf> {
    absolute_of(&format!("endpoint.{key}"), (line, path), document)
}

/// The same, for a key of any table.
pub(super) fn absolute_of(
    key: &str,
    (line, path): (usize, String),
    document: &mut Document<'_>,
) -> Option<std::path::PathBuf> {
    if path.starts_with('/') && !path.contains('\0') {
        return Some(path.into());
    }
    document.fault_at(line, format!("{key} {path:?} must begin with /"));
    None
}

/// A name becomes a label, a path segment, a file name and a metric's label, so it is kept plain.
pub fn check_name(name: &str) -> Result<(), String> {
    if name.is_empty() || name.len() > limits::LABEL {
        return Err(format!("must have 1 to {} bytes", limits::LABEL));
    }
    if name == crate::session::control::LABEL {
        return Err("is reserved for the control channel".to_owned());
    }
    if !name
        .chars()
        .all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c))
    {
        return Err("may have letters, digits, '-', '_' and '.' only".to_owned());
    }
    if name.starts_with('.') {
        return Err("may not begin with '.'".to_owned());
    }
    Ok(())
}
