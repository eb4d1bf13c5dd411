//! Host candidates: which of this machine's addresses a peer is offered (RFC 8445 §5.1.1.1).

use std::net::{IpAddr, SocketAddr};

/// The ports that the ICE sockets got, by address family.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Ports {
    /// For IPv4, if there is a socket.
    pub v4: Option<u16>,
    /// For IPv6, if there is a socket.
    pub v6: Option<u16>,
}

/// Where the peer's HTTP came from: only who is on this machine is offered loopback.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Vantage {
    /// Over a loopback connection.
    Local,
    /// From elsewhere.
    Remote,
}

/// The host candidates' addresses, without duplicates, in the order of the interfaces.
pub(crate) fn host_addresses(addresses: &[IpAddr], ports: Ports, peer: Vantage) -> Vec<SocketAddr> {
    let mut offered = Vec::new();
    for address in addresses {
        let port = if address.is_ipv4() {
            ports.v4
        } else {
            ports.v6
        };
        if let Some(port) = port
            && is_usable(*address, peer)
        {
            let addr = SocketAddr::new(*address, port);
            if !offered.contains(&addr) {
                offered.push(addr);
            }
        }
    }
    offered
}

fn is_usable(address: IpAddr, peer: Vantage) -> bool {
    if address.is_loopback() {
        return peer == Vantage::Local;
    }
    let link_local = match address {
        // str0m refuses these.
        IpAddr::V4(v4) => v4.is_link_local(),
        // A link-local address means nothing without an interface, which a candidate cannot name.
        IpAddr::V6(v6) => v6.is_unicast_link_local(),
    };
    !link_local && !address.is_unspecified() && !address.is_multicast()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_is_for_local_peers_and_link_local_for_nobody() {
        let addresses: Vec<IpAddr> = [
            "127.0.0.1",
            "::1",
            "192.0.2.1",
            "2001:db8::1",
            "fe80::1",
            "169.254.1.1",
            "192.0.2.1",
        ]
        .iter()
        .map(|text| text.parse().unwrap())
        .collect();
        let ports = Ports {
            v4: Some(4),
            v6: Some(6),
        };
        let shown = |peer| -> Vec<String> {
            host_addresses(&addresses, ports, peer)
                .iter()
                .map(ToString::to_string)
                .collect()
        };
        assert_eq!(shown(Vantage::Remote), ["192.0.2.1:4", "[2001:db8::1]:6"]);
        assert_eq!(
            shown(Vantage::Local),
            ["127.0.0.1:4", "[::1]:6", "192.0.2.1:4", "[2001:db8::1]:6"]
        );
        let v4_only = Ports {
            v4: Some(4),
            v6: None,
        };
        assert_eq!(
            host_addresses(&addresses, v4_only, Vantage::Remote).len(),
            1
        );
    }
}
