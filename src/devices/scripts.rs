//! Line control: the scripts of a serial line run one after the other, each when the byte that it follows has left the tty.
//!
//! From the moment a script has its turn no bytes of peers go to the device, so that what a peer sends behind its script (at another
//! speed, say) does not overtake it.

use std::time::Duration;

use super::device::Device;
use super::script::{Expected, Job, Phase};
use super::{After, Asker, DeviceEvent, Devices, NoRoute, Outcome, TimerKey};
use crate::endpoint::DeviceState;
use crate::endpoint::line::{LineFault, LineStatus, LineStep};
use crate::endpoint::script::{Script, Step};
use crate::ids::{EndpointId, RequestId, RouteId, SessionId};
use crate::sources::{Command, Context};

/// How many scripts may wait at one device.
const MAX_JOBS: usize = 16;
/// A script that has waited for its byte this long is given up.
const LINE_PATIENCE: Duration = Duration::from_secs(30);
/// How often a driver is asked how much it still holds.
const POLL_INTERVAL: Duration = Duration::from_millis(2);

/// Whether the first script of a device goes on in the same call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Progress {
    Again,
    Later,
}

impl Devices {
    /// Takes a script. Its answer is a [`DeviceEvent::ScriptDone`], now or later.
    pub(crate) fn run_script(
        &mut self,
        cx: &mut Context<'_>,
        id: EndpointId,
        asker: Asker,
        script: Script,
        after: After,
    ) {
        let looks_only = script.steps.is_empty();
        let denied = match &asker {
            Asker::Peer { session, .. } if !looks_only => self.check_writer(*session, id).err(),
            Asker::Peer { .. } | Asker::Request(_) | Asker::Gone => None,
        };
        let Some(device) = self.endpoints.get_mut(id) else {
            return;
        };
        let fault = if !device.is_serial() {
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
            return self.answer_script(id, asker, Err((None, fault)));
        }
        if let Some(source) = device.source
            && looks_only
            && after == After::Now
        {
            device.expected.push_back(Expected::Look(asker));
            let step = LineStep::Look;
            return cx.sources.ask(Command::Line { source, step });
        }
        let job = Job {
            asker,
            script,
            next: 0,
            phase: match after {
                After::Now | After::Ahead => Phase::Running,
                After::Route { .. } | After::Device { .. } => Phase::Waiting(after),
            },
            give_up: None,
        };
        let place = match after {
            After::Ahead => usize::from(device.jobs.front().is_some_and(Job::has_begun)),
            After::Now | After::Route { .. } | After::Device { .. } => device.jobs.len(),
        };
        device.jobs.insert(place, job);
        if place == 0 {
            self.step_scripts(cx, id);
        }
    }

    /// Asks how a line is, for `GET /endpoints/{name}`. The answer is a [`DeviceEvent::Viewed`]. Returns false if there is nothing
    /// to be asked.
    pub(crate) fn look(
        &mut self,
        cx: &mut Context<'_>,
        id: EndpointId,
        request: RequestId,
    ) -> bool {
        let device = self
            .endpoints
            .get_mut(id)
            .filter(|device| device.is_serial());
        let Some((device, source)) = device.and_then(|device| {
            let source = device.source?;
            Some((device, source))
        }) else {
            return false;
        };
        device.expected.push_back(Expected::View(request));
        let step = LineStep::Look;
        cx.sources.ask(Command::Line { source, step });
        true
    }

    /// Returns whether a script waits at a device or has its turn.
    pub(super) fn has_scripts(&self, id: EndpointId) -> bool {
        let device = self.endpoints.get(id);
        device.is_some_and(|device| !device.jobs.is_empty())
    }

    /// Goes on with a device's scripts, then with the messages that stood behind a script which has ended.
    pub(super) fn resume_scripts(&mut self, cx: &mut Context<'_>, id: EndpointId) {
        self.step_scripts(cx, id);
        self.offer_waiting(cx, id);
    }

    /// Takes the first scripts of a device as far as they go now.
    pub(super) fn step_scripts(&mut self, cx: &mut Context<'_>, id: EndpointId) {
        while self.step_script(cx, id) == Progress::Again {}
    }

