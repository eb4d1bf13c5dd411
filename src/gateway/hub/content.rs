//! Content ports: what `POST /data` opens, and the sockets that only send.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Instant;

use rand::RngCore;

use super::Behind;
use super::links::{Feed, Link};
use crate::access::tries::network_of;
use crate::api::origin::Caller;
use crate::api::skyway::ids::{Id, Kind};
use crate::api::skyway::{FieldError, error, reply};
use crate::config::{EndpointConfig, EndpointKind, MessageType, Place, Traffic, UdpConfig};
use crate::endpoint::Failure;
use crate::endpoint::content::Content;
use crate::gateway::Gateway;
use crate::gateway::devices::Device;
use crate::gateway::routes::Route;
use crate::gateway::source::Source;
use crate::gateway::timers::TimerKey;
use crate::ids::{EndpointId, LinkId, PeerId, RouteId, SourceId};
use crate::signaling::door::{PageOrigin, Standing};

/// Somebody waits for a port to be opened.
#[derive(Debug)]
pub(super) struct Opening {
    port: EndpointId,
    source: SourceId,
    caller: Caller,
    command: &'static str,
    client: PortClient,
}

/// Who opens content ports: the network of the client, if that is beyond this machine, and which page it is.
pub(super) type PortClient = (Option<IpAddr>, PageOrigin);

/// The client that opens ports from there.
pub(super) fn port_client(standing: Standing, origin: &PageOrigin) -> PortClient {
    (standing.remote().map(network_of), origin.clone())
}

/// A content port, for its device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::gateway) struct ContentPort {
    /// In the REST API; empty for a socket that only sends.
    pub(super) id: String,
    /// Where it is bound.
    pub(super) bind: SocketAddr,
}

impl ContentPort {
    /// Whether its socket can send there: one that is bound to loopback reaches nothing else.
    pub(in crate::gateway) fn reaches(&self, to: IpAddr) -> bool {
        let bound = self.bind.ip();
        bound.is_ipv4() == to.is_ipv4()
            && (bound.is_unspecified() || bound.is_loopback() == to.is_loopback())
    }
}

impl Gateway {
    /// Opens the next free port, and answers when it is open.
    pub(super) fn open_content_port(
        &mut self,
        now: Instant,
        source: SourceId,
        caller: &Caller,
        command: &'static str,
        client: PortClient,
    ) {
        let Some(number) = self.rendezvous.ports.take() else {
            let fault = FieldError::new("data", "all content ports are in use");
            let response = error(400, command, &[fault]);
            return self.answer(now, source, caller, response);
        };
        let mut random = [0; 16];
        self.random.fill_bytes(&mut random);
        let id = Id::new(Kind::Data, random).as_str().to_owned();
        let bind = SocketAddr::new(self.rendezvous.config.content.listen, number);
        let port = self.add_content(id.clone(), bind, true);
        self.rendezvous.data.insert(id, port);
        self.rendezvous.owners.open(now, port, client.clone());
        self.schedule_ports();
        self.rendezvous.opening.push(Opening {
            port,
            source,
            caller: caller.clone(),
            command,
            client,
        });
        self.after_endpoint(port);
    }

    fn add_content(&mut self, id: String, bind: SocketAddr, feeds: bool) -> EndpointId {
        let udp = UdpConfig {
            bind: Some(bind),
            ..UdpConfig::default()
        };
        let endpoint = Content::new(udp.clone(), feeds);
        let config = EndpointConfig {
            name: format!("content port {}", bind.port()),
            kind: EndpointKind::Udp(udp),
            messages: MessageType::Binary,
            traffic: Traffic::default(),
            place: Place::BuiltIn,
        };
        let mut device = Device::new(config, Box::new(endpoint));
        device.content = Some(ContentPort { id, bind });
        self.routing.endpoints.insert(device)
    }

