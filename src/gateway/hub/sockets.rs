//! WebSockets of the hub's clients: what each is for, and the pages of PeerJS behind them.

use std::time::{Duration, Instant};

use rand::RngCore;
use serde_json::Value;

use super::facade::random_id;
use super::foreign::{Foreign, ForeignRequest};
use super::{Behind, Guest, PeerJsPage};
use crate::access::visitors::Right;
use crate::gateway::Gateway;
use crate::gateway::source::Source;
use crate::gateway::timers::TimerKey;
use crate::http::{RequestHead, Response};
use crate::ids::{PageId, PeerId, SourceId};
use crate::payload::Dialect;
use crate::signaling::door::Application;
use crate::signaling::hub::{NotJoined, Speaks};
use crate::signaling::message::{Body, Signal};
use crate::signaling::peerjs::{self, Query, Refusal, Said};
use crate::websocket::{WsMessage, accept_key};

/// How long a page of PeerJS may say nothing; it says something every 5 s. The server's default.
const SILENCE: Duration = Duration::from_secs(90);

/// How long a page may take to answer a ping when another one asks for its id. Browsers answer pings even where they hold back the
/// page's timers; a page that was killed without a word does not, and its id is free then.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);

/// Close codes (RFC 6455 §7.4.1).
const NORMAL: u16 = 1000;
const TOO_SLOW: u16 = 1013;
pub(super) const NOT_ALLOWED: u16 = 1008;

/// What a WebSocket is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::gateway) enum Purpose {
    /// The gateway's own events.
    Events,
    /// A page of Socket.IO.
    Page(PageId),
    /// A page of PeerJS that is let in, or why it is not.
    Joining(Box<Joining>),
    /// A page of PeerJS, as this peer.
    PeerJs(PeerId),
    /// It is being closed.
    Leaving,
}

/// A page of PeerJS whose WebSocket is not there yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::gateway) struct Joining {
    name: String,
    token: String,
    guest: Guest,
    refusal: Option<Refusal>,
}

