//! The events that a program polls, and the queue in which they wait.

use std::collections::VecDeque;

use serde_json::{Value, json};

use crate::limits;

/// Something that happened to a peer or to a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// The peer is registered, or the channel is open. The first event, sent once.
    Open,
    /// For a peer: another peer opened a data connection to it.
    Connection {
        /// The new connection's id.
        data_connection_id: String,
    },
    /// For a peer: another peer calls it with media.
    #[cfg_attr(
        not(any(test, feature = "testing")),
        expect(
            dead_code,
            reason = "media is the next part of this API, and its words are pinned by golden tests already"
        )
    )]
    Call {
        /// The new connection's id.
        media_connection_id: String,
    },
    /// For a peer: its credential expires in so many seconds. The crate cannot read this event, so only
    /// programs that use credentials receive it.
    ExpiresIn(u32),
    /// An error, as a message.
    Error(String),
    /// The end; no event follows.
    Close,
}

/// The owner of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Subject<'a> {
    /// A peer. Every event names the peer because the crate requires that.
    Peer {
        /// The peer's id.
        peer_id: &'a str,
        /// The token, which its owner knows already.
        token: &'a str,
    },
    /// A data connection.
    Data,
}

impl Event {
    /// Returns the body of the answer with this event.
    pub fn to_json(&self, subject: Subject<'_>) -> Value {
        let mut body = json!({ "event": self.name() });
        let mut add = |key: &str, value: Value| {
            if let Some(body) = body.as_object_mut() {
                body.insert(key.to_owned(), value);
            }
        };
        if let Subject::Peer { peer_id, token } = subject {
            add("params", json!({ "peer_id": peer_id, "token": token }));
        }
        match self {
            Self::Connection { data_connection_id } => add(
                "data_params",
                json!({ "data_connection_id": data_connection_id }),
            ),
            Self::Call {
                media_connection_id,
            } => add(
                "call_params",
                json!({ "media_connection_id": media_connection_id }),
            ),
            Self::ExpiresIn(seconds) => add("remainingSec", (*seconds).into()),
            Self::Error(message) => add("error_message", message.as_str().into()),
            Self::Open | Self::Close => {}
        }
        body
    }

    fn name(&self) -> &'static str {
        match self {
            Self::Open => "OPEN",
            Self::Connection { .. } => "CONNECTION",
            Self::Call { .. } => "CALL",
            Self::ExpiresIn(_) => "EXPIRESIN",
            Self::Error(_) => "ERROR",
            Self::Close => "CLOSE",
        }
    }
}

/// Events of one peer or connection in their order. They wait until a program asks for them, one at a time.
///
/// A program may never ask, so the queue is bounded: the oldest events are dropped, but OPEN stays, because a
/// program that receives another event first gives up.
#[derive(Debug, Clone)]
pub struct EventQueue {
    waiting: VecDeque<Event>,
    bound: usize,
    was_opened: bool,
    is_closed: bool,
    dropped: u64,
}

impl EventQueue {
    /// Returns an empty queue with room for [`limits::FACADE_EVENTS`].
    pub fn new() -> Self {
        Self::with_bound(limits::FACADE_EVENTS)
    }

    /// Returns an empty queue with room for `bound` events; at least two, OPEN and CLOSE.
    pub fn with_bound(bound: usize) -> Self {
        Self {
            waiting: VecDeque::new(),
            bound: bound.max(2),
            was_opened: false,
            is_closed: false,
            dropped: 0,
        }
    }

    /// Appends an event. A second OPEN, and any event after CLOSE, is neither kept nor counted.
    pub fn push(&mut self, event: Event) {
        let is_open = event == Event::Open;
        if self.is_closed || (is_open && self.was_opened) {
            return;
        }
        self.was_opened |= is_open;
        self.is_closed = event == Event::Close;
        if self.waiting.len() >= self.bound {
            let oldest = usize::from(self.waiting.front() == Some(&Event::Open));
            self.waiting.remove(oldest);
            self.dropped += 1;
        }
        self.waiting.push_back(event);
    }

    /// Takes the oldest event. CLOSE stays and answers every later request, too, because two programs may be
    /// listening, and each ends on it.
    pub fn pop(&mut self) -> Option<Event> {
        if self.is_over() {
            return Some(Event::Close);
        }
        self.waiting.pop_front()
    }

