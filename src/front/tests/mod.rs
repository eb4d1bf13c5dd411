//! Tests of all HTTP and WebSocket connections without a gateway: bytes go in; events, commands and bytes
//! come out.

mod listeners;
mod origins;
mod requests;
mod rights;
mod secured;
mod setup;
mod sockets;
mod streams;
mod tokens;
mod visitors;

use std::collections::BTreeMap;
use std::net::SocketAddr;

use serde_json::{Value, json};

use super::*;
use crate::access::Wanted;
use crate::access::scope::{Grant, Scope, Verb};
use crate::access::secret::Secret;
use crate::api::{Action, Resource};
use crate::endpoint::{Failure, FailureKind};
use crate::http::{RequestHead, Response};
use crate::ids::{ConnectionId, DialectId, RequestId, SocketId, SocketUse, SourceId};
use crate::limits;

use crate::sources::{Command, Owner, Sources};
use crate::tls::TlsIdentity;
use crate::websocket::WsMessage;

/// A day in 2026, so that the clock counts as set.
const TODAY: Duration = Duration::from_secs(1_772_000_000);

/// A client's end of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Client {
    id: ConnectionId,
    source: SourceId,
}

/// Connections with an owner that answers requests for our own resources like the gateway, as far as this
/// component can.
struct Rig {
    front: Front,
    sources: Sources,
    now: Instant,
    time: Duration,
    random: StdRng,
}

impl Rig {
    fn new(config: &str) -> Self {
        let config = Config::parse(config).expect("a configuration");
        let (mut sources, now) = (Sources::new(), Instant::now());
        let cx = &mut Context {
            now,
            time: TODAY,
            sources: &mut sources,
        };
        let front = Front::new(cx, &config, vec!["board".to_owned()], [7; 32]);
        Self {
            front,
            sources,
            now,
            time: TODAY,
            random: StdRng::from_seed([8; 32]),
        }
    }

