//! The REST API of SkyWay's gateway: programs make peers, call, and poll events with requests that wait.
//!
//! `calls` has the effect of each request, `programs` the peers, `connections` their connections, `ports` the
//! UDP ports that feed these, and `polls` the requests that wait for events.

mod answers;
mod calls;
mod connections;
mod events;
mod paths;
mod polls;
mod ports;
mod programs;
#[cfg(test)]
mod tests;

use std::collections::{HashMap, VecDeque};
use std::net::SocketAddr;
use std::time::Instant;

use rand::SeedableRng;
use rand::rngs::StdRng;

pub(crate) use paths::PATHS;

use super::call::{LinkNews, Order};
use super::dialect::{Counts, Dialect, DialectRequest, Eviction, Output, RequestInput};
use super::rendezvous::lobby::Lobby;
use crate::api::skyway::{FieldError, error};
use crate::config::ContentConfig;
use crate::endpoint::Failure;
use crate::ids::{EndpointId, LinkId, PeerId, RequestId};
use crate::util::slab::{Id, Slab};
use crate::util::timers::Timers;
use answers::{bad, wrong};
use connections::{Connection, Made};
use polls::{Polls, Subject};
use ports::Ports;
use programs::Program;
use rustc_hash::FxHashMap;

/// The faults of a call: the status, and the fields.
type Wrong = (u16, Vec<FieldError>);

/// The kind that distinguishes [`ProgramId`] from other ids.
#[derive(Debug)]
enum ProgramKind {}
/// A peer that a program has made.
type ProgramId = Id<ProgramKind>;

/// The kind that distinguishes [`DataId`] from other ids.
#[derive(Debug)]
enum DataKind {}
/// A data connection of such a peer.
type DataId = Id<DataKind>;

/// The objects with deadlines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Timer {
    /// A request that waits for an event.
    Poll(RequestId),
    /// The credential of a peer, or the memory of a peer that was deleted.
    Program(ProgramId),
    /// The memory of a connection that has ended.
    Connection(DataId),
    /// The oldest content port that no peer uses.
    Ports,
}

/// The dialect of programs.
pub(crate) struct Facade {
    random: StdRng,
    programs: Slab<ProgramKind, Program>,
    /// Peers by their tokens, including recently deleted ones.
    tokens: HashMap<String, ProgramId>,
    /// Peers that were not deleted.
    peers: HashMap<PeerId, ProgramId>,
    connections: Slab<DataKind, Connection>,
    /// Connections by their ids in the API.
    names: HashMap<String, DataId>,
    /// Connections that have not ended.
    links: HashMap<LinkId, DataId>,
    /// Connections that are being made, by the requests that asked for them.
    making: FxHashMap<RequestId, Made>,
    ports: Ports,
    polls: Polls,
    timers: Timers<Timer>,
    outputs: VecDeque<Output>,
    /// Events that peers and connections had dropped before they were forgotten.
    dropped: u64,
}

impl Facade {
    /// Returns the dialect without any peer.
    pub(crate) fn new(content: &ContentConfig, seed: [u8; 32]) -> Self {
        Self {
            random: StdRng::from_seed(seed),
            programs: Slab::new(),
            tokens: HashMap::new(),
            peers: HashMap::new(),
            connections: Slab::new(),
            names: HashMap::new(),
            links: HashMap::new(),
            making: FxHashMap::default(),
            ports: Ports::new(content),
            polls: Polls::default(),
            timers: Timers::default(),
            outputs: VecDeque::new(),
            dropped: 0,
        }
    }

    /// Acts on a content port that was opened, cannot be opened, or broke.
    pub(crate) fn handle_port(
        &mut self,
        now: Instant,
        bind: SocketAddr,
        result: Result<EndpointId, Failure>,
    ) {
        match result {
            Ok(port) => self.handle_port_opened(now, bind, port),
            Err(why) => self.handle_port_failed(bind, &why),
        }
    }

