//! The loop: waits, reads, lets the gateway work, writes. It makes no decisions.
//!
//! mio is edge-triggered: a source that was not read or written until it would block raises no further event.
//! Such a source goes to the back of a list and the next poll does not sleep, so that each source gets its
//! share of every turn.

mod accept;
mod clock;
mod commands;
mod read;
mod slots;
mod write;

use std::collections::VecDeque;
use std::io;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use mio::net::{TcpListener, UnixListener};
use mio::{Events, Poll, Token};

use self::clock::{clock, time_of_day};
use super::capture::CaptureFile;
use super::config_files::ConfigFiles;
use super::signal::{Signal, Signals};
use super::stream::Stream;
use super::systemd::{Inherited, Manager};
use super::tls_files::Stamp;
use super::udp::{Receiver, Udp};
use super::watch::Watch;
use crate::endpoint::Failure;
use crate::gateway::Gateway;
use crate::ids::SourceId;
use crate::sources::Exit;

/// The number of bytes per read.
const READ: usize = 16 * 1024;

const SIGNALS: Token = Token(usize::MAX);
const FILES: Token = Token(usize::MAX - 1);

enum Io {
    /// A listener for HTTP.
    Listener(TcpListener),
    /// The listener for HTTP from the command line; its file is removed with it.
    ControlSocket(UnixListener, PathBuf),
    /// A listener for the program of a device.
    DeviceListener(DeviceListener),
    Stream(Stream),
    Capture(CaptureFile),
    Udp(Udp),
}

enum DeviceListener {
    Tcp(TcpListener),
    /// A Unix listener, whose file is removed with it.
    Unix(UnixListener, PathBuf),
}

impl Drop for Io {
    fn drop(&mut self) {
        if let Self::ControlSocket(_, path) | Self::DeviceListener(DeviceListener::Unix(_, path)) =
            self
            && let Err(error) = std::fs::remove_file(&*path)
        {
            log::debug!("{}: {error}", path.display());
        }
    }
}

struct Slot {
    id: SourceId,
    io: Io,
    /// Whether the source may have input, because it was not read until it would block.
    readable: bool,
    /// Whether the source is in the list of sources to be read.
    queued: bool,
    /// Whether the last write would have blocked.
    write_blocked: bool,
    /// The failure of a stream that accepts no more bytes; reported once all bytes that the other side sent
    /// before are read.
    broken: Option<Failure>,
    /// Whether a connection was begun and is not established yet.
    connecting: bool,
}

/// The real world around a [`Gateway`].
pub(crate) struct EventLoop {
    poll: Poll,
    gateway: Gateway,
    signals: Signals,
    files: Watch,
    config: ConfigFiles,
    manager: Manager,
    inherited: Inherited,
    /// The stamp of the certificate's files when they were last read.
    tls_stamp: Stamp,
    /// The slots by the index of their id.
    slots: Vec<Option<Slot>>,
    ready: VecDeque<SourceId>,
    receiver: Receiver,
    buffer: Box<[u8]>,
}

impl EventLoop {
    /// Returns a loop that has not started yet. `config`: the files that a reload reads again; `inherited`:
    /// descriptors that need not be opened.
    pub(crate) fn new(
        gateway: Gateway,
        config: ConfigFiles,
        inherited: Inherited,
    ) -> io::Result<Self> {
        let poll = Poll::new()?;
        let signals = Signals::new(poll.registry(), SIGNALS)?;
        let files = Watch::new(poll.registry(), FILES)?;
        Ok(Self {
            poll,
            gateway,
            signals,
            files,
            config,
            manager: Manager::find(clock()),
            inherited,
            tls_stamp: Stamp::default(),
            slots: Vec::new(),
            ready: VecDeque::new(),
            receiver: Receiver::new(),
            buffer: vec![0; READ].into_boxed_slice(),
        })
    }

