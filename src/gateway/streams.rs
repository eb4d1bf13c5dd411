//! Byte streams: what is read from them and what is to be written to them, whosever they are.

use std::net::SocketAddr;
use std::time::Instant;

use super::Gateway;
use super::access::Reach;
use super::secured::Guard;
use super::source::Source;
use crate::config::EndpointKind;
use crate::endpoint::{Failure, FailureKind};
use crate::ids::SourceId;

impl Gateway {
    /// A listener accepted a connection. `None`: there are too many, close it.
    pub fn handle_accept(
        &mut self,
        now: Instant,
        local: SocketAddr,
        remote: SocketAddr,
    ) -> Option<SourceId> {
        let reach = if remote.ip().to_canonical().is_loopback() {
            Reach::Loopback
        } else {
            Reach::Network { tls: false }
        };
        self.accept_connection(now, local, remote, reach)
    }

    /// The same, of one of our listeners or the control socket.
    pub fn handle_accept_at(
        &mut self,
        now: Instant,
        listener: SourceId,
        local: SocketAddr,
        remote: SocketAddr,
    ) -> Option<SourceId> {
        match self.sources.get(listener) {
            Some(Source::Listener { secure: false, .. }) => self.handle_accept(now, local, remote),
            Some(Source::Listener { secure: true, .. }) => {
                let reach = if remote.ip().to_canonical().is_loopback() {
                    Reach::Loopback
                } else {
                    Reach::Network { tls: true }
                };
                let source = self.accept_connection(now, local, remote, reach)?;
                self.guards.insert(source, Guard::Waiting);
                Some(source)
            }
            Some(Source::ControlSocket) => {
                self.accept_connection(now, local, remote, Reach::ControlSocket)
            }
            Some(_) | None => None,
        }
    }

    /// A listener of a device accepted a connection. `None`: it has one already, close it.
    pub fn handle_device_accept(&mut self, now: Instant, listener: SourceId) -> Option<SourceId> {
        let Some(Source::DeviceListener(endpoint)) = self.sources.get(listener) else {
            return None;
        };
        self.accept_device(now, *endpoint)
    }

    /// Bytes of a stream.
    pub fn handle_data(&mut self, now: Instant, source: SourceId, bytes: &[u8]) {
        if let Some(Source::Device(endpoint)) = self.sources.get(source) {
            let endpoint = *endpoint;
            self.handle_device_input(now, endpoint, bytes);
        } else if self.unwrap_input(now, source, bytes) {
            // It was TLS, and has been read.
        } else if let Some(connection) = self
            .sources
            .get_mut(source)
            .and_then(|s| s.connection_mut())
        {
            connection.handle_input(now, bytes);
            self.service(now, source);
        }
    }

    /// The other side of a stream will send no more.
    pub fn handle_closed(&mut self, now: Instant, source: SourceId) {
        if let Some(Source::Device(endpoint)) = self.sources.get(source) {
            let gone = Failure::new(FailureKind::Absent, "it has closed the connection");
            self.handle_device_failed(now, *endpoint, source, &gone);
        } else if let Some(connection) = self
            .sources
            .get_mut(source)
            .and_then(|s| s.connection_mut())
        {
            connection.handle_closed(now);
            self.service(now, source);
        }
    }

    /// What is to be written to a stream. Empty: nothing.
    pub fn output(&self, source: SourceId) -> &[u8] {
        match self.sources.get(source) {
            Some(Source::Device(endpoint)) => self
                .routing
                .endpoints
                .get(*endpoint)
                .filter(|device| !device.holds_output)
                .map_or(&[], |device| device.endpoint.output()),
            Some(Source::Capture(endpoint)) => {
                let device = self.routing.endpoints.get(*endpoint);
                let tape = device.and_then(|device| device.tape.as_ref());
                tape.map_or(&[], |tape| tape.recorder.output())
            }
            Some(other) => match (self.wrapped_output(source), other.connection()) {
                (Some(records), _) => records,
                (None, Some(connection)) => connection.output(),
                (None, None) => &[],
            },
            None => &[],
        }
    }

    /// The first `n` bytes of [`Self::output`] have been written.
    pub fn consume(&mut self, now: Instant, source: SourceId, n: usize) {
        if let Some(Source::Device(endpoint)) = self.sources.get(source) {
            let endpoint = *endpoint;
            self.handle_device_written(now, endpoint, n);
        } else if let Some(Source::Capture(endpoint)) = self.sources.get(source) {
            let device = self.routing.endpoints.get_mut(*endpoint);
            if let Some(tape) = device.and_then(|device| device.tape.as_mut()) {
                tape.recorder.consume(n);
            }
        } else if self.consume_wrapped(now, source, n) {
            self.go_on_with_socket(now, source);
        } else if let Some(connection) = self
            .sources
            .get_mut(source)
            .and_then(|s| s.connection_mut())
        {
            connection.consume(n);
            self.service(now, source);
            self.go_on_with_socket(now, source);
        }
    }

    /// How many bytes of a stream may be read now. 0: none before it is touched. A tty always may be read.
    pub fn input_room(&self, source: SourceId) -> usize {
        match self.sources.get(source) {
            // While draining no channel is written, so room would never come, and a program that waits to be read takes nothing.
            Some(Source::Device(_)) if self.drain.is_some() => usize::MAX,
            Some(Source::Device(endpoint)) => {
                let device = self.routing.endpoints.get(*endpoint);
                device.map_or(usize::MAX, |device| device.endpoint.input_room())
            }
            Some(other) if other.connection().is_some_and(|it| !it.wants_input()) => 0,
            Some(_) | None => usize::MAX,
        }
    }

    /// Whether what a stream still has to say is wanted when it takes nothing any more: a program may have hung up behind its
    /// last words.
    pub fn reads_to_the_end(&self, source: SourceId) -> bool {
        let Some(Source::Device(endpoint)) = self.sources.get(source) else {
            return false;
        };
        let device = self.routing.endpoints.get(*endpoint);
        device.is_some_and(|device| {
            let kind = &device.config.kind;
            matches!(kind, EndpointKind::Tcp(_) | EndpointKind::Unix(_))
        })
    }
}
