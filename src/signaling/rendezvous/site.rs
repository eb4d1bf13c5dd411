//! The facts about the rest of the gateway that dialects and links may know: its addresses, ports and
//! endpoints.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};

use crate::config::HubConfig;
use crate::ids::EndpointId;

/// The reason why messages must not be sent to an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NotRedirected {
    /// The address is in none of the networks that are allowed.
    Network,
    /// The port is one of the gateway itself, so messages would circulate forever.
    OwnPort,
}

/// The surroundings of the rendezvous.
#[derive(Debug, Default)]
pub(crate) struct Site {
    networks: Vec<(IpAddr, u8)>,
    own_ports: BTreeSet<u16>,
    endpoints: BTreeMap<String, EndpointId>,
    is_stopping: bool,
}

impl Site {
    /// Sets this machine's addresses with the bits of their networks.
    pub(crate) fn set_networks(&mut self, networks: Vec<(IpAddr, u8)>) {
        self.networks = networks;
    }

    /// Sets the UDP ports of this process.
    pub(crate) fn set_own_ports(&mut self, ports: BTreeSet<u16>) {
        self.own_ports = ports;
    }

    /// Sets the endpoint that has a name, if one exists.
    pub(crate) fn set_endpoint(&mut self, name: &str, id: Option<EndpointId>) {
        match id {
            Some(id) => self.endpoints.insert(name.to_owned(), id),
            None => self.endpoints.remove(name),
        };
    }

    /// Notes that the gateway is shutting down.
    pub(crate) fn stop(&mut self) {
        self.is_stopping = true;
    }

    /// Returns this machine's addresses, as of their last listing.
    pub(crate) fn addresses(&self) -> impl Iterator<Item = IpAddr> {
        self.networks.iter().map(|(address, _)| *address)
    }

    /// Returns the endpoint of this name.
    pub(crate) fn endpoint(&self, name: &str) -> Option<EndpointId> {
        self.endpoints.get(name).copied()
    }

    /// Returns whether the gateway is shutting down.
    pub(crate) fn is_stopping(&self) -> bool {
        self.is_stopping
    }

    /// Checks whether messages may be sent to an address. `is_local`: for a program on this machine.
    pub(crate) fn check_redirect(
        &self,
        config: &HubConfig,
        is_local: bool,
        to: SocketAddr,
    ) -> Result<(), NotRedirected> {
        if !self.may_redirect(config, is_local, to) {
            return Err(NotRedirected::Network);
        }
        if self.is_own_port(to) {
            return Err(NotRedirected::OwnPort);
        }
        Ok(())
    }

    /// Returns whether the configuration allows messages to be sent to an address.
    pub(crate) fn may_redirect(&self, config: &HubConfig, is_local: bool, to: SocketAddr) -> bool {
        config.may_redirect(is_local, to.ip(), &self.networks)
    }

    /// Returns whether an address is one of this machine and the port one of this process. A message that is
    /// sent there comes back, so it would circulate as long as the connection lasts.
    pub(crate) fn is_own_port(&self, to: SocketAddr) -> bool {
        let ip = to.ip().to_canonical();
        let is_here = ip.is_loopback()
            || ip.is_unspecified()
            || ip.is_multicast()
            || self.addresses().any(|own| own == ip);
        is_here && self.own_ports.contains(&to.port())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    #[test]
    fn no_message_is_sent_to_ourselves() {
        let mut site = Site::default();
        let own: IpAddr = "192.0.2.1".parse().expect("an address");
        site.set_networks(vec![(own, 24)]);
        site.set_own_ports(BTreeSet::from([5000, 50_001]));
        let config = Config::parse("").expect("good").hub;
        let own_port = Err(NotRedirected::OwnPort);
        for (to, here, beyond) in [
            ("127.0.0.1:5000", own_port, Err(NotRedirected::Network)),
            ("[::1]:5000", own_port, Err(NotRedirected::Network)),
            (
                "[::ffff:127.0.0.1]:50001",
                own_port,
                Err(NotRedirected::Network),
            ),
            ("192.0.2.1:5000", own_port, Err(NotRedirected::Network)),
            ("127.9.9.9:5000", own_port, Err(NotRedirected::Network)),
            ("127.0.0.1:7001", Ok(()), Err(NotRedirected::Network)),
            ("192.0.2.7:5000", Ok(()), Ok(())),
            (
                "198.51.100.1:9",
                Err(NotRedirected::Network),
                Err(NotRedirected::Network),
            ),
        ] {
            let addr = to.parse().expect("an address");
            assert_eq!(site.check_redirect(&config, true, addr), here, "{to}");
            assert_eq!(site.check_redirect(&config, false, addr), beyond, "{to}");
        }
        assert_eq!(site.addresses().collect::<Vec<_>>(), [own]);
    }
}
