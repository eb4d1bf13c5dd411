//! The readers of the event stream.

use serde_json::Value;

use crate::ids::ConnectionId;

/// The readers, and the events still to be sent to them.
#[derive(Debug, Default)]
pub(super) struct Readers {
    pub(super) readers: Vec<Reader>,
    pub(super) news: Vec<(&'static str, Value)>,
    last_id: u64,
    /// How many events were published so far, including those without readers.
    pub(super) published: u64,
}

/// One reader.
#[derive(Debug)]
pub(super) struct Reader {
    pub(super) connection: ConnectionId,
    /// The id of the token that opened the stream.
    pub(super) token: Option<String>,
    /// Whether the reader receives more than endpoint events: the events of other tokens' sessions and of the
    /// configuration.
    pub(super) is_admin: bool,
    /// Events since the last one sent that did not fit into the reader's buffer.
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
