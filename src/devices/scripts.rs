//! Line control: the scripts of a serial line run one after the other, each after the byte that it follows
//! has left the tty.
//!
//! While a script has its turn, no bytes of peers go to the device, so that bytes sent after the script (for
//! example at another speed) do not overtake the script.

use super::device::Device;
use super::script::{Expected, Job, Phase};
use super::{After, Asker, Devices};
use crate::endpoint::DeviceState;
use crate::endpoint::line::{LineFault, LineStatus, LineStep};
use crate::endpoint::script::Script;
use crate::ids::{EndpointId, RequestId};
use crate::sources::{Command, Context};

/// How many scripts may wait at one device.
const MAX_JOBS: usize = 16;

impl Devices {
    /// Adds a script. Its answer is a [`super::DeviceEvent::ScriptDone`], at once or later.
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
            Asker::Peer { session, .. } if !looks_only => {
                self.flow.table.check_writer(*session, id).err()
            }
            Asker::Peer { .. } | Asker::Request(_) | Asker::Gone => None,
        };
        let Some(device) = self.flow.table.endpoints.get_mut(id) else {
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
            return self.flow.answer_script(id, asker, Err((None, fault)));
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
            self.flow.step_scripts(cx, id);
        }
    }

    /// Asks for the state of a line, for `GET /endpoints/{name}`. The answer is a
    /// [`super::DeviceEvent::Viewed`]. Returns false if the endpoint has no line to ask.
    pub(crate) fn look(
        &mut self,
        cx: &mut Context<'_>,
        id: EndpointId,
        request: RequestId,
    ) -> bool {
        let device = self
            .flow
            .table
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

    /// Handles the result of [`Command::CountUnsent`]: how many bytes the driver still holds.
    pub(crate) fn handle_unsent(&mut self, cx: &mut Context<'_>, id: EndpointId, bytes: usize) {
        let Some(device) = self.flow.table.endpoints.get_mut(id) else {
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
            self.flow.resume_scripts(cx, id);
        }
    }

    /// Handles the result of [`Command::Line`].
    pub(crate) fn handle_line(
        &mut self,
        cx: &mut Context<'_>,
        id: EndpointId,
        result: Result<LineStatus, LineFault>,
    ) {
        let Some(device) = self.flow.table.endpoints.get_mut(id) else {
            return;
        };
        match device.expected.pop_front() {
            Some(Expected::View(request)) => self.flow.answer_look(id, request, result.ok()),
            Some(Expected::Look(asker)) => {
                let outcome = result.map_err(|fault| (None, fault));
                self.flow.answer_script(id, asker, outcome);
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
                        self.flow.finish_script(id, Ok(status));
                    }
                    (Err(fault), place) => {
                        self.flow.finish_script(id, Err((place, fault)));
                    }
                }
                self.flow.resume_scripts(cx, id);
            }
            Some(Expected::Flushed) => {
                // Another flush may still be pending, which would discard bytes written now.
                device.holds_output = device.expected.contains(&Expected::Flushed);
                self.flow.after_endpoint(cx, id);
            }
            Some(Expected::Ignored) | None => {}
        }
    }

    // ---- the end of scripts ----

    /// Applies at once the remaining settings of all scripts that have begun, without their pauses.
    pub(crate) fn finish_scripts(&mut self, cx: &mut Context<'_>) {
        for id in self.flow.table.endpoints.ids() {
            self.flow.finish_script_at_once(cx, id);
        }
    }

    /// Removes the scripts of matching requests that have not begun. Returns those requests.
    pub(crate) fn cancel_requests(
        &mut self,
        mut is_cancelled: impl FnMut(RequestId) -> bool,
    ) -> Vec<RequestId> {
        let mut cancelled = Vec::new();
        for (id, device) in self.flow.table.endpoints.iter_mut() {
            let before = device.jobs.len();
            device.jobs.retain(|job| match job.asker {
                Asker::Request(request) if !job.has_begun() && is_cancelled(request) => {
                    cancelled.push(request);
                    false
                }
                Asker::Request(_) | Asker::Peer { .. } | Asker::Gone => true,
            });
            if device.jobs.len() < before {
                self.flow.halted.push(id);
            }
        }
        cancelled
    }
}

impl Device {
    /// Returns how many requests for a line's state have no answer yet.
    fn pending_looks(&self) -> usize {
        let expected = self.expected.iter();
        let looks = expected.filter(|expected| matches!(expected, Expected::Look(_)));
        looks.count()
    }
}
