//! Commands of the gateway: sources to be opened, asked and closed.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::Instant;

use mio::net::TcpListener;
use rustix::io::Errno;

use super::clock::{clock, seconds_since_1970};
use super::{DeviceListener, EventLoop, Io};
use crate::config::{EndpointKind, Meeting, OwnPlaces, TlsFiles};
use crate::endpoint::line::{LineFault, LineSettings};
use crate::endpoint::{Failure, FailureKind, Target};
use crate::ids::SourceId;
use crate::io::capture::CaptureFile;
use crate::io::stream::Stream;
use crate::io::tty::Tty;
use crate::io::udp::Udp;
use crate::io::{
    access_file, addresses, authority_file, control_socket, failure, plain, ports, tls_files,
};
use crate::sources::Command;

/// The number of line control steps per turn: a USB adapter takes milliseconds for each.
const STEP_BUDGET: usize = 4;

impl EventLoop {
    /// Runs the commands of the gateway. Returns true if more commands remain for the next turn.
    pub(super) fn run_commands(&mut self, now: Instant) -> bool {
        let mut steps = 0;
        while steps < STEP_BUDGET
            && let Some(command) = self.gateway.poll_command()
        {
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
                            log::info!("control socket {}", path.display());
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
                Command::ReadEndpoint { name } => {
                    let read = self.config.read_endpoint(&name);
                    self.gateway.handle_endpoint_read(now, &name, read);
                }
                Command::WriteEndpoint {
                    name,
                    text,
                    replace,
                } => {
                    let written = self.config.write_endpoint(&name, text.as_deref(), replace);
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
                    steps += 1;
                    let tty = self.tty(source).ok_or(LineFault::Absent);
                    let result = tty.and_then(|tty| tty.step(step));
                    // Read the clock again because a USB adapter takes milliseconds for a step, and a wait
                    // begins after the step.
                    self.gateway.handle_line(clock(), source, result);
                }
                Command::Close { source } => self.close(source),
                Command::LoadTls { files } => self.load_tls(now, files.as_ref()),
                Command::MakeAuthority { hosts } => {
                    match authority_file::make(&hosts, seconds_since_1970()) {
                        Ok(()) => self.load_tls(now, None),
                        Err(why) => self.gateway.handle_tls(now, Err(why)),
                    }
                }
                Command::RenewTls { files } => {
                    let is_due = files.is_none() && authority_file::is_due(seconds_since_1970());
                    if is_due || tls_files::stamp(files.as_ref()) != self.tls_stamp {
                        self.load_tls(now, files.as_ref());
                    }
                }
                Command::StoreAccess { text } => {
                    let stored = access_file::store(&text);
                    self.gateway.handle_access_stored(now, stored);
                }
                Command::ListAddresses => {
                    let addresses = addresses::list().unwrap_or_else(|error| {
                        log::error!("no list of addresses: {}", plain(&error));
                        Vec::new()
                    });
                    self.gateway.handle_networks(addresses::networks());
                    self.gateway.handle_addresses(now, &addresses);
                }
            }
        }
        steps == STEP_BUDGET
    }

    fn load_tls(&mut self, now: Instant, files: Option<&TlsFiles>) {
        // Take the stamp before reading the files, so that the next check notices a change in between.
        self.tls_stamp = tls_files::stamp(files);
        let loaded = tls_files::load(files, seconds_since_1970());
        self.gateway.handle_tls(now, loaded);
    }

    /// Opens a device's stream, or the listener that its program connects to.
    pub(super) fn open(&mut self, target: &Target) -> Result<Io, Failure> {
        let said = |error: io::Error| failure(&target.to_string(), &error);
        let device = |listener| Ok(Io::DeviceListener(listener));
        if let Some(why) = self.leads_back(target) {
            return Err(Failure::new(FailureKind::Denied, why));
        }
        match target {
            Target::Tty { path, line } => {
                // Watch before the attempt to open, so that a device that appears right after it is not
                // missed.
                self.files.add(path);
                Ok(Io::Stream(Stream::Tty(self.open_tty(path, line)?)))
            }
            Target::Tcp(remote) => Stream::connect_tcp(*remote).map(Io::Stream).map_err(said),
            Target::Unix(path) => Stream::connect_unix(path).map(Io::Stream).map_err(said),
            Target::TcpListener(addr) => {
                device(DeviceListener::Tcp(bind_tcp(*addr).map_err(said)?))
            }
            Target::UnixListener(path) => {
                remove_stale(path);
                let listener = control_socket::listen(path).map_err(said)?;
                device(DeviceListener::Unix(listener, path.clone()))
            }
        }
    }

    /// Returns why a target must not be opened: it is a listener or the control socket of this very process.
    /// The configuration was checked for this, but an address may have been added since, and a path may be a
    /// link.
    fn leads_back(&self, target: &Target) -> Option<String> {
        let slots = || self.slots.iter().flatten().map(|slot| &slot.io);
        match target {
            Target::Tcp(remote) => {
                let listeners = slots().filter_map(|io| match io {
                    Io::Listener(listener) => listener.local_addr().ok(),
                    Io::ControlSocket(..)
                    | Io::DeviceListener(_)
                    | Io::Stream(_)
                    | Io::Capture(_)
                    | Io::Udp(_) => None,
                });
                let listeners: Vec<_> = listeners
                    .filter(|local| local.port() == remote.port())
                    .collect();
                if listeners.is_empty() {
                    return None;
                }
                let own = OwnPlaces {
                    listeners,
                    addresses: addresses::list().unwrap_or_default(),
                    ..OwnPlaces::default()
                };
                own.fault(&EndpointKind::Tcp(Meeting::Remote(*remote)))
            }
            Target::Unix(path) => {
                let file = |path: &Path| std::fs::metadata(path).map(|it| (it.dev(), it.ino()));
                let wanted = file(path).ok()?;
                let mut own = slots().filter_map(|io| match io {
                    Io::ControlSocket(_, path) => Some(path),
                    Io::Listener(_)
                    | Io::DeviceListener(_)
                    | Io::Stream(_)
                    | Io::Capture(_)
                    | Io::Udp(_) => None,
                });
                own.any(|own| file(own).is_ok_and(|own| own == wanted))
                    .then(|| {
                        format!(
                            "{}: this is the gateway's own control socket",
                            path.display()
                        )
                    })
            }
            Target::Tty { .. } | Target::TcpListener(_) | Target::UnixListener(_) => None,
        }
    }

    /// Returns the line that the previous process left open, or opens the line.
    fn open_tty(&mut self, path: &Path, line: &LineSettings) -> Result<Tty, Failure> {
        if let Some(fd) = self.inherited.tty(path) {
            match Tty::adopt(fd, path, line) {
                Ok(tty) => {
                    log::info!("{}: has been kept open", path.display());
                    return Ok(tty);
                }
                Err(why) => {
                    log::info!("{}: not as it was kept: {why}", path.display());
                    self.manager.forget(path);
                }
            }
        }
        let mut tty = Tty::open(path, line)?;
        if self.manager.keep(path, &tty) {
            tty.is_kept(path);
        }
        Ok(tty)
    }

    pub(super) fn listen(&mut self, now: Instant, source: SourceId, addr: SocketAddr) {
        let listener = match self.inherited.listener(addr) {
            Some(passed_on) => Ok(TcpListener::from_std(passed_on)),
            None => bind_tcp(addr),
        };
        match listener.and_then(|listener| Ok((listener.local_addr()?, listener))) {
            Ok((local, listener)) => {
                if self.insert(now, source, Io::Listener(listener), false) {
                    self.gateway.handle_listening(now, source, local);
                }
            }
            Err(error) => {
                let failure = failure(&format!("listen on {addr}"), &error);
                self.gateway.handle_failed(now, source, &failure);
            }
        }
    }

    /// Returns the address to bind; with port 0, the second family takes the port that the first one got.
    pub(super) fn same_port(&self, mut addr: SocketAddr) -> SocketAddr {
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

    pub(super) fn open_udp(
        &mut self,
        now: Instant,
        source: SourceId,
        opened: io::Result<Udp>,
        what: &str,
    ) {
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
}

/// Listens at an address. `[::]` means every address, so a kernel without IPv6 falls back to IPv4.
fn bind_tcp(addr: SocketAddr) -> io::Result<TcpListener> {
    let bound = TcpListener::bind(addr);
    let errno = bound.as_ref().err().and_then(Errno::from_io_error);
    if addr.ip() == Ipv6Addr::UNSPECIFIED && errno == Some(Errno::AFNOSUPPORT) {
        log::warn!(
            "this machine has no IPv6, so port {} is for IPv4 alone",
            addr.port()
        );
        return TcpListener::bind((Ipv4Addr::UNSPECIFIED, addr.port()).into());
    }
    bound
}

/// Removes a socket file that a killed process left behind, because it would prevent listening at this path.
/// A socket with a listening process is left alone, and so is every other file: a bind to those fails, as it
/// should.
fn remove_stale(path: &Path) {
    let is_socket = std::fs::symlink_metadata(path)
        .is_ok_and(|found| std::os::unix::fs::FileTypeExt::is_socket(&found.file_type()));
    if !is_socket {
        return;
    }
    // Connect without waiting. A program whose queue is full does not refuse, so it counts as listening.
    let refused = match mio::net::UnixStream::connect(path) {
        Ok(_) => false,
        Err(error) => error.kind() == io::ErrorKind::ConnectionRefused,
    };
    if refused && let Err(error) = std::fs::remove_file(path) {
        log::debug!("{}: {error}", path.display());
    }
}
