//! Pages of SkyWay-JS, over Socket.IO: polling, a WebSocket, or first the one and then the other.

use std::time::Instant;

use rand::RngCore;
use serde_json::Value;

use super::facade::random_id;
use super::foreign::ForeignRequest;
use super::rest_peers::WARNED_BEFORE;
use super::{Purpose, door};
use crate::access::UnixTime;
use crate::access::tries::network_of;
use crate::access::visitors::Right;
use crate::api::origin::Caller;
use crate::gateway::Gateway;
use crate::gateway::source::Source;
use crate::gateway::timers::TimerKey;
use crate::http::{Method, RequestHead, Response};
use crate::ice::gatherer::Vantage as Peer;
use crate::ids::{PageId, PeerId, SourceId};
use crate::signaling::door::{PageOrigin, Standing};
use crate::signaling::skyway::{self, Handshake};
use crate::signaling::socket_io::request::{Arrival, Refusal, Request};
use crate::signaling::socket_io::{Frame, Revision, Session, Settings, Transport};
use crate::websocket::WsMessage;

/// While more than this is to be written, a page's frames stay in its queue.
const WRITTEN_FIRST: usize = 16 * 1024;

/// One of them.
#[derive(Debug)]
pub(super) struct Page {
    pub(super) session: Session,
    pub(super) handshake: Option<Handshake>,
    /// Where candidates of ours must be reachable from.
    pub(super) reach: Peer,
    pub(super) opened: Instant,
    pub(super) standing: Standing,
    pub(super) origin: PageOrigin,
    /// The request that waits for packets.
    poll: Option<(SourceId, Caller)>,
    socket: Option<SourceId>,
    /// It began with its WebSocket.
    is_direct: bool,
    pub(super) peer: Option<PeerId>,
    /// When its credential ends, and whether that was told.
    pub(super) expires: Option<UnixTime>,
    pub(super) warned: bool,
    /// The next look at that.
    pub(super) look: Option<Instant>,
}

impl Page {
    /// The key that it came with.
    pub(super) fn key(&self) -> &str {
        let handshake = self.handshake.as_ref();
        handshake.map_or("", |handshake| handshake.api_key.as_str())
    }

    /// The connections that carry its packets: the request that waits for some, and the WebSocket.
    pub(super) fn carriers(&self) -> [Option<SourceId>; 2] {
        [self.poll.as_ref().map(|(source, _)| *source), self.socket]
    }

    /// Packets that made room because it did not read.
    pub(super) fn dropped(&self) -> u64 {
        self.session.dropped().packets
    }
}

impl Gateway {
    /// A request to `/socket.io/` without a body.
    pub(super) fn handle_socket_io(
        &mut self,
        now: Instant,
        source: SourceId,
        head: &RequestHead,
        request: &ForeignRequest,
    ) {
        let wants_socket = matches!(head.wants_websocket(), Ok(Some(_)));
        let arrival = match head.method {
            Method::Get if wants_socket => Arrival::WebSocket,
            Method::Get => Arrival::Get,
            Method::Head
            | Method::Post
            | Method::Put
            | Method::Patch
            | Method::Delete
            | Method::Options
            | Method::Other(_) => Arrival::Other,
        };
        let done = Request::parse(arrival, &request.query).and_then(|asked| match asked {
            Request::Open { .. } if !self.make_room_for_page(now, request.standing) => {
                self.stats.peers_refused += 1;
                Err(Refusal::Forbidden)
            }
            Request::Open {
                revision,
                transport,
            } => {
                let page = self.open_page(now, request, revision, transport);
                match transport {
                    Transport::Polling => self.park_page_poll(now, page, source, &request.caller),
                    Transport::WebSocket => {
                        self.upgrade(now, source, head, Purpose::Page(page));
                        Ok(())
                    }
                }
            }
            Request::Poll { sid } => {
                let page = self.find_page(sid)?;
                self.park_page_poll(now, page, source, &request.caller)
            }
            Request::Upgrade { sid } => {
                let page = self.find_page(sid)?;
                self.upgrade(now, source, head, Purpose::Page(page));
                Ok(())
            }
            Request::Post { .. } => Err(Refusal::Method),
        });
        if let Err(refusal) = done {
            self.refuse_page(now, source, &request.caller, refusal);
        }
    }

    /// Packets of a page that polls.
    pub(super) fn handle_socket_io_post(
        &mut self,
        now: Instant,
        source: SourceId,
        request: &ForeignRequest,
        body: &[u8],
    ) {
        let asked = Request::parse(Arrival::Post, &request.query);
        let done = asked.and_then(|asked| match asked {
            Request::Post { sid } => {
                let id = self.find_page(sid)?;
                let page = self.rendezvous.pages.get_mut(id);
                page.map_or(Err(Refusal::Session), |page| {
                    page.session.handle_post(now, body).map(|()| id)
                })
            }
            Request::Open { .. } | Request::Poll { .. } | Request::Upgrade { .. } => {
                Err(Refusal::Request)
            }
        });
        match done {
            Ok(page) => {
                let response = Response::new(200).body("text/html", b"ok".to_vec());
                self.answer_page(now, source, &request.caller, response);
                self.settle_page(now, page);
            }
            Err(refusal) => self.refuse_page(now, source, &request.caller, refusal),
        }
    }

