//! A content port of the SkyWay gateway's API. Datagrams that a program sends there go to every connection
//! that the port feeds, and messages of a connection go to the address of that connection's redirect.

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::time::Instant;

use super::message_log::MessageLog;
use super::{
    Action, Count, DeviceState, DropReason, Endpoint, Failure, LagPolicy, Message, Outgoing,
    Unaccepted,
};
use crate::config::UdpConfig;
use crate::ids::RouteId;

/// The largest payload of a UDP datagram over IPv4 (65,535 − 8 − 20).
const MAX_DATAGRAM: usize = 65_507;

/// One UDP socket, which leaves the bytes unchanged.
#[derive(Debug)]
pub struct Content {
    log: MessageLog,
    /// The destination of each route's messages.
    redirects: BTreeMap<RouteId, Option<SocketAddr>>,
    /// Whether received datagrams go to the connections.
    feeds: bool,
    state: DeviceState,
    /// The datagram being sent. The owner takes it within the same call.
    output: Vec<u8>,
    remote: Option<SocketAddr>,
    actions: VecDeque<Action>,
}

impl Content {
    /// Returns a port whose socket is opened at once. `feeds` says whether received datagrams go to the
    /// connections; if not, the socket only sends.
    pub fn new(config: UdpConfig, feeds: bool) -> Self {
        Self {
            log: MessageLog::new(true, 0),
            redirects: BTreeMap::new(),
            feeds,
            state: DeviceState::Opening,
            output: Vec::new(),
            remote: None,
            actions: VecDeque::from([Action::OpenUdp(config)]),
        }
    }
}

impl Endpoint for Content {
    fn attach(&mut self, _now: Instant, route: RouteId) {
        self.log.attach(route);
        self.redirects.insert(route, None);
    }

    fn detach(&mut self, route: RouteId) {
        self.log.detach(route);
        self.redirects.remove(&route);
    }

    fn redirect(&mut self, route: RouteId, to: Option<SocketAddr>) {
        if let Some(redirect) = self.redirects.get_mut(&route) {
            *redirect = to;
        }
    }

    fn handle_message(
        &mut self,
        _now: Instant,
        route: RouteId,
        message: Message<'_>,
    ) -> Result<(), Unaccepted> {
        if message.bytes.len() > MAX_DATAGRAM {
            return Err(Unaccepted::Refused(DropReason::TooLarge));
        }
        // Without a redirect no destination was requested for the messages of the other side.
        let to = self.redirects.get(&route).copied().flatten();
        let Some(to) = to.filter(|_| self.state == DeviceState::Open) else {
            return Err(Unaccepted::Refused(DropReason::Absent));
        };
        self.remote = Some(to);
        self.output.clear();
        self.output.extend_from_slice(message.bytes);
        self.actions.push_back(Action::SendDatagram);
        Ok(())
    }

    fn message(&self, route: RouteId) -> Option<Outgoing<'_>> {
        self.log.message(route)
    }

    fn consume_message(&mut self, route: RouteId) {
        self.log.consume_message(route);
    }

    fn lag_policy(&self) -> LagPolicy {
        LagPolicy::Skip
    }

    fn state(&self) -> DeviceState {
        self.state.clone()
    }

    fn poll_action(&mut self) -> Option<Action> {
        self.actions.pop_front()
    }

    fn handle_opened(&mut self, _now: Instant) {
        self.state = DeviceState::Open;
    }

    fn handle_failed(&mut self, _now: Instant, failure: &Failure) -> Count {
        self.state = DeviceState::Failed(failure.detail.clone());
        Count::default()
    }

    fn handle_datagram(&mut self, _now: Instant, _from: SocketAddr, datagram: &[u8]) {
        if self.feeds {
            self.log.push(datagram);
        }
    }

    fn output(&self) -> &[u8] {
        &self.output
    }

    fn consume(&mut self, _n: usize) {
        self.output.clear();
    }

    fn remote(&self) -> Option<SocketAddr> {
        self.remote
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::util::slab::Id;

    #[test]
    fn each_connection_is_fed_and_redirects_by_itself() {
        let now = Instant::now();
        let mut port = Content::new(UdpConfig::default(), true);
        assert!(matches!(port.poll_action(), Some(Action::OpenUdp(_))));
        let [a, b] = [1, 2].map(Id::from_bits);
        port.attach(now, a);
        port.attach(now, b);
        let message = Message {
            binary: true,
            bytes: b"out",
        };
        let absent = Err(Unaccepted::Refused(DropReason::Absent));
        port.redirect(a, Some("127.0.0.1:7".parse().unwrap()));
        assert_eq!(port.handle_message(now, a, message), absent, "not open yet");
        port.handle_opened(now);
        assert_eq!(port.handle_message(now, b, message), absent, "no redirect");
        assert_eq!(port.handle_message(now, a, message), Ok(()));
        assert_eq!(port.poll_action(), Some(Action::SendDatagram));
        assert_eq!(
            (port.output(), port.remote().unwrap().port()),
            (&b"out"[..], 7)
        );
        port.handle_datagram(now, "127.0.0.1:9".parse().unwrap(), b"in");
        for route in [a, b] {
            let Some(Outgoing::Message(message)) = port.message(route) else {
                panic!("both are fed")
            };
            assert_eq!(message.bytes, b"in");
            port.consume_message(route);
            assert_eq!(port.message(route), None);
        }
        port.detach(a);
        assert_eq!(port.handle_message(now, a, message), absent);
    }
}
