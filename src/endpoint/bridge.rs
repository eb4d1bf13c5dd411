//! A bridge between two channels: messages of one channel go to the other, and nowhere else.

use std::collections::BTreeMap;
use std::time::Instant;

use super::answers::Answers;
use super::{Action, DeviceState, Endpoint, LagPolicy, Message, Outgoing, Unaccepted};
use crate::ids::RouteId;

/// How many bytes may wait for one channel before the other channel has to wait.
const QUEUE: usize = 256 * 1024;
/// How many messages may wait for one channel. Empty messages add no bytes, so their number needs a limit
/// too.
const MESSAGES: usize = 1_024;

/// The bridge between two pages that cannot read each other's frames.
#[derive(Debug, Default)]
pub struct Bridge {
    routes: BTreeMap<RouteId, Answers>,
}

impl Endpoint for Bridge {
    fn attach(&mut self, _now: Instant, route: RouteId) {
        self.routes.insert(route, Answers::default());
    }

    fn detach(&mut self, route: RouteId) {
        self.routes.remove(&route);
    }

    fn handle_message(
        &mut self,
        _now: Instant,
        route: RouteId,
        message: Message<'_>,
    ) -> Result<(), Unaccepted> {
        // Messages wait until the other channel is bound.
        let mut others = self.routes.iter_mut().filter(|(id, _)| **id != route);
        match others.next() {
            Some((_, waiting))
                if waiting.queued() + message.bytes.len() <= QUEUE && waiting.len() < MESSAGES =>
            {
                waiting.push(true, message.bytes);
                Ok(())
            }
            Some(_) | None => Err(Unaccepted::Full),
        }
    }

    fn message(&self, route: RouteId) -> Option<Outgoing<'_>> {
        let (binary, bytes) = self.routes.get(&route)?.front()?;
        Some(Outgoing::Message(Message { binary, bytes }))
    }

    fn consume_message(&mut self, route: RouteId) {
        if let Some(waiting) = self.routes.get_mut(&route) {
            waiting.pop();
        }
    }

    fn has_room_per_route(&self) -> bool {
        true
    }

    fn couples_routes(&self) -> bool {
        true
    }

    fn lag_policy(&self) -> LagPolicy {
        LagPolicy::Close
    }

    fn state(&self) -> DeviceState {
        DeviceState::Open
    }

    fn poll_action(&mut self) -> Option<Action> {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::util::slab::Id;

    #[test]
    fn what_one_says_waits_for_the_other() {
        let now = Instant::now();
        let mut bridge = Bridge::default();
        let [a, b] = [1, 2].map(Id::from_bits);
        let said = |bytes| Message {
            binary: false,
            bytes,
        };
        bridge.attach(now, a);
        let early = bridge.handle_message(now, a, said(b"early"));
        assert_eq!(early, Err(Unaccepted::Full), "nobody is there yet");
        bridge.attach(now, b);
        assert_eq!(bridge.handle_message(now, a, said(b"one")), Ok(()));
        assert_eq!(bridge.handle_message(now, b, said(b"two")), Ok(()));
        for (route, bytes) in [(a, &b"two"[..]), (b, b"one")] {
            let Some(Outgoing::Message(message)) = bridge.message(route) else {
                panic!("it came")
            };
            assert_eq!((message.binary, message.bytes), (true, bytes));
            bridge.consume_message(route);
            assert_eq!(bridge.message(route), None);
        }
        let much = vec![0; QUEUE];
        assert_eq!(bridge.handle_message(now, a, said(&much)), Ok(()));
        let more = bridge.handle_message(now, a, said(b"x"));
        assert_eq!(more, Err(Unaccepted::Full));
    }
}
