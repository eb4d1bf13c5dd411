//! Data connections of programs' peers: requests about them, their sources, and their status after their end.

use std::net::SocketAddr;
use std::time::Instant;

use serde_json::Value;

use super::{DataId, Facade, LinkId, Order, Output, PeerId, RequestId, Wrong, bad, wrong};
use crate::access::locality::Locality;
use crate::access::scope::{Scope, Verb};
use crate::api::skyway::reply::{self, DataStatus};
use crate::api::skyway::request::{self, ConnectOptions, ConnectionChange, DcInit, Reliability};
use crate::api::skyway::{Call, EventQueue, error};
use crate::http::Response;
use crate::ids::EndpointId;
use crate::limits;
use crate::session::channels::{self, ChannelWish};
use crate::signaling::call::{Feed, LinkStatus, Wish};
use crate::signaling::dialect::DialectRequest;
use crate::signaling::rendezvous::lobby::Lobby;
use crate::signaling::rendezvous::site::NotRedirected;

/// The source of a connection's messages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Source {
    /// Nothing.
    Nothing,
    /// A content port.
    Port(EndpointId),
    /// An endpoint of the configuration.
    Endpoint(EndpointId, String),
}

impl Source {
    fn feed(&self) -> Feed {
        match self {
            Self::Nothing => Feed::Nothing,
            Self::Port(port) => Feed::Port(*port),
            Self::Endpoint(id, name) => Feed::Endpoint {
                id: *id,
                name: name.clone(),
            },
        }
    }
}

/// One data connection.
#[derive(Debug)]
pub(super) struct Connection {
    /// The connection's id in the API.
    pub(super) name: String,
    pub(super) link: LinkId,
    pub(super) peer: PeerId,
    pub(super) source: Source,
    pub(super) events: EventQueue,
    /// The time at which the connection ended, and its last status.
    pub(super) ended: Option<Instant>,
    pub(super) last: Option<Box<LinkStatus>>,
}

/// A connection that is being made.
#[derive(Debug)]
pub(super) struct Made {
    pub(super) command: &'static str,
    pub(super) source: Source,
}

impl Facade {
    /// Asks for a connection; the request is answered when the links report whether the connection is being
    /// made.
    pub(super) fn connect(
        &mut self,
        lobby: &Lobby<'_>,
        request: &DialectRequest,
        command: &'static str,
        body: &[u8],
    ) -> Result<(), Wrong> {
        let asked = ConnectOptions::parse(body).map_err(bad)?;
        let program = self.check_token(&asked.peer_id, &asked.token, false)?;
        let peer = self.programs.get(program).and_then(|it| it.peer);
        let peer = peer.ok_or_else(|| wrong(404, "peer_id", "there is no peer with this id"))?;
        let locality = request.locality;
        let scopes = self.scopes(lobby, locality, peer);
        let fields = ["params.data_id", "params.endpoint"];
        let source = asked.params.source.as_ref();
        let source = self.source_of(lobby, (peer, locality), source, fields, &scopes)?;
        self.check_redirect(lobby, locality, asked.redirect_params)?;
        let source = source.unwrap_or(Source::Nothing);
        let wish = Wish {
            peer,
            target: asked.target_id,
            channel: channel(asked.options.label, asked.options.dc_init),
            serialization: asked.options.serialization,
            metadata: asked.options.metadata.map(Value::String),
            transcodes: asked.params.transcode.unwrap_or(false),
            feed: source.feed(),
            redirect: asked.redirect_params,
            scopes,
        };
        self.making.insert(request.id, Made { command, source });
        self.order(Order::Call(request.id, Box::new(wish)));
        Ok(())
    }

    pub(super) fn disconnect(&mut self, id: &str) -> Result<Response, Wrong> {
        let id = self.living(id)?;
        if let Some((link, source)) = (self.connections.get(id)).map(|it| (it.link, &it.source)) {
            let source = source.clone();
            // The connection ends before its port is closed, because a port that feeds a connection stays open.
            self.order(Order::Close(link, "closed over the API"));
            if let Source::Port(port) = source {
                self.close_unused_port(port, |(ending, _)| ending == id);
            }
        }
        Ok(reply::deleted())
    }

