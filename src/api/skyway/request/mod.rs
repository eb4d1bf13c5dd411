//! The content of requests: JSON bodies parsed into valid types, and the token in a query.
//!
//! All faults of a body are found in one pass, each with its field. Unknown fields are ignored, and the forms
//! that real programs write are accepted (`fields` says which).

mod connection;
mod fields;

use serde_json::{Value, json};

use super::{FieldError, ids};
use crate::{http, limits};
use fields::{Object, Reader};

pub use connection::{
    ConnectOptions, ConnectionChange, DataOptions, DcInit, Feed, Reliability, Source,
};

/// All faults of a request; never empty.
pub type Faults = Vec<FieldError>;

/// `POST /peers`: the peer that wants to be reachable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeerOptions {
    /// The application's key.
    pub key: String,
    /// The domain that the application claims, like the host of a page.
    pub domain: String,
    /// The id of the peer; generated if absent.
    pub peer_id: Option<String>,
    /// Whether relays may be used; true by default.
    pub turn: bool,
    /// The credential that proves the agreement of a holder of the key's secret.
    pub credential: Option<Credential>,
}

impl PeerOptions {
    /// Reads a body.
    pub fn parse(body: &[u8]) -> Result<Self, Faults> {
        Reader::read(body, |reader, object| Self {
            key: needed(reader, object, "key", limits::FACADE_NAME),
            domain: needed(reader, object, "domain", limits::FACADE_NAME),
            peer_id: peer_id(reader, object, "peer_id"),
            turn: reader.boolean(object, "turn").unwrap_or(true),
            credential: reader.object(object, "credential").map(|inner| {
                let names = [
                    "credential.timestamp",
                    "credential.ttl",
                    "credential.authToken",
                ];
                Credential::read(reader, Some(inner), names)
            }),
        })
    }
}

/// A credential of SkyWay's peer authentication. Its validity is not checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credential {
    /// The time at which the credential was made, in seconds since 1970.
    pub timestamp: u64,
    /// The lifetime of the credential from then on, in seconds: 600 to 90,000.
    pub ttl: u32,
    /// The HMAC over both and the peer's id, in base64.
    pub auth_token: String,
}

impl Credential {
    /// Reads a body.
    pub fn parse(body: &[u8]) -> Result<Self, Faults> {
        Reader::read(body, |reader, object| {
            Self::read(reader, object, ["timestamp", "ttl", "authToken"])
        })
    }

    fn read(reader: &mut Reader, object: Object<'_>, names: [&'static str; 3]) -> Self {
        let [timestamp, ttl, auth_token] = names;
        reader.require(object, timestamp);
        reader.require(object, ttl);
        Self {
            timestamp: reader
                .number(object, timestamp, 0..=LAST_SECOND)
                .unwrap_or_default(),
            ttl: reader.number(object, ttl, 600..=90_000).unwrap_or_default(),
            auth_token: needed(reader, object, auth_token, limits::AUTH_TOKEN),
        }
    }

    /// Returns the credential as answers write it.
    pub fn to_json(&self) -> Value {
        json!({ "timestamp": self.timestamp, "ttl": self.ttl, "authToken": self.auth_token })
    }
}

/// The end of the year 9999; a sum with a `ttl` stays a number that any program can represent.
const LAST_SECOND: u64 = 253_402_300_799;

/// Checks a body without content (`POST /data`): an object with any fields, or no body.
pub fn parse_nothing(body: &[u8]) -> Result<(), Faults> {
    if body.is_empty() {
        return Ok(());
    }
    Reader::read(body, |_, _| ())
}

/// Returns the `token` of a query, which follows the first question mark. The caller checks whether the token
/// is right; a query with two tokens has none that counts.
pub fn token(query: Option<&str>) -> Result<String, FieldError> {
    let pairs = query.unwrap_or_default().split('&');
    let mut values = pairs.filter_map(|pair| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        (name == "token").then_some(value)
    });
    let token = values.next().filter(|value| !value.is_empty());
    let Some(token) = token else {
        return Err(FieldError::missing("token"));
    };
    if values.next().is_some() {
        return Err(FieldError::new("token", "is there more than once"));
    }
    http::percent_decode(token)
        .map_err(|_| FieldError::new("token", "is not properly percent-encoded"))
}

/// Returns a text that must be present; empty if there is a fault.
fn needed(reader: &mut Reader, object: Object<'_>, field: &'static str, longest: usize) -> String {
    reader.require(object, field);
    reader.text(object, field, longest).unwrap_or_default()
}

fn peer_id(reader: &mut Reader, object: Object<'_>, field: &'static str) -> Option<String> {
    let id = reader.text(object, field, limits::PEER_ID)?;
    if !ids::is_peer_id(&id) {
        reader.fault(
            field,
            "may have letters, digits, '+', '-' and '_', and single spaces between them",
        );
    }
    Some(id)
}
