//! The query with which a client asks for a WebSocket.

use std::fmt;

use crate::limits;
use crate::signaling::fault::Fault;
use crate::signaling::fields::{peer_id, query_value};

/// A client that asks for admission. `Debug` does not show the token.
#[derive(Clone, PartialEq, Eq)]
pub struct Query {
    /// The server's name for its users; `peerjs` unless the page says otherwise.
    pub key: String,
    /// The name that the peer wants.
    pub id: String,
    /// The token that proves that the client had the name before.
    pub token: String,
}

impl Query {
    /// Reads the query, without its question mark. The library does not encode it, but browsers do where
    /// necessary.
    pub fn parse(query: &str) -> Result<Self, QueryRefusal> {
        let value = |name, bound| query_value(query, name, bound)?.ok_or(QueryRefusal::Missing);
        let id = value("id", limits::SIGNAL_ID)?;
        let token = value("token", limits::SIGNAL_NAME)?;
        let key = value("key", limits::SIGNAL_NAME)?;
        peer_id(&id, "id")?;
        Ok(Self { key, id, token })
    }
}

impl fmt::Debug for Query {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Query")
            .field("key", &self.key)
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

/// The reason for refusing a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum QueryRefusal {
    /// The id, the token or the key is missing.
    Missing,
    /// The id, the token or the key has a fault.
    Fault(Fault),
    /// The key is not the server's.
    Key,
    /// There are too many peers.
    Full,
    /// The id is taken.
    Taken,
}

impl QueryRefusal {
    /// Returns the message to the client before its connection is closed.
    pub fn frame(self) -> String {
        match self {
            Self::Missing | Self::Fault(_) | Self::Key | Self::Full => {
                super::error(&self.to_string())
            }
            Self::Taken => super::id_taken().to_owned(),
        }
    }
}

/// Uses the words of PeerServer, where it has some.
impl fmt::Display for QueryRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing => f.write_str("No id, token, or key supplied to websocket server"),
            Self::Fault(fault) => fault.fmt(f),
            Self::Key => f.write_str("Invalid key provided"),
            Self::Full => f.write_str("Server has reached its concurrent user limit"),
            Self::Taken => f.write_str("ID is taken"),
        }
    }
}

impl std::error::Error for QueryRefusal {}

impl From<Fault> for QueryRefusal {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}
