//! The deadlines of the gateway.

use crate::ids::{EndpointId, LinkId, PageId, PeerId, RouteId, SessionId, SourceId};

/// Whose deadline it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum TimerKey {
    /// str0m's, or a time-out of ours.
    Session(SessionId),
    /// A retry, or a device that ticks.
    Endpoint(EndpointId),
    /// News of leases that were held back.
    Lease(SessionId),
    /// The end of the time in which a session may keep a lease from another.
    Asked(EndpointId),
    /// The end of a writer's silence.
    Deadman(EndpointId),
    /// Another try at a capture file.
    Capture(EndpointId),
    /// The end of a connection whose channel has gone.
    Dispose(EndpointId),
    /// A script at its line.
    Line(EndpointId),
    /// An HTTP or WebSocket connection's.
    Source(SourceId),
    /// The end of a closed channel's messages.
    Linger(RouteId),
    /// Reports of dropped messages that were held back.
    Reports,
    /// The comment that keeps event streams open.
    KeepAlive,
    /// A look at which ports there are, after device files have come or gone.
    Ports,
    /// Answers to who guesses tokens.
    Delayed,
    /// A look at the files of the TLS certificate.
    Tls,
    /// Another try at the network's listener.
    Lan,
    /// Another try at a listener of the configuration.
    Listener(SourceId),
    /// The end of a token's time.
    Expiry,
    /// What is known of tokens could not be stored.
    Store,
    /// An association is to be closed whose peer was told why.
    Farewell,
    /// Signals to peers that are not there.
    Hub,
    /// A content port that no peer uses is to be closed.
    ContentPorts,
    /// A peer that has to say something now and then.
    Peer(PeerId),
    /// A peer of the REST API, by its token.
    RestPeer(u64),
    /// A link that waits for its peer, or is to be forgotten.
    Link(LinkId),
    /// A client of Socket.IO.
    Page(PageId),
    /// A request that waits for an event.
    Poll(SourceId),
    /// Datagrams between sessions of this process.
    Internal,
    /// The end of the draining.
    Drain,
}

/// The deadlines of the gateway.
pub(super) type Timers = crate::util::timers::Timers<TimerKey>;
