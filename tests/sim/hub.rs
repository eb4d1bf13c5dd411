//! The hub over bad links. A page of PeerJS and a peer of the gateway call each other, and in the end every
//! byte has arrived.

use std::time::Duration;

use serde_json::{Value, json};
use thingway::testing::ids::SourceId;

use crate::links::{Aborted, Draw};
use crate::peer::{Peer, reliable};
use crate::seeds;
use crate::world::World;

const CONFIG: &str = "[[endpoint]]\nname = \"arm\"\nkind = \"serial\"\npath = \"/dev/arm\"\n\
                      [[peer]]\nid = \"robot-1\"\nendpoint = \"arm\"\n";

const SEEDS: u64 = 60;

/// The WebSocket of a page.
pub struct Page {
    pub source: SourceId,
    /// How much of the received bytes has been read.
    read: usize,
}

impl Page {
    fn join(world: &mut World, id: &str) -> Self {
        let path = format!("/peerjs?key=peerjs&id={id}&token=t&version=1.5.5");
        let mut page = Self::upgrade(world, &path);
        assert_eq!(page.next(world), Some(json!({"type": "OPEN"})));
        page
    }

    /// Requests a WebSocket at this path.
    pub fn upgrade(world: &mut World, path: &str) -> Self {
        let request = format!(
            "GET {path} HTTP/1.1\r\nHost: board\r\n\
             Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
             Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        );
        let source = world.open(request.as_bytes());
        let came = world.came(source);
        let head = came.windows(4).position(|four| four == b"\r\n\r\n");
        let read = head.expect("an answer") + 4;
        Self { source, read }
    }

    /// Returns the first byte and the payload of the next received frame (RFC 6455 §5.2).
    pub fn next_frame(&mut self, world: &World) -> Option<(u8, Vec<u8>)> {
        let rest = world.came(self.source).get(self.read..)?;
        let (first, second) = (*rest.first()?, *rest.get(1)?);
        let (start, len) = match second {
            126 => (4, usize::from(u16::from_be_bytes([rest[2], rest[3]]))),
            short => (2, usize::from(short)),
        };
        let payload = rest.get(start..start + len)?.to_vec();
        self.read += start + len;
        Some((first, payload))
    }

    fn next(&mut self, world: &World) -> Option<Value> {
        let (first, text) = self.next_frame(world)?;
        assert_eq!(first, 0x81, "a text frame");
        Some(serde_json::from_slice(&text).expect("JSON"))
    }

    fn say(&self, world: &mut World, message: &Value) {
        self.say_text(world, &message.to_string());
    }

    pub fn say_text(&self, world: &mut World, text: &str) {
        let len = u16::try_from(text.len()).expect("a short message");
        // The mask is zero, which is as valid as any other.
        let mut frame = vec![0x81, 0x80 | 126];
        frame.extend(len.to_be_bytes());
        frame.extend([0; 4]);
        frame.extend(text.as_bytes());
        world.gateway.handle_data(world.now, self.source, &frame);
        world.settle();
    }

    /// Returns the next message of this kind, skipping candidates and other kinds.
    fn until(&mut self, world: &mut World, kind: &str) -> Value {
        let mut found = None;
        world.until(kind, Duration::from_secs(60), |world| {
            while let Some(message) = self.next(world) {
                if message["type"] == kind {
                    found = Some(message);
                    return true;
                }
            }
            false
        });
        found.expect("it came")
    }
}

/// Checks that a page can call `robot-1` and exchange bytes with the tty behind it.
#[test]
fn a_page_reaches_a_serial_line_by_a_peers_name() {
    let mut aborted = Aborted::default();
    for seed in 0..seeds(SEEDS) {
        let mut draw = Draw(seed);
        let link = draw.bad_link();
        let mut world = World::new(seed, CONFIG);
        let mut page = Page::join(&mut world, "page");
        let addr = "198.51.100.1:6000".parse().unwrap();
        let (mut peer, offer) = Peer::offer(world.now, addr, &[reliable("talk")]);
        let call = json!({"type": "OFFER", "dst": "robot-1", "payload": {
            "sdp": {"type": "offer", "sdp": offer}, "type": "data", "connectionId": "dc_1",
            "label": "talk", "reliable": true, "serialization": "raw",
        }});
        page.say(&mut world, &call);
        let answer = page.until(&mut world, "ANSWER");
        assert_eq!(
            (&answer["src"], &answer["payload"]["connectionId"]),
            (&json!("robot-1"), &json!("dc_1"))
        );
        peer.answer(world.now, answer["payload"]["sdp"]["sdp"].as_str().unwrap());
        let n = world.add(peer, addr, link, seed);
        world.until("the channel", Duration::from_secs(60), |world| {
            world.peer(n).closed || world.peer(n).channels["talk"].open
        });
        if world.peer(n).closed {
            aborted.note(seed);
            continue;
        }
        let (up, down) = (draw.bytes(20_000), draw.bytes(20_000));
        let mut sent = 0;
        for piece in down.chunks(700) {
            world.device_sends("/dev/arm", piece);
        }
        world.until("everything", Duration::from_secs(300), |world| {
            let now = world.now;
            if let Some(piece) = up.chunks(900).nth(sent)
                && world.peer(n).send(now, "talk", true, piece)
            {
                sent += 1;
            }
            world.peer(n).channels["talk"].bytes.len() == down.len()
                && world.tty("/dev/arm").written.len() == up.len()
        });
        assert_eq!(world.peer(n).channels["talk"].bytes, down, "seed {seed}");
        assert_eq!(world.tty("/dev/arm").written, up, "seed {seed}");
    }
}

