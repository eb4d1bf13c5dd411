//! SIGTERM and SIGINT, as readable events.

use std::io;

use mio::{Interest, Registry, Token};
use signal_hook_mio::v1_0::Signals;

/// The signals that end the daemon.
pub(super) struct Stop(Signals);

impl Stop {
    /// SIGTERM from a service manager, SIGINT from a terminal.
    pub(super) fn new(registry: &Registry, token: Token) -> io::Result<Self> {
        use rustix::process::Signal;
        let wanted = [Signal::TERM.as_raw(), Signal::INT.as_raw()];
        let mut signals = Signals::new(wanted)?;
        registry.register(&mut signals, token, Interest::READABLE)?;
        Ok(Self(signals))
    }

    /// How many have come.
    pub(super) fn take(&mut self) -> usize {
        self.0.pending().count()
    }
}
