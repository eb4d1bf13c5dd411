//! Connections: those that come, and those that were begun.

use std::io;
use std::net::SocketAddr;
use std::time::Instant;

use mio::net::UnixStream;

use super::{DeviceListener, EventLoop, Io, Slot};
use crate::ids::SourceId;
use crate::io::stream::Stream;
use crate::io::{failure, plain};

/// Connections accepted per turn.
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
                    // Refused: dropping it closes it.
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

    /// A Unix socket has no address; who may open its file is as good as on this machine.
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
                // An endpoint of ours that found its way here is no administrator.
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
                // Refused: dropping it closes it.
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

/// Whether this process itself has made a connection.
fn is_ours(stream: &UnixStream) -> bool {
    let peer = rustix::net::sockopt::socket_peercred(stream);
    peer.is_ok_and(|peer| peer.pid == rustix::process::getpid())
}

/// Whether accepting ends for this turn: nobody waits, or it cannot go on. The latter is for want
/// of file descriptors, most likely: trying on would spin, and the next connection is told again,
/// and then those before it are taken too. One that hung up while it waited ends nothing.
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
