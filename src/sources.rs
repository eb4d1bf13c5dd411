//! What the operating system polls for the gateway, whose each of these sources is, and what the gateway asks of the event loop.
//!
//! An id is made together with the command that opens it, and removed together with the command that closes it, so that the
//! event loop and the gateway agree on which sources exist.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use crate::access::UnixTime;
use crate::config::{Capture, TlsFiles, UdpConfig};
use crate::datagram::TransmitQueue;
use crate::endpoint::line::LineStep;
use crate::endpoint::{Failure, Target};
use crate::ids::{ConnectionId, EndpointId, SourceId, SourceKind};
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
}

/// What a component needs of the daemon during a call: the time, and a way to ask the event loop for something.
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

/// All sources, and everything that leaves the gateway for the event loop.
#[derive(Debug)]
pub(crate) struct Sources {
    owners: Slab<SourceKind, Owner>,
    commands: VecDeque<Command>,
    /// Sources whose output or interest may have changed.
    touched: VecDeque<SourceId>,
    /// Listeners and ICE sockets that have not been opened yet: the daemon is not ready before they are.
    opening: Vec<SourceId>,
    /// Datagrams of this turn.
    transmits: TransmitQueue,
    /// How many file descriptors the process may have.
    descriptors: usize,
}

impl Sources {
    /// Returns no sources, and no limit on file descriptors.
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

    /// Does the same for a source without which the daemon is not ready.
    pub(crate) fn open_first(
        &mut self,
        owner: Owner,
        command: impl FnOnce(SourceId) -> Command,
    ) -> SourceId {
        let source = self.open(owner, command);
        self.opening.push(source);
        source
    }

    /// Makes a source of what the event loop has accepted.
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

    /// Forgets a source that the event loop has closed by itself or could not open.
    pub(crate) fn forget(&mut self, source: SourceId) {
        self.opening.retain(|other| *other != source);
        self.owners.remove(source);
    }

    /// Asks the event loop for something that makes no source.
    pub(crate) fn ask(&mut self, command: Command) {
        self.commands.push_back(command);
    }

    /// Puts a source on the list of those whose output or interest may have changed.
    pub(crate) fn touch(&mut self, source: SourceId) {
        // Twice in a row is common, twice in a turn harmless.
        if self.touched.back() != Some(&source) {
            self.touched.push_back(source);
        }
    }

    /// Returns whose a source is.
    pub(crate) fn owner(&self, source: SourceId) -> Option<Owner> {
        self.owners.get(source).copied()
    }

    /// A source was opened, or cannot be.
    pub(crate) fn note_opened(&mut self, source: SourceId) {
        self.opening.retain(|other| *other != source);
    }

    /// Returns whether everything is open without which the daemon is not ready.
    pub(crate) fn is_ready(&self) -> bool {
        self.opening.is_empty()
    }

    /// Returns whether another source of this owner is still being opened.
    pub(crate) fn is_opening(&self, owner: Owner) -> bool {
        let mut opening = self.opening.iter();
        opening.any(|source| self.owner(*source) == Some(owner))
    }

    /// Sets how many file descriptors the process may have.
    pub(crate) fn set_descriptors(&mut self, limit: usize) {
        self.descriptors = limit;
    }

    /// Returns whether this many file descriptors stay free when one more is used.
    pub(crate) fn has_spare_descriptors(&self, spare: usize) -> bool {
        self.owners.len() + limits::OWN_DESCRIPTORS + spare < self.descriptors
    }

    /// Returns the datagrams that wait for the end of the turn.
    pub(crate) fn transmits(&mut self) -> &mut TransmitQueue {
        &mut self.transmits
    }

    /// Returns how many datagrams were dropped for want of room or of a socket.
    pub(crate) fn datagrams_refused(&self) -> u64 {
        self.transmits.refused()
    }

    /// Takes out the next thing that the event loop is to do.
    pub(crate) fn poll_command(&mut self) -> Option<Command> {
        self.commands.pop_front()
    }

    /// Takes out the next source whose output or interest may have changed.
    pub(crate) fn poll_touched(&mut self) -> Option<SourceId> {
        self.touched.pop_front()
    }
}

/// What the loop is to do. Each `Open…` and `Listen` is answered by `handle_opened`,
/// `handle_listening` or `handle_failed`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// Listen for TCP connections.
    Listen {
        /// Its id.
        source: SourceId,
        /// Where; port 0 is any.
        addr: SocketAddr,
    },
    /// Listen for HTTP at a Unix socket.
    ListenControl {
        /// Its id.
        source: SourceId,
        /// Where.
        path: PathBuf,
    },
    /// Tell with `handle_devices_changed` when adapters come.
    WatchDevices,
    /// Open a UDP socket for sessions, bound to all addresses of a family, with packet info.
    OpenIce {
        /// Its id.
        source: SourceId,
        /// The unspecified address with the port; port 0 is any.
        addr: SocketAddr,
    },
    /// Open a UDP socket for a device.
    OpenUdp {
        /// Its id.
        source: SourceId,
        /// Its addresses.
        udp: UdpConfig,
    },
    /// Open a device's stream, or the listener that its program connects to.
    Open {
        /// Its id.
        source: SourceId,
        /// What it is.
        target: Target,
    },
    /// Open a capture file for appending.
    OpenCapture {
        /// Its id.
        source: SourceId,
        /// Where, and how long it may become.
        capture: Capture,
    },
    /// Do something at a tty and answer with `handle_line`.
    Line {
        /// Its id.
        source: SourceId,
        /// What is done.
        step: LineStep,
    },
    /// Close a source; the id is gone already.
    Close {
        /// Its id.
        source: SourceId,
    },
    /// Tell how many bytes a tty's driver holds unsent, with `handle_unsent`.
    CountUnsent {
        /// Its id.
        source: SourceId,
    },
    /// Find the serial ports of this machine and answer with `handle_ports`.
    ListPorts,
    /// Read an endpoint's file in `conf.d` and answer with `handle_endpoint_read`.
    ReadEndpoint {
        /// Its name, which is the file's too.
        name: String,
    },
    /// Write (or, without a text, remove) an endpoint's file in `conf.d` and answer with
    /// `handle_endpoint_written`.
    WriteEndpoint {
        /// Its name, which is the file's too.
        name: String,
        /// TOML.
        text: Option<String>,
        /// Whether a file that is there is ours to write over.
        replace: bool,
    },
    /// Read or make the certificate for TLS and answer with `handle_tls`.
    LoadTls {
        /// `None`: one of our own.
        files: Option<TlsFiles>,
    },
    /// Make a certificate authority for these and this machine's addresses, unless there is one for all of them, and answer as
    /// to `LoadTls`.
    MakeAuthority {
        /// Names of this machine, and addresses that others give it.
        hosts: Vec<String>,
    },
    /// Answer as to `LoadTls`, but only if the certificate's files have changed or it is to be renewed.
    RenewTls {
        /// `None`: one of our own.
        files: Option<TlsFiles>,
    },
    /// Keep what is known of tokens and answer with `handle_access_stored`.
    StoreAccess {
        /// JSON without secrets.
        text: String,
    },
    /// List this machine's addresses now and answer with `handle_addresses`.
    ListAddresses,
}

/// How the process is to end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Exit {
    /// Everything is closed.
    Done,
    /// Something without which it cannot run is missing.
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
        // The event loop closed this one itself.
        let accepted = sources.adopt(Owner::ControlSocket);
        sources.forget(accepted);
        assert_eq!(
            (sources.poll_command(), sources.owner(accepted)),
            (None, None)
        );
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
