//! Parsing of a client's events.

use serde_json::Value;

use super::{Credential, RoomCall, RoomKind};
use crate::limits;
use crate::payload::{Dialect, Serialization};
use crate::signaling::fault::{Fault, Wrong};
use crate::signaling::fields::{self, CandidatePaths, Object};
use crate::signaling::message::{Answer, Body, Carries, Encoding, Offer, Signal};
use crate::util::halves;

/// The content of one event from a client.
#[derive(Debug, Clone, PartialEq)]
pub enum ClientMessage {
    /// A signal to a peer.
    To {
        /// The name of the receiver.
        to: String,
        /// The signal. If it is about a mesh room, its verbatim form says so.
        signal: Signal,
    },
    /// The client is alive.
    Ping,
    /// The client renews its credential.
    UpdateCredential(Credential),
    /// A call about a room.
    Room(RoomCall),
    /// An event that the gateway does not know.
    Unknown,
}

/// Reads an event; the caller has bounded its length.
pub fn parse(name: &str, argument: Option<&Value>) -> Result<ClientMessage, Fault> {
    let read: fn(&Object) -> Result<Body, Fault> = match name {
        "PING" => return Ok(ClientMessage::Ping),
        "UPDATE_CREDENTIAL" => {
            let argument = halves::plain(argument.cloned().unwrap_or_default());
            let credential = Credential::parse(&argument)?;
            return Ok(ClientMessage::UpdateCredential(credential));
        }
        "SEND_OFFER" => |object| offer(object).map(Body::Offer),
        "SEND_ANSWER" => |object| answer(object).map(Body::Answer),
        "SEND_CANDIDATE" => candidate,
        "SEND_FORCE_CLOSE" => {
            |object| connection(object).map(|connection| Body::Close { connection })
        }
        "SEND_LEAVE" => |_| Ok(Body::Leave),
        _ => return room(name, argument),
    };
    let object = object(argument)?;
    let to = fields::text(object, "dst", limits::SIGNAL_ID)?.to_owned();
    let body = read(object)?;
    let mut verbatim = object.clone();
    verbatim.remove("dst");
    Ok(ClientMessage::To {
        to,
        signal: Signal {
            body,
            verbatim: Some((Dialect::SkyWay, Value::Object(verbatim))),
        },
    })
}

fn room(name: &str, argument: Option<&Value>) -> Result<ClientMessage, Fault> {
    let of = |object: &Object| {
        let name = fields::text(object, "roomName", limits::ROOM_NAME)?;
        Ok::<_, Fault>(name.to_owned())
    };
    let call = match name {
        "ROOM_JOIN" => {
            let object = object(argument)?;
            let kind = match fields::text(object, "roomType", usize::MAX)? {
                "mesh" => RoomKind::Mesh,
                "sfu" => RoomKind::Sfu,
                _ => return Err(Fault::new("roomType", Wrong::NotOneOf("mesh, sfu"))),
            };
            let room = of(object)?;
            RoomCall::Join { room, kind }
        }
        "ROOM_LEAVE" => RoomCall::Leave {
            room: of(object(argument)?)?,
        },
        "ROOM_GET_USERS" => {
            let object = object(argument)?;
            RoomCall::Members {
                room: of(object)?,
                carries: fields::carries(object, "type")?,
            }
        }
        "ROOM_SEND_DATA" => {
            let object = object(argument)?;
            let data = object.get("data").cloned().unwrap_or_default();
            if data.to_string().len() > limits::ROOM_DATA {
                return Err(Fault::new("data", Wrong::TooLong(limits::ROOM_DATA)));
            }
            let room = of(object)?;
            RoomCall::Data { room, data }
        }
        "ROOM_GET_LOGS" => RoomCall::Log {
            room: of(object(argument)?)?,
        },
        "SFU_GET_OFFER" | "SFU_ANSWER" | "SFU_CANDIDATE" => RoomCall::Sfu {
            room: of(object(argument)?)?,
        },
        _ => return Ok(ClientMessage::Unknown),
    };
    Ok(ClientMessage::Room(call))
}

fn object(argument: Option<&Value>) -> Result<&Object, Fault> {
    let value = argument.ok_or_else(|| Fault::new(Fault::WHOLE, Wrong::Missing))?;
    let object = value.as_object();
    object.ok_or_else(|| Fault::new(Fault::WHOLE, Wrong::NotAnObject))
}

fn offer(object: &Object) -> Result<Offer, Fault> {
    let carries = fields::carries(object, "connectionType")?;
    let (mut label, mut serialization, mut reliable) = (None, None, false);
    if carries == Carries::Data {
        label = fields::optional_text(object, "label", limits::SIGNAL_NAME)?;
        let name = fields::optional_text(object, "serialization", limits::SIGNAL_NAME)?;
        serialization = Some(match name {
            Some(name) => Encoding::parse(Dialect::SkyWay, name),
            // The library's default.
            None => Encoding::Known(Serialization::SkyWayBinary),
        });
        reliable = is_reliable(object)?;
    }
    Ok(Offer {
        connection: connection(object)?,
        carries,
        sdp: sdp(object, "offer", "offer.sdp")?,
        label: label.map(str::to_owned),
        serialization,
        metadata: fields::metadata(object, "metadata")?,
        reliable,
    })
}

/// Returns whether W3C's `RTCDataChannelInit` describes a reliable channel.
fn is_reliable(object: &Object) -> Result<bool, Fault> {
    if fields::value(object, "dcInit").is_none() {
        return Ok(true);
    }
    let init = fields::object(object, "dcInit")?;
    let is_there = |path| fields::value(init, path).is_some();
    let is_ordered = fields::value(init, "ordered") != Some(&Value::Bool(false));
    Ok(is_ordered && !is_there("maxRetransmits") && !is_there("maxPacketLifeTime"))
}

fn answer(object: &Object) -> Result<Answer, Fault> {
    Ok(Answer {
        connection: connection(object)?,
        carries: fields::carries(object, "connectionType")?,
        sdp: sdp(object, "answer", "answer.sdp")?,
    })
}

fn candidate(object: &Object) -> Result<Body, Fault> {
    let paths = CandidatePaths {
        whole: "candidate",
        candidate: "candidate.candidate",
        mid: "candidate.sdpMid",
        line: "candidate.sdpMLineIndex",
        ufrag: "candidate.usernameFragment",
    };
    let connection = connection(object)?;
    let carries = fields::carries(object, "connectionType")?;
    fields::candidate(object, &paths, connection, carries).map(Body::Candidate)
}

fn connection(object: &Object) -> Result<String, Fault> {
    fields::connection(object, "connectionId")
}

fn sdp(of: &Object, whole: &'static str, path: &'static str) -> Result<String, Fault> {
    let description = fields::object(of, whole)?;
    fields::text(description, path, limits::SDP).map(str::to_owned)
}
