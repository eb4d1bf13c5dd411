//! The sources that the operating system polls for the gateway, the owner of each source, and the gateway's
//! commands to the event loop.
//!
//! The command that opens a source also makes its id, and the command that closes a source also removes the
//! id, so that the event loop and the gateway agree on which sources exist.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use crate::access::UnixTime;
use crate::config::{Capture, TlsFiles, UdpConfig};
use crate::datagram::TransmitQueue;
use crate::endpoint::line::LineStep;
use crate::endpoint::{Failure, Target};
use crate::ids::{ConnectionId, EndpointId, SourceId, SourceKind, TrackId, TrackSocket};
use crate::limits;
use crate::util::slab::Slab;

/// The part of the gateway that a source belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Owner {
    /// A listener for HTTP connections.
    Listener,
    /// The Unix socket for HTTP connections of the command line.
    ControlSocket,
    /// An HTTP or WebSocket connection.
    Connection(ConnectionId),
    /// An endpoint's stream or socket.
    Device(EndpointId),
    /// A listener that an endpoint's program connects to.
    DeviceListener(EndpointId),
    /// An endpoint's capture file.
    Capture(EndpointId),
    /// A socket that carries all sessions of one address family.
    Ice,
    /// A socket for the RTP or RTCP of a track.
    Track(TrackId, TrackSocket),
}

/// The part of the daemon that a component needs during a call: the time, and the queue of commands to the
/// event loop.
pub(crate) struct Context<'a> {
    /// The monotonic time of this turn.
    pub(crate) now: Instant,
    /// The time of day, since 1970.
    pub(crate) time: Duration,
    pub(crate) sources: &'a mut Sources,
}

impl Context<'_> {
    /// Returns the time of day in whole seconds since 1970.
    pub(crate) fn unix_time(&self) -> UnixTime {
        self.time.as_secs()
    }
}

/// All sources, and everything that the event loop takes from the gateway.
#[derive(Debug)]
pub(crate) struct Sources {
    owners: Slab<SourceKind, Owner>,
    commands: VecDeque<Command>,
    /// Sources whose output or interest may have changed.
    touched: VecDeque<SourceId>,
    /// Listeners and ICE sockets that are not open yet. The daemon is not ready before they are.
    opening: Vec<SourceId>,
    /// Datagrams of this turn.
    transmits: TransmitQueue,
    /// The most file descriptors that the process may open.
    descriptors: usize,
}

impl Sources {
    /// Returns a value without sources, and without a limit of file descriptors.
    pub(crate) fn new() -> Self {
        Self {
            owners: Slab::new(),
            commands: VecDeque::new(),
            touched: VecDeque::new(),
            opening: Vec::new(),
            transmits: TransmitQueue::new(),
            descriptors: usize::MAX,
        }
    }

    /// Makes a source, and asks the event loop to open it with the command that `command` makes of its id.
    pub(crate) fn open(
        &mut self,
        owner: Owner,
        command: impl FnOnce(SourceId) -> Command,
    ) -> SourceId {
        let source = self.owners.insert(owner);
        self.commands.push_back(command(source));
        source
    }

    /// Makes a source without which the daemon is not ready, and asks the event loop to open it with the
    /// command that `command` makes of its id.
    pub(crate) fn open_first(
        &mut self,
        owner: Owner,
        command: impl FnOnce(SourceId) -> Command,
    ) -> SourceId {
        let source = self.open(owner, command);
        self.opening.push(source);
        source
    }

    /// Makes a source for a connection that the event loop has accepted.
    pub(crate) fn adopt(&mut self, owner: Owner) -> SourceId {
        self.owners.insert(owner)
    }

    /// Closes a source. Its id finds nothing from now on.
    pub(crate) fn close(&mut self, source: SourceId) {
        self.opening.retain(|other| *other != source);
        if self.owners.remove(source).is_some() {
            self.commands.push_back(Command::Close { source });
        }
    }

    /// Forgets a source that the event loop itself has closed or could not open.
    pub(crate) fn forget(&mut self, source: SourceId) {
        self.opening.retain(|other| *other != source);
        self.owners.remove(source);
    }

    /// Sends the event loop a command that makes no source.
    pub(crate) fn ask(&mut self, command: Command) {
        self.commands.push_back(command);
    }

    /// Queues a source whose output or interest may have changed.
    pub(crate) fn touch(&mut self, source: SourceId) {
        // A source is often touched twice in a row. A repeated entry in one turn does no harm.
        if self.touched.back() != Some(&source) {
            self.touched.push_back(source);
        }
    }

    /// Returns the owner of a source.
    pub(crate) fn owner(&self, source: SourceId) -> Option<Owner> {
        self.owners.get(source).copied()
    }

