//! The steps that follow a change at a device: its scripts go on, then waiting messages follow, then routes
//! and devices end.
//!
//! Scripts and messages wait for each other, so this file holds both: a script waits for a message's last
//! byte, and messages wait behind a script. Files of a higher level call this file; this file calls none of
//! them.

use std::collections::VecDeque;
use std::time::Duration;

use super::script::{Expected, Phase};
use super::waiting::Offered;
use super::{After, Bounds, DeviceEvent, Flow, Table, TimerKey};
use crate::drops::Direction;
use crate::endpoint::line::{LineFault, LineStep};
use crate::endpoint::script::Step;
use crate::endpoint::{Count, DropReason, Message};
use crate::ids::{EndpointId, RouteId, SessionId};
use crate::sources::{Command, Context};
use crate::util::timers::Timers;

/// How long a script waits for its byte before it fails.
const LINE_PATIENCE: Duration = Duration::from_secs(30);
/// How often a driver is asked how many bytes it still holds.
const POLL_INTERVAL: Duration = Duration::from_millis(2);

/// How long a program may take for the data that a channel sent before it closed.
const DISPOSE_AFTER: Duration = Duration::from_secs(60);

/// How many connections of one endpoint may use that time at once.
const MAX_ENDING: usize = 64;

/// How many closed channels of a session may still have messages to deliver.
const MAX_LINGERING: usize = 64;

/// Whether the first script of a device goes on within the same call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Progress {
    Again,
    Later,
}

impl Flow {
    /// Returns the lower half of a component without endpoints.
    pub(super) fn new(bounds: Bounds) -> Self {
        Self {
            table: Table::new(bounds),
            timers: Timers::default(),
            events: VecDeque::with_capacity(16),
            orphans: Vec::new(),
            halted: Vec::new(),
            captures: 0,
            is_draining: false,
        }
    }

    // ---- scripts ----

    /// Resumes a device's scripts, then offers the messages that waited behind a script that has ended.
    pub(super) fn resume_scripts(&mut self, cx: &mut Context<'_>, id: EndpointId) {
        // Scripts first, because messages wait behind them.
        self.step_scripts(cx, id);
        self.offer_waiting(cx, id);
    }

    /// Runs the first scripts of a device as far as possible now.
    pub(super) fn step_scripts(&mut self, cx: &mut Context<'_>, id: EndpointId) {
        while self.step_script(cx, id) == Progress::Again {}
    }

