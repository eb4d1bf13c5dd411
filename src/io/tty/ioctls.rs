//! Calls that rustix does not have. Their numbers are the same on x86, ARM and RISC-V (asm-generic/ioctls.h);
//! their structures are those of linux/serial.h.
#![expect(unsafe_code, reason = "an ioctl is a number and a pointer")]

use std::ffi::{c_char, c_int, c_uint, c_ulong, c_ushort, c_void};
use std::os::fd::OwnedFd;

use rustix::io::Result;
use rustix::ioctl::{self, Getter, NoArg, Opcode, Setter, Updater};

use crate::endpoint::line::{LineCounters, ModemLines, Rs485};

/// Data Terminal Ready.
pub(super) const DTR: c_int = 0x002;
/// Request To Send.
pub(super) const RTS: c_int = 0x004;
const CTS: c_int = 0x020;
const DCD: c_int = 0x040;
const RI: c_int = 0x080;
const DSR: c_int = 0x100;

const TIOCOUTQ: Opcode = 0x5411;
const TIOCMGET: Opcode = 0x5415;
const TIOCMBIS: Opcode = 0x5416;
const TIOCMBIC: Opcode = 0x5417;
const TIOCMSET: Opcode = 0x5418;
const TIOCGSERIAL: Opcode = 0x541e;
const TIOCSSERIAL: Opcode = 0x541f;
const TIOCSBRK: Opcode = 0x5427;
const TIOCCBRK: Opcode = 0x5428;
const TIOCSRS485: Opcode = 0x542f;
const TIOCGICOUNT: Opcode = 0x545d;

/// Returns the number of bytes in the driver's output queue.
pub(super) fn unsent(fd: &OwnedFd) -> Result<usize> {
    // SAFETY: TIOCOUTQ writes one C int.
    let unsent = unsafe { ioctl::ioctl(fd, Getter::<TIOCOUTQ, c_int>::new()) }?;
    Ok(usize::try_from(unsent).unwrap_or(0))
}

/// Sets modem lines.
pub(super) fn raise(fd: &OwnedFd, lines: c_int) -> Result<()> {
    // SAFETY: TIOCMBIS reads one C int.
    unsafe { ioctl::ioctl(fd, Setter::<TIOCMBIS, c_int>::new(lines)) }
}

/// Clears modem lines.
pub(super) fn lower(fd: &OwnedFd, lines: c_int) -> Result<()> {
    // SAFETY: TIOCMBIC reads one C int.
    unsafe { ioctl::ioctl(fd, Setter::<TIOCMBIC, c_int>::new(lines)) }
}

/// Sets some modem lines and clears others in one call.
pub(super) fn set(fd: &OwnedFd, up: c_int, down: c_int) -> Result<()> {
    // SAFETY: TIOCMGET writes one C int.
    let before = unsafe { ioctl::ioctl(fd, Getter::<TIOCMGET, c_int>::new()) }?;
    let after = (before | up) & !down;
    // SAFETY: TIOCMSET reads one C int.
    unsafe { ioctl::ioctl(fd, Setter::<TIOCMSET, c_int>::new(after)) }
}

/// Returns the levels of all modem lines.
pub(super) fn modem_lines(fd: &OwnedFd) -> Result<ModemLines> {
    // SAFETY: TIOCMGET writes one C int.
    let bits = unsafe { ioctl::ioctl(fd, Getter::<TIOCMGET, c_int>::new()) }?;
    let is = |line| bits & line != 0;
    Ok(ModemLines {
        dtr: is(DTR),
        rts: is(RTS),
        cts: is(CTS),
        dsr: is(DSR),
        dcd: is(DCD),
        ri: is(RI),
    })
}

/// Begins a break; returns at once.
pub(super) fn start_break(fd: &OwnedFd) -> Result<()> {
    // SAFETY: TIOCSBRK takes no argument.
    unsafe { ioctl::ioctl(fd, NoArg::<TIOCSBRK>::new()) }
}

