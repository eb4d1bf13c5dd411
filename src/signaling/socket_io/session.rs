//! One client: from its first request until both sides know that it has left.
//!
//! After every `handle_*`, `emit`, `acknowledge` and `disconnect` the owner calls `poll_answer`, `poll_frame`
//! and `poll_event` until they return nothing more, and `poll_timeout`. The owner may leave frames in the
//! session while the WebSocket is full, because the queue here is bounded.

use std::collections::VecDeque;
use std::time::Instant;

use serde::Serialize;

use super::event::{Event, Frame, NotSent, Reason};
use super::heartbeat::{Beat, Heartbeat};
use super::packet::{self, Content, EnginePacket, Packet, PacketError};
use super::polling::{Packets, Writer};
use super::queue::{Dropped, Queue};
use super::request::TransportRefusal;
use super::{Revision, Settings, Transport};

/// The state machine of one client.
#[derive(Debug)]
pub struct Session {
    revision: Revision,
    sid: String,
    socket: String,
    settings: Settings,
    phase: Phase,
    link: Link,
    get: Get,
    heartbeat: Heartbeat,
    queue: Queue,
    events: VecDeque<Event>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// Revision 4: the client has not asked to be connected yet.
    Opened {
        until: Instant,
    },
    Connected,
    /// The dialect knows that the session has ended; the client may not.
    Closing {
        until: Instant,
    },
    Finished,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Link {
    Polling,
    /// Polling, with a WebSocket that is being tested.
    Upgrading {
        until: Instant,
        probe: Probe,
    },
    /// Polling, with a WebSocket that must be closed.
    Rejecting,
    WebSocket,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Probe {
    Awaited,
    /// The probe has arrived; its answer is the next frame.
    Received,
    Answered,
}

/// The GET in which a client waits for packets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Get {
    Absent,
    Parked,
}

impl Session {
    /// Returns a session for a client's first request. If that is a GET, the owner then calls
    /// [`Self::handle_poll`].
    ///
    /// Both names are random and about 20 letters long. `sid` is the secret between client and server;
    /// `socket` is the name for other clients. In revision 3 they are equal, and `socket` is ignored.
    pub fn new(
        now: Instant,
        revision: Revision,
        transport: Transport,
        sid: &str,
        socket: &str,
        settings: Settings,
    ) -> Self {
        let mut queue = Queue::new(settings.queue_packets, settings.queue_bytes);
        let open = settings.open(revision, transport, sid);
        queue.push_kept(EnginePacket::Open(&open).to_string());
        let mut events = VecDeque::new();
        let (socket, phase) = match revision {
            Revision::Three => {
                queue.push_kept(packet::connect(revision, sid));
                events.push_back(Event::Connected);
                (sid, Phase::Connected)
            }
            Revision::Four => {
                let until = now + settings.connect_timeout;
                (socket, Phase::Opened { until })
            }
        };
        Self {
            revision,
            sid: sid.to_owned(),
            socket: socket.to_owned(),
            phase,
            link: match transport {
                Transport::Polling => Link::Polling,
                Transport::WebSocket => Link::WebSocket,
            },
            get: Get::Absent,
            heartbeat: Heartbeat::new(now, revision, &settings),
            settings,
            queue,
            events,
        }
    }

    /// Handles a GET that wants packets. Its answer comes from [`Self::poll_answer`], now or later.
    pub fn handle_poll(&mut self) -> Result<(), TransportRefusal> {
        self.check_polling()?;
        if self.get == Get::Parked {
            return Err(TransportRefusal::Request);
        }
        self.get = Get::Parked;
        Ok(())
    }

    /// Ends the session because the connection of its waiting GET was closed. A client that wants to stay
    /// keeps that connection open.
    pub fn handle_poll_closed(&mut self, now: Instant) {
        if self.get == Get::Parked {
            self.get = Get::Absent;
            self.close(now, Reason::Transport);
        }
    }

    /// Handles a POST with packets. The owner answers at once, with the body `ok` if the packets are not
    /// refused.
    pub fn handle_post(&mut self, now: Instant, body: &[u8]) -> Result<(), TransportRefusal> {
        self.check_polling()?;
        let fault = match std::str::from_utf8(body) {
            _ if body.len() > self.settings.max_payload => Reason::TooLong,
            Err(_) => Reason::NotUtf8,
            Ok(body) => match self.handle_payload(now, body) {
                Ok(()) => return Ok(()),
                Err(fault) => fault,
            },
        };
        self.close(now, fault);
        Err(TransportRefusal::Request)
    }

