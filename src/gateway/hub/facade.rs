//! The REST API of SkyWay's gateway.

use std::net::SocketAddr;
use std::time::Instant;

use rand::RngCore;
use serde_json::Value;

use super::Behind;
use super::content::port_client;
use super::foreign::{Foreign, ForeignRequest};
use super::links::{Feed, Wanted};
use super::polls::PollKey;
use super::rest_peers::RestPeer;
use crate::access::scope::{Scope, Verb};
use crate::access::visitors::Right;
use crate::api::skyway::ids::{Id, Kind};
use crate::api::skyway::reply::DataStatus;
use crate::api::skyway::request::{
    self, ConnectOptions, ConnectionChange, Credential, PeerOptions, Reliability, Source,
};
use crate::api::skyway::{Call, EventQueue, FieldError, error, reply};
use crate::gateway::Gateway;
use crate::gateway::source::Command;
use crate::http::Response;
use crate::ids::{LinkId, PeerId, SourceId};
use crate::limits;
use crate::payload::Dialect;
use crate::session::channels::{self, ChannelWish};
use crate::signaling::door::{self, Application, Standing};
use crate::signaling::hub::NotJoined;
use crate::signaling::skyway;

/// What is wrong with a call: the status, and the fields.
type Wrong = (u16, Vec<FieldError>);

fn wrong(status: u16, field: &'static str, message: impl Into<String>) -> Wrong {
    (status, vec![FieldError::new(field, message.into())])
}

fn bad(faults: request::Faults) -> Wrong {
    (400, faults)
}

impl Gateway {
    /// Does what a call asks for, and answers; some answers come later.
    pub(super) fn handle_call(
        &mut self,
        now: Instant,
        source: SourceId,
        request: &ForeignRequest,
        body: &[u8],
        peek: bool,
    ) {
        let Foreign::Call(call) = &request.foreign else {
            return;
        };
        let command = call.command();
        let caller = &request.caller;
        let done = match call {
            Call::CreatePeer => self.create_peer(now, request, body),
            Call::DeletePeer(peer) => self.rest_token(peer, request, false).map(|token| {
                self.delete_rest_peer(now, &token);
                reply::deleted()
            }),
            Call::UpdateCredential(peer) => self.update_credential(now, peer, request, body),
            Call::PeerEvents(peer) => match self.rest_token(peer, request, true) {
                Ok(token) => {
                    self.show_right(source, Right::Key);
                    let key = PollKey::Peer(token);
                    return self.poll_events(now, source, caller, key, command, peek);
                }
                Err(wrong) => Err(wrong),
            },
            Call::PeerStatus(peer) => self.rest_token(peer, request, true).map(|token| {
                let known = self.rendezvous.rest_peers.get(&token);
                reply::peer_status(peer, known.is_none_or(|it| it.peer.is_none()))
            }),
            Call::CreateData => match self.check_data(request, body) {
                Ok(()) => {
                    let client = port_client(request.standing, &request.origin);
                    return self.open_content_port(now, source, caller, command, client);
                }
                Err(wrong) => Err(wrong),
            },
            Call::DeleteData(id) => self.delete_data(now, id),
            Call::Connect => self.connect(now, request, body),
            Call::Disconnect(id) => self.disconnect(now, id),
            Call::ChangeConnection(id) => self.change_connection(now, id, request, body),
            Call::DataEvents(id) => match self.link_of(id) {
                Ok(link) => {
                    self.show_right(source, Right::Key);
                    let key = PollKey::Link(link);
                    return self.poll_events(now, source, caller, key, command, peek);
                }
                Err(wrong) => Err(wrong),
            },
            Call::DataStatus(id) => self.data_status(id),
            Call::Media(_) => Ok(reply::no_media(command)),
        };
        // That there is no media shows nothing.
        if done.is_ok() && !matches!(call, Call::Media(_)) {
            self.show_right(source, Right::Key);
        }
        let response = done.unwrap_or_else(|(status, faults)| error(status, command, &faults));
        self.answer(now, source, caller, response);
    }

