//! What requests say: JSON bodies into types that cannot be wrong, and the token in a query.
//!
//! Every fault of a body is found in one go, each with its field. Fields that nobody knows are
//! left alone, and what real programs write is taken (`fields` says which).

mod connection;
mod fields;

use serde_json::{Value, json};

use super::{FieldError, ids};
use crate::{http, limits};
use fields::{Object, Reader};

pub use connection::{
    ConnectOptions, ConnectionChange, DataOptions, DcInit, Feed, Reliability, Source,
};

/// All that is wrong with a request; never nothing.
pub type Faults = Vec<FieldError>;

/// `POST /peers`: who wants to be reachable, and as whom.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeerOptions {
    /// The application's key.
    pub key: String,
    /// Where the application says that it is from, like the host of a page.
    pub domain: String,
    /// The id; one is made up if there is none.
    pub peer_id: Option<String>,
    /// Whether relays may be used; it is allowed unless said otherwise.
    pub turn: bool,
    /// What proves that somebody with the key's secret agrees.
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

/// A credential of SkyWay's peer authentication. Whether it is right is not looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credential {
    /// When it was made, in seconds since 1970.
    pub timestamp: u64,
    /// How long it holds from then on, in seconds: 600 to 90,000.
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

    /// As it is written in answers.
    pub fn to_json(&self) -> Value {
        json!({ "timestamp": self.timestamp, "ttl": self.ttl, "authToken": self.auth_token })
    }
}

/// The end of the year 9999; a sum with a `ttl` stays a number that anybody can count to.
const LAST_SECOND: u64 = 253_402_300_799;

/// Bodies that have nothing to say (`POST /data`): an object, whatever is in it, or no body.
pub fn parse_nothing(body: &[u8]) -> Result<(), Faults> {
    if body.is_empty() {
        return Ok(());
    }
    Reader::read(body, |_, _| ())
}

/// The `token` of a query, which follows the first question mark. Whether it is the right one is
/// for whoever knows that; a query that has two of them means neither.
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

/// A text that has to be there; empty if there is a fault.
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
