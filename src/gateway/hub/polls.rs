//! Long polls: requests that wait for an event of a peer or of a connection.

use std::collections::HashMap;
use std::time::Instant;

use super::rest_peers::RestPeer;
use crate::api::origin::Caller;
use crate::api::skyway::{Event, Subject, reply};
use crate::gateway::Gateway;
use crate::gateway::timers::TimerKey;
use crate::http::Response;
use crate::ids::{LinkId, SourceId};
use crate::limits;

/// Whose events are waited for.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(in crate::gateway) enum PollKey {
    /// Of the peer with this token.
    Peer(String),
    /// Of a connection.
    Link(LinkId),
}

/// A request that waits.
#[derive(Debug)]
struct Parked {
    source: SourceId,
    caller: Caller,
    command: &'static str,
}

/// All of them.
#[derive(Debug, Default)]
pub(super) struct Polls {
    parked: HashMap<PollKey, Parked>,
    keys: HashMap<SourceId, PollKey>,
    /// Of whom there may be something to be told.
    touched: Vec<PollKey>,
}

impl Polls {
    pub(super) fn len(&self) -> usize {
        self.parked.len()
    }

    /// Whether nobody is to be told anything.
    pub(super) fn is_quiet(&self) -> bool {
        self.touched.is_empty()
    }

    /// Something has happened there.
    pub(super) fn touch(&mut self, key: PollKey) {
        if self.parked.contains_key(&key) {
            self.touched.push(key);
        }
    }

    fn take(&mut self, key: &PollKey) -> Option<Parked> {
        let parked = self.parked.remove(key)?;
        self.keys.remove(&parked.source);
        Some(parked)
    }

    /// Who asked has gone. Whether it had been waiting.
    pub(super) fn forget(&mut self, source: SourceId) -> bool {
        let Some(key) = self.keys.remove(&source) else {
            return false;
        };
        self.parked.remove(&key);
        true
    }
}

impl Gateway {
    /// Answers with the next event, now or when there is one. `peek`: nothing is taken (HEAD).
    pub(super) fn poll_events(
        &mut self,
        now: Instant,
        source: SourceId,
        caller: &Caller,
        key: PollKey,
        command: &'static str,
        peek: bool,
    ) {
        if peek {
            return self.answer(now, source, caller, Response::new(200));
        }
        if let Some(response) = self.next_event(now, &key) {
            return self.answer(now, source, caller, response);
        }
        // Two at a time: the newer one gets what comes. It is parked before the older one is answered, because behind that
        // one another request may wait on its connection, which is read at once and may poll here as well.
        let older = self.rendezvous.polls.take(&key);
        self.timers
            .set(TimerKey::Poll(source), Some(now + limits::FACADE_POLL));
        let polls = &mut self.rendezvous.polls;
        polls.keys.insert(source, key.clone());
        let caller = caller.clone();
        polls.parked.insert(
            key,
            Parked {
                source,
                caller,
                command,
            },
        );
        if let Some(older) = older {
            if older.source != source {
                self.timers.set(TimerKey::Poll(older.source), None);
            }
            let response = reply::nothing_happened(older.command);
            self.answer(now, older.source, &older.caller, response);
            self.service(now, older.source);
        }
    }

    /// The next event of a peer or connection, as an answer.
    fn next_event(&mut self, now: Instant, key: &PollKey) -> Option<Response> {
        let (queue, subject) = match key {
            PollKey::Peer(token) => {
                let RestPeer { events, name, .. } = self.rendezvous.rest_peers.get_mut(token)?;
                let (peer_id, token) = (name.as_str(), token.as_str());
                (events, Subject::Peer { peer_id, token })
            }
            PollKey::Link(id) => {
                let link = self.rendezvous.links.get_mut(*id)?;
                (&mut link.events, Subject::Data)
            }
        };
        let event = queue.pop()?;
        let response = reply::event(&event, subject);
        if event == Event::Close {
            self.hurry_end(now, key);
        }
        Some(response)
    }

    /// Answers those for whom something has happened.
    pub(super) fn answer_polls(&mut self, now: Instant) {
        for key in std::mem::take(&mut self.rendezvous.polls.touched) {
            // An event is taken for a request that waits, and for no other: of two events of one moment the second
            // stays for the next request.
            if !self.rendezvous.polls.parked.contains_key(&key) {
                continue;
            }
            let Some(response) = self.next_event(now, &key) else {
                continue;
            };
            if let Some(parked) = self.rendezvous.polls.take(&key) {
                self.timers.set(TimerKey::Poll(parked.source), None);
                self.answer(now, parked.source, &parked.caller, response);
                self.service(now, parked.source);
            }
        }
    }

    /// Nobody waits any more: the gateway is shutting down.
    pub(in crate::gateway) fn end_polls(&mut self, now: Instant) {
        let waiting: Vec<SourceId> = self.rendezvous.polls.keys.keys().copied().collect();
        for source in waiting {
            self.timers.set(TimerKey::Poll(source), None);
            self.handle_poll_timeout(now, source);
        }
    }

    pub(in crate::gateway) fn handle_poll_timeout(&mut self, now: Instant, source: SourceId) {
        if self.end_poll(now, source) {
            self.service(now, source);
        }
    }

    /// A connection has gone, or will not read an answer.
    pub(in crate::gateway) fn forget_poll(&mut self, source: SourceId) {
        if self.rendezvous.polls.forget(source) {
            self.timers.set(TimerKey::Poll(source), None);
        }
        let _ = self.forget_page_poll(source);
    }

    /// Who asked sends no more: it is told that nothing has happened. Whether it had been waiting.
    pub(in crate::gateway) fn end_poll(&mut self, now: Instant, source: SourceId) -> bool {
        let key = self.rendezvous.polls.keys.get(&source).cloned();
        let Some(parked) = key.and_then(|key| self.rendezvous.polls.take(&key)) else {
            return false;
        };
        self.timers.set(TimerKey::Poll(source), None);
        let response = reply::nothing_happened(parked.command);
        self.answer(now, source, &parked.caller, response);
        true
    }
}