    /// A content port is there.
    pub(in crate::gateway) fn handle_content_opened(&mut self, now: Instant, port: EndpointId) {
        let Some((opening, content)) = self.take_opening(port) else {
            return;
        };
        let mut at = content.bind;
        if at.ip().is_unspecified()
            && let Some(Source::Http(http)) = self.sources.get(opening.source)
        {
            // Where whoever asked has found us.
            at.set_ip(http.local().ip());
        }
        let response = reply::data_created(&content.id, at);
        self.answer(now, opening.source, &opening.caller, response);
        self.service(now, opening.source);
    }

    /// A content port cannot be opened, or has broken.
    pub(in crate::gateway) fn handle_content_failed(
        &mut self,
        now: Instant,
        port: EndpointId,
        why: &Failure,
    ) {
        let Some((opening, content)) = self.take_opening(port) else {
            log::warn!("a content port has failed: {why}");
            return;
        };
        // Another program has it: the next one.
        self.remove_content(now, port, true);
        log::info!("content port {}: {why}", content.bind.port());
        let (source, caller) = (opening.source, opening.caller);
        self.open_content_port(now, source, &caller, opening.command, opening.client);
        self.service(now, source);
    }

    fn take_opening(&mut self, port: EndpointId) -> Option<(Opening, ContentPort)> {
        let opening = &mut self.rendezvous.opening;
        let at = opening.iter().position(|opening| opening.port == port)?;
        let content = self.routing.endpoints.get(port)?.content.clone()?;
        Some((opening.swap_remove(at), content))
    }

    /// Closes a port; `taken`: by another program.
    fn remove_content(&mut self, now: Instant, port: EndpointId, taken: bool) {
        let device = self.routing.endpoints.get(port);
        let Some(content) = device.and_then(|device| device.content.clone()) else {
            return;
        };
        self.rendezvous.data.remove(&content.id);
        self.rendezvous.owners.close(port);
        self.schedule_ports();
        let number = content.bind.port();
        if taken {
            self.rendezvous.ports.skip(number);
        } else {
            self.rendezvous.ports.release(number);
        }
        self.cancel_endpoint(now, port);
    }

    /// The port of that id.
    pub(super) fn find_content(&self, id: &str) -> Option<EndpointId> {
        self.rendezvous.data.get(id).copied()
    }

    /// The id of a port, in the REST API.
    pub(super) fn content_id(&self, port: EndpointId) -> Option<&str> {
        let device = self.routing.endpoints.get(port)?;
        device.content.as_ref().map(|content| content.id.as_str())
    }

    /// Whether a connection is fed by a port.
    pub(super) fn is_port_in_use(&self, port: EndpointId) -> bool {
        let links = self.rendezvous.links.iter();
        let mut users =
            links.filter(|(_, link)| link.feed == Feed::Port(port) && !link.has_ended());
        users.next().is_some()
    }

    /// Closes a port that feeds nothing any more.
    pub(super) fn close_unused_port(&mut self, now: Instant, port: EndpointId) {
        if !self.is_port_in_use(port) {
            self.remove_content(now, port, false);
        }
    }

    /// A peer's connection is fed by a port from now on, which belongs to the peer unless it belongs to another one.
    pub(super) fn claim_feed(&mut self, peer: PeerId, feed: Option<Feed>) {
        if let Some(Feed::Port(port)) = feed {
            self.rendezvous.owners.claim(port, peer);
            self.schedule_ports();
        }
    }

    /// Closes the ports that no peer has used for too long.
    pub(in crate::gateway) fn expire_ports(&mut self, now: Instant) {
        for port in self.rendezvous.owners.expired(now) {
            log::info!("content port: closed, because no connection has used it");
            self.close_unused_port(now, port);
        }
        self.schedule_ports();
    }

    fn schedule_ports(&mut self) {
        let next = self.rendezvous.owners.next_expiry();
        self.timers.set(TimerKey::ContentPorts, next);
    }

