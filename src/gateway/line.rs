//! Line control: scripts for serial lines, one after the other per device, each when the byte
//! that it waits for has left the tty.
//!
//! From the moment a script has its turn nobody's bytes go to the device, so that what a peer
//! sends behind it (at another speed, say) is not overtaken by it.

use std::time::{Duration, Instant};

use super::access::refused;
use super::routes::Route;
use super::source::{Command, Source};
use super::timers::TimerKey;
use super::{Device, Gateway};
use crate::access::Refusal;
use crate::api::origin::Caller;
use crate::config::EndpointKind;
use crate::endpoint::DeviceState;
use crate::endpoint::line::{LineFault, LineStatus, LineStep};
use crate::endpoint::script::{Script, Step};
use crate::ids::{EndpointId, RouteId, RouteKind, SessionId, SourceId};
use crate::util::slab::Slab;

/// Scripts that wait at one device.
const MAX_JOBS: usize = 16;
/// A script that still waits for its byte after this will wait for ever.
const PATIENCE: Duration = Duration::from_secs(30);
/// How often a driver is asked what it still holds.
const POLL: Duration = Duration::from_millis(2);

/// A script on its way.
#[derive(Debug)]
pub(super) struct Job {
    asker: Asker,
    script: Script,
    next: usize,
    phase: Phase,
    /// When it is given up, if it has not begun; counted from when it has its turn.
    give_up: Option<Instant>,
}

/// Who gets the answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Asker {
    /// A peer, on its control channel; `id` is JSON of its own.
    Peer {
        session: SessionId,
        id: Option<String>,
    },
    /// A request over HTTP.
    Http { source: SourceId, caller: Caller },
    /// Nobody: it is the gateway's own doing, or the peer has gone.
    Nobody,
}

/// What a script waits for before its first step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum After {
    /// Nothing.
    Now,
    /// Nothing, and it goes ahead of the scripts that have not begun: a board that takes nothing is to be reset.
    Ahead,
    /// This many bytes of a peer's channel.
    Route { route: RouteId, offset: u64 },
    /// This many bytes of everybody.
    Device { offset: u64 },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// Its byte has not come yet.
    Waiting(After),
    /// It has, and is on its way out, up to this offset of what the device takes.
    Draining { until: u64 },
    /// Steps are being done.
    Running,
    /// One has been asked for, and its answer is to come.
    Asked,
    /// A step of its own doing takes time.
    Pausing { until: Instant },
}

/// What an answer to [`Command::Line`] is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Expected {
    /// The first job's step.
    Job,
    /// `GET /endpoints/{name}`.
    View { source: SourceId, caller: Caller },
    /// A script that only looks: it waits for no other, and no other waits for it.
    Look(Asker),
    /// What the driver held is thrown away: the stop may be written now.
    Flushed,
    /// Nobody looks at it.
    Ignored,
}

/// How a script ended: with the line's state, or with the step that failed.
pub(super) type Outcome = Result<LineStatus, (Option<usize>, LineFault)>;

impl Gateway {
    /// Takes a script; the answer goes to `asker`, now or later.
    pub(super) fn run_script(
        &mut self,
        now: Instant,
        id: EndpointId,
        asker: Asker,
        script: Script,
        after: After,
    ) {
        let Some(device) = self.routing.endpoints.get(id) else {
            return;
        };
        let is_serial = matches!(device.config.kind, EndpointKind::Serial { .. });
        let looks_only = script.steps.is_empty();
        let denied = match &asker {
            Asker::Peer { session, .. } if !looks_only => self.check_writer(*session, id).err(),
            Asker::Peer { .. } | Asker::Http { .. } | Asker::Nobody => None,
        };
        let Some(device) = self.routing.endpoints.get_mut(id) else {
            return;
        };
        let fault = if !is_serial {
            Some(LineFault::NoLine)
        } else if let Some(reason) = denied {
            Some(LineFault::Denied(reason))
        } else if device.source.is_none() || device.endpoint.state() != DeviceState::Open {
            Some(LineFault::Absent)
        } else if device.jobs.len() >= MAX_JOBS || device.pending_looks() >= MAX_JOBS {
            Some(LineFault::Busy)
        } else {
            None
        };
        if let Some(fault) = fault {
            return self.answer_script(now, id, &asker, Err((None, fault)));
        }
        if let Some(source) = device.source
            && looks_only
            && after == After::Now
        {
            device.expected.push_back(Expected::Look(asker));
            let step = LineStep::Look;
            return self.commands.push_back(Command::Line { source, step });
        }
        let phase = match after {
            After::Now | After::Ahead => Phase::Running,
            After::Route { .. } | After::Device { .. } => Phase::Waiting(after),
        };
        let job = Job {
            asker,
            script,
            next: 0,
            phase,
            give_up: None,
        };
        let place = match after {
            After::Ahead => usize::from(device.jobs.front().is_some_and(Job::has_begun)),
            After::Now | After::Route { .. } | After::Device { .. } => device.jobs.len(),
        };
        device.jobs.insert(place, job);
        if place == 0 {
            self.step_jobs(now, id);
        }
    }