    /// Handles the WebSocket to which a client that polls wants to change. For a client that began with a
    /// WebSocket, the owner does not call this.
    pub fn handle_websocket_opened(&mut self, now: Instant) -> Result<(), TransportRefusal> {
        self.check_polling()?;
        match (self.phase, self.link) {
            (Phase::Opened { .. } | Phase::Connected, Link::Polling) if self.settings.upgrades => {
                self.link = Link::Upgrading {
                    until: now + self.settings.upgrade_timeout,
                    probe: Probe::Awaited,
                };
                Ok(())
            }
            (
                Phase::Opened { .. } | Phase::Connected | Phase::Closing { .. } | Phase::Finished,
                Link::Polling | Link::Upgrading { .. } | Link::Rejecting | Link::WebSocket,
            ) => Err(TransportRefusal::Request),
        }
    }

    /// Handles a text frame. (For a close frame and the end the owner calls
    /// [`Self::handle_websocket_closed`].)
    pub fn handle_websocket_message(&mut self, now: Instant, text: &str) {
        match self.link {
            Link::Polling | Link::Rejecting => {}
            Link::Upgrading { until, probe } => {
                self.link = match (EnginePacket::parse(text), probe) {
                    (Ok(EnginePacket::Ping(PROBE)), Probe::Awaited) => {
                        let probe = Probe::Received;
                        Link::Upgrading { until, probe }
                    }
                    (Ok(EnginePacket::Upgrade), Probe::Answered) => {
                        self.heartbeat.heard(now);
                        Link::WebSocket
                    }
                    // After a wrong packet the client may continue with polling.
                    (_, Probe::Awaited | Probe::Received | Probe::Answered) => Link::Rejecting,
                };
            }
            Link::WebSocket => {
                let handled = if text.len() > self.settings.max_payload {
                    Err(Reason::TooLong)
                } else {
                    self.handle_packet(now, text)
                };
                if let Err(fault) = handled {
                    self.close(now, fault);
                }
            }
        }
    }

    /// Handles a binary frame.
    pub fn handle_websocket_binary(&mut self, now: Instant) {
        match self.link {
            Link::Polling | Link::Rejecting => {}
            Link::Upgrading { .. } => self.link = Link::Rejecting,
            Link::WebSocket => self.close(now, Reason::Packet(PacketError::Binary)),
        }
    }

    /// Handles the end of the WebSocket. If the client has not changed to it yet, polling continues.
    pub fn handle_websocket_closed(&mut self, now: Instant) {
        match self.link {
            Link::Polling => {}
            Link::Upgrading { .. } | Link::Rejecting => self.link = Link::Polling,
            Link::WebSocket => {
                self.close(now, Reason::Transport);
                self.phase = Phase::Finished;
            }
        }
    }

    /// Sends an event to the client.
    pub fn emit<A: Serialize>(&mut self, name: &str, arguments: &[A]) -> Result<(), NotSent> {
        self.send(packet::event(name, arguments, None))
    }

    /// Acknowledges an event of the client. A number that the client did not send has no effect, because the
    /// client ignores it.
    #[cfg(any(test, feature = "testing"))]
    pub fn acknowledge<A: Serialize>(&mut self, id: u64, arguments: &[A]) -> Result<(), NotSent> {
        self.send(packet::ack(id, arguments))
    }

    /// Disconnects the client after its waiting packets, so that it does not reconnect by itself.
    pub fn disconnect(&mut self, now: Instant) {
        if self.phase == Phase::Connected {
            self.queue.push_kept(packet::DISCONNECT.to_owned());
        }
        self.close(now, Reason::Server);
    }

