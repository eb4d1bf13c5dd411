//! Speed, format and flow control: conversion between the configuration and termios.

use std::os::fd::OwnedFd;

use rustix::io::Errno;
use rustix::termios::{self, ControlModes, InputModes, OptionalActions, SpecialCodeIndex, Termios};

use super::plain;
use crate::endpoint::line::{FlowControl, Format, LineSettings, Parity};

/// "Stick" parity, which is not POSIX.
const CMSPAR: ControlModes = ControlModes::CMSPAR;

/// DC1 of ASCII; XOFF is DC3.
const XON: u8 = 0x11;
const XOFF: u8 = 0x13;

/// Sets a line up in raw mode. The error says what was refused.
pub(super) fn apply(fd: &OwnedFd, line: &LineSettings) -> Result<(), String> {
    let said = |errno: Errno| {
        let (baud, format) = (line.baud, line.format);
        format!("at {baud} baud, {format}: {}", plain(&errno.into()))
    };
    let mut termios = termios::tcgetattr(fd).map_err(said)?;
    termios.make_raw();
    let modes = &mut termios.control_modes;
    *modes |= ControlModes::CREAD | ControlModes::CLOCAL;
    *modes &= !(ControlModes::CSIZE
        | ControlModes::CSTOPB
        | ControlModes::PARENB
        | ControlModes::PARODD
        | CMSPAR
        | ControlModes::CRTSCTS
        | ControlModes::HUPCL);
    *modes |= match line.format.data_bits {
        5 => ControlModes::CS5,
        6 => ControlModes::CS6,
        7 => ControlModes::CS7,
        _ => ControlModes::CS8,
    };
    *modes |= match line.format.parity {
        Parity::None => ControlModes::empty(),
        Parity::Even => ControlModes::PARENB,
        Parity::Odd => ControlModes::PARENB | ControlModes::PARODD,
        Parity::Space => ControlModes::PARENB | CMSPAR,
        Parity::Mark => ControlModes::PARENB | ControlModes::PARODD | CMSPAR,
    };
    if line.format.stop_bits == 2 {
        *modes |= ControlModes::CSTOPB;
    }
    if line.hang_up {
        *modes |= ControlModes::HUPCL;
    }
    // Flags that a previous program has left there would drop bytes (parity), change them (capitals) or
    // resume the output at any byte.
    termios.input_modes = InputModes::empty();
    match line.flow {
        FlowControl::None => {}
        FlowControl::RtsCts => termios.control_modes |= ControlModes::CRTSCTS,
        FlowControl::XonXoff => termios.input_modes = InputModes::IXON | InputModes::IXOFF,
    }
    // A previous program may have set no XON and XOFF, or other codes.
    let codes = &mut termios.special_codes;
    codes[SpecialCodeIndex::VSTART] = XON;
    codes[SpecialCodeIndex::VSTOP] = XOFF;
    // With VMIN 0 a read without data would look like the end of the line.
    codes[SpecialCodeIndex::VMIN] = 1;
    codes[SpecialCodeIndex::VTIME] = 0;
    termios.set_speed(line.baud).map_err(said)?;
    termios::tcsetattr(fd, OptionalActions::Now, &termios).map_err(said)?;
    check(fd, line)
}

/// Reads the settings back, because tcsetattr succeeds when it could do any of the changes (POSIX).
fn check(fd: &OwnedFd, line: &LineSettings) -> Result<(), String> {
    let found = read(fd).map_err(|errno| plain(&errno.into()))?;
    let off = found.baud.abs_diff(line.baud);
    // A UART tolerates an error of about 3 %, of both ends together.
    if off > line.baud / 50 {
        let (wanted, got) = (line.baud, found.baud);
        return Err(format!("the driver makes {got} baud of {wanted}"));
    }
    // A pty has no wire and no bits on it: its driver reports 8N whatever is set.
    if found.format != line.format && !is_pseudo_terminal(fd) {
        let (wanted, got) = (line.format, found.format);
        return Err(format!("the driver makes {got} of {wanted}"));
    }
    if found.flow != line.flow {
        let (wanted, got) = (line.flow.as_str(), found.flow.as_str());
        return Err(format!("the driver makes flow control {got} of {wanted}"));
    }
    Ok(())
}

/// The device numbers of `/dev/pts/*` (Documentation/admin-guide/devices.txt of Linux).
const PSEUDO_TERMINALS: std::ops::RangeInclusive<u32> = 136..=143;

fn is_pseudo_terminal(fd: &OwnedFd) -> bool {
    let stat = rustix::fs::fstat(fd);
    stat.is_ok_and(|stat| PSEUDO_TERMINALS.contains(&rustix::fs::major(stat.st_rdev)))
}

/// Returns the settings of a line, as far as termios knows them.
pub(super) fn read(fd: &OwnedFd) -> rustix::io::Result<LineSettings> {
    let termios = termios::tcgetattr(fd)?;
    let mut line = LineSettings::at(termios.output_speed());
    line.format = format(&termios);
    line.hang_up = termios.control_modes.contains(ControlModes::HUPCL);
    line.flow = if termios.control_modes.contains(ControlModes::CRTSCTS) {
        FlowControl::RtsCts
    } else if termios.input_modes.contains(InputModes::IXON) {
        FlowControl::XonXoff
    } else {
        FlowControl::None
    };
    Ok(line)
}

fn format(termios: &Termios) -> Format {
    let modes = termios.control_modes;
    let size = modes & ControlModes::CSIZE;
    let odd = modes.contains(ControlModes::PARODD);
    Format {
        data_bits: match size {
            size if size == ControlModes::CS5 => 5,
            size if size == ControlModes::CS6 => 6,
            size if size == ControlModes::CS7 => 7,
            _ => 8,
        },
        parity: match (modes.contains(ControlModes::PARENB), modes.contains(CMSPAR)) {
            (false, _) => Parity::None,
            (true, false) if odd => Parity::Odd,
            (true, false) => Parity::Even,
            (true, true) if odd => Parity::Mark,
            (true, true) => Parity::Space,
        },
        stop_bits: if modes.contains(ControlModes::CSTOPB) {
            2
        } else {
            1
        },
    }
}