    fn refuse_page(&mut self, now: Instant, source: SourceId, caller: &Caller, refusal: Refusal) {
        let body = refusal.body().into_bytes();
        let response = Response::new(refusal.status()).body("application/json", body);
        self.answer_page(now, source, caller, response);
    }

    fn answer_page(&mut self, now: Instant, source: SourceId, caller: &Caller, answer: Response) {
        let answer = answer.header("Cache-Control", "no-store");
        self.answer(now, source, caller, answer);
    }

    fn find_page(&self, sid: &str) -> Result<PageId, Refusal> {
        let found = self.rendezvous.sids.get(sid).copied();
        found.ok_or(Refusal::Session)
    }

    /// Whether there may be one more page. A page that has not joined has a place as well: those of one network beyond this
    /// machine have a quarter, and when they or all places are taken, the oldest of them makes room.
    fn make_room_for_page(&mut self, now: Instant, standing: Standing) -> bool {
        let network = standing.remote().map(network_of);
        let pages = self.rendezvous.pages.iter();
        let strangers = pages.filter(|(_, page)| page.peer.is_none());
        let mut strangers: Vec<(Instant, PageId, bool)> = strangers
            .map(|(id, page)| {
                let its = page.standing.remote().map(network_of);
                (page.opened, id, network.is_some() && its == network)
            })
            .collect();
        strangers.sort_unstable();
        let same = strangers.iter().filter(|(_, _, is_same)| *is_same).count();
        let is_greedy = same >= self.limits.peers.div_ceil(4);
        if !is_greedy && self.rendezvous.pages.len() < self.limits.peers {
            return true;
        }
        let mut may_go = strangers
            .iter()
            .filter(|(_, _, is_same)| *is_same || !is_greedy);
        let Some((_, oldest, _)) = may_go.next() else {
            return false;
        };
        self.remove_page(now, *oldest);
        true
    }

    fn open_page(
        &mut self,
        now: Instant,
        request: &ForeignRequest,
        revision: Revision,
        transport: Transport,
    ) -> PageId {
        let mut random = [0; 16];
        self.random.fill_bytes(&mut random);
        let sid = random_id(random);
        self.random.fill_bytes(&mut random);
        let socket = random_id(random);
        let settings = Settings::new();
        let session = Session::new(now, revision, transport, &sid, &socket, settings);
        let handshake = Handshake::parse(&request.query);
        if let Err(fault) = &handshake {
            log::debug!("a page of SkyWay-JS: {fault}");
        }
        let page = Page {
            session,
            handshake: handshake.ok(),
            reach: door::vantage(request.standing),
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
        };
        let id = self.rendezvous.pages.insert(page);
        self.rendezvous.sids.insert(sid, id);
        id
    }

    /// A request waits for packets.
    fn park_page_poll(
        &mut self,
        now: Instant,
        id: PageId,
        source: SourceId,
        caller: &Caller,
    ) -> Result<(), Refusal> {
        let Some(page) = self.rendezvous.pages.get_mut(id) else {
            return Err(Refusal::Session);
        };
        let parked = page.session.handle_poll();
        let has_joined = page.peer.is_some();
        if parked.is_ok() {
            page.poll = Some((source, caller.clone()));
            if let Some(Source::Http(http)) = self.sources.get_mut(source) {
                http.page = Some(id);
            }
            if has_joined {
                self.show_right(source, Right::Key);
            }
        }
        self.settle_page(now, id);
        parked
    }

    /// The connection of a request that waits for packets has gone.
    pub(in crate::gateway) fn forget_page_poll(&mut self, source: SourceId) -> bool {
        let Some(Source::Http(http)) = self.sources.get_mut(source) else {
            return false;
        };
        let page = http.page.take();
        let Some((id, page)) = page.and_then(|id| Some((id, self.rendezvous.pages.get_mut(id)?)))
        else {
            return false;
        };
        let waiting = page.poll.take_if(|(waiting, _)| *waiting == source);
        if waiting.is_some() {
            self.rendezvous.lost_polls.push(id);
        }
        waiting.is_some()
    }

    /// The same, at the end of the turn.
    pub(super) fn settle_lost_polls(&mut self, now: Instant) {
        for id in std::mem::take(&mut self.rendezvous.lost_polls) {
            if let Some(page) = self.rendezvous.pages.get_mut(id) {
                page.session.handle_poll_closed(now);
                self.settle_page(now, id);
            }
        }
    }