    fn create_peer(
        &mut self,
        now: Instant,
        request: &ForeignRequest,
        body: &[u8],
    ) -> Result<Response, Wrong> {
        let options = PeerOptions::parse(body).map_err(bad)?;
        if self.drain.is_some() {
            return Err(wrong(403, "peer_id", "the gateway is shutting down"));
        }
        let mut random = [0; 16];
        self.random.fill_bytes(&mut random);
        let name = options.peer_id.unwrap_or_else(|| random_id(random));
        // Where nobody signs, it says nothing.
        let given = options.credential.as_ref();
        let credential = credential(given.filter(|_| self.is_signed(&options.key)))?;
        let application = Application {
            key: &options.key,
            domain: Some(&options.domain),
            origin: &request.origin,
            peer: Some(&name),
            credential: credential.as_ref(),
        };
        let admitted = self.admit(now, Dialect::SkyWay, request.standing, application);
        let expires = admitted.map_err(|why| wrong(403, "key", why.detail()))?;
        self.random.fill_bytes(&mut random);
        let token = Id::new(Kind::Token, random).as_str().to_owned();
        let peer = RestPeer {
            name: name.clone(),
            peer: None,
            ended: None,
            events: EventQueue::new(),
            standing: request.standing,
            origin: request.origin.clone(),
            expires,
            warned: false,
            key: options.key.clone(),
        };
        self.add_rest_peer(now, &token, peer)
            .map_err(|why| match why {
                NotJoined::Taken => wrong(403, "peer_id", "peer_id is already in use"),
                NotJoined::Full => wrong(403, "peer_id", "there are as many peers as there may be"),
            })?;
        self.schedule_credential(now, &token);
        // Redirects are checked against the networks of now.
        self.commands.push_back(Command::ListAddresses);
        Ok(reply::peer_created(&name, &token))
    }

    fn update_credential(
        &mut self,
        now: Instant,
        peer: &str,
        request: &ForeignRequest,
        body: &[u8],
    ) -> Result<Response, Wrong> {
        let token = self.rest_token(peer, request, false)?;
        let given = Credential::parse(body).map_err(bad)?;
        let response = reply::credential_updated(&given);
        let key = self
            .rendezvous
            .rest_peers
            .get(&token)
            .map(|it| it.key.clone());
        let key = key.unwrap_or_default();
        if !self.is_signed(&key) {
            return Ok(response);
        }
        let credential = credential(Some(&given))?;
        let application = Application {
            key: &key,
            domain: None,
            origin: &request.origin,
            peer: Some(peer),
            credential: credential.as_ref(),
        };
        let admitted = self.admit(now, Dialect::SkyWay, request.standing, application);
        let expires = admitted.map_err(|why| wrong(403, "authToken", why.detail()))?;
        if let Some(known) = self.rendezvous.rest_peers.get_mut(&token) {
            (known.expires, known.warned) = (expires, false);
        }
        self.schedule_credential(now, &token);
        Ok(response)
    }

    /// Whether peers of this key need a credential.
    fn is_signed(&self, key: &str) -> bool {
        let mut keys = self.rendezvous.config.skyway_keys.iter();
        keys.any(|known| known.key == key && known.secret.is_some())
    }

    /// The token of a request, if it is that of the peer; with `ended`, also of one that was
    /// deleted a moment ago.
    fn rest_token(
        &self,
        peer: &str,
        request: &ForeignRequest,
        ended: bool,
    ) -> Result<String, Wrong> {
        let given = request::token(Some(&request.query)).map_err(|fault| (400, vec![fault]))?;
        self.check_rest_token(peer, &given, ended)?;
        Ok(given)
    }