/// Checks that a program's peer can call a page, for which the gateway makes the offer.
#[test]
fn a_program_calls_a_page() {
    let mut aborted = Aborted::default();
    for seed in 0..seeds(SEEDS) {
        let mut draw = Draw(seed ^ 0xca11);
        let link = draw.bad_link();
        let mut world = World::new(seed, CONFIG);
        let mut page = Page::join(&mut world, "page");
        let body = json!({"key": "k", "domain": "d", "peer_id": "program"});
        let (_, made) = world.ask_json("POST", "/peers", &body);
        let body = json!({
            "peer_id": "program", "token": made["params"]["token"], "target_id": "page",
            "params": {"endpoint": "arm"}, "options": {"serialization": "NONE"},
        });
        let (status, made) = world.ask_json("POST", "/data/connections", &body);
        assert_eq!(status, 202, "{made}");
        let id = made["params"]["data_connection_id"]
            .as_str()
            .unwrap()
            .to_owned();
        let offer = page.until(&mut world, "OFFER");
        let payload = &offer["payload"];
        assert_eq!(
            (&payload["serialization"], &offer["src"]),
            (&json!("raw"), &json!("program"))
        );
        let addr = "198.51.100.1:6000".parse().unwrap();
        let sdp = payload["sdp"]["sdp"].as_str().unwrap();
        let (peer, answer) = Peer::accept(world.now, addr, sdp, "talk");
        let n = world.add(peer, addr, link, seed);
        let answer = json!({"type": "ANSWER", "dst": "program", "payload": {
            "sdp": {"type": "answer", "sdp": answer}, "type": "data",
            "connectionId": payload["connectionId"],
        }});
        page.say(&mut world, &answer);
        let status = format!("/data/connections/{id}/status");
        world.until(
            "it is open, or given up",
            Duration::from_secs(60),
            |world| world.peer(n).closed || world.peer(n).channels["talk"].open,
        );
        if world.peer(n).closed {
            aborted.note(seed);
            continue;
        }
        let bytes = draw.bytes(10_000);
        let mut sent = 0;
        world.until("everything", Duration::from_secs(300), |world| {
            let now = world.now;
            if let Some(piece) = bytes.chunks(900).nth(sent)
                && world.peer(n).send(now, "talk", true, piece)
            {
                sent += 1;
            }
            world.tty("/dev/arm").written.len() == bytes.len()
        });
        assert_eq!(world.tty("/dev/arm").written, bytes, "seed {seed}");
        assert_eq!(world.get(&status)["open"], true);
        let path = format!("/data/connections/{id}");
        assert_eq!(world.ask_json("DELETE", &path, &Value::Null).0, 204);
        world.until("the page hears of it", Duration::from_secs(60), |world| {
            world.peer(n).closed || world.peer(n).channels["talk"].closed
        });
    }
}

/// Checks that a call to an absent peer is given up after five seconds, and only once.
#[test]
fn an_offer_to_nobody_expires() {
    let mut world = World::new(1, CONFIG);
    let mut page = Page::join(&mut world, "page");
    let call = |to: &str| {
        json!({"type": "OFFER", "dst": to, "payload": {
            "sdp": {"type": "offer", "sdp": "v=0"}, "type": "data", "connectionId": "dc_1",
            "serialization": "raw",
        }})
    };
    page.say(&mut world, &call("nobody"));
    let before = world.now;
    let expired = page.until(&mut world, "EXPIRE");
    assert_eq!(expired["src"], "nobody");
    let took = world.now - before;
    assert!(
        took >= Duration::from_secs(5) && took < Duration::from_secs(6),
        "{took:?}"
    );
    // Invalid messages do no harm either.
    page.say(&mut world, &call("robot-1"));
    page.until(&mut world, "EXPIRE");
    page.say(&mut world, &json!({"type": "OFFER", "dst": 7}));
    page.say(&mut world, &json!([1, 2]));
    assert_eq!(world.metric("thingway_signals_refused_total"), 2);
    assert_eq!(world.metric("thingway_peers"), 2);
}

/// Checks that a caller learns that its call failed, and why, even if the offer makes no sense.
#[test]
fn a_refused_offer_is_answered() {
    let mut world = World::new(1, CONFIG);
    let mut page = Page::join(&mut world, "page");
    let payload = json!({"type": "video", "connectionId": "dc_1"});
    page.say(
        &mut world,
        &json!({"type": "OFFER", "dst": "robot-1", "payload": payload}),
    );
    let expired = page.until(&mut world, "EXPIRE");
    let detail = "payload.type is none of: data, media";
    assert_eq!(
        expired,
        json!({"type": "EXPIRE", "src": "robot-1", "dst": "page",
            "payload": {"connectionId": "dc_1", "msg": detail}})
    );
    // These messages are not answered, because no caller waits for an answer.
    page.say(&mut world, &json!({"type": "OFFER", "payload": payload}));
    page.say(
        &mut world,
        &json!({"type": "CANDIDATE", "dst": "robot-1", "payload": 7}),
    );
    assert_eq!(page.next(&world), None);
}
