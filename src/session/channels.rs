//! The DataChannels of one session: their properties and their bindings.

use std::collections::HashMap;

use str0m::Rtc;
use str0m::channel::{ChannelConfig, ChannelId};

pub use str0m::channel::Reliability;

use super::sdp::SdpError;
pub use crate::channel::ChannelKey;
use crate::channel::ChannelKind;
use crate::ids::RouteId;
use crate::limits;
use crate::util::slab::Slab;

/// The destination of a channel's messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Binding {
    /// The channel has just opened, and its owner has not decided yet.
    Unbound,
    /// The control channel.
    Control,
    /// The route to an endpoint.
    Route(RouteId),
    /// The channel is being closed, and messages that still arrive are ignored.
    Closing,
}

/// One open channel.
#[derive(Debug)]
pub struct Channel {
    pub(super) id: ChannelId,
    /// The SCTP stream id, which is `RTCDataChannel.id`.
    pub stream: u16,
    /// The label that the peer chose; any text is allowed.
    pub label: String,
    /// The subprotocol that the peer chose.
    pub protocol: String,
    /// Whether messages arrive in the order in which they were sent.
    pub ordered: bool,
    /// Whether and for how long messages are sent again.
    pub reliability: Reliability,
    /// The destination of the channel's messages.
    pub binding: Binding,
}

impl Channel {
    /// Returns whether every message arrives or the channel fails.
    pub fn is_reliable(&self) -> bool {
        self.reliability == Reliability::Reliable
    }
}

/// The properties of a channel that is to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChannelWish {
    /// The label of the channel.
    pub label: String,
    /// The subprotocol of the channel.
    pub protocol: String,
    /// Whether messages arrive in order.
    pub ordered: bool,
    /// Whether and for how long messages are sent again.
    pub reliability: Reliability,
    /// The stream id that both sides have agreed on, which replaces DCEP (RFC 8832).
    pub negotiated: Option<u16>,
}

impl ChannelWish {
    /// Returns the wish for a reliable channel with this label.
    pub fn reliable(label: String) -> Self {
        Self {
            label,
            protocol: String::new(),
            ordered: true,
            reliability: Reliability::Reliable,
            negotiated: None,
        }
    }

    /// Returns an error for a wish on which str0m would panic.
    pub(super) fn checked(self) -> Result<Self, SdpError> {
        let longest = limits::LABEL_AND_PROTOCOL;
        if self.label.len() + self.protocol.len() > longest {
            return Err(SdpError::whole(format!(
                "a channel's label and protocol have at most {longest} bytes together"
            )));
        }
        // RFC 8832 §6: 65535 is not a stream id.
        if self.negotiated == Some(u16::MAX) {
            return Err(SdpError::whole("65535 is not a stream id"));
        }
        Ok(self)
    }
}

/// All channels of a session. Keys are ours, because str0m's ids cannot be ordered or indexed.
#[derive(Debug)]
pub struct Channels {
    slab: Slab<ChannelKind, Channel>,
    keys: HashMap<ChannelId, ChannelKey>,
}

impl Channels {
    /// Returns a collection without channels.
    pub(super) fn new() -> Self {
        Self {
            slab: Slab::new(),
            keys: HashMap::new(),
        }
    }

    pub(super) fn insert(
        &mut self,
        id: ChannelId,
        stream: u16,
        label: String,
        config: &ChannelConfig,
    ) -> ChannelKey {
        let key = self.slab.insert(Channel {
            id,
            stream,
            label,
            protocol: config.protocol.clone(),
            ordered: config.ordered,
            reliability: config.reliability,
            binding: Binding::Unbound,
        });
        self.keys.insert(id, key);
        key
    }

    /// Forgets str0m's id of a channel that str0m has closed. Our channel stays until [`Self::remove`].
    pub(super) fn release(&mut self, id: ChannelId) -> Option<ChannelKey> {
        self.keys.remove(&id)
    }

    /// Removes and returns a channel whose end the owner has handled.
    pub fn remove(&mut self, key: ChannelKey) -> Option<Channel> {
        self.slab.remove(key)
    }

    pub(super) fn key(&self, id: ChannelId) -> Option<ChannelKey> {
        self.keys.get(&id).copied()
    }

    /// Returns a channel that is still open.
    pub fn get(&self, key: ChannelKey) -> Option<&Channel> {
        self.slab.get(key)
    }

    /// Binds a channel.
    pub fn bind(&mut self, key: ChannelKey, binding: Binding) {
        if let Some(channel) = self.slab.get_mut(key) {
            channel.binding = binding;
        }
    }

    /// Returns how many channels exist, including those being closed.
    #[cfg(test)]
    pub fn len(&self) -> usize {
        self.slab.len()
    }

    /// Returns whether no channel exists.
    #[cfg(test)]
    pub fn is_empty(&self) -> bool {
        self.slab.is_empty()
    }

    /// Returns all channels.
    pub fn iter(&self) -> impl Iterator<Item = (ChannelKey, &Channel)> {
        self.slab.iter()
    }

    /// Returns how many bytes were written to all channels and are not acknowledged yet.
    pub(super) fn in_flight(&self, rtc: &mut Rtc) -> usize {
        let open = |(_, channel): (_, &Channel)| Some(rtc.channel(channel.id)?.buffered_amount());
        self.slab.iter().filter_map(open).sum()
    }
}
