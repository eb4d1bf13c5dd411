//! UDP in batches: many datagrams per system call both ways, where the kernel can.

use std::io::{self, IoSliceMut};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use mio::net::UdpSocket;
use quinn_udp::{RecvMeta, Transmit, UdpSockRef, UdpSocketState};
use rustix::net::{AddressFamily, SocketFlags, SocketType, sockopt};

use crate::datagram::{Meta, TransmitBatch};
use crate::endpoint::Count;

/// Bursts of video or bulk data overflow the default of many boards (160 KiB).
const RECEIVE_BUFFER: usize = 1024 * 1024;
const SEND_BUFFER: usize = 1024 * 1024;

/// Buffers per receive call; with GRO each may hold 64 datagrams.
const SLOTS: usize = 8;
const SLOT: usize = 65_536;

/// A socket with what its kernel can do.
pub(super) struct Udp {
    pub(super) socket: UdpSocket,
    state: UdpSocketState,
    /// Packet info knows the address of a datagram, not the port.
    local: SocketAddr,
}

/// What became of a batch.
pub(super) enum Sent {
    All,
    /// The kernel's buffer is full or it says no: this much is lost, as UDP may.
    Lost(Count),
}

impl Udp {
    /// A socket bound to all addresses of a family; both families can share a port.
    pub(super) fn bind_ice(addr: SocketAddr) -> io::Result<Self> {
        let family = if addr.is_ipv4() {
            AddressFamily::INET
        } else {
            AddressFamily::INET6
        };
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let fd = rustix::net::socket_with(family, SocketType::DGRAM, flags, None)?;
        if addr.is_ipv6() {
            sockopt::set_ipv6_v6only(&fd, true)?;
        }
        rustix::net::bind(&fd, &addr)?;
        Self::new(UdpSocket::from_std(fd.into()))
    }

    /// A socket that only talks to one remote.
    pub(super) fn connect(remote: SocketAddr) -> io::Result<Self> {
        let any: IpAddr = match remote {
            SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
            SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
        };
        let socket = UdpSocket::bind(SocketAddr::new(any, 0))?;
        socket.connect(remote)?;
        let udp = Self::new(socket)?;
        // A device's datagram may be larger than the path takes at once; a session's never is.
        match remote {
            SocketAddr::V4(_) => {
                sockopt::set_ip_mtu_discover(&udp.socket, sockopt::Ipv4PathMtuDiscovery::DONT)?;
            }
            SocketAddr::V6(_) => {
                sockopt::set_ipv6_mtu_discover(&udp.socket, sockopt::Ipv6PathMtuDiscovery::DONT)?;
            }
        }
        Ok(udp)
    }

    fn new(socket: UdpSocket) -> io::Result<Self> {
        let state = UdpSocketState::new(UdpSockRef::from(&socket))?;
        state.set_recv_buffer_size(UdpSockRef::from(&socket), RECEIVE_BUFFER)?;
        state.set_send_buffer_size(UdpSockRef::from(&socket), SEND_BUFFER)?;
        log::debug!(
            "UDP {}: buffers {} and {} bytes, {} segments sent and {} received per call",
            socket.local_addr()?,
            state.recv_buffer_size(UdpSockRef::from(&socket))?,
            state.send_buffer_size(UdpSockRef::from(&socket))?,
            state.max_gso_segments(),
            state.gro_segments(),
        );
        let local = socket.local_addr()?;
        Ok(Self {
            socket,
            state,
            local,
        })
    }

    pub(super) fn local(&self) -> SocketAddr {
        self.local
    }

    /// Sends a batch, as one call or as many as it takes.
    pub(super) fn send(&self, batch: &TransmitBatch<'_>) -> Sent {
        let most = batch.segment.max(1) * self.state.max_gso_segments().max(1);
        if batch.contents.len() > most || batch.contents.is_empty() {
            return self.send_in_parts(batch, most);
        }
        match self.try_send(batch, batch.contents) {
            Ok(()) => Sent::All,
            // Some drivers only find out now that they cannot do segments.
            Err(_) if batch.contents.len() > batch.segment => {
                self.send_in_parts(batch, batch.segment)
            }
            Err(error) => lost(batch, batch.contents, &error),
        }
    }

    fn send_in_parts(&self, batch: &TransmitBatch<'_>, most: usize) -> Sent {
        let mut total = Count::default();
        let whole = [batch.contents];
        let mut chunks = batch.contents.chunks(most);
        let parts: &mut dyn Iterator<Item = &[u8]> = if batch.contents.is_empty() {
            &mut whole.into_iter()
        } else {
            &mut chunks
        };
        for part in parts {
            if let Err(error) = self.try_send(batch, part)
                && let Sent::Lost(count) = lost(batch, part, &error)
            {
                total.add(count);
            }
        }
        if total == Count::default() {
            Sent::All
        } else {
            Sent::Lost(total)
        }
    }

    fn try_send(&self, batch: &TransmitBatch<'_>, contents: &[u8]) -> io::Result<()> {
        let transmit = Transmit {
            destination: batch.destination,
            ecn: None,
            contents,
            segment_size: (contents.len() > batch.segment).then_some(batch.segment),
            src_ip: batch.source,
        };
        let send = || {
            self.state
                .try_send(UdpSockRef::from(&self.socket), &transmit)
        };
        match self.socket.try_io(send) {
            // An ICMP error of an earlier datagram is told here; this one has not been tried.
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
                self.socket.try_io(send)
            }
            other => other,
        }
    }
}

fn lost(batch: &TransmitBatch<'_>, part: &[u8], error: &io::Error) -> Sent {
    log::debug!("UDP to {}: {error}", batch.destination);
    let messages = part.len().div_ceil(batch.segment.max(1)).max(1) as u64;
    Sent::Lost(Count {
        messages,
        bytes: part.len() as u64,
    })
}

/// The buffers for receiving, shared by all sockets.
pub(super) struct Receiver {
    buffer: Box<[u8]>,
    metas: [RecvMeta; SLOTS],
}

impl Receiver {
    pub(super) fn new() -> Self {
        // Untouched pages of it cost nothing.
        let buffer = vec![0; SLOTS * SLOT].into_boxed_slice();
        Self {
            buffer,
            metas: [RecvMeta::default(); SLOTS],
        }
    }

    /// Receives once and hands each run of datagrams to `take`. False: nothing more is there.
    pub(super) fn receive(&mut self, udp: &Udp, mut take: impl FnMut(&Meta, &[u8])) -> bool {
        let mut slices: [IoSliceMut<'_>; SLOTS] = {
            let mut chunks = self.buffer.chunks_mut(SLOT);
            std::array::from_fn(|_| IoSliceMut::new(chunks.next().unwrap_or_default()))
        };
        let metas = &mut self.metas;
        let received = udp.socket.try_io(|| {
            udp.state
                .recv(UdpSockRef::from(&udp.socket), &mut slices, metas)
        });
        let n = match received {
            Ok(n) => n,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return false,
            // ICMP told us about an earlier datagram; what follows is still to be read.
            Err(error) => {
                log::debug!("UDP {}: {error}", udp.local);
                return true;
            }
        };
        for (slice, meta) in slices.iter().zip(metas.iter()).take(n) {
            let local = meta
                .dst_ip
                .map_or(udp.local, |ip| SocketAddr::new(ip, udp.local.port()));
            let stride = meta.stride.max(1);
            let info = Meta {
                local,
                remote: meta.addr,
                stride,
            };
            take(&info, slice.get(..meta.len).unwrap_or_default());
        }
        true
    }
}
