//! 1,100 bytes, as a tty gives them at once, cut into messages of 64 bytes.

use std::hint::black_box;
use std::time::{Duration, Instant};

use thingway::testing::framing::{ByteOrder, Decoder, Framing, Width, encode};

const READ: usize = 1_100;

pub fn decode(name: &str) -> Box<dyn FnMut() -> u64> {
    let framing = match name {
        "line" => Framing::Line { gap: None },
        "slip" => Framing::Slip,
        "cobs" => Framing::Cobs,
        _ => Framing::Length {
            gap: None,
            width: Width::Two,
            order: ByteOrder::Big,
        },
    };
    let mut message: Vec<u8> = (0..64).map(|byte| byte * 3).collect();
    message.retain(|byte| *byte != b'\n');
    message.push(b'\n');
    let mut wire = Vec::new();
    while wire.len() < READ {
        encode(framing, 1_024, &message, &mut wire).expect("short enough");
    }
    // Frames straddle reads, as they do on a line.
    let mut at = 0;
    let mut decoder = Decoder::new(framing, 1_024);
    let now = Instant::now() + Duration::from_secs(1);
    Box::new(move || {
        let mut read = [0; READ];
        for byte in &mut read {
            *byte = wire[at % wire.len()];
            at += 1;
        }
        crate::measured(&mut || {
            decoder.handle_input(now, &read, &mut |message| {
                black_box(message);
            });
        })
    })
}
