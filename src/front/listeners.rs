//! The listeners for HTTP, including listeners whose addresses do not exist yet.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use super::Front;
use crate::ids::SourceId;
use crate::sources::{Command, Context, Owner};

/// How long after a failure an address is tried again.
pub(super) const RETRY_INTERVAL: Duration = Duration::from_secs(5);

/// A listener for TCP connections.
#[derive(Debug)]
pub(super) struct Listener {
    pub(super) source: SourceId,
    /// The address in the configuration or the set-up.
    pub(super) addr: SocketAddr,
    /// The real address, once the listener is open.
    pub(super) local: Option<SocketAddr>,
    /// Whether the listener speaks TLS.
    pub(super) is_secure: bool,
    /// Whether this machine does not have the address yet.
    pub(super) is_late: bool,
}

impl Front {
    pub(super) fn open_listeners(&mut self, cx: &mut Context<'_>, addrs: &[SocketAddr]) {
        let is_plain = self.names.is_plain;
        let is_secure = |addr: &SocketAddr| !is_plain && !addr.ip().is_loopback();
        if addrs.iter().any(is_secure) {
            self.load_tls(cx);
        }
        for addr in addrs {
            let listen = |source| Command::Listen {
                source,
                addr: *addr,
            };
            let source = cx.sources.open_first(Owner::Listener, listen);
            self.add_listener(source, *addr, is_secure(addr));
        }
    }

    pub(super) fn add_listener(&mut self, source: SourceId, addr: SocketAddr, is_secure: bool) {
        self.listeners.push(Listener {
            source,
            addr,
            local: None,
            is_secure,
            is_late: false,
        });
    }

    pub(super) fn listener(&self, source: SourceId) -> Option<&Listener> {
        self.listeners.iter().find(|it| it.source == source)
    }

    /// Tries again to open a listener.
    pub(super) fn retry_listener(&mut self, cx: &mut Context<'_>, source: SourceId) {
        if let Some(addr) = self.listener(source).map(|it| it.addr) {
            cx.sources.ask(Command::Listen { source, addr });
        }
    }

    pub(super) fn close_listener(&mut self, cx: &mut Context<'_>, source: SourceId) {
        self.listeners.retain(|it| it.source != source);
        cx.sources.close(source);
    }

    /// Closes all listeners, because the daemon ends. Existing connections stay.
    pub(crate) fn stop_listening(&mut self, cx: &mut Context<'_>) {
        for listener in &self.listeners {
            let source = listener.source;
            cx.sources.ask(Command::Close { source });
        }
    }

    /// Returns the addresses of the HTTP listeners: the real address of each, or the requested one while it
    /// is not open.
    pub(crate) fn addresses(&self) -> impl Iterator<Item = SocketAddr> {
        self.listeners.iter().map(|it| it.local.unwrap_or(it.addr))
    }

    /// Returns the control sockets' paths.
    pub(crate) fn control_paths(&self) -> &[PathBuf] {
        &self.control
    }

    /// Returns the address of a TLS listener that clients on other machines can reach.
    pub(super) fn secure_address(&self) -> Option<SocketAddr> {
        let secure = self.listeners.iter().filter(|it| it.is_secure);
        let mut open = secure.filter_map(|it| it.local);
        open.find(|local| !local.ip().to_canonical().is_loopback())
    }

    /// Returns the port of the first listener that clients on other machines can reach.
    pub(crate) fn network_port(&self) -> Option<u16> {
        let mut open = self.listeners.iter().filter_map(|it| it.local);
        open.find(|local| !local.ip().is_loopback())
            .map(|local| local.port())
    }
}