    /// Whether an address is one of this machine and the port one of our own sockets. A message that is sent there comes
    /// back to us: it would go round as long as the connection lasts.
    pub(super) fn is_own_port(&self, to: SocketAddr) -> bool {
        let ip = to.ip().to_canonical();
        let mut networks = self.rendezvous.networks.iter();
        let is_here = ip.is_loopback()
            || ip.is_unspecified()
            || ip.is_multicast()
            || networks.any(|(own, _)| *own == ip);
        let is_port = |port: Option<u16>| port == Some(to.port());
        let mut devices = self.routing.endpoints.iter();
        is_here
            && (is_port(self.ports.v4)
                || is_port(self.ports.v6)
                || devices.any(|(_, device)| is_port(device.local.map(|local| local.port()))))
    }

    /// A socket of ours was opened, or an address has become ours: connections that send their messages there stop doing so.
    pub(in crate::gateway) fn drop_own_redirects(&mut self) {
        self.drop_redirects(|gateway, _, to| gateway.is_own_port(to));
    }

    /// Messages of connections are not sent any longer where they must not be.
    pub(super) fn drop_redirects(&mut self, is_bad: impl Fn(&Self, &Link, SocketAddr) -> bool) {
        let links = self.rendezvous.links.iter();
        let redirected = links.filter_map(|(id, link)| Some((id, link, link.redirect?)));
        let bad: Vec<LinkId> = redirected
            .filter(|(_, link, to)| is_bad(self, link, *to))
            .map(|(id, _, _)| id)
            .collect();
        for id in bad {
            if let Some(link) = self.rendezvous.links.get_mut(id)
                && let Some(to) = link.redirect.take()
            {
                log::warn!(
                    "messages of a connection are not sent to {to} any longer: it must not be redirected there"
                );
            }
            self.direct(id);
        }
    }

    /// Where the program behind a peer stands; this machine for all others.
    pub(super) fn standing_of(&self, peer: PeerId) -> Standing {
        match self.rendezvous.behind.get(&peer) {
            Some(Behind::Rest(token)) => {
                let program = self.rendezvous.rest_peers.get(token);
                program.map_or(Standing::Local, |program| program.standing)
            }
            Some(Behind::Configured(_) | Behind::PeerJs(_) | Behind::SkyWay(_)) | None => {
                Standing::Local
            }
        }
    }

    /// The socket for connections that are fed by nothing, over IPv4.
    pub(super) fn sender(&mut self) -> EndpointId {
        self.sender_to(Ipv4Addr::UNSPECIFIED.into())
    }

    fn sender_to(&mut self, to: IpAddr) -> EndpointId {
        if let Some(sender) = self.rendezvous.sender_to(to) {
            return sender;
        }
        let (at, any) = match to {
            IpAddr::V4(_) => (0, IpAddr::V4(Ipv4Addr::UNSPECIFIED)),
            IpAddr::V6(_) => (1, IpAddr::V6(Ipv6Addr::UNSPECIFIED)),
        };
        let sender = self.add_content(String::new(), SocketAddr::new(any, 0), false);
        if let Some(place) = self.rendezvous.senders.get_mut(at) {
            *place = Some(sender);
        }
        self.after_endpoint(sender);
        sender
    }

    /// Sees to it that there is a socket that can send there.
    pub(super) fn prepare_redirect(&mut self, to: SocketAddr) {
        self.sender_to(to.ip());
    }

    /// Binds a route to another endpoint; what waited for the old one is dropped there, counted.
    pub(super) fn move_route(&mut self, now: Instant, id: RouteId, endpoint: EndpointId) {
        let Some(route) = self.routing.routes.get_mut(id) else {
            return;
        };
        let before = std::mem::replace(&mut route.endpoint, endpoint);
        if before == endpoint {
            return;
        }
        let dropped = Route::queued_bytes(route);
        route.forget(crate::endpoint::DropReason::Closed);
        self.routing.queued -= dropped;
        self.routing.stop_waiting(before, id);
        if let Some(device) = self.routing.endpoints.get_mut(before) {
            device.routes.retain(|other| *other != id);
            device.endpoint.detach(id);
        }
        if let Some(device) = self.routing.endpoints.get_mut(endpoint) {
            device.routes.push(id);
            device.endpoint.attach(now, id);
        }
        self.after_endpoint(before);
        self.after_endpoint(endpoint);
    }
}
