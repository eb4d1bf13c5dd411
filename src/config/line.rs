//! The settings of a serial line.

use std::fmt;

/// The settings with which a tty is opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LineSettings {
    /// The speed in bits per second.
    pub baud: u32,
    /// Data bits, parity and stop bits.
    pub format: Format,
    /// The flow control.
    pub flow: FlowControl,
    /// Half duplex, with RTS switching the transmitter.
    pub rs485: Option<Rs485>,
    /// Whether no other program may open the tty while we have it open (TIOCEXCL and a lock file).
    pub exclusive: bool,
    /// Whether the driver is asked to pass bytes on at once (ASYNC_LOW_LATENCY).
    pub low_latency: bool,
    /// The level of Data Terminal Ready when the line is opened.
    pub dtr: AtOpen,
    /// The level of Request To Send when the line is opened.
    pub rts: AtOpen,
    /// Whether the driver drops DTR and RTS on close, which resets an Arduino.
    pub hang_up: bool,
}

impl LineSettings {
    /// Returns the settings that most devices need, at this speed.
    pub fn at(baud: u32) -> Self {
        Self {
            baud,
            format: Format::default(),
            flow: FlowControl::None,
            rs485: None,
            exclusive: true,
            low_latency: false,
            dtr: AtOpen::Keep,
            rts: AtOpen::Keep,
            hang_up: false,
        }
    }
}

/// The format of a character on the line, written as in `8N1`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Format {
    /// The number of data bits, 5 to 8.
    pub data_bits: u8,
    /// The parity bit behind the data bits.
    pub parity: Parity,
    /// The number of stop bits, 1 or 2.
    pub stop_bits: u8,
}

impl Default for Format {
    fn default() -> Self {
        Self {
            data_bits: 8,
            parity: Parity::None,
            stop_bits: 1,
        }
    }
}

impl Format {
    /// Parses a format such as `8N1` or `7E2`.
    pub fn parse(text: &str) -> Option<Self> {
        let mut letters = text.chars();
        let data_bits = letters.next()?.to_digit(10)?;
        let parity = match letters.next()?.to_ascii_uppercase() {
            'N' => Parity::None,
            'O' => Parity::Odd,
            'E' => Parity::Even,
            'M' => Parity::Mark,
            'S' => Parity::Space,
            _ => return None,
        };
        let stop_bits = letters.next()?.to_digit(10)?;
        if letters.next().is_some() || !(5..=8).contains(&data_bits) {
            return None;
        }
        Some(Self {
            data_bits: u8::try_from(data_bits).ok()?,
            parity,
            stop_bits: u8::try_from(stop_bits)
                .ok()
                .filter(|n| (1..=2).contains(n))?,
        })
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let letter = match self.parity {
            Parity::None => 'N',
            Parity::Odd => 'O',
            Parity::Even => 'E',
            Parity::Mark => 'M',
            Parity::Space => 'S',
        };
        write!(f, "{}{letter}{}", self.data_bits, self.stop_bits)
    }
}

/// The parity bit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "everybody's words")]
pub enum Parity {
    None,
    Odd,
    Even,
    Mark,
    Space,
}

/// How either side stops the other from sending.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FlowControl {
    /// No flow control.
    None,
    /// Flow control over two more wires, RTS and CTS.
    RtsCts,
    /// Flow control with the bytes 0x11 and 0x13, which then cannot be data.
    XonXoff,
}

impl FlowControl {
    /// All kinds of flow control, by their names in the configuration and the API.
    pub const NAMES: [(&'static str, Self); 3] = [
        ("none", Self::None),
        ("rts-cts", Self::RtsCts),
        ("xon-xoff", Self::XonXoff),
    ];

    /// Returns the name in the configuration and the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::RtsCts => "rts-cts",
            Self::XonXoff => "xon-xoff",
        }
    }
}

/// The level of a modem line when the tty is opened. Linux itself raises both lines in `open`; `Keep` leaves
/// them like that.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "the words say it")]
pub enum AtOpen {
    Keep,
    On,
    Off,
}

/// Half duplex over one pair of wires, switched by the driver (`TIOCSRS485`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Rs485 {
    /// The level of RTS while sending.
    pub rts_on_send: bool,
    /// The level of RTS after sending.
    pub rts_after_send: bool,
    /// The delay from RTS to the first bit, in milliseconds.
    pub delay_before_ms: u32,
    /// The delay from the last bit to RTS, in milliseconds.
    pub delay_after_ms: u32,
    /// Whether sent bytes are also received.
    pub rx_during_tx: bool,
}
