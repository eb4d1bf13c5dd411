//! Endpoints without a device, for testing and measuring a connection: `echo`, `sink`, `source`.

use std::collections::BTreeMap;
use std::time::Instant;

use super::answers::Answers;
use super::{Action, DeviceState, DropReason, Endpoint, LagPolicy, Message, Outgoing, Unaccepted};
use crate::ids::RouteId;
use crate::limits;

/// How many bytes may wait for a route of `echo` or `sink` before the route has to wait.
const QUEUE: usize = 256 * 1024;
/// How many messages may wait for a route. Empty messages add no bytes, so their number needs a limit too.
const MESSAGES: usize = 1_024;

/// The behaviour of a probe.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Sends each message back to its sender, in a frame of the same type.
    Echo,
    /// Counts the bytes. Answers the text `end` with `done:N`, where N is the number of bytes since the last
    /// `end`.
    Sink,
    /// Answers the text `send SIZE COUNT` with COUNT messages of SIZE bytes.
    Source,
}

/// The endpoint kinds `echo`, `sink` and `source`.
#[derive(Debug)]
pub struct Probe {
    role: Role,
    routes: BTreeMap<RouteId, Talk>,
    /// The bytes from which [`Role::Source`] takes its messages.
    pattern: Box<[u8]>,
}

#[derive(Debug, Default)]
struct Talk {
    answers: Answers,
    counted: u64,
    /// The number and the size of the messages that are still to be sent.
    owed: (u64, usize),
}

impl Talk {
    fn answer(&mut self, binary: bool, bytes: &[u8]) {
        self.answers.push(binary, bytes);
    }

    fn has_room(&self, bytes: usize) -> bool {
        self.answers.queued() + bytes <= QUEUE && self.answers.len() < MESSAGES
    }
}

impl Probe {
    /// Returns a probe without routes.
    pub fn new(role: Role) -> Self {
        // Every byte differs from its neighbours, so that a gap or a swap can be detected.
        let pattern = match role {
            Role::Source => (0..=u8::MAX).cycle().take(limits::MAX_MESSAGE).collect(),
            Role::Echo | Role::Sink => Box::default(),
        };
        Self {
            role,
            routes: BTreeMap::new(),
            pattern,
        }
    }
}

impl Endpoint for Probe {
    fn attach(&mut self, _now: Instant, route: RouteId) {
        self.routes.insert(route, Talk::default());
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
        let Some(talk) = self.routes.get_mut(&route) else {
            return Err(Unaccepted::Refused(DropReason::Closed));
        };
        if !talk.has_room(message.bytes.len()) {
            return Err(Unaccepted::Full);
        }
        match self.role {
            Role::Echo => talk.answer(message.binary, message.bytes),
            Role::Sink if message.bytes.trim_ascii_end() == b"end" && !message.binary => {
                let done = format!("done:{}", talk.counted);
                talk.counted = 0;
                talk.answer(false, done.as_bytes());
            }
            Role::Sink => talk.counted += message.bytes.len() as u64,
            Role::Source => match parse_send(message.bytes) {
                Some(_) if talk.owed.0 > 0 => return Err(Unaccepted::Full),
                Some(owed) => talk.owed = owed,
                None => {
                    let most = limits::MAX_MESSAGE;
                    let usage = format!("error: send SIZE COUNT, with SIZE from 1 to {most}");
                    talk.answer(false, usage.as_bytes());
                }
            },
        }
        Ok(())
    }

    fn message(&self, route: RouteId) -> Option<Outgoing<'_>> {
        let talk = self.routes.get(&route)?;
        if let Some((binary, bytes)) = talk.answers.front() {
            return Some(Outgoing::Message(Message { binary, bytes }));
        }
        let (count, size) = talk.owed;
        let bytes = self.pattern.get(..size).filter(|_| count > 0)?;
        let binary = true;
        Some(Outgoing::Message(Message { binary, bytes }))
    }

    fn consume_message(&mut self, route: RouteId) {
        let Some(talk) = self.routes.get_mut(&route) else {
            return;
        };
        if !talk.answers.pop() {
            talk.owed.0 = talk.owed.0.saturating_sub(1);
        }
    }

    fn has_room_per_route(&self) -> bool {
        true
    }

    fn lag_policy(&self) -> LagPolicy {
        LagPolicy::Skip
    }

    fn state(&self) -> DeviceState {
        DeviceState::Open
    }

    fn poll_action(&mut self) -> Option<Action> {
        None
    }
}

