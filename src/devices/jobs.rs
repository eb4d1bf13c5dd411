//! The end of scripts: finished, failed, cancelled or forgotten.

use super::script::Expected;
use super::{Asker, DeviceEvent, Flow, Outcome, TimerKey};
use crate::endpoint::line::{LineFault, LineStatus};
use crate::endpoint::script::Step;
use crate::ids::{EndpointId, RequestId, SessionId};
use crate::sources::{Command, Context};

impl Flow {
    /// Applies at once the remaining settings of a script that has begun, without its pauses, so that no
    /// break and no reset is left at the line.
    pub(super) fn finish_script_at_once(&mut self, cx: &mut Context<'_>, id: EndpointId) {
        let Some(device) = self.table.endpoints.get_mut(id) else {
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

    /// Cancels all scripts of a device, because its machine is being stopped and nothing else may happen at
    /// its line.
    pub(super) fn cancel_scripts(&mut self, cx: &mut Context<'_>, id: EndpointId) {
        self.finish_script_at_once(cx, id);
        let detail = "the writer fell silent, and the device was stopped";
        while self.finish_script(id, Err((None, LineFault::Failed(detail.to_owned())))) {}
        if let Some(device) = self.table.endpoints.get_mut(id) {
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
        // The old source will not answer its questions any more.
        let device = self.table.endpoints.get_mut(id);
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

    /// Forgets the scripts of a session that has ended. A script that has begun goes on, because a board left
    /// in reset helps no user.
    pub(super) fn forget_scripts_of(&mut self, ended: SessionId) {
        for (id, device) in self.table.endpoints.iter_mut() {
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

    /// Removes the first script and sends its answer. Returns false if there is none.
    pub(super) fn finish_script(&mut self, id: EndpointId, outcome: Outcome) -> bool {
        let device = self.table.endpoints.get_mut(id);
        let Some(job) = device.and_then(|device| device.jobs.pop_front()) else {
            return false;
        };
        self.answer_script(id, job.asker, outcome);
        true
    }

    pub(super) fn answer_script(&mut self, id: EndpointId, asker: Asker, outcome: Outcome) {
        let Some(device) = self.table.endpoints.get(id) else {
            return;
        };
        let name = device.config.name.clone();
        match &outcome {
            Ok(_) => log::debug!("endpoint {name}: line control done"),
            Err((_, fault)) => log::debug!("endpoint {name}: line control: {fault}"),
        }
        if let Asker::Peer { session, .. } = asker {
            self.table.touch(session);
        }
        self.events.push_back(DeviceEvent::ScriptDone {
            name,
            asker,
            outcome,
        });
    }

    pub(super) fn answer_look(
        &mut self,
        endpoint: EndpointId,
        request: RequestId,
        line: Option<LineStatus>,
    ) {
        self.events.push_back(DeviceEvent::Viewed {
            request,
            endpoint,
            line,
        });
    }
}
