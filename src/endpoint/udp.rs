//! A program that uses UDP: one datagram is one message, for IPv4 and IPv6. The program's address is fixed,
//! or learned from the last received datagram.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use super::message_log::MessageLog;
use super::{
    Action, Count, DeviceState, DropReason, Endpoint, Failure, LagPolicy, Message, Outgoing,
    Unaccepted,
};
use crate::config::{Traffic, UdpConfig};
use crate::ids::RouteId;
use crate::util::backoff::Backoff;

/// The largest payload of a UDP datagram over IPv4 (65,535 − 8 − 20).
const MAX_DATAGRAM: usize = 65_507;

/// The endpoint kind `udp`.
#[derive(Debug)]
pub struct Udp {
    config: UdpConfig,
    /// The sender of the last datagram, for an endpoint without a fixed remote.
    learned: Option<SocketAddr>,
    log: MessageLog,
    lag: LagPolicy,
    /// The datagram being sent. The owner takes it within the same call.
    output: Vec<u8>,
    state: UdpState,
    /// The failure that was reported last, until the socket works.
    last_failure: Option<String>,
    backoff: Backoff,
    actions: VecDeque<Action>,
}

#[derive(Debug)]
enum UdpState {
    Opening,
    Open,
    Waiting { retry: Instant, detail: String },
}

impl Udp {
    /// Returns an endpoint whose socket is opened at once.
    pub fn new(config: UdpConfig, binary: bool, traffic: &Traffic) -> Self {
        Self {
            learned: None,
            log: MessageLog::new(binary, traffic.scrollback),
            lag: traffic.lag,
            output: Vec::new(),
            state: UdpState::Opening,
            last_failure: None,
            backoff: Backoff::new(Duration::from_millis(500), Duration::from_secs(10)),
            actions: VecDeque::from([Action::OpenUdp(config.clone())]),
            config,
        }
    }

    fn send(&mut self, bytes: &[u8]) {
        self.output.clear();
        self.output.extend_from_slice(bytes);
        self.actions.push_back(Action::SendDatagram);
    }
}

impl Endpoint for Udp {
    fn attach(&mut self, _now: Instant, route: RouteId) {
        self.log.attach(route);
    }

    fn detach(&mut self, route: RouteId) {
        self.log.detach(route);
    }

    fn handle_message(
        &mut self,
        _now: Instant,
        _route: RouteId,
        message: Message<'_>,
    ) -> Result<(), Unaccepted> {
        if message.bytes.len() > MAX_DATAGRAM {
            return Err(Unaccepted::Refused(DropReason::TooLarge));
        }
        match self.state {
            UdpState::Open if self.remote().is_some() => {
                self.send(message.bytes);
                Ok(())
            }
            UdpState::Open | UdpState::Opening | UdpState::Waiting { .. } => {
                Err(Unaccepted::Refused(DropReason::Absent))
            }
        }
    }

