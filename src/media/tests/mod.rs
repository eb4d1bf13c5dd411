//! Tests of the media component without the gateway.

mod numbering;
mod publishing;
mod slowness;
mod viewing;

use std::sync::Arc;
use std::time::Instant;

use super::packets::Packet;
use super::source::Numbers;
use crate::transceiver::{OutgoingPacket, RtpWriter, TransceiverKey};

/// Returns a packet whose payload names it.
fn packet(sequence: u64, timestamp: u32, begins_keyframe: bool) -> Packet {
    Packet {
        numbers: Numbers {
            sequence,
            timestamp,
        },
        marker: false,
        begins_keyframe,
        wallclock: Instant::now(),
        arrived: Instant::now(),
        payload: Arc::from(sequence.to_string().into_bytes()),
        color_space: None,
    }
}

/// What a viewer got: the sequence number, the timestamp and the payload of each packet.
#[derive(Default)]
struct Peer {
    got: Vec<(u64, u32, String)>,
    is_gone: bool,
}

impl Peer {
    /// Returns the sequence numbers, counted from the first.
    fn sequences(&self) -> Vec<u64> {
        let first = self.got.first().map_or(0, |(sequence, ..)| *sequence);
        self.got
            .iter()
            .map(|(sequence, ..)| sequence - first)
            .collect()
    }

    fn payloads(&self) -> Vec<&str> {
        self.got
            .iter()
            .map(|(.., payload)| payload.as_str())
            .collect()
    }
}

impl RtpWriter for Peer {
    fn write_rtp(&mut self, _: TransceiverKey, packet: &OutgoingPacket<'_>) -> bool {
        let payload = String::from_utf8_lossy(packet.payload).into_owned();
        self.got.push((packet.sequence, packet.timestamp, payload));
        !self.is_gone
    }
}
