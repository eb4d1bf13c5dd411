//! A channel whose messages are written as PeerJS or SkyWay-JS writes them: what its device says,
//! in frames that wait to be sent.

use std::collections::VecDeque;

use crate::endpoint::Message;
use crate::payload::{
    Bounds, Codec, DecodeError, Decoded, EncodeError, Frame, Payload, Serialization,
};

/// Both ways of one channel.
#[derive(Debug)]
pub(super) struct Transcoder {
    codec: Codec,
    /// With their types: binary or not.
    frames: VecDeque<(bool, Vec<u8>)>,
}

impl Transcoder {
    /// `None` where bytes stay as they are.
    pub(super) fn new(serialization: Serialization) -> Option<Box<Self>> {
        if serialization == Serialization::Raw {
            return None;
        }
        Some(Box::new(Self {
            codec: Codec::new(serialization, Bounds::default()),
            frames: VecDeque::new(),
        }))
    }

    /// The next frame to send.
    pub(super) fn front(&self) -> Option<(bool, &[u8])> {
        let (binary, frame) = self.frames.front()?;
        Some((*binary, frame))
    }

    /// It has been sent.
    pub(super) fn pop(&mut self) {
        self.frames.pop_front();
    }

    /// Writes what a device says; it is sent before the next.
    pub(super) fn encode(&mut self, message: Message<'_>) -> Result<(), EncodeError> {
        let Self { codec, frames } = self;
        let mut keep = |frame: Frame<'_>| {
            frames.push_back(match frame {
                Frame::Text(text) => (false, text.to_vec()),
                Frame::Binary(bytes) => (true, bytes.to_vec()),
            });
        };
        let text = match std::str::from_utf8(message.bytes) {
            Ok(text) if !message.binary => Some(text),
            Ok(_) | Err(_) => None,
        };
        let payload = text.map_or(Payload::Bytes(message.bytes), Payload::Text);
        match codec.encode(payload, &mut keep) {
            // JSON has text only: what is none is replaced there, as in a text frame.
            Err(EncodeError::NotUtf8 { .. }) => {
                let text = String::from_utf8_lossy(message.bytes);
                codec.encode(Payload::Text(&text), &mut keep)
            }
            done => done,
        }
    }

    /// Bytes of messages that are not whole yet.
    pub(super) fn held(&self) -> usize {
        self.codec.held()
    }

    /// What a frame says; see [`Codec::decode`].
    pub(super) fn decode<'a>(
        &'a mut self,
        binary: bool,
        data: &'a [u8],
    ) -> Result<Option<Decoded<'a>>, DecodeError> {
        self.codec.decode(if binary {
            Frame::Binary(data)
        } else {
            Frame::Text(data)
        })
    }
}
