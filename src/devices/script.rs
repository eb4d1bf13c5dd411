//! Scripts at serial lines: what each of them waits for, and who gets the answer.

use std::time::Instant;

use crate::endpoint::line::{LineFault, LineStatus};
use crate::endpoint::script::Script;
use crate::ids::{RequestId, RouteId, SessionId};

/// A script on its way.
#[derive(Debug)]
pub(super) struct Job {
    pub(super) asker: Asker,
    pub(super) script: Script,
    /// The step that comes next.
    pub(super) next: usize,
    pub(super) phase: Phase,
    /// When the script is given up, if it has not begun; counted from when it has its turn.
    pub(super) give_up: Option<Instant>,
}

/// Who gets the answer to a script.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Asker {
    /// A peer, on its control channel. `id` is JSON of its own.
    Peer {
        session: SessionId,
        id: Option<String>,
    },
    /// A request over HTTP.
    Request(RequestId),
    /// The session that asked has ended.
    Gone,
}

/// What a script waits for before its first step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum After {
    /// Nothing.
    Now,
    /// Nothing, and the script goes ahead of those that have not begun: a board that takes nothing is to be reset.
    Ahead,
    /// This many bytes of a peer's channel.
    Route { route: RouteId, offset: u64 },
    /// This many bytes of all peers together.
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
    /// The byte that the script follows has not come yet.
    Waiting(After),
    /// That byte is on its way out. The device has taken it when it has taken `until` bytes in all.
    Draining { until: u64 },
    /// The next step can be taken.
    Running,
    /// A step was asked for, and its answer is to come.
    Asked,
    /// The script pauses.
    Pausing { until: Instant },
}

/// What an answer to [`crate::sources::Command::Line`] is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Expected {
    /// The step of the first script.
    Job,
    /// `GET /endpoints/{name}`.
    View(RequestId),
    /// A script that only looks: it waits for no other script, and no other waits for it.
    Look(Asker),
    /// What the driver held was thrown away: the stop may be written now.
    Flushed,
    /// Nothing: the answer is ignored.
    Ignored,
}

/// How a script ended: with the state of the line, or with the step that failed.
pub(crate) type Outcome = Result<LineStatus, (Option<usize>, LineFault)>;

impl Job {
    /// Waits no longer for bytes that will not go out any more.
    pub(super) fn stop_draining(&mut self, written: u64) {
        if let Phase::Draining { until } = &mut self.phase {
            *until = written.min(*until);
        }
    }

    /// Returns whether one of its steps has been taken.
    pub(super) fn has_begun(&self) -> bool {
        match self.phase {
            Phase::Waiting(_) | Phase::Draining { .. } => false,
            Phase::Running => self.next > 0,
            Phase::Asked | Phase::Pausing { .. } => true,
        }
    }

    /// Returns how many bytes of a route it waits for, if it does.
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
