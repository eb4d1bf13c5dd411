//! What a client's connection is asked for with.

use serde_json::Value;

use super::Credential;
use crate::limits;
use crate::signaling::fault::{Fault, Wrong};
use crate::signaling::fields::{peer_id, percent_decode, query_value};

/// Who wants to come in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Handshake {
    /// What the page has as its key; empty if it has none. Without SkyWay's cloud it means nothing.
    pub api_key: String,
    /// The name that the peer wants; without one it is given one.
    pub peer_id: Option<String>,
    /// What the page made up when it began, and says again when it comes back; empty if it has none.
    pub token: String,
    /// What proves that it may have it.
    pub credential: Option<Credential>,
}

impl Handshake {
    /// Reads the query, without its question mark; what else is in it (`platform`, `EIO` and so on) is
    /// left alone.
    pub fn parse(query: &str) -> Result<Self, Fault> {
        let api_key = query_value(query, "apiKey", limits::SIGNAL_NAME)?;
        let id = query_value(query, "peerId", limits::SIGNAL_ID)?;
        let token = query_value(query, "token", limits::SIGNAL_NAME)?;
        if let Some(id) = &id {
            peer_id(id, "peerId")?;
        }
        let credential = match query_value(query, "credential", LONGEST_CREDENTIAL)? {
            Some(text) => Some(credential(text)?),
            None => None,
        };
        Ok(Self {
            api_key: api_key.unwrap_or_default(),
            peer_id: id,
            token: token.unwrap_or_default(),
            credential,
        })
    }
}

fn credential(mut text: String) -> Result<Credential, Fault> {
    // After `updateCredential` the library encodes it twice when it connects again.
    if text.starts_with('%') {
        let decoded = percent_decode(&text);
        text = decoded.ok_or_else(|| Fault::new("credential", Wrong::Encoding))?;
    }
    let value: Value =
        serde_json::from_str(&text).map_err(|_| Fault::new("credential", Wrong::NotJson))?;
    Credential::parse(&value)
}

/// It has about 110 bytes, and three times that if it is encoded twice.
const LONGEST_CREDENTIAL: usize = 1_024;
