//! The endpoint kind `rtp`, as channels see it: an endpoint with a name and a state but without bytes.
//! Pictures and sound do not pass through endpoints.

use std::time::Instant;

use super::{Action, DeviceState, DropReason, Endpoint, LagPolicy, Message, Outgoing, Unaccepted};
use crate::ids::RouteId;

/// The endpoint of a program that speaks RTP. Its state is that of its tracks.
#[derive(Debug)]
pub(super) struct Rtp {
    state: DeviceState,
    has_changed: bool,
}

impl Rtp {
    /// Returns an endpoint whose tracks are being made.
    pub(super) fn new() -> Self {
        Self {
            state: DeviceState::Opening,
            has_changed: false,
        }
    }
}

impl Endpoint for Rtp {
    /// Does nothing, because the gateway refuses channels to this endpoint before they are bound.
    fn attach(&mut self, _now: Instant, _route: RouteId) {}

    fn detach(&mut self, _route: RouteId) {}

    fn handle_message(
        &mut self,
        _now: Instant,
        _route: RouteId,
        _message: Message<'_>,
    ) -> Result<(), Unaccepted> {
        Err(Unaccepted::Refused(DropReason::Absent))
    }

    fn message(&self, _route: RouteId) -> Option<Outgoing<'_>> {
        None
    }

    fn consume_message(&mut self, _route: RouteId) {}

    fn lag_policy(&self) -> LagPolicy {
        LagPolicy::Close
    }

    fn state(&self) -> DeviceState {
        self.state.clone()
    }

    fn set_state(&mut self, state: DeviceState) {
        self.has_changed |= self.state != state;
        self.state = state;
    }

    fn poll_action(&mut self) -> Option<Action> {
        std::mem::take(&mut self.has_changed).then_some(Action::StateChanged)
    }
}