    fn step_script(&mut self, cx: &mut Context<'_>, id: EndpointId) -> Progress {
        let now = cx.now;
        let Some(device) = self.table.endpoints.get_mut(id) else {
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
            // The device has taken the byte. Ask repeatedly whether the driver has sent it.
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
                    // After the last step, read the line's state for the answer.
                    None => LineStep::Look,
                };
                job.phase = Phase::Asked;
                device.expected.push_back(Expected::Job);
                cx.sources.ask(Command::Line { source, step });
                self.wake_script(id, None)
            }
        }
    }

    /// Checks whether the byte has arrived that the first script follows.
    fn step_waiting(&mut self, cx: &Context<'_>, id: EndpointId, after: After) -> Progress {
        let Some(device) = self.table.endpoints.get_mut(id) else {
            return Progress::Later;
        };
        let (mut has_come, mut is_on_its_way) = (Some(true), false);
        match after {
            After::Now | After::Ahead => {}
            After::Device { offset } => has_come = Some(device.to_device.bytes >= offset),
            After::Route { route, offset } => {
                let route = self.table.routes.get(route);
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
            // The bytes have arrived and wait for a slow line.
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

    // ---- messages that wait ----

    /// Resumes scripts after a message was delivered or dropped, because a script may have waited for that
    /// message.
    pub(super) fn after_delivery(&mut self, cx: &mut Context<'_>, id: EndpointId) {
        if self.table.has_scripts(id) {
            self.step_scripts(cx, id);
        }
        self.after_endpoint(cx, id);
        let device = self.table.endpoints.get(id);
        if device.is_some_and(|device| device.endpoint.couples_routes()) {
            self.table.touch_readers(id);
        }
    }

    /// Offers waiting messages until the device has no room.
    pub(super) fn offer_waiting(&mut self, cx: &mut Context<'_>, id: EndpointId) {
        let mut refusals = 0;
        while let Some(route_id) = self.table.next_waiting(id) {
            let Some(waiting) = self.table.take_waiting(route_id) else {
                self.table.stop_waiting(id, route_id);
                continue;
            };
            let message = Message {
                binary: waiting.binary,
                bytes: &waiting.data,
            };
            match self.table.offer(cx, route_id, id, message) {
                Offered::Taken => refusals = 0,
                Offered::Full => {
                    self.table.put_back(route_id, waiting);
                    refusals += 1;
                    if self.table.pass_over(id, refusals) {
                        continue;
                    }
                    break;
                }
                Offered::Refused(reason) => {
                    self.drop_from_peer(route_id, reason, Count::one(waiting.data.len()));
                }
            }
            self.after_delivery(cx, id);
            let Some(route) = self.table.routes.get(route_id) else {
                continue;
            };
            if !route.is_empty() {
                self.extend_credit(route_id);
            } else if route.lingers {
                self.remove_route(cx, route_id, DropReason::Closed);
            } else {
                self.table.stop_waiting(id, route_id);
                self.extend_credit(route_id);
            }
        }
        self.after_endpoint(cx, id);
    }

    /// Ends a route. Messages that still wait are dropped for this reason, and counted.
    pub(super) fn remove_route(&mut self, cx: &mut Context<'_>, id: RouteId, reason: DropReason) {
        // First, because this looks the route up in the table.
        self.detach(cx, id);
        self.timers.set(TimerKey::Linger(id), None);
        let Some(mut route) = self.table.routes.remove(id) else {
            return;
        };
        self.table.queued -= route.queued_bytes();
        self.table.held -= route.transcoder.as_ref().map_or(0, |it| it.held());
        route.forget(reason);
        self.table.counted.drops.add_all(&route.drops);
        self.table.counted.from_peers.add(route.from_peer);
        self.table.counted.to_peers.add(route.to_peer);
        if let Some(share) = self.table.shares.get_mut(&route.session) {
            share.lingering.retain(|other| *other != id);
        }
        self.table.stop_waiting(route.endpoint, id);
        let device = self.table.endpoints.get(route.endpoint);
        if device.is_some_and(|device| device.parent().is_some()) {
            self.orphans.push(route.endpoint);
        }
    }

    /// Removes a route from its session and its endpoint.
    pub(super) fn detach(&mut self, cx: &mut Context<'_>, id: RouteId) {
        let Some(route) = self.table.routes.get(id) else {
            return;
        };
        let (session, endpoint) = (route.session, route.endpoint);
        // Release the lease while the session's other routes are still known, because the lease ends with the
        // last route.
        self.release_lease(session, endpoint, id);
        if let Some(share) = self.table.shares.get_mut(&session) {
            share.routes.retain(|other| *other != id);
        }
        if let Some(device) = self.table.endpoints.get_mut(endpoint) {
            device.routes.retain(|other| *other != id);
            device.endpoint.detach(id);
            let deadline = device.endpoint.poll_timeout();
            self.timers.set(TimerKey::Endpoint(endpoint), deadline);
        }
        self.resume_reading(cx, endpoint);
    }

    // ---- the end of devices ----

    /// Removes a connection that has lost its channel, once the connection has sent its remaining output.
    pub(super) fn dispose_instance(&mut self, cx: &mut Context<'_>, id: EndpointId) {
        let Some(device) = self.table.endpoints.get(id) else {
            return;
        };
        let parent = device.parent();
        let is_wanted = !device.routes.is_empty() || !device.waiting.is_empty();
        if parent.is_none() || is_wanted {
            return;
        }
        let devices = self.table.endpoints.iter();
        let ending = devices.filter(|(_, it)| it.parent() == parent && it.routes.is_empty());
        let is_crowded = ending.count() > MAX_ENDING;
        let is_done = device.ended.is_some() || device.endpoint.output().is_empty();
        if is_done || is_crowded {
            self.remove(cx, id);
        } else {
            let at = Some(cx.now + DISPOSE_AFTER);
            self.timers.set(TimerKey::Dispose(id), at);
        }
    }

    /// Removes an endpoint with everything except its channels, which the caller has closed.
    pub(super) fn remove(&mut self, cx: &mut Context<'_>, id: EndpointId) {
        // Finish the script first, because no break and no reset may be left at the line, and the device must
        // still exist for that.
        self.finish_script_at_once(cx, id);
        self.fail_scripts(id);
        let Some(mut device) = self.table.endpoints.remove(id) else {
            return;
        };
        let unwritten = device.endpoint.output().len();
        if unwritten > 0 {
            let (direction, reason) = (Direction::FromPeer, DropReason::Unwritten);
            device.drops.add(direction, reason, Count::one(unwritten));
            let name = &device.config.name;
            log::warn!("endpoint {name}: {unwritten} bytes queued for it are lost");
        }
        // Channels that closed earlier may still have messages to deliver.
        for route in std::mem::take(&mut device.waiting) {
            self.remove_route(cx, route, DropReason::Closed);
        }
        let capture = device.capture.take().and_then(|capture| {
            self.captures -= 1;
            capture.source
        });
        let sources = [device.source, device.listener, capture];
        for source in sources.into_iter().flatten() {
            cx.sources.close(source);
        }
        self.table.counted.drops.add_all(&device.drops);
        let parent = device.parent();
        if let Some(parent) = parent.and_then(|id| self.table.endpoints.get_mut(id)) {
            parent.from_device.add(device.from_device);
            parent.to_device.add(device.to_device);
        }
        for timer in [
            TimerKey::Endpoint(id),
            TimerKey::Asked(id),
            TimerKey::Deadman(id),
            TimerKey::Capture(id),
            TimerKey::Dispose(id),
            TimerKey::Line(id),
        ] {
            self.timers.set(timer, None);
        }
        if device.local.is_some() {
            self.events.push_back(DeviceEvent::Bound);
        }
    }

    /// Keeps a closed channel's messages. All closed channels of a session together share one window.
    pub(super) fn linger(&mut self, cx: &mut Context<'_>, session: SessionId, id: RouteId) {
        let Some(share) = self.table.shares.get_mut(&session) else {
            return;
        };
        share.lingering.push_back(id);
        while let Some(share) = self.table.shares.get(&session) {
            let bytes = self.table.queued_of(&share.lingering);
            let fits =
                bytes <= self.table.bounds.route_queue && share.lingering.len() <= MAX_LINGERING;
            let Some(oldest) = share.lingering.front().copied().filter(|_| !fits) else {
                break;
            };
            self.remove_route(cx, oldest, DropReason::Closed);
        }
    }

    /// Restarts the time limit of the script that waits for the line, because the line has taken bytes.
    pub(super) fn handle_script_progress(&mut self, cx: &mut Context<'_>, id: EndpointId) {
        let device = self.table.endpoints.get_mut(id);
        if let Some(job) = device.and_then(|device| device.jobs.front_mut())
            && matches!(job.phase, Phase::Draining { .. })
        {
            job.give_up = Some(cx.now + LINE_PATIENCE);
        }
        self.step_scripts(cx, id);
    }
}
