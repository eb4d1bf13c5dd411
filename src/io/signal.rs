//! SIGTERM, SIGINT and SIGHUP, as readable events.

use std::io;

use mio::{Interest, Registry, Token};
use signal_hook_mio::v1_0::Signals as Source;

/// The signals that the daemon listens to.
pub(super) struct Signals(Source);

/// The request that a signal makes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Signal {
    /// SIGTERM from a service manager, SIGINT from a terminal.
    Stop,
    /// SIGHUP: read the configuration again.
    Reload,
}

impl Signals {
    /// Starts to listen.
    pub(super) fn new(registry: &Registry, token: Token) -> io::Result<Self> {
        use rustix::process::Signal as Number;
        let wanted = [Number::TERM, Number::INT, Number::HUP].map(Number::as_raw);
        let mut signals = Source::new(wanted)?;
        registry.register(&mut signals, token, Interest::READABLE)?;
        Ok(Self(signals))
    }

    /// Returns the signals that have arrived.
    pub(super) fn take(&mut self) -> Vec<Signal> {
        let hang_up = rustix::process::Signal::HUP.as_raw();
        let pending = self.0.pending();
        let words = pending.map(|signal| match signal {
            signal if signal == hang_up => Signal::Reload,
            _ => Signal::Stop,
        });
        words.collect()
    }
}
