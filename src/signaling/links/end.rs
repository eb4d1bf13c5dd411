//! The end of a link. A link is marked as ended before its session is closed, so that a later report of that
//! session finds no link.

use super::{Feed, LinkEvent, Links};
use crate::ids::LinkId;
use crate::signaling::call::LinkNews;
use crate::signaling::message::Body;

impl Links {
    /// Closes a link from the gateway's side, and tells the other peer the reason.
    pub(crate) fn close(&mut self, id: LinkId, why: &'static str) {
        let Some(link) = self.links.get(id) else {
            return;
        };
        let connection = link.connection.clone();
        // Tell the other peer first, because the link's names are not available after its end.
        self.say(id, Body::Close { connection });
        self.close_session(id, why);
        self.end(id, false);
    }

    /// Ends a link that failed, and tells the other peer, which does not know.
    pub(crate) fn fail(&mut self, id: LinkId, detail: &str) {
        if let Some(link) = self.links.get(id) {
            let body = link.failure(detail);
            self.say(id, body);
            self.give_up(id, detail);
        }
    }

    /// Ends a link that failed, without telling the other peer, which knows.
    pub(super) fn give_up(&mut self, id: LinkId, detail: &str) {
        let Some(link) = self.links.get(id) else {
            return;
        };
        let (remote, detail) = (link.remote.clone(), detail.to_owned());
        let news = LinkNews::Failed(detail.clone());
        self.events.push_back(LinkEvent::Failed { remote, detail });
        self.tell(id, news);
        self.close_session(id, "it failed");
        self.end(id, false);
    }

    /// Acts on the end of a link's session. `failed`: the session never connected, or was lost; `displaced`:
    /// the reason why the session made room for another.
    pub(crate) fn handle_session_ended(
        &mut self,
        id: LinkId,
        failed: bool,
        displaced: Option<&'static str>,
    ) {
        let Some(link) = self.links.get_mut(id) else {
            return;
        };
        link.session = None;
        match displaced {
            // Both sides of a connection between peers must learn the reason.
            Some(why) => self.fail(id, why),
            None => self.end(id, failed),
        }
    }

    fn close_session(&mut self, id: LinkId, why: &'static str) {
        let link = self.links.get_mut(id);
        if let Some(session) = link.and_then(|link| link.session.take()) {
            let event = LinkEvent::CloseSession { session, why };
            self.events.push_back(event);
        }
    }

    fn end(&mut self, id: LinkId, failed: bool) {
        let Some(link) = self.links.get(id) else {
            return;
        };
        // A caller that was never connected also learns the cause.
        if failed && !link.open {
            let detail = "it did not connect: no way to the other peer was found";
            self.tell(id, LinkNews::Failed(detail.to_owned()));
        }
        self.timers.set(id, None);
        let Some(mut link) = self.links.remove(id) else {
            return;
        };
        link.open = false;
        let (peer, news) = (link.peer, LinkNews::Ended(Box::new(link.status())));
        let event = LinkEvent::News {
            peer,
            link: id,
            news,
        };
        self.events.push_back(event);
        // The other half of a bridge ends after this one, because it looks for links that have not ended.
        self.end_bridge(&link.feed);
    }

    /// Ends the other half of a bridge when one half has ended. The second half also closes the bridge.
    fn end_bridge(&mut self, feed: &Feed) {
        let Feed::Bridge(bridge) = feed else { return };
        let links = self.links.iter();
        let others = links.filter(|(_, link)| link.feed == *feed);
        let others: Vec<LinkId> = others.map(|(id, _)| id).collect();
        if others.is_empty() {
            let event = LinkEvent::CloseBridge(*bridge);
            return self.events.push_back(event);
        }
        for link in others {
            self.close(link, "the other page has closed it");
        }
    }
}
