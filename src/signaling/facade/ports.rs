//! Content ports: UDP ports that programs open with `POST /data` to feed their connections.

use std::collections::{BTreeMap, HashMap};
use std::net::{IpAddr, SocketAddr};
use std::time::Instant;

use super::connections::Source;
use super::{DataId, Facade, Output, Timer, Wrong, wrong};
use crate::access::locality::Locality;
use crate::access::tries::network_of;
use crate::api::skyway::ids::{Id, Kind};
use crate::api::skyway::{ContentPorts, FieldError, PortOwners, error, reply};
use crate::config::ContentConfig;
use crate::endpoint::Failure;
use crate::http::Response;
use crate::ids::{EndpointId, PeerId, RequestId};
use crate::limits;
use crate::signaling::door::PageOrigin;
use crate::signaling::names::random_bytes;
use rustc_hash::FxHashMap;

/// A client that opens content ports: its network, if that is beyond this machine, and the origin of its
/// page.
pub(super) type PortClient = (Option<IpAddr>, PageOrigin);

/// Returns the client for a location and an origin.
pub(super) fn port_client(locality: Locality, origin: &PageOrigin) -> PortClient {
    (locality.remote().map(network_of), origin.clone())
}

/// A request that waits for its port to open.
#[derive(Debug, Clone)]
pub(super) struct Opening {
    pub(super) request: RequestId,
    pub(super) command: &'static str,
    pub(super) client: PortClient,
    /// The gateway's address to which the client connected.
    pub(super) local: IpAddr,
}

/// A port that is open.
#[derive(Debug)]
struct Open {
    id: String,
    number: u16,
}

/// All content ports.
#[derive(Debug)]
pub(super) struct Ports {
    listen: IpAddr,
    numbers: ContentPorts,
    pub(super) owners: PortOwners<PortClient>,
    /// Ports by their ids in the API.
    ids: HashMap<String, EndpointId>,
    open: BTreeMap<EndpointId, Open>,
    /// Ports that are being opened, by their addresses.
    opening: FxHashMap<SocketAddr, Opening>,
}

impl Ports {
    pub(super) fn new(content: &ContentConfig) -> Self {
        Self {
            listen: content.listen,
            numbers: ContentPorts::new(content.first_port, content.ports),
            owners: PortOwners::default(),
            ids: HashMap::new(),
            open: BTreeMap::new(),
            opening: FxHashMap::default(),
        }
    }

    /// Returns how many ports are open or being opened.
    pub(super) fn len(&self) -> usize {
        self.open.len() + self.opening.len()
    }

    /// Returns the port of this id.
    pub(super) fn find(&self, id: &str) -> Option<EndpointId> {
        self.ids.get(id).copied()
    }

    /// Returns the id of a port.
    pub(super) fn id(&self, port: EndpointId) -> Option<&str> {
        self.open.get(&port).map(|open| open.id.as_str())
    }

    /// Returns whether a client may open one more port. Ports that are being opened count as unused ones.
    pub(super) fn may_open(&self, client: &PortClient, counts_used: bool) -> bool {
        let opening = self.opening.values();
        let opening = opening.filter(|opening| opening.client == *client);
        let opened = self.owners.opened_by(client, counts_used);
        opened + opening.count() < limits::CONTENT_PORTS
    }
}

impl Facade {
    /// Opens the next free port; the request is answered when it is open.
    pub(super) fn open_port(&mut self, opening: Opening) {
        let Some(number) = self.ports.numbers.take() else {
            let fault = FieldError::new("data", "all content ports are in use");
            let response = error(400, opening.command, &[fault]);
            return self.answer(opening.request, response);
        };
        let bind = SocketAddr::new(self.ports.listen, number);
        self.ports.opening.insert(bind, opening);
        self.outputs.push_back(Output::OpenPort { bind });
    }

    pub(super) fn handle_port_opened(&mut self, now: Instant, bind: SocketAddr, port: EndpointId) {
        let Some(opening) = self.ports.opening.remove(&bind) else {
            return self.outputs.push_back(Output::ClosePort(port));
        };
        let id = Id::new(Kind::Data, random_bytes(&mut self.random));
        let id = id.as_str().to_owned();
        self.ports.ids.insert(id.clone(), port);
        self.ports.owners.open(now, port, opening.client);
        let mut at = bind;
        if at.ip().is_unspecified() {
            at.set_ip(opening.local);
        }
        let response = reply::data_created(&id, at);
        let number = bind.port();
        self.ports.open.insert(port, Open { id, number });
        self.schedule_ports();
        self.answer(opening.request, response);
    }

    pub(super) fn handle_port_failed(&mut self, bind: SocketAddr, why: &Failure) {
        let Some(opening) = self.ports.opening.remove(&bind) else {
            return log::warn!("a content port has failed: {why}");
        };
        // Another program has this port, so try the next one.
        self.ports.numbers.skip(bind.port());
        log::info!("content port {}: {why}", bind.port());
        self.open_port(opening);
    }

    pub(super) fn delete_port(&mut self, id: &str) -> Result<Response, Wrong> {
        let found = self.ports.find(id);
        let port = found.ok_or_else(|| wrong(404, "data_id", "there is no port with this id"))?;
        if self.is_in_use(port, |_| false) {
            return Err(wrong(403, "data_id", "a connection is fed by this port"));
        }
        self.close_port(port);
        Ok(reply::deleted())
    }

    /// Closes a port unless it feeds a connection other than those that are `ending`.
    pub(super) fn close_unused_port(
        &mut self,
        port: EndpointId,
        ending: impl Fn((DataId, PeerId)) -> bool,
    ) {
        if !self.is_in_use(port, ending) {
            self.close_port(port);
        }
    }

    /// Makes a peer the owner of the port that now feeds its connection. The port belongs to the first peer
    /// that uses it.
    pub(super) fn claim(&mut self, source: &Source, peer: PeerId) {
        if let Source::Port(port) = source {
            self.ports.owners.claim(*port, peer);
            self.schedule_ports();
        }
    }

    /// Closes the ports that no peer has used for too long.
    pub(super) fn expire_ports(&mut self, now: Instant) {
        for port in self.ports.owners.expired(now) {
            log::info!("content port: closed, because no connection has used it");
            self.close_unused_port(port, |_| false);
        }
        self.schedule_ports();
    }

    fn is_in_use(&self, port: EndpointId, ending: impl Fn((DataId, PeerId)) -> bool) -> bool {
        let mut connections = self.connections.iter();
        connections.any(|(id, connection)| {
            connection.ended.is_none()
                && connection.source == Source::Port(port)
                && !ending((id, connection.peer))
        })
    }

    fn close_port(&mut self, port: EndpointId) {
        let Some(open) = self.ports.open.remove(&port) else {
            return;
        };
        self.ports.ids.remove(&open.id);
        self.ports.owners.close(port);
        self.ports.numbers.release(open.number);
        self.schedule_ports();
        self.outputs.push_back(Output::ClosePort(port));
    }

    fn schedule_ports(&mut self) {
        let next = self.ports.owners.next_expiry();
        self.timers.set(Timer::Ports, next);
    }
}