    /// Returns whether an event waits.
    #[cfg(any(test, feature = "testing"))]
    pub fn is_waiting(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// Returns whether CLOSE is the only event that is left.
    pub fn is_over(&self) -> bool {
        self.is_closed && self.waiting.len() <= 1
    }

    /// Returns how many events were dropped to make room, since the beginning.
    pub fn dropped(&self) -> u64 {
        self.dropped
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn connection(n: u32) -> Event {
        Event::Connection {
            data_connection_id: format!("dc-{n}"),
        }
    }

    fn all(queue: &mut EventQueue) -> Vec<Event> {
        let mut events = Vec::new();
        while queue.is_waiting() && !queue.is_over() {
            events.extend(queue.pop());
        }
        events
    }

    #[test]
    fn first_in_first_out_one_at_a_time() {
        let mut queue = EventQueue::new();
        assert_eq!(queue.pop(), None);
        queue.push(Event::Open);
        queue.push(connection(1));
        queue.push(Event::Error("a".to_owned()));
        assert_eq!(queue.pop(), Some(Event::Open));
        assert_eq!(queue.pop(), Some(connection(1)));
        assert_eq!(queue.pop(), Some(Event::Error("a".to_owned())));
        assert_eq!(queue.pop(), None);
        assert!(!queue.is_over());
    }

    #[test]
    fn open_comes_once() {
        let mut queue = EventQueue::new();
        queue.push(Event::Open);
        assert_eq!(queue.pop(), Some(Event::Open));
        queue.push(Event::Open);
        assert_eq!((queue.pop(), queue.dropped()), (None, 0));
    }

    #[test]
    fn when_nobody_asks_the_oldest_go_and_open_stays() {
        let mut queue = EventQueue::with_bound(3);
        queue.push(Event::Open);
        for n in 1..=4 {
            queue.push(connection(n));
        }
        assert_eq!(queue.dropped(), 2);
        assert_eq!(all(&mut queue), [Event::Open, connection(3), connection(4)]);
        for n in 5..=8 {
            queue.push(connection(n));
        }
        assert_eq!(queue.dropped(), 3);
        assert_eq!(
            all(&mut queue),
            [connection(6), connection(7), connection(8)]
        );
    }

    #[test]
    fn the_default_bound() {
        let mut queue = EventQueue::new();
        for n in 0..=256 {
            queue.push(connection(n));
        }
        assert_eq!(queue.dropped(), 1);
        assert_eq!(queue.pop(), Some(connection(1)));
    }

    #[test]
    fn nothing_comes_after_close_which_everybody_is_told() {
        let mut queue = EventQueue::with_bound(2);
        queue.push(Event::Open);
        queue.push(connection(1));
        queue.push(Event::Close);
        queue.push(connection(2));
        assert_eq!((queue.is_over(), queue.dropped()), (false, 1));
        assert_eq!(queue.pop(), Some(Event::Open));
        for _ in 0..3 {
            assert!(queue.is_over() && queue.is_waiting());
            assert_eq!(queue.pop(), Some(Event::Close));
        }
    }

    proptest! {
        #[test]
        fn every_event_is_told_or_counted(
            bound in 0usize..6, steps in proptest::collection::vec(0u8..8, 0..60),
        ) {
            let mut queue = EventQueue::with_bound(bound);
            let (mut pushed, mut told, mut closed) = (0, Vec::new(), false);
            for (n, step) in (0..).zip(steps) {
                let event = match step {
                    0 | 1 => {
                        if !queue.is_over() {
                            told.extend(queue.pop());
                        }
                        continue;
                    }
                    2 => Event::Open,
                    3 if n > 20 => Event::Close,
                    _ => connection(n),
                };
                let counts = !closed && event != Event::Open;
                closed |= event == Event::Close;
                pushed += u64::from(counts);
                queue.push(event);
                prop_assert!(queue.waiting.len() <= bound.max(2));
            }
            told.extend(all(&mut queue));
            told.retain(|event| *event != Event::Open);
            let closes = u64::from(closed);
            prop_assert_eq!(told.len() as u64 + queue.dropped() + closes, pushed);
            prop_assert_eq!(closed, queue.is_over());
        }
    }
}