    /// Returns the device that owns a source.
    pub(crate) fn device(&self, source: SourceId) -> Option<EndpointId> {
        match self.owner(source) {
            Some(Owner::Device(id)) => Some(id),
            Some(
                Owner::Listener
                | Owner::ControlSocket
                | Owner::Connection(_)
                | Owner::DeviceListener(_)
                | Owner::Capture(_)
                | Owner::Ice
                | Owner::Track(..),
            )
            | None => None,
        }
    }

    /// Notes that a source was opened, or cannot be opened.
    pub(crate) fn note_opened(&mut self, source: SourceId) {
        self.opening.retain(|other| *other != source);
    }

    /// Returns whether every source is open without which the daemon is not ready.
    pub(crate) fn is_ready(&self) -> bool {
        self.opening.is_empty()
    }

    /// Returns whether another source of this owner is still being opened.
    pub(crate) fn is_opening(&self, owner: Owner) -> bool {
        let mut opening = self.opening.iter();
        opening.any(|source| self.owner(*source) == Some(owner))
    }

    /// Sets the most file descriptors that the process may open.
    pub(crate) fn set_descriptors(&mut self, limit: usize) {
        self.descriptors = limit;
    }

    /// Returns whether this many file descriptors stay free when one more is used.
    pub(crate) fn has_spare_descriptors(&self, spare: usize) -> bool {
        self.owners.len() + limits::OWN_DESCRIPTORS + spare < self.descriptors
    }

    /// Returns whether sessions of this process have sent datagrams to each other.
    pub(crate) fn has_internal_mail(&self) -> bool {
        self.transmits.has_internal()
    }

    /// Returns the datagrams that wait for the end of the turn.
    pub(crate) fn transmits(&mut self) -> &mut TransmitQueue {
        &mut self.transmits
    }

    /// Returns how many datagrams were dropped for lack of room or of a socket.
    pub(crate) fn datagrams_refused(&self) -> u64 {
        self.transmits.refused()
    }

    /// Removes and returns the next command for the event loop.
    pub(crate) fn poll_command(&mut self) -> Option<Command> {
        self.commands.pop_front()
    }

    /// Removes and returns the next source whose output or interest may have changed.
    pub(crate) fn poll_touched(&mut self) -> Option<SourceId> {
        self.touched.pop_front()
    }
}

/// A command for the event loop. The loop answers each `Open…` and `Listen` with `handle_opened`,
/// `handle_listening` or `handle_failed`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// Listens for TCP connections.
    Listen {
        /// The id of the new source.
        source: SourceId,
        /// The address; port 0 is any port.
        addr: SocketAddr,
    },
    /// Listens for HTTP at a Unix socket.
    ListenControl {
        /// The id of the new source.
        source: SourceId,
        /// The path of the socket.
        path: PathBuf,
    },
    /// Watches for adapters, and reports changes with `handle_devices_changed`.
    WatchDevices,
    /// Opens a UDP socket for sessions, bound to all addresses of a family, with packet info.
    OpenIce {
        /// The id of the new source.
        source: SourceId,
        /// The unspecified address with the port; port 0 is any port.
        addr: SocketAddr,
    },
    /// Opens a UDP socket for a device.
    OpenUdp {
        /// The id of the new source.
        source: SourceId,
        /// The addresses of the socket.
        udp: UdpConfig,
    },
    /// Opens a device's stream, or the listener that its program connects to.
    Open {
        /// The id of the new source.
        source: SourceId,
        /// The stream or listener to open.
        target: Target,
    },
    /// Opens a capture file for appending.
    OpenCapture {
        /// The id of the new source.
        source: SourceId,
        /// The path and the size limits of the file.
        capture: Capture,
    },
    /// Takes a step at a tty, and answers with `handle_line`.
    Line {
        /// The id of the tty.
        source: SourceId,
        /// The step to take.
        step: LineStep,
    },
    /// Closes a source, whose id is already removed.
    Close {
        /// The id of the source.
        source: SourceId,
    },
    /// Counts the bytes that a tty's driver holds unsent, and answers with `handle_unsent`.
    CountUnsent {
        /// The id of the tty.
        source: SourceId,
    },
    /// Finds the serial ports of this machine, and answers with `handle_ports`.
    ListPorts,
    /// Reads an endpoint's file in `conf.d`, and answers with `handle_endpoint_read`.
    ReadEndpoint {
        /// The name of the endpoint and of its file.
        name: String,
    },
    /// Writes (or, without a text, removes) an endpoint's file in `conf.d`, and answers with
    /// `handle_endpoint_written`.
    WriteEndpoint {
        /// The name of the endpoint and of its file.
        name: String,
        /// The new text in TOML. `None`: the file is removed.
        text: Option<String>,
        /// Whether an existing file may be overwritten.
        replace: bool,
    },
    /// Reads or makes the certificate for TLS, and answers with `handle_tls`.
    LoadTls {
        /// The files of the certificate. `None`: the certificate is our own.
        files: Option<TlsFiles>,
    },
    /// Makes a certificate authority for these hosts and this machine's addresses, unless one exists for all
    /// of them. The answer is the one to `LoadTls`.
    MakeAuthority {
        /// Names of this machine, and addresses by which other machines reach it.
        hosts: Vec<String>,
    },
    /// Reloads the certificate if its files have changed or it must be renewed. The answer is the one to
    /// `LoadTls`.
    RenewTls {
        /// The files of the certificate. `None`: the certificate is our own.
        files: Option<TlsFiles>,
    },
    /// Stores the tokens, and answers with `handle_access_stored`.
    StoreAccess {
        /// The tokens as JSON, without secrets.
        text: String,
    },
    /// Lists this machine's addresses now, and answers with `handle_addresses`.
    ListAddresses,
}

