//! One client: from its first request until both sides know that it has left.
//!
//! After every `handle_*`, `emit`, `acknowledge` and `disconnect` the owner asks `poll_answer`,
//! `poll_frame` and `poll_event` until they have nothing more, and `poll_timeout`. Frames can be
//! left where they are while the WebSocket is full: the queue is here, and bounded.

use std::collections::VecDeque;
use std::time::Instant;

use serde::Serialize;

use super::event::{Event, Frame, NotSent, Reason};
use super::heartbeat::{Beat, Heartbeat};
use super::packet::{self, Content, EnginePacket, Packet, PacketError};
use super::polling::{Packets, Writer};
use super::queue::{Dropped, Queue};
use super::request::Refusal;
use super::{Revision, Settings, Transport};

/// The state machine.
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
    /// Revision 4: the client has not yet said that it wants to talk.
    Opened {
        until: Instant,
    },
    Connected,
    /// The dialect knows that it is over; the client may not.
    Closing {
        until: Instant,
    },
    Finished,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Link {
    Polling,
    /// Still polling, with a WebSocket beside it.
    Upgrading {
        until: Instant,
        probe: Probe,
    },
    /// Still polling, and that WebSocket is to be closed.
    Rejecting,
    WebSocket,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Probe {
    Awaited,
    /// It came; the answer is the next frame.
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
    /// For a client's first request, which is then given to [`Self::handle_poll`] if it is a GET.
    ///
    /// Both names are random and 20 letters long or so. `sid` is the secret between client and
    /// server; `socket` is what others know the client by. In revision 3 they are the same, and
    /// `socket` is ignored.
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

    /// A GET wants packets. Its answer comes from [`Self::poll_answer`], soon or late.
    pub fn handle_poll(&mut self) -> Result<(), Refusal> {
        self.check_polling()?;
        if self.get == Get::Parked {
            return Err(Refusal::Request);
        }
        self.get = Get::Parked;
        Ok(())
    }

    /// The connection of the GET that waits was closed: a client does not do that and stay.
    pub fn handle_poll_closed(&mut self, now: Instant) {
        if self.get == Get::Parked {
            self.get = Get::Absent;
            self.close(now, Reason::Transport);
        }
    }

    /// A POST has these packets. It is answered at once, with
    /// [`POST_BODY`](super::request::POST_BODY) if it is not refused.
    pub fn handle_post(&mut self, now: Instant, body: &[u8]) -> Result<(), Refusal> {
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
        Err(Refusal::Request)
    }

    /// A client that polls has a WebSocket too and wants to go over to it. One that began with a
    /// WebSocket has nothing to announce.
    pub fn handle_websocket_opened(&mut self, now: Instant) -> Result<(), Refusal> {
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
            ) => Err(Refusal::Request),
        }
    }

    /// A text frame came. (A close frame and the end are [`Self::handle_websocket_closed`].)
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
                    // It may do better over polling.
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

    /// A binary frame came.
    pub fn handle_websocket_binary(&mut self, now: Instant) {
        match self.link {
            Link::Polling | Link::Rejecting => {}
            Link::Upgrading { .. } => self.link = Link::Rejecting,
            Link::WebSocket => self.close(now, Reason::Packet(PacketError::Binary)),
        }
    }

    /// The WebSocket is gone. Before it has taken over, polling goes on.
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

    /// Tells the client something.
    pub fn emit<A: Serialize>(&mut self, name: &str, arguments: &[A]) -> Result<(), NotSent> {
        self.send(packet::event(name, arguments, None))
    }

    /// Answers an event that wanted an answer. The numbers are the client's own business: what it
    /// did not ask for it ignores.
    #[cfg(any(test, feature = "testing"))]
    pub fn acknowledge<A: Serialize>(&mut self, id: u64, arguments: &[A]) -> Result<(), NotSent> {
        self.send(packet::ack(id, arguments))
    }

    /// Tells the client to go and not to come back of its own accord, after what waits for it.
    pub fn disconnect(&mut self, now: Instant) {
        if self.phase == Phase::Connected {
            self.queue.push_kept(packet::DISCONNECT.to_owned());
        }
        self.close(now, Reason::Server);
    }

    /// The body with which the GET that waits is to be answered.
    pub fn poll_answer(&mut self) -> Option<String> {
        if self.get == Get::Absent {
            return None;
        }
        // After the client has gone over, nothing but its last GET comes here.
        if self.link == Link::WebSocket || self.queue.is_empty() {
            let last = match (self.phase, self.link) {
                // Alone: socket.io-client 4 would heed it before a disconnect in the same body, take
                // that for a fault of the network and come back.
                (Phase::Closing { .. } | Phase::Finished, _) => EnginePacket::Close,
                (_, Link::WebSocket) => EnginePacket::Noop,
                // The client finishes its GETs before it goes over.
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

    /// The next frame for the WebSocket.
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

    /// The next event.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// When [`Self::handle_timeout`] wants to be called.
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

    /// A deadline has passed. Too early, it does nothing.
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

    /// Whether it is over. A WebSocket that is still there can be dropped; a GET that waits still
    /// has its answer.
    pub fn is_finished(&self) -> bool {
        self.phase == Phase::Finished
    }

    #[cfg(test)]
    pub(super) fn get_is_parked(&self) -> bool {
        self.get == Get::Parked
    }

    /// What the client's requests name it by.
    pub fn sid(&self) -> &str {
        &self.sid
    }

    /// What other clients may know it by.
    #[cfg(any(test, feature = "testing"))]
    pub fn socket(&self) -> &str {
        &self.socket
    }

    /// What had to make room because the client did not come for it.
    pub fn dropped(&self) -> Dropped {
        self.queue.dropped()
    }
}

impl Session {
    /// Whether requests of polling have a place here.
    fn check_polling(&self) -> Result<(), Refusal> {
        match (self.phase, self.link) {
            (Phase::Finished, _) => Err(Refusal::Session),
            (_, Link::WebSocket) => Err(Refusal::Request),
            (_, Link::Polling | Link::Upgrading { .. } | Link::Rejecting) => Ok(()),
        }
    }

    fn handle_payload(&mut self, now: Instant, body: &str) -> Result<(), Reason> {
        for packet in Packets::new(self.revision, body, self.settings.payload_packets) {
            let packet = packet.map_err(Reason::Payload)?;
            // A client need not be told that it is over while it is saying so itself.
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
            // Signs of life, or nothing that a client says.
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
            // We never ask for acknowledgements, and it is for us to refuse.
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

    /// Ends an open session; the client is told as far as it can be.
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

/// What a WebSocket is tried with.
const PROBE: &str = "probe";

/// What Socket.IO says of a namespace that is not there.
const NO_NAMESPACE: &str = "Invalid namespace";
