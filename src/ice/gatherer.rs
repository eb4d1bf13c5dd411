//! Host candidates: the addresses of this machine that a peer is offered (RFC 8445 §5.1.1.1).

use std::net::{IpAddr, SocketAddr};

/// The ports of the ICE sockets, by address family.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Ports {
    /// The port of the IPv4 socket, if there is one.
    pub v4: Option<u16>,
    /// The port of the IPv6 socket, if there is one.
    pub v6: Option<u16>,
}

/// The origin of the peer's HTTP request. Only a peer on this machine is offered loopback.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Vantage {
    /// The request arrived over a loopback connection.
    Local,
    /// The request arrived from another machine.
    Remote,
}

/// Returns the addresses of the host candidates, without duplicates, in the order of the interfaces.
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
        // str0m refuses IPv4 link-local addresses.
        IpAddr::V4(v4) => v4.is_link_local(),
        // An IPv6 link-local address needs an interface, which a candidate cannot name.
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
