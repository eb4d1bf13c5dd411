//! Pages of PeerJS: each is a peer with one WebSocket.

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use rand::SeedableRng;
use rand::rngs::StdRng;

use super::paths::{Ask, ask};
use super::{ClientMessage, Query, QueryRefusal};
use crate::access::visitors::Right;
use crate::http::{RequestHead, Response};
use crate::ids::{PeerId, RequestId, SocketId};
use crate::payload;
use crate::signaling::dialect::{
    Claim, Counts, Dialect, DialectRequest, Eviction, Output, RequestInput, Shown, SocketInput,
    check_is_get, fresh, json,
};
use crate::signaling::door::Application;
use crate::signaling::hub::{NotJoined, Speaks};
use crate::signaling::message::{Body, Signal};
use crate::signaling::names::random_name;
use crate::signaling::rendezvous::lobby::Lobby;
use crate::signaling::rendezvous::roster::Guest;
use crate::util::timers::Timers;
use crate::websocket::WsMessage;
use rustc_hash::FxHashMap;

/// How long a page of PeerJS may be silent; pages send a heartbeat every 5 s. The server's default.
const SILENCE: Duration = Duration::from_secs(90);

/// The time for a page to answer a ping when another page asks for its id. Browsers answer pings even while
/// they hold back the page's timers; a page that was killed does not answer, so its id becomes free.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);

/// The close code for a normal end (RFC 6455 §7.4.1).
const NORMAL: u16 = 1000;
const NOT_ALLOWED: u16 = 1008;

/// A page that has joined.
#[derive(Debug)]
struct Page {
    socket: SocketId,
    token: String,
}

/// A page whose WebSocket was not opened yet.
#[derive(Debug)]
struct Joining {
    request: RequestId,
    name: String,
    token: String,
    guest: Guest,
    /// The reason for refusing the page, which is sent over its WebSocket.
    refusal: Option<QueryRefusal>,
}

/// The dialect of PeerJS.
#[derive(Debug)]
pub(crate) struct PeerJs {
    random: StdRng,
    pages: BTreeMap<PeerId, Page>,
    /// WebSockets of pages that have joined.
    sockets: FxHashMap<SocketId, PeerId>,
    joining: BTreeMap<u64, Joining>,
    /// The number of the next page.
    next: u64,
    /// The deadlines of silent pages.
    timers: Timers<PeerId>,
    outputs: VecDeque<Output>,
    refused: u64,
}

impl PeerJs {
    /// Returns the dialect without any page.
    pub(crate) fn new(seed: [u8; 32]) -> Self {
        Self {
            random: StdRng::from_seed(seed),
            pages: BTreeMap::new(),
            sockets: FxHashMap::default(),
            joining: BTreeMap::new(),
            next: 0,
            timers: Timers::default(),
            outputs: VecDeque::new(),
            refused: 0,
        }
    }

    /// Begins a WebSocket for a page. Faults of the page are reported over the WebSocket.
    fn begin(&mut self, lobby: &mut Lobby<'_>, request: &DialectRequest, head: &RequestHead) {
        let query = Query::parse(&request.query);
        let refusal = match &query {
            Ok(query) => {
                let application = Application {
                    key: &query.key,
                    domain: None,
                    origin: &request.origin,
                    peer: Some(&query.id),
                    credential: None,
                };
                let admitted = lobby.admit(request.locality, application);
                if admitted.is_ok() {
                    let shown = Output::ShowRight(Shown::Request(request.id), Right::Key);
                    self.outputs.push_back(shown);
                }
                admitted.err().map(|_| QueryRefusal::Key)
            }
            Err(refusal) => Some(*refusal),
        };
        let Ok(Some(key)) = head.wants_websocket() else {
            let detail = "a WebSocket is expected here";
            let response = request.claim.problem(426, "Upgrade", detail);
            return self.answer(request.id, response.header("Upgrade", "websocket"));
        };
        let (name, token, own) =
            query.map_or_else(|_| Default::default(), |it| (it.id, it.token, it.key));
        let joining = Joining {
            request: request.id,
            name,
            token,
            guest: Guest {
                key: own,
                locality: request.locality,
                origin: request.origin.clone(),
            },
            refusal,
        };
        let number = self.next;
        self.next += 1;
        self.joining.insert(number, joining);
        // The number of connections is bounded, and each has at most one upgrade; this bound holds even if
        // the close of one was not reported.
        if self.joining.len() > 2 * lobby.most_peers() {
            self.joining.pop_first();
        }
        self.outputs.push_back(Output::Upgrade {
            request: request.id,
            key: key.to_owned(),
            number,
        });
    }

