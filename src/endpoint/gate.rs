//! An endpoint whose every channel gets its own connection. The gate represents the endpoint while no
//! connection exists. The connections themselves are endpoints without a name.

use std::time::Instant;

use super::{Action, DeviceState, DropReason, Endpoint, LagPolicy, Message, Outgoing, Unaccepted};
use crate::ids::RouteId;

/// The endpoint for `connection = "channel"`.
#[derive(Debug)]
pub struct Gate;

impl Endpoint for Gate {
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

    /// Returns `Open`, because only a channel can show whether the program is running.
    fn state(&self) -> DeviceState {
        DeviceState::Open
    }

    fn poll_action(&mut self) -> Option<Action> {
        None
    }
}
