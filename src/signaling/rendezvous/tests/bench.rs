//! A rendezvous with sessions that connect at once, and clients whose requests are method calls.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::access::locality::Locality;
use crate::access::visitors::Right;
use crate::config::Config;
use crate::endpoint::{Failure, FailureKind};
use crate::http::{RequestHead, Response};
use crate::ids::{EndpointId, LinkId, RequestId, RouteId, SessionId, SocketId};
use crate::signaling::dialect::{DialectRequest, Shown, SocketUse};
use crate::signaling::door::PageOrigin;
use crate::signaling::rendezvous::event::{Beginning, ChannelPlan, RendezvousEvent};
use crate::signaling::rendezvous::{Rendezvous, RendezvousStats};
use crate::sources::{Context, Sources};
use crate::util::slab::Id;
use crate::websocket::WsMessage;

/// A session of the bench.
#[derive(Debug, Clone)]
pub(super) struct Fake {
    pub(super) link: LinkId,
    label: String,
    /// The session at the other end, once both know each other.
    other: Option<SessionId>,
}

pub(super) struct Bench {
    pub(super) hub: Rendezvous,
    pub(super) sources: Sources,
    pub(super) now: Instant,
    start: Instant,
    /// The location of the client, and the origin of its page.
    pub(super) locality: Locality,
    pub(super) origin: PageOrigin,
    connections: u64,
    /// Everything that nothing else has consumed.
    pub(super) events: Vec<RendezvousEvent>,
    answers: BTreeMap<RequestId, Response>,
    pub(super) upgrades: VecDeque<(RequestId, SocketUse)>,
    /// Texts that were sent over WebSockets, and close codes.
    pub(super) said: Vec<(SocketId, String)>,
    pub(super) closed: Vec<(SocketId, u16)>,
    pub(super) sessions: BTreeMap<SessionId, Fake>,
    pub(super) plans: BTreeMap<LinkId, ChannelPlan>,
    pub(super) ports: BTreeMap<SocketAddr, EndpointId>,
    pub(super) rights: Vec<(Shown, Right)>,
    /// A port that another program has.
    pub(super) occupied: Option<u16>,
    /// Whether sessions wait until a test connects them.
    pub(super) is_held: bool,
    made: u64,
}

impl Bench {
    pub(super) fn new(config: &str) -> Self {
        let parsed = Config::parse(config).expect("a configuration");
        let (peers, sessions) = (parsed.limits.peers, parsed.limits.sessions);
        let hub = Rendezvous::new(&parsed.hub, peers, sessions, [7; 32]);
        let now = Instant::now();
        let mut bench = Self {
            hub,
            sources: Sources::new(),
            now,
            start: now,
            locality: Locality::Local,
            origin: PageOrigin::default(),
            connections: 0,
            events: Vec::new(),
            answers: BTreeMap::new(),
            upgrades: VecDeque::new(),
            said: Vec::new(),
            closed: Vec::new(),
            sessions: BTreeMap::new(),
            plans: BTreeMap::new(),
            ports: BTreeMap::new(),
            rights: Vec::new(),
            occupied: None,
            is_held: false,
            made: 0,
        };
        let networks = vec![("192.0.2.1".parse().expect("an address"), 24)];
        bench.hub.set_networks(networks);
        bench.note_ports();
        bench.use_config(config);
        bench
    }

    pub(super) fn use_config(&mut self, config: &str) {
        let parsed = Config::parse(config).expect("a configuration");
        for (n, endpoint) in (100..).zip(&parsed.endpoints) {
            self.hub
                .set_endpoint(&endpoint.name, Some(Id::from_bits(n)));
        }
        let (peers, sessions) = (parsed.limits.peers, parsed.limits.sessions);
        self.with(|hub, cx| hub.configure(cx, &parsed.hub, peers, sessions));
        self.settle();
    }

