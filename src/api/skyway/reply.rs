//! The answers, with exactly the keys that programs know: the crate refuses a port's answer with an
//! additional key, and a status with a missing one.

use std::net::SocketAddr;

use serde_json::{Value, json};

use super::request::Credential;
use super::{Call, Event, FieldError, Subject};
use crate::http::Response;
use crate::payload::{Dialect, Serialization};
use crate::util::halves;

/// Returns 201: a peer was made.
pub fn peer_created(peer_id: &str, token: &str) -> Response {
    let params = json!({ "peer_id": peer_id, "token": token });
    command(201, &Call::CreatePeer, params)
}

/// Returns 200: a credential was replaced, or there was none to replace.
pub fn credential_updated(credential: &Credential) -> Response {
    let params = json!({ "credential": credential.to_json() });
    command(200, &Call::UpdateCredential(String::new()), params)
}

/// Returns 200: the status of a peer. A peer is disconnected while it cannot be called.
pub fn peer_status(peer_id: &str, disconnected: bool) -> Response {
    with(
        200,
        &json!({ "peer_id": peer_id, "disconnected": disconnected }),
    )
}

/// Returns 201: a port was opened.
pub fn data_created(data_id: &str, at: SocketAddr) -> Response {
    let family = match at {
        SocketAddr::V4(_) => "ip_v4",
        SocketAddr::V6(_) => "ip_v6",
    };
    with(
        201,
        &json!({ "data_id": data_id, family: at.ip(), "port": at.port() }),
    )
}

/// Returns 202: a connection is being made.
pub fn connection_created(data_connection_id: &str) -> Response {
    let params = json!({ "data_connection_id": data_connection_id });
    command(202, &Call::Connect, params)
}

/// Returns 200: a connection was changed. The body names the port that now feeds the connection, if one does,
/// outside of `params`.
pub fn connection_changed(data_id: Option<&str>) -> Response {
    let name = Call::ChangeConnection(String::new()).command();
    let mut body = json!({ "command_type": name });
    if let (Some(body), Some(data_id)) = (body.as_object_mut(), data_id) {
        body.insert("data_id".to_owned(), data_id.into());
    }
    with(200, &body)
}

/// Returns 204: an object was deleted.
pub fn deleted() -> Response {
    Response::new(204)
}

/// Returns 200: an event.
pub fn event(event: &Event, subject: Subject<'_>) -> Response {
    with(200, &event.to_json(subject))
}

/// The status of a data connection. The crate requires all fields, and `metadata` as a string.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DataStatus<'a> {
    /// The id of the other peer.
    pub remote_id: &'a str,
    /// The number of bytes that wait to be sent to the other peer.
    pub buffersize: u64,
    /// The channel's label.
    pub label: &'a str,
    /// The metadata that the peer that opened the connection sent, if any.
    pub metadata: Option<&'a Value>,
    /// Whether messages can be sent.
    pub open: bool,
    /// Whether messages arrive in order and without loss.
    pub reliable: bool,
    /// The announced serialization of messages.
    pub serialization: Serialization,
}

/// Returns 200: the status of a data connection. Metadata from a page that is not a string is given as its
/// JSON.
pub fn data_status(status: &DataStatus<'_>) -> Response {
    let metadata = match status.metadata.cloned().map(halves::plain) {
        None => String::new(),
        Some(Value::String(text)) => text,
        Some(other) => other.to_string(),
    };
    let serialization = status.serialization.name(Dialect::SkyWay);
    with(
        200,
        &json!({
            "remote_id": status.remote_id,
            "buffersize": status.buffersize,
            "label": halves::plain(Value::from(status.label)),
            "metadata": metadata,
            "open": status.open,
            "reliable": status.reliable,
            "serialization": serialization.to_ascii_uppercase(),
            "type": "DATA",
        }),
    )
}

/// Returns an error. The body is present for every status because the Node SDK reads the first message of any
/// answer that is not 2xx, and crashes without it. Programs know 400, 403, 404, 405, 406 and 408.
pub fn error(status: u16, command: &str, faults: &[FieldError]) -> Response {
    let mut errors: Vec<Value> = faults
        .iter()
        .map(|it| json!({ "field": it.field, "message": it.message }))
        .collect();
    if errors.is_empty() {
        errors.push(json!({ "field": "", "message": default_message(status) }));
    }
    let params = json!({ "errors": errors });
    with(
        status,
        &json!({ "command_type": command, "params": params }),
    )
}

/// Returns 408: no event occurred in the time that a program waits.
pub fn nothing_happened(command: &str) -> Response {
    error(408, command, &[])
}

/// Returns the answer to every call about media until media connections are implemented. 501 would be more
/// precise, but programs do not accept it as an answer of the gateway (the crate says "invalid response"); of
/// the statuses that they know, 400 is the one whose message they show.
pub fn no_media(command: &str) -> Response {
    let fault = FieldError::new("media", "media connections are not there yet");
    error(400, command, &[fault])
}

fn default_message(status: u16) -> &'static str {
    match status {
        403 => "forbidden",
        404 => "there is no such thing",
        406 => "only application/json is to be had",
        408 => "nothing has happened",
        _ => "the request cannot be served",
    }
}

fn command(status: u16, call: &Call, params: Value) -> Response {
    with(
        status,
        &json!({ "command_type": call.command(), "params": params }),
    )
}

fn with(status: u16, body: &Value) -> Response {
    Response::new(status).body("application/json", body.to_string().into_bytes())
}