    fn handle_opened(&mut self, lobby: &mut Lobby<'_>, socket: SocketId, number: u64) {
        let Some(joining) = self.joining.remove(&number) else {
            return self.close(socket, NORMAL, "");
        };
        match self.join(lobby, socket, joining) {
            Ok(peer) => {
                self.sockets.insert(socket, peer);
                self.timers.set(peer, Some(lobby.now() + SILENCE));
            }
            Err(refusal) => {
                self.send(socket, refusal.frame());
                self.close(socket, NORMAL, "");
            }
        }
    }

    fn join(
        &mut self,
        lobby: &mut Lobby<'_>,
        socket: SocketId,
        joining: Joining,
    ) -> Result<PeerId, QueryRefusal> {
        if let Some(refusal) = joining.refusal {
            return Err(refusal);
        }
        let (name, token) = (joining.name, joining.token);
        let known = lobby.find(&name);
        if let Some(known) = known
            && let Some(page) = self.pages.get_mut(&known)
            && page.token == token
        {
            // The page has returned, and needs no message about it. Forget its old WebSocket before closing
            // it, so that the close does not end the peer.
            let before = std::mem::replace(&mut page.socket, socket);
            self.sockets.remove(&before);
            self.close(before, NORMAL, "");
            return Ok(known);
        }
        let speaks = Speaks::Page(payload::Dialect::PeerJs);
        let joined = lobby.join(&name, speaks, joining.guest);
        if joined == Err(NotJoined::Taken)
            && let Some(page) = known.and_then(|known| self.pages.get(&known))
        {
            // Ping the page that has the id, because its browser's answer shows whether the page still
            // exists.
            let probe = Output::Probe(page.socket, ANSWER_WITHIN);
            self.outputs.push_back(probe);
        }
        let peer = joined.map_err(|why| match why {
            NotJoined::Taken => QueryRefusal::Taken,
            NotJoined::Full => QueryRefusal::Full,
        })?;
        self.pages.insert(peer, Page { socket, token });
        self.send(socket, super::open().to_owned());
        Ok(peer)
    }

    fn handle_message(&mut self, lobby: &mut Lobby<'_>, socket: SocketId, text: &str) {
        let Some(peer) = self.sockets.get(&socket).copied() else {
            return;
        };
        self.timers.set(peer, Some(lobby.now() + SILENCE));
        match super::parse(text) {
            Ok(ClientMessage::Heartbeat | ClientMessage::Unknown) => {}
            Ok(ClientMessage::Left) => {
                self.leave(lobby, peer);
                self.close(socket, NORMAL, "");
            }
            Ok(ClientMessage::To { to, signal }) => lobby.say(peer, &to, signal),
            Err(fault) => {
                self.refused += 1;
                let name = lobby.name(peer).unwrap_or_default();
                log::debug!("peer {name}: {fault}");
                // PeerServer does not answer here, so the caller would wait forever. Frames other than offers
                // need no answer.
                if let Some((to, failed)) = super::refusal(text, &fault) {
                    let (body, verbatim) = (Body::Failed(failed), None);
                    if let Some(text) = super::write(&to, name, &Signal { body, verbatim }) {
                        self.send(socket, text);
                    }
                }
            }
        }
    }

    /// Removes a page from the hub. Further input of its WebSocket is ignored.
    fn leave(&mut self, lobby: &mut Lobby<'_>, peer: PeerId) -> Option<SocketId> {
        let page = self.pages.remove(&peer)?;
        self.sockets.remove(&page.socket);
        self.timers.set(peer, None);
        lobby.leave(peer);
        Some(page.socket)
    }