/// Ends a break.
pub(super) fn stop_break(fd: &OwnedFd) -> Result<()> {
    // SAFETY: TIOCCBRK takes no argument.
    unsafe { ioctl::ioctl(fd, NoArg::<TIOCCBRK>::new()) }
}

/// `struct serial_icounter_struct`.
#[repr(C)]
struct Icounter {
    cts: c_int,
    dsr: c_int,
    rng: c_int,
    dcd: c_int,
    rx: c_int,
    tx: c_int,
    frame: c_int,
    overrun: c_int,
    parity: c_int,
    brk: c_int,
    buf_overrun: c_int,
    reserved: [c_int; 9],
}

/// Returns the driver's counters.
pub(super) fn counters(fd: &OwnedFd) -> Result<LineCounters> {
    // SAFETY: TIOCGICOUNT fills one `serial_icounter_struct`.
    let counted = unsafe { ioctl::ioctl(fd, Getter::<TIOCGICOUNT, Icounter>::new()) }?;
    Ok(LineCounters {
        rx: counted.rx.cast_unsigned(),
        tx: counted.tx.cast_unsigned(),
        frame: counted.frame.cast_unsigned(),
        overrun: counted.overrun.cast_unsigned(),
        parity: counted.parity.cast_unsigned(),
        breaks: counted.brk.cast_unsigned(),
        buffer_overrun: counted.buf_overrun.cast_unsigned(),
    })
}

/// `struct serial_struct`.
#[repr(C)]
struct SerialStruct {
    kind: c_int,
    line: c_int,
    port: c_uint,
    irq: c_int,
    flags: c_int,
    xmit_fifo_size: c_int,
    custom_divisor: c_int,
    baud_base: c_int,
    close_delay: c_ushort,
    io_type: c_char,
    reserved_char: [c_char; 1],
    hub6: c_int,
    closing_wait: c_ushort,
    closing_wait2: c_ushort,
    iomem_base: *mut c_void,
    iomem_reg_shift: c_ushort,
    port_high: c_uint,
    iomap_base: c_ulong,
}

const ASYNC_LOW_LATENCY: c_int = 1 << 13;

/// Asks the driver to pass on what it receives at once; an FTDI adapter waits 16 ms otherwise.
pub(super) fn set_low_latency(fd: &OwnedFd) -> Result<()> {
    // SAFETY: TIOCGSERIAL fills one `serial_struct`.
    let mut serial = unsafe { ioctl::ioctl(fd, Getter::<TIOCGSERIAL, SerialStruct>::new()) }?;
    serial.flags |= ASYNC_LOW_LATENCY;
    // SAFETY: TIOCSSERIAL reads one `serial_struct`, the one just read.
    unsafe { ioctl::ioctl(fd, Setter::<TIOCSSERIAL, SerialStruct>::new(serial)) }
}

/// `struct serial_rs485`.
#[repr(C)]
#[derive(Clone, Copy)]
struct SerialRs485 {
    flags: u32,
    delay_rts_before_send: u32,
    delay_rts_after_send: u32,
    padding: [u32; 5],
}

/// Lets the driver switch the transmitter of a half-duplex bus.
pub(super) fn set_rs485(fd: &OwnedFd, rs485: &Rs485) -> Result<()> {
    let flag = |on: bool, bit: u32| if on { bit } else { 0 };
    let mut request = SerialRs485 {
        flags: 1
            | flag(rs485.rts_on_send, 1 << 1)
            | flag(rs485.rts_after_send, 1 << 2)
            | flag(rs485.rx_during_tx, 1 << 4),
        delay_rts_before_send: rs485.delay_before_ms,
        delay_rts_after_send: rs485.delay_after_ms,
        padding: [0; 5],
    };
    // SAFETY: TIOCSRS485 reads one `serial_rs485`, and writes back what the driver made of it.
    unsafe { ioctl::ioctl(fd, Updater::<TIOCSRS485, SerialRs485>::new(&mut request)) }
}
