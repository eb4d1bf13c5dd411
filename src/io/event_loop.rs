//! The loop: waits, reads, lets the gateway think, writes. It decides nothing.
//!
//! mio is edge-triggered: a source that was not read or written until it would block is not told
//! again. Such a source goes to the back of a list and the next poll does not sleep, so that each
//! gets its share of every turn.

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use mio::net::{TcpListener, UnixListener};
use mio::{Events, Interest, Poll, Token};

use super::capture::CaptureFile;
use super::config_files::ConfigFiles;
use super::signal::{Told, Word};
use super::stream::{Progress, Stream};
use super::tty::Tty;
use super::udp::{Receiver, Sent, Udp};
use super::watch::Watch;
use super::{addresses, control_socket, failure, plain, ports};
use crate::endpoint::line::LineFault;
use crate::endpoint::{Failure, FailureKind, Target};
use crate::gateway::Gateway;
use crate::gateway::source::{Command, Exit};
use crate::ids::SourceId;

/// Reads of one stream, or receive calls of one socket, per turn.
const BUDGET: usize = 4;
/// Connections accepted per turn.
const ACCEPT_BUDGET: usize = 16;
/// Bytes per read.
const READ: usize = 16 * 1024;
/// Rounds of settling and writing per turn, each set off by what the one before wrote.
const ROUNDS: usize = 4;

const SIGNALS: Token = Token(usize::MAX);
const FILES: Token = Token(usize::MAX - 1);

enum Io {
    /// Of HTTP.
    Listener(TcpListener),
    /// Of HTTP for the command line; its file is removed with it.
    ControlSocket(UnixListener, PathBuf),
    /// Of a device's program.
    DeviceListener(DeviceListener),
    Stream(Stream),
    Capture(CaptureFile),
    Udp(Udp),
}

enum DeviceListener {
    Tcp(TcpListener),
    /// Its file is removed with it.
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
    /// Not read until it would block.
    readable: bool,
    /// In the list of those to be read.
    queued: bool,
    /// The last write would have blocked.
    write_blocked: bool,
    /// The connection has been begun and is not there yet.
    connecting: bool,
}

/// The real world around a [`Gateway`].
pub struct EventLoop {
    poll: Poll,
    gateway: Gateway,
    signals: Told,
    files: Watch,
    config: ConfigFiles,
    /// By the index of their id.
    slots: Vec<Option<Slot>>,
    ready: VecDeque<SourceId>,
    receiver: Receiver,
    buffer: Box<[u8]>,
}

impl EventLoop {
    /// A loop that has not started yet. `config`: where it is read again.
    pub fn new(gateway: Gateway, config: ConfigFiles) -> io::Result<Self> {
        let poll = Poll::new()?;
        let signals = Told::new(poll.registry(), SIGNALS)?;
        let files = Watch::new(poll.registry(), FILES)?;
        Ok(Self {
            poll,
            gateway,
            signals,
            files,
            config,
            slots: Vec::new(),
            ready: VecDeque::new(),
            receiver: Receiver::new(),
            buffer: vec![0; READ].into_boxed_slice(),
        })
    }

    /// Runs until the gateway is done.
    pub fn run(mut self) -> io::Result<Exit> {
        let mut events = Events::with_capacity(256);
        let mut now = clock();
        loop {
            if self.gateway.poll_timeout().is_some_and(|at| at <= now) {
                self.gateway.handle_timeout(now);
            }
            if self.gateway.wants_clock() {
                self.gateway.handle_clock(time_of_day());
            }
            self.read_ready(now);
            let busy = self.settle(now);
            self.transmit();
            if let Some(exit) = self.gateway.poll_exit() {
                return Ok(exit.clone());
            }
            let timeout = if busy || !self.ready.is_empty() {
                Some(Duration::ZERO)
            } else {
                // Measured anew: what was just done took time.
                self.gateway
                    .poll_timeout()
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
                Word::Stop => self.gateway.handle_shutdown(now),
                Word::Reload => {
                    let loaded = self.config.load();
                    let loaded = loaded
                        .map_err(|fatal| fatal.to_string().lines().map(str::to_owned).collect());
                    self.gateway.handle_reload(now, loaded);
                }
            }
        }
    }