    /// Returns the body of the answer to the waiting GET.
    pub fn poll_answer(&mut self) -> Option<String> {
        if self.get == Get::Absent {
            return None;
        }
        // After the client has changed to the WebSocket, only its last GET is left.
        if self.link == Link::WebSocket || self.queue.is_empty() {
            let last = match (self.phase, self.link) {
                // In a body of its own, because socket.io-client 4 would act on it before a disconnect in the
                // same body, take it for a network failure and reconnect.
                (Phase::Closing { .. } | Phase::Finished, _) => EnginePacket::Close,
                (_, Link::WebSocket) => EnginePacket::Noop,
                // The client finishes its GETs before it changes to the WebSocket.
                (
                    _,
                    Link::Upgrading {
                        probe: Probe::Received | Probe::Answered,
                        ..
                    },
                ) => EnginePacket::Noop,
                (_, Link::Upgrading { .. } | Link::Polling | Link::Rejecting) => return None,
            };
            self.get = Get::Absent;
            let mut body = Writer::new(self.revision, self.settings.max_payload);
            return body.push(&last.to_string()).then(|| body.finish());
        }
        self.get = Get::Absent;
        let mut body = Writer::new(self.revision, self.settings.max_payload);
        while let Some(packet) = self.queue.front()
            && body.push(packet)
        {
            self.queue.pop();
        }
        Some(body.finish())
    }

    /// Returns the next frame for the WebSocket.
    pub fn poll_frame(&mut self) -> Option<Frame> {
        match self.link {
            Link::Polling => None,
            Link::Upgrading {
                until,
                probe: Probe::Received,
            } => {
                let probe = Probe::Answered;
                self.link = Link::Upgrading { until, probe };
                Some(Frame::Text(EnginePacket::Pong(PROBE).to_string()))
            }
            Link::Upgrading { .. } => None,
            Link::Rejecting => {
                self.link = Link::Polling;
                Some(Frame::Close)
            }
            Link::WebSocket => match (self.phase, self.queue.pop()) {
                (Phase::Finished, _) => None,
                (_, Some(packet)) => Some(Frame::Text(packet)),
                (Phase::Closing { .. }, None) => {
                    self.phase = Phase::Finished;
                    Some(Frame::Close)
                }
                (Phase::Opened { .. } | Phase::Connected, None) => None,
            },
        }
    }

    /// Returns the next event.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// Returns when [`Self::handle_timeout`] must be called.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let heartbeat = self.heartbeat.poll_timeout();
        let first = match self.phase {
            Phase::Opened { until } => heartbeat.min(until),
            Phase::Connected => heartbeat,
            Phase::Closing { until } => return Some(until),
            Phase::Finished => return None,
        };
        match self.link {
            Link::Upgrading { until, .. } => Some(first.min(until)),
            Link::Polling | Link::Rejecting | Link::WebSocket => Some(first),
        }
    }

    /// Acts on a deadline that has passed. Does nothing if called too early.
    pub fn handle_timeout(&mut self, now: Instant) {
        if let Link::Upgrading { until, .. } = self.link
            && now >= until
        {
            self.link = Link::Rejecting;
        }
        match self.phase {
            Phase::Opened { until } if now >= until => self.close(now, Reason::NeverConnected),
            Phase::Closing { until } if now >= until => self.phase = Phase::Finished,
            Phase::Opened { .. } | Phase::Connected => match self.heartbeat.handle_timeout(now) {
                Beat::Nothing => {}
                Beat::Ping => self.queue.push_once(EnginePacket::Ping("").to_string()),
                Beat::Dead => self.close(now, Reason::Silent),
            },
            Phase::Closing { .. } | Phase::Finished => {}
        }
    }

    /// Returns whether the session is over. An open WebSocket can be dropped then; a waiting GET still gets
    /// its answer.
    pub fn is_finished(&self) -> bool {
        self.phase == Phase::Finished
    }

    #[cfg(test)]
    pub(super) fn get_is_parked(&self) -> bool {
        self.get == Get::Parked
    }

    /// Returns the id that the client's requests contain.
    pub fn sid(&self) -> &str {
        &self.sid
    }

    /// Returns the id that other clients may know.
    #[cfg(any(test, feature = "testing"))]
    pub fn socket(&self) -> &str {
        &self.socket
    }

    /// Returns the packets that were dropped because the client did not fetch them.
    pub fn dropped(&self) -> Dropped {
        self.queue.dropped()
    }
}

impl Session {
    /// Checks whether requests of polling are allowed now.
    fn check_polling(&self) -> Result<(), TransportRefusal> {
        match (self.phase, self.link) {
            (Phase::Finished, _) => Err(TransportRefusal::Session),
            (_, Link::WebSocket) => Err(TransportRefusal::Request),
            (_, Link::Polling | Link::Upgrading { .. } | Link::Rejecting) => Ok(()),
        }
    }