    /// Runs until the gateway is done.
    pub(crate) fn run(mut self) -> io::Result<Exit> {
        let mut events = Events::with_capacity(256);
        let mut now = clock();
        loop {
            // Set the time of day first because some deadlines depend on it.
            if self.gateway.wants_clock() {
                self.gateway.handle_clock(now, time_of_day());
            }
            if self.gateway.poll_timeout().is_some_and(|at| at <= now) {
                self.gateway.handle_timeout(now);
            }
            self.read_ready(now);
            let busy = self.settle(now);
            self.transmit();
            if let Some(exit) = self.gateway.poll_exit().cloned() {
                if let Exit::Failed(why) = &exit {
                    self.manager.failed(&why.detail);
                }
                return Ok(exit);
            }
            if self.manager.turn(now, &self.gateway) {
                // No endpoint uses the remaining descriptors, so the service manager need not keep them.
                for name in self.inherited.rest() {
                    self.manager.forget_named(&name);
                }
            }
            let timeout = if busy || !self.ready.is_empty() {
                Some(Duration::ZERO)
            } else {
                // Read the clock again because the work of this turn took time.
                let next = [self.gateway.poll_timeout(), self.manager.next()];
                next.into_iter()
                    .flatten()
                    .min()
                    .map(|at| round_up(at.saturating_duration_since(clock())))
            };
            match self.poll.poll(&mut events, timeout) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                other => other?,
            }
            now = clock();
            for event in &events {
                if event.token() == SIGNALS {
                    self.handle_signals(now);
                } else if event.token() == FILES {
                    if self.files.take() {
                        self.gateway.handle_devices_changed(now);
                    }
                } else {
                    let readable =
                        event.is_readable() || event.is_read_closed() || event.is_error();
                    self.note(event.token(), readable, event.is_writable());
                }
            }
        }
    }

    fn handle_signals(&mut self, now: Instant) {
        for word in self.signals.take() {
            match word {
                Signal::Stop => self.gateway.handle_shutdown(now),
                Signal::Reload => {
                    self.manager.reloading();
                    let loaded = self.config.load();
                    let loaded = loaded
                        .map_err(|fatal| fatal.to_string().lines().map(str::to_owned).collect());
                    self.gateway.handle_reload(now, loaded);
                    self.manager.reloaded();
                }
            }
        }
    }

    fn note(&mut self, token: Token, readable: bool, writable: bool) {
        let Some(Some(slot)) = self.slots.get_mut(token.0) else {
            return;
        };
        let mut look = false;
        if readable {
            slot.readable = true;
            look = true;
        }
        if writable && (slot.write_blocked || slot.connecting) {
            slot.write_blocked = false;
            look = true;
        }
        if look && !std::mem::replace(&mut slot.queued, true) {
            self.ready.push_back(slot.id);
        }
    }

    /// Gives every source that is ready one share of this turn.
    fn read_ready(&mut self, now: Instant) {
        for _ in 0..self.ready.len() {
            let Some(id) = self.ready.pop_front() else {
                return;
            };
            let Some(slot) = self.slot(id) else { continue };
            slot.queued = false;
            match &slot.io {
                Io::Listener(_) => self.accept(now, id),
                Io::ControlSocket(..) => self.accept_control(now, id),
                Io::DeviceListener(_) => self.accept_device(now, id),
                Io::Stream(_) if slot.connecting => self.finish_connecting(now, id),
                Io::Stream(_) => self.read_stream(now, id),
                Io::Capture(_) => {}
                Io::Udp(_) => self.receive(now, id),
            }
            // Write too, because a device that became writable is also in this list.
            self.write(now, id);
        }
    }
}

/// Rounds up to whole milliseconds, the unit in which epoll sleeps. Rounded down, the loop would spin until
/// the deadline.
fn round_up(duration: Duration) -> Duration {
    let millis = duration.as_nanos().div_ceil(1_000_000);
    Duration::from_millis(u64::try_from(millis).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deadlines_are_rounded_up() {
        for (nanos, millis) in [(0, 0), (1, 1), (1_000_000, 1), (1_000_001, 2)] {
            let rounded = round_up(Duration::from_nanos(nanos));
            assert_eq!(rounded, Duration::from_millis(millis));
        }
    }
}
