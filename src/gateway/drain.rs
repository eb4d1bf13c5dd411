//! The way out: what peers have sent goes to the devices, what is on its way to peers arrives,
//! channels are closed with a reason, then sessions; all within a limit.

use std::time::{Duration, Instant};

use super::Gateway;
use super::source::{Command, Exit, Source};
use super::timers::TimerKey;
use crate::limits;

/// Where the draining has come to.
pub(super) struct Drain {
    deadline: Instant,
    phase: Phase,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// Waiting for devices to take, and peers to acknowledge, what is on its way.
    Flushing,
    /// Channels are closed; peers get a moment to hear of it.
    Closing { until: Instant },
    /// Nothing is left to be done.
    Done,
}

/// Several round trips of a slow link, for the closing of channels to be told.
const CLOSING: Duration = Duration::from_millis(250);

/// How often the draining is looked at when nothing else happens.
const STEP: Duration = Duration::from_millis(50);

impl Gateway {
    pub(super) fn start_drain(&mut self, now: Instant) {
        log::info!("draining {} sessions", self.sessions.len());
        self.drain = Some(Drain {
            deadline: now + limits::DRAIN,
            phase: Phase::Flushing,
        });
        for id in self.routing.endpoints.ids() {
            self.read_device_on(id);
        }
        for id in self.sessions.ids() {
            self.with_session(id, |entry, _| entry.session.hurry());
        }
        self.end_polls(now);
        self.step_drain(now);
    }

    pub(super) fn step_drain(&mut self, now: Instant) {
        let Some(Drain { deadline, phase }) = self.drain else {
            return;
        };
        if phase == Phase::Flushing && !self.timers.is_set(TimerKey::Drain) {
            self.count_unsent();
        }
        let next = match phase {
            Phase::Flushing
                if self.sessions.is_empty()
                    && self.devices_are_drained()
                    && !self.stop_machines(now) =>
            {
                self.finish_drain(now)
            }
            // What was sent has gone out; the stop goes last.
            Phase::Flushing if now < deadline && self.is_flushed() && self.stop_machines(now) => {
                Phase::Flushing
            }
            Phase::Flushing if now >= deadline || self.is_flushed() => {
                self.stop_machines(now);
                self.say_unwritten();
                self.close_all_channels();
                Phase::Closing {
                    until: now + CLOSING,
                }
            }
            Phase::Closing { until } if now >= until || self.sessions.is_empty() => {
                self.finish_drain(now)
            }
            Phase::Flushing | Phase::Closing { .. } | Phase::Done => phase,
        };
        self.drain = Some(Drain {
            deadline,
            phase: next,
        });
        let again = (next != Phase::Done).then_some(now + STEP);
        // Called at every turn: an earlier step that is still to come stays.
        if again.is_none() || !self.timers.is_set(TimerKey::Drain) {
            self.timers.set(TimerKey::Drain, again);
        }
    }

    fn devices_are_drained(&self) -> bool {
        self.routing
            .endpoints
            .iter()
            .all(|(_, device)| device.is_drained())
    }

    fn is_flushed(&mut self) -> bool {
        let sessions = self.sessions.ids();
        let flushed = sessions.into_iter().all(|id| {
            self.with_session(id, |entry, _| entry.session.is_flushed())
                .unwrap_or(true)
        });
        flushed && self.devices_are_drained()
    }

    fn close_all_channels(&mut self) {
        for id in self.sessions.ids() {
            let Some(entry) = self.sessions.get(id) else {
                continue;
            };
            let routes = entry
                .routes
                .iter()
                .filter_map(|route| self.routing.routes.get(*route));
            let channels: Vec<_> = routes.map(|route| route.channel).collect();
            for channel in channels {
                let detail = "the gateway is shutting down";
                self.end_channel(id, channel, "shutdown", detail);
            }
        }
    }

    /// What scripts still had to set is set, without their waits.
    pub(super) fn finish_scripts(&mut self) {
        let ids: Vec<_> = self.routing.endpoints.iter().map(|(id, _)| id).collect();
        for id in ids {
            self.finish_at_once(id);
        }
    }

    /// What devices have not taken is lost now, and said, or nobody would learn of it.
    pub(super) fn say_unwritten(&self) {
        for (_, device) in self.routing.endpoints.iter() {
            let bytes = device.endpoint.output().len();
            let waiting = device
                .waiting()
                .filter_map(|id| self.routing.routes.get(*id));
            let lost = bytes + waiting.map(|route| route.queued_bytes()).sum::<usize>();
            if lost > 0 {
                let name = &device.config.name;
                log::warn!("endpoint {name}: {lost} bytes were not written before the stop");
            }
        }
    }

    fn finish_drain(&mut self, now: Instant) -> Phase {
        for id in self.sessions.ids() {
            self.close_session(now, id, "the gateway is shutting down");
        }
        self.finish_scripts();
        self.flush_events(now);
        self.end_event_streams(now);
        for (source, _) in self
            .sources
            .iter()
            .filter(|(_, s)| matches!(s, Source::Listener { .. }))
        {
            self.commands.push_back(Command::Close { source });
        }
        log::info!("stopped");
        self.exit = Some(Exit::Done);
        Phase::Done
    }
}
