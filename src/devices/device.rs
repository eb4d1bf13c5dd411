//! An endpoint with its routes, its writers, its scripts and its counters.

use std::collections::{BTreeSet, VecDeque};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use super::capture::CaptureFile;
use super::script::{Expected, Job};
use crate::config::{EndpointConfig, EndpointKind};
use crate::drops::{Direction, Drops};
use crate::endpoint::{Count, DropReason, Endpoint};
use crate::framing::Faults;
use crate::ids::{EndpointId, RouteId, SessionId, SourceId};
use crate::util::rate_limit::RateLimit;

/// The purpose of a device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    /// An endpoint that the configuration names, or that was found on the machine.
    Configured,
    /// A connection of this endpoint that belongs to one channel.
    Instance(EndpointId),
    /// A content port, bound to this address.
    Port(SocketAddr),
    /// A socket that only sends, bound to this address.
    Sender(SocketAddr),
    /// A bridge between two pages.
    Bridge,
}

/// How often at most refused second connections are logged.
const REFUSAL_INTERVAL: Duration = Duration::from_secs(10);

/// One endpoint, and everything that belongs to it.
pub(super) struct Device {
    pub(super) config: EndpointConfig,
    pub(super) endpoint: Box<dyn Endpoint>,
    /// The purpose of the device.
    pub(super) role: Role,
    /// The stream or socket of the device, while one is open.
    pub(super) source: Option<SourceId>,
    /// The listener that the device's program connects to, unless the gateway connects to the program.
    pub(super) listener: Option<SourceId>,
    /// The address that the device's socket is bound to.
    pub(super) local: Option<SocketAddr>,
    /// Whether output waits until the driver has been flushed.
    pub(super) holds_output: bool,
    /// The position at which a stop's bytes end, counted as the device takes bytes, until they have left the
    /// driver. Until then no session may discard output.
    pub(super) stop_end: Option<u64>,
    /// Why the connection of one channel has ended.
    pub(super) ended: Option<String>,
    /// Whether the driver has sent everything that it took.
    pub(super) driver_is_empty: bool,
    pub(super) capture: Option<CaptureFile>,
    pub(super) writing: Writing,
    /// Scripts for the device's line. The first script has its turn.
    pub(super) jobs: VecDeque<Job>,
    /// The purposes of the line's next answers, in order.
    pub(super) expected: VecDeque<Expected>,
    /// The open channels that are bound to the device.
    pub(super) routes: Vec<RouteId>,
    /// Routes whose messages wait for room, in the order of their turns.
    pub(super) waiting: VecDeque<RouteId>,
    pub(super) from_device: Count,
    pub(super) to_device: Count,
    /// Losses that no route counts: bytes queued for a device that vanished.
    pub(super) drops: Drops,
    /// Limits the log lines about refused second connections.
    refusals: RateLimit,
    /// The framing faults that have already been counted.
    faults: Faults,
}

impl Device {
    /// Returns a new device without routes, output or counts.
    pub(super) fn new(config: EndpointConfig, endpoint: Box<dyn Endpoint>, role: Role) -> Self {
        Self {
            endpoint,
            role,
            source: None,
            listener: None,
            local: None,
            holds_output: false,
            stop_end: None,
            ended: None,
            driver_is_empty: false,
            capture: config.traffic.capture.as_ref().map(CaptureFile::new),
            writing: Writing::default(),
            jobs: VecDeque::new(),
            expected: VecDeque::new(),
            routes: Vec::new(),
            waiting: VecDeque::new(),
            from_device: Count::default(),
            to_device: Count::default(),
            drops: Drops::default(),
            refusals: RateLimit::new(1, REFUSAL_INTERVAL),
            faults: Faults::default(),
            config,
        }
    }

    /// Returns whether the device is a serial line.
    pub(super) fn is_serial(&self) -> bool {
        matches!(self.config.kind, EndpointKind::Serial { .. })
    }

    /// Returns the endpoint to which this connection of one channel belongs.
    pub(super) fn parent(&self) -> Option<EndpointId> {
        match self.role {
            Role::Instance(parent) => Some(parent),
            Role::Configured | Role::Port(_) | Role::Sender(_) | Role::Bridge => None,
        }
    }

    /// Returns whether a script has its turn, so that bytes of peers must wait.
    pub(super) fn is_held(&self) -> bool {
        self.jobs.front().is_some_and(Job::holds)
    }

    /// Removes a route from the routes whose messages wait.
    pub(super) fn stop_waiting(&mut self, route: RouteId) {
        self.waiting.retain(|other| *other != route);
    }

    /// Returns whether nothing is under way to the device.
    pub(super) fn is_drained(&self) -> bool {
        let driver_is_empty = !self.is_serial() || self.source.is_none() || self.driver_is_empty;
        self.waiting.is_empty() && self.endpoint.output().is_empty() && driver_is_empty
    }

    /// Counts the framing faults since the last call.
    pub(super) fn count_faults(&mut self) {
        let Some(faults) = self.endpoint.faults().filter(|new| *new != self.faults) else {
            return;
        };
        let count = Count {
            messages: faults.frames - self.faults.frames,
            bytes: faults.bytes - self.faults.bytes,
        };
        self.faults = faults;
        let (direction, reason) = (Direction::ToPeer, DropReason::BadFrame);
        self.drops.add(direction, reason, count);
    }

    /// Logs that a second connection was closed, unless that was logged a moment ago.
    pub(super) fn log_refused_connection(&mut self, now: Instant) {
        let name = &self.config.name;
        if let Some(untold) = self.refusals.pass(now) {
            log::warn!(
                "endpoint {name}: a second connection was closed: one at a time (and {untold} more since it was last said)"
            );
        }
    }
}

/// The writers of a device.
#[derive(Debug, Default)]
pub(crate) struct Writing {
    /// The session that holds the lease.
    pub(super) lease: Option<SessionId>,
    /// The session that has asked the holder for the lease, and the time at which it gets the lease.
    pub(super) asked: Option<(SessionId, Instant)>,
    /// The session whose silence stops the machine: the session that wrote last.
    pub(super) writer: Option<SessionId>,
    /// Sessions that were stopped and have not yet confirmed it. Their messages may have been sent before the
    /// stop.
    pub(super) stopped: BTreeSet<SessionId>,
    /// How often the machine was stopped.
    pub(super) fired: u64,
}

impl Writing {
    /// Returns whether silence would stop the machine now.
    pub(super) fn is_armed(&self) -> bool {
        self.writer.is_some()
    }
}
