//! UDP in batches: many datagrams per system call in both directions, where the kernel supports it.

use std::io::{self, IoSliceMut};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use mio::net::UdpSocket;
use quinn_udp::{RecvMeta, Transmit, UdpSockRef, UdpSocketState};
use rustix::net::{AddressFamily, SocketFlags, SocketType, sockopt};

use super::addresses;
use crate::config::UdpConfig;
use crate::datagram::{Meta, TransmitBatch};
use crate::endpoint::Count;

/// The size of the receive buffer. Bursts of video or bulk data overflow the default of many boards (160
/// KiB).
const RECEIVE_BUFFER: usize = 1024 * 1024;
const SEND_BUFFER: usize = 1024 * 1024;

/// The number of buffers per receive call; with GRO each may hold 64 datagrams.
const SLOTS: usize = 16;
const SLOT: usize = 65_536;

/// A socket with the features of its kernel.
pub(super) struct Udp {
    pub(super) socket: UdpSocket,
    state: UdpSocketState,
    /// The local address. Packet info has the address of a datagram, but not the port.
    local: SocketAddr,
    /// Whether the socket is connected, so that errors of sent datagrams are reported between received ones.
    is_connected: bool,
}

/// Returns whether an address stands for many hosts: a group, or the broadcast address of one of this
/// machine's networks (RFC 919 §7).
fn is_of_many(remote: IpAddr, networks: &[(IpAddr, u8)]) -> bool {
    let IpAddr::V4(v4) = remote else {
        return remote.is_multicast();
    };
    let is_broadcast_of = |network: &(IpAddr, u8)| match network {
        // Networks of one or two addresses have no broadcast address (RFC 3021).
        (IpAddr::V4(ours), bits @ 0..=30) => v4.to_bits() == ours.to_bits() | u32::MAX >> bits,
        (IpAddr::V4(_) | IpAddr::V6(_), _) => false,
    };
    v4.is_multicast() || v4.is_broadcast() || networks.iter().any(is_broadcast_of)
}

/// The result of sending a batch.
pub(super) enum Sent {
    All,
    /// The kernel's buffer is full or the kernel refuses: this much is lost, as UDP permits.
    Lost(Count),
}

impl Udp {
    /// Returns a socket bound to all addresses of a family; both families can share a port.
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