    /// Returns how many content ports are open or being opened.
    pub(crate) fn ports(&self) -> usize {
        self.ports.len()
    }

    /// Returns how many requests wait for an event.
    pub(crate) fn parked_polls(&self) -> usize {
        self.polls.len()
    }

    /// Returns how many connections have ended and can still be polled.
    pub(crate) fn remembered(&self) -> usize {
        self.connections.len() - self.links.len()
    }

    /// Forgets connections that have ended, the oldest first, until no more than `most` are left.
    pub(crate) fn forget_connections_beyond(&mut self, most: usize) {
        while self.remembered() > most {
            let ended = self.connections.iter();
            let ended = ended.filter_map(|(id, it)| Some((it.ended?, id)));
            let Some((_, oldest)) = ended.min_by_key(|(ended, _)| *ended) else {
                return;
            };
            self.forget_connection(oldest);
        }
    }
}

impl Dialect for Facade {
    fn handle_request(
        &mut self,
        lobby: &mut Lobby<'_>,
        request: &DialectRequest,
        input: RequestInput<'_>,
    ) {
        self.handle_call(lobby, request, input);
    }

    fn handle_half_closed(&mut self, _lobby: &mut Lobby<'_>, request: RequestId) {
        // The gateway cannot know whether the client still reads, and an event for a client that does not
        // read would be lost. So the poll ends without one.
        self.end_poll(request);
    }

    fn handle_gone(&mut self, _lobby: &mut Lobby<'_>, request: RequestId) {
        if self.polls.forget(request) {
            self.timers.set(Timer::Poll(request), None);
        }
    }

    fn handle_link(&mut self, lobby: &mut Lobby<'_>, link: LinkId, news: LinkNews) {
        match news {
            LinkNews::Made(request, peer) => self.handle_made(request, peer, link),
            LinkNews::NotMade(request) => self.handle_not_made(request),
            LinkNews::Called(peer) => self.handle_called(peer, link),
            LinkNews::Open => self.handle_open(link),
            LinkNews::Failed(detail) => self.handle_failed(link, detail),
            LinkNews::Ended(status) => self.handle_ended(lobby.now(), link, *status),
            LinkNews::Status(request, status, waiting) => {
                self.handle_status(request, link, status.as_deref(), waiting);
            }
        }
    }

    fn handle_eviction(&mut self, lobby: &mut Lobby<'_>, peer: PeerId, _why: Eviction) {
        if let Some(program) = self.peers.get(&peer) {
            self.delete_program(lobby, *program);
        }
    }

    fn handle_config(&mut self, lobby: &mut Lobby<'_>) {
        self.close_forbidden(lobby);
    }

    fn handle_stop(&mut self, _lobby: &mut Lobby<'_>) {
        for request in self.polls.requests() {
            self.end_poll(request);
        }
    }

    fn handle_timeout(&mut self, lobby: &mut Lobby<'_>) {
        while let Some(timer) = self.timers.pop_expired(lobby.now()) {
            match timer {
                Timer::Poll(request) => self.end_poll(request),
                Timer::Program(program) => self.handle_program_timeout(lobby, program),
                Timer::Connection(connection) => self.forget_connection(connection),
                Timer::Ports => self.expire_ports(lobby.now()),
            }
        }
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.timers.next()
    }

    fn settle(&mut self, lobby: &mut Lobby<'_>) {
        self.answer_polls(lobby.now());
    }

    fn is_quiet(&self) -> bool {
        self.polls.is_quiet()
    }

    fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    fn counts(&self) -> Counts {
        let connections = self.connections.iter();
        let connections = connections.map(|(_, it)| it.events.dropped());
        let programs = self.programs.iter().map(|(_, it)| it.events.dropped());
        Counts {
            signals_refused: 0,
            events_dropped: self.dropped + connections.sum::<u64>() + programs.sum::<u64>(),
        }
    }
}
