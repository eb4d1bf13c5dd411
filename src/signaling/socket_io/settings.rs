//! How long a session waits and how much it holds.

use std::time::Duration;

use super::{Revision, Transport};
use crate::limits;

/// What holds for a session. The client is told what concerns it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Whether a client that polls is offered a WebSocket.
    pub upgrades: bool,
    /// Between two pings.
    pub ping_interval: Duration,
    /// How long the answer to one may take.
    pub ping_timeout: Duration,
    /// How long a client of revision 4 may take to say that it wants to talk.
    pub connect_timeout: Duration,
    /// How long a WebSocket may take to replace polling.
    pub upgrade_timeout: Duration,
    /// The longest body or frame either way, in bytes; a single packet to a client may be longer.
    pub max_payload: usize,
    /// How many packets one body may have.
    pub payload_packets: usize,
    /// How many bytes may wait for a client.
    pub queue_bytes: usize,
    /// And how many packets.
    pub queue_packets: usize,
}

impl Settings {
    /// What the servers of both revisions do (engine.io 3.6.2 and 6) when they are told nothing, but for the sizes.
    pub fn new() -> Self {
        Self {
            upgrades: true,
            ping_interval: Duration::from_secs(25),
            ping_timeout: Duration::from_secs(20),
            connect_timeout: Duration::from_secs(45),
            upgrade_timeout: Duration::from_secs(10),
            max_payload: limits::SOCKET_IO_PAYLOAD,
            payload_packets: limits::SOCKET_IO_PACKETS,
            queue_bytes: limits::SOCKET_IO_QUEUE,
            queue_packets: limits::SOCKET_IO_PACKETS,
        }
    }

    /// What an open packet says of them.
    pub(super) fn open(&self, revision: Revision, transport: Transport, sid: &str) -> String {
        let upgrades = match transport {
            Transport::Polling if self.upgrades => r#"["websocket"]"#,
            Transport::Polling | Transport::WebSocket => "[]",
        };
        let payload = match revision {
            Revision::Three => String::new(),
            Revision::Four => format!(r#","maxPayload":{}"#, self.max_payload),
        };
        format!(
            r#"{{"sid":{},"upgrades":{upgrades},"pingInterval":{},"pingTimeout":{}{payload}}}"#,
            serde_json::json!(sid),
            self.ping_interval.as_millis(),
            self.ping_timeout.as_millis(),
        )
    }
}