    pub(super) fn change_connection(
        &mut self,
        lobby: &Lobby<'_>,
        id: &str,
        request: &DialectRequest,
        body: &[u8],
    ) -> Result<Response, Wrong> {
        let id = self.living(id)?;
        let change = ConnectionChange::parse(body).map_err(bad)?;
        let known = self.connections.get(id).map(|it| (it.link, it.peer));
        let (link, peer) = known.ok_or_else(ended)?;
        let locality = request.locality;
        let scopes = self.scopes(lobby, locality, peer);
        let fields = ["feed_params.data_id", "feed_params.endpoint"];
        let source = change.feed_params.source.as_ref();
        let source = self.source_of(lobby, (peer, locality), source, fields, &scopes)?;
        self.check_redirect(lobby, locality, change.redirect_params)?;
        if let Some(source) = source {
            self.claim(&source, peer);
            // The peer's own right counts, not that of the client that changes the connection.
            let scopes = self.scopes(lobby, Locality::Local, peer);
            self.order(Order::Feed(link, source.feed(), scopes));
            if let Some(known) = self.connections.get_mut(id) {
                known.source = source;
            }
        }
        if let Some(transcodes) = change.feed_params.transcode {
            self.order(Order::Transcode(link, transcodes));
        }
        // The redirect comes last: a new feed does not know where messages went before.
        self.order(Order::Redirect(link, change.redirect_params));
        let data_id = match self.connections.get(id).map(|it| &it.source) {
            Some(Source::Port(port)) => self.ports.id(*port),
            Some(Source::Endpoint(..) | Source::Nothing) | None => None,
        };
        Ok(reply::connection_changed(data_id))
    }

    /// Asks for the status of a connection, or answers at once if the connection has ended.
    pub(super) fn data_status(
        &mut self,
        request: RequestId,
        id: &str,
    ) -> Result<Option<Response>, Wrong> {
        let id = self.connection_of(id)?;
        let known = self.connections.get(id).ok_or_else(ended)?;
        if let Some(last) = &known.last {
            return Ok(Some(status(last, 0)));
        }
        let link = known.link;
        self.order(Order::Status(request, link));
        Ok(None)
    }

    /// Answers with the status of a connection. `None`: the connection has ended since the request asked.
    pub(super) fn handle_status(
        &mut self,
        request: RequestId,
        link: LinkId,
        how: Option<&LinkStatus>,
        waiting: u64,
    ) {
        let known = self.connections.iter().find(|(_, it)| it.link == link);
        let last = known.and_then(|(_, it)| it.last.as_deref());
        let how = how.or(last).map(|how| status(how, waiting));
        let done = how.ok_or_else(ended);
        let command = Call::DataStatus(String::new()).command();
        self.answer_done(request, command, done);
    }

    /// Closes connections whose source is an endpoint that their peer may no longer use.
    pub(super) fn close_forbidden(&mut self, lobby: &Lobby<'_>) {
        let connections = self.connections.iter();
        let fed = connections.filter_map(|(_, it)| match &it.source {
            Source::Endpoint(id, name) if it.ended.is_none() => Some((it, id, name)),
            Source::Endpoint(..) | Source::Port(_) | Source::Nothing => None,
        });
        // An endpoint that was removed has closed its channels itself.
        let existing = fed.filter(|(_, id, name)| lobby.endpoint(name) == Some(**id));
        let forbidden = existing.filter(|(it, _, name)| {
            let scopes = self.scopes(lobby, Locality::Local, it.peer);
            !scopes.iter().any(|scope| scope.allows(name, Verb::Read))
        });
        let forbidden: Vec<LinkId> = forbidden.map(|(it, _, _)| it.link).collect();
        for link in forbidden {
            let why = "its key does not open this endpoint any more";
            self.order(Order::Close(link, why));
        }
    }

    pub(super) fn connection_of(&self, id: &str) -> Result<DataId, Wrong> {
        let found = self.names.get(id).copied();
        let detail = "there is no connection with this id";
        found.ok_or_else(|| wrong(404, "data_connection_id", detail))
    }

    /// Returns a connection that has not ended.
    fn living(&self, id: &str) -> Result<DataId, Wrong> {
        let id = self.connection_of(id)?;
        let known = self.connections.get(id);
        let is_living = known.is_some_and(|it| it.ended.is_none());
        is_living.then_some(id).ok_or_else(ended)
    }

