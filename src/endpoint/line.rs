//! The settings, the status and the steps of a serial line. This is plain data; the ioctls are in `io`.

use std::fmt;

use super::DropReason;
pub use crate::config::{AtOpen, FlowControl, Format, LineSettings, Parity, Rs485};

/// One operation on an open line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LineStep {
    /// Sets the two modem lines that this side drives. Both change at once.
    Modem {
        /// The level of Data Terminal Ready, if it is to change.
        dtr: Option<bool>,
        /// The level of Request To Send, if it is to change.
        rts: Option<bool>,
    },
    /// Switches the break condition on or off.
    Break(bool),
    /// Sets another speed, in bits per second.
    Baud(u32),
    /// Sets another format.
    Format(Format),
    /// Sets another flow control.
    Flow(FlowControl),
    /// Discards bytes that the driver holds.
    Flush(Flush),
    /// Only reads the status.
    Look,
}

/// The bytes to discard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flush {
    /// The bytes that were received and not read.
    Input,
    /// The bytes that the driver has taken and not sent.
    Output,
    /// The bytes of both directions.
    Both,
}

impl Flush {
    /// All choices, by their names in the API.
    pub const NAMES: [(&'static str, Self); 3] = [
        ("input", Self::Input),
        ("output", Self::Output),
        ("both", Self::Both),
    ];
}

/// The current state of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LineStatus {
    /// The speed in bits per second, as the driver reports it.
    pub baud: u32,
    /// Data bits, parity and stop bits.
    pub format: Format,
    /// The flow control.
    pub flow: FlowControl,
    /// The levels of the modem lines. `None`: the driver has no modem lines.
    pub modem: Option<ModemLines>,
    /// The counters of the driver. `None`: the driver keeps no counters.
    pub counters: Option<LineCounters>,
    /// How many bytes the driver has taken and not sent.
    pub unsent: usize,
}

/// The levels of the modem lines (TIOCMGET).
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

/// The driver's counters since the device appeared (TIOCGICOUNT).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct LineCounters {
    /// How many bytes were received.
    pub rx: u32,
    /// How many bytes were sent.
    pub tx: u32,
    /// How many stop bits were wrong, most often because of a wrong speed.
    pub frame: u32,
    /// How many bytes the hardware lost because the driver did not fetch them in time.
    pub overrun: u32,
    /// How many parity bits were wrong.
    pub parity: u32,
    /// How many breaks were received.
    pub breaks: u32,
    /// How many bytes the kernel lost because no program read them in time.
    pub buffer_overrun: u32,
}

/// Why a step failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LineFault {
    /// The driver does not support the step. A pty, for example, has no modem lines.
    Unsupported,
    /// The line is absent now.
    Absent,
    /// The endpoint is not a serial line.
    NoLine,
    /// Too many scripts wait at the line.
    Busy,
    /// The asking session may not do this now.
    Denied(DropReason),
    /// The operating system refused, with this text.
    Failed(String),
}

impl LineFault {
    /// Returns one word for programs.
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
