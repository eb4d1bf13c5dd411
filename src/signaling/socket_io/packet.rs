//! Packets: a digit and its content. Packets of Engine.IO (protocol revisions 3 and 4) manage the connection;
//! its messages contain packets of Socket.IO (revisions 4 and 5 by its own count).

use std::borrow::Cow;
use std::fmt;

use serde::Serialize;
use serde_json::value::RawValue;

use super::Revision;
use crate::util::halves;

/// A packet of Engine.IO.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EnginePacket<'a> {
    /// The first packet of the server, as JSON.
    Open(&'a str),
    /// The connection ends.
    Close,
    /// A request for a pong; with `probe`, a test of the transport.
    Ping(&'a str),
    /// The answer to a ping, with its text.
    Pong(&'a str),
    /// A packet of Socket.IO.
    Message(&'a str),
    /// The client changes to the WebSocket for all further packets.
    Upgrade,
    /// No content; the packet completes a waiting GET.
    Noop,
}

impl<'a> EnginePacket<'a> {
    /// Reads the packet in one text frame or one element of a payload.
    pub fn parse(packet: &'a str) -> Result<Self, PacketError> {
        let mut characters = packet.chars();
        let kind = characters.next().ok_or(PacketError::Empty)?;
        let text = characters.as_str();
        match kind {
            '0' => Ok(Self::Open(text)),
            '1' => Ok(Self::Close),
            '2' => Ok(Self::Ping(text)),
            '3' => Ok(Self::Pong(text)),
            '4' => Ok(Self::Message(text)),
            '5' => Ok(Self::Upgrade),
            '6' => Ok(Self::Noop),
            // Bytes in base 64, in a payload.
            'b' => Err(PacketError::Binary),
            unknown => Err(PacketError::Kind(unknown)),
        }
    }
}

/// Writes the packet as it is on the wire.
impl fmt::Display for EnginePacket<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (kind, text) = match self {
            Self::Open(text) => ('0', *text),
            Self::Close => ('1', ""),
            Self::Ping(text) => ('2', *text),
            Self::Pong(text) => ('3', *text),
            Self::Message(text) => ('4', *text),
            Self::Upgrade => ('5', ""),
            Self::Noop => ('6', ""),
        };
        write!(f, "{kind}{text}")
    }
}

/// A packet of Socket.IO, in any namespace.
#[derive(Debug, Clone)]
pub struct Packet<'a> {
    /// The namespace; `/` by default.
    pub namespace: &'a str,
    /// The content.
    pub content: Content<'a>,
}

/// The content of a packet of Socket.IO.
#[derive(Debug, Clone)]
#[cfg_attr(
    not(any(test, feature = "testing")),
    expect(
        dead_code,
        reason = "a packet is read whole, whatever the dialects make of it"
    )
)]
pub enum Content<'a> {
    /// The client asks to be connected, or is connected. In revision 4 both sides can add an object.
    Connect(Option<&'a RawValue>),
    /// One side ends the connection.
    Disconnect,
    /// An event.
    Event {
        /// The name of the event.
        name: Cow<'a, str>,
        /// The arguments.
        arguments: Vec<&'a RawValue>,
        /// The number for the acknowledgement, if one is wanted.
        ack: Option<u64>,
    },
    /// The acknowledgement of an event.
    Ack {
        /// The number of the event.
        id: u64,
        /// The arguments of the answer.
        arguments: Vec<&'a RawValue>,
    },
    /// The refusal of a namespace.
    ConnectError {
        /// The reason.
        message: Cow<'a, str>,
    },
}

impl<'a> Packet<'a> {
    /// Reads the text of an [`EnginePacket::Message`].
    pub fn parse(revision: Revision, packet: &'a str) -> Result<Self, PacketError> {
        let mut characters = packet.chars();
        let kind = characters.next().ok_or(PacketError::Empty)?;
        match kind {
            '0'..='4' => {}
            '5' | '6' => return Err(PacketError::Binary),
            unknown => return Err(PacketError::Kind(unknown)),
        }
        let (namespace, rest) = namespace(characters.as_str())?;
        let (ack, json) = number(rest)?;
        let content = match kind {
            '0' => Content::Connect(object(json)?),
            '1' if json.is_empty() => Content::Disconnect,
            '2' => {
                let mut arguments = array(json)?.into_iter();
                let name = arguments.next().ok_or(PacketError::Name)?;
                Content::Event {
                    name: string(name).ok_or(PacketError::Name)?,
                    arguments: arguments.collect(),
                    ack,
                }
            }
            '3' => Content::Ack {
                id: ack.ok_or(PacketError::Number)?,
                arguments: array(json)?,
            },
            '4' => Content::ConnectError {
                message: refusal(revision, json)?,
            },
            _ => return Err(PacketError::Json),
        };
        Ok(Self { namespace, content })
    }
}

/// Returns an event as the text of an [`EnginePacket::Message`] on the wire.
pub fn event<A: Serialize>(
    name: &str,
    arguments: &[A],
    ack: Option<u64>,
) -> Result<String, serde_json::Error> {
    let mut packet = String::from("42");
    if let Some(id) = ack {
        packet.push_str(&id.to_string());
    }
    packet.push('[');
    packet.push_str(&serde_json::to_string(name)?);
    for argument in arguments {
        packet.push(',');
        packet.push_str(&halves::restore(serde_json::to_string(argument)?));
    }
    packet.push(']');
    Ok(packet)
}

