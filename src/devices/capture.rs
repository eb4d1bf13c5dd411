//! Capture files, which record what passes through an endpoint.

use std::time::Duration;

use super::{Flow, TimerKey};
use crate::config::Capture;
use crate::endpoint::Failure;
use crate::endpoint::recorder::{Recorder, Way};
use crate::ids::{EndpointId, SourceId};
use crate::sources::{Command, Context, Owner};

/// How long after a failed write a capture file is tried again: a disk may have been full.
const RETRY_INTERVAL: Duration = Duration::from_secs(10);

/// The capture of an endpoint.
#[derive(Debug)]
pub(super) struct CaptureFile {
    pub(super) config: Capture,
    pub(super) recorder: Recorder,
    /// The file, while it is open.
    pub(super) source: Option<SourceId>,
    /// Why the file is not open.
    pub(super) trouble: Option<String>,
}

impl CaptureFile {
    pub(super) fn new(config: &Capture) -> Self {
        Self {
            config: config.clone(),
            recorder: Recorder::new(),
            source: None,
            trouble: None,
        }
    }
}

impl Flow {
    pub(super) fn open_capture(&mut self, cx: &mut Context<'_>, id: EndpointId) {
        let device = self.table.endpoints.get_mut(id);
        if let Some(file) = device.and_then(|device| device.capture.as_mut()) {
            let capture = file.config.clone();
            let open = |source| Command::OpenCapture { source, capture };
            file.source = Some(cx.sources.open(Owner::Capture(id), open));
        }
    }

    /// Handles a capture file that was opened.
    pub(super) fn handle_capture_opened(&mut self, cx: &mut Context<'_>, id: EndpointId) {
        let device = self.table.endpoints.get_mut(id);
        if let Some(file) = device.and_then(|device| device.capture.as_mut()) {
            file.trouble = None;
            if let Some(source) = file.source {
                cx.sources.touch(source);
            }
        }
    }

    /// Handles a capture file that cannot be opened or written. The device goes on without its capture.
    pub(super) fn handle_capture_failed(
        &mut self,
        cx: &mut Context<'_>,
        id: EndpointId,
        why: &Failure,
    ) {
        let Some(device) = self.table.endpoints.get_mut(id) else {
            return;
        };
        let Some(file) = &mut device.capture else {
            return;
        };
        if let Some(source) = file.source.take() {
            cx.sources.close(source);
        }
        if file.trouble.as_ref() != Some(&why.detail) {
            log::error!("endpoint {}: capture: {why}", device.config.name);
            file.trouble = Some(why.detail.clone());
        }
        let again = Some(cx.now + RETRY_INTERVAL);
        self.timers.set(TimerKey::Capture(id), again);
    }

    /// Removes the first `n` bytes of `Table::capture_output`, which were written.
    pub(super) fn consume_capture(&mut self, id: EndpointId, n: usize) {
        let file = self
            .table
            .endpoints
            .get_mut(id)
            .and_then(|it| it.capture.as_mut());
        if let Some(file) = file {
            file.recorder.consume(n);
        }
    }

    /// Records bytes from a device, if the device is captured.
    pub(super) fn record_input(&mut self, cx: &mut Context<'_>, id: EndpointId, bytes: &[u8]) {
        let device = self.table.endpoints.get_mut(id);
        if let Some(file) = device.and_then(|device| device.capture.as_mut()) {
            file.recorder.record(cx.time, Way::In, bytes);
            if let Some(source) = file.source {
                cx.sources.touch(source);
            }
        }
    }

    /// Records the first `n` bytes of a device's output, if the device is captured.
    pub(super) fn record_output(&mut self, cx: &mut Context<'_>, id: EndpointId, n: usize) {
        let Some(device) = self.table.endpoints.get_mut(id) else {
            return;
        };
        if let Some(file) = &mut device.capture {
            let bytes = device.endpoint.output().get(..n).unwrap_or_default();
            file.recorder.record(cx.time, Way::Out, bytes);
            if let Some(source) = file.source {
                cx.sources.touch(source);
            }
        }
    }
}
