//! The sockets that all sessions share, and this machine's addresses for their candidates.

use std::collections::VecDeque;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use super::gatherer::{Ports, Vantage, host_addresses};
use crate::endpoint::{Count, Failure};
use crate::ids::SourceId;
use crate::sources::{Command, Context, Owner};

/// The network below the sessions. `T` is the ticket that waits for a list of addresses.
///
/// The addresses are listed anew for each session, so that an address that the machine has got since its
/// start is offered too.
pub(crate) struct Network<T> {
    ports: Ports,
    addresses: Vec<IpAddr>,
    /// The addresses with the prefix lengths of their networks.
    networks: Vec<(IpAddr, u8)>,
    waiting: Vec<T>,
    gathered: VecDeque<T>,
    /// Datagrams that the operating system did not send.
    send_failed: Count,
}

impl<T> Network<T> {
    /// Opens a socket for each address family; port 0 is any port.
    pub(crate) fn new(cx: &mut Context<'_>, port: u16) -> Self {
        let v4 = SocketAddr::from((Ipv4Addr::UNSPECIFIED, port));
        let v6 = SocketAddr::from((Ipv6Addr::UNSPECIFIED, port));
        for addr in [v4, v6] {
            let open = |source| Command::OpenIce { source, addr };
            cx.sources.open_first(Owner::Ice, open);
        }
        Self {
            ports: Ports::default(),
            addresses: Vec::new(),
            networks: Vec::new(),
            waiting: Vec::new(),
            gathered: VecDeque::new(),
            send_failed: Count::default(),
        }
    }

    /// Handles a socket that was opened at this address.
    pub(crate) fn handle_opened(
        &mut self,
        cx: &mut Context<'_>,
        source: SourceId,
        local: SocketAddr,
    ) {
        let port = match local {
            SocketAddr::V4(_) => &mut self.ports.v4,
            SocketAddr::V6(_) => &mut self.ports.v6,
        };
        *port = Some(local.port());
        cx.sources.transmits().set_ice_socket(local, source);
        log::info!("sessions use UDP port {} ({local})", local.port());
    }

    /// Handles a socket that could not be opened. One family may be missing (a kernel without IPv6). Returns
    /// an error if both are missing.
    pub(crate) fn handle_failed(
        &mut self,
        cx: &mut Context<'_>,
        source: SourceId,
        failure: &Failure,
    ) -> Result<(), Failure> {
        cx.sources.forget(source);
        let has_another = self.ports.v4.is_some() || self.ports.v6.is_some();
        if has_another || cx.sources.is_opening(Owner::Ice) {
            log::warn!("sessions over one address family only: {failure}");
            return Ok(());
        }
        Err(failure.clone())
    }

    /// Asks for this machine's addresses. When they are known, [`Self::poll_gathered`] returns `ticket`.
    pub(crate) fn gather(&mut self, cx: &mut Context<'_>, ticket: T) {
        self.waiting.push(ticket);
        self.list(cx);
    }

    /// Asks for this machine's addresses, because the machine may have got a new one.
    pub(crate) fn list(&mut self, cx: &mut Context<'_>) {
        cx.sources.ask(Command::ListAddresses);
    }

    /// Handles the networks of this machine's addresses, which the caller passes before
    /// [`Self::handle_addresses`].
    pub(crate) fn handle_networks(&mut self, networks: Vec<(IpAddr, u8)>) {
        self.networks = networks;
    }

    /// Handles the result of [`Command::ListAddresses`].
    pub(crate) fn handle_addresses(&mut self, addresses: &[IpAddr]) {
        self.addresses = addresses.to_vec();
        self.gathered.extend(self.waiting.drain(..));
    }

    /// Returns whether [`Self::poll_gathered`] has a ticket.
    pub(crate) fn has_gathered(&self) -> bool {
        !self.gathered.is_empty()
    }

    /// Removes and returns the next ticket whose addresses are known.
    pub(crate) fn poll_gathered(&mut self) -> Option<T> {
        self.gathered.pop_front()
    }

    /// Returns the host candidates for a peer of this origin.
    pub(crate) fn candidates(&self, vantage: Vantage) -> Vec<SocketAddr> {
        host_addresses(&self.addresses, self.ports, vantage)
    }

    /// Returns the ports of the sockets.
    pub(crate) fn ports(&self) -> impl Iterator<Item = u16> {
        [self.ports.v4, self.ports.v6].into_iter().flatten()
    }

    /// Returns this machine's addresses from the last list of addresses with networks.
    pub(crate) fn own_addresses(&self) -> impl Iterator<Item = IpAddr> {
        self.networks.iter().map(|(address, _)| *address)
    }

    /// Counts datagrams that the operating system did not send.
    pub(crate) fn count_send_failed(&mut self, count: Count) {
        self.send_failed.add(count);
    }

    /// Returns how many datagrams the operating system did not send.
    pub(crate) fn send_failed(&self) -> Count {
        self.send_failed
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::endpoint::FailureKind;
    use crate::sources::Sources;
    use std::time::{Duration, Instant};

    fn network(sources: &mut Sources) -> (Network<u32>, [SourceId; 2]) {
        let now = Instant::now();
        let time = Duration::ZERO;
        let cx = &mut Context { now, time, sources };
        let network = Network::new(cx, 0);
        let ids = [0; 2].map(|_| match cx.sources.poll_command() {
            Some(Command::OpenIce { source, .. }) => source,
            other => panic!("{other:?}"),
        });
        (network, ids)
    }

    fn cx(sources: &mut Sources) -> Context<'_> {
        let (now, time) = (Instant::now(), Duration::ZERO);
        Context { now, time, sources }
    }

    #[test]
    fn one_address_family_is_enough_and_none_is_too_few() {
        let failure = Failure::new(FailureKind::Other, "no IPv6");
        let mut sources = Sources::new();
        let (mut network, [v4, v6]) = network(&mut sources);
        assert_eq!(
            network.handle_failed(&mut cx(&mut sources), v6, &failure),
            Ok(())
        );
        let failed = network.handle_failed(&mut cx(&mut sources), v4, &failure);
        assert_eq!(failed, Err(failure.clone()));
        let mut sources = Sources::new();
        let (mut network, [v4, v6]) = self::network(&mut sources);
        network.handle_opened(&mut cx(&mut sources), v4, "0.0.0.0:7".parse().unwrap());
        assert_eq!(
            network.handle_failed(&mut cx(&mut sources), v6, &failure),
            Ok(())
        );
        assert_eq!(network.ports().collect::<Vec<_>>(), [7]);
    }

    #[test]
    fn tickets_wait_for_the_list_of_addresses() {
        let mut sources = Sources::new();
        let (mut network, [v4, _]) = network(&mut sources);
        network.handle_opened(&mut cx(&mut sources), v4, "0.0.0.0:7".parse().unwrap());
        network.gather(&mut cx(&mut sources), 1);
        network.gather(&mut cx(&mut sources), 2);
        assert_eq!(network.poll_gathered(), None);
        network.handle_addresses(&["192.0.2.1".parse().unwrap()]);
        let gathered: Vec<u32> = std::iter::from_fn(|| network.poll_gathered()).collect();
        assert_eq!(gathered, [1, 2]);
        let candidates = network.candidates(Vantage::Remote);
        assert_eq!(candidates, ["192.0.2.1:7".parse().unwrap()]);
        network.handle_addresses(&[]);
        assert_eq!(network.poll_gathered(), None, "each ticket is used once");
    }
}
