//! The channels of sessions, as far as their owner decides about them: binding, refusal and closing, each
//! with a reason that the operator can find.

use super::Sessions;
use crate::channel::ChannelKey;
use crate::ids::{RouteId, SessionId};
use crate::limits;
use crate::session::channels::{Binding, Channel};
use crate::session::control::Reply;
use crate::sources::Context;
use crate::util::redact::Redacted;

/// Why a channel ended.
#[derive(Debug)]
pub(crate) struct ClosedChannel {
    pub(crate) stream: u16,
    pub(crate) label: String,
    pub(crate) reason: &'static str,
    pub(crate) detail: String,
}

/// How the gateway ended a channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ending {
    /// The channel was never bound.
    Refused,
    /// The channel was bound.
    Closed,
}

impl Ending {
    /// Returns the word for events and for the log.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Refused => "refused",
            Self::Closed => "closed",
        }
    }
}

/// A channel that the gateway has ended.
#[derive(Debug)]
pub(crate) struct EndedChannel {
    pub(crate) stream: u16,
    /// The label, shortened if it is too long to be shown.
    pub(crate) label: String,
    pub(crate) binding: Binding,
}

impl Sessions {
    /// Returns a channel of a session.
    pub(crate) fn channel(&self, id: SessionId, key: ChannelKey) -> Option<&Channel> {
        self.get(id)?.channels().get(key)
    }

    /// Returns how many channels of a session are open and not being closed.
    pub(crate) fn open_channels(&self, id: SessionId) -> usize {
        self.get(id).map_or(0, |session| {
            let channels = session.channels().iter();
            let open = channels.filter(|(_, channel)| channel.binding != Binding::Closing);
            open.count()
        })
    }

    /// Binds a channel to a route, and tells its peer.
    pub(crate) fn bind(&mut self, id: SessionId, key: ChannelKey, route: RouteId, endpoint: &str) {
        let Some(entry) = self.entries.get_mut(id) else {
            return;
        };
        let channels = entry.session.channels_mut();
        channels.bind(key, Binding::Route(route));
        let Some(channel) = entry.session.channels().get(key) else {
            return;
        };
        let (stream, label) = (channel.stream, channel.label.clone());
        entry.session.tell(&Reply::Opened {
            channel: stream,
            label: &label,
            endpoint,
        });
        let level = entry.channel_level();
        let name = entry.session.name();
        log::log!(level, "session {name}: channel {stream} opened {endpoint}");
        self.touch(id);
    }

    /// Makes a channel a session's control channel. Returns false if the session has one already.
    #[must_use]
    pub(crate) fn set_control(&mut self, id: SessionId, key: ChannelKey) -> bool {
        let entry = self.entries.get_mut(id);
        entry.is_some_and(|entry| entry.session.set_control(key))
    }

    /// Ends a channel, and gives the reason on the control channel, in the log and in the list of closed
    /// channels. Returns `None` if the channel is already being closed.
    pub(crate) fn end_channel(
        &mut self,
        cx: &mut Context<'_>,
        id: SessionId,
        key: ChannelKey,
        ending: Ending,
        reason: &'static str,
        detail: &str,
    ) -> Option<EndedChannel> {
        let entry = self.entries.get_mut(id)?;
        let channel = entry.session.channels().get(key)?;
        if channel.binding == Binding::Closing {
            return None;
        }
        let (stream, binding) = (channel.stream, channel.binding);
        // A label may be 64 KiB long.
        let label: String = channel.label.chars().take(limits::LABEL).collect();
        let (level, what) = (entry.channel_level(), ending.as_str());
        let (name, shown) = (entry.session.name(), Redacted(&label));
        log::log!(
            level,
            "session {name}: channel {stream} {shown} {what}: {reason}"
        );
        entry.session.tell(&match ending {
            Ending::Refused => Reply::Refused {
                channel: stream,
                label: &label,
                reason,
                detail,
            },
            Ending::Closed => Reply::Closed {
                channel: stream,
                label: &label,
                reason,
                detail,
            },
        });
        if entry.closed.len() >= limits::CLOSED_CHANNELS {
            entry.closed.pop_front();
        }
        entry.closed.push_back(ClosedChannel {
            stream,
            label: label.clone(),
            reason,
            detail: detail.to_owned(),
        });
        self.with(cx, id, |session, _| {
            // Write the reason before closing, because this may be the control channel itself.
            session.write_control();
            session.close_channel(key);
        });
        self.touch(id);
        Some(EndedChannel {
            stream,
            label,
            binding,
        })
    }

    /// Removes a channel that is closed.
    pub(crate) fn remove_channel(&mut self, id: SessionId, key: ChannelKey) -> Option<Channel> {
        let entry = self.entries.get_mut(id)?;
        let channel = entry.session.channels_mut().remove(key)?;
        let (stream, shown) = (channel.stream, Redacted(&channel.label));
        match channel.binding {
            Binding::Route(_) => {
                let level = entry.channel_level();
                let name = entry.session.name();
                log::log!(level, "session {name}: channel {stream} {shown} closed");
            }
            Binding::Control => {
                let name = entry.session.name();
                log::debug!("session {name}: control channel closed");
            }
            // The reason was already noted when the gateway decided to close the channel.
            Binding::Unbound | Binding::Closing => {}
        }
        self.touch(id);
        Some(channel)
    }
}
