//! Results of the sessions and ports that links and dialects have asked for.

use std::net::SocketAddr;

use super::event::{BeginLink, ChannelPlan, ChannelRefusal, PeerPlace, Vantage};
use super::{Rendezvous, RendezvousEvent};
use crate::endpoint::Failure;
use crate::ids::{EndpointId, LinkId, RequestId, RouteId, SessionId};
use crate::signaling::call::LinkNews;
use crate::signaling::links::{self, Beginning, Start};
use crate::sources::Context;

impl Rendezvous {
    /// Begins the session of a link after this machine's addresses were listed.
    pub(crate) fn handle_gathered(&mut self, link: LinkId) {
        let Some(Start {
            peer,
            remote,
            how,
            scopes,
        }) = self.links.start(link)
        else {
            return;
        };
        // The session is charged to the calling side.
        let claimant = match how {
            Beginning::Offer(_) => self.roster.claimant(Some(peer)),
            Beginning::Answer(_) => self.roster.claimant(self.roster.find(&remote)),
        };
        let place = self.roster.place_of(&remote);
        let begin = BeginLink {
            link,
            how,
            rights: links::grant(&remote, scopes),
            claimant,
            place: place.unwrap_or(PeerPlace::Vantage(Vantage::Remote)),
        };
        (self.events).push_back(RendezvousEvent::Begin(Box::new(begin)));
    }

    /// Acts on the session of a link that was made, or could not be made.
    pub(crate) fn handle_begun(
        &mut self,
        cx: &Context<'_>,
        link: LinkId,
        result: Result<(SessionId, String), String>,
    ) {
        let status = self.links.status(link);
        let dialect = status.and_then(|(status, _)| self.roster.dialect_of(&status.remote));
        self.links.handle_begun(link, result, dialect);
        self.relay(cx);
    }

    /// Acts on the session of a link that has accepted its answer, or refused it for this reason.
    pub(crate) fn handle_answered(
        &mut self,
        cx: &Context<'_>,
        link: LinkId,
        result: Result<(), String>,
    ) {
        self.links.handle_answered(link, result);
        self.relay(cx);
    }

    /// Acts on the end of a link's session. `failed`: the session never connected, or was lost; `displaced`:
    /// the reason why the session made room for another.
    pub(crate) fn handle_session_ended(
        &mut self,
        cx: &Context<'_>,
        link: LinkId,
        failed: bool,
        displaced: Option<&'static str>,
    ) {
        self.links.handle_session_ended(link, failed, displaced);
        self.relay(cx);
    }

    /// Returns the plan for binding a channel of a link's session.
    pub(crate) fn plan_channel(
        &self,
        link: LinkId,
        label: &str,
    ) -> Result<ChannelPlan, ChannelRefusal> {
        let endpoint = |name: &str| self.site.endpoint(name);
        self.links.plan(link, label, endpoint)
    }

    /// Acts on the channel of a link that was bound as planned.
    pub(crate) fn handle_channel_bound(
        &mut self,
        cx: &Context<'_>,
        link: LinkId,
        route: RouteId,
        label: String,
        reliable: bool,
    ) {
        self.links.handle_bound(link, route, label, reliable);
        self.relay(cx);
    }

    /// Acts on a content port that was opened, cannot be opened, or broke.
    pub(crate) fn handle_port(
        &mut self,
        cx: &Context<'_>,
        bind: SocketAddr,
        result: Result<EndpointId, Failure>,
    ) {
        self.dialects.facade.handle_port(cx.now, bind, result);
        self.relay(cx);
    }

    /// Answers with the status of a link, and the number of bytes that its session has not seen acknowledged.
    pub(crate) fn answer_status(
        &mut self,
        cx: &Context<'_>,
        request: RequestId,
        link: LinkId,
        unacknowledged: usize,
    ) {
        let Some(dialect) = self.asked.remove(&request) else {
            return;
        };
        let status = self.links.status(link).map(|(status, _)| Box::new(status));
        let news = LinkNews::Status(request, status, unacknowledged as u64);
        self.with(cx, dialect, |dialect, lobby| {
            dialect.handle_link(lobby, link, news);
        });
        self.relay(cx);
    }
}