/// How the process ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Exit {
    /// The process ends properly, with everything closed.
    Done,
    /// The process ends because it cannot run without something that failed.
    Failed(Failure),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_is_opened_and_closed_with_its_commands() {
        let mut sources = Sources::new();
        let addr = SocketAddr::from(([127, 0, 0, 1], 80));
        let listen = |source| Command::Listen { source, addr };
        let source = sources.open_first(Owner::Listener, listen);
        assert_eq!(sources.poll_command(), Some(listen(source)));
        assert!(!sources.is_ready() && sources.is_opening(Owner::Listener));
        sources.close(source);
        sources.close(source);
        assert!(sources.is_ready(), "a closed source is not waited for");
        assert_eq!(sources.poll_command(), Some(Command::Close { source }));
        assert_eq!(sources.poll_command(), None, "it is closed once");
        assert_eq!(sources.owner(source), None);
        // The event loop itself has closed this source.
        let accepted = sources.adopt(Owner::ControlSocket);
        sources.forget(accepted);
        assert_eq!(
            (sources.poll_command(), sources.owner(accepted)),
            (None, None)
        );
    }

    #[test]
    fn the_daemon_is_ready_when_every_first_source_is_open() {
        let mut sources = Sources::new();
        let addr = SocketAddr::from(([127, 0, 0, 1], 80));
        let ice = sources.open_first(Owner::Ice, |source| Command::OpenIce { source, addr });
        let listener =
            sources.open_first(Owner::Listener, |source| Command::Listen { source, addr });
        sources.note_opened(ice);
        assert!(!sources.is_ready() && !sources.is_opening(Owner::Ice));
        assert!(
            sources.is_opening(Owner::Listener),
            "this one is still waited for"
        );
        sources.note_opened(listener);
        assert!(sources.is_ready() && !sources.is_opening(Owner::Listener));
        assert_eq!(sources.owner(ice), Some(Owner::Ice), "it is still there");
    }

    #[test]
    fn only_a_device_is_one() {
        let mut sources = Sources::new();
        let id = crate::util::slab::Id::from_bits(7);
        let device = sources.adopt(Owner::Device(id));
        let capture = sources.adopt(Owner::Capture(id));
        assert_eq!(sources.device(device), Some(id));
        assert_eq!(sources.device(capture), None);
    }

    #[test]
    fn datagrams_without_a_socket_are_counted() {
        let mut sources = Sources::new();
        let addr = SocketAddr::from(([192, 0, 2, 1], 9));
        assert_eq!(sources.datagrams_refused(), 0);
        assert!(!sources.transmits().push_ice(addr, addr, b"x"));
        assert!(!sources.transmits().push_ice(addr, addr, b"y"));
        assert_eq!(sources.datagrams_refused(), 2);
    }

    #[test]
    fn datagrams_within_the_process_are_mail() {
        let mut sources = Sources::new();
        let [one, two] = [1, 2].map(crate::datagram::internal_address);
        assert!(!sources.has_internal_mail());
        assert!(sources.transmits().push_ice(one, two, b"x"));
        assert!(sources.has_internal_mail());
        drop(sources.transmits().take_internal());
        assert!(!sources.has_internal_mail());
    }

    #[test]
    fn a_source_that_is_touched_twice_in_a_row_is_looked_at_once() {
        let mut sources = Sources::new();
        let [first, second] = [0; 2].map(|_| sources.adopt(Owner::Ice));
        for source in [first, first, second, first] {
            sources.touch(source);
        }
        let touched: Vec<_> = std::iter::from_fn(|| sources.poll_touched()).collect();
        assert_eq!(touched, [first, second, first]);
    }

    #[test]
    fn descriptors_leave_some_to_spare() {
        let mut sources = Sources::new();
        assert!(sources.has_spare_descriptors(1000));
        sources.set_descriptors(limits::OWN_DESCRIPTORS + 3);
        assert!(sources.has_spare_descriptors(2));
        sources.adopt(Owner::Ice);
        assert!(!sources.has_spare_descriptors(2));
    }
}
