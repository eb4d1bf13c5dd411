//! Where HTTP is listened for, while some of the addresses are still to come.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use super::Gateway;
use super::source::{Command, Exit, Source};
use super::timers::TimerKey;
use crate::endpoint::{Failure, FailureKind};
use crate::ids::SourceId;

/// How long after a failure an address is tried again.
pub(super) const RETRY: Duration = Duration::from_secs(5);

impl Gateway {
    /// Serves the command line at a Unix socket, too.
    pub fn listen_control(&mut self, path: PathBuf) {
        let source = self.sources.insert(Source::ControlSocket);
        self.configured.control.push(path.clone());
        self.commands
            .push_back(Command::ListenControl { source, path });
    }

    /// A listener of the configuration could not be opened. An address that this machine does not have (yet: the network
    /// may come after us) is waited for, if we are served by another meanwhile; everything else ends us.
    pub(super) fn handle_listener_failed(
        &mut self,
        now: Instant,
        source: SourceId,
        failure: &Failure,
    ) {
        let others = self.sources.iter().any(|(id, other)| {
            id != source && matches!(other, Source::Listener { is_late: false, .. })
        });
        let Some(Source::Listener { is_late, .. }) = self.sources.get_mut(source) else {
            return;
        };
        if !others || (failure.kind != FailureKind::Absent && !*is_late) {
            self.exit = Some(Exit::Failed(failure.clone()));
            return;
        }
        if !std::mem::replace(is_late, true) {
            log::warn!("{failure}: this machine does not have it yet, and is asked again");
        }
        let again = Some(now + RETRY);
        self.timers.set(TimerKey::Listener(source), again);
    }

    /// Another try.
    pub(super) fn retry_listener(&mut self, source: SourceId) {
        if let Some(Source::Listener { addr, .. }) = self.sources.get(source) {
            let addr = *addr;
            self.commands.push_back(Command::Listen { source, addr });
        }
    }
}