    /// Whether a token is a peer's; with `ended`, also of one that was deleted a moment ago.
    fn check_rest_token(&self, peer: &str, token: &str, ended: bool) -> Result<(), Wrong> {
        let known = self.rendezvous.rest_peers.get(token);
        if known.is_some_and(|it| it.name == peer && (ended || it.peer.is_some())) {
            return Ok(());
        }
        let mut others = self.rendezvous.rest_peers.values();
        if others.any(|it| it.name == peer && it.peer.is_some()) {
            return Err(wrong(403, "token", "this is not the token of this peer"));
        }
        Err(wrong(404, "peer_id", "there is no peer with this id"))
    }

    fn check_data(&self, request: &ForeignRequest, body: &[u8]) -> Result<(), Wrong> {
        request::parse_nothing(body).map_err(bad)?;
        let (standing, origin) = (request.standing, &request.origin);
        if self.own_peers(standing, origin) == Some(0) {
            let detail = "programs beyond this machine, and pages, make a peer first: POST /peers";
            return Err(wrong(403, "address", detail));
        }
        let client = port_client(standing, origin);
        let counts_used = standing != Standing::Local;
        if !self.rendezvous.owners.may_open(&client, counts_used) {
            let most = limits::CONTENT_PORTS;
            let detail = format!(
                "{most} ports are open, which is the limit for one client: use or delete some"
            );
            return Err(wrong(403, "data", detail));
        }
        if !self.has_spare_descriptors(limits::SPARE_DESCRIPTORS) {
            let detail = "the process may not open more files: raise its limit (LimitNOFILE=)";
            return Err(wrong(403, "data", detail));
        }
        Ok(())
    }

    fn delete_data(&mut self, now: Instant, id: &str) -> Result<Response, Wrong> {
        let found = self.find_content(id);
        let port = found.ok_or_else(|| wrong(404, "data_id", "there is no port with this id"))?;
        if self.is_port_in_use(port) {
            return Err(wrong(403, "data_id", "a connection is fed by this port"));
        }
        self.close_unused_port(now, port);
        Ok(reply::deleted())
    }

