//! The pages of SkyWay-JS: their requests and WebSockets, and what their sessions say.

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::time::Instant;

use rand::SeedableRng;
use rand::rngs::StdRng;
use serde_json::{Value, json};

use super::page::{self, NORMAL, Page, Socket};
use super::paths::{Ask, ask};
use super::{Handshake, Rooms};
use crate::access::tries::network_of;
use crate::access::visitors::Right;
use crate::http::{Method, RequestHead, Response};
use crate::ids::{PageId, PageKind, PeerId, RequestId, SocketId};
use crate::signaling::dialect::{
    Counts, Dialect, DialectRequest, Eviction, Output, RequestInput, Shown, SocketInput,
    check_is_get, fresh, json as respond,
};
use crate::signaling::door::{Application, Standing};
use crate::signaling::message::Signal;
use crate::signaling::names::random_name;
use crate::signaling::rendezvous::lobby::Lobby;
use crate::signaling::socket_io::request::{Arrival, Refusal, Request};
use crate::signaling::socket_io::{Revision, Session, Settings, Transport};
use crate::util::slab::Slab;
use crate::util::timers::Timers;
use crate::websocket::WsMessage;

/// The dialect of SkyWay-JS.
#[derive(Debug)]
pub(crate) struct SkyWay {
    pub(super) random: StdRng,
    pub(super) pages: Slab<PageKind, Page>,
    /// Pages by the ids of their sessions.
    sids: HashMap<String, PageId>,
    /// Pages that have joined.
    pub(super) members: BTreeMap<PeerId, PageId>,
    /// Requests that wait for packets.
    polls: BTreeMap<RequestId, PageId>,
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

    // ---- requests ----

    /// A request of Socket.IO without a body.
    fn handle_get(&mut self, lobby: &mut Lobby<'_>, request: &DialectRequest, head: &RequestHead) {
        let key = head.wants_websocket().ok().flatten();
        let arrival = match (&head.method, key) {
            (Method::Get, Some(_)) => Arrival::WebSocket,
            (Method::Get, None) => Arrival::Get,
            (
                Method::Head
                | Method::Post
                | Method::Put
                | Method::Patch
                | Method::Delete
                | Method::Options
                | Method::Other(_),
                _,
            ) => Arrival::Other,
        };
        let key = key.unwrap_or_default();
        let done = Request::parse(arrival, &request.query).and_then(|asked| match asked {
            Request::Open { .. } if !self.make_room(lobby, request.standing) => {
                lobby.count_refused_peer();
                Err(Refusal::Forbidden)
            }
            Request::Open {
                revision,
                transport,
            } => {
                let page = self.open(lobby.now(), request, revision, transport);
                match transport {
                    Transport::Polling => self.park(lobby, page, request.id),
                    Transport::WebSocket => {
                        self.upgrade(request.id, key, page);
                        Ok(())
                    }
                }
            }
            Request::Poll { sid } => {
                let page = self.find(sid)?;
                self.park(lobby, page, request.id)
            }
            Request::Upgrade { sid } => {
                let page = self.find(sid)?;
                self.upgrade(request.id, key, page);
                Ok(())
            }
            Request::Post { .. } => Err(Refusal::Method),
        });
        if let Err(refusal) = done {
            self.outputs.push_back(page::refusal(request.id, refusal));
        }
    }

    /// Packets of a page that polls.
    fn handle_post(&mut self, lobby: &mut Lobby<'_>, request: &DialectRequest, body: &[u8]) {
        let now = lobby.now();
        let asked = Request::parse(Arrival::Post, &request.query);
        let done = asked.and_then(|asked| match asked {
            Request::Post { sid } => {
                let id = self.find(sid)?;
                let page = self.pages.get_mut(id).ok_or(Refusal::Session)?;
                page.session.handle_post(now, body).map(|()| id)
            }
            Request::Open { .. } | Request::Poll { .. } | Request::Upgrade { .. } => {
                Err(Refusal::Request)
            }
        });
        match done {
            Ok(id) => {
                let response = Response::new(200).body("text/html", b"ok".to_vec());
                // The page reads the answer to its packets before what they cause.
                self.outputs.push_back(page::answer(request.id, response));
                self.settle_page(lobby, id);
            }
            Err(refusal) => self.outputs.push_back(page::refusal(request.id, refusal)),
        }
    }

