//! A device that is one byte stream: a tty, or a program behind TCP or a Unix socket. The device may be
//! absent at the start, vanish and return, while channels stay open.
//!
//! This file decides when to open the device; the system calls are in `io`. Messages to an absent device are
//! refused, never kept, because an old command must not move a machine minutes later.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::byte_stream::ByteStream;
use super::{
    Action, Count, DeviceState, DropReason, Endpoint, Failure, FailureKind, LagPolicy, Message,
    Outgoing, Target, Unaccepted,
};
use crate::config::Traffic;
use crate::framing::Faults;
use crate::ids::RouteId;
use crate::util::backoff::Backoff;

/// The first delay between tries. A USB adapter returns about a second after a reset, and a program sooner,
/// so the first tries come quickly.
const FIRST_RETRY: Duration = Duration::from_millis(100);
/// The longest delay between tries, because each try costs a wake-up. The file system reports a tty that
/// appears at once.
const LAST_RETRY: Duration = Duration::from_secs(5);
/// How long a connection must last so that the next tries come quickly.
const STABLE: Duration = Duration::from_secs(1);
/// The wait after a new device file appears, because the file exists before udev has set its permissions.
const SETTLE: Duration = Duration::from_millis(50);

/// The endpoint kinds `serial`, `tcp` and `unix`.
#[derive(Debug)]
pub struct StreamEndpoint {
    target: Target,
    stream: ByteStream,
    lag: LagPolicy,
    /// Whether the device is opened only once, for one channel, whose messages wait for the open.
    once: bool,
    state: StreamState,
    /// When the device was last opened. A device that stayed open is tried again quickly after it vanishes.
    opened: Option<Instant>,
    backoff: Backoff,
    actions: VecDeque<Action>,
}

#[derive(Debug)]
enum StreamState {
    Opening,
    /// The listener is open, and no program has connected.
    Listening,
    Open,
    /// The device is not usable, and is tried again at `retry`. `None`: a try is in progress.
    Waiting {
        retry: Option<Instant>,
        failure: Failure,
    },
}

impl StreamEndpoint {
    /// Returns a device that is opened at once, and reopened as long as the daemon runs.
    pub fn new(target: Target, binary: bool, traffic: &Traffic) -> Self {
        Self {
            stream: ByteStream::new(binary, traffic),
            lag: traffic.lag,
            once: false,
            state: StreamState::Opening,
            opened: None,
            backoff: Backoff::new(FIRST_RETRY, LAST_RETRY),
            actions: VecDeque::from([Action::Open(target.clone())]),
            target,
        }
    }

    /// Returns a connection that is made once, for one channel.
    pub fn once(target: Target, binary: bool, traffic: &Traffic) -> Self {
        Self {
            once: true,
            ..Self::new(target, binary, traffic)
        }
    }

    fn retry(&self) -> Option<Instant> {
        match self.state {
            StreamState::Waiting { retry, .. } if !self.once => retry,
            StreamState::Waiting { .. }
            | StreamState::Opening
            | StreamState::Listening
            | StreamState::Open => None,
        }
    }
}