    fn message(&self, route: RouteId) -> Option<Outgoing<'_>> {
        self.log.message(route)
    }

    fn consume_message(&mut self, route: RouteId) {
        self.log.consume_message(route);
    }

    fn lag_policy(&self) -> LagPolicy {
        self.lag
    }

    fn state(&self) -> DeviceState {
        match &self.state {
            UdpState::Opening => DeviceState::Opening,
            UdpState::Open if self.remote().is_none() => {
                DeviceState::Absent("no datagram has arrived yet".to_owned())
            }
            UdpState::Open => DeviceState::Open,
            UdpState::Waiting { detail, .. } => DeviceState::Failed(detail.clone()),
        }
    }

    fn poll_action(&mut self) -> Option<Action> {
        self.actions.pop_front()
    }

    fn handle_opened(&mut self, _now: Instant) {
        self.state = UdpState::Open;
        self.last_failure = None;
        self.backoff.reset();
        self.actions.push_back(Action::StateChanged);
    }

    fn handle_failed(&mut self, now: Instant, failure: &Failure) -> Count {
        // A try that fails in the same way as the previous one is not reported again.
        let news = self.last_failure.as_ref() != Some(&failure.detail);
        let retry = now + self.backoff.delay();
        self.state = UdpState::Waiting {
            retry,
            detail: failure.detail.clone(),
        };
        self.last_failure = Some(failure.detail.clone());
        if news {
            self.actions.push_back(Action::StateChanged);
        }
        Count::default()
    }

    fn handle_datagram(&mut self, _now: Instant, from: SocketAddr, datagram: &[u8]) {
        if self.config.remote.is_none() && self.learned.replace(from).is_none() {
            self.actions.push_back(Action::StateChanged);
        }
        self.log.push(datagram);
    }

    fn output(&self) -> &[u8] {
        &self.output
    }

    fn consume(&mut self, _n: usize) {
        self.output.clear();
    }

    fn overtake(&mut self, bytes: &[u8]) -> Count {
        if !bytes.is_empty() && matches!(self.state, UdpState::Open) && self.remote().is_some() {
            self.send(bytes);
        }
        Count::default()
    }

    fn remote(&self) -> Option<SocketAddr> {
        self.config.remote.or(self.learned)
    }

    fn poll_timeout(&self) -> Option<Instant> {
        match self.state {
            UdpState::Waiting { retry, .. } => Some(retry),
            UdpState::Opening | UdpState::Open => None,
        }
    }

    fn handle_timeout(&mut self, now: Instant) {
        if self.poll_timeout().is_some_and(|retry| retry <= now) {
            self.state = UdpState::Opening;
            self.actions.push_back(Action::OpenUdp(self.config.clone()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::util::slab::Id;

    fn send(udp: &mut Udp, bytes: &[u8]) -> Result<(), Unaccepted> {
        let binary = false;
        udp.handle_message(Instant::now(), Id::from_bits(3), Message { binary, bytes })
    }

    #[test]
    fn one_datagram_is_one_message() {
        let now = Instant::now();
        let config = UdpConfig {
            remote: Some("127.0.0.1:14550".parse().unwrap()),
            ..UdpConfig::default()
        };
        let mut udp = Udp::new(config.clone(), true, &Traffic::default());
        assert_eq!(udp.poll_action(), Some(Action::OpenUdp(config)));
        let absent = Err(Unaccepted::Refused(DropReason::Absent));
        assert_eq!(send(&mut udp, b"ping"), absent);
        udp.handle_opened(now);
        assert_eq!(udp.poll_action(), Some(Action::StateChanged));
        assert_eq!(send(&mut udp, b"ping"), Ok(()));
        assert_eq!(udp.poll_action(), Some(Action::SendDatagram));
        assert_eq!(udp.output(), b"ping");
        let too_large = Err(Unaccepted::Refused(DropReason::TooLarge));
        assert_eq!(send(&mut udp, &vec![0; MAX_DATAGRAM + 1]), too_large);
    }

    #[test]
    fn without_a_fixed_remote_whoever_sent_last_is_answered() {
        let now = Instant::now();
        let config = UdpConfig {
            bind: Some("127.0.0.1:5000".parse().unwrap()),
            ..UdpConfig::default()
        };
        let mut udp = Udp::new(config, true, &Traffic::default());
        udp.handle_opened(now);
        while udp.poll_action().is_some() {}
        assert_eq!(udp.state().as_str(), "absent");
        let absent = Err(Unaccepted::Refused(DropReason::Absent));
        assert_eq!(send(&mut udp, b"ping"), absent);
        for port in [7, 8] {
            let from = SocketAddr::from(([127, 0, 0, 1], port));
            udp.handle_datagram(now, from, b"here");
            assert_eq!(udp.remote(), Some(from));
        }
        assert_eq!(udp.poll_action(), Some(Action::StateChanged));
        assert_eq!(udp.poll_action(), None, "the second one is no news");
        assert_eq!(udp.state(), DeviceState::Open);
        assert_eq!(send(&mut udp, b"ping"), Ok(()));
    }
}