    fn find(&self, sid: &str) -> Result<PageId, Refusal> {
        self.sids.get(sid).copied().ok_or(Refusal::Session)
    }

    /// Returns whether there may be one more page. A page that has not joined has a place as well: those of one network beyond
    /// this machine have a quarter, and when they or all places are taken, the oldest of them makes room.
    fn make_room(&mut self, lobby: &mut Lobby<'_>, standing: Standing) -> bool {
        let network = standing.remote().map(network_of);
        let strangers = self.pages.iter().filter(|(_, page)| page.peer.is_none());
        let mut strangers: Vec<(Instant, PageId, bool)> = strangers
            .map(|(id, page)| {
                let its = page.standing.remote().map(network_of);
                (page.opened, id, network.is_some() && its == network)
            })
            .collect();
        strangers.sort_unstable();
        let most = lobby.most_peers();
        let same = strangers.iter().filter(|(_, _, is_same)| *is_same).count();
        let is_greedy = same >= most.div_ceil(4);
        if !is_greedy && self.pages.len() < most {
            return true;
        }
        let mut may_go = strangers
            .iter()
            .filter(|(_, _, is_same)| *is_same || !is_greedy);
        let Some((_, oldest, _)) = may_go.next() else {
            return false;
        };
        self.remove(lobby, *oldest);
        true
    }

    fn open(
        &mut self,
        now: Instant,
        request: &DialectRequest,
        revision: Revision,
        transport: Transport,
    ) -> PageId {
        let sid = random_name(&mut self.random);
        let socket = random_name(&mut self.random);
        let settings = Settings::new();
        let session = Session::new(now, revision, transport, &sid, &socket, settings);
        let handshake = Handshake::parse(&request.query);
        if let Err(fault) = &handshake {
            log::debug!("a page of SkyWay-JS: {fault}");
        }
        let id = self.pages.insert(Page {
            session,
            handshake: handshake.ok(),
            opened: now,
            standing: request.standing,
            origin: request.origin.clone(),
            poll: None,
            socket: None,
            is_direct: transport == Transport::WebSocket,
            peer: None,
            expires: None,
            warned: false,
            look: None,
        });
        self.sids.insert(sid, id);
        id
    }

    fn upgrade(&mut self, request: RequestId, key: &str, page: PageId) {
        self.outputs.push_back(Output::Upgrade {
            request,
            key: key.to_owned(),
            number: page.to_bits(),
        });
    }

    /// A request waits for packets.
    fn park(
        &mut self,
        lobby: &mut Lobby<'_>,
        id: PageId,
        request: RequestId,
    ) -> Result<(), Refusal> {
        let page = self.pages.get_mut(id).ok_or(Refusal::Session)?;
        let parked = page.session.handle_poll();
        if parked.is_ok() {
            page.poll = Some(request);
            self.polls.insert(request, id);
            if page.peer.is_some() {
                self.show_key(Shown::Request(request));
            }
        }
        self.settle_page(lobby, id);
        parked
    }

    /// The connection of a request that waits for packets was closed, or will not read them. Returns whether it waited.
    fn lose_poll(&mut self, lobby: &mut Lobby<'_>, request: RequestId) -> bool {
        let Some(id) = self.polls.remove(&request) else {
            return false;
        };
        if let Some(page) = self.pages.get_mut(id) {
            page.poll.take_if(|waiting| *waiting == request);
            page.session.handle_poll_closed(lobby.now());
            self.settle_page(lobby, id);
        }
        true
    }

    fn list(&self, lobby: &mut Lobby<'_>, request: &DialectRequest, asked: Ask<'_>) -> Response {
        let (key, peer) = match asked {
            Ask::Clients(key) => (key, None),
            Ask::Exists(key, peer) => (key, Some(peer)),
            Ask::SocketIo => return Response::new(404),
        };
        let application = Application {
            key,
            domain: None,
            origin: &request.origin,
            peer: None,
            credential: None,
        };
        if let Err(why) = lobby.admit_reader(request.standing, application) {
            return request.claim.problem(401, "key", why.detail());
        }
        match peer {
            Some(peer) => respond(&json!({ "exists": lobby.find(peer).is_some() })),
            None => respond(&lobby.names().into()),
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

    fn remove(&mut self, lobby: &mut Lobby<'_>, id: PageId) {
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
