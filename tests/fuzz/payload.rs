//! Payloads of PeerJS and SkyWay-JS: any frames, among them parts that fit nowhere, keep the bounds;
//! and what is sent is received, in any order of its frames.

use super::input::Input;
use thingway::testing::limits::MAX_MESSAGE;
use thingway::testing::payload::binarypack::{self, Value};
use thingway::testing::payload::{Bounds, Codec, Decoded, Dropped, Frame, Payload, Serialization};

const SERIALIZATIONS: [Serialization; 5] = [
    Serialization::Raw,
    Serialization::PeerJsJson,
    Serialization::PeerJsBinary,
    Serialization::SkyWayJson,
    Serialization::SkyWayBinary,
];

/// Of the longest a message is cut in parts by us, too.
const MAXIMA: [usize; 4] = [3, 20, 300, 40_000];

const VALUE: binarypack::Bounds = binarypack::Bounds {
    depth: 5,
    elements: 50,
    size: 200,
};

/// The most that BinaryPack puts before bytes.
const HEADER: usize = 5;

/// Feeds a codec and panics if it grows beyond its bounds or loses a payload. The first byte picks
/// the serialization, the second the bounds; the others are steps.
pub fn payload(data: &[u8]) {
    let mut input = Input::new(data);
    let serialization = *SERIALIZATIONS
        .get(input.below(SERIALIZATIONS.len()))
        .expect("an index below its length");
    let choice = usize::from(input.byte());
    let message = MAXIMA.get(choice % MAXIMA.len());
    let message = *message.expect("an index below its length");
    let bounds = Bounds {
        message,
        held: message * (1 + choice / 4 % 3),
        groups: 1 + choice / 16 % 4,
    };
    let mut page = Page::new(serialization, bounds);
    while let Some(step) = input.next() {
        match step % 8 {
            0 => page.receive(Frame::Text(input.piece())),
            1 => page.receive(Frame::Binary(&part(serialization, &mut input))),
            2 => check_value(input.piece()),
            3 => {
                let (kind, times) = (input.byte(), usize::from(input.byte()));
                let bytes = input.piece().repeat(times);
                page.check_echo(&bytes, kind);
            }
            _ => page.receive(Frame::Binary(input.piece())),
        }
    }
}

/// A codec that was given all that came.
#[derive(Debug)]
struct Page {
    serialization: Serialization,
    bounds: Bounds,
    codec: Codec,
    dropped: Dropped,
}

impl Page {
    fn new(serialization: Serialization, bounds: Bounds) -> Self {
        Self {
            serialization,
            bounds,
            codec: Codec::new(serialization, bounds),
            dropped: Dropped::default(),
        }
    }

    fn receive(&mut self, frame: Frame<'_>) {
        let longest = match self.serialization {
            Serialization::PeerJsBinary | Serialization::SkyWayBinary => self.bounds.message,
            Serialization::Raw | Serialization::PeerJsJson | Serialization::SkyWayJson => {
                MAX_MESSAGE
            }
        };
        match self.codec.decode(frame) {
            Ok(Some(Decoded::Payload(payload))) => {
                assert!(payload.as_bytes().len() <= longest, "{payload:?}");
            }
            Ok(Some(Decoded::Close) | None) => {}
            Err(error) => assert!(!error.to_string().is_empty()),
        }
        let packed = self.bounds.message + self.bounds.message / 2 + HEADER;
        assert!(self.codec.held() <= self.bounds.held.max(packed));
        let before = std::mem::replace(&mut self.dropped, self.codec.dropped());
        assert!(before.messages <= self.dropped.messages);
        assert!(before.bytes <= self.dropped.bytes);
    }

    /// Sends it to a page of the same kind, and the frames to this one in another order.
    fn check_echo(&mut self, bytes: &[u8], kind: u8) {
        let payload = match std::str::from_utf8(bytes) {
            Ok(text) if kind & 1 == 0 => Payload::Text(text),
            Ok(_) | Err(_) => Payload::Bytes(bytes),
        };
        let mut us = Codec::new(self.serialization, self.bounds);
        let mut echo = Codec::new(self.serialization, self.bounds);
        let mut frames = Vec::new();
        let mut last = None;
        let sent = us.encode(payload, &mut |frame| {
            assert_eq!(last, None, "a frame after the last one");
            let (Frame::Text(bytes) | Frame::Binary(bytes)) = frame;
            assert!(bytes.len() <= MAX_MESSAGE);
            let decoded = echo.decode(frame).expect("what was sent can be read");
            if let Some(Decoded::Payload(payload)) = decoded {
                last = Some(payload.as_bytes().to_vec());
            }
            frames.push(bytes.to_vec());
        });
        if sent.is_err() {
            assert_eq!(frames.len(), 0, "a frame of what was refused");
            return;
        }
        assert_eq!(last.as_deref(), Some(bytes));
        assert_eq!((echo.held(), echo.dropped()), (0, Dropped::default()));
        if kind & 2 == 0 {
            frames.reverse();
        }
        if kind & 4 == 0 {
            frames.pop();
        }
        for frame in frames {
            self.receive(Frame::Binary(&frame));
        }
    }
}

/// A part with numbers that may or may not fit others.
fn part(serialization: Serialization, input: &mut Input<'_>) -> Vec<u8> {
    let id = input.byte() % 4;
    let mut number = || Value::Unsigned(input.byte().into());
    let (index, total, size) = (number(), number(), number());
    let data = Value::Bytes(input.piece().to_vec());
    let entries = match serialization {
        Serialization::SkyWayBinary | Serialization::SkyWayJson | Serialization::Raw => vec![
            ("id", Value::Text(id.to_string())),
            ("size", size),
            ("totalParts", total),
            ("index", index),
            ("data", data),
        ],
        Serialization::PeerJsBinary | Serialization::PeerJsJson => vec![
            ("__peerData", Value::Unsigned(id.into())),
            ("n", index),
            ("data", data),
            ("total", total),
        ],
    };
    let entries = entries.into_iter();
    let map = entries.map(|(key, value)| (key.to_owned(), value));
    let mut wire = Vec::new();
    let size = 2 * usize::from(u8::MAX);
    let encoded = binarypack::encode(
        &Value::Map(map.collect()),
        &binarypack::Bounds { size, ..VALUE },
        &mut wire,
    );
    assert_eq!(encoded, Ok(()));
    wire
}

/// What can be read can be written, in no more bytes, and read again.
fn check_value(wire: &[u8]) {
    let value = match binarypack::decode(wire, &VALUE) {
        Ok(value) => value,
        Err(error) => return assert!(error.offset <= wire.len(), "{error}"),
    };
    // A number of 32 bits becomes one of 64: the libraries write no other.
    let bounds = binarypack::Bounds {
        size: 2 * VALUE.size,
        ..VALUE
    };
    let mut ours = Vec::new();
    assert_eq!(binarypack::encode(&value, &bounds, &mut ours), Ok(()));
    assert!(
        ours.len() <= wire.len() || wire.contains(&0xca),
        "{value:?}"
    );
    let again = binarypack::decode(&ours, &bounds).expect("what was written can be read");
    let mut theirs = Vec::new();
    assert_eq!(binarypack::encode(&again, &bounds, &mut theirs), Ok(()));
    assert_eq!(ours, theirs);
}