    // ---- reading ----

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
            // A device that can be written again is a reason to come by, too.
            self.write(now, id);
        }
    }

    fn accept(&mut self, now: Instant, id: SourceId) {
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
                    if let Some(source) = self.gateway.handle_accept(now, local, remote) {
                        self.insert(now, source, Io::Stream(Stream::Tcp(stream)), false);
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    return self.drained(id);
                }
                Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
                // No file descriptors, most likely. Trying on would spin; the next connection
                // is told again, and then those before it are taken too.
                Err(error) => {
                    log::warn!("accept: {}", plain(&error));
                    return self.drained(id);
                }
            }
        }
        self.again(id);
    }

    /// A Unix socket has no address; who may open its file is as good as on this machine.
    fn accept_control(&mut self, now: Instant, id: SourceId) {
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
                Ok((stream, _)) => {
                    if let Some(source) = self.gateway.handle_accept(now, here, here) {
                        self.insert(now, source, Io::Stream(Stream::Unix(stream)), false);
                    }
                }
                Err(error) => {
                    if error.kind() != io::ErrorKind::WouldBlock {
                        log::warn!("accept: {}", plain(&error));
                    }
                    return self.drained(id);
                }
            }
        }
        self.again(id);
    }

    fn accept_device(&mut self, now: Instant, id: SourceId) {
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
                Err(error) => {
                    if error.kind() != io::ErrorKind::WouldBlock {
                        log::warn!("accept: {}", plain(&error));
                    }
                    return self.drained(id);
                }
            }
        }
        self.again(id);
    }

    fn finish_connecting(&mut self, now: Instant, id: SourceId) {
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

    fn tty(&mut self, id: SourceId) -> Option<&Tty> {
        match self.slot(id) {
            Some(Slot {
                io: Io::Stream(Stream::Tty(tty)),
                ..
            }) => Some(tty),
            Some(_) | None => None,
        }
    }

    fn read_stream(&mut self, now: Instant, id: SourceId) {
        let mut buffer = std::mem::take(&mut self.buffer);
        let mut more = true;
        for _ in 0..BUDGET {
            if !self.gateway.wants_input(id) {
                // Stays readable; looked at again when it is touched.
                more = false;
                break;
            }
            let Some(Slot {
                io: Io::Stream(stream),
                readable: true,
                ..
            }) = self.slot(id)
            else {
                more = false;
                break;
            };
            match stream.read(&mut buffer) {
                Progress::Bytes(n) => {
                    self.gateway
                        .handle_data(now, id, buffer.get(..n).unwrap_or_default());
                }
                Progress::WouldBlock => {
                    self.drained(id);
                    more = false;
                    break;
                }
                Progress::Ended => {
                    self.drained(id);
                    self.stream_ended(now, id);
                    more = false;
                    break;
                }
                Progress::Failed(error) => {
                    self.drained(id);
                    self.gateway
                        .handle_failed(now, id, &failure("the line has vanished", &error));
                    more = false;
                    break;
                }
            }
        }
        self.buffer = buffer;
        if more {
            self.again(id);
        }
    }

    fn stream_ended(&mut self, now: Instant, id: SourceId) {
        match self.slot(id) {
            Some(Slot {
                io: Io::Stream(Stream::Tcp(_) | Stream::Unix(_)),
                ..
            }) => self.gateway.handle_closed(now, id),
            // A raw tty reads 0 bytes when it has hung up.
            Some(_) => {
                let gone = Failure::new(FailureKind::Absent, "the line has hung up");
                self.gateway.handle_failed(now, id, &gone);
            }
            None => {}
        }
    }

    fn receive(&mut self, now: Instant, id: SourceId) {
        for _ in 0..BUDGET {
            let Some(Some(Slot {
                io: Io::Udp(udp), ..
            })) = self.slots.get(id.index())
            else {
                return;
            };
            let gateway = &mut self.gateway;
            let take = |meta: &_, bytes: &[u8]| gateway.handle_datagrams(now, id, meta, bytes);
            if !self.receiver.receive(udp, take) {
                return self.drained(id);
            }
        }
        self.again(id);
    }

    // ---- writing ----

    /// Lets the gateway think and writes what comes of it. True: there is more to be done.
    fn settle(&mut self, now: Instant) -> bool {
        for _ in 0..ROUNDS {
            self.gateway.settle(now);
            self.run_commands(now);
            let mut wrote = false;
            while let Some(id) = self.gateway.poll_touched() {
                wrote |= self.write(now, id);
            }
            self.run_commands(now);
            if !wrote {
                return false;
            }
        }
        true
    }

    /// Writes what a stream has to write, and reads it again if it may be. True: it wrote.
    fn write(&mut self, now: Instant, id: SourceId) -> bool {
        let mut wrote = false;
        loop {
            let Some(Some(slot)) = self.slots.get_mut(id.index()) else {
                return wrote;
            };
            if let Io::Capture(_) = &slot.io {
                self.write_capture(now, id);
                return wrote;
            }
            let Io::Stream(stream) = &mut slot.io else {
                return wrote;
            };
            if slot.id != id || slot.connecting {
                return wrote;
            }
            let output = self.gateway.output(id);
            if output.is_empty() || slot.write_blocked {
                if slot.readable && !slot.queued && self.gateway.wants_input(id) {
                    slot.queued = true;
                    self.ready.push_back(id);
                }
                return wrote;
            }
            match stream.write(output) {
                Progress::Bytes(n) => {
                    self.gateway.consume(now, id, n);
                    wrote = true;
                }
                Progress::WouldBlock => slot.write_blocked = true,
                Progress::Ended => return wrote,
                Progress::Failed(error) => {
                    self.gateway
                        .handle_failed(now, id, &failure("the line has vanished", &error));
                    return true;
                }
            }
        }
    }

    /// Files are always ready, and epoll knows none.
    fn write_capture(&mut self, now: Instant, id: SourceId) {
        while let Some(Some(Slot {
            io: Io::Capture(file),
            ..
        })) = self.slots.get_mut(id.index())
        {
            let output = self.gateway.output(id);
            if output.is_empty() {
                return;
            }
            match file.write(output) {
                Ok(n) => self.gateway.consume(now, id, n),
                Err(error) => {
                    let failure = failure("the capture file", &error);
                    return self.gateway.handle_failed(now, id, &failure);
                }
            }
        }
    }

    fn transmit(&mut self) {
        loop {
            let Some(batch) = self.gateway.poll_transmit() else {
                return;
            };
            let socket = batch.socket;
            let lost = match self.slots.get(socket.index()) {
                Some(Some(Slot {
                    io: Io::Udp(udp),
                    id,
                    ..
                })) if *id == socket => match udp.send(&batch) {
                    Sent::All => continue,
                    Sent::Lost(count) => count,
                },
                _ => crate::endpoint::Count::one(batch.contents.len()),
            };
            self.gateway.handle_send_failed(socket, lost);
        }
    }

    // ---- commands ----

    fn run_commands(&mut self, now: Instant) {
        while let Some(command) = self.gateway.poll_command() {
            match command {
                Command::Listen { source, addr } => self.listen(now, source, addr),
                Command::OpenIce { source, addr } => {
                    let opened = Udp::bind_ice(self.same_port(addr));
                    self.open_udp(now, source, opened, &format!("UDP {addr}"));
                }
                Command::OpenUdp { source, udp } => {
                    let opened = Udp::open_device(&udp);
                    self.open_udp(now, source, opened, "UDP");
                }
                Command::ListenControl { source, path } => {
                    remove_stale(&path);
                    match control_socket::listen(&path) {
                        Ok(listener) => {
                            let io = Io::ControlSocket(listener, path);
                            self.insert(now, source, io, false);
                        }
                        Err(error) => {
                            let failure = failure(&path.display().to_string(), &error);
                            self.gateway.handle_failed(now, source, &failure);
                        }
                    }
                }
                Command::OpenCapture { source, capture } => {
                    let shown = capture.path.display().to_string();
                    match CaptureFile::open(capture) {
                        Ok(file) => {
                            self.insert(now, source, Io::Capture(file), false);
                            self.gateway.handle_opened(now, source, None);
                        }
                        Err(error) => {
                            let failure = failure(&shown, &error);
                            self.gateway.handle_failed(now, source, &failure);
                        }
                    }
                }
                Command::ListPorts => {
                    let found = ports::list(Path::new("/")).unwrap_or_else(|error| {
                        log::warn!("no list of ports: {}", plain(&error));
                        Vec::new()
                    });
                    self.gateway.handle_ports(now, &found);
                }
                Command::WatchDevices => {
                    self.files.add(Path::new("/dev/serial/by-id/*"));
                }
                Command::WriteEndpoint { name, text } => {
                    let written = self.config.write_endpoint(&name, text.as_deref());
                    self.gateway.handle_endpoint_written(now, &name, written);
                }
                Command::Open { source, target } => match self.open(&target) {
                    Ok(io) => {
                        let connecting = matches!(target, Target::Tcp(_));
                        if self.insert(now, source, io, connecting) && !connecting {
                            self.gateway.handle_opened(now, source, None);
                        }
                    }
                    Err(failure) => self.gateway.handle_failed(now, source, &failure),
                },
                Command::CountUnsent { source } => {
                    let unsent = self.tty(source).map_or(0, Tty::unsent);
                    self.gateway.handle_unsent(now, source, unsent);
                }
                Command::Line { source, step } => {
                    let tty = self.tty(source).ok_or(LineFault::Absent);
                    let result = tty.and_then(|tty| tty.step(step));
                    // A USB adapter takes milliseconds for a step, and a wait begins after it.
                    self.gateway.handle_line(clock(), source, result);
                }
                Command::Close { source } => self.close(source),
                Command::ListAddresses => {
                    let addresses = addresses::list().unwrap_or_else(|error| {
                        log::error!("no list of addresses: {}", plain(&error));
                        Vec::new()
                    });
                    self.gateway.handle_addresses(now, &addresses);
                }
            }
        }
    }

    fn open(&mut self, target: &Target) -> Result<Io, Failure> {
        if let Target::Tty { path, .. } = target {
            // Before the try: what comes right after it is not missed.
            self.files.add(path);
        }
        open(target)
    }

    fn listen(&mut self, now: Instant, source: SourceId, addr: SocketAddr) {
        let listener = TcpListener::bind(addr);
        match listener.and_then(|listener| Ok((listener.local_addr()?, listener))) {
            Ok((local, listener)) => {
                if self.insert(now, source, Io::Listener(listener), false) {
                    self.gateway.handle_listening(source, local);
                }
            }
            Err(error) => {
                let failure = failure(&format!("listen on {addr}"), &error);
                self.gateway.handle_failed(now, source, &failure);
            }
        }
    }

    /// With port 0 the second family takes the port that the first one got.
    fn same_port(&self, mut addr: SocketAddr) -> SocketAddr {
        if addr.port() == 0 && addr.is_ipv6() {
            let port = self.slots.iter().flatten().find_map(|slot| match &slot.io {
                Io::Udp(udp) if udp.local().is_ipv4() && udp.local().ip().is_unspecified() => {
                    Some(udp.local().port())
                }
                Io::Udp(_)
                | Io::Listener(_)
                | Io::ControlSocket(..)
                | Io::DeviceListener(_)
                | Io::Capture(_)
                | Io::Stream(_) => None,
            });
            addr.set_port(port.unwrap_or(0));
        }
        addr
    }

    fn open_udp(&mut self, now: Instant, source: SourceId, opened: io::Result<Udp>, what: &str) {
        match opened {
            Ok(udp) => {
                let local = udp.local();
                if self.insert(now, source, Io::Udp(udp), false) {
                    self.gateway.handle_opened(now, source, Some(local));
                }
            }
            Err(error) => self
                .gateway
                .handle_failed(now, source, &failure(what, &error)),
        }
    }

    /// Registers for reading and writing, once and for all. False: it failed and was reported.
    fn insert(&mut self, now: Instant, id: SourceId, mut io: Io, connecting: bool) -> bool {
        let (token, both) = (Token(id.index()), Interest::READABLE | Interest::WRITABLE);
        let registry = self.poll.registry();
        let registered = match &mut io {
            Io::Listener(listener) => registry.register(listener, token, Interest::READABLE),
            Io::ControlSocket(listener, _) => {
                registry.register(listener, token, Interest::READABLE)
            }
            Io::DeviceListener(DeviceListener::Tcp(listener)) => {
                registry.register(listener, token, Interest::READABLE)
            }
            Io::DeviceListener(DeviceListener::Unix(listener, _)) => {
                registry.register(listener, token, Interest::READABLE)
            }
            Io::Stream(stream) => stream.register(registry, token, both),
            Io::Capture(_) => Ok(()),
            // What cannot be sent at once is dropped, so nobody waits for room.
            Io::Udp(udp) => registry.register(&mut udp.socket, token, Interest::READABLE),
        };
        if let Err(error) = registered {
            self.gateway
                .handle_failed(now, id, &failure("epoll", &error));
            return false;
        }
        if self.slots.len() <= id.index() {
            self.slots.resize_with(id.index() + 1, || None);
        }
        if let Some(place) = self.slots.get_mut(id.index()) {
            // Bytes may have come before the registration; a first look costs one call.
            *place = Some(Slot {
                id,
                io,
                readable: true,
                queued: true,
                write_blocked: false,
                connecting,
            });
            self.ready.push_back(id);
        }
        true
    }

    fn close(&mut self, id: SourceId) {
        if let Some(place) = self.slots.get_mut(id.index())
            && place.as_ref().is_some_and(|slot| slot.id == id)
        {
            // Closing the descriptor ends its registration.
            *place = None;
        }
    }

    fn slot(&mut self, id: SourceId) -> Option<&mut Slot> {
        self.slots
            .get_mut(id.index())?
            .as_mut()
            .filter(|slot| slot.id == id)
    }

    fn drained(&mut self, id: SourceId) {
        if let Some(slot) = self.slot(id) {
            slot.readable = false;
        }
    }

    fn again(&mut self, id: SourceId) {
        if let Some(slot) = self.slot(id)
            && !std::mem::replace(&mut slot.queued, true)
        {
            self.ready.push_back(id);
        }
    }
}

