//! The answers, with exactly the keys that programs know: the crate refuses a port's answer with
//! one key more, and a status with one less.

use std::net::SocketAddr;

use serde_json::{Value, json};

use super::request::Credential;
use super::{Call, Event, FieldError, Subject};
use crate::http::Response;
use crate::payload::{Dialect, Serialization};
use crate::util::halves;

/// 201: a peer was made.
pub fn peer_created(peer_id: &str, token: &str) -> Response {
    let params = json!({ "peer_id": peer_id, "token": token });
    command(201, &Call::CreatePeer, params)
}

/// 200: a credential was replaced, or there was none to replace.
pub fn credential_updated(credential: &Credential) -> Response {
    let params = json!({ "credential": credential.to_json() });
    command(200, &Call::UpdateCredential(String::new()), params)
}

/// 200: how a peer is. It is disconnected while it cannot be called.
pub fn peer_status(peer_id: &str, disconnected: bool) -> Response {
    with(
        200,
        &json!({ "peer_id": peer_id, "disconnected": disconnected }),
    )
}

/// 201: a port was opened.
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

/// 202: a connection is being made.
pub fn connection_created(data_connection_id: &str) -> Response {
    let params = json!({ "data_connection_id": data_connection_id });
    command(202, &Call::Connect, params)
}

/// 200: a connection was changed. It names the port that feeds it now, if one does, and outside
/// of `params`.
pub fn connection_changed(data_id: Option<&str>) -> Response {
    let name = Call::ChangeConnection(String::new()).command();
    let mut body = json!({ "command_type": name });
    if let (Some(body), Some(data_id)) = (body.as_object_mut(), data_id) {
        body.insert("data_id".to_owned(), data_id.into());
    }
    with(200, &body)
}

/// 204: something is no more.
pub fn deleted() -> Response {
    Response::new(204)
}

/// 200: what has happened.
pub fn event(event: &Event, subject: Subject<'_>) -> Response {
    with(200, &event.to_json(subject))
}

/// How a data connection is. The crate wants all of it, and `metadata` as a string.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DataStatus<'a> {
    /// The other peer.
    pub remote_id: &'a str,
    /// Bytes that wait for it.
    pub buffersize: u64,
    /// The channel's label.
    pub label: &'a str,
    /// What the one who opened it had to say, if anything.
    pub metadata: Option<&'a Value>,
    /// Whether messages can be sent.
    pub open: bool,
    /// Whether they come in order and all of them.
    pub reliable: bool,
    /// How they are said to be written.
    pub serialization: Serialization,
}

/// 200: how a data connection is. Metadata other than a string, from a page, is told as its JSON.
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

/// An error. The body is there whatever the status: the Node SDK reads the first message of any
/// answer that is not 2xx, and dies without it. Programs know 400, 403, 404, 405, 406 and 408.
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

/// 408: nothing has happened in the time that a program waits.
pub fn nothing_happened(command: &str) -> Response {
    error(408, command, &[])
}

/// What every call about media is answered with until there are media connections. 501 would say
/// it better, but to programs that is no answer of the gateway at all (the crate says "invalid
/// response"); of the statuses that they know, 400 is the one whose message they show.
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
