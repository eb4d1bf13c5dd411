//! The encoding of a channel's messages as in PeerJS or SkyWay-JS, with the frames that wait to be sent.

use std::collections::VecDeque;

use crate::endpoint::Message;
use crate::payload::{
    Bounds, Codec, DecodeError, Decoded, EncodeError, Frame, Payload, Serialization,
};

/// Encodes and decodes the messages of one channel.
#[derive(Debug)]
pub(super) struct Transcoder {
    codec: Codec,
    /// Frames that wait to be sent, each with its type: binary or text.
    frames: VecDeque<(bool, Vec<u8>)>,
}

impl Transcoder {
    /// Returns a transcoder, or `None` for a serialization that leaves bytes as they are.
    pub(super) fn new(serialization: Serialization) -> Option<Box<Self>> {
        if serialization == Serialization::Raw {
            return None;
        }
        Some(Box::new(Self {
            codec: Codec::new(serialization, Bounds::default()),
            frames: VecDeque::new(),
        }))
    }

    /// Returns the next frame to send.
    pub(super) fn front(&self) -> Option<(bool, &[u8])> {
        let (binary, frame) = self.frames.front()?;
        Some((*binary, frame))
    }

    /// Removes the frame that [`Self::front`] returned.
    pub(super) fn pop(&mut self) {
        self.frames.pop_front();
    }

    /// Encodes a message of a device. The caller sends its frames before the next message is encoded.
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
            // JSON carries only text, so bytes that are not UTF-8 are replaced, as in a text frame.
            Err(EncodeError::NotUtf8 { .. }) => {
                let text = String::from_utf8_lossy(message.bytes);
                codec.encode(Payload::Text(&text), &mut keep)
            }
            done => done,
        }
    }

    /// Returns how many bytes of unfinished messages the transcoder keeps.
    pub(super) fn held(&self) -> usize {
        self.codec.held()
    }

    /// Decodes a frame of a peer; see [`Codec::decode`].
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