    fn note_ports(&mut self) {
        let own = self.ports.keys().map(SocketAddr::port);
        // Port 5000 stands for the sockets of sessions in this bench.
        let own: BTreeSet<u16> = own.chain([5000]).collect();
        self.hub.set_own_ports(own);
    }

    pub(super) fn with<T>(&mut self, act: impl FnOnce(&mut Rendezvous, &Context<'_>) -> T) -> T {
        let time = Duration::from_secs(1_700_000_000) + (self.now - self.start);
        let cx = Context {
            now: self.now,
            time,
            sources: &mut self.sources,
        };
        act(&mut self.hub, &cx)
    }

    pub(super) fn stats(&self) -> RendezvousStats {
        self.hub.stats()
    }

    // ---- the rest of the gateway ----

    /// Settles everything that needs no time.
    pub(super) fn settle(&mut self) {
        for _ in 0..1000 {
            self.drain();
            if self.hub.is_quiet() {
                return;
            }
            self.with(|hub, cx| hub.settle(cx));
        }
        panic!("it does not come to rest");
    }

    /// Handles events as the gateway does.
    pub(super) fn drain(&mut self) {
        while let Some(event) = self.hub.poll_event() {
            self.act(event);
        }
    }

    fn act(&mut self, event: RendezvousEvent) {
        match event {
            RendezvousEvent::Answer(request, response) => {
                let before = self.answers.insert(request, response);
                assert!(before.is_none(), "{request:?} was answered twice");
            }
            RendezvousEvent::Upgrade(request, purpose, _) => {
                self.upgrades.push_back((request, purpose));
            }
            RendezvousEvent::Send(socket, text) => self.said.push((socket, text)),
            RendezvousEvent::Close(socket, code, _) => self.closed.push((socket, code)),
            RendezvousEvent::ShowRight(shown, right) => self.rights.push((shown, right)),
            RendezvousEvent::Gather(link) => self.hub.handle_gathered(link),
            RendezvousEvent::Begin(wanted) => self.begin(wanted.link, wanted.how),
            RendezvousEvent::AcceptAnswer(link, session, sdp) => {
                self.accept(link, session, &sdp);
            }
            RendezvousEvent::CloseSession(session, _) => self.end_session(session),
            RendezvousEvent::OpenPort(bind) => self.open_port(bind),
            RendezvousEvent::ClosePort(port) => {
                self.ports.retain(|_, other| *other != port);
                self.note_ports();
            }
            RendezvousEvent::Status(request, link, _) => {
                self.with(|hub, cx| hub.answer_status(cx, request, link, 5));
            }
            other => self.events.push(other),
        }
    }

    fn begin(&mut self, link: LinkId, how: Beginning) {
        self.made += 1;
        let session = SessionId::from_bits(self.made);
        let (label, other, sdp) = match how {
            Beginning::Offer(wish) => {
                let sdp = format!("{} {}", session.to_bits(), wish.label);
                (wish.label, None, sdp)
            }
            Beginning::Answer(offer) => match offer.split_once(' ') {
                Some((other, label)) => {
                    let other = other.parse().map(SessionId::from_bits).ok();
                    (label.to_owned(), other, session.to_bits().to_string())
                }
                None => {
                    let why = Err("the description is not understood".to_owned());
                    return self.with(|hub, cx| hub.handle_begun(cx, link, why));
                }
            },
        };
        self.sessions.insert(session, Fake { link, label, other });
        self.with(|hub, cx| hub.handle_begun(cx, link, Ok((session, sdp))));
    }

    fn accept(&mut self, link: LinkId, session: SessionId, sdp: &str) {
        let other = sdp.parse().map(SessionId::from_bits);
        let Ok(other) = other else {
            let why = Err("no description".to_owned());
            return self.with(|hub, cx| hub.handle_answered(cx, link, why));
        };
        if let Some(fake) = self.sessions.get_mut(&session) {
            fake.other = Some(other);
        }
        self.with(|hub, cx| hub.handle_answered(cx, link, Ok(())));
        if !self.is_held {
            self.open_channel(session);
            self.open_channel(other);
        }
    }

    /// Opens the channel of a session.
    pub(super) fn open_channel(&mut self, session: SessionId) {
        let Some(Fake { link, label, .. }) = self.sessions.get(&session).cloned() else {
            return;
        };
        let Ok(plan) = self.hub.plan_channel(link, &label) else {
            return;
        };
        self.plans.insert(link, plan);
        let route = RouteId::from_bits(session.to_bits());
        self.with(|hub, cx| hub.handle_channel_bound(cx, link, route, label, true));
    }

    /// Ends a session, and the session of the other peer.
    pub(super) fn end_session(&mut self, session: SessionId) {
        let Some(Fake { link, other, .. }) = self.sessions.remove(&session) else {
            return;
        };
        self.with(|hub, cx| hub.handle_session_ended(cx, link, false, None));
        if let Some(other) = other {
            self.end_session(other);
        }
    }

    fn open_port(&mut self, bind: SocketAddr) {
        if self.occupied == Some(bind.port()) {
            let failure = Failure::new(FailureKind::Other, "address in use");
            return self.with(|hub, cx| hub.handle_port(cx, bind, Err(failure)));
        }
        self.made += 1;
        let port = EndpointId::from_bits(1000 + self.made);
        self.ports.insert(bind, port);
        self.note_ports();
        self.with(|hub, cx| hub.handle_port(cx, bind, Ok(port)));
    }

    /// Advances the time from deadline to deadline.
    pub(super) fn pass(&mut self, time: Duration) {
        let end = self.now + time;
        while let Some(at) = self.hub.poll_timeout().filter(|at| *at <= end) {
            self.now = self.now.max(at);
            self.with(|hub, cx| hub.handle_timeout(cx));
            self.settle();
        }
        self.now = end;
    }

    // ---- clients ----

    /// Moves the client to this address.
    pub(super) fn visit(&mut self, address: &str) {
        let address: std::net::IpAddr = address.parse().expect("an address");
        self.locality = if address.is_loopback() {
            Locality::Local
        } else {
            Locality::Network(address)
        };
    }

    /// Returns the id of the next request on a connection of its own.
    pub(super) fn request(&mut self) -> RequestId {
        self.connections += 1;
        let connection = Id::from_bits(self.connections);
        RequestId {
            connection,
            number: 0,
        }
    }

    /// Makes a request, and returns it; it may wait.
    pub(super) fn ask(&mut self, method: &str, path: &str, body: &Value) -> RequestId {
        let request = self.request();
        self.ask_as(request, method, path, body);
        request
    }

    pub(super) fn ask_as(&mut self, id: RequestId, method: &str, path: &str, body: &Value) {
        let head = format!("{method} {path} HTTP/1.1\r\nHost: localhost\r\n\r\n");
        self.send_head(id, &head);
        let body = if body.is_null() {
            String::new()
        } else {
            body.to_string()
        };
        self.with(|hub, cx| hub.handle_body(cx, id, body.as_bytes()));
        self.settle();
    }

    fn send_head(&mut self, id: RequestId, head: &str) {
        let head = RequestHead::parse(head.as_bytes()).expect("a head");
        let request = DialectRequest {
            id,
            claim: Rendezvous::claims(&head).expect("a dialect claims it"),
            locality: self.locality,
            origin: self.origin.clone(),
            local: "192.0.2.1:8000".parse().expect("an address"),
            query: head.query.clone().unwrap_or_default(),
        };
        self.with(|hub, cx| hub.handle_head(cx, request, &head));
        self.settle();
    }

    /// Takes out the response to a request.
    pub(super) fn answer(&mut self, request: RequestId) -> Option<(u16, Value)> {
        let response = self.answers.remove(&request)?;
        let body = response.content();
        let text = || Value::from(String::from_utf8_lossy(body).into_owned());
        let body = serde_json::from_slice(body).unwrap_or_else(|_| text());
        Some((response.status(), body))
    }

    pub(super) fn call(&mut self, method: &str, path: &str, body: &Value) -> (u16, Value) {
        let request = self.ask(method, path, body);
        let answer = self.answer(request);
        answer.unwrap_or_else(|| panic!("{method} {path} was not answered"))
    }

    pub(super) fn get(&mut self, path: &str) -> (u16, Value) {
        self.call("GET", path, &Value::Null)
    }

    pub(super) fn delete(&mut self, path: &str) -> u16 {
        self.call("DELETE", path, &Value::Null).0
    }

    /// Opens a WebSocket, and returns it.
    pub(super) fn open_socket(&mut self, path: &str) -> SocketId {
        let request = self.request();
        let head = format!(
            "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        );
        self.send_head(request, &head);
        let (upgraded, purpose) = self.upgrades.pop_front().expect("an upgrade");
        assert_eq!(upgraded, request);
        let socket = SocketId(request.connection);
        self.with(|hub, cx| hub.handle_socket_opened(cx, socket, purpose));
        self.settle();
        socket
    }

    pub(super) fn send(&mut self, socket: SocketId, text: &str) {
        let message = WsMessage::Text(text.to_owned());
        self.with(|hub, cx| hub.handle_socket_message(cx, socket, &message));
        self.settle();
    }

    pub(super) fn close_socket(&mut self, socket: SocketId) {
        self.with(|hub, cx| hub.handle_socket_closed(cx, socket));
        self.settle();
    }

    /// Takes out the texts that were sent over a WebSocket.
    pub(super) fn heard(&mut self, socket: SocketId) -> Vec<String> {
        let all = std::mem::take(&mut self.said);
        let (own, others) = all.into_iter().partition(|(to, _)| *to == socket);
        self.said = others;
        let own: Vec<(SocketId, String)> = own;
        own.into_iter().map(|(_, text)| text).collect()
    }

    // ---- programs ----

    /// Makes a peer with a key, and returns its token.
    pub(super) fn peer_of(&mut self, key: &str, name: &str) -> String {
        let body = json!({"key": key, "domain": "d", "peer_id": name});
        let (status, body) = self.call("POST", "/peers", &body);
        assert_eq!(status, 201, "{body}");
        text(&body["params"]["token"])
    }

    pub(super) fn peer(&mut self, name: &str) -> String {
        self.peer_of("k", name)
    }

    /// Opens a content port, and returns its id and number.
    pub(super) fn port(&mut self) -> (String, u64) {
        let (status, body) = self.call("POST", "/data", &json!({}));
        assert_eq!(status, 201, "{body}");
        (
            text(&body["data_id"]),
            body["port"].as_u64().expect("a port"),
        )
    }

    /// Calls a peer with these parameters, and returns the status and the body.
    pub(super) fn dial(&mut self, from: &str, token: &str, to: &str, more: &Value) -> (u16, Value) {
        let mut body = json!({"peer_id": from, "token": token, "target_id": to});
        for (key, value) in more.as_object().expect("an object") {
            body[key] = value.clone();
        }
        self.call("POST", "/data/connections", &body)
    }

    /// Calls a peer, and returns the path of the connection.
    pub(super) fn dialed(&mut self, from: &str, token: &str, to: &str, more: &Value) -> String {
        let (status, body) = self.dial(from, token, to, more);
        assert_eq!(status, 202, "{body}");
        let id = text(&body["params"]["data_connection_id"]);
        format!("/data/connections/{id}")
    }

    /// Returns the next event of a connection.
    pub(super) fn event(&mut self, path: &str) -> Value {
        let (status, event) = self.get(&format!("{path}/events"));
        assert_eq!(status, 200, "{event}");
        event["event"].clone()
    }
}

pub(super) fn text(value: &Value) -> String {
    value.as_str().expect("a string").to_owned()
}