    fn step_script(&mut self, cx: &mut Context<'_>, id: EndpointId) -> Progress {
        let now = cx.now;
        let Some(device) = self.endpoints.get_mut(id) else {
            return Progress::Later;
        };
        let written = device.endpoint.written();
        let source = device.source;
        let Some(job) = device.jobs.front_mut() else {
            return self.wake_script(id, None);
        };
        let give_up = *job.give_up.get_or_insert(now + LINE_PATIENCE);
        let Some(source) = source else {
            return self.give_up_script(id, LineFault::Absent);
        };
        match job.phase {
            Phase::Waiting(after) => self.step_waiting(cx, id, after),
            Phase::Draining { .. } if now >= give_up => {
                let fault = LineFault::Failed("the line takes nothing".to_owned());
                self.give_up_script(id, fault)
            }
            Phase::Draining { until } if written < until => self.wake_script(id, Some(give_up)),
            // The device has the byte; whether the driver has sent it is asked again and again.
            Phase::Draining { .. } => {
                cx.sources.ask(Command::CountUnsent { source });
                self.wake_script(id, Some(now + POLL_INTERVAL))
            }
            Phase::Asked => Progress::Later,
            Phase::Pausing { until } if now < until => self.wake_script(id, Some(until)),
            Phase::Pausing { .. } => {
                job.phase = Phase::Running;
                Progress::Again
            }
            Phase::Running => {
                let step = match job.script.steps.get(job.next).map(|(_, step)| *step) {
                    Some(Step::Wait(time)) => {
                        job.next += 1;
                        let until = now + time;
                        job.phase = Phase::Pausing { until };
                        return Progress::Again;
                    }
                    Some(Step::Line(step)) => step,
                    // The last look tells how the line is now.
                    None => LineStep::Look,
                };
                job.phase = Phase::Asked;
                device.expected.push_back(Expected::Job);
                cx.sources.ask(Command::Line { source, step });
                self.wake_script(id, None)
            }
        }
    }

    /// Looks whether the byte has come that the first script follows.
    fn step_waiting(&mut self, cx: &Context<'_>, id: EndpointId, after: After) -> Progress {
        let Some(device) = self.endpoints.get_mut(id) else {
            return Progress::Later;
        };
        let (mut has_come, mut is_on_its_way) = (Some(true), false);
        match after {
            After::Now | After::Ahead => {}
            After::Device { offset } => has_come = Some(device.to_device.bytes >= offset),
            After::Route { route, offset } => {
                let route = self.routes.get(route);
                has_come = route.map(|route| route.delivered() >= offset);
                is_on_its_way = route.is_some_and(|route| !route.is_empty());
            }
        }
        let until = device.endpoint.written() + device.endpoint.output().len() as u64;
        let Some(job) = device.jobs.front_mut() else {
            return Progress::Later;
        };
        let give_up = job.give_up.unwrap_or(cx.now);
        match has_come {
            Some(true) => {
                job.phase = Phase::Draining { until };
                job.give_up = Some(cx.now + LINE_PATIENCE);
                Progress::Again
            }
            Some(false) if cx.now < give_up => self.wake_script(id, Some(give_up)),
            // The bytes have come, and wait for a slow line.
            Some(false) if is_on_its_way => {
                job.give_up = None;
                Progress::Again
            }
            Some(false) => {
                let detail = "the byte that it was to follow has not come";
                self.give_up_script(id, LineFault::Failed(detail.to_owned()))
            }
            None => self.give_up_script(id, LineFault::Failed("its channel has closed".to_owned())),
        }
    }

    fn wake_script(&mut self, id: EndpointId, at: Option<std::time::Instant>) -> Progress {
        self.timers.set(TimerKey::Line(id), at);
        Progress::Later
    }

    fn give_up_script(&mut self, id: EndpointId, fault: LineFault) -> Progress {
        self.finish_script(id, Err((None, fault)));
        Progress::Again
    }

    /// Notes that the line moves: the patience of the script that waits for it begins anew.
    pub(super) fn handle_script_progress(&mut self, cx: &mut Context<'_>, id: EndpointId) {
        let device = self.endpoints.get_mut(id);
        if let Some(job) = device.and_then(|device| device.jobs.front_mut())
            && matches!(job.phase, Phase::Draining { .. })
        {
            job.give_up = Some(cx.now + LINE_PATIENCE);
        }
        self.step_scripts(cx, id);
    }

