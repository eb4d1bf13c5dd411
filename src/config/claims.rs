//! Local UDP ports that endpoints claim, so that two of them do not claim the same one.

use std::net::{IpAddr, SocketAddr};

/// A local port that a key of an endpoint asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Claim {
    /// The key, as in `endpoint.video.listen`.
    pub(super) key: String,
    /// The line of the key.
    pub(super) line: usize,
    /// The address with the port.
    pub(super) address: SocketAddr,
}

/// Returns whether two UDP sockets with these addresses would need the same port of the same address.
pub(super) fn overlap(one: SocketAddr, other: SocketAddr) -> bool {
    let (a, b) = (one.ip().to_canonical(), other.ip().to_canonical());
    one.port() == other.port() && (a == b || covers(a, b) || covers(b, a))
}

/// Returns whether a socket at `wide` has the ports of `ip` as well. An unspecified IPv6 address may also
/// stand for all of IPv4 (RFC 3493 §3.7), which depends on the system.
fn covers(wide: IpAddr, ip: IpAddr) -> bool {
    wide.is_unspecified() && (wide.is_ipv6() || ip.is_ipv4())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sockets_of_one_port_overlap_where_their_addresses_do() {
        for (one, other, overlaps) in [
            ("127.0.0.1:5004", "127.0.0.1:5004", true),
            ("127.0.0.1:5004", "127.0.0.1:5005", false),
            ("127.0.0.1:5004", "127.0.0.2:5004", false),
            ("127.0.0.1:5004", "[::ffff:127.0.0.1]:5004", true),
            ("0.0.0.0:5004", "192.0.2.7:5004", true),
            ("0.0.0.0:5004", "[::1]:5004", false),
            ("[::]:5004", "192.0.2.7:5004", true),
            ("[::]:5004", "[::1]:5004", true),
            ("[::]:5004", "0.0.0.0:5004", true),
        ] {
            let (a, b) = (one.parse().expect(one), other.parse().expect(other));
            assert_eq!(overlap(a, b), overlaps, "{one} {other}");
            assert_eq!(overlap(b, a), overlaps, "{other} {one}");
        }
    }
}
