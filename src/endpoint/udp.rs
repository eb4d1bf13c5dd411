//! A UDP program: one fixed remote, one datagram = one message, both families.

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use super::message_ring::MessageRing;
use super::{
    Action, Count, DeviceState, DropReason, Endpoint, Failure, LagPolicy, Message, Outgoing,
    Unaccepted,
};
use crate::ids::RouteId;
use crate::limits::{self, Limits};
use crate::util::backoff::Backoff;

/// The largest payload of a UDP datagram over IPv4 (65,535 − 8 − 20).
const MAX_DATAGRAM: usize = 65_507;

/// The endpoint kind `udp`.
#[derive(Debug)]
pub struct Udp {
    remote: SocketAddr,
    ring: MessageRing,
    cursors: BTreeMap<RouteId, Cursor>,
    /// The one datagram on its way out; the owner takes it within the same call.
    output: Vec<u8>,
    binary: bool,
    state: State,
    /// What has been told, until it works.
    last_failure: Option<String>,
    backoff: Backoff,
    actions: VecDeque<Action>,
}

#[derive(Debug, Clone, Copy)]
struct Cursor {
    index: u64,
    /// Bytes of all messages before `index`.
    bytes: u64,
}

#[derive(Debug)]
enum State {
    Opening,
    Open,
    Waiting { retry: Instant, detail: String },
}

impl Udp {
    /// A socket that is opened at once.
    pub fn new(remote: SocketAddr, binary: bool, _limits: &Limits) -> Self {
        Self {
            remote,
            ring: MessageRing::new(limits::RING),
            cursors: BTreeMap::new(),
            output: Vec::new(),
            binary,
            state: State::Opening,
            last_failure: None,
            backoff: Backoff::new(Duration::from_millis(500), Duration::from_secs(10)),
            actions: VecDeque::from([Action::OpenUdp { remote }]),
        }
    }
}

impl Endpoint for Udp {
    fn attach(&mut self, _now: Instant, route: RouteId) {
        let cursor = Cursor {
            index: self.ring.end(),
            bytes: self.ring.bytes_before_end(),
        };
        self.cursors.insert(route, cursor);
    }

    fn detach(&mut self, route: RouteId) {
        self.cursors.remove(&route);
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
            State::Open => {
                self.output.clear();
                self.output.extend_from_slice(message.bytes);
                self.actions.push_back(Action::SendDatagram);
                Ok(())
            }
            State::Opening | State::Waiting { .. } => Err(Unaccepted::Refused(DropReason::Absent)),
        }
    }

    fn message(&self, route: RouteId) -> Option<Outgoing<'_>> {
        let cursor = self.cursors.get(&route)?;
        let lost = self.ring.start().saturating_sub(cursor.index);
        if lost > 0 {
            let bytes = self.ring.bytes_before_start() - cursor.bytes;
            return Some(Outgoing::Lagged(Count {
                messages: lost,
                bytes,
            }));
        }
        let bytes = self.ring.get(cursor.index)?;
        Some(Outgoing::Message(Message {
            binary: self.binary,
            bytes,
        }))
    }

    fn consume_message(&mut self, route: RouteId) {
        let Some(cursor) = self.cursors.get_mut(&route) else {
            return;
        };
        if cursor.index < self.ring.start() {
            *cursor = Cursor {
                index: self.ring.start(),
                bytes: self.ring.bytes_before_start(),
            };
        } else if let Some(bytes) = self.ring.get(cursor.index) {
            cursor.index += 1;
            cursor.bytes += bytes.len() as u64;
        }
    }

    fn lag_policy(&self) -> LagPolicy {
        LagPolicy::Skip
    }

    fn state(&self) -> DeviceState {
        match &self.state {
            State::Opening => DeviceState::Opening,
            State::Open => DeviceState::Open,
            State::Waiting { detail, .. } => DeviceState::Failed(detail.clone()),
        }
    }

    fn poll_action(&mut self) -> Option<Action> {
        self.actions.pop_front()
    }

    fn handle_opened(&mut self, _now: Instant) {
        self.state = State::Open;
        self.last_failure = None;
        self.backoff.reset();
        self.actions.push_back(Action::StateChanged);
    }

    fn handle_failed(&mut self, now: Instant, failure: &Failure) -> Count {
        // A try that fails as the one before did is no news.
        let news = self.last_failure.as_ref() != Some(&failure.detail);
        let retry = now + self.backoff.delay();
        self.state = State::Waiting {
            retry,
            detail: failure.detail.clone(),
        };
        self.last_failure = Some(failure.detail.clone());
        if news {
            self.actions.push_back(Action::StateChanged);
        }
        Count::default()
    }

    fn handle_input(&mut self, _now: Instant, datagram: &[u8]) {
        let fitted = self.ring.push(datagram);
        debug_assert!(fitted, "the ring is larger than any datagram");
    }

    fn output(&self) -> &[u8] {
        &self.output
    }

    fn consume(&mut self, _n: usize) {
        self.output.clear();
    }

    fn remote(&self) -> Option<SocketAddr> {
        Some(self.remote)
    }

    fn poll_timeout(&self) -> Option<Instant> {
        match self.state {
            State::Waiting { retry, .. } => Some(retry),
            State::Opening | State::Open => None,
        }
    }

    fn handle_timeout(&mut self, now: Instant) {
        if self.poll_timeout().is_some_and(|retry| retry <= now) {
            self.state = State::Opening;
            self.actions.push_back(Action::OpenUdp {
                remote: self.remote,
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::util::slab::Id;

    #[test]
    fn one_datagram_is_one_message_and_a_lagging_route_learns_its_loss() {
        let now = Instant::now();
        let remote = "127.0.0.1:14550".parse().unwrap();
        let mut udp = Udp::new(remote, true, &Limits::default());
        assert_eq!(udp.poll_action(), Some(Action::OpenUdp { remote }));
        let route = Id::from_bits(3);
        let message = Message {
            binary: false,
            bytes: b"ping",
        };
        let absent = Err(Unaccepted::Refused(DropReason::Absent));
        assert_eq!(udp.handle_message(now, route, message), absent);
        udp.handle_opened(now);
        assert_eq!(udp.poll_action(), Some(Action::StateChanged));

        assert_eq!(udp.handle_message(now, route, message), Ok(()));
        assert_eq!(udp.poll_action(), Some(Action::SendDatagram));
        assert_eq!(udp.output(), b"ping");
        let giant = vec![0; MAX_DATAGRAM + 1];
        let too_large = Err(Unaccepted::Refused(DropReason::TooLarge));
        assert_eq!(
            udp.handle_message(
                now,
                route,
                Message {
                    binary: true,
                    bytes: &giant
                }
            ),
            too_large
        );

        udp.handle_input(now, b"before");
        udp.attach(now, route);
        assert_eq!(udp.message(route), None);
        udp.handle_input(now, b"");
        let empty = Outgoing::Message(Message {
            binary: true,
            bytes: b"",
        });
        assert_eq!(
            udp.message(route),
            Some(empty),
            "an empty datagram is a message too"
        );
        udp.consume_message(route);

        let kept = limits::RING / 1000;
        for _ in 0..kept + 5 {
            udp.handle_input(now, &[1; 1000]);
        }
        let lost = Outgoing::Lagged(Count {
            messages: 5,
            bytes: 5000,
        });
        assert_eq!(udp.message(route), Some(lost));
        udp.consume_message(route);
        let left = std::iter::from_fn(|| {
            let there = matches!(udp.message(route), Some(Outgoing::Message(_)));
            udp.consume_message(route);
            there.then_some(())
        });
        assert_eq!(left.count(), kept);
    }
}
