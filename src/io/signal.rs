//! SIGTERM, SIGINT and SIGHUP, as readable events.

use std::io;

use mio::{Interest, Registry, Token};
use signal_hook_mio::v1_0::Signals;

/// The signals that the daemon listens to.
pub(super) struct Told(Signals);

/// The request that a signal makes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Word {
    /// SIGTERM from a service manager, SIGINT from a terminal.
    Stop,
    /// SIGHUP: read the configuration again.
    Reload,
}

impl Told {
    /// Starts to listen.
    pub(super) fn new(registry: &Registry, token: Token) -> io::Result<Self> {
        use rustix::process::Signal;
        let wanted = [Signal::TERM, Signal::INT, Signal::HUP].map(Signal::as_raw);
        let mut signals = Signals::new(wanted)?;
        registry.register(&mut signals, token, Interest::READABLE)?;
        Ok(Self(signals))
    }

    /// Returns the signals that have arrived.
    pub(super) fn take(&mut self) -> Vec<Word> {
        let hang_up = rustix::process::Signal::HUP.as_raw();
        let pending = self.0.pending();
        let words = pending.map(|signal| match signal {
            signal if signal == hang_up => Word::Reload,
            _ => Word::Stop,
        });
        words.collect()
    }
}
