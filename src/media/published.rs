//! Packets of browsers on their way to a local program, and to the viewers of a track without one.

use super::Media;
use super::publisher::Publisher;
use crate::ids::SessionId;
use crate::sources::Context;
use crate::transceiver::{IncomingPacket, TransceiverKey};

impl Media {
    /// Handles a packet that a browser sends to a track.
    pub(super) fn handle_published(
        &mut self,
        cx: &mut Context<'_>,
        session: SessionId,
        section: TransceiverKey,
        packet: IncomingPacket,
    ) {
        let tracks = self.sessions.get(&session);
        let mut published = tracks.into_iter().flat_map(|tracks| &tracks.published);
        let found = published.find(|(of, _)| *of == section);
        let Some((id, track)) = found.and_then(|(_, id)| Some((*id, self.tracks.get_mut(*id)?)))
        else {
            return;
        };
        self.datagram.clear();
        let publisher = Publisher { session, section };
        let has_news = track.handle_published(cx.now, publisher, packet, &mut self.datagram);
        if let (Some(socket), Some(to)) = (track.sockets.for_output(), track.config.send_to) {
            cx.sources
                .transmits()
                .push(socket, None, to, &self.datagram);
        }
        if has_news && !self.fresh.contains(&id) {
            self.fresh.push(id);
        }
        self.schedule_report(cx, id);
    }
}