    fn with<R>(&mut self, f: impl FnOnce(&mut Front, &mut Context<'_>) -> R) -> R {
        let cx = &mut Context {
            now: self.now,
            time: self.time,
            sources: &mut self.sources,
        };
        f(&mut self.front, cx)
    }

    // ---- clients ----

    /// Connects from an address, if there is room. Loopback addresses connect over loopback.
    fn try_connect(&mut self, remote: &str) -> Option<Client> {
        let remote = SocketAddr::new(remote.parse().expect("an address"), 40_000);
        let local = if remote.ip().is_loopback() {
            "127.0.0.1:8000"
        } else {
            "192.0.2.1:8000"
        };
        let local = local.parse().expect("an address");
        let source = self.with(|front, cx| front.connections_mut().accept(cx, local, remote));
        source.map(|source| self.client(source))
    }

    fn connect(&mut self, remote: &str) -> Client {
        self.try_connect(remote).expect("there is room")
    }

    fn connect_control(&mut self) -> Client {
        let nowhere = "127.0.0.1:0".parse().expect("an address");
        let source =
            self.with(|front, cx| front.connections_mut().accept_control(cx, nowhere, nowhere));
        self.client(source.expect("there is room"))
    }

    fn client(&self, source: SourceId) -> Client {
        let Some(Owner::Connection(id)) = self.sources.owner(source) else {
            panic!("{source:?} is no connection");
        };
        Client { id, source }
    }

    fn send(&mut self, client: Client, bytes: impl AsRef<[u8]>) {
        self.with(|front, cx| {
            front
                .connections_mut()
                .handle_input(cx, client.id, bytes.as_ref());
        });
    }

    /// Returns all bytes that are written to a client.
    fn read_bytes(&mut self, client: Client) -> Vec<u8> {
        let mut all = Vec::new();
        loop {
            let bytes = self.front.connections().output(client.id).to_vec();
            if bytes.is_empty() {
                return all;
            }
            self.with(|front, cx| front.connections_mut().consume(cx, client.id, bytes.len()));
            all.extend(bytes);
        }
    }

    fn read(&mut self, client: Client) -> String {
        String::from_utf8_lossy(&self.read_bytes(client)).into_owned()
    }

    fn is_connected(&self, client: Client) -> bool {
        self.sources.owner(client.source).is_some()
    }

    // ---- the owner ----

    fn events(&mut self) -> Vec<FrontEvent> {
        std::iter::from_fn(|| self.front.poll_event()).collect()
    }

    /// Returns the next request, which must be the only event.
    fn head(&mut self) -> (RequestId, Box<RequestHead>) {
        let mut events = self.events();
        match (events.pop(), events.is_empty()) {
            (Some(FrontEvent::Head(request, head)), true) => (request, head),
            other => panic!("{other:?} after {events:?}"),
        }
    }

    fn answer(&mut self, request: RequestId, response: Response) {
        self.with(|front, cx| front.connections_mut().answer(cx, request, response));
    }

    /// Acts on requests as their owner would, and returns all other events.
    fn serve(&mut self) -> Vec<FrontEvent> {
        let mut others = Vec::new();
        while let Some(event) = self.front.poll_event() {
            match event {
                FrontEvent::Head(request, head) => self.serve_head(request, &head),
                FrontEvent::Body(request, body) => self.serve_body(request, &body),
                other => others.push(other),
            }
        }
        others
    }

    fn serve_head(&mut self, request: RequestId, head: &RequestHead) {
        let Some(asked) = self.with(|front, cx| front.check(cx, request, head)) else {
            return;
        };
        let done = self.with(|front, cx| match (&asked.resource, asked.action) {
            (Resource::Events, Action::Get) => {
                front
                    .connections_mut()
                    .start_events(cx, request, head, asked.grant);
                Ok(())
            }
            (Resource::Token(name), Action::Delete) => front.delete_token(cx, request, name),
            (Resource::Setup, Action::Delete) => front.delete_setup(cx, request),
            (_, Action::Post) => {
                front
                    .connections_mut()
                    .accept_body(cx, request, Some(asked));
                Ok(())
            }
            _ => {
                front
                    .connections_mut()
                    .answer(cx, request, Response::new(200));
                Ok(())
            }
        });
        if let Err(problem) = done {
            self.with(|front, cx| front.refuse(cx, request, &problem));
        }
    }

    fn serve_body(&mut self, request: RequestId, body: &[u8]) {
        let done = self.with(|front, cx| {
            let Some(asked) = front.resume(cx, request)? else {
                return Ok(());
            };
            if asked.resource == Resource::Tickets {
                let response = front.post_ticket(cx, request, asked.grant)?;
                front.connections_mut().answer(cx, request, response);
                return Ok(());
            }
            front.change_access(cx, request, &asked.resource, Some(body))
        });
        if let Err(problem) = done {
            self.with(|front, cx| front.refuse(cx, request, &problem));
        }
    }

    /// Returns the status of the response to a client and the response itself. The status is 0 if nothing was
    /// written.
    fn response(&mut self, client: Client) -> (u16, String) {
        let text = self.read(client);
        let status = text.split(' ').nth(1).and_then(|word| word.parse().ok());
        (status.unwrap_or(0), text)
    }

    /// Sends a request with these header lines, each with its line end, and returns the response.
    fn ask(&mut self, client: Client, line: &str, headers: &str) -> (u16, String) {
        self.send(client, request(line, headers));
        self.serve();
        self.response(client)
    }

    /// Sends a request on a new connection from an address, and returns the status of the response.
    fn ask_from(&mut self, remote: &str, line: &str, headers: &str) -> u16 {
        let client = self.connect(remote);
        let (status, _) = self.ask(client, line, headers);
        self.with(|front, cx| front.connections_mut().handle_failed(cx, client.id));
        self.serve();
        status
    }

    fn post(&mut self, client: Client, path: &str, headers: &str, body: &Value) -> (u16, String) {
        let body = body.to_string();
        let head = request(
            &format!("POST {path}"),
            &format!("{headers}Content-Length: {}\r\n", body.len()),
        );
        self.send(client, head + &body);
        self.serve();
        self.response(client)
    }

    // ---- the event loop ----

    fn commands(&mut self) -> Vec<Command> {
        std::iter::from_fn(|| self.sources.poll_command()).collect()
    }

    /// Returns the listeners that were asked for.
    fn listens(&mut self) -> Vec<(SourceId, SocketAddr)> {
        let commands = self.commands().into_iter();
        let listens = commands.filter_map(|command| match command {
            Command::Listen { source, addr } => Some((source, addr)),
            _ => None,
        });
        listens.collect()
    }

    /// Answers every command to store the tokens with this result. Returns the number of commands.
    fn store(&mut self, result: Result<(), &str>) -> usize {
        let commands = self.commands().into_iter();
        let asked = commands.filter(|it| matches!(it, Command::StoreAccess { .. }));
        let asked = asked.count();
        for _ in 0..asked {
            let result = result.map_err(str::to_owned);
            self.with(|front, cx| front.handle_stored(cx, result));
        }
        asked
    }

    /// Advances the time from one deadline to the next.
    fn pass(&mut self, time: Duration) {
        let end = self.now + time;
        let mut turns = 0;
        while let Some(at) = self.front.poll_timeout().filter(|at| *at <= end) {
            turns += 1;
            assert!(turns < 10_000, "a deadline that does not move");
            let at = at.max(self.now);
            self.time += at - self.now;
            self.now = at;
            self.with(Front::handle_timeout);
        }
        self.time += end - self.now;
        self.now = end;
    }

    // ---- tokens ----

    fn token(&mut self, wanted: Wanted) -> Secret {
        let (time, random) = (self.time.as_secs(), &mut self.random);
        let made = self.front.access.add(time, wanted, random);
        made.expect("a token")
    }

    fn admin(&mut self) -> Secret {
        self.token(Wanted {
            name: "admin".to_owned(),
            admin: true,
            ..Wanted::default()
        })
    }

    /// Makes a token that allows this verb at these endpoints.
    fn limited(&mut self, name: &str, endpoints: &[&str], verb: Verb) -> Secret {
        let endpoints = endpoints.iter().map(|&name| name.to_owned()).collect();
        self.token(Wanted {
            name: name.to_owned(),
            scopes: vec![Scope {
                endpoints,
                verbs: vec![verb],
            }],
            ..Wanted::default()
        })
    }
}

/// Returns the text of a request without a body.
fn request(line: &str, headers: &str) -> String {
    format!("{line} HTTP/1.1\r\nHost: board\r\n{headers}\r\n")
}

fn bearer(token: &Secret) -> String {
    format!("Authorization: Bearer {}\r\n", token.reveal())
}

/// Returns a field of the JSON in a response.
fn field(response: &str, name: &str) -> String {
    let body = response.split_once("\r\n\r\n").expect("a response").1;
    let body: Value = serde_json::from_str(body).expect("JSON");
    body[name].as_str().unwrap_or_default().to_owned()
}

/// Returns the names of events, because events cannot be compared.
fn names(events: &[FrontEvent]) -> Vec<&'static str> {
    let name = |event: &FrontEvent| match event {
        FrontEvent::Head(..) => "head",
        FrontEvent::Body(..) => "body",
        FrontEvent::HalfClosed(_) => "half-closed",
        FrontEvent::Gone(_) => "gone",
        FrontEvent::TokenEnded { .. } => "token-ended",
        FrontEvent::ReaderOpened(_) => "reader",
        FrontEvent::SocketOpened(..) => "opened",
        FrontEvent::SocketMessage(..) => "message",
        FrontEvent::SocketDrained(..) => "drained",
        FrontEvent::SocketClosed(_) => "closed",
        FrontEvent::Failed(_) => "failed",
    };
    events.iter().map(name).collect()
}

const UPGRADE: &str = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
                       Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";

/// Returns a client's frame, masked with zeros (RFC 6455 §5.3). Opcode 1 is text, 8 is close.
fn frame(opcode: u8, payload: &[u8]) -> Vec<u8> {
    let length = u8::try_from(payload.len()).expect("a short frame") | 0x80;
    let mut bytes = vec![0x80 | opcode, length, 0, 0, 0, 0];
    bytes.extend(payload);
    bytes
}

const HERE: &str = "127.0.0.1";
const THERE: &str = "192.0.2.9";