    /// What feeds a connection of `peer`, where that is said. `scopes`: the endpoints that its program may use.
    fn feed_of(
        &self,
        peer: PeerId,
        source: Option<&Source>,
        fields: [&'static str; 2],
        scopes: &[Scope],
        standing: Standing,
    ) -> Result<Option<Feed>, Wrong> {
        let [data_id, endpoint] = fields;
        match source {
            None => Ok(None),
            Some(Source::Data(id)) => {
                let found = self.find_content(id.as_str());
                let port =
                    found.ok_or_else(|| wrong(404, data_id, "there is no port with this id"))?;
                let owners = &self.rendezvous.owners;
                let is_anothers = owners.peer(port).is_some_and(|owner| owner != peer);
                if is_anothers && standing != Standing::Local {
                    return Err(wrong(403, data_id, "this port belongs to another peer"));
                }
                if !is_anothers && !owners.may_use(port, peer) {
                    let most = limits::CONTENT_PORTS;
                    let detail = format!("a peer may have {most} ports, and this one has them");
                    return Err(wrong(403, data_id, detail));
                }
                Ok(Some(Feed::Port(port)))
            }
            // First the right: whether an endpoint exists is no business of a program that may not use it.
            Some(Source::Endpoint(name))
                if !scopes.iter().any(|scope| scope.allows(name, Verb::Write)) =>
            {
                let detail = "from beyond this machine only an endpoint that the key's `endpoints` name, \
                              or that a [[peer]] offers, may be used";
                Err(wrong(403, endpoint, detail))
            }
            Some(Source::Endpoint(name)) => match self.routing.endpoint_names.get(name) {
                Some(id) => Ok(Some(Feed::Endpoint(*id))),
                None => Err(wrong(404, endpoint, "there is no endpoint with this name")),
            },
        }
    }

    fn check_redirect(&mut self, standing: Standing, to: Option<SocketAddr>) -> Result<(), Wrong> {
        let Some(to) = to else { return Ok(()) };
        let known = &self.rendezvous;
        let is_local = standing == Standing::Local;
        if !known
            .config
            .may_redirect(is_local, to.ip(), &known.networks)
        {
            let detail = "this address is in none of the networks of skyway.redirect";
            return Err(wrong(403, "redirect_params", detail));
        }
        if self.is_own_port(to) {
            let detail = "this is a port of the gateway itself: messages would go round for ever";
            return Err(wrong(403, "redirect_params", detail));
        }
        self.prepare_redirect(to);
        Ok(())
    }

    /// The endpoints that the program behind a peer may use, if it asks from there.
    pub(super) fn rest_scopes(&self, standing: Standing, peer: PeerId) -> Vec<Scope> {
        let token = match self.rendezvous.behind.get(&peer) {
            Some(Behind::Rest(token)) => Some(token),
            Some(Behind::Configured(_) | Behind::PeerJs(_) | Behind::SkyWay(_)) | None => None,
        };
        let program = token.and_then(|token| self.rendezvous.rest_peers.get(token));
        let key = program.map_or("", |program| program.key.as_str());
        let standing = match (standing, program) {
            // A peer that was made from beyond this machine keeps its rights when a local program uses it.
            (Standing::Local, Some(program)) => program.standing,
            (standing, _) => standing,
        };
        let config = &self.rendezvous.config;
        door::scopes(&config.skyway_keys, &config.peers, standing, key)
    }

    fn connect(
        &mut self,
        now: Instant,
        request: &ForeignRequest,
        body: &[u8],
    ) -> Result<Response, Wrong> {
        let asked = ConnectOptions::parse(body).map_err(bad)?;
        self.check_rest_token(&asked.peer_id, &asked.token, false)?;
        let peer = self.rendezvous.rest_peers.get(&asked.token);
        let Some(peer) = peer.and_then(|it| it.peer) else {
            return Err(wrong(404, "peer_id", "there is no peer with this id"));
        };
        let standing = request.standing;
        let scopes = self.rest_scopes(standing, peer);
        let fields = ["params.data_id", "params.endpoint"];
        let source = asked.params.source.as_ref();
        let feed = self.feed_of(peer, source, fields, &scopes, standing)?;
        self.check_redirect(standing, asked.redirect_params)?;
        let init = asked.options.dc_init;
        let wanted = Wanted {
            target: asked.target_id,
            wish: ChannelWish {
                label: asked.options.label.unwrap_or_default(),
                protocol: init.protocol,
                ordered: init.ordered,
                reliability: match init.reliability {
                    Reliability::Full => channels::Reliability::Reliable,
                    // SCTP would throw it away before it was sent once.
                    Reliability::LifeTime(0) => {
                        channels::Reliability::MaxRetransmits { retransmits: 0 }
                    }
                    Reliability::LifeTime(lifetime) => {
                        channels::Reliability::MaxPacketLifetime { lifetime }
                    }
                    Reliability::Retransmits(retransmits) => {
                        channels::Reliability::MaxRetransmits { retransmits }
                    }
                },
                negotiated: init.negotiated,
            },
            serialization: asked.options.serialization,
            metadata: asked.options.metadata.map(Value::String),
            transcodes: asked.params.transcode.unwrap_or(false),
            feed: feed.unwrap_or(Feed::Nothing),
            redirect: asked.redirect_params,
            scopes,
        };
        match self.call(now, peer, wanted) {
            Some(id) => {
                self.claim_feed(peer, feed);
                Ok(reply::connection_created(&id))
            }
            None => Err(wrong(403, "target_id", "there are too many connections")),
        }
    }

    fn link_of(&self, id: &str) -> Result<LinkId, Wrong> {
        let found = self.rendezvous.link_ids.get(id).copied();
        let detail = "there is no connection with this id";
        found.ok_or_else(|| wrong(404, "data_connection_id", detail))
    }

    /// One that has not ended.
    fn living_link_of(&self, id: &str) -> Result<LinkId, Wrong> {
        let link = self.link_of(id)?;
        let known = self.rendezvous.links.get(link);
        if known.is_some_and(|it| !it.has_ended()) {
            return Ok(link);
        }
        Err(wrong(
            404,
            "data_connection_id",
            "this connection has ended",
        ))
    }

    fn disconnect(&mut self, now: Instant, id: &str) -> Result<Response, Wrong> {
        let link = self.living_link_of(id)?;
        let feed = self.rendezvous.links.get(link).map(|it| it.feed);
        self.close_link(now, link, "closed over the API");
        self.settle_ended(now);
        if let Some(Feed::Port(port)) = feed {
            self.close_unused_port(now, port);
        }
        Ok(reply::deleted())
    }

    fn change_connection(
        &mut self,
        now: Instant,
        id: &str,
        request: &ForeignRequest,
        body: &[u8],
    ) -> Result<Response, Wrong> {
        let link = self.living_link_of(id)?;
        let change = ConnectionChange::parse(body).map_err(bad)?;
        let Some(peer) = self.rendezvous.links.get(link).map(|it| it.peer) else {
            return Err(wrong(
                404,
                "data_connection_id",
                "this connection has ended",
            ));
        };
        let standing = request.standing;
        let scopes = self.rest_scopes(standing, peer);
        let fields = ["feed_params.data_id", "feed_params.endpoint"];
        let source = change.feed_params.source.as_ref();
        let feed = self.feed_of(peer, source, fields, &scopes, standing)?;
        self.check_redirect(standing, change.redirect_params)?;
        if let Some(feed) = feed {
            self.claim_feed(peer, Some(feed));
            self.feed_link(now, link, feed);
        }
        if let Some(transcodes) = change.feed_params.transcode {
            self.transcode_link(link, transcodes);
        }
        if let Some(known) = self.rendezvous.links.get_mut(link)
            && let Some(to) = change.redirect_params
        {
            known.redirect = Some(to);
        }
        self.direct(link);
        let feed = self.rendezvous.links.get(link).map(|it| it.feed);
        let data_id = match feed {
            Some(Feed::Port(port)) => self.content_id(port),
            Some(Feed::Endpoint(_) | Feed::Nothing) | None => None,
        };
        Ok(reply::connection_changed(data_id))
    }

    fn data_status(&mut self, id: &str) -> Result<Response, Wrong> {
        let link = self.link_of(id)?;
        let Some(known) = self.rendezvous.links.get(link) else {
            return Err(wrong(
                404,
                "data_connection_id",
                "this connection has ended",
            ));
        };
        let entry = known.session.and_then(|id| self.sessions.get_mut(id));
        let waiting = entry.map_or(0, |entry| entry.session.unacknowledged_bytes());
        Ok(reply::data_status(&DataStatus {
            remote_id: &known.remote,
            buffersize: waiting as u64,
            label: &known.label,
            metadata: known.metadata.as_ref(),
            open: known.open,
            reliable: known.reliable,
            serialization: known.serialization,
        }))
    }
}

/// A credential in the form in which it can be checked.
fn credential(given: Option<&Credential>) -> Result<Option<skyway::Credential>, Wrong> {
    let Some(given) = given else { return Ok(None) };
    let parsed = skyway::Credential::parse(&given.to_json());
    let parsed = parsed.map_err(|fault| wrong(400, "credential", fault.to_string()))?;
    Ok(Some(parsed))
}

/// An id for who does not care.
pub(super) fn random_id(random: [u8; 16]) -> String {
    const LETTERS: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz012345";
    let letter = |byte: u8| LETTERS.get(usize::from(byte % 32)).copied().map(char::from);
    random.into_iter().filter_map(letter).collect()
}
