//! The whole gateway: the input is a list of things that clients, peers, strangers and devices
//! do. Whatever they do, everything stays bounded, comes to rest, and leaves nothing behind.

use std::net::SocketAddr;
use std::time::Duration;

use super::input::Input;
use super::peer::Peer;
use super::programs;
use super::start;
use super::world::World;

/// More would only make the fuzzer slow.
const MAX_ACTIONS: usize = 64;
const MAX_PEERS: usize = 4;

/// Requests that a fuzzer would be long in finding.
const REQUESTS: &[&[u8]] = &[
    b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
    b"GET /sessions HTTP/1.1\r\nHost: localhost\r\n\r\n",
    b"GET /endpoints/arm HTTP/1.1\r\nHost: localhost\r\n\r\n",
    b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n",
    b"GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n",
    b"GET /events HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
      Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
    b"HEAD /events HTTP/1.1\r\nHost: localhost\r\nOrigin: https://a.example\r\n\r\n",
    b"OPTIONS * HTTP/1.1\r\nHost: localhost\r\nOrigin: https://a.example\r\n\r\n",
    b"POST /sessions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/sdp\r\n\
      Transfer-Encoding: chunked\r\n\r\n",
    b"POST /sessions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/sdp\r\n\
      Content-Length: 251\r\n\r\n\
      v=0\r\no=- 1 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n\
      m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\nc=IN IP4 0.0.0.0\r\n\
      a=ice-ufrag:abcd\r\na=ice-pwd:abcdefghijklmnopqrstuv\r\n\
      a=setup:actpass\r\na=mid:0\r\na=sctp-port:5000\r\n\
      a=candidate:1 1 udp 1 192.0.2.9 9 typ host\r\n",
];

/// Runs a list of actions and panics if the gateway grows beyond its limits, does not come to
/// rest, or keeps anything of what has gone.
pub fn gateway(data: &[u8]) {
    let mut input = Input::new(data);
    let mut world = World::new(start());
    for _ in 0..MAX_ACTIONS {
        let Some(action) = input.next() else { break };
        act(&mut world, action, &mut input);
        world.settle();
        if world.has_ended() {
            return;
        }
    }
    check_metrics(
        &mut world,
        &[
            ("sessions", 6),
            ("channels", 6 * 4),
            ("connections", 256),
            ("peers", 8),
            ("content_ports", 4),
        ],
    );
    if world.come_to_an_end().is_some() {
        return;
    }
    let empty = ["sessions", "channels", "event_readers", "address_pairs"].map(|name| (name, 0));
    check_metrics(&mut world, &empty);
    // The connection that asks is one.
    check_metrics(&mut world, &[("connections", 1)]);
}

fn act(world: &mut World, action: u8, input: &mut Input<'_>) {
    match action % 26 {
        0 => world.connect(input.byte() & 1 == 1),
        1 => {
            let client = input.below(world.clients.len().max(1));
            world.feed(client, input.piece());
        }
        2 | 3 => {
            let client = input.below(world.clients.len().max(1));
            let request = REQUESTS
                .get(input.below(REQUESTS.len()))
                .copied()
                .unwrap_or_default();
            world.feed(client, request);
        }
        4 => {
            if let Some(client) = world.clients.get(input.below(world.clients.len().max(1))) {
                let source = client.source;
                world.gateway.handle_closed(world.now, source);
            }
        }
        5 => world.datagram(remote(input.byte()), input.piece()),
        6 => known_stranger(world, input),
        7 => world.arm_sends(input.piece()),
        8 => world.arm_sends(&[input.byte()].repeat(16_384)),
        9 => world.rover_sends(input.piece()),
        10 => world.unplug(),
        11 => world.plugged = true,
        12 => world.blocked = input.byte() & 1 == 1,
        13 => world.run(Duration::from_millis(u64::from(input.byte()) * 40)),
        14 => new_peer(world),
        15 => peer_sends(world, input),
        16 => peer_leaves(world, input),
        18..=20 => programs::call(world, input),
        21 => world.reload(input.byte()),
        22 => {
            world.line_works = input.byte() & 1 == 1;
            world.disk_is_full = input.byte() & 1 == 1;
        }
        23 => world.leg_sends(input.piece()),
        24 => {
            let which = input.below(8);
            world.socket_receives(which, input.piece());
        }
        // Long enough for what expires.
        25 => world.run(Duration::from_secs(u64::from(input.byte()))),
        _ => {
            // Rare, because nothing more can happen after it.
            if input.byte() == 0xa5 {
                world.gateway.handle_shutdown(world.now);
            }
        }
    }
}

fn remote(byte: u8) -> SocketAddr {
    SocketAddr::from(([203, 0, 113, byte & 0x0f], 1024 + u16::from(byte)))
}

