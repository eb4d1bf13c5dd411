//! Connections that arrive, and connections that this process has begun.

use std::io;
use std::net::SocketAddr;
use std::time::Instant;

use mio::net::UnixStream;

use super::{DeviceListener, EventLoop, Io, Slot};
use crate::ids::SourceId;
use crate::io::stream::Stream;
use crate::io::{failure, plain};

/// The number of connections accepted per turn.
const ACCEPT_BUDGET: usize = 16;

impl EventLoop {
    pub(super) fn accept(&mut self, now: Instant, id: SourceId) {
        for _ in 0..ACCEPT_BUDGET {
            let Some(Slot {
                io: Io::Listener(listener),
                ..
            }) = self.slot(id)
            else {
                return;
            };
            match listener.accept() {
                Ok((stream, remote)) => {
                    let Ok(local) = stream.local_addr() else {
                        continue;
                    };
                    if let Err(error) = stream.set_nodelay(true) {
                        log::debug!("{remote}: no TCP_NODELAY: {error}");
                    }
                    // A refused connection is closed by dropping it.
                    if let Some(source) = self.gateway.handle_accept_at(now, id, local, remote) {
                        self.insert(now, source, Io::Stream(Stream::Tcp(stream)), false);
                    }
                }
                Err(error) if is_over(&error) => return self.drained(id),
                Err(_) => {}
            }
        }
        self.again(id);
    }

    /// Accepts connections to the control socket. A Unix socket has no address, and a process that may open
    /// its file is treated like one on this machine.
    pub(super) fn accept_control(&mut self, now: Instant, id: SourceId) {
        let here = SocketAddr::from(([127, 0, 0, 1], 0));
        for _ in 0..ACCEPT_BUDGET {
            let Some(Slot {
                io: Io::ControlSocket(listener, _),
                ..
            }) = self.slot(id)
            else {
                return;
            };
            match listener.accept() {
                // A connection from an endpoint of this process must not get administrator rights.
                Ok((stream, _)) if is_ours(&stream) => {
                    log::error!("control socket: a connection of this very process was closed");
                }
                Ok((stream, _)) => {
                    if let Some(source) = self.gateway.handle_accept_at(now, id, here, here) {
                        self.insert(now, source, Io::Stream(Stream::Unix(stream)), false);
                    }
                }
                Err(error) if is_over(&error) => return self.drained(id),
                Err(_) => {}
            }
        }
        self.again(id);
    }

    pub(super) fn accept_device(&mut self, now: Instant, id: SourceId) {
        for _ in 0..ACCEPT_BUDGET {
            let Some(Slot {
                io: Io::DeviceListener(listener),
                ..
            }) = self.slot(id)
            else {
                return;
            };
            let accepted = match listener {
                DeviceListener::Tcp(tcp) => tcp
                    .accept()
                    .and_then(|(stream, _)| Stream::accepted_tcp(stream)),
                DeviceListener::Unix(unix, _) => {
                    unix.accept().map(|(stream, _)| Stream::Unix(stream))
                }
            };
            match accepted {
                // A refused connection is closed by dropping it.
                Ok(stream) => {
                    if let Some(source) = self.gateway.handle_device_accept(now, id) {
                        self.insert(now, source, Io::Stream(stream), false);
                    }
                }
                Err(error) if is_over(&error) => return self.drained(id),
                Err(_) => {}
            }
        }
        self.again(id);
    }

    pub(super) fn finish_connecting(&mut self, now: Instant, id: SourceId) {
        let Some(Slot {
            io: Io::Stream(stream),
            connecting,
            ..
        }) = self.slot(id)
        else {
            return;
        };
        match stream.connected() {
            None => {}
            Some(Ok(())) => {
                *connecting = false;
                self.gateway.handle_opened(now, id, None);
                self.again(id);
            }
            Some(Err(error)) => {
                self.gateway
                    .handle_failed(now, id, &failure("connect", &error));
            }
        }
    }
}

/// Returns whether this process itself has made a connection.
fn is_ours(stream: &UnixStream) -> bool {
    let peer = rustix::net::sockopt::socket_peercred(stream);
    peer.is_ok_and(|peer| peer.pid == rustix::process::getpid())
}

/// Returns whether accepting ends for this turn, because no connection waits or because accepting fails. A
/// failure most likely means that file descriptors are exhausted, and trying again at once would spin. The
/// next connection raises another event, and connections that wait are then accepted, too. A connection that
/// was closed while it waited does not end the turn.
fn is_over(error: &io::Error) -> bool {
    let kind = error.kind();
    if kind == io::ErrorKind::ConnectionAborted || kind == io::ErrorKind::Interrupted {
        return false;
    }
    if kind != io::ErrorKind::WouldBlock {
        log::warn!("accept: {}", plain(error));
    }
    true
}
