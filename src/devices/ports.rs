//! Devices without an entry in the configuration: content ports of SkyWay's REST API, sockets that only send,
//! and bridges between two pages.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use super::device::{Device, Role};
use super::{DeviceEvent, Devices};
use crate::config::{ConfigPlace, EndpointConfig, EndpointKind, MessageType, Traffic, UdpConfig};
use crate::endpoint::bridge::Bridge;
use crate::endpoint::content::Content;
use crate::endpoint::{Endpoint, Failure};
use crate::ids::{BridgeId, EndpointId, RouteId};
use crate::sources::Context;

impl Devices {
    /// Opens a content port. The result is a [`DeviceEvent::Port`].
    pub(crate) fn open_port(&mut self, cx: &mut Context<'_>, bind: SocketAddr) {
        let port = self.add_udp(bind, Role::Port(bind));
        self.flow.after_endpoint(cx, port);
    }

    /// Returns the IPv4 socket that only sends, for connections that no endpoint or port feeds.
    pub(crate) fn sender(&mut self, cx: &mut Context<'_>) -> EndpointId {
        self.sender_to(cx, Ipv4Addr::UNSPECIFIED.into())
    }

    /// Returns the socket that sends to addresses of this family, and makes it if there is none.
    pub(super) fn sender_to(&mut self, cx: &mut Context<'_>, to: IpAddr) -> EndpointId {
        if let Some(sender) = self.flow.table.known_sender(to) {
            return sender;
        }
        let any = match to {
            IpAddr::V4(_) => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
            IpAddr::V6(_) => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
        };
        let bind = SocketAddr::new(any, 0);
        let sender = self.add_udp(bind, Role::Sender(bind));
        if let Some(place) = self.flow.table.senders.get_mut(usize::from(to.is_ipv6())) {
            *place = Some(sender);
        }
        self.flow.after_endpoint(cx, sender);
        sender
    }

    /// Makes the socket that sends to addresses of this family, if there is none.
    pub(crate) fn prepare_sender(&mut self, cx: &mut Context<'_>, to: IpAddr) {
        self.sender_to(cx, to);
    }

    /// Returns the device of a bridge, and makes it if there is none.
    pub(crate) fn bridge(&mut self, id: BridgeId) -> EndpointId {
        if let Some(known) = self.flow.table.bridges.get(&id) {
            return *known;
        }
        let endpoint = Box::new(Bridge::default());
        let config = nameless("the other page", EndpointKind::Echo);
        let device = Device::new(config, endpoint, Role::Bridge);
        let bridge = self.flow.table.endpoints.insert(device);
        self.flow.table.bridges.insert(id, bridge);
        bridge
    }

    /// Removes a bridge, whose channels are closed.
    pub(crate) fn remove_bridge(&mut self, cx: &mut Context<'_>, id: BridgeId) {
        if let Some(bridge) = self.flow.table.bridges.remove(&id) {
            self.flow.remove(cx, bridge);
        }
    }

    fn add_udp(&mut self, bind: SocketAddr, role: Role) -> EndpointId {
        let udp = UdpConfig {
            bind: Some(bind),
            ..UdpConfig::default()
        };
        let feeds = matches!(role, Role::Port(_));
        let endpoint = Content::new(udp.clone(), feeds);
        let name = format!("content port {}", bind.port());
        let config = nameless(&name, EndpointKind::Udp(udp));
        let device = Device::new(config, Box::new(endpoint) as Box<dyn Endpoint>, role);
        self.flow.table.endpoints.insert(device)
    }

    /// Binds a route to another endpoint. Messages that wait for the old endpoint are dropped and counted.
    pub(crate) fn rebind(&mut self, cx: &mut Context<'_>, id: RouteId, endpoint: EndpointId) {
        let Some(route) = self.flow.table.routes.get_mut(id) else {
            return;
        };
        let before = std::mem::replace(&mut route.endpoint, endpoint);
        if before == endpoint {
            return;
        }
        self.flow.table.queued -= route.queued_bytes();
        route.forget(crate::endpoint::DropReason::Closed);
        self.flow.table.stop_waiting(before, id);
        if let Some(device) = self.flow.table.endpoints.get_mut(before) {
            device.routes.retain(|other| *other != id);
            device.endpoint.detach(id);
        }
        if let Some(device) = self.flow.table.endpoints.get_mut(endpoint) {
            device.routes.push(id);
            device.endpoint.attach(cx.now, id);
        }
        self.flow.after_endpoint(cx, before);
        self.flow.after_endpoint(cx, endpoint);
    }

    /// Sets the destination of a route's messages, for a device that has several destinations.
    pub(crate) fn redirect(&mut self, id: RouteId, to: Option<SocketAddr>) {
        let route = self.flow.table.routes.get(id);
        let device = route.and_then(|route| self.flow.table.endpoints.get_mut(route.endpoint));
        if let Some(device) = device {
            device.endpoint.redirect(id, to);
        }
    }

    /// Sets the encoding of a route's messages from now on. An incomplete message is lost.
    pub(crate) fn transcode(
        &mut self,
        id: RouteId,
        serialization: Option<crate::payload::Serialization>,
    ) {
        let made = serialization.and_then(super::transcode::Transcoder::new);
        if let Some(route) = self.flow.table.routes.get_mut(id)
            && route.transcoder.is_some() != made.is_some()
        {
            self.flow.table.held -= route.transcoder.as_ref().map_or(0, |it| it.held());
            route.transcoder = made;
        }
    }

    /// Reports that a content port was opened.
    pub(super) fn report_port_opened(&mut self, id: EndpointId) {
        let role = self.flow.table.endpoints.get(id).map(|device| device.role);
        if let Some(Role::Port(bind)) = role {
            let result = Ok(id);
            self.flow
                .events
                .push_back(DeviceEvent::Port { bind, result });
        }
    }

    /// Reports that a content port has failed, or cannot be opened. A port that never opened is removed,
    /// because another program may use its number.
    pub(super) fn report_port_failed(
        &mut self,
        cx: &mut Context<'_>,
        id: EndpointId,
        bind: SocketAddr,
        why: &Failure,
    ) {
        let was_open = self
            .flow
            .table
            .endpoints
            .get(id)
            .is_some_and(|it| it.local.is_some());
        if !was_open {
            self.flow.remove(cx, id);
        }
        let result = Err(why.clone());
        self.flow
            .events
            .push_back(DeviceEvent::Port { bind, result });
    }
}

fn nameless(name: &str, kind: EndpointKind) -> EndpointConfig {
    EndpointConfig {
        name: name.to_owned(),
        kind,
        messages: MessageType::Binary,
        traffic: Traffic::default(),
        place: ConfigPlace::BuiltIn,
    }
}
