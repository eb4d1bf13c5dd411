//! Capture files: what passes through an endpoint, written down.

use std::time::{Duration, Instant};

use super::source::{Command, Source};
use super::timers::TimerKey;
use super::{Gateway, Routing};
use crate::config::Capture;
use crate::endpoint::Failure;
use crate::endpoint::recorder::{Recorder, Way};
use crate::ids::{EndpointId, SourceId};

/// A file that could not be written is tried again after this: a disk may have been full.
const RETRY: Duration = Duration::from_secs(10);

/// An endpoint's capture.
#[derive(Debug)]
pub(super) struct Tape {
    pub(super) config: Capture,
    pub(super) recorder: Recorder,
    /// The file, while it is open.
    pub(super) source: Option<SourceId>,
    /// Why it is not.
    pub(super) trouble: Option<String>,
}

impl Tape {
    pub(super) fn new(config: &Capture) -> Self {
        Self {
            config: config.clone(),
            recorder: Recorder::new(),
            source: None,
            trouble: None,
        }
    }
}

impl Routing {
    /// Writes down what passes, if this endpoint is captured. Returns the file to be written.
    pub(super) fn record(&mut self, id: EndpointId, way: Way, bytes: &[u8]) -> Option<SourceId> {
        let tape = self.endpoints.get_mut(id)?.tape.as_mut()?;
        tape.recorder.record(self.time, way, bytes);
        tape.source
    }
}

impl Gateway {
    pub(super) fn open_tape(&mut self, id: EndpointId) {
        let Some(device) = self.routing.endpoints.get_mut(id) else {
            return;
        };
        if let Some(tape) = &mut device.tape {
            let source = self.sources.insert(Source::Capture(id));
            tape.source = Some(source);
            let capture = tape.config.clone();
            self.commands
                .push_back(Command::OpenCapture { source, capture });
        }
    }

    pub(super) fn handle_tape_opened(&mut self, id: EndpointId) {
        let device = self.routing.endpoints.get_mut(id);
        if let Some(tape) = device.and_then(|device| device.tape.as_mut()) {
            tape.trouble = None;
            if let Some(source) = tape.source {
                self.touch_source(source);
            }
        }
    }

    /// The file cannot be opened or written. The device is not to suffer for it.
    pub(super) fn handle_tape_failed(&mut self, now: Instant, id: EndpointId, why: &Failure) {
        let Some(device) = self.routing.endpoints.get_mut(id) else {
            return;
        };
        let Some(tape) = &mut device.tape else { return };
        if let Some(source) = tape.source.take() {
            self.sources.remove(source);
            self.commands.push_back(Command::Close { source });
        }
        if tape.trouble.as_ref() != Some(&why.detail) {
            log::error!("endpoint {}: capture: {why}", device.config.name);
            tape.trouble = Some(why.detail.clone());
        }
        self.timers.set(TimerKey::Capture(id), Some(now + RETRY));
    }
}
