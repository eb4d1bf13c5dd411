//! The timeouts and limits of a session.

use std::time::Duration;

use super::{Revision, Transport};
use crate::limits;

/// The settings of a session. The client receives those that concern it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Whether a client that polls is offered a WebSocket.
    pub upgrades: bool,
    /// The time between two pings.
    pub ping_interval: Duration,
    /// The time for the answer to a ping.
    pub ping_timeout: Duration,
    /// The time for a client of revision 4 to ask to be connected.
    pub connect_timeout: Duration,
    /// The time for a WebSocket to replace polling.
    pub upgrade_timeout: Duration,
    /// The longest body or frame in either direction, in bytes; a single packet to a client may be longer.
    pub max_payload: usize,
    /// The largest number of packets in one body.
    pub payload_packets: usize,
    /// The largest number of bytes that may wait for a client.
    pub queue_bytes: usize,
    /// The largest number of packets that may wait for a client.
    pub queue_packets: usize,
}

impl Settings {
    /// Returns the defaults of the servers of both revisions (engine.io 3.6.2 and 6), except for the sizes.
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

    /// Returns the JSON of an open packet.
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
