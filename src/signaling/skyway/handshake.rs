//! The query with which a client asks for a connection.

use serde_json::Value;

use super::Credential;
use crate::limits;
use crate::signaling::fault::{Fault, Wrong};
use crate::signaling::fields::{peer_id, percent_decode, query_value};

/// The claims of a client that asks for admission.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Handshake {
    /// The page's API key, which the rules of access control check; empty if it has none.
    pub api_key: String,
    /// The name that the peer wants; generated if absent.
    pub peer_id: Option<String>,
    /// The random token that the page generated at its start, and repeats when it returns; empty if it has
    /// none.
    pub token: String,
    /// The proof that the peer may have the name.
    pub credential: Option<Credential>,
}

impl Handshake {
    /// Reads the query, without its question mark; other parameters (`platform`, `EIO` and so on) are
    /// ignored.
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
    // After `updateCredential` the library encodes the credential twice when it reconnects.
    if text.starts_with('%') {
        let decoded = percent_decode(&text);
        text = decoded.ok_or_else(|| Fault::new("credential", Wrong::Encoding))?;
    }
    let value: Value =
        serde_json::from_str(&text).map_err(|_| Fault::new("credential", Wrong::NotJson))?;
    Credential::parse(&value)
}

/// The longest encoded credential. A credential has about 110 bytes, and three times that if encoded twice.
const LONGEST_CREDENTIAL: usize = 1_024;