impl Gateway {
    /// A page of PeerJS wants a WebSocket. What is wrong with it is told over that.
    pub(super) fn begin_peerjs(
        &mut self,
        now: Instant,
        source: SourceId,
        head: &RequestHead,
        request: &ForeignRequest,
    ) {
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
                let admitted = self.admit(now, Dialect::PeerJs, request.standing, application);
                if admitted.is_ok() {
                    self.show_right(source, Right::Key);
                }
                admitted.err().map(|_| Refusal::Key)
            }
            Err(refusal) => Some(*refusal),
        };
        let (name, token, key) =
            query.map_or_else(|_| Default::default(), |it| (it.id, it.token, it.key));
        let purpose = Purpose::Joining(Box::new(Joining {
            name,
            token,
            guest: Guest {
                key,
                standing: request.standing,
                origin: request.origin.clone(),
            },
            refusal,
        }));
        if !self.upgrade(now, source, head, purpose) {
            let detail = "a WebSocket is expected here";
            let response = Foreign::PeerJs.error(426, "Upgrade", detail);
            let response = response.header("Upgrade", "websocket");
            self.answer(now, source, &request.caller, response);
        }
    }

    /// Makes a WebSocket of a request. False: it does not ask for one.
    pub(super) fn upgrade(
        &mut self,
        now: Instant,
        source: SourceId,
        head: &RequestHead,
        purpose: Purpose,
    ) -> bool {
        let Ok(Some(key)) = head.wants_websocket() else {
            return false;
        };
        let response = Response::new(101)
            .header("Upgrade", "websocket")
            .header("Sec-WebSocket-Accept", &accept_key(key));
        let Some(Source::Http(http)) = self.sources.get_mut(source) else {
            return false;
        };
        *self.stats.requests.entry(1).or_default() += 1;
        http.connection.upgrade(now, response);
        http.upgrading = Some(purpose);
        true
    }

    /// A WebSocket of the hub is there.
    pub(in crate::gateway) fn handle_socket_opened(&mut self, now: Instant, source: SourceId) {
        let Some(Source::WebSocket(socket)) = self.sources.get_mut(source) else {
            return;
        };
        match std::mem::replace(&mut socket.purpose, Purpose::Leaving) {
            Purpose::Joining(joining) => match self.join_peerjs(now, source, *joining) {
                Ok(peer) => self.set_purpose(source, Purpose::PeerJs(peer)),
                Err(refusal) => {
                    let frame = refusal.frame();
                    self.send_to_socket(now, source, &frame);
                    self.close_socket(now, source, NORMAL, "");
                }
            },
            Purpose::Page(page) => {
                self.set_purpose(source, Purpose::Page(page));
                self.handle_page_socket(now, page, source);
            }
            other @ (Purpose::Events | Purpose::PeerJs(_) | Purpose::Leaving) => {
                self.set_purpose(source, other);
            }
        }
    }

    fn set_purpose(&mut self, source: SourceId, purpose: Purpose) {
        if let Some(Source::WebSocket(socket)) = self.sources.get_mut(source) {
            socket.purpose = purpose;
        }
    }

    fn join_peerjs(
        &mut self,
        now: Instant,
        source: SourceId,
        joining: Joining,
    ) -> Result<PeerId, Refusal> {
        if let Some(refusal) = joining.refusal {
            return Err(refusal);
        }
        let (name, token, guest) = (joining.name, joining.token, joining.guest);
        let known = self.rendezvous.hub.find(&name);
        if let Some(known) = known
            && let Some(Behind::PeerJs(page)) = self.rendezvous.behind.get_mut(&known)
            && page.token == token
        {
            // It comes back, and is told nothing of it.
            let before = std::mem::replace(&mut page.source, source);
            self.set_purpose(before, Purpose::Leaving);
            self.close_socket(now, before, NORMAL, "");
            self.timers.set(TimerKey::Peer(known), Some(now + SILENCE));
            return Ok(known);
        }
        let page = PeerJsPage {
            source,
            token,
            guest,
        };
        let speaks = Speaks::Page(Dialect::PeerJs);
        let claimant = super::claimant(&page.guest.key, page.guest.standing);
        let joined = self.join(now, &name, speaks, Behind::PeerJs(page), &claimant);
        if joined == Err(NotJoined::Taken) {
            self.probe_peer(now, &name);
        }
        let peer = joined.map_err(|why| match why {
            NotJoined::Taken => Refusal::Taken,
            NotJoined::Full => Refusal::Full,
        })?;
        self.timers.set(TimerKey::Peer(peer), Some(now + SILENCE));
        self.send_to_socket(now, source, peerjs::open());
        Ok(peer)
    }

    /// Another page wants the id of one of PeerJS: whether that one is still there, its browser says.
    fn probe_peer(&mut self, now: Instant, name: &str) {
        let peer = self.rendezvous.hub.find(name);
        if let Some(Behind::PeerJs(page)) = peer.and_then(|id| self.rendezvous.behind.get(&id)) {
            let source = page.source;
            if let Some(Source::WebSocket(socket)) = self.sources.get_mut(source) {
                socket.connection.probe(now, ANSWER_WITHIN);
                self.schedule_source(now, source);
            }
        }
    }

    /// A frame of a WebSocket of the hub.
    pub(in crate::gateway) fn handle_socket_message(
        &mut self,
        now: Instant,
        source: SourceId,
        message: &WsMessage,
    ) {
        let Some(Source::WebSocket(socket)) = self.sources.get(source) else {
            return;
        };
        match (&socket.purpose, message) {
            (Purpose::PeerJs(peer), WsMessage::Text(text)) => {
                let peer = *peer;
                self.handle_peerjs(now, peer, source, text);
            }
            (Purpose::Page(page), message) => {
                let page = *page;
                self.handle_page_frame(now, page, message);
            }
            // Readers of events have nothing to say; what they send is read and ignored.
            (Purpose::Events | Purpose::Joining(_) | Purpose::Leaving, _)
            | (Purpose::PeerJs(_), WsMessage::Binary(_)) => {}
        }
    }

    fn handle_peerjs(&mut self, now: Instant, peer: PeerId, source: SourceId, text: &str) {
        self.timers.set(TimerKey::Peer(peer), Some(now + SILENCE));
        match peerjs::parse(text) {
            Ok(Said::Heartbeat | Said::Unknown) => {}
            Ok(Said::Left) => {
                self.leave(peer);
                self.set_purpose(source, Purpose::Leaving);
                self.close_socket(now, source, NORMAL, "");
            }
            Ok(Said::To { to, signal }) => self.rendezvous.hub.send(now, peer, &to, signal),
            Err(fault) => {
                self.stats.signals_refused += 1;
                let name = self
                    .rendezvous
                    .hub
                    .name(peer)
                    .unwrap_or_default()
                    .to_owned();
                log::debug!("peer {name}: {fault}");
                // PeerServer says nothing, and the caller would wait for ever. Frames other than offers need no answer.
                if let Some((to, failed)) = peerjs::refusal(text, &fault) {
                    let signal = Signal {
                        body: Body::Failed(failed),
                        verbatim: None,
                    };
                    if let Some(answer) = peerjs::write(&to, &name, &signal) {
                        self.send_to_socket(now, source, &answer);
                    }
                }
            }
        }
    }

    /// A page of PeerJS has said nothing for long.
    pub(in crate::gateway) fn handle_peer_timeout(&mut self, now: Instant, peer: PeerId) {
        if let Some(Behind::PeerJs(page)) = self.rendezvous.behind.get(&peer) {
            let source = page.source;
            self.leave(peer);
            self.set_purpose(source, Purpose::Leaving);
            self.close_socket(now, source, NORMAL, "");
        }
    }

    /// Sends a text; whoever does not read what it is told is sent away.
    pub(super) fn send_to_socket(&mut self, now: Instant, source: SourceId, text: &str) {
        let Some(Source::WebSocket(socket)) = self.sources.get_mut(source) else {
            return;
        };
        if socket.connection.send_text(now, text).is_err() {
            self.stats.signals_refused += 1;
            return self.close_socket(now, source, TOO_SLOW, "it does not read what it is told");
        }
        self.schedule_source(now, source);
    }

    pub(super) fn close_socket(&mut self, now: Instant, source: SourceId, code: u16, why: &str) {
        if let Some(Source::WebSocket(socket)) = self.sources.get_mut(source) {
            socket.connection.close(now, code, why);
            self.schedule_source(now, source);
        }
    }

    /// A WebSocket has gone.
    pub(super) fn handle_socket_gone(&mut self, now: Instant, purpose: Purpose) {
        match purpose {
            Purpose::PeerJs(peer) => self.leave(peer),
            Purpose::Page(page) => self.handle_page_socket_gone(now, page),
            Purpose::Events | Purpose::Joining(_) | Purpose::Leaving => {}
        }
    }

    /// What clients ask by GET.
    pub(super) fn list_peers(
        &mut self,
        now: Instant,
        foreign: &Foreign,
        request: &ForeignRequest,
    ) -> Response {
        let (dialect, key) = match foreign {
            Foreign::Clients { key } | Foreign::Exists { key, .. } => (Dialect::SkyWay, key),
            Foreign::FreeId { key } | Foreign::PeerJsPeers { key } => (Dialect::PeerJs, key),
            Foreign::Call(_) | Foreign::NotAllowed(_) | Foreign::SocketIo | Foreign::PeerJs => {
                return Response::new(404);
            }
        };
        let application = Application {
            key,
            domain: None,
            origin: &request.origin,
            peer: None,
            credential: None,
        };
        if let Err(why) = self.admit_reader(now, dialect, request.standing, application) {
            return foreign.error(401, "key", why.detail());
        }
        let hub = &self.rendezvous.hub;
        let json = |value: Value| {
            Response::new(200).body("application/json", value.to_string().into_bytes())
        };
        match foreign {
            Foreign::Clients { .. } | Foreign::PeerJsPeers { .. } => {
                let mut names: Vec<&str> = hub.iter().map(|(_, name, _)| name).collect();
                names.sort_unstable();
                json(names.into())
            }
            Foreign::Exists { peer, .. } => {
                json(serde_json::json!({ "exists": hub.find(peer).is_some() }))
            }
            Foreign::FreeId { .. }
            | Foreign::Call(_)
            | Foreign::NotAllowed(_)
            | Foreign::SocketIo
            | Foreign::PeerJs => {
                let mut random = [0; 16];
                self.random.fill_bytes(&mut random);
                Response::new(200).body("text/html; charset=utf-8", random_id(random).into_bytes())
            }
        }
    }
}