/// Opens a device's stream, or the listener that its program connects to.
fn open(target: &Target) -> Result<Io, Failure> {
    let said = |error: io::Error| failure(&target.to_string(), &error);
    let device = |listener| Ok(Io::DeviceListener(listener));
    match target {
        Target::Tty { path, line } => Tty::open(path, line).map(|tty| Io::Stream(Stream::Tty(tty))),
        Target::Tcp(remote) => Stream::connect_tcp(*remote).map(Io::Stream).map_err(said),
        Target::Unix(path) => Stream::connect_unix(path).map(Io::Stream).map_err(said),
        Target::TcpListener(addr) => {
            device(DeviceListener::Tcp(TcpListener::bind(*addr).map_err(said)?))
        }
        Target::UnixListener(path) => {
            remove_stale(path);
            let listener = control_socket::listen(path).map_err(said)?;
            device(DeviceListener::Unix(listener, path.clone()))
        }
    }
}

/// A socket file that a killed process left behind would keep us from listening there. One that
/// somebody listens at is left alone, and so is every other file: those refuse, too.
fn remove_stale(path: &Path) {
    let is_socket = std::fs::symlink_metadata(path)
        .is_ok_and(|found| std::os::unix::fs::FileTypeExt::is_socket(&found.file_type()));
    if !is_socket {
        return;
    }
    let refused = match std::os::unix::net::UnixStream::connect(path) {
        Ok(_) => false,
        Err(error) => error.kind() == io::ErrorKind::ConnectionRefused,
    };
    if refused && let Err(error) = std::fs::remove_file(path) {
        log::debug!("{}: {error}", path.display());
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "this is the one place that reads the clock"
)]
fn clock() -> Instant {
    Instant::now()
}

#[expect(
    clippy::disallowed_methods,
    reason = "this is the one place that reads the clock"
)]
fn time_of_day() -> SystemTime {
    SystemTime::now()
}

/// epoll sleeps in whole milliseconds: rounded down, the loop would spin until the deadline.
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
