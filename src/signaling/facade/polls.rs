//! Long polls: requests that wait for an event of a peer or of a connection.

use std::collections::BTreeMap;
use std::time::Instant;

use super::{DataId, Facade, ProgramId, Timer};
use crate::api::skyway::{self, Event, reply};
use crate::http::Response;
use crate::ids::RequestId;
use crate::limits;

/// The object whose events a request waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Subject {
    /// A peer.
    Program(ProgramId),
    /// A connection.
    Connection(DataId),
}

/// A request that waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Parked {
    pub(super) request: RequestId,
    pub(super) command: &'static str,
}

/// All requests that wait: at most one for each subject.
#[derive(Debug, Default)]
pub(super) struct Polls {
    parked: BTreeMap<Subject, Parked>,
    subjects: BTreeMap<RequestId, Subject>,
    /// Subjects that may have an event.
    touched: Vec<Subject>,
}

impl Polls {
    /// Parks a request. Returns the older request for the same subject, which gives way.
    pub(super) fn park(&mut self, subject: Subject, parked: Parked) -> Option<Parked> {
        let older = self.take(subject);
        self.subjects.insert(parked.request, subject);
        self.parked.insert(subject, parked);
        older
    }

    /// Takes out the request that waits for a subject.
    pub(super) fn take(&mut self, subject: Subject) -> Option<Parked> {
        let parked = self.parked.remove(&subject)?;
        self.subjects.remove(&parked.request);
        Some(parked)
    }

    /// Takes out a request.
    pub(super) fn take_request(&mut self, request: RequestId) -> Option<Parked> {
        let subject = self.subjects.get(&request).copied()?;
        self.take(subject)
    }

    /// Forgets a request whose connection was closed. Returns whether it waited.
    pub(super) fn forget(&mut self, request: RequestId) -> bool {
        self.take_request(request).is_some()
    }

    /// Notes that a subject may have an event.
    pub(super) fn touch(&mut self, subject: Subject) {
        if self.parked.contains_key(&subject) {
            self.touched.push(subject);
        }
    }

    /// Takes out the subjects that may have an event.
    pub(super) fn touched(&mut self) -> Vec<Subject> {
        std::mem::take(&mut self.touched)
    }

    /// Returns whether a request waits for a subject.
    pub(super) fn is_waiting(&self, subject: Subject) -> bool {
        self.parked.contains_key(&subject)
    }

    /// Returns all requests that wait.
    pub(super) fn requests(&self) -> Vec<RequestId> {
        self.subjects.keys().copied().collect()
    }

    /// Returns how many requests wait.
    pub(super) fn len(&self) -> usize {
        self.parked.len()
    }

    /// Returns whether no subject was touched.
    pub(super) fn is_quiet(&self) -> bool {
        self.touched.is_empty()
    }
}

impl Facade {
    /// Answers with the next event, now or when one occurs. `peek`: the event stays in the queue (HEAD).
    pub(super) fn poll_events(
        &mut self,
        now: Instant,
        subject: Subject,
        parked: Parked,
        peek: bool,
    ) {
        if peek {
            return self.answer(parked.request, Response::new(200));
        }
        if let Some(response) = self.next_event(now, subject) {
            return self.answer(parked.request, response);
        }
        let timer = Timer::Poll(parked.request);
        self.timers.set(timer, Some(now + limits::FACADE_POLL));
        // The newer of two requests for one subject gets the next event. It must be parked before
        // the older one is answered, because a third request may wait behind the older one on its connection,
        // and that request may poll this subject as well.
        if let Some(older) = self.polls.park(subject, parked) {
            self.timers.set(Timer::Poll(older.request), None);
            self.answer(older.request, reply::nothing_happened(older.command));
        }
    }

    /// Answers waiting requests whose subjects have an event.
    pub(super) fn answer_polls(&mut self, now: Instant) {
        for subject in self.polls.touched() {
            // Take an event only if a request waits, so that of two events of one moment the second stays for
            // the next request.
            if !self.polls.is_waiting(subject) {
                continue;
            }
            let Some(response) = self.next_event(now, subject) else {
                continue;
            };
            if let Some(parked) = self.polls.take(subject) {
                self.timers.set(Timer::Poll(parked.request), None);
                self.answer(parked.request, response);
            }
        }
    }

    /// Answers a waiting request that no event occurred.
    pub(super) fn end_poll(&mut self, request: RequestId) {
        if let Some(parked) = self.polls.take_request(request) {
            self.timers.set(Timer::Poll(request), None);
            self.answer(request, reply::nothing_happened(parked.command));
        }
    }

    /// Takes the next event of a peer or connection, as a response.
    fn next_event(&mut self, now: Instant, subject: Subject) -> Option<Response> {
        let (event, response, timer) = match subject {
            Subject::Program(id) => {
                let program = self.programs.get_mut(id)?;
                let event = program.events.pop()?;
                let (peer_id, token) = (program.name.as_str(), program.token.as_str());
                let whose = skyway::Subject::Peer { peer_id, token };
                let response = reply::event(&event, whose);
                (event, response, Timer::Program(id))
            }
            Subject::Connection(id) => {
                let event = self.connections.get_mut(id)?.events.pop()?;
                let response = reply::event(&event, skyway::Subject::Data);
                (event, response, Timer::Connection(id))
            }
        };
        if event == Event::Close {
            // The program has received the end, so the end need not be remembered for long.
            self.timers.set(timer, Some(now + limits::FACADE_TOMBSTONE));
        }
        Some(response)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::util::slab::Id;

    fn request(number: u32) -> RequestId {
        let connection = Id::from_bits(1);
        RequestId { connection, number }
    }

    fn parked(number: u32) -> Parked {
        let (request, command) = (request(number), "PEERS_EVENTS");
        Parked { request, command }
    }

    #[test]
    fn the_newer_request_of_two_waits_and_the_older_one_gives_way() {
        let mut polls = Polls::default();
        let subject = Subject::Program(Id::from_bits(7));
        assert_eq!(polls.park(subject, parked(1)), None);
        assert_eq!(polls.park(subject, parked(2)), Some(parked(1)));
        assert_eq!((polls.len(), polls.requests()), (1, vec![request(2)]));
        assert!(!polls.forget(request(1)), "it waits no longer");
        assert_eq!(polls.take(subject), Some(parked(2)));
        assert_eq!(polls.len(), 0);
    }

    #[test]
    fn only_subjects_that_are_waited_for_are_touched() {
        let mut polls = Polls::default();
        let [subject, other] = [1, 2].map(|n| Subject::Connection(Id::from_bits(n)));
        polls.park(subject, parked(1));
        polls.touch(other);
        assert!(polls.is_quiet());
        polls.touch(subject);
        assert!(!polls.is_quiet());
        assert_eq!(polls.touched(), [subject]);
        assert!(polls.is_quiet() && polls.is_waiting(subject));
        assert!(polls.forget(request(1)) && !polls.is_waiting(subject));
    }
}
