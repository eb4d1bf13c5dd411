//! The pages of SkyWay-JS: their requests and WebSockets, and what their sessions say.

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::time::Instant;

use rand::SeedableRng;
use rand::rngs::StdRng;
use serde_json::Value;

use super::Rooms;
use super::page::{self, NORMAL, Page, Socket};
use super::paths::{Ask, ask};
use crate::access::visitors::Right;
use crate::ids::{PageId, PageKind, PeerId, RequestId, SocketId};
use crate::signaling::dialect::{
    Counts, Dialect, DialectRequest, Eviction, Output, RequestInput, Shown, SocketInput,
    check_is_get, fresh,
};
use crate::signaling::message::Signal;
use crate::signaling::rendezvous::lobby::Lobby;
use crate::signaling::socket_io::request::Refusal;
use crate::util::slab::Slab;
use crate::util::timers::Timers;
use crate::websocket::WsMessage;

/// The dialect of SkyWay-JS.
#[derive(Debug)]
pub(crate) struct SkyWay {
    pub(super) random: StdRng,
    pub(super) pages: Slab<PageKind, Page>,
    /// Pages by the ids of their sessions.
    pub(super) sids: HashMap<String, PageId>,
    /// Pages that have joined.
    pub(super) members: BTreeMap<PeerId, PageId>,
    /// Requests that wait for packets.
    pub(super) polls: BTreeMap<RequestId, PageId>,
    sockets: BTreeMap<SocketId, PageId>,
    pub(super) rooms: Rooms,
    timers: Timers<PageId>,
    pub(super) outputs: VecDeque<Output>,
    pub(super) refused: u64,
    /// Packets of pages that have gone which were dropped.
    dropped: u64,
}

impl SkyWay {
    /// Returns the dialect without any page.
    pub(crate) fn new(seed: [u8; 32]) -> Self {
        Self {
            random: StdRng::from_seed(seed),
            pages: Slab::new(),
            sids: HashMap::new(),
            members: BTreeMap::new(),
            polls: BTreeMap::new(),
            sockets: BTreeMap::new(),
            rooms: Rooms::new(),
            timers: Timers::default(),
            outputs: VecDeque::new(),
            refused: 0,
            dropped: 0,
        }
    }

    // ---- WebSockets ----

    fn handle_opened(&mut self, lobby: &mut Lobby<'_>, socket: SocketId, number: u64) {
        let (now, id) = (lobby.now(), PageId::from_bits(number));
        let opened = self
            .pages
            .get_mut(id)
            .map_or(Err(Refusal::Session), |page| {
                // A page that began with a WebSocket has nothing to announce.
                match (page.socket, std::mem::take(&mut page.is_direct)) {
                    (None, true) => Ok(()),
                    (None, false) => page.session.handle_websocket_opened(now),
                    (Some(_), _) => Err(Refusal::Request),
                }
            });
        if opened.is_err() {
            return self.outputs.push_back(Output::Close(socket, NORMAL, ""));
        }
        self.sockets.insert(socket, id);
        if let Some(page) = self.pages.get_mut(id) {
            let waiting = 0;
            page.socket = Some(Socket {
                id: socket,
                waiting,
            });
            if page.peer.is_some() {
                self.show_key(Shown::Socket(socket));
            }
        }
        self.settle_page(lobby, id);
    }

    fn handle_page_socket(&mut self, lobby: &mut Lobby<'_>, id: PageId, input: SocketInput<'_>) {
        let now = lobby.now();
        let Some(page) = self.pages.get_mut(id) else {
            return;
        };
        match input {
            SocketInput::Message(WsMessage::Text(text)) => {
                page.session.handle_websocket_message(now, text);
            }
            SocketInput::Message(WsMessage::Binary(_)) => page.session.handle_websocket_binary(now),
            SocketInput::Drained(waiting) => {
                if let Some(socket) = &mut page.socket {
                    socket.waiting = waiting;
                }
            }
            SocketInput::Closed => {
                page.socket = None;
                page.session.handle_websocket_closed(now);
            }
            SocketInput::Opened(_) => {}
        }
        self.settle_page(lobby, id);
    }

    // ---- the session of a page ----

    /// Tells a page something.
    pub(super) fn emit(&mut self, lobby: &mut Lobby<'_>, id: PageId, name: &str, argument: &Value) {
        if let Some(page) = self.pages.get_mut(id) {
            if let Err(error) = page.session.emit(name, &[argument]) {
                self.refused += 1;
                log::debug!("a page of SkyWay-JS is not told {name}: {error}");
            }
            self.settle_page(lobby, id);
        }
    }

    /// Passes on what a page's session has to say to either side.
    pub(super) fn settle_page(&mut self, lobby: &mut Lobby<'_>, id: PageId) {
        while let Some(page) = self.pages.get_mut(id) {
            // What the page has said comes first, so that answers to it leave with the same request.
            if let Some(event) = page.session.poll_event() {
                self.handle_event(lobby, id, event);
                continue;
            }
            let poll = page.poll;
            let Some(output) = page.poll_output() else {
                break;
            };
            if let Some(request) = poll.filter(|_| page.poll.is_none()) {
                self.polls.remove(&request);
            }
            self.outputs.push_back(output);
        }
        let Some(page) = self.pages.get(id) else {
            return;
        };
        if page.session.is_finished() && page.socket.is_none() {
            return self.remove(lobby, id);
        }
        self.timers.set(id, page.deadline());
    }

