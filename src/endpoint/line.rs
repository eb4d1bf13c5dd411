//! What can be set, asked and done at a serial line. Plain data: the ioctls are in `io`.

use std::fmt;

use super::DropReason;

/// How a tty is opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LineSettings {
    /// Bits per second.
    pub baud: u32,
    /// Data bits, parity and stop bits.
    pub format: Format,
    /// Who says stop.
    pub flow: FlowControl,
    /// Half duplex, with RTS switching the transmitter.
    pub rs485: Option<Rs485>,
    /// Nobody else may open it while we have it (TIOCEXCL and a lock file).
    pub exclusive: bool,
    /// Asks the driver to pass bytes on at once (ASYNC_LOW_LATENCY).
    pub low_latency: bool,
    /// Data Terminal Ready, when the line is opened.
    pub dtr: AtOpen,
    /// Request To Send, when the line is opened.
    pub rts: AtOpen,
    /// Hang up on close: the driver drops DTR and RTS then, which resets an Arduino.
    pub hang_up: bool,
}

impl LineSettings {
    /// What most devices want, at this speed.
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

/// What a bit frame looks like; shown and read as in `8N1`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Format {
    /// 5 to 8.
    pub data_bits: u8,
    /// The bit after them.
    pub parity: Parity,
    /// 1 or 2.
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
    /// Reads `8N1`, `7E2` and the like.
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

/// How either side says stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FlowControl {
    /// Nobody does.
    None,
    /// Two more wires.
    RtsCts,
    /// The bytes 0x11 and 0x13, which then cannot be data.
    XonXoff,
}

impl FlowControl {
    /// All of them by their names in config and API.
    pub const NAMES: [(&'static str, Self); 3] = [
        ("none", Self::None),
        ("rts-cts", Self::RtsCts),
        ("xon-xoff", Self::XonXoff),
    ];

    /// The name in config and API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::RtsCts => "rts-cts",
            Self::XonXoff => "xon-xoff",
        }
    }
}

/// What becomes of a modem line when the tty is opened. Linux raises both in `open` itself; `Keep`
/// leaves them as they are then.
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
    /// The level of RTS afterwards.
    pub rts_after_send: bool,
    /// From RTS to the first bit, in milliseconds.
    pub delay_before_ms: u32,
    /// From the last bit to RTS, in milliseconds.
    pub delay_after_ms: u32,
    /// Hear what is sent.
    pub rx_during_tx: bool,
}

/// One thing that is done to an open line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LineStep {
    /// Levels of the two modem lines that are ours; both change at once.
    Modem {
        /// Data Terminal Ready.
        dtr: Option<bool>,
        /// Request To Send.
        rts: Option<bool>,
    },
    /// The break condition on or off.
    Break(bool),
    /// Another speed, in bits per second.
    Baud(u32),
    /// Another format.
    Format(Format),
    /// Another flow control.
    Flow(FlowControl),
    /// Throws away what the driver holds.
    Flush(Flush),
    /// Nothing but a look.
    Look,
}

/// What is thrown away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flush {
    /// Received and not read.
    Input,
    /// Taken and not sent.
    Output,
    /// Both.
    Both,
}

impl Flush {
    /// All of them by their names in the API.
    pub const NAMES: [(&'static str, Self); 3] = [
        ("input", Self::Input),
        ("output", Self::Output),
        ("both", Self::Both),
    ];
}

/// How a line is right now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LineStatus {
    /// Bits per second, as the driver has them.
    pub baud: u32,
    /// Data bits, parity, stop bits.
    pub format: Format,
    /// Who says stop.
    pub flow: FlowControl,
    /// The modem lines; `None`: the driver has none.
    pub modem: Option<ModemLines>,
    /// The driver's counters; `None`: it keeps none.
    pub counters: Option<LineCounters>,
    /// Bytes that the driver has taken and not sent.
    pub unsent: usize,
}

/// Levels of the modem lines (TIOCMGET).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[allow(missing_docs, reason = "the names are those of the wires")]
pub struct ModemLines {
    pub dtr: bool,
    pub rts: bool,
    pub cts: bool,
    pub dsr: bool,
    pub dcd: bool,
    pub ri: bool,
}

/// What the driver has counted since the device was there (TIOCGICOUNT).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct LineCounters {
    /// Bytes received.
    pub rx: u32,
    /// Bytes sent.
    pub tx: u32,
    /// Stop bits that were none: most often the wrong speed.
    pub frame: u32,
    /// Bytes that the hardware lost because nobody fetched them.
    pub overrun: u32,
    /// Wrong parity bits.
    pub parity: u32,
    /// Breaks received.
    pub breaks: u32,
    /// Bytes that the kernel lost because nobody read them.
    pub buffer_overrun: u32,
}

/// Why a step could not be taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LineFault {
    /// The driver has no such thing; a pty has no modem lines.
    Unsupported,
    /// There is no line now.
    Absent,
    /// The endpoint is no serial line.
    NoLine,
    /// Too many scripts wait at the line.
    Busy,
    /// Who asks may not do this now.
    Denied(DropReason),
    /// What the operating system said.
    Failed(String),
}

impl LineFault {
    /// One word for programs.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Unsupported | Self::NoLine => "unsupported",
            Self::Absent => "absent",
            Self::Busy => "busy",
            Self::Denied(reason) => reason.as_str(),
            Self::Failed(_) => "failed",
        }
    }
}

impl fmt::Display for LineFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unsupported => f.write_str("the line's driver does not support this"),
            Self::Absent => f.write_str("the line is not open"),
            Self::NoLine => f.write_str("this endpoint is no serial line"),
            Self::Busy => f.write_str("too many scripts wait at this line already"),
            Self::Denied(DropReason::NoLease) => f.write_str("another session has the lease"),
            Self::Denied(_) => {
                f.write_str("the device was stopped; a heartbeat that names it first")
            }
            Self::Failed(detail) => f.write_str(detail),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_are_read_as_they_are_shown() {
        for text in ["8N1", "7E1", "5O2", "8M1", "6S2"] {
            assert_eq!(Format::parse(text).expect(text).to_string(), text);
        }
        assert_eq!(Format::parse("8n1"), Some(Format::default()));
        for text in ["", "8", "8N", "9N1", "8X1", "8N3", "8N12", "é"] {
            assert_eq!(Format::parse(text), None, "{text}");
        }
    }
}
