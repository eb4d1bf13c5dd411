//! Requests of pages of SkyWay-JS: those of Socket.IO, and those that list peers of the hub.

use std::time::Instant;

use serde_json::json;

use super::Handshake;
use super::SkyWay;
use super::page::{self, Page};
use super::paths::Ask;
use crate::access::locality::Locality;
use crate::access::tries::network_of;
use crate::http::{Method, RequestHead, Response};
use crate::ids::{PageId, RequestId};
use crate::signaling::dialect::{DialectRequest, Output, Shown, json as respond};
use crate::signaling::door::Application;
use crate::signaling::names::random_name;
use crate::signaling::rendezvous::lobby::Lobby;
use crate::signaling::socket_io::request::{Arrival, TransportRefusal, TransportRequest};
use crate::signaling::socket_io::{Revision, Session, Settings, Transport};

impl SkyWay {
    /// Handles a request of Socket.IO without a body.
    pub(super) fn handle_get(
        &mut self,
        lobby: &mut Lobby<'_>,
        request: &DialectRequest,
        head: &RequestHead,
    ) {
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
        let done = TransportRequest::parse(arrival, &request.query).and_then(|asked| match asked {
            TransportRequest::Open { .. } if !self.make_room(lobby, request.locality) => {
                lobby.count_refused_peer();
                Err(TransportRefusal::Forbidden)
            }
            TransportRequest::Open {
                revision,
                transport,
            } => {
                let page = self.open(lobby.now(), request, revision, transport);
                match transport {
                    Transport::Polling => self.park(page, request.id),
                    Transport::WebSocket => {
                        self.upgrade(request.id, key, page);
                        Ok(())
                    }
                }
            }
            TransportRequest::Poll { sid } => {
                let page = self.find(sid)?;
                self.park(page, request.id)
            }
            TransportRequest::Upgrade { sid } => {
                let page = self.find(sid)?;
                self.upgrade(request.id, key, page);
                Ok(())
            }
            TransportRequest::Post { .. } => Err(TransportRefusal::Method),
        });
        if let Err(refusal) = done {
            self.outputs.push_back(page::refusal(request.id, refusal));
        }
    }

    /// Handles packets of a page that polls.
    pub(super) fn handle_post(&mut self, lobby: &Lobby<'_>, request: &DialectRequest, body: &[u8]) {
        let now = lobby.now();
        let asked = TransportRequest::parse(Arrival::Post, &request.query);
        let done = asked.and_then(|asked| match asked {
            TransportRequest::Post { sid } => {
                let id = self.find(sid)?;
                let page = self.pages.get_mut(id).ok_or(TransportRefusal::Session)?;
                page.session.handle_post(now, body).map(|()| id)
            }
            TransportRequest::Open { .. }
            | TransportRequest::Poll { .. }
            | TransportRequest::Upgrade { .. } => Err(TransportRefusal::Request),
        });
        match done {
            Ok(id) => {
                let response = Response::new(200).body("text/html", b"ok".to_vec());
                // The page must read the answer to its packets before the effects of the packets.
                self.outputs.push_back(page::answer(request.id, response));
                self.unsettled.push_back(id);
            }
            Err(refusal) => self.outputs.push_back(page::refusal(request.id, refusal)),
        }
    }

    fn find(&self, sid: &str) -> Result<PageId, TransportRefusal> {
        self.sids.get(sid).copied().ok_or(TransportRefusal::Session)
    }

    /// Returns whether one more page is allowed, and makes room for it if necessary. Pages that have not
    /// joined count as well: those of one network beyond this machine may be a quarter. When they reach
    /// that share, or all pages reach the limit, the oldest page that has not joined is closed.
    fn make_room(&mut self, lobby: &mut Lobby<'_>, locality: Locality) -> bool {
        let network = locality.remote().map(network_of);
        let strangers = self.pages.iter().filter(|(_, page)| page.peer.is_none());
        let mut strangers: Vec<(Instant, PageId, bool)> = strangers
            .map(|(id, page)| {
                let its = page.locality.remote().map(network_of);
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
            locality: request.locality,
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

    /// Parks a request that waits for packets.
    fn park(&mut self, id: PageId, request: RequestId) -> Result<(), TransportRefusal> {
        let page = self.pages.get_mut(id).ok_or(TransportRefusal::Session)?;
        let parked = page.session.handle_poll();
        if parked.is_ok() {
            page.poll = Some(request);
            self.polls.insert(request, id);
            if page.peer.is_some() {
                self.show_key(Shown::Request(request));
            }
        }
        self.unsettled.push_back(id);
        parked
    }

    /// Acts on a waiting request whose connection was closed, or whose client will not read packets. Returns
    /// whether it waited.
    pub(super) fn lose_poll(&mut self, lobby: &Lobby<'_>, request: RequestId) -> bool {
        let Some(id) = self.polls.remove(&request) else {
            return false;
        };
        if let Some(page) = self.pages.get_mut(id) {
            page.poll.take_if(|waiting| *waiting == request);
            page.session.handle_poll_closed(lobby.now());
            self.unsettled.push_back(id);
        }
        true
    }

    pub(super) fn list(
        &self,
        lobby: &mut Lobby<'_>,
        request: &DialectRequest,
        asked: Ask<'_>,
    ) -> Response {
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
        if let Err(why) = lobby.admit_reader(request.locality, application) {
            return request.claim.problem(401, "key", why.detail());
        }
        match peer {
            Some(peer) => respond(&json!({ "exists": lobby.find(peer).is_some() })),
            None => respond(&lobby.names().into()),
        }
    }
}