    /// Returns the response to a GET of a page.
    fn list(
        &mut self,
        lobby: &mut Lobby<'_>,
        request: &DialectRequest,
        key: &str,
        wants_id: bool,
    ) -> Response {
        let application = Application {
            key,
            domain: None,
            origin: &request.origin,
            peer: None,
            credential: None,
        };
        if let Err(why) = lobby.admit_reader(request.locality, application) {
            return request.claim.problem(401, "key", why.detail());
        }
        if wants_id {
            let id = random_name(&mut self.random).into_bytes();
            return Response::new(200).body("text/html; charset=utf-8", id);
        }
        json(&lobby.names().into())
    }

    fn answer(&mut self, request: RequestId, response: Response) {
        self.outputs.push_back(Output::Answer(request, response));
    }

    fn send(&mut self, socket: SocketId, text: String) {
        self.outputs.push_back(Output::Send(socket, text));
    }

    fn close(&mut self, socket: SocketId, code: u16, why: &'static str) {
        self.outputs.push_back(Output::Close(socket, code, why));
    }
}

impl Dialect for PeerJs {
    fn handle_request(
        &mut self,
        lobby: &mut Lobby<'_>,
        request: &DialectRequest,
        input: RequestInput<'_>,
    ) {
        let RequestInput::Head(head) = input else {
            return;
        };
        let Claim { segments, .. } = &request.claim;
        if let Err(response) = check_is_get(&request.claim, head) {
            return self.answer(request.id, response);
        }
        let path: Vec<&str> = segments.iter().map(String::as_str).collect();
        let response = match ask(&path) {
            Some(Ask::Socket) => return self.begin(lobby, request, head),
            Some(Ask::FreeId(key)) => self.list(lobby, request, key, true),
            Some(Ask::Peers(key)) => self.list(lobby, request, key, false),
            None => return,
        };
        self.answer(request.id, fresh(response));
    }

    fn handle_gone(&mut self, _lobby: &mut Lobby<'_>, request: RequestId) {
        self.joining.retain(|_, joining| joining.request != request);
    }

    fn handle_socket(&mut self, lobby: &mut Lobby<'_>, socket: SocketId, input: SocketInput<'_>) {
        match input {
            SocketInput::Opened(number) => self.handle_opened(lobby, socket, number),
            SocketInput::Message(WsMessage::Text(text)) => self.handle_message(lobby, socket, text),
            SocketInput::Message(WsMessage::Binary(_)) | SocketInput::Drained(_) => {}
            SocketInput::Closed => {
                if let Some(peer) = self.sockets.get(&socket).copied() {
                    self.leave(lobby, peer);
                }
            }
        }
    }

    fn handle_delivery(&mut self, lobby: &mut Lobby<'_>, to: PeerId, from: &str, signal: &Signal) {
        let name = lobby.name(to).unwrap_or_default();
        if let Some(page) = self.pages.get(&to)
            && let Some(text) = super::write(from, name, signal)
        {
            self.send(page.socket, text);
        }
    }

    fn handle_eviction(&mut self, lobby: &mut Lobby<'_>, peer: PeerId, why: Eviction) {
        match why {
            // Free the id at once, because the peer of the configuration takes it next.
            Eviction::IdIsConfigured => {
                if let Some(socket) = self.leave(lobby, peer) {
                    self.close(socket, NOT_ALLOWED, "the id is the gateway's");
                }
            }
            Eviction::KeyIsGone => {
                if let Some(page) = self.pages.get(&peer) {
                    self.close(page.socket, NOT_ALLOWED, "the key does not hold any more");
                }
            }
        }
    }

    fn handle_timeout(&mut self, lobby: &mut Lobby<'_>) {
        while let Some(peer) = self.timers.pop_expired(lobby.now()) {
            if let Some(socket) = self.leave(lobby, peer) {
                self.close(socket, NORMAL, "");
            }
        }
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.timers.next()
    }

    fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    fn counts(&self) -> Counts {
        Counts {
            signals_refused: self.refused,
            events_dropped: 0,
        }
    }
}
