//! A serial line: a tty that may be absent at start, vanish and return, while channels stay open.
//!
//! This file decides when to open; the ioctls are in `io`. Messages to an absent line are refused,
//! never kept: a stale command must not move a machine minutes later.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use super::stream::ByteStream;
use super::{
    Action, Count, DeviceState, DropReason, Endpoint, Failure, FailureKind, LagPolicy, Message,
    Outgoing, Unaccepted,
};
use crate::ids::RouteId;
use crate::limits::Limits;
use crate::util::backoff::Backoff;

/// A USB adapter is back about a second after a reset, so the first tries come quickly; later
/// ones cost a wake-up each.
const FIRST_RETRY: Duration = Duration::from_millis(100);
const LAST_RETRY: Duration = Duration::from_secs(2);

/// The endpoint kind `serial`.
#[derive(Debug)]
pub struct Serial {
    path: PathBuf,
    baud: u32,
    stream: ByteStream,
    state: State,
    backoff: Backoff,
    actions: Vec<Action>,
}

#[derive(Debug)]
enum State {
    Opening,
    Open,
    /// Not usable, and looked at again at `retry`.
    Waiting {
        retry: Instant,
        failure: Failure,
    },
}

impl Serial {
    /// A line that is opened at once and for as long as the daemon runs.
    pub fn new(path: PathBuf, baud: u32, binary: bool, _limits: &Limits) -> Self {
        let actions = vec![Action::OpenTty {
            path: path.clone(),
            baud,
        }];
        Self {
            path,
            baud,
            stream: ByteStream::new(binary),
            state: State::Opening,
            backoff: Backoff::new(FIRST_RETRY, LAST_RETRY),
            actions,
        }
    }
}

impl Endpoint for Serial {
    fn attach(&mut self, _now: Instant, route: RouteId) {
        self.stream.attach(route);
    }

    fn detach(&mut self, route: RouteId) {
        self.stream.detach(route);
    }

    fn handle_message(
        &mut self,
        _now: Instant,
        _route: RouteId,
        message: Message<'_>,
    ) -> Result<(), Unaccepted> {
        match self.state {
            State::Open => self.stream.write(message.bytes),
            State::Opening | State::Waiting { .. } => Err(Unaccepted::Refused(DropReason::Absent)),
        }
    }

    fn message(&self, route: RouteId) -> Option<Outgoing<'_>> {
        self.stream.message(route)
    }

    fn consume_message(&mut self, route: RouteId) {
        self.stream.consume_message(route);
    }

    fn is_stream(&self) -> bool {
        true
    }

    fn lag_policy(&self) -> LagPolicy {
        LagPolicy::Close
    }

    fn state(&self) -> DeviceState {
        match &self.state {
            State::Opening => DeviceState::Opening,
            State::Open => DeviceState::Open,
            State::Waiting { failure, .. } if failure.kind == FailureKind::Absent => {
                DeviceState::Absent(failure.detail.clone())
            }
            State::Waiting { failure, .. } => DeviceState::Failed(failure.detail.clone()),
        }
    }

    fn poll_action(&mut self) -> Option<Action> {
        // Few and rare: the order matters, the shift does not.
        if self.actions.is_empty() {
            None
        } else {
            Some(self.actions.remove(0))
        }
    }

    fn handle_opened(&mut self, _now: Instant) {
        self.state = State::Open;
        self.backoff.reset();
        self.actions.push(Action::StateChanged);
    }

    fn handle_failed(&mut self, now: Instant, failure: &Failure) -> Count {
        // A try that fails as the one before did is no news.
        let news = match &self.state {
            State::Waiting {
                failure: before, ..
            } => before != failure,
            State::Opening | State::Open => true,
        };
        let retry = now + self.backoff.delay();
        self.state = State::Waiting {
            retry,
            failure: failure.clone(),
        };
        if news {
            self.actions.push(Action::StateChanged);
        }
        self.stream.forget_output()
    }

    fn handle_input(&mut self, _now: Instant, input: &[u8]) {
        self.stream.handle_input(input);
    }

    fn output(&self) -> &[u8] {
        self.stream.output()
    }

    fn consume(&mut self, n: usize) {
        self.stream.consume(n);
    }

    fn poll_timeout(&self) -> Option<Instant> {
        match self.state {
            State::Waiting { retry, .. } => Some(retry),
            State::Opening | State::Open => None,
        }
    }

    fn handle_timeout(&mut self, now: Instant) {
        let State::Waiting { retry, .. } = &mut self.state else {
            return;
        };
        if now < *retry {
            return;
        }
        // Still shown as absent while it is tried, so that its state does not flicker.
        *retry = now + LAST_RETRY;
        self.actions.push(Action::OpenTty {
            path: self.path.clone(),
            baud: self.baud,
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::util::slab::Id;

    fn actions(serial: &mut Serial) -> Vec<Action> {
        std::iter::from_fn(|| serial.poll_action()).collect()
    }

    #[test]
    fn an_absent_line_refuses_and_is_tried_again_ever_more_slowly() {
        let mut now = Instant::now();
        let mut serial = Serial::new("/dev/x".into(), 9600, true, &Limits::default());
        let open = Action::OpenTty {
            path: "/dev/x".into(),
            baud: 9600,
        };
        assert_eq!(actions(&mut serial), [open.clone()]);

        let failure = Failure::new(FailureKind::Absent, "no such file");
        serial.handle_failed(now, &failure);
        assert_eq!(actions(&mut serial), [Action::StateChanged]);
        assert_eq!(serial.state(), DeviceState::Absent("no such file".into()));
        let message = Message {
            binary: true,
            bytes: b"go",
        };
        let route = Id::from_bits(0);
        let refused = Err(Unaccepted::Refused(DropReason::Absent));
        assert_eq!(serial.handle_message(now, route, message), refused);

        let mut waits = Vec::new();
        for _ in 0..7 {
            let at = serial.poll_timeout().expect("a retry");
            waits.push(at - now);
            now = at;
            serial.handle_timeout(now);
            assert_eq!(
                actions(&mut serial),
                [open.clone()],
                "no news, only another try"
            );
            serial.handle_failed(now, &failure);
        }
        assert_eq!(waits.first(), Some(&FIRST_RETRY));
        assert_eq!(waits.last(), Some(&LAST_RETRY));

        serial.handle_opened(now);
        assert_eq!(actions(&mut serial), [Action::StateChanged]);
        assert_eq!(serial.handle_message(now, route, message), Ok(()));
        assert_eq!(serial.output(), b"go");
        assert_eq!(serial.poll_timeout(), None);

        let gone = Failure::new(FailureKind::Absent, "it vanished");
        assert_eq!(
            serial.handle_failed(now, &gone),
            Count {
                messages: 1,
                bytes: 2
            }
        );
        assert_eq!(serial.output(), b"", "nothing is kept for its return");
        assert_eq!(serial.poll_timeout(), Some(now + FIRST_RETRY));
    }
}
