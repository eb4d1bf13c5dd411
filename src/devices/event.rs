//! What the owner of all devices is to act on.

use std::borrow::Cow;
use std::net::SocketAddr;
use std::time::Duration;

use super::report::EndpointView;
use super::script::{Asker, Outcome};
use crate::channel::ChannelKey;
use crate::endpoint::line::LineStatus;
use crate::endpoint::{Count, DropReason, Failure};
use crate::ids::{EndpointId, RequestId, SessionId};

/// One fact.
#[derive(Debug)]
pub(crate) enum DeviceEvent {
    /// The state of an endpoint has changed.
    Changed(EndpointView),
    /// A peer may send up to this many bytes on a channel in all.
    Credit {
        session: SessionId,
        stream: u16,
        limit: u64,
    },
    /// A device vanished with bytes in its queue. Whose bytes they were is not known.
    Lost { endpoint: EndpointId, count: Count },
    /// Another session holds the lease of an endpoint, or none does.
    Leased {
        endpoint: EndpointId,
        holder: Option<SessionId>,
    },
    /// A dead-man switch has stopped a machine.
    Stopped(Stop),
    /// A channel lost something that it must not lose, or is over: it is to be closed.
    ChannelFailed {
        session: SessionId,
        channel: ChannelKey,
        fault: ChannelFault,
        detail: Cow<'static, str>,
    },
    /// A script at a line has ended.
    ScriptDone {
        /// The endpoint's name; the endpoint itself may be removed already.
        name: String,
        asker: Asker,
        outcome: Outcome,
    },
    /// The answer to [`super::Devices::look`]. `None`: the line could not be looked at.
    Viewed {
        request: RequestId,
        endpoint: EndpointId,
        line: Option<LineStatus>,
    },
    /// A content port was opened, cannot be opened, or has broken.
    Port {
        bind: SocketAddr,
        result: Result<EndpointId, Failure>,
    },
    /// The set of [`super::Devices::local_ports`] has changed.
    Bound,
}

/// A machine that was stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stop {
    pub(crate) endpoint: EndpointId,
    /// The session that had moved the machine.
    pub(crate) writer: Option<SessionId>,
    /// How often this machine has been stopped.
    pub(crate) fired: u64,
    /// How long its writer was silent.
    pub(crate) timeout: Duration,
}

/// Why a channel is to be closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ChannelFault {
    /// Messages were dropped for this reason.
    Dropped(DropReason),
    /// The page has said so in a message.
    ByPeer,
    /// The device's connection for this channel is over.
    DeviceEnded,
}

impl ChannelFault {
    /// Returns the reason's name in the API and on the control channel.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Dropped(reason) => reason.as_str(),
            Self::ByPeer => "peer",
            Self::DeviceEnded => "ended",
        }
    }
}
