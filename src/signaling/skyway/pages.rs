//! The pages of SkyWay-JS: their requests and WebSockets, and the outputs of their sessions.

#[cfg(test)]
mod tests;

use std::collections::{HashMap, VecDeque};
use std::time::Instant;

use rand::SeedableRng;
use rand::rngs::StdRng;

use super::page::{self, NORMAL, Socket};
use super::paths::{Ask, ask};
use super::{Rooms, SkyWay};
use crate::ids::{PageId, PeerId, RequestId, SocketId};
use crate::signaling::dialect::{
    Counts, Dialect, DialectRequest, Eviction, Output, RequestInput, Shown, SocketInput,
    check_is_get, fresh,
};
use crate::signaling::message::Signal;
use crate::signaling::rendezvous::lobby::Lobby;
use crate::signaling::socket_io::request::TransportRefusal;
use crate::util::slab::Slab;
use crate::util::timers::Timers;
use crate::websocket::WsMessage;
use rustc_hash::FxHashMap;

impl SkyWay {
    /// Returns the dialect without any page.
    pub(crate) fn new(seed: [u8; 32]) -> Self {
        Self {
            random: StdRng::from_seed(seed),
            pages: Slab::new(),
            sids: HashMap::new(),
            members: FxHashMap::default(),
            polls: FxHashMap::default(),
            sockets: FxHashMap::default(),
            rooms: Rooms::new(),
            timers: Timers::default(),
            outputs: VecDeque::new(),
            refused: 0,
            dropped: 0,
            unsettled: VecDeque::new(),
        }
    }

    // ---- WebSockets ----

    fn handle_opened(&mut self, lobby: &Lobby<'_>, socket: SocketId, number: u64) {
        let (now, id) = (lobby.now(), PageId::from_bits(number));
        let opened = self
            .pages
            .get_mut(id)
            .map_or(Err(TransportRefusal::Session), |page| {
                // A page that began with a WebSocket does not change its transport.
                match (page.socket, std::mem::take(&mut page.is_direct)) {
                    (None, true) => Ok(()),
                    (None, false) => page.session.handle_websocket_opened(now),
                    (Some(_), _) => Err(TransportRefusal::Request),
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
        self.unsettled.push_back(id);
    }

    fn handle_page_socket(&mut self, lobby: &Lobby<'_>, id: PageId, input: SocketInput<'_>) {
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
        self.unsettled.push_back(id);
    }

    // ---- the session of a page ----

    /// Passes on the outputs of pages' sessions, in both directions, until none of them has any.
    fn settle_pages(&mut self, lobby: &mut Lobby<'_>) {
        while let Some(id) = self.unsettled.pop_front() {
            self.settle_page(lobby, id);
        }
    }

    fn settle_page(&mut self, lobby: &mut Lobby<'_>, id: PageId) {
        while let Some(page) = self.pages.get_mut(id) {
            // Handle events of the page first, so that the answers to them leave with the same poll.
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

    fn handle_page_timeout(&mut self, lobby: &Lobby<'_>, id: PageId) {
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
                self.emit(id, name, &argument);
            } else {
                page.schedule_look(now, time);
            }
        }
        self.unsettled.push_back(id);
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
        self.settle_pages(lobby);
    }

    fn handle_half_closed(&mut self, lobby: &mut Lobby<'_>, request: RequestId) {
        // Packets have no mark for their end, so the connection is closed after its output was written.
        if self.lose_poll(lobby, request) {
            self.outputs.push_back(Output::HangUp(request));
        }
        self.settle_pages(lobby);
    }

    fn handle_gone(&mut self, lobby: &mut Lobby<'_>, request: RequestId) {
        self.lose_poll(lobby, request);
        self.settle_pages(lobby);
    }

    fn handle_socket(&mut self, lobby: &mut Lobby<'_>, socket: SocketId, input: SocketInput<'_>) {
        if let SocketInput::Opened(number) = input {
            self.handle_opened(lobby, socket, number);
            return self.settle_pages(lobby);
        }
        let page = self.sockets.get(&socket).copied();
        if matches!(input, SocketInput::Closed) {
            self.sockets.remove(&socket);
        }
        if let Some(page) = page {
            self.handle_page_socket(lobby, page, input);
            self.settle_pages(lobby);
        }
    }

    fn handle_delivery(&mut self, lobby: &mut Lobby<'_>, to: PeerId, from: &str, signal: &Signal) {
        if let Some(page) = self.members.get(&to).copied()
            && let Some((name, argument)) = super::write(from, signal)
        {
            self.emit(page, name, &argument);
            self.settle_pages(lobby);
        }
    }

    fn handle_eviction(&mut self, lobby: &mut Lobby<'_>, peer: PeerId, _why: Eviction) {
        if let Some(id) = self.members.get(&peer).copied() {
            if let Some(page) = self.pages.get_mut(id) {
                page.session.disconnect(lobby.now());
            }
            self.unsettled.push_back(id);
            self.settle_pages(lobby);
        }
    }

    fn handle_timeout(&mut self, lobby: &mut Lobby<'_>) {
        while let Some(page) = self.timers.pop_expired(lobby.now()) {
            self.handle_page_timeout(lobby, page);
        }
        self.settle_pages(lobby);
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