    /// The same, and whoever stood behind a script that has ended goes on, too.
    pub(super) fn go_on_with_jobs(&mut self, now: Instant, id: EndpointId) {
        self.step_jobs(now, id);
        self.offer_waiting(now, id);
    }

    /// Takes the first script of a device as far as it goes now.
    pub(super) fn step_jobs(&mut self, now: Instant, id: EndpointId) {
        loop {
            let Some(device) = self.routing.endpoints.get_mut(id) else {
                return;
            };
            let (written, output) = (device.endpoint.written(), device.endpoint.output().len());
            let (accepted, source) = (device.to_device.bytes, device.source);
            let Some(job) = device.jobs.front_mut() else {
                return self.timers.set(TimerKey::Line(id), None);
            };
            let give_up = *job.give_up.get_or_insert(now + PATIENCE);
            let Some(source) = source else {
                self.finish_job(now, id, Err((None, LineFault::Absent)));
                continue;
            };
            match job.phase {
                Phase::Waiting(after) => {
                    let has_come = match after {
                        After::Now | After::Ahead => Some(true),
                        After::Device { offset } => Some(accepted >= offset),
                        After::Route { route, offset } => {
                            let route = self.routing.routes.get(route);
                            route.map(|route| route.delivered() >= offset)
                        }
                    };
                    match has_come {
                        Some(true) => {
                            let until = written + output as u64;
                            job.phase = Phase::Draining { until };
                            job.give_up = Some(now + PATIENCE);
                        }
                        Some(false) if now < give_up => {
                            return self.timers.set(TimerKey::Line(id), Some(give_up));
                        }
                        // They have come, and wait for a slow line.
                        Some(false) if is_on_its_way(after, &self.routing.routes) => {
                            job.give_up = None;
                        }
                        Some(false) => {
                            let detail = "the byte that it was to follow has not come";
                            let fault = LineFault::Failed(detail.to_owned());
                            self.finish_job(now, id, Err((None, fault)));
                        }
                        None => {
                            let fault = LineFault::Failed("its channel has closed".to_owned());
                            self.finish_job(now, id, Err((None, fault)));
                        }
                    }
                }
                Phase::Draining { .. } if now >= give_up => {
                    let fault = LineFault::Failed("the line takes nothing".to_owned());
                    self.finish_job(now, id, Err((None, fault)));
                }
                Phase::Draining { until } if written < until => {
                    return self.timers.set(TimerKey::Line(id), Some(give_up));
                }
                Phase::Draining { .. } => {
                    self.commands.push_back(Command::CountUnsent { source });
                    return self.timers.set(TimerKey::Line(id), Some(now + POLL));
                }
                Phase::Asked => return,
                Phase::Pausing { until } if now < until => {
                    return self.timers.set(TimerKey::Line(id), Some(until));
                }
                Phase::Pausing { .. } => job.phase = Phase::Running,
                Phase::Running => {
                    let step = job.script.steps.get(job.next).map(|(_, step)| *step);
                    match step {
                        Some(Step::Wait(time)) => {
                            job.next += 1;
                            let until = now + time;
                            job.phase = Phase::Pausing { until };
                        }
                        // The last look tells how the line is now.
                        None | Some(Step::Line(_)) => {
                            let step = match step {
                                Some(Step::Line(step)) => step,
                                Some(Step::Wait(_)) | None => LineStep::Look,
                            };
                            job.phase = Phase::Asked;
                            device.expected.push_back(Expected::Job);
                            self.commands.push_back(Command::Line { source, step });
                            return self.timers.set(TimerKey::Line(id), None);
                        }
                    }
                }
            }
        }
    }

