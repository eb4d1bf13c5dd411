//! Pages of SkyWay-JS and PeerJS, which join, call peers, answer, and leave.

use serde_json::{Value, json};

use super::scenario::Scenario;
use crate::hub::Page;
use crate::peer::{Peer, reliable};
use crate::sessions::good;
use crate::world::GATEWAY;

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Library {
    SkyWay,
    PeerJs,
}

/// A page with its WebSocket.
pub struct HubPage {
    pub name: String,
    library: Library,
    socket: Page,
    /// Whether the page answers calls.
    answers: bool,
    /// The page's unanswered calls, by their connection.
    calls: Vec<(String, Peer)>,
    made: usize,
}

/// A signal in the form in which its receiver reads it.
struct Signal {
    kind: String,
    from: String,
    connection: String,
    sdp: String,
    serialization: String,
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

impl Signal {
    fn read(library: Library, frame: &str) -> Option<Self> {
        let (kind, message, body) = match library {
            Library::PeerJs => {
                let message: Value = serde_json::from_str(frame).ok()?;
                let payload = message["payload"].clone();
                (text(&message["type"]), message, payload)
            }
            Library::SkyWay => {
                let event: Value = serde_json::from_str(frame.strip_prefix("42")?).ok()?;
                (text(&event[0]), event[1].clone(), event[1].clone())
            }
        };
        let description = ["sdp", "offer", "answer"].map(|key| text(&body[key]["sdp"]));
        Some(Self {
            kind,
            from: text(&message["src"]),
            connection: text(&body["connectionId"]),
            sdp: description.concat(),
            serialization: text(&body["serialization"]),
        })
    }
}

impl Library {
    fn offer(self, to: &str, connection: &str, sdp: &str, serialization: &str) -> String {
        match self {
            Self::PeerJs => json!({"type": "OFFER", "dst": to, "payload": {
                "sdp": {"type": "offer", "sdp": sdp}, "type": "data", "connectionId": connection,
                "label": "talk", "reliable": true, "serialization": serialization,
            }})
            .to_string(),
            Self::SkyWay => {
                let offer = json!({
                    "offer": {"type": "offer", "sdp": sdp}, "dst": to, "connectionId": connection,
                    "connectionType": "data", "serialization": serialization, "label": "talk", "dcInit": {},
                });
                format!("42{}", json!(["SEND_OFFER", offer]))
            }
        }
    }

    fn answer(self, to: &str, connection: &str, sdp: &str) -> String {
        match self {
            Self::PeerJs => json!({"type": "ANSWER", "dst": to, "payload": {
                "sdp": {"type": "answer", "sdp": sdp}, "type": "data", "connectionId": connection,
            }})
            .to_string(),
            Self::SkyWay => {
                let answer = json!({
                    "answer": {"type": "answer", "sdp": sdp}, "dst": to, "connectionId": connection,
                    "connectionType": "data",
                });
                format!("42{}", json!(["SEND_ANSWER", answer]))
            }
        }
    }

    fn raw(self) -> &'static str {
        match self {
            Self::PeerJs => "raw",
            Self::SkyWay => "none",
        }
    }

    /// Returns the message that keeps a silent page from being taken for gone.
    fn sign_of_life(self) -> &'static str {
        match self {
            Self::PeerJs => r#"{"type":"HEARTBEAT"}"#,
            Self::SkyWay => "2",
        }
    }
}

impl Scenario {
    pub fn page_joins(&mut self) {
        let library = if self.flip() {
            Library::SkyWay
        } else {
            Library::PeerJs
        };
        let name = format!("page-{}", self.draw.below(4));
        let path = match library {
            Library::PeerJs => format!("/peerjs?key=peerjs&id={name}&token=t&version=1.5.5"),
            Library::SkyWay => {
                format!("/socket.io/?apiKey=k&peerId={name}&token=t&EIO=3&transport=websocket")
            }
        };
        let socket = Page::upgrade(&mut self.world, &path);
        let answers = self.draw.below(4) != 0;
        self.pages.push(HubPage {
            name: format!("{name} ({})", self.pages.len()),
            library,
            socket,
            answers,
            calls: Vec::new(),
            made: 0,
        });
    }

    /// Calls a peer that may or may not exist.
    pub fn page_calls(&mut self) {
        let Some(at) = self.a_page() else { return };
        let mut names = vec!["robot-1".to_owned(), "nobody".to_owned()];
        names.extend(self.programs.iter().map(|(name, _)| name.clone()));
        names.extend((0..4).map(|n| format!("page-{n}")));
        let to = self.pick(&names).expect("a name");
        let addr = self.next_address();
        let (peer, offer) = Peer::offer(self.world.now, addr, &[reliable("talk")]);
        let page = &mut self.pages[at];
        page.made += 1;
        let connection = format!("call-{at}-{}", page.made);
        let serialization = if self.draw.below(3) == 0 {
            "json"
        } else {
            page.library.raw()
        };
        let said = page.library.offer(&to, &connection, &offer, serialization);
        page.calls.push((connection, peer));
        page.socket.say_text(&mut self.world, &said);
    }