/// Parses `send SIZE COUNT`. Returns the count and the size.
fn parse_send(text: &[u8]) -> Option<(u64, usize)> {
    let mut words = std::str::from_utf8(text).ok()?.split_ascii_whitespace();
    if words.next() != Some("send") {
        return None;
    }
    let size = words.next()?.parse::<usize>().ok()?;
    let count = words.next()?.parse::<u64>().ok()?;
    let fits = (1..=limits::MAX_MESSAGE).contains(&size);
    (fits && words.next().is_none()).then_some((count, size))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::util::slab::Id;

    fn send(probe: &mut Probe, binary: bool, bytes: &[u8]) -> Result<(), Unaccepted> {
        let message = Message { binary, bytes };
        probe.handle_message(Instant::now(), Id::from_bits(1), message)
    }

    fn next(probe: &mut Probe) -> Option<(bool, Vec<u8>)> {
        let route = Id::from_bits(1);
        let Some(Outgoing::Message(message)) = probe.message(route) else {
            return None;
        };
        let copy = (message.binary, message.bytes.to_vec());
        probe.consume_message(route);
        Some(copy)
    }

    fn probe(role: Role) -> Probe {
        let mut probe = Probe::new(role);
        probe.attach(Instant::now(), Id::from_bits(1));
        probe
    }

    #[test]
    fn echo_returns_what_it_got_and_holds_a_bounded_lot() {
        let mut echo = probe(Role::Echo);
        assert_eq!(send(&mut echo, false, b"hi"), Ok(()));
        assert_eq!(send(&mut echo, true, b""), Ok(()));
        assert_eq!(next(&mut echo), Some((false, b"hi".to_vec())));
        assert_eq!(next(&mut echo), Some((true, Vec::new())));
        assert_eq!(next(&mut echo), None);
        let big = vec![0; limits::MAX_MESSAGE];
        let taken = (0..10)
            .filter(|_| send(&mut echo, true, &big).is_ok())
            .count();
        assert_eq!(taken, QUEUE / limits::MAX_MESSAGE);
        assert_eq!(send(&mut echo, true, &big), Err(Unaccepted::Full));
        assert!(next(&mut echo).is_some());
        assert_eq!(send(&mut echo, true, &big), Ok(()));
        while next(&mut echo).is_some() {}
        let taken = (0..2 * MESSAGES).filter(|_| send(&mut echo, true, b"").is_ok());
        assert_eq!(taken.count(), MESSAGES);
    }

    #[test]
    fn sink_counts_until_it_is_asked() {
        let mut sink = probe(Role::Sink);
        assert_eq!(send(&mut sink, true, &[0; 1000]), Ok(()));
        assert_eq!(
            send(&mut sink, true, b"end"),
            Ok(()),
            "three bytes of payload"
        );
        assert_eq!(next(&mut sink), None);
        assert_eq!(send(&mut sink, false, b"end\n"), Ok(()));
        assert_eq!(next(&mut sink), Some((false, b"done:1003".to_vec())));
        assert_eq!(send(&mut sink, false, b"end"), Ok(()));
        assert_eq!(next(&mut sink), Some((false, b"done:0".to_vec())));
    }

    #[test]
    fn source_sends_what_is_asked_for() {
        let mut source = probe(Role::Source);
        assert_eq!(send(&mut source, false, b"send 300 2"), Ok(()));
        assert_eq!(send(&mut source, false, b"send 1 1"), Err(Unaccepted::Full));
        let expected: Vec<u8> = (0..=255).cycle().take(300).collect();
        assert_eq!(next(&mut source), Some((true, expected.clone())));
        assert_eq!(next(&mut source), Some((true, expected)));
        assert_eq!(next(&mut source), None);
        for wrong in [
            "",
            "send",
            "send 0 1",
            "send 70000 1",
            "send 1 -1",
            "send 1 1 1",
        ] {
            assert_eq!(send(&mut source, false, wrong.as_bytes()), Ok(()));
            let (_, answer) = next(&mut source).expect("usage");
            assert!(answer.starts_with(b"error: send SIZE COUNT"), "{wrong}");
        }
    }
}