    /// The line moves: the patience of who waits for it begins anew.
    pub(super) fn handle_job_progress(&mut self, now: Instant, id: EndpointId) {
        let device = self.routing.endpoints.get_mut(id);
        if let Some(job) = device.and_then(|device| device.jobs.front_mut())
            && matches!(job.phase, Phase::Draining { .. })
        {
            job.give_up = Some(now + PATIENCE);
        }
        self.step_jobs(now, id);
    }

    /// The driver holds this much of what it took.
    pub(super) fn handle_job_unsent(&mut self, now: Instant, id: EndpointId, bytes: usize) {
        let job = self
            .routing
            .endpoints
            .get_mut(id)
            .and_then(|device| device.jobs.front_mut());
        if let Some(job) = job
            && bytes == 0
            && matches!(job.phase, Phase::Draining { .. })
        {
            job.phase = Phase::Running;
            self.go_on_with_jobs(now, id);
        }
    }

    /// The answer to [`Command::Line`].
    pub(super) fn handle_line_result(
        &mut self,
        now: Instant,
        id: EndpointId,
        result: Result<LineStatus, LineFault>,
    ) {
        let Some(device) = self.routing.endpoints.get_mut(id) else {
            return;
        };
        match device.expected.pop_front() {
            Some(Expected::View { source, caller }) => {
                self.answer_view(now, id, source, &caller, result);
            }
            Some(Expected::Look(asker)) => {
                let outcome = result.map_err(|fault| (None, fault));
                self.answer_script(now, id, &asker, outcome);
            }
            Some(Expected::Job) => {
                let Some(job) = device.jobs.front_mut() else {
                    return;
                };
                let place = job.script.steps.get(job.next).map(|(place, _)| *place);
                match (result, place) {
                    (Ok(_), Some(_)) => {
                        job.next += 1;
                        job.phase = Phase::Running;
                    }
                    (Ok(status), None) => {
                        self.finish_job(now, id, Ok(status));
                    }
                    (Err(fault), place) => {
                        self.finish_job(now, id, Err((place, fault)));
                    }
                }
                self.go_on_with_jobs(now, id);
            }
            Some(Expected::Flushed) => {
                // Another may be on its way, which would throw away what is written now.
                device.holds_output = device.expected.contains(&Expected::Flushed);
                self.after_endpoint(id);
            }
            Some(Expected::Ignored) | None => {}
        }
    }

    /// A script that has begun is ended without its pauses: no break and no reset is left behind.
    pub(super) fn finish_at_once(&mut self, id: EndpointId) {
        let Some(device) = self.routing.endpoints.get_mut(id) else {
            return;
        };
        let Some(source) = device.source else { return };
        let Some(job) = device.jobs.front_mut().filter(|job| job.has_begun()) else {
            return;
        };
        let rest = job
            .script
            .steps
            .split_off(job.next.min(job.script.steps.len()));
        for (_, step) in rest {
            if let Step::Line(step) = step {
                device.expected.push_back(Expected::Ignored);
                self.commands.push_back(Command::Line { source, step });
            }
        }
    }

    /// The machine is being stopped: nothing else is to happen at its line.
    pub(super) fn cancel_jobs(&mut self, now: Instant, id: EndpointId) {
        self.finish_at_once(id);
        let detail = "the writer fell silent, and the device was stopped";
        while self.finish_job(now, id, Err((None, LineFault::Failed(detail.to_owned())))) {}
        if let Some(device) = self.routing.endpoints.get_mut(id) {
            for expected in &mut device.expected {
                if *expected == Expected::Job {
                    *expected = Expected::Ignored;
                }
            }
        }
        self.timers.set(TimerKey::Line(id), None);
    }

