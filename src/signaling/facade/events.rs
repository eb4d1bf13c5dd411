//! The events of connections for programs: connections that were made or called, that open, fail and end.

use std::time::{Duration, Instant};

use super::connections::{Connection, Source};
use super::{DataId, Facade, LinkId, PeerId, RequestId, Subject, Timer};
use crate::api::skyway::ids::{Id, Kind};
use crate::api::skyway::{Event, EventQueue, reply};
use crate::signaling::call::LinkStatus;
use crate::signaling::names::random_bytes;

/// How long a connection is remembered after its end, so that a program can still poll its events.
const REMEMBERED: Duration = Duration::from_secs(30);

impl Facade {
    pub(super) fn handle_made(&mut self, request: RequestId, peer: PeerId, link: LinkId) {
        let Some(made) = self.making.remove(&request) else {
            return;
        };
        let source = made.source;
        self.claim(&source, peer);
        let name = self.add_connection(link, peer, source);
        let done = Ok(reply::connection_created(&name));
        self.answer_done(request, made.command, done);
    }

    pub(super) fn handle_called(&mut self, peer: PeerId, link: LinkId) {
        let data_connection_id = self.add_connection(link, peer, Source::Nothing);
        if let Some(id) = self.peers.get(&peer).copied()
            && let Some(program) = self.programs.get_mut(id)
        {
            program
                .events
                .push(Event::Connection { data_connection_id });
            self.polls.touch(Subject::Program(id));
        }
    }

    pub(super) fn handle_open(&mut self, link: LinkId) {
        self.tell_connection(link, Event::Open);
    }

    pub(super) fn handle_failed(&mut self, link: LinkId, detail: String) {
        self.tell_connection(link, Event::Error(detail));
    }

    pub(super) fn handle_ended(&mut self, now: Instant, link: LinkId, status: LinkStatus) {
        self.tell_connection(link, Event::Close);
        if let Some(id) = self.links.remove(&link)
            && let Some(connection) = self.connections.get_mut(id)
        {
            connection.ended = Some(now);
            connection.last = Some(Box::new(status));
            // The program that made the connection may still poll it.
            self.timers
                .set(Timer::Connection(id), Some(now + REMEMBERED));
        }
    }

    pub(super) fn forget_connection(&mut self, id: DataId) {
        self.timers.set(Timer::Connection(id), None);
        if let Some(connection) = self.connections.remove(id) {
            self.dropped += connection.events.dropped();
            self.names.remove(&connection.name);
            self.links.remove(&connection.link);
        }
    }

    fn add_connection(&mut self, link: LinkId, peer: PeerId, source: Source) -> String {
        let name = Id::new(Kind::DataConnection, random_bytes(&mut self.random));
        let name = name.as_str().to_owned();
        let id = self.connections.insert(Connection {
            name: name.clone(),
            link,
            peer,
            source,
            events: EventQueue::new(),
            ended: None,
            last: None,
        });
        self.names.insert(name.clone(), id);
        self.links.insert(link, id);
        name
    }

    fn tell_connection(&mut self, link: LinkId, event: Event) {
        if let Some(id) = self.links.get(&link).copied()
            && let Some(connection) = self.connections.get_mut(id)
        {
            connection.events.push(event);
            // Answer later, at the end of the turn, so that each program gets the first of several events of
            // one turn.
            self.polls.touch(Subject::Connection(id));
        }
    }
}
