//! News of sessions for the owner of all sessions.

use std::net::SocketAddr;

use super::{SessionNews, Sessions};
use crate::ids::SessionId;
use crate::session::event::SessionEvent;

impl Sessions {
    /// Removes and returns the next news of a session. This function itself handles address pairs and the
    /// session's end.
    pub(crate) fn poll_news(&mut self, id: SessionId) -> Option<SessionNews> {
        while let Some(event) = self.entries.get_mut(id)?.session.poll_event() {
            match event {
                SessionEvent::State(state) => return Some(SessionNews::State(state)),
                SessionEvent::ChannelOpen(channel) => {
                    return Some(SessionNews::ChannelOpen(channel));
                }
                SessionEvent::ChannelClosed(channel) => {
                    return Some(SessionNews::ChannelClosed(channel));
                }
                SessionEvent::Message {
                    channel,
                    binary,
                    data,
                } => {
                    return Some(SessionNews::Message {
                        channel,
                        binary,
                        data,
                    });
                }
                SessionEvent::Unbound { bytes } => return Some(SessionNews::Unbound(bytes)),
                SessionEvent::Media(section, event) => {
                    return Some(SessionNews::Media(section, event));
                }
                SessionEvent::PairLearned {
                    local,
                    remote,
                    proved,
                } => self.learn_pair(id, local, remote, proved),
                SessionEvent::PairForgotten { local, remote } => {
                    self.demux.remove_pair(local, remote, id);
                }
                SessionEvent::Ended(reason) => self.end(id, reason),
            }
        }
        None
    }

    /// Assigns an address pair to a session. Any session that sends to a free pair gets it. A pair that is
    /// taken moves only to a session whose peer has proved our password from there.
    fn learn_pair(&mut self, id: SessionId, local: SocketAddr, remote: SocketAddr, proved: bool) {
        let loser = match self.demux.by_pair(local, remote) {
            Some(owner) if owner == id => return,
            Some(_) if !proved => Some(id),
            owner => {
                self.demux.insert_pair(local, remote, id);
                owner
            }
        };
        if let Some(entry) = loser.and_then(|loser| self.entries.get_mut(loser)) {
            entry.session.forget_pair(local, remote);
        }
    }

    /// Queues a session for a turn.
    pub(crate) fn touch(&mut self, id: SessionId) {
        if let Some(entry) = self.entries.get_mut(id)
            && !std::mem::replace(&mut entry.touched, true)
        {
            self.touched.push_back(id);
        }
    }

    #[cfg(test)]
    pub(crate) fn push_event_for_test(&mut self, id: SessionId, event: SessionEvent) {
        let entry = self.entries.get_mut(id).expect("a session");
        entry.session.push_event_for_test(event);
    }
}
