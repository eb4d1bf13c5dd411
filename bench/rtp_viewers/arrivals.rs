//! Datagrams with the time at which the kernel had them for a viewer. Ten viewers that decrypt in one thread would
//! otherwise be measured too: each packet would wait for the decryption of those before it.

use std::io::IoSliceMut;
use std::net::{SocketAddr, SocketAddrV4, SocketAddrV6};
use std::os::fd::AsRawFd;

use mio::net::UdpSocket;
use nix::sys::socket::sockopt::ReceiveTimestampns;
use nix::sys::socket::{ControlMessageOwned, MsgFlags, SockaddrStorage, recvmsg, setsockopt};
use rustix::time::{ClockId, Timespec, clock_gettime};

/// Room for the time, and for what else the sockets are asked for. If anything does not fit, nothing is handed out.
const CONTROL: usize = 256;
const NANOS: i64 = 1_000_000_000;

/// Has the kernel note when each datagram of a socket comes.
pub(crate) fn note_arrivals(socket: &UdpSocket) {
    setsockopt(socket, ReceiveTimestampns, &true).expect("the option exists since Linux 2.6.22");
}

/// What receiving needs.
pub(crate) struct Arrivals {
    control: Vec<u8>,
    /// How far the kernel's clock for datagrams is ahead of the monotonic one of the source, in nanoseconds.
    ahead: i64,
}

impl Arrivals {
    pub(crate) fn new() -> Self {
        let clock = |id| nanos(&clock_gettime(id));
        Self {
            control: vec![0; CONTROL],
            ahead: clock(ClockId::Realtime) - clock(ClockId::Monotonic),
        }
    }

    /// Returns the length of the next datagram, its sender, and when it came, in nanoseconds of the monotonic clock.
    pub(crate) fn receive(
        &mut self,
        socket: &UdpSocket,
        buffer: &mut [u8],
    ) -> Option<(usize, SocketAddr, u64)> {
        let mut slices = [IoSliceMut::new(buffer)];
        let flags = MsgFlags::MSG_DONTWAIT;
        let control = Some(self.control.as_mut_slice());
        let message =
            recvmsg::<SockaddrStorage>(socket.as_raw_fd(), &mut slices, control, flags).ok()?;
        let from = message.address?;
        let v4 = || {
            from.as_sockaddr_in()
                .map(|it| SocketAddrV4::from(*it).into())
        };
        let v6 = || {
            from.as_sockaddr_in6()
                .map(|it| SocketAddrV6::from(*it).into())
        };
        let at = message.cmsgs().ok()?.find_map(|control| match control {
            ControlMessageOwned::ScmTimestampns(at) => Some(at.tv_sec() * NANOS + at.tv_nsec()),
            _ => None,
        });
        let at = at? - self.ahead;
        Some((message.bytes, v4().or_else(v6)?, at.cast_unsigned()))
    }
}

fn nanos(time: &Timespec) -> i64 {
    time.tv_sec * NANOS + time.tv_nsec
}