    /// The device has gone, and with it what its scripts were for.
    pub(super) fn fail_jobs(&mut self, now: Instant, id: EndpointId) {
        while self.finish_job(now, id, Err((None, LineFault::Absent))) {}
        if let Some(device) = self.routing.endpoints.get_mut(id) {
            // Answers to what was asked of the old source will not come.
            let expected = std::mem::take(&mut device.expected);
            for expected in expected {
                match expected {
                    Expected::View { source, caller } => {
                        self.answer_view(now, id, source, &caller, Err(LineFault::Absent));
                    }
                    Expected::Look(asker) => {
                        self.answer_script(now, id, &asker, Err((None, LineFault::Absent)));
                    }
                    Expected::Job | Expected::Flushed | Expected::Ignored => {}
                }
            }
        }
        self.timers.set(TimerKey::Line(id), None);
    }

    /// A session has ended: its scripts that have not begun are forgotten; one that has goes on,
    /// because a board that is held in reset helps nobody.
    pub(super) fn forget_jobs_of(&mut self, gone: SessionId) {
        for (id, device) in self.routing.endpoints.iter_mut() {
            let mut place = 0;
            device.jobs.retain_mut(|job| {
                let is_front = place == 0;
                place += 1;
                let is_of = matches!(job.asker, Asker::Peer { session, .. } if session == gone);
                if is_of {
                    job.asker = Asker::Nobody;
                    self.halted.push(id);
                }
                !is_of || (is_front && job.has_begun())
            });
        }
    }

    /// Scripts of requests with a token that does not hold any more are not begun.
    pub(super) fn forget_requests_of(&mut self, now: Instant, token: &str) {
        let sources = &self.sources;
        let is_of = |asker: &Asker| match asker {
            Asker::Http { source, .. } => {
                matches!(sources.get(*source), Some(Source::Http(http)) if http.grant.is_of(token))
            }
            Asker::Peer { .. } | Asker::Nobody => false,
        };
        let mut dropped = Vec::new();
        for (id, device) in self.routing.endpoints.iter_mut() {
            let before = device.jobs.len();
            device.jobs.retain(|job| {
                let goes = is_of(&job.asker) && !job.has_begun();
                if goes && let Asker::Http { source, caller } = &job.asker {
                    dropped.push((*source, caller.clone()));
                }
                !goes
            });
            if device.jobs.len() < before {
                self.halted.push(id);
            }
        }
        for (source, caller) in dropped {
            self.answer(now, source, &caller, refused(Refusal::Revoked).response());
            self.service(now, source);
        }
    }

    fn finish_job(&mut self, now: Instant, id: EndpointId, outcome: Outcome) -> bool {
        let Some(device) = self.routing.endpoints.get_mut(id) else {
            return false;
        };
        let Some(job) = device.jobs.pop_front() else {
            return false;
        };
        self.answer_script(now, id, &job.asker, outcome);
        true
    }

    /// The device behind a source, for answers to commands.
    pub(super) fn device_of(&self, source: SourceId) -> Option<EndpointId> {
        match self.sources.get(source) {
            Some(Source::Device(endpoint)) => Some(*endpoint),
            Some(_) | None => None,
        }
    }
}

impl Device {
    /// Looks that are not answered yet.
    fn pending_looks(&self) -> usize {
        let looks = self.expected.iter();
        looks
            .filter(|expected| matches!(expected, Expected::Look(_)))
            .count()
    }
}

impl Job {
    /// The bytes that it waits for have gone out, as far as they will.
    pub(super) fn stop_draining(&mut self, written: u64) {
        if let Phase::Draining { until } = &mut self.phase {
            *until = written.min(*until);
        }
    }

    /// Whether one of its steps has been taken.
    fn has_begun(&self) -> bool {
        match self.phase {
            Phase::Waiting(_) | Phase::Draining { .. } => false,
            Phase::Running => self.next > 0,
            Phase::Asked | Phase::Pausing { .. } => true,
        }
    }

    /// How many bytes of a route it waits for, if it does.
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

    /// Whether the bytes of peers must stay behind this script.
    pub(super) fn holds(&self) -> bool {
        !matches!(self.phase, Phase::Waiting(_))
    }
}

/// Whether bytes of the route that a script waits for wait in the gateway.
fn is_on_its_way(after: After, routes: &Slab<RouteKind, Route>) -> bool {
    let After::Route { route, .. } = after else {
        return false;
    };
    routes.get(route).is_some_and(|route| !route.is_empty())
}