    /// Takes the answer to [`Command::CountUnsent`]: how many bytes the driver holds of what it took.
    pub(crate) fn handle_unsent(&mut self, cx: &mut Context<'_>, id: EndpointId, bytes: usize) {
        let Some(device) = self.endpoints.get_mut(id) else {
            return;
        };
        device.driver_is_empty = bytes == 0;
        let written = device.endpoint.written();
        device.stop_end = device.stop_end.filter(|end| bytes > 0 || written < *end);
        if let Some(job) = device.jobs.front_mut()
            && bytes == 0
            && matches!(job.phase, Phase::Draining { .. })
        {
            job.phase = Phase::Running;
            self.resume_scripts(cx, id);
        }
    }

    /// Takes the answer to [`Command::Line`].
    pub(crate) fn handle_line(
        &mut self,
        cx: &mut Context<'_>,
        id: EndpointId,
        result: Result<LineStatus, LineFault>,
    ) {
        let Some(device) = self.endpoints.get_mut(id) else {
            return;
        };
        match device.expected.pop_front() {
            Some(Expected::View(request)) => self.answer_look(id, request, result.ok()),
            Some(Expected::Look(asker)) => {
                let outcome = result.map_err(|fault| (None, fault));
                self.answer_script(id, asker, outcome);
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
                        self.finish_script(id, Ok(status));
                    }
                    (Err(fault), place) => {
                        self.finish_script(id, Err((place, fault)));
                    }
                }
                self.resume_scripts(cx, id);
            }
            Some(Expected::Flushed) => {
                // Another flush may be on its way, which would throw away what is written now.
                device.holds_output = device.expected.contains(&Expected::Flushed);
                self.after_endpoint(cx, id);
            }
            Some(Expected::Ignored) | None => {}
        }
    }

    fn answer_look(&mut self, endpoint: EndpointId, request: RequestId, line: Option<LineStatus>) {
        self.events.push_back(DeviceEvent::Viewed {
            request,
            endpoint,
            line,
        });
    }

    // ---- the end of scripts ----

    /// Sets what all scripts that have begun still had to set, without their pauses.
    pub(crate) fn finish_scripts(&mut self, cx: &mut Context<'_>) {
        for id in self.endpoints.ids() {
            self.finish_script_at_once(cx, id);
        }
    }

    /// Sets what a script that has begun still had to set, without its pauses: no break and no reset is left behind.
    pub(super) fn finish_script_at_once(&mut self, cx: &mut Context<'_>, id: EndpointId) {
        let Some(device) = self.endpoints.get_mut(id) else {
            return;
        };
        let Some(source) = device.source else { return };
        let Some(job) = device.jobs.front_mut().filter(|job| job.has_begun()) else {
            return;
        };
        let at = job.next.min(job.script.steps.len());
        for (_, step) in job.script.steps.split_off(at) {
            if let Step::Line(step) = step {
                device.expected.push_back(Expected::Ignored);
                cx.sources.ask(Command::Line { source, step });
            }
        }
    }

    /// Cancels all scripts of a device, because its machine is being stopped: nothing else is to happen at its line.
    pub(super) fn cancel_scripts(&mut self, cx: &mut Context<'_>, id: EndpointId) {
        self.finish_script_at_once(cx, id);
        let detail = "the writer fell silent, and the device was stopped";
        while self.finish_script(id, Err((None, LineFault::Failed(detail.to_owned())))) {}
        if let Some(device) = self.endpoints.get_mut(id) {
            for expected in &mut device.expected {
                if *expected == Expected::Job {
                    *expected = Expected::Ignored;
                }
            }
        }
        self.timers.set(TimerKey::Line(id), None);
    }

    /// Fails all scripts of a device that has vanished.
    pub(super) fn fail_scripts(&mut self, id: EndpointId) {
        while self.finish_script(id, Err((None, LineFault::Absent))) {}
        // What was asked of the old source is not answered any more.
        let device = self.endpoints.get_mut(id);
        let expected = device.map(|device| std::mem::take(&mut device.expected));
        for expected in expected.into_iter().flatten() {
            match expected {
                Expected::View(request) => self.answer_look(id, request, None),
                Expected::Look(asker) => {
                    self.answer_script(id, asker, Err((None, LineFault::Absent)));
                }
                Expected::Job | Expected::Flushed | Expected::Ignored => {}
            }
        }
        self.timers.set(TimerKey::Line(id), None);
    }

    /// Forgets the scripts of a session that has ended. One that has begun goes on, because a board that is held in reset helps
    /// no user.
    pub(super) fn forget_scripts_of(&mut self, ended: SessionId) {
        for (id, device) in self.endpoints.iter_mut() {
            let mut place = 0;
            device.jobs.retain_mut(|job| {
                let is_front = place == 0;
                place += 1;
                let is_of = matches!(job.asker, Asker::Peer { session, .. } if session == ended);
                if is_of {
                    job.asker = Asker::Gone;
                    self.halted.push(id);
                }
                !is_of || (is_front && job.has_begun())
            });
        }
    }

    /// Removes the scripts of some requests that have not begun. Returns those requests.
    pub(crate) fn cancel_requests(
        &mut self,
        mut is_cancelled: impl FnMut(RequestId) -> bool,
    ) -> Vec<RequestId> {
        let mut cancelled = Vec::new();
        for (id, device) in self.endpoints.iter_mut() {
            let before = device.jobs.len();
            device.jobs.retain(|job| match job.asker {
                Asker::Request(request) if !job.has_begun() && is_cancelled(request) => {
                    cancelled.push(request);
                    false
                }
                Asker::Request(_) | Asker::Peer { .. } | Asker::Gone => true,
            });
            if device.jobs.len() < before {
                self.halted.push(id);
            }
        }
        cancelled
    }

    /// Removes the first script and answers it. Returns false if there is none.
    fn finish_script(&mut self, id: EndpointId, outcome: Outcome) -> bool {
        let device = self.endpoints.get_mut(id);
        let Some(job) = device.and_then(|device| device.jobs.pop_front()) else {
            return false;
        };
        self.answer_script(id, job.asker, outcome);
        true
    }

    fn answer_script(&mut self, id: EndpointId, asker: Asker, outcome: Outcome) {
        let Some(device) = self.endpoints.get(id) else {
            return;
        };
        let name = device.config.name.clone();
        match &outcome {
            Ok(_) => log::debug!("endpoint {name}: line control done"),
            Err((_, fault)) => log::debug!("endpoint {name}: line control: {fault}"),
        }
        if let Asker::Peer { session, .. } = asker {
            self.touch(session);
        }
        self.events.push_back(DeviceEvent::ScriptDone {
            name,
            asker,
            outcome,
        });
    }

    // ---- the channel whose bytes a script counts ----

    /// Returns the route whose bytes a request counts: the session's only one to the endpoint, unless the request says which.
    pub(crate) fn own_route(
        &self,
        session: SessionId,
        endpoint: EndpointId,
        stream: Option<u16>,
    ) -> Result<RouteId, NoRoute> {
        let share = self.shares.get(&session);
        let routes = share.into_iter().flat_map(|share| &share.routes);
        let mut matching = routes.filter(|id| {
            let route = self.routes.get(**id);
            route.is_some_and(|route| stream.is_none_or(|stream| stream == route.stream))
                && self.leads_to(**id, endpoint)
        });
        match (matching.next(), matching.next()) {
            (Some(route), None) => Ok(*route),
            (None, _) => Err(NoRoute::None),
            (Some(_), Some(_)) => Err(NoRoute::Several),
        }
    }

    /// Returns the newest route of a channel that was closed with bytes still to be delivered.
    pub(crate) fn lingering_route(
        &self,
        session: SessionId,
        endpoint: EndpointId,
        stream: Option<u16>,
    ) -> Option<RouteId> {
        let share = self.shares.get(&session)?;
        let mut newest_first = share.lingering.iter().rev().copied();
        newest_first.find(|id| {
            let route = self.routes.get(*id);
            route.is_some_and(|route| Some(route.stream) == stream) && self.leads_to(*id, endpoint)
        })
    }

    /// Returns whether a route is one to this endpoint, or to a connection of its own there.
    fn leads_to(&self, route: RouteId, endpoint: EndpointId) -> bool {
        self.routes.get(route).is_some_and(|route| {
            let device = self.endpoints.get(route.endpoint);
            route.endpoint == endpoint || device.is_some_and(|it| it.parent() == Some(endpoint))
        })
    }
}

impl Device {
    /// Returns how many looks are not answered yet.
    fn pending_looks(&self) -> usize {
        let expected = self.expected.iter();
        let looks = expected.filter(|expected| matches!(expected, Expected::Look(_)));
        looks.count()
    }
}