    /// Returns the source of a peer's connection, if the request names one. `scopes`: the endpoints that its
    /// program may use.
    fn source_of(
        &self,
        lobby: &Lobby<'_>,
        (peer, locality): (PeerId, Locality),
        source: Option<&request::Source>,
        [data_id, endpoint]: [&'static str; 2],
        scopes: &[Scope],
    ) -> Result<Option<Source>, Wrong> {
        match source {
            None => Ok(None),
            Some(request::Source::Data(id)) => {
                let found = self.ports.find(id.as_str());
                let port =
                    found.ok_or_else(|| wrong(404, data_id, "there is no port with this id"))?;
                let owners = &self.ports.owners;
                let is_anothers = owners.peer(port).is_some_and(|owner| owner != peer);
                if is_anothers && locality != Locality::Local {
                    return Err(wrong(403, data_id, "this port belongs to another peer"));
                }
                if !is_anothers && !owners.may_use(port, peer) {
                    let most = limits::CONTENT_PORTS;
                    let detail = format!("a peer may have {most} ports, and this one has them");
                    return Err(wrong(403, data_id, detail));
                }
                Ok(Some(Source::Port(port)))
            }
            // Check the right first, because a program that may not use an endpoint must not learn whether it
            // exists.
            Some(request::Source::Endpoint(name))
                if !scopes.iter().any(|scope| scope.allows(name, Verb::Write)) =>
            {
                let detail = "from beyond this machine only an endpoint that the key's `endpoints` name, \
                              or that a [[peer]] offers, may be used";
                Err(wrong(403, endpoint, detail))
            }
            Some(request::Source::Endpoint(name)) => match lobby.endpoint(name) {
                Some(id) => Ok(Some(Source::Endpoint(id, name.clone()))),
                None => Err(wrong(404, endpoint, "there is no endpoint with this name")),
            },
        }
    }

    fn check_redirect(
        &mut self,
        lobby: &Lobby<'_>,
        locality: Locality,
        to: Option<SocketAddr>,
    ) -> Result<(), Wrong> {
        let Some(to) = to else { return Ok(()) };
        lobby.check_redirect(locality, to).map_err(|why| {
            let detail = match why {
                NotRedirected::Network => {
                    "this address is in none of the networks of skyway.redirect"
                }
                NotRedirected::OwnPort => {
                    "this is a port of the gateway itself: messages would go round for ever"
                }
            };
            wrong(403, "redirect_params", detail)
        })?;
        self.outputs.push_back(Output::PrepareSender(to.ip()));
        Ok(())
    }

    pub(super) fn handle_not_made(&mut self, request: RequestId) {
        if let Some(made) = self.making.remove(&request) {
            let (status, faults) = wrong(403, "target_id", "there are too many connections");
            self.answer(request, error(status, made.command, &faults));
        }
    }
}

fn ended() -> Wrong {
    wrong(404, "data_connection_id", "this connection has ended")
}

/// Returns the status of a connection, with the number of bytes that were not acknowledged.
pub(super) fn status(status: &LinkStatus, waiting: u64) -> Response {
    reply::data_status(&DataStatus {
        remote_id: &status.remote,
        buffersize: waiting,
        label: &status.label,
        metadata: status.metadata.as_ref(),
        open: status.open,
        reliable: status.reliable,
        serialization: status.serialization,
    })
}

fn channel(label: Option<String>, init: DcInit) -> ChannelWish {
    ChannelWish {
        label: label.unwrap_or_default(),
        protocol: init.protocol,
        ordered: init.ordered,
        reliability: match init.reliability {
            Reliability::Full => channels::Reliability::Reliable,
            // With a lifetime of 0, SCTP would discard a message before sending it once.
            Reliability::LifeTime(0) => channels::Reliability::MaxRetransmits { retransmits: 0 },
            Reliability::LifeTime(lifetime) => {
                channels::Reliability::MaxPacketLifetime { lifetime }
            }
            Reliability::Retransmits(retransmits) => {
                channels::Reliability::MaxRetransmits { retransmits }
            }
        },
        negotiated: init.negotiated,
    }
}
