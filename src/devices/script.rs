//! Scripts at serial lines: the condition that each script waits for, and the receiver of its answer.

use std::time::Instant;

use crate::endpoint::line::{LineFault, LineStatus};
use crate::endpoint::script::Script;
use crate::ids::{RequestId, RouteId, SessionId};

/// A script that runs or waits.
#[derive(Debug)]
pub(super) struct Job {
    pub(super) asker: Asker,
    pub(super) script: Script,
    /// The index of the next step.
    pub(super) next: usize,
    pub(super) phase: Phase,
    /// When a script that has not begun fails. The time counts from the start of the script's turn.
    pub(super) give_up: Option<Instant>,
}

/// The receiver of a script's answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Asker {
    /// A peer, on its control channel. `id` is the peer's own JSON value.
    Peer {
        session: SessionId,
        id: Option<String>,
    },
    /// A request over HTTP.
    Request(RequestId),
    /// The session that asked has ended.
    Gone,
}

/// The condition that a script waits for before its first step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum After {
    /// Nothing.
    Now,
    /// Nothing, and the script overtakes scripts that have not begun, because a board that accepts no bytes
    /// may have to be reset.
    Ahead,
    /// The first `offset` bytes of a peer's channel.
    Route { route: RouteId, offset: u64 },
    /// The first `offset` bytes of all peers together.
    Device { offset: u64 },
}

/// Why the bytes of a channel cannot be counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NoRoute {
    /// The session has no channel to the endpoint.
    None,
    /// The session has several, and the request does not say which.
    Several,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    /// The byte that the script follows has not arrived yet.
    Waiting(After),
    /// The byte that the script follows is in the output. The device has taken the byte once it has taken
    /// `until` bytes in all.
    Draining { until: u64 },
    /// The next step can be taken.
    Running,
    /// A step was requested, and its result has not arrived.
    Asked,
    /// The script pauses.
    Pausing { until: Instant },
}

/// The purpose of an answer to [`crate::sources::Command::Line`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Expected {
    /// The answer to a step of the first script.
    Job,
    /// The answer for `GET /endpoints/{name}`.
    View(RequestId),
    /// The answer to a script that only reads the line's state. Such a script waits for no other script, and
    /// no other script waits for it.
    Look(Asker),
    /// The driver has discarded what it held, so the stop may be written now.
    Flushed,
    /// An answer to ignore.
    Ignored,
}

/// The result of a script: the state of the line, or the step that failed.
pub(crate) type Outcome = Result<LineStatus, (Option<usize>, LineFault)>;

impl Job {
    /// Ends the wait for bytes that will never be sent.
    pub(super) fn stop_draining(&mut self, written: u64) {
        if let Phase::Draining { until } = &mut self.phase {
            *until = written.min(*until);
        }
    }

    /// Returns whether one of the script's steps was taken.
    pub(super) fn has_begun(&self) -> bool {
        match self.phase {
            Phase::Waiting(_) | Phase::Draining { .. } => false,
            Phase::Running => self.next > 0,
            Phase::Asked | Phase::Pausing { .. } => true,
        }
    }

    /// Returns how many bytes of a route the script waits for, or `None` if it waits for nothing of the
    /// route.
    pub(super) fn waits_for(&self, waiting: RouteId) -> Option<u64> {
        match self.phase {
            Phase::Waiting(After::Route { route, offset }) if route == waiting => Some(offset),
            Phase::Waiting(_)
            | Phase::Draining { .. }
            | Phase::Running
            | Phase::Asked
            | Phase::Pausing { .. } => None,
        }
    }

    /// Returns whether the bytes of peers must stay behind this script.
    pub(super) fn holds(&self) -> bool {
        !matches!(self.phase, Phase::Waiting(_))
    }
}
