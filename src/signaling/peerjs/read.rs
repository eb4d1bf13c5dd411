//! Parsing of a client's frames.

use serde_json::{Value, json};

use crate::limits;
use crate::payload::Dialect;
use crate::signaling::fault::{Fault, Wrong};
use crate::signaling::fields::{self, CandidatePaths, Object};
use crate::signaling::message::{Answer, Body, Carries, Encoding, Failed, Offer, Signal, Why};
use crate::util::halves;

/// The content of one frame from a client.
#[derive(Debug, Clone, PartialEq)]
pub enum ClientMessage {
    /// The client is alive.
    Heartbeat,
    /// The client leaves the server; its connections continue.
    Left,
    /// A signal to a peer.
    To {
        /// The name of the receiver.
        to: String,
        /// The signal.
        signal: Signal,
    },
    /// A frame that PeerServer does not know either, and drops.
    Unknown,
}

/// Reads a text frame; the caller has bounded its length.
pub fn parse(text: &str) -> Result<ClientMessage, Fault> {
    let value = halves::parse(text).map_err(|_| Fault::new(Fault::WHOLE, Wrong::NotJson))?;
    let Value::Object(frame) = value else {
        return Err(Fault::new(Fault::WHOLE, Wrong::NotAnObject));
    };
    let kind = fields::text(&frame, "type", usize::MAX)?;
    let read: fn(&Object) -> Result<Body, Fault> = match kind {
        "HEARTBEAT" => return Ok(ClientMessage::Heartbeat),
        "OFFER" => |frame| offer(payload(frame)?).map(Body::Offer),
        "ANSWER" => |frame| answer(payload(frame)?).map(Body::Answer),
        "CANDIDATE" => |frame| candidate(payload(frame)?),
        "LEAVE" => |_| Ok(Body::Leave),
        "EXPIRE" => |frame| Ok(expired(frame)),
        _ => return Ok(ClientMessage::Unknown),
    };
    let to = fields::optional_text(&frame, "dst", limits::SIGNAL_ID)?.unwrap_or_default();
    if to.is_empty() {
        return match kind {
            "LEAVE" => Ok(ClientMessage::Left),
            _ => Err(Fault::new("dst", Wrong::Missing)),
        };
    }
    let to = to.to_owned();
    let body = read(&frame)?;
    Ok(ClientMessage::To {
        to,
        signal: Signal {
            body,
            verbatim: Some((Dialect::PeerJs, verbatim(frame))),
        },
    })
}

/// Returns for a refused frame, if it is an offer, its receiver and the failure for its sender.
pub fn refusal(text: &str, fault: &Fault) -> Option<(String, Failed)> {
    let frame = halves::parse(text).ok()?;
    let said = |path| frame.pointer(path).and_then(Value::as_str);
    let within = |path| said(path).filter(|id| id.len() <= limits::SIGNAL_ID);
    let to = within("/dst").filter(|_| said("/type") == Some("OFFER"))?;
    let failed = Failed {
        connection: within("/payload/connectionId")
            .unwrap_or_default()
            .to_owned(),
        why: Why::Unavailable,
        detail: fault.to_string(),
    };
    Some((to.to_owned(), failed))
}

/// Returns the frame for a receiver of this dialect, without the names.
fn verbatim(mut frame: Object) -> Value {
    frame.retain(|name, _| matches!(name.as_str(), "type" | "payload"));
    Value::Object(frame)
}

fn payload(frame: &Object) -> Result<&Object, Fault> {
    fields::object(frame, "payload")
}

fn offer(payload: &Object) -> Result<Offer, Fault> {
    let carries = fields::carries(payload, "payload.type")?;
    let (mut label, mut serialization) = (None, None);
    if carries == Carries::Data {
        label = fields::optional_text(payload, "payload.label", limits::SIGNAL_NAME)?;
        let name = fields::text(payload, "payload.serialization", limits::SIGNAL_NAME)?;
        serialization = Some(Encoding::parse(Dialect::PeerJs, name));
    }
    let reliable = match fields::value(payload, "payload.reliable") {
        Some(Value::Bool(reliable)) => *reliable,
        Some(_) => return Err(Fault::new("payload.reliable", Wrong::NotABoolean)),
        None => false,
    };
    Ok(Offer {
        connection: connection(payload)?,
        carries,
        sdp: sdp(payload)?,
        label: label.map(str::to_owned),
        serialization,
        metadata: fields::metadata(payload, "payload.metadata")?,
        reliable,
    })
}

fn answer(payload: &Object) -> Result<Answer, Fault> {
    Ok(Answer {
        connection: connection(payload)?,
        carries: fields::carries(payload, "payload.type")?,
        sdp: sdp(payload)?,
    })
}

fn candidate(payload: &Object) -> Result<Body, Fault> {
    let paths = CandidatePaths {
        whole: "payload.candidate",
        candidate: "payload.candidate.candidate",
        mid: "payload.candidate.sdpMid",
        line: "payload.candidate.sdpMLineIndex",
        ufrag: "payload.candidate.usernameFragment",
    };
    let connection = connection(payload)?;
    let carries = fields::carries(payload, "payload.type")?;
    fields::candidate(payload, &paths, connection, carries).map(Body::Candidate)
}

/// Returns the failure of an EXPIRE frame. No client of 1.5.5 sends one, but PeerServer relays it. Its text
/// for people is not relayed to other dialects, which would take it for the hub's own words.
fn expired(frame: &Object) -> Body {
    let none = json!({});
    let payload = frame.get("payload").unwrap_or(&none);
    let connection = payload.get("connectionId").and_then(Value::as_str);
    let connection = connection.filter(|id| id.len() <= limits::SIGNAL_ID);
    Body::Failed(Failed {
        connection: connection.unwrap_or_default().to_owned(),
        why: Why::Unavailable,
        detail: String::new(),
    })
}

fn connection(payload: &Object) -> Result<String, Fault> {
    fields::connection(payload, "payload.connectionId")
}

fn sdp(payload: &Object) -> Result<String, Fault> {
    let description = fields::object(payload, "payload.sdp")?;
    fields::text(description, "payload.sdp.sdp", limits::SDP).map(str::to_owned)
}