/// Someone who has seen a ufrag of ours, and cannot prove that it is for them.
fn known_stranger(world: &mut World, input: &mut Input<'_>) {
    let from = remote(input.byte());
    let peer = input.below(world.peers.len().max(1));
    let ufrag = world
        .peers
        .get(peer)
        .map_or("none", |peer| peer.gateway_ufrag.as_str());
    let user = format!("{ufrag}:abcd");
    // A binding request (RFC 8489 §5) with a USERNAME, and whatever the fuzzer adds.
    let mut attributes = vec![0, 6, 0, u8::try_from(user.len()).unwrap_or(0)];
    attributes.extend(user.as_bytes());
    attributes.resize(attributes.len().next_multiple_of(4), 0);
    attributes.extend(input.piece());
    attributes.resize(attributes.len().next_multiple_of(4), 0);
    let mut bytes = vec![0, 1];
    bytes.extend(u16::try_from(attributes.len()).unwrap_or(0).to_be_bytes());
    bytes.extend([0x21, 0x12, 0xa4, 0x42]);
    bytes.extend([7; 12]);
    bytes.extend(attributes);
    world.datagram(from, &bytes);
}

fn new_peer(world: &mut World) {
    if world.peers.len() >= MAX_PEERS {
        return;
    }
    let port = 6000 + u16::try_from(world.peers.len()).unwrap_or(0);
    let local = SocketAddr::from(([198, 51, 100, 1], port));
    let (mut peer, offer) = Peer::offer(world.now, local);
    let head = format!(
        "POST /sessions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/sdp\r\n\
         Content-Length: {}\r\n\r\n",
        offer.len()
    );
    let Some(answer) = world.request(&[head.as_bytes(), offer.as_bytes()].concat()) else {
        return;
    };
    let answer = String::from_utf8(answer).expect("answers are text");
    // There may be too many sessions, or the end may be near.
    if !answer.starts_with("HTTP/1.1 201") {
        return assert!(answer.starts_with("HTTP/1.1 503"), "{answer}");
    }
    let (_, sdp) = answer.split_once("\r\n\r\n").expect("a body");
    peer.answer(world.now, sdp);
    world.peers.push(peer);
    world.run(Duration::from_millis(300));
}

fn peer_sends(world: &mut World, input: &mut Input<'_>) {
    let (now, peers) = (world.now, world.peers.len().max(1));
    let Some(peer) = world.peers.get_mut(input.below(peers)) else {
        return;
    };
    let flags = input.byte();
    let (channel, binary) = (usize::from(flags & 7), flags & 8 == 8);
    if flags & 16 == 16 {
        peer.spoil = Some((input.byte(), input.byte()));
    }
    let piece = input.piece();
    // A small input can be a large message, and a flood.
    let piece = if flags & 32 == 32 {
        piece.repeat(200)
    } else {
        piece.to_vec()
    };
    for _ in 0..if flags & 64 == 64 { 20 } else { 1 } {
        peer.send(now, channel, binary, &piece);
    }
    world.settle();
    world.run(Duration::from_millis(20));
}

fn peer_leaves(world: &mut World, input: &mut Input<'_>) {
    let (now, peers) = (world.now, world.peers.len().max(1));
    let at = input.below(peers);
    let Some(peer) = world.peers.get_mut(at) else {
        return;
    };
    match input.byte() {
        // As a page does that is closed, or a machine that is switched off.
        0..100 => peer.close(now),
        100..150 => drop(world.peers.remove(at)),
        channel => peer.close_channel(now, usize::from(channel)),
    }
    world.settle();
}

/// Reads gauges as anybody can, and compares them with what they may be at most.
fn check_metrics(world: &mut World, most: &[(&str, u64)]) {
    let request = b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n";
    // With all places taken there is nobody to ask.
    let Some(answer) = world.request(request) else {
        return;
    };
    let text = String::from_utf8(answer).expect("text");
    for (name, most) in most {
        let value = gauge(&text, name).expect("a gauge");
        assert!(value <= *most, "{name} is {value}, more than {most}");
    }
    if !world.has_ended() {
        let panicked = text
            .lines()
            .find_map(|line| line.strip_prefix("thingway_sessions_panicked_total "));
        assert_eq!(panicked, Some("0"), "a session met a bug");
    }
}

/// A gauge in the text of the metrics.
pub(super) fn gauge(text: &str, name: &str) -> Option<u64> {
    let prefix = format!("thingway_{name} ");
    let line = text.lines().find_map(|line| line.strip_prefix(&prefix))?;
    line.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Without this, a fuzzer could be busy for hours in front of a closed door.
    #[test]
    fn a_peer_gets_through_to_the_devices() {
        let mut world = World::new(start());
        new_peer(&mut world);
        for channel in [1, 2, 3] {
            peer_sends(
                &mut world,
                &mut Input::new(&[0, channel, 4, b'l', b'e', b'd', b'\n']),
            );
        }
        let request = b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n";
        let text = String::from_utf8(world.request(request).expect("an answer")).expect("text");
        for line in [
            "thingway_sessions 1",
            "thingway_channels 3",
            "thingway_messages_total{direction=\"from_peer\"} 3",
            "thingway_device_sent_bytes_total{endpoint=\"arm\"} 4",
        ] {
            assert!(text.lines().any(|other| other == line), "{line}: {text}");
        }
        assert_eq!(world.come_to_an_end(), None);
    }
}
