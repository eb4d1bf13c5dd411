//! The readers of the event stream.

use serde_json::Value;

use crate::ids::ConnectionId;

/// The readers, and what they are still to be told.
#[derive(Debug, Default)]
pub(super) struct Readers {
    pub(super) readers: Vec<Reader>,
    pub(super) news: Vec<(&'static str, Value)>,
    last_id: u64,
    /// How many events there were so far, with readers or without.
    pub(super) published: u64,
}

/// One reader.
#[derive(Debug)]
pub(super) struct Reader {
    pub(super) connection: ConnectionId,
    /// The id of the token that let it in.
    pub(super) token: Option<String>,
    /// Whether it is told of more than endpoints: of the sessions of others, and of the configuration.
    pub(super) is_admin: bool,
    /// Events that did not fit since the last one that did.
    pub(super) lost: u64,
}

impl Readers {
    pub(super) fn remove(&mut self, connection: ConnectionId) -> bool {
        let before = self.readers.len();
        self.readers.retain(|it| it.connection != connection);
        self.readers.len() < before
    }

    pub(super) fn next_id(&mut self) -> u64 {
        self.last_id += 1;
        self.last_id
    }
}
