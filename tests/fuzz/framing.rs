//! Framings: any bytes in any pieces, with silences and ends of the stream between them, must mean
//! the same as byte by byte; and what has been received can be sent and received again.

use std::time::{Duration, Instant};

use super::input::Input;
use super::start;
use thingway::testing::framing::{
    ByteOrder, Decoder, Framing, MAX_MESSAGE, Width, encode, encoded_len,
};

const GAP: Duration = Duration::from_millis(100);

/// Around the longest run of COBS there is most to go wrong.
const MAXIMA: [usize; 8] = [1, 2, 5, 16, 254, 255, 300, MAX_MESSAGE];

/// Feeds two decoders and panics if they differ, grow, or lose a byte. The first byte picks the
/// framing, the second how long a message may be; the others are steps.
pub fn framing(data: &[u8]) {
    let mut input = Input::new(data);
    let framing = pick(input.byte());
    let max = *MAXIMA
        .get(input.below(MAXIMA.len()))
        .expect("an index below its length");
    let mut now = start();
    let mut whole = Receiver::new(framing, max);
    let mut chopped = Receiver::new(framing, max);
    while let Some(step) = input.next() {
        match step % 8 {
            0 => {
                whole.reset();
                chopped.reset();
            }
            1 => now += Duration::from_millis(u64::from(input.byte())),
            // The other one is late: it learns of the time with the next input.
            2 => whole.timeout(now),
            3 => {
                let mut wire = Vec::new();
                let message = input.piece();
                let taken = encode(framing, max, message, &mut wire);
                assert_eq!(taken.is_ok(), message.len() <= framing.longest(max));
                if taken.is_ok() {
                    assert_eq!(wire.len(), encoded_len(framing, message));
                }
                feed(&mut whole, &mut chopped, now, &wire);
            }
            _ => feed(&mut whole, &mut chopped, now, input.piece()),
        }
    }
    now += GAP;
    whole.timeout(now);
    feed(&mut whole, &mut chopped, now, &[]);
    whole.check_accounts();
    whole.check_echo(now);
}

fn pick(choice: u8) -> Framing {
    let length = |width, order| Framing::Length {
        gap: None,
        width,
        order,
    };
    match choice % 11 {
        0 => Framing::Line { gap: None },
        1 => Framing::Line { gap: Some(GAP) },
        2 => Framing::IdleGap { gap: GAP },
        3 => Framing::Slip,
        4 => Framing::Cobs,
        5 => length(Width::One, ByteOrder::Big),
        6 => length(Width::One, ByteOrder::Little),
        7 => length(Width::Two, ByteOrder::Big),
        8 => length(Width::Two, ByteOrder::Little),
        9 => length(Width::Four, ByteOrder::Big),
        _ => length(Width::Four, ByteOrder::Little),
    }
}

fn feed(whole: &mut Receiver, chopped: &mut Receiver, now: Instant, bytes: &[u8]) {
    whole.input(now, bytes);
    // Also where there is no byte, time has gone on.
    chopped.input(now, &[]);
    for byte in bytes {
        chopped.input(now, std::slice::from_ref(byte));
    }
    assert_eq!(whole.messages, chopped.messages, "messages");
    assert_eq!(whole.decoder.faults(), chopped.decoder.faults());
    assert_eq!(whole.decoder.buffered(), chopped.decoder.buffered());
    assert_eq!(whole.decoder.poll_timeout(), chopped.decoder.poll_timeout());
}

/// A decoder with all that it has been given and has passed on.
#[derive(Debug)]
struct Receiver {
    framing: Framing,
    max: usize,
    decoder: Decoder,
    received: usize,
    messages: Vec<Vec<u8>>,
}

impl Receiver {
    fn new(framing: Framing, max: usize) -> Self {
        Self {
            framing,
            max,
            decoder: Decoder::new(framing, max),
            received: 0,
            messages: Vec::new(),
        }
    }

    fn input(&mut self, now: Instant, bytes: &[u8]) {
        self.received += bytes.len();
        let push = &mut |message: &[u8]| self.messages.push(message.to_vec());
        self.decoder.handle_input(now, bytes, push);
        assert!(self.decoder.capacity() <= self.max);
        assert!(self.decoder.buffered() <= 2 * self.max + 4);
    }

    fn timeout(&mut self, now: Instant) {
        let push = &mut |message: &[u8]| self.messages.push(message.to_vec());
        self.decoder.handle_timeout(now, push);
        if let Some(at) = self.decoder.poll_timeout() {
            assert!(now < at && at <= now + GAP);
        }
    }

    fn reset(&mut self) {
        let push = &mut |message: &[u8]| self.messages.push(message.to_vec());
        self.decoder.reset(push);
        assert_eq!(self.decoder.buffered(), 0);
        assert_eq!(self.decoder.poll_timeout(), None);
    }

    fn check_accounts(&self) {
        let faults = usize::try_from(self.decoder.faults().bytes).expect("no more than came");
        let counted = faults + self.decoder.buffered();
        let lens = self
            .messages
            .iter()
            .map(|message| encoded_len(self.framing, message));
        let passed: usize = lens.sum();
        match self.framing {
            Framing::Line { .. } | Framing::IdleGap { .. } | Framing::Length { .. } => {
                assert_eq!(passed + counted, self.received);
            }
            // The first END is another message's last, or left out.
            Framing::Slip => assert!(passed + counted <= self.received + self.messages.len()),
            Framing::Cobs => assert!(passed + counted <= self.received),
        }
    }

    /// Sends what was received to a decoder of the same kind.
    fn check_echo(&self, mut now: Instant) {
        let mut echo = Self::new(self.framing, self.max);
        for message in &self.messages {
            assert!(message.len() <= self.max);
            let mut wire = Vec::new();
            let taken = encode(self.framing, self.max, message, &mut wire);
            assert_eq!(taken, Ok(()), "what was received can be sent");
            echo.input(now, &wire);
            now += GAP;
        }
        echo.timeout(now);
        match self.framing {
            // Lines that a silence had divided are whole again.
            Framing::Line { gap: None } => {
                echo.reset();
                assert_eq!(echo.messages.concat(), self.messages.concat());
            }
            Framing::Line { .. }
            | Framing::IdleGap { .. }
            | Framing::Slip
            | Framing::Cobs
            | Framing::Length { .. } => assert_eq!(echo.messages, self.messages),
        }
    }
}
