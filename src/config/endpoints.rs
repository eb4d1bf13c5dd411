//! `[[endpoint]]`: the keys that all kinds have, and those of each kind.

use std::net::SocketAddr;
use std::path::PathBuf;

use super::reader::{Document, Section};
use super::{EndpointConfig, EndpointKind, MessageType};
use crate::limits;

const KINDS: &str = "serial, udp or demo";

/// Reads one section; `None` when it has a fault that leaves no endpoint to speak of.
pub(super) fn read<'a>(
    mut section: Section<'a>,
    document: &mut Document<'a>,
) -> Option<EndpointConfig> {
    let name = required(&mut section, "name", document);
    let name = name.and_then(|(line, name)| match check_name(&name) {
        Ok(()) => Some(name),
        Err(why) => {
            document.fault_at(line, format!("endpoint.name {name:?} {why}"));
            None
        }
    });
    let messages = section.string("messages", document);
    let kind = match required(&mut section, "kind", document) {
        Some((line, kind)) => read_kind(&kind, line, &mut section, document),
        // Without a kind nobody can tell which other keys are right.
        None => return None,
    };
    let messages = match messages.as_ref().map(|(line, text)| (line, text.as_str())) {
        None => default_messages(kind.as_ref()),
        Some((_, "binary")) => MessageType::Binary,
        Some((_, "text")) => MessageType::Text,
        Some((line, other)) => {
            let message = format!("endpoint.messages must be binary or text, not {other:?}");
            document.fault_at(*line, message);
            MessageType::Binary
        }
    };
    if kind.is_some() {
        section.finish(document);
    }
    Some(EndpointConfig {
        name: name?,
        kind: kind?,
        messages,
    })
}

fn default_messages(kind: Option<&EndpointKind>) -> MessageType {
    match kind {
        Some(EndpointKind::Demo) => MessageType::Text,
        Some(EndpointKind::Serial { .. } | EndpointKind::Udp { .. }) | None => MessageType::Binary,
    }
}

fn read_kind<'a>(
    kind: &str,
    line: usize,
    section: &mut Section<'a>,
    document: &mut Document<'a>,
) -> Option<EndpointKind> {
    match kind {
        "serial" => {
            let path = required(section, "path", document);
            // The highest rate of any adapter in the kernel; a driver may say no to less.
            let baud = section
                .integer("baud", 50..=20_000_000, document)
                .unwrap_or(115_200);
            let (line, path) = path?;
            if !path.starts_with('/') {
                document.fault_at(line, format!("endpoint.path {path:?} must begin with /"));
                return None;
            }
            let baud = u32::try_from(baud).ok()?;
            Some(EndpointKind::Serial {
                path: PathBuf::from(path),
                baud,
            })
        }
        "udp" => {
            let (line, text) = required(section, "remote", document)?;
            match text.parse::<SocketAddr>() {
                Ok(remote) if remote.port() != 0 && !remote.ip().is_unspecified() => {
                    Some(EndpointKind::Udp { remote })
                }
                Ok(_) | Err(_) => {
                    let message = format!(
                        "endpoint.remote {text:?} is not an address like \"127.0.0.1:14550\" or \
                         \"[::1]:14550\""
                    );
                    document.fault_at(line, message);
                    None
                }
            }
        }
        "demo" => Some(EndpointKind::Demo),
        other => {
            document.fault_at(
                line,
                format!("endpoint.kind must be {KINDS}, not {other:?}"),
            );
            None
        }
    }
}

fn required<'a>(
    section: &mut Section<'a>,
    key: &str,
    document: &mut Document<'a>,
) -> Option<(usize, String)> {
    let before = document.fault_count();
    let value = section.string(key, document);
    if value.is_none() && document.fault_count() == before {
        document.fault_at(section.line(), format!("endpoint without {key}"));
    }
    value
}

/// A name becomes a label, a path segment and a metric's label, so it is kept plain.
fn check_name(name: &str) -> Result<(), String> {
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
    Ok(())
}
