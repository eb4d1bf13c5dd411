//! Shutdown in order: bytes of peers go to the devices and data under way reaches the peers, then channels
//! close with a reason, then sessions end. A deadline limits all of this.

use std::time::{Duration, Instant};

use super::{Gateway, cx, settle};
use crate::limits;
use crate::session::set::Ending;
use crate::sources::Exit;

/// The progress of a shutdown.
pub(super) struct Drain {
    deadline: Instant,
    phase: Phase,
    /// When the next step is taken if nothing else happens.
    next: Instant,
}

impl Drain {
    /// Returns when the next step must be taken.
    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        (self.phase != Phase::Done).then_some(self.next)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// Devices still take, or peers still acknowledge, data that is under way.
    Flushing,
    /// Channels are closed, and peers get time to receive the notices.
    Closing { until: Instant },
    /// The shutdown is complete.
    Done,
}

/// Time for the notices of closed channels: several round trips of a slow link.
const CLOSING: Duration = Duration::from_millis(250);

/// Time between two steps when nothing else happens.
const STEP: Duration = Duration::from_millis(50);

impl Gateway {
    pub(super) fn start_drain(&mut self, now: Instant) {
        log::info!("draining {} sessions", self.sessions.len());
        self.drain = Some(Drain {
            deadline: now + limits::DRAIN,
            phase: Phase::Flushing,
            next: now,
        });
        self.devices.start_draining(cx!(self, now));
        self.sessions.start_draining(cx!(self, now));
        self.rendezvous.stop(cx!(self, now));
        settle!(self, now);
        self.step_drain(now);
    }

    /// Moves the shutdown on as far as possible now. [`Gateway::settle`] calls this at every turn.
    pub(super) fn step_drain(&mut self, now: Instant) {
        let Some(Drain {
            deadline,
            phase,
            next,
        }) = self.drain
        else {
            return;
        };
        if phase == Phase::Done {
            return;
        }
        let is_due = next <= now;
        if phase == Phase::Flushing && is_due {
            self.devices.count_unsent(cx!(self, now));
        }
        let is_flushed = phase == Phase::Flushing
            && self.sessions.is_flushed(cx!(self, now))
            && self.devices.table().is_drained();
        let phase = match phase {
            Phase::Flushing
                if self.sessions.is_empty()
                    && self.devices.table().is_drained()
                    && !self.stop_machines(now) =>
            {
                self.finish_drain(now)
            }
            // Stop the machines only after all data has gone out, so that the stop is written last.
            Phase::Flushing if now < deadline && is_flushed && self.stop_machines(now) => {
                Phase::Flushing
            }
            Phase::Flushing if now >= deadline || is_flushed => {
                self.stop_machines(now);
                self.devices.table().log_unwritten();
                for id in self.sessions.ids() {
                    for channel in self.devices.table().channels_of(id) {
                        let detail = "the gateway is shutting down";
                        self.end_channel(now, id, channel, Ending::Closed, "shutdown", detail);
                    }
                }
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
            phase,
            next: if is_due { now + STEP } else { next },
        });
    }

    /// Stops every machine whose writer is watched. Returns false if no writer is watched.
    fn stop_machines(&mut self, now: Instant) -> bool {
        let stopped = self.devices.stop_machines(cx!(self, now));
        settle!(self, now);
        stopped
    }

    fn finish_drain(&mut self, now: Instant) -> Phase {
        for id in self.sessions.ids() {
            self.sessions
                .close(cx!(self, now), id, "the gateway is shutting down");
            self.take_news(now, id);
        }
        settle!(self, now);
        self.devices.finish_scripts(cx!(self, now));
        let cx = cx!(self, now);
        // Flush before the streams end, so that readers receive the ends of channels and sessions.
        self.front.connections_mut().flush_events(cx);
        self.front.connections_mut().end_event_streams(cx);
        self.front.stop_listening(cx);
        log::info!("stopped");
        self.exit = Some(Exit::Done);
        Phase::Done
    }
}