impl Endpoint for StreamEndpoint {
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
            StreamState::Open => self.stream.write(message.bytes),
            StreamState::Opening if self.once => Err(Unaccepted::Full),
            StreamState::Opening | StreamState::Listening | StreamState::Waiting { .. } => {
                Err(Unaccepted::Refused(DropReason::Absent))
            }
        }
    }

    fn message(&self, route: RouteId) -> Option<Outgoing<'_>> {
        self.stream.message(route)
    }

    fn consume_message(&mut self, route: RouteId) {
        self.stream.consume_message(route);
    }

    fn is_stream(&self) -> bool {
        self.stream.is_raw()
    }

    fn lag_policy(&self) -> LagPolicy {
        self.lag
    }

    fn state(&self) -> DeviceState {
        match &self.state {
            StreamState::Opening => DeviceState::Opening,
            StreamState::Open => DeviceState::Open,
            StreamState::Listening => {
                DeviceState::Absent(format!("{}: no program has connected", self.target))
            }
            StreamState::Waiting { failure, .. } if failure.kind == FailureKind::Absent => {
                DeviceState::Absent(failure.detail.clone())
            }
            StreamState::Waiting { failure, .. } => DeviceState::Failed(failure.detail.clone()),
        }
    }

    fn poll_action(&mut self) -> Option<Action> {
        self.actions.pop_front()
    }

    fn handle_opened(&mut self, now: Instant) {
        self.opened = Some(now);
        let waits = self.target.is_listener() && !matches!(self.state, StreamState::Listening);
        self.state = if waits {
            StreamState::Listening
        } else {
            StreamState::Open
        };
        self.actions.push_back(Action::StateChanged);
    }

    fn handle_failed(&mut self, now: Instant, failure: &Failure) -> Count {
        if self.opened.take().is_some_and(|at| now >= at + STABLE) {
            self.backoff.reset();
        }
        if self.target.is_listener() && matches!(self.state, StreamState::Open) {
            self.state = StreamState::Listening;
            self.actions.push_back(Action::StateChanged);
        } else {
            // A try that fails in the same way as the previous one is not reported again.
            let news = match &self.state {
                StreamState::Waiting {
                    failure: before, ..
                } => before != failure,
                StreamState::Opening | StreamState::Listening | StreamState::Open => true,
            };
            let retry = now + self.backoff.delay();
            self.state = StreamState::Waiting {
                retry: Some(retry),
                failure: failure.clone(),
            };
            if news {
                self.actions.push_back(Action::StateChanged);
            }
        }
        self.stream.handle_gone();
        self.stream.forget_output()
    }

    fn handle_input(&mut self, now: Instant, input: &[u8]) {
        self.stream.handle_input(now, input);
    }

    fn input_room(&self) -> usize {
        match self.lag {
            LagPolicy::Wait => self.stream.room(),
            LagPolicy::Close | LagPolicy::Skip => usize::MAX,
        }
    }

    fn faults(&self) -> Option<Faults> {
        self.stream.faults()
    }

    fn output(&self) -> &[u8] {
        self.stream.output()
    }

    fn consume(&mut self, n: usize) {
        self.stream.consume(n);
    }

    fn written(&self) -> u64 {
        self.stream.written()
    }

    fn overtake(&mut self, bytes: &[u8]) -> Count {
        match self.state {
            StreamState::Open => self.stream.overtake(bytes),
            StreamState::Opening | StreamState::Listening | StreamState::Waiting { .. } => {
                Count::default()
            }
        }
    }

    fn look_again(&mut self, now: Instant) {
        if let StreamState::Waiting {
            retry: Some(retry), ..
        } = &mut self.state
        {
            *retry = (*retry).min(now + SETTLE);
        }
    }

    fn poll_timeout(&self) -> Option<Instant> {
        [self.retry(), self.stream.poll_timeout()]
            .into_iter()
            .flatten()
            .min()
    }

    fn handle_timeout(&mut self, now: Instant) {
        self.stream.handle_timeout(now);
        if let StreamState::Waiting { retry, .. } = &mut self.state
            && retry.is_some_and(|at| at <= now)
            && !self.once
        {
            // The state stays absent during the try, so that it does not flicker. A try may take long, and
            // only one runs at a time.
            *retry = None;
            self.actions.push_back(Action::Open(self.target.clone()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::endpoint::line::LineSettings;
    use crate::util::slab::Id;

    fn actions(endpoint: &mut StreamEndpoint) -> Vec<Action> {
        std::iter::from_fn(|| endpoint.poll_action()).collect()
    }

    fn tty() -> Target {
        Target::Tty {
            path: "/dev/x".into(),
            line: Box::new(LineSettings::at(9600)),
        }
    }

    #[test]
    fn an_absent_line_refuses_and_is_tried_again_ever_more_slowly() {
        let mut now = Instant::now();
        let mut serial = StreamEndpoint::new(tty(), true, &Traffic::stream());
        let open = Action::Open(tty());
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
        for _ in 0..8 {
            let at = serial.poll_timeout().expect("a retry");
            waits.push(at - now);
            now = at;
            serial.handle_timeout(now);
            let tried = actions(&mut serial);
            assert_eq!(tried, [open.clone()], "no news, only another try");
            serial.handle_failed(now, &failure);
        }
        assert_eq!(waits.first(), Some(&FIRST_RETRY));
        assert_eq!(waits.last(), Some(&LAST_RETRY));
        serial.look_again(now);
        assert_eq!(serial.poll_timeout(), Some(now + SETTLE));

        serial.handle_opened(now);
        assert_eq!(actions(&mut serial), [Action::StateChanged]);
        assert_eq!(serial.handle_message(now, route, message), Ok(()));
        assert_eq!(serial.output(), b"go");
        assert_eq!(serial.poll_timeout(), None);

        now += STABLE;
        let gone = Failure::new(FailureKind::Absent, "it vanished");
        assert_eq!(serial.handle_failed(now, &gone), Count::one(2));
        assert_eq!(serial.output(), b"", "nothing is kept for its return");
        assert_eq!(serial.poll_timeout(), Some(now + FIRST_RETRY));
    }

    #[test]
    fn a_listener_waits_for_one_connection_after_the_other() {
        let now = Instant::now();
        let target = Target::TcpListener("127.0.0.1:7".parse().unwrap());
        let mut endpoint = StreamEndpoint::new(target, true, &Traffic::stream());
        endpoint.handle_opened(now);
        let nobody = DeviceState::Absent("127.0.0.1:7: no program has connected".into());
        assert_eq!(endpoint.state(), nobody);
        endpoint.handle_opened(now);
        assert_eq!(endpoint.state(), DeviceState::Open);
        let left = Failure::new(FailureKind::Absent, "it has closed the connection");
        endpoint.handle_failed(now, &left);
        assert_eq!(endpoint.state(), nobody);
        assert_eq!(endpoint.poll_timeout(), None, "the listener is still there");
        let broken = Failure::new(FailureKind::Other, "it is broken");
        endpoint.handle_failed(now, &broken);
        assert!(matches!(endpoint.state(), DeviceState::Failed(_)));
        assert!(endpoint.poll_timeout().is_some());
    }
}