    /// Sends a message to the page's room, a message without meaning, or one that ends the connection.
    pub fn page_says(&mut self) {
        let Some(at) = self.a_page() else { return };
        let said = match (self.pages[at].library, self.draw.below(6)) {
            (Library::SkyWay, 0) => {
                format!(
                    "42{}",
                    json!(["ROOM_JOIN", {"roomName": "r", "roomType": "mesh"}])
                )
            }
            (Library::SkyWay, 1) => {
                format!(
                    "42{}",
                    json!(["ROOM_SEND_DATA", {"roomName": "r", "data": at}])
                )
            }
            (Library::SkyWay, 2) => format!("42{}", json!(["ROOM_LEAVE", {"roomName": "r"}])),
            (Library::SkyWay, 3) => format!("42{}", json!(["SEND_OFFER", {"dst": 7}])),
            (Library::SkyWay, _) => {
                let close = json!({"dst": "robot-1", "connectionId": format!("call-{at}-1")});
                format!("42{}", json!(["SEND_FORCE_CLOSE", close]))
            }
            (Library::PeerJs, 0) => json!({"type": "OFFER", "dst": 7}).to_string(),
            (Library::PeerJs, 1) => json!({"type": "LEAVE"}).to_string(),
            (Library::PeerJs, _) => {
                json!({"type": "LEAVE", "dst": "robot-1", "payload": {}}).to_string()
            }
        };
        let page = &self.pages[at];
        page.socket.say_text(&mut self.world, &said);
    }

    /// Closes a page, whose WebSocket ends without a close frame.
    pub fn page_leaves(&mut self) {
        let Some(at) = self.a_page() else { return };
        let source = self.pages[at].socket.source;
        let now = self.world.now;
        self.world.gateway.handle_closed(now, source);
        self.world.settle();
    }

    fn a_page(&mut self) -> Option<usize> {
        let all = self.pages.iter().enumerate();
        let open = all.filter(|(_, page)| self.world.http.contains_key(&page.socket.source));
        let open: Vec<usize> = open.map(|(at, _)| at).collect();
        self.pick(&open)
    }

    /// Logs the messages that the pages received. Pages answer calls, and their own calls are answered.
    pub fn collect_pages(&mut self) {
        for at in 0..self.pages.len() {
            while let Some((first, payload)) = self.pages[at].socket.next_frame(&self.world) {
                let frame = String::from_utf8_lossy(&payload).into_owned();
                if first == 0x81 {
                    self.page_hears(at, &frame);
                } else {
                    let object = format!("{} end", self.pages[at].name);
                    self.log
                        .note_bytes(&object, &format!("frame {first:02x}"), &payload);
                }
            }
            let (socket, library) = (&self.pages[at].socket, self.pages[at].library);
            if self.beats.is_multiple_of(20) && self.world.http.contains_key(&socket.source) {
                socket.say_text(&mut self.world, library.sign_of_life());
            }
        }
    }

    fn page_hears(&mut self, at: usize, frame: &str) {
        let library = self.pages[at].library;
        let signal = Signal::read(library, frame);
        let from = signal.as_ref().map_or("", |signal| signal.from.as_str());
        let object = format!("{} from {from:?}", self.pages[at].name);
        let start = frame.find(['[', '{']).unwrap_or(frame.len());
        let (digits, json) = frame.split_at(start);
        match serde_json::from_str::<Value>(json) {
            Ok(json) => {
                let masked = self.log.mask.json(&json);
                self.log.note(&object, &format!("{digits}{masked}"));
            }
            Err(_) => self.log.note(&object, frame),
        }
        let Some(signal) = signal else { return };
        match signal.kind.as_str() {
            "OFFER" if self.pages[at].answers && !signal.sdp.is_empty() => self.answer(at, &signal),
            "ANSWER" => self.answered(at, &signal),
            _ => {}
        }
    }

    fn answer(&mut self, at: usize, signal: &Signal) {
        let addr = self.next_address();
        let (peer, answer) = Peer::accept(self.world.now, addr, &signal.sdp, "talk");
        let page = &self.pages[at];
        let said = page
            .library
            .answer(&signal.from, &signal.connection, &answer);
        page.socket.say_text(&mut self.world, &said);
        let name = format!(
            "{} called by {} {}",
            page.name, signal.from, signal.serialization
        );
        self.add_page_peer(peer, &signal.sdp, name);
    }

    fn answered(&mut self, at: usize, signal: &Signal) {
        let calls = &mut self.pages[at].calls;
        let Some(call) = calls.iter().position(|(id, _)| *id == signal.connection) else {
            return;
        };
        let (id, mut peer) = calls.remove(call);
        peer.answer(self.world.now, &signal.sdp);
        let name = format!("{} {id} to {}", self.pages[at].name, signal.from);
        self.add_page_peer(peer, &signal.sdp, name);
    }

    /// Adds a peer that connects to the gateway. The simulator carries no datagrams between two pages.
    fn add_page_peer(&mut self, peer: Peer, others: &str, name: String) {
        if others.contains(GATEWAY) {
            let addr = peer.local();
            let n = self.world.add(peer, addr, good(), 0);
            self.admit(n, name);
        }
    }

    /// Returns an address that no peer has had.
    fn next_address(&mut self) -> std::net::SocketAddr {
        self.addresses += 1;
        let host = 1 + self.addresses as u8;
        std::net::SocketAddr::from(([203, 0, 113, host], 6000))
    }
}
