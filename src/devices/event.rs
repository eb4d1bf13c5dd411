//! The events of the devices, on which their owner must act.

use std::borrow::Cow;
use std::net::SocketAddr;
use std::time::Duration;

use super::report::EndpointView;
use super::script::{Asker, Outcome};
use crate::channel::ChannelKey;
use crate::endpoint::line::LineStatus;
use crate::endpoint::{Count, DropReason, Failure};
use crate::ids::{EndpointId, RequestId, SessionId};

/// One event of the devices.
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
    /// A device vanished with bytes in its output. Whose bytes these were is not known.
    Lost { endpoint: EndpointId, count: Count },
    /// The lease of an endpoint passed to another session, or became free.
    Leased {
        endpoint: EndpointId,
        holder: Option<SessionId>,
    },
    /// A dead-man switch has stopped a machine.
    Stopped(Stop),
    /// A channel lost data that it must not lose, or its connection ended. The owner must close the channel.
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
    /// The result of [`super::Devices::look`]. `None`: the line's state could not be read.
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
    /// The set of [`super::Table::local_ports`] has changed.
    Bound,
}

/// A stop of a machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stop {
    pub(crate) endpoint: EndpointId,
    /// The session whose silence caused the stop.
    pub(crate) writer: Option<SessionId>,
    /// How often this machine has been stopped.
    pub(crate) fired: u64,
    /// How long the writer was silent.
    pub(crate) timeout: Duration,
}

/// Why a channel is to be closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ChannelFault {
    /// Messages were dropped for this reason.
    Dropped(DropReason),
    /// The page failed the channel with a message.
    ByPeer,
    /// The device's connection for this channel has ended.
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
