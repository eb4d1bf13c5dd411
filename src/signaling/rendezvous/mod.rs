//! The hub of peers as one part of the gateway: requests, WebSockets and sessions in, events out.

pub(crate) mod event;
pub(super) mod lobby;

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};
use std::time::Instant;

pub(crate) use event::{
    Beginning, ChannelPlan, ChannelRefusal, Place, RendezvousEvent, RendezvousStats, Shown, Target,
};

use super::dialect::SocketUse;
pub(crate) use super::dialect::{Claim, DialectRequest};
use crate::config::HubConfig;
use crate::endpoint::Failure;
use crate::http::{RequestHead, Response};
use crate::ids::{EndpointId, LinkId, RequestId, RouteId, SessionId, SocketId};
use crate::sources::Context;
use crate::websocket::WsMessage;

/// All that the gateway knows about peers.
pub(crate) struct Rendezvous {
    config: HubConfig,
}

#[expect(unused_variables, reason = "the surface comes first")]
impl Rendezvous {
    pub(crate) fn new(config: &HubConfig, peers: usize, sessions: usize, seed: [u8; 32]) -> Self {
        Self {
            config: config.clone(),
        }
    }
    pub(crate) fn configure(
        &mut self,
        cx: &mut Context<'_>,
        config: &HubConfig,
        peers: usize,
        sessions: usize,
    ) {
    }
    pub(crate) fn config(&self) -> &HubConfig {
        &self.config
    }
    pub(crate) fn set_networks(&mut self, networks: Vec<(IpAddr, u8)>) {}
    pub(crate) fn addresses(&self) -> impl Iterator<Item = IpAddr> {
        std::iter::empty()
    }
    pub(crate) fn set_own_ports(&mut self, ports: BTreeSet<u16>) {}
    pub(crate) fn set_endpoint(&mut self, name: &str, id: Option<EndpointId>) {}
    pub(crate) fn stop(&mut self, cx: &mut Context<'_>) {}
    pub(crate) fn claims(head: &RequestHead) -> Option<Claim> {
        None
    }
    pub(crate) fn origins(&self, claim: &Claim) -> impl Iterator<Item = &String> {
        std::iter::empty()
    }
    pub(crate) fn is_exposed(&self) -> bool {
        false
    }
    pub(crate) fn handle_head(
        &mut self,
        cx: &mut Context<'_>,
        request: DialectRequest,
        head: &RequestHead,
    ) {
        todo!()
    }
    pub(crate) fn handle_body(&mut self, cx: &mut Context<'_>, request: RequestId, body: &[u8]) {
        todo!()
    }
    pub(crate) fn handle_half_closed(&mut self, cx: &mut Context<'_>, request: RequestId) {}
    pub(crate) fn handle_gone(&mut self, cx: &mut Context<'_>, request: RequestId) {}
    pub(crate) fn handle_socket_opened(
        &mut self,
        cx: &mut Context<'_>,
        socket: SocketId,
        purpose: SocketUse,
    ) {
        todo!()
    }
    pub(crate) fn handle_socket_message(
        &mut self,
        cx: &mut Context<'_>,
        socket: SocketId,
        message: &WsMessage,
    ) {
        todo!()
    }
    pub(crate) fn handle_socket_drained(
        &mut self,
        cx: &mut Context<'_>,
        socket: SocketId,
        waiting: usize,
    ) {
        todo!()
    }
    pub(crate) fn handle_socket_full(&mut self, cx: &mut Context<'_>, socket: SocketId) {
        todo!()
    }
    pub(crate) fn handle_socket_closed(&mut self, cx: &mut Context<'_>, socket: SocketId) {}
    pub(crate) fn handle_gathered(&mut self, cx: &mut Context<'_>, link: LinkId) {
        todo!()
    }
    pub(crate) fn handle_begun(
        &mut self,
        cx: &mut Context<'_>,
        link: LinkId,
        result: Result<(SessionId, String), String>,
    ) {
        todo!()
    }
    pub(crate) fn handle_answered(
        &mut self,
        cx: &mut Context<'_>,
        link: LinkId,
        result: Result<(), String>,
    ) {
        todo!()
    }
    pub(crate) fn handle_session_ended(
        &mut self,
        cx: &mut Context<'_>,
        link: LinkId,
        failed: bool,
        displaced: Option<&'static str>,
    ) {
        todo!()
    }
    pub(crate) fn plan_channel(
        &mut self,
        link: LinkId,
        label: &str,
    ) -> Result<ChannelPlan, ChannelRefusal> {
        todo!()
    }
    pub(crate) fn handle_channel_bound(
        &mut self,
        cx: &mut Context<'_>,
        link: LinkId,
        route: RouteId,
        label: String,
        reliable: bool,
    ) {
        todo!()
    }
    pub(crate) fn handle_port(
        &mut self,
        cx: &mut Context<'_>,
        bind: SocketAddr,
        result: Result<EndpointId, Failure>,
    ) {
        todo!()
    }
    pub(crate) fn answer_status(
        &mut self,
        cx: &mut Context<'_>,
        request: RequestId,
        link: LinkId,
        unacknowledged: usize,
    ) {
        todo!()
    }
    pub(crate) fn handle_timeout(&mut self, cx: &mut Context<'_>) {}
    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        None
    }
    pub(crate) fn is_quiet(&self) -> bool {
        true
    }
    pub(crate) fn settle(&mut self, cx: &mut Context<'_>) {}
    pub(crate) fn poll_event(&mut self) -> Option<RendezvousEvent> {
        None
    }
    pub(crate) fn stats(&self) -> RendezvousStats {
        RendezvousStats::default()
    }
}

impl Claim {
    /// Returns an error in the form that clients of the dialect read.
    pub(crate) fn error(&self, status: u16, field: &'static str, detail: &str) -> Response {
        let _ = (status, field, detail);
        todo!()
    }
    /// Returns the value of `Allow`.
    pub(crate) fn allow(&self, head: &RequestHead) -> String {
        let _ = head;
        todo!()
    }
    /// Returns the response to a method that the path does not take.
    pub(crate) fn not_allowed(&self) -> Option<Response> {
        todo!()
    }
    /// Returns whether the request is acted upon when its body has come.
    pub(crate) fn takes_body(&self, head: &RequestHead) -> bool {
        let _ = head;
        todo!()
    }
}