    pub(super) fn remove(&mut self, lobby: &mut Lobby<'_>, id: PageId) {
        self.timers.set(id, None);
        let Some(page) = self.pages.remove(id) else {
            return;
        };
        self.sids.remove(page.session.sid());
        self.dropped += page.dropped();
        if let Some(peer) = page.peer {
            self.leave(lobby, peer);
        }
        if let Some(request) = page.poll {
            self.polls.remove(&request);
            self.outputs
                .push_back(page::refusal(request, Refusal::Session));
        }
    }

    fn handle_page_timeout(&mut self, lobby: &mut Lobby<'_>, id: PageId) {
        let (now, time) = (lobby.now(), lobby.unix_time());
        let Some(page) = self.pages.get_mut(id) else {
            return;
        };
        if page.session.poll_timeout().is_some_and(|at| at <= now) {
            page.session.handle_timeout(now);
        }
        if page.look.take_if(|at| *at <= now).is_some()
            && let Some(end) = page.expires
        {
            if end <= time {
                page.session.disconnect(now);
                page.schedule_look(now, time);
            } else if !page.warned && end - time <= page::WARNED_BEFORE {
                page.warned = true;
                page.schedule_look(now, time);
                let (name, argument) = super::expires_in(end - time);
                self.emit(lobby, id, name, &argument);
            } else {
                page.schedule_look(now, time);
            }
        }
        self.settle_page(lobby, id);
    }

    pub(super) fn show_key(&mut self, shown: Shown) {
        self.outputs.push_back(Output::ShowRight(shown, Right::Key));
    }
}

impl Dialect for SkyWay {
    fn handle_request(
        &mut self,
        lobby: &mut Lobby<'_>,
        request: &DialectRequest,
        input: RequestInput<'_>,
    ) {
        let path = request.claim.path();
        match (ask(&path), input) {
            (Some(Ask::SocketIo), RequestInput::Head(head)) => {
                self.handle_get(lobby, request, head);
            }
            (Some(Ask::SocketIo), RequestInput::Body(body)) => {
                self.handle_post(lobby, request, body);
            }
            (Some(asked @ (Ask::Clients(_) | Ask::Exists(..))), RequestInput::Head(head)) => {
                let response = check_is_get(&request.claim, head)
                    .map(|()| fresh(self.list(lobby, request, asked)));
                let response = response.unwrap_or_else(|refused| refused);
                self.outputs.push_back(Output::Answer(request.id, response));
            }
            (Some(Ask::Clients(_) | Ask::Exists(..)), RequestInput::Body(_)) | (None, _) => {}
        }
    }

    fn handle_half_closed(&mut self, lobby: &mut Lobby<'_>, request: RequestId) {
        // Packets have no end that could be told, so the connection is closed after what was written to it.
        if self.lose_poll(lobby, request) {
            self.outputs.push_back(Output::HangUp(request));
        }
    }

    fn handle_gone(&mut self, lobby: &mut Lobby<'_>, request: RequestId) {
        self.lose_poll(lobby, request);
    }

    fn handle_socket(&mut self, lobby: &mut Lobby<'_>, socket: SocketId, input: SocketInput<'_>) {
        if let SocketInput::Opened(number) = input {
            return self.handle_opened(lobby, socket, number);
        }
        let page = self.sockets.get(&socket).copied();
        if matches!(input, SocketInput::Closed) {
            self.sockets.remove(&socket);
        }
        if let Some(page) = page {
            self.handle_page_socket(lobby, page, input);
        }
    }

    fn handle_delivery(&mut self, lobby: &mut Lobby<'_>, to: PeerId, from: &str, signal: &Signal) {
        if let Some(page) = self.members.get(&to).copied()
            && let Some((name, argument)) = super::write(from, signal)
        {
            self.emit(lobby, page, name, &argument);
        }
    }

    fn handle_eviction(&mut self, lobby: &mut Lobby<'_>, peer: PeerId, _why: Eviction) {
        if let Some(id) = self.members.get(&peer).copied() {
            if let Some(page) = self.pages.get_mut(id) {
                page.session.disconnect(lobby.now());
            }
            self.settle_page(lobby, id);
        }
    }

    fn handle_timeout(&mut self, lobby: &mut Lobby<'_>) {
        while let Some(page) = self.timers.pop_expired(lobby.now()) {
            self.handle_page_timeout(lobby, page);
        }
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.timers.next()
    }

    fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    fn counts(&self) -> Counts {
        let pages = self.pages.iter().map(|(_, page)| page.dropped());
        Counts {
            signals_refused: self.refused + self.dropped + pages.sum::<u64>(),
            events_dropped: 0,
        }
    }
}