/// Returns the acknowledgement of an event as the text of an [`EnginePacket::Message`].
#[cfg(any(test, feature = "testing"))]
pub fn ack<A: Serialize>(id: u64, arguments: &[A]) -> Result<String, serde_json::Error> {
    let arguments = halves::restore(serde_json::to_string(arguments)?);
    Ok(format!("43{id}{arguments}"))
}

/// Returns the packet that the client is connected as the text of an [`EnginePacket::Message`]; in revision 3
/// without the socket's id.
pub fn connect(revision: Revision, socket: &str) -> String {
    match revision {
        Revision::Three => "40".to_owned(),
        Revision::Four => format!("40{}", serde_json::json!({ "sid": socket })),
    }
}

/// Returns the refusal of a namespace as the text of an [`EnginePacket::Message`].
pub fn connect_error(revision: Revision, namespace: &str, message: &str) -> String {
    let place = match namespace {
        "/" => String::new(),
        namespace => format!("{namespace},"),
    };
    let message = match revision {
        Revision::Three => serde_json::json!(message),
        Revision::Four => serde_json::json!({ "message": message }),
    };
    format!("44{place}{message}")
}

/// The end of the connection, as an [`EnginePacket::Message`] on the wire.
pub const DISCONNECT: &str = "41";

/// Splits off a namespace, without the query that Socket.IO 2 may append to it.
fn namespace(text: &str) -> Result<(&str, &str), PacketError> {
    if !text.starts_with('/') {
        return Ok(("/", text));
    }
    let (name, rest) = text.split_once(',').unwrap_or((text, ""));
    let name = name.split('?').next().unwrap_or(name);
    // The refusal repeats the namespace, also in a payload, so the name must be short and clean.
    if name.len() > LONGEST_NAMESPACE || name.chars().any(char::is_control) {
        return Err(PacketError::Namespace);
    }
    Ok((name, rest))
}

/// Splits off the number of an acknowledgement.
fn number(text: &str) -> Result<(Option<u64>, &str), PacketError> {
    let end = text.find(|it: char| !it.is_ascii_digit());
    let (digits, rest) = text.split_at(end.unwrap_or(text.len()));
    if digits.is_empty() {
        return Ok((None, rest));
    }
    let number = digits.parse().map_err(|_| PacketError::Number)?;
    Ok((Some(number), rest))
}

fn array(json: &str) -> Result<Vec<&RawValue>, PacketError> {
    serde_json::from_str(json).map_err(|_| PacketError::Json)
}

fn object(json: &str) -> Result<Option<&RawValue>, PacketError> {
    if json.is_empty() {
        return Ok(None);
    }
    let value: &RawValue = serde_json::from_str(json).map_err(|_| PacketError::Json)?;
    if !value.get().starts_with('{') {
        return Err(PacketError::Json);
    }
    Ok(Some(value))
}

fn string(value: &RawValue) -> Option<Cow<'_, str>> {
    match serde_json::from_str(value.get()) {
        Ok(text) => Some(Cow::Borrowed(text)),
        // A string with escapes cannot be borrowed.
        Err(_) => serde_json::from_str(value.get()).ok().map(Cow::Owned),
    }
}

fn refusal(revision: Revision, json: &str) -> Result<Cow<'_, str>, PacketError> {
    match revision {
        Revision::Three => {
            let value = serde_json::from_str(json).map_err(|_| PacketError::Json)?;
            string(value).ok_or(PacketError::Json)
        }
        Revision::Four => {
            let value: serde_json::Value =
                serde_json::from_str(json).map_err(|_| PacketError::Json)?;
            let message = value.get("message").and_then(|it| it.as_str());
            let message = message.ok_or(PacketError::Json)?;
            Ok(Cow::Owned(message.to_owned()))
        }
    }
}

/// The longest namespace in bytes; more than real clients use, and bounded because a refusal repeats it.
const LONGEST_NAMESPACE: usize = 128;

/// The fault of a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PacketError {
    /// The packet is empty.
    Empty,
    /// The packet does not begin with a known digit.
    Kind(char),
    /// The packet contains bytes, or announces some.
    Binary,
    /// The namespace is too long, or is no text.
    Namespace,
    /// An acknowledgement has no number, or its number is too large.
    Number,
    /// An event has no name.
    Name,
    /// The rest is not the expected JSON.
    Json,
}

impl fmt::Display for PacketError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("the packet is empty"),
            Self::Kind(kind) => write!(f, "there are no packets of the type {kind:?}"),
            Self::Binary => f.write_str("binary packets and attachments are not taken"),
            Self::Namespace => write!(
                f,
                "a namespace has at most {LONGEST_NAMESPACE} bytes and no control characters"
            ),
            Self::Number => {
                f.write_str("the number of the acknowledgement is missing or too large")
            }
            Self::Name => f.write_str("an event begins with its name"),
            Self::Json => f.write_str("the packet has not the JSON that belongs there"),
        }
    }
}

impl std::error::Error for PacketError {}