    /// A page's WebSocket is there.
    pub(super) fn handle_page_socket(&mut self, now: Instant, id: PageId, source: SourceId) {
        let Some(page) = self.rendezvous.pages.get_mut(id) else {
            return self.close_socket(now, source, 1000, "");
        };
        // One that began with a WebSocket has nothing to announce.
        let opened = match (page.socket, std::mem::take(&mut page.is_direct)) {
            (None, true) => Ok(()),
            (None, false) => page.session.handle_websocket_opened(now),
            (Some(_), _) => Err(Refusal::Request),
        };
        match opened {
            Ok(()) => {
                page.socket = Some(source);
                if page.peer.is_some() {
                    self.show_right(source, Right::Key);
                }
            }
            Err(_) => return self.close_socket(now, source, 1000, ""),
        }
        self.settle_page(now, id);
    }

    pub(super) fn handle_page_frame(&mut self, now: Instant, id: PageId, message: &WsMessage) {
        if let Some(page) = self.rendezvous.pages.get_mut(id) {
            match message {
                WsMessage::Text(text) => page.session.handle_websocket_message(now, text),
                WsMessage::Binary(_) => page.session.handle_websocket_binary(now),
            }
            self.settle_page(now, id);
        }
    }

    pub(super) fn handle_page_socket_gone(&mut self, now: Instant, id: PageId) {
        if let Some(page) = self.rendezvous.pages.get_mut(id) {
            page.socket = None;
            page.session.handle_websocket_closed(now);
            self.settle_page(now, id);
        }
    }

    /// A page's WebSocket has taken bytes: there may be room for more.
    pub(in crate::gateway) fn go_on_with_socket(&mut self, now: Instant, source: SourceId) {
        if let Some(Source::WebSocket(socket)) = self.sources.get(source)
            && let Purpose::Page(page) = socket.purpose
        {
            self.settle_page(now, page);
        }
    }

    pub(in crate::gateway) fn handle_page_timeout(&mut self, now: Instant, id: PageId) {
        let time = self.unix_time();
        let Some(page) = self.rendezvous.pages.get_mut(id) else {
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
            } else if !page.warned && end - time <= WARNED_BEFORE {
                page.warned = true;
                let (name, argument) = skyway::expires_in(end - time);
                self.emit_to_page(now, id, name, &argument);
            }
            self.look_at_credential(now, id);
        }
        self.settle_page(now, id);
    }

    /// Tells a page something.
    pub(super) fn emit_to_page(&mut self, now: Instant, id: PageId, name: &str, argument: &Value) {
        if let Some(page) = self.rendezvous.pages.get_mut(id) {
            if let Err(error) = page.session.emit(name, &[argument]) {
                self.stats.signals_refused += 1;
                log::debug!("a page of SkyWay-JS is not told {name}: {error}");
            }
            self.settle_page(now, id);
        }
    }

    /// Passes on what a page's session has to say to either side.
    pub(super) fn settle_page(&mut self, now: Instant, id: PageId) {
        while let Some(page) = self.rendezvous.pages.get_mut(id) {
            if let Some(event) = page.session.poll_event() {
                self.handle_page_event(now, id, event);
                continue;
            }
            if let Some(body) = page.session.poll_answer() {
                if let Some((source, caller)) = page.poll.take() {
                    if let Some(Source::Http(http)) = self.sources.get_mut(source) {
                        http.page = None;
                    }
                    let kind = "text/plain; charset=UTF-8";
                    let response = Response::new(200).body(kind, body.into_bytes());
                    self.answer_page(now, source, &caller, response);
                    self.service(now, source);
                }
                continue;
            }
            let Some(socket) = page.socket else { break };
            let Some(Source::WebSocket(place)) = self.sources.get_mut(socket) else {
                break;
            };
            if place.connection.waiting() > WRITTEN_FIRST {
                break;
            }
            match page.session.poll_frame() {
                Some(Frame::Text(text)) => self.send_to_socket(now, socket, &text),
                Some(Frame::Close) => self.close_socket(now, socket, 1000, ""),
                None => break,
            }
        }
        let Some(page) = self.rendezvous.pages.get(id) else {
            return;
        };
        if page.session.is_finished() && page.socket.is_none() {
            return self.remove_page(now, id);
        }
        let first = [page.session.poll_timeout(), page.look];
        let first = first.into_iter().flatten().min();
        self.timers.set(TimerKey::Page(id), first);
    }

    fn remove_page(&mut self, now: Instant, id: PageId) {
        self.timers.set(TimerKey::Page(id), None);
        let Some(page) = self.rendezvous.pages.remove(id) else {
            return;
        };
        self.rendezvous.sids.remove(page.session.sid());
        self.rendezvous.dropped.signals += page.dropped();
        if let Some(peer) = page.peer {
            self.leave_rooms(now, peer);
            self.leave(peer);
        }
        if let Some((source, caller)) = page.poll {
            self.refuse_page(now, source, &caller, Refusal::Session);
        }
    }
}