    /// Opens a device's socket. With a fixed remote the socket is connected, so that the kernel rejects
    /// datagrams from other hosts. Exceptions are sockets that join groups, because any host may send to a
    /// group, and sockets whose remote is a group or a broadcast address, because hosts answer from their own
    /// addresses.
    pub(super) fn open_device(config: &UdpConfig) -> io::Result<Self> {
        let is_v4 = config
            .bind
            .or(config.remote)
            .is_none_or(|addr| addr.is_ipv4());
        let any: IpAddr = if is_v4 {
            Ipv4Addr::UNSPECIFIED.into()
        } else {
            Ipv6Addr::UNSPECIFIED.into()
        };
        let bind = config.bind.unwrap_or_else(|| SocketAddr::new(any, 0));
        let family = if is_v4 {
            AddressFamily::INET
        } else {
            AddressFamily::INET6
        };
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let fd = rustix::net::socket_with(family, SocketType::DGRAM, flags, None)?;
        if !config.multicast.is_empty() {
            // Other programs of this machine may listen to the same group.
            sockopt::set_socket_reuseaddr(&fd, true)?;
        }
        rustix::net::bind(&fd, &bind)?;
        let mut is_connected = false;
        for group in &config.multicast {
            match group {
                IpAddr::V4(group) => {
                    sockopt::set_ip_add_membership(&fd, group, &Ipv4Addr::UNSPECIFIED)?;
                }
                IpAddr::V6(group) => sockopt::set_ipv6_add_membership(&fd, group, 0)?,
            }
        }
        if let Some(remote) = config.remote {
            if is_of_many(remote.ip(), &addresses::networks()) {
                // Without this option the kernel refuses with "Permission denied", even for root (socket(7)).
                // The option is set only where the configuration names such an address, because callers that
                // choose the address must not reach a whole network.
                sockopt::set_socket_broadcast(&fd, true)?;
            } else if config.multicast.is_empty() {
                rustix::net::connect(&fd, &remote)?;
                is_connected = true;
            }
        }
        let mut udp = Self::new(UdpSocket::from_std(fd.into()))?;
        udp.is_connected = is_connected;
        // A device's datagram may be larger than the path carries in one packet; a session's never is.
        if is_v4 {
            sockopt::set_ip_mtu_discover(&udp.socket, sockopt::Ipv4PathMtuDiscovery::DONT)?;
        } else {
            sockopt::set_ipv6_mtu_discover(&udp.socket, sockopt::Ipv6PathMtuDiscovery::DONT)?;
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
            is_connected: false,
        })
    }

    pub(super) fn local(&self) -> SocketAddr {
        self.local
    }

    /// Sends a batch, in one call or in as many as it takes.
    pub(super) fn send(&self, batch: &TransmitBatch<'_>) -> Sent {
        let most = batch.segment.max(1) * self.state.max_gso_segments().max(1);
        if batch.contents.len() > most || batch.contents.is_empty() {
            return self.send_in_parts(batch, most);
        }
        match self.try_send(batch, batch.contents) {
            Ok(()) => Sent::All,
            // Some drivers report only now that they do not support segments.
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
            // This error belongs to an earlier datagram (ICMP); the present one was not sent, so send again.
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
        // Untouched pages of the buffer cost no memory.
        let buffer = vec![0; SLOTS * SLOT].into_boxed_slice();
        Self {
            buffer,
            metas: [RecvMeta::default(); SLOTS],
        }
    }

    /// Receives once and hands each run of datagrams to `take`. Returns false if no more datagrams wait. The
    /// kernel fills all slots if it can, so an unused slot means that none waits, except on a connected
    /// socket, where the kernel may have stopped for an error.
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
            // An ICMP error of an earlier datagram; the datagrams after it are still to be read.
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
        n == SLOTS || udp.is_connected
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::util::slab::Id;
    use std::collections::BTreeMap;

    /// Returns how many datagrams of each length arrive within a moment.
    fn receive_all(udp: &Udp, expected: usize) -> BTreeMap<usize, usize> {
        let mut receiver = Receiver::new();
        let (mut seen, mut total) = (BTreeMap::new(), 0);
        for _ in 0..200 {
            while receiver.receive(udp, |meta, bytes| {
                assert!(
                    meta.local.ip().is_loopback(),
                    "packet info tells our address"
                );
                for datagram in bytes.chunks(meta.stride) {
                    *seen.entry(datagram.len()).or_default() += 1;
                    total += 1;
                }
            }) {}
            if total >= expected {
                break;
            }
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
        seen
    }

    #[test]
    fn batches_arrive_the_same_with_and_without_segmentation() {
        for (any, loopback) in [("0.0.0.0:0", "127.0.0.1"), ("[::]:0", "::1")] {
            let to = Udp::bind_ice(any.parse().unwrap()).expect("a socket");
            let from = Udp::bind_ice(any.parse().unwrap()).expect("another");
            let loopback: IpAddr = loopback.parse().unwrap();
            let contents = vec![7; 1_100 * 20 + 300];
            let batch = TransmitBatch {
                socket: Id::from_bits(0),
                source: Some(loopback),
                destination: SocketAddr::new(loopback, to.local().port()),
                contents: &contents,
                segment: 1_100,
            };
            assert!(matches!(from.send(&batch), Sent::All));
            let with = receive_all(&to, 21);
            // The case of an old kernel: one system call per datagram.
            assert!(matches!(
                from.send_in_parts(&batch, batch.segment),
                Sent::All
            ));
            let without = receive_all(&to, 21);
            assert_eq!(with, BTreeMap::from([(300, 1), (1_100, 20)]));
            assert_eq!(with, without);
        }
    }

    fn to(remote: SocketAddr) -> UdpConfig {
        UdpConfig {
            remote: Some(remote),
            ..UdpConfig::default()
        }
    }

    fn batch<'a>(source: &str, destination: SocketAddr, contents: &'a [u8]) -> TransmitBatch<'a> {
        TransmitBatch {
            socket: Id::from_bits(0),
            source: source.parse().ok(),
            destination,
            contents,
            segment: contents.len(),
        }
    }

    #[test]
    fn a_datagram_leaves_from_the_address_that_it_names() {
        let to = Udp::bind_ice("0.0.0.0:0".parse().unwrap()).expect("a socket");
        let from = Udp::bind_ice("0.0.0.0:0".parse().unwrap()).expect("another");
        let destination = SocketAddr::from((Ipv4Addr::LOCALHOST, to.local().port()));
        let mut receiver = Receiver::new();
        for source in ["127.0.0.2", "127.0.0.3"] {
            assert!(matches!(
                from.send(&batch(source, destination, b"x")),
                Sent::All
            ));
            let mut seen = None;
            while seen.is_none() {
                receiver.receive(&to, |meta, _| seen = Some(meta.remote));
            }
            let expected = SocketAddr::new(source.parse().unwrap(), from.local().port());
            assert_eq!(seen, Some(expected));
        }
    }

    #[test]
    fn a_refusal_of_the_datagram_before_costs_this_one_nothing() {
        let vacant = std::net::UdpSocket::bind("127.0.0.1:0").expect("a socket");
        let remote = vacant.local_addr().expect("an address");
        drop(vacant);
        let from = Udp::open_device(&to(remote)).expect("a socket");
        assert!(matches!(
            from.send(&batch("", remote, b"nobody hears")),
            Sent::All
        ));
        // The answer of the kernel, ICMP's port unreachable, arrives at once on loopback.
        let program = std::net::UdpSocket::bind(remote).expect("the port again");
        assert!(matches!(from.send(&batch("", remote, b"now")), Sent::All));
        let timeout = std::time::Duration::from_secs(5);
        program.set_read_timeout(Some(timeout)).expect("a timeout");
        let mut buffer = [0; 16];
        let n = program.recv(&mut buffer).expect("a datagram");
        assert_eq!(buffer.get(..n), Some(&b"now"[..]));
    }

    #[test]
    fn many_are_reached_and_answer_from_their_own_addresses() {
        let program = std::net::UdpSocket::bind("0.0.0.0:0").expect("a socket");
        let port = program.local_addr().expect("an address").port();
        let all = SocketAddr::from(([127, 255, 255, 255], port));
        let from = Udp::open_device(&to(all)).expect("a socket");
        assert!(matches!(
            from.send(&batch("", all, b"who is there")),
            Sent::All
        ));
        let timeout = std::time::Duration::from_secs(60);
        program.set_read_timeout(Some(timeout)).expect("a timeout");
        let mut buffer = [0; 16];
        let (n, asker) = program.recv_from(&mut buffer).expect("a datagram");
        assert_eq!(buffer.get(..n), Some(&b"who is there"[..]));
        assert_eq!(asker.port(), from.local().port());
        // The kernel would discard the datagram if the socket were connected to the broadcast address.
        program.send_to(b"me", asker).expect("sent");
        let mut n = None;
        while n.is_none() {
            n = from.socket.recv(&mut buffer).ok();
        }
        assert_eq!(n.and_then(|n| buffer.get(..n)), Some(&b"me"[..]));
    }

    #[test]
    fn who_was_not_configured_to_cannot_reach_many() {
        let config = UdpConfig {
            bind: Some("127.0.0.1:0".parse().unwrap()),
            ..UdpConfig::default()
        };
        let content = Udp::open_device(&config).expect("a socket");
        let broadcast = sockopt::socket_broadcast(&content.socket).expect("an answer");
        assert!(!broadcast, "a content port sends where a caller says");
    }

    #[test]
    fn addresses_of_many_are_known() {
        let networks = [("192.0.2.7", 24), ("198.51.100.9", 31), ("2001:db8::1", 64)];
        let networks = networks.map(|(ip, bits)| (ip.parse().unwrap(), bits));
        for (remote, of_many) in [
            ("192.0.2.255", true),
            ("255.255.255.255", true),
            ("239.1.2.3", true),
            ("ff02::1", true),
            ("192.0.2.8", false),
            ("198.51.100.9", false),
            ("203.0.113.255", false),
            ("2001:db8::ffff", false),
        ] {
            assert_eq!(
                is_of_many(remote.parse().unwrap(), &networks),
                of_many,
                "{remote}"
            );
        }
    }

    #[test]
    fn a_datagram_that_cannot_go_is_counted() {
        let from = Udp::open_device(&to("127.0.0.1:9".parse().unwrap())).expect("a socket");
        let batch = TransmitBatch {
            socket: Id::from_bits(0),
            source: None,
            destination: "127.0.0.1:9".parse().unwrap(),
            contents: &[0; 65_508],
            segment: 65_508,
        };
        let Sent::Lost(count) = from.send(&batch) else {
            panic!("larger than UDP can carry")
        };
        assert_eq!(
            count,
            Count {
                messages: 1,
                bytes: 65_508
            }
        );
    }
}
