//! The DataChannels of one session: who they are and what they are bound to.

use std::collections::HashMap;

use str0m::Rtc;
use str0m::channel::{ChannelConfig, ChannelId};

pub use str0m::channel::Reliability;

use super::sdp::SdpError;
pub use crate::channel::ChannelKey;
use crate::channel::ChannelKind;
use crate::ids::RouteId;
use crate::util::slab::Slab;

/// What a channel's messages are for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Binding {
    /// Just opened; the owner decides.
    Unbound,
    /// The control channel.
    Control,
    /// An endpoint.
    Route(RouteId),
    /// Being closed: what still comes is ignored.
    Closing,
}

/// One open channel.
#[derive(Debug)]
pub struct Channel {
    pub(super) id: ChannelId,
    /// The SCTP stream id, which is `RTCDataChannel.id`.
    pub stream: u16,
    /// As the peer chose it; any text at all.
    pub label: String,
    /// As the peer chose it.
    pub protocol: String,
    /// Whether messages come in the order they were sent.
    pub ordered: bool,
    /// Whether and how long messages are sent again.
    pub reliability: Reliability,
    /// What it is for.
    pub binding: Binding,
}

impl Channel {
    /// Whether every message arrives or the channel fails.
    pub fn is_reliable(&self) -> bool {
        self.reliability == Reliability::Reliable
    }
}

/// A channel that is to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChannelWish {
    /// Its label.
    pub label: String,
    /// Its subprotocol.
    pub protocol: String,
    /// Whether messages come in order.
    pub ordered: bool,
    /// Whether and how long messages are sent again.
    pub reliability: Reliability,
    /// The stream id on which both sides have agreed, in place of DCEP (RFC 8832).
    pub negotiated: Option<u16>,
}

/// What an open message may have in one chunk: str0m cannot cut it.
const LABEL_AND_PROTOCOL: usize = 1_100;

impl ChannelWish {
    /// A reliable one.
    pub fn reliable(label: String) -> Self {
        Self {
            label,
            protocol: String::new(),
            ordered: true,
            reliability: Reliability::Reliable,
            negotiated: None,
        }
    }

    /// Refuses what str0m would panic about.
    pub(super) fn checked(self) -> Result<Self, SdpError> {
        if self.label.len() + self.protocol.len() > LABEL_AND_PROTOCOL {
            return Err(SdpError::whole(format!(
                "a channel's label and protocol have at most {LABEL_AND_PROTOCOL} bytes together"
            )));
        }
        // RFC 8832 §6: 65535 is no stream.
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
    /// No channel.
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

    /// str0m's channel is gone; ours stays until [`Self::remove`].
    pub(super) fn release(&mut self, id: ChannelId) -> Option<ChannelKey> {
        self.keys.remove(&id)
    }

    /// Takes out a channel whose end has been told.
    pub fn remove(&mut self, key: ChannelKey) -> Option<Channel> {
        self.slab.remove(key)
    }

    pub(super) fn key(&self, id: ChannelId) -> Option<ChannelKey> {
        self.keys.get(&id).copied()
    }

    /// A channel that is still open.
    pub fn get(&self, key: ChannelKey) -> Option<&Channel> {
        self.slab.get(key)
    }

    /// Binds a channel.
    pub fn bind(&mut self, key: ChannelKey, binding: Binding) {
        if let Some(channel) = self.slab.get_mut(key) {
            channel.binding = binding;
        }
    }

    /// How many there are, those being closed included.
    #[cfg(test)]
    pub fn len(&self) -> usize {
        self.slab.len()
    }

    /// Whether there is none.
    #[cfg(test)]
    pub fn is_empty(&self) -> bool {
        self.slab.is_empty()
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = (ChannelKey, &Channel)> {
        self.slab.iter()
    }

    /// Bytes written to all channels and not acknowledged yet.
    pub(super) fn in_flight(&self, rtc: &mut Rtc) -> usize {
        let open = |(_, channel): (_, &Channel)| Some(rtc.channel(channel.id)?.buffered_amount());
        self.slab.iter().filter_map(open).sum()
    }
}
