//! The loop: waits, reads, lets the gateway think, writes. It decides nothing.
//!
//! mio is edge-triggered: a source that was not read or written until it would block is not told
//! again. Such a source goes to the back of a list and the next poll does not sleep, so that each
//! gets its share of every turn.

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use mio::net::TcpListener;
use mio::{Events, Interest, Poll, Token};

use super::signal::Stop;
use super::stream::{Progress, Stream};
use super::tty::Tty;
use super::udp::{Receiver, Sent, Udp};
use super::{addresses, failure, plain};
use crate::endpoint::{Failure, FailureKind};
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

const STOP: Token = Token(usize::MAX);

enum Io {
    Listener(TcpListener),
    Stream(Stream),
    Udp(Udp),
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
}

/// The real world around a [`Gateway`].
pub struct EventLoop {
    poll: Poll,
    gateway: Gateway,
    stop: Stop,
    /// By the index of their id.
    slots: Vec<Option<Slot>>,
    ready: VecDeque<SourceId>,
    receiver: Receiver,
    buffer: Box<[u8]>,
}

impl EventLoop {
    /// A loop that has not started yet.
    pub fn new(gateway: Gateway) -> io::Result<Self> {
        let poll = Poll::new()?;
        let stop = Stop::new(poll.registry(), STOP)?;
        Ok(Self {
            poll,
            gateway,
            stop,
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
                if event.token() == STOP {
                    for _ in 0..self.stop.take() {
                        self.gateway.handle_shutdown(now);
                    }
                } else {
                    let readable =
                        event.is_readable() || event.is_read_closed() || event.is_error();
                    self.note(event.token(), readable, event.is_writable());
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
        if writable && slot.write_blocked {
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
                Io::Stream(_) => self.read_stream(now, id),
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
                        self.insert(now, source, Io::Stream(Stream::Tcp(stream)));
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
                io: Io::Stream(Stream::Tcp(_)),
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
            let Io::Stream(stream) = &mut slot.io else {
                return wrote;
            };
            if slot.id != id {
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
                Command::OpenUdp { source, remote } => {
                    let opened = Udp::connect(remote);
                    self.open_udp(now, source, opened, &format!("UDP to {remote}"));
                }
                Command::OpenTty { source, path, baud } => match Tty::open(&path, baud) {
                    Ok(tty) => {
                        if self.insert(now, source, Io::Stream(Stream::Tty(tty))) {
                            self.gateway.handle_opened(now, source, None);
                        }
                    }
                    Err(failure) => self.gateway.handle_failed(now, source, &failure),
                },
                Command::CountUnsent { source } => {
                    let unsent = match self.slot(source) {
                        Some(Slot {
                            io: Io::Stream(Stream::Tty(tty)),
                            ..
                        }) => tty.unsent(),
                        Some(_) | None => 0,
                    };
                    self.gateway.handle_unsent(source, unsent);
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

    fn listen(&mut self, now: Instant, source: SourceId, addr: SocketAddr) {
        let listener = TcpListener::bind(addr);
        match listener.and_then(|listener| Ok((listener.local_addr()?, listener))) {
            Ok((local, listener)) => {
                if self.insert(now, source, Io::Listener(listener)) {
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
                Io::Udp(_) | Io::Listener(_) | Io::Stream(_) => None,
            });
            addr.set_port(port.unwrap_or(0));
        }
        addr
    }

    fn open_udp(&mut self, now: Instant, source: SourceId, opened: io::Result<Udp>, what: &str) {
        match opened {
            Ok(udp) => {
                let local = udp.local();
                if self.insert(now, source, Io::Udp(udp)) {
                    self.gateway.handle_opened(now, source, Some(local));
                }
            }
            Err(error) => self
                .gateway
                .handle_failed(now, source, &failure(what, &error)),
        }
    }

    /// Registers for reading and writing, once and for all. False: it failed and was reported.
    fn insert(&mut self, now: Instant, id: SourceId, mut io: Io) -> bool {
        let (token, both) = (Token(id.index()), Interest::READABLE | Interest::WRITABLE);
        let registry = self.poll.registry();
        let registered = match &mut io {
            Io::Listener(listener) => registry.register(listener, token, Interest::READABLE),
            Io::Stream(Stream::Tcp(tcp)) => registry.register(tcp, token, both),
            Io::Stream(Stream::Tty(tty)) => registry.register(tty, token, both),
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

#[expect(
    clippy::disallowed_methods,
    reason = "this is the one place that reads the clock"
)]
fn clock() -> Instant {
    Instant::now()
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