    fn handle_payload(&mut self, now: Instant, body: &str) -> Result<(), Reason> {
        for packet in Packets::new(self.revision, body, self.settings.payload_packets) {
            let packet = packet.map_err(Reason::Payload)?;
            // A client that sends a close itself needs no notice of the end.
            if let Phase::Closing { .. } = self.phase
                && EnginePacket::parse(packet) == Ok(EnginePacket::Close)
            {
                self.phase = Phase::Finished;
            }
            self.handle_packet(now, packet)?;
        }
        Ok(())
    }

    fn handle_packet(&mut self, now: Instant, packet: &str) -> Result<(), Reason> {
        if !self.is_open() {
            return Ok(());
        }
        let packet = EnginePacket::parse(packet).map_err(Reason::Packet)?;
        self.heartbeat.heard(now);
        match (packet, self.revision) {
            (EnginePacket::Close, _) => self.close(now, Reason::Client),
            (EnginePacket::Ping(text), Revision::Three) => {
                self.queue.push(EnginePacket::Pong(text).to_string());
            }
            (EnginePacket::Message(text), _) => {
                let packet = Packet::parse(self.revision, text).map_err(Reason::Packet)?;
                self.handle_message(now, packet)?;
            }
            // These packets only show that the client is alive, or are none that a client sends.
            (EnginePacket::Ping(_), Revision::Four)
            | (
                EnginePacket::Pong(_)
                | EnginePacket::Open(_)
                | EnginePacket::Upgrade
                | EnginePacket::Noop,
                _,
            ) => {}
        }
        Ok(())
    }

    fn handle_message(&mut self, now: Instant, packet: Packet<'_>) -> Result<(), Reason> {
        if packet.namespace != "/" {
            let refusal = packet::connect_error(self.revision, packet.namespace, NO_NAMESPACE);
            self.queue.push(refusal);
            return Ok(());
        }
        match (packet.content, self.phase) {
            (Content::Connect(_), Phase::Opened { .. }) => {
                self.phase = Phase::Connected;
                let connect = packet::connect(self.revision, &self.socket);
                self.queue.push_kept(connect);
                self.events.push_back(Event::Connected);
            }
            (Content::Disconnect, _) => self.close(now, Reason::Client),
            (Content::Event { .. }, Phase::Opened { .. }) => return Err(Reason::TooEarly),
            (
                Content::Event {
                    name,
                    arguments,
                    ack,
                },
                _,
            ) => self.events.push_back(Event::Received {
                name: name.into_owned(),
                arguments: arguments.into_iter().map(ToOwned::to_owned).collect(),
                ack,
            }),
            // The server never asks for acknowledgements, and only the server refuses, so these packets are
            // ignored.
            (Content::Connect(_) | Content::Ack { .. } | Content::ConnectError { .. }, _) => {}
        }
        Ok(())
    }

    fn send(&mut self, packet: Result<String, serde_json::Error>) -> Result<(), NotSent> {
        if self.phase != Phase::Connected {
            return Err(NotSent::NotConnected);
        }
        let packet = packet.map_err(|_| NotSent::NotJson)?;
        if packet.len() > self.settings.queue_bytes {
            return Err(NotSent::TooLong);
        }
        self.queue.push(packet);
        Ok(())
    }

    /// Ends an open session, and notifies the client if possible.
    fn close(&mut self, now: Instant, reason: Reason) {
        if !self.is_open() {
            return;
        }
        self.phase = Phase::Closing {
            until: now + self.settings.ping_timeout,
        };
        self.events.push_back(Event::Closed { reason });
        if reason != Reason::Server {
            self.queue.clear();
        }
        if let Link::Upgrading { .. } = self.link {
            self.link = Link::Rejecting;
        }
    }

    fn is_open(&self) -> bool {
        match self.phase {
            Phase::Opened { .. } | Phase::Connected => true,
            Phase::Closing { .. } | Phase::Finished => false,
        }
    }
}

/// The text of the ping that tests a WebSocket.
const PROBE: &str = "probe";

/// The words of Socket.IO for a namespace that does not exist.
const NO_NAMESPACE: &str = "Invalid namespace";
