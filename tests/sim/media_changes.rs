//! Tracks that come and go within a session, what the peer is told of them, and viewers that are too slow.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use serde_json::{Value, json};
use str0m::media::{Direction, MediaKind};
use thingway::testing::datagram::Meta;

use crate::access::{token, with_token};
use crate::configure::reload;
use crate::media::{CAMERA, Camera, assert_gapless, pictures, watch};
use crate::peer::{Peer, reliable};
use crate::sessions::{DEMO, good};
use crate::world::World;

const SOON: Duration = Duration::from_secs(5);

/// Joins with a control channel. With `watches` the offer asks for the picture of the camera.
pub fn join(world: &mut World, watches: bool) -> usize {
    let n = world.clients.len() + 1;
    let addr = SocketAddr::new(IpAddr::from([198, 51, 100, n as u8]), 6000);
    let channels = [reliable("thingway"), reliable("demo")];
    let (mut peer, offer) = Peer::watch(world.now, addr, &channels);
    let target = if watches {
        "/sessions?media=camera"
    } else {
        "/sessions"
    };
    let answer = world.ask("POST", target, "application/sdp", &offer);
    peer.mids.truncate(1);
    let n = world.join(peer, addr, &answer, good(), 7);
    world.until("connected", SOON, |w| !w.peer(n).told("hello").is_empty());
    n
}

pub fn states(world: &mut World, n: usize) -> Vec<String> {
    let told = world.peer(n).told("media");
    let state = |message: &&Value| message["state"].as_str().unwrap_or_default().to_owned();
    told.iter().map(state).collect()
}

fn set_direction(world: &mut World, n: usize, direction: Direction, query: &str) -> String {
    let mid = world.peer(n).mids[0];
    let offer = world.peer(n).offer_again(|api| {
        api.set_direction(mid, direction);
        None
    });
    patch(world, n, query, &offer)
}

/// Sends a later offer, and takes the answer.
fn patch(world: &mut World, n: usize, query: &str, offer: &str) -> String {
    let target = format!("/sessions/{}{query}", world.clients[n].session);
    let answer = world.ask("PATCH", &target, "application/sdp", offer);
    if let Some((head, body)) = answer.split_once("\r\n\r\n")
        && head.starts_with("HTTP/1.1 200")
    {
        let (now, body) = (world.now, body.to_owned());
        world.peer(n).answer(now, &body);
    }
    answer
}

#[test]
fn a_session_of_channels_gets_a_picture_and_loses_it() {
    let mut world = World::new(1, &format!("{DEMO}{CAMERA}"));
    let n = join(&mut world, false);
    let mut camera = Camera::new(1);
    camera.run(&mut world, 15);
    assert!(pictures(&mut world, n).is_empty());
    let offer = world.peer(n).offer_again(|api| {
        Some(api.add_media(MediaKind::Video, Direction::RecvOnly, None, None, None))
    });
    let last = *world.peer(n).mids.last().expect("two sections");
    world.peer(n).mids = vec![last];
    let answer = patch(&mut world, n, "?media=camera", &offer);
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert!(answer.contains("a=msid:camera video"), "{answer}");
    camera.run(&mut world, 15);
    world.run(Duration::from_millis(50));
    assert_eq!(
        pictures(&mut world, n),
        (10..30).collect::<Vec<u32>>(),
        "from the keyframe on"
    );
    assert_gapless(&mut world, n);
    assert_eq!(states(&mut world, n), ["playing"]);

    // A message in the middle of it all.
    let now = world.now;
    assert!(world.peer(n).send(now, "demo", false, b"led\n"));
    let answer = set_direction(&mut world, n, Direction::Inactive, "");
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    let before = world.peer(n).packets.len();
    camera.run(&mut world, 15);
    assert_eq!(world.peer(n).packets.len(), before, "nothing more comes");
    assert_eq!(world.get("/endpoints/camera")["video"]["viewers"], json!(0));
    world.until("the line goes on", SOON, |w| {
        w.peer(n).text("demo").contains("led")
    });

    // The same section once more. Its stream has another SSRC, so its numbers may begin anew.
    world.peer(n).packets.clear();
    let answer = set_direction(&mut world, n, Direction::RecvOnly, "?media=camera");
    assert!(answer.contains("a=msid:camera video"), "{answer}");
    camera.run(&mut world, 15);
    world.run(Duration::from_millis(50));
    assert_eq!(pictures(&mut world, n).last(), Some(&59));
    assert_gapless(&mut world, n);
}

#[test]
fn what_a_later_offer_asks_for_in_vain_is_said() {
    let mut world = World::new(2, &format!("{DEMO}{CAMERA}"));
    let n = join(&mut world, true);
    let offer = world.peer(n).offer_again(|api| {
        Some(api.add_media(MediaKind::Video, Direction::RecvOnly, None, None, None))
    });
    for (query, status) in [("?media=nothing", "404"), ("?media=demo", "422")] {
        let target = format!("/sessions/{}{query}", world.clients[n].session);
        let answer = world.ask("PATCH", &target, "application/sdp", &offer);
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {status}")),
            "{answer}"
        );
    }
    let other = offer.replace("a=ice-ufrag:", "a=ice-ufrag:x");
    let answer = patch(&mut world, n, "?media=camera", &other);
    assert!(
        answer.starts_with("HTTP/1.1 501"),
        "a restart of ICE: {answer}"
    );
    let answer = patch(&mut world, n, "", "v=0\r\nnonsense\r\n");
    assert!(
        answer.starts_with("HTTP/1.1 400") && answer.contains("line 2"),
        "{answer}"
    );
    assert_eq!(
        world.get("/endpoints/camera")["video"]["viewers"],
        json!(1),
        "nothing has changed"
    );
    Camera::new(1).run(&mut world, 12);
    assert_eq!(pictures(&mut world, n).len(), 12);
}

#[test]
fn a_session_from_before_the_first_camera_cannot_get_one() {
    let mut world = World::new(3, DEMO);
    let n = {
        let addr = SocketAddr::new(IpAddr::from([198, 51, 100, 1]), 6000);
        let (peer, offer) = Peer::offer(world.now, addr, &[reliable("demo")]);
        let answer = world.ask("POST", "/sessions", "application/sdp", &offer);
        world.join(peer, addr, &answer, good(), 7)
    };
    world.until("connected", SOON, |w| w.peer(n).connected);
    let target = format!("/sessions/{}", world.clients[n].session);
    let answer = world.ask("PATCH", &target, "application/sdp", "v=0\r\n");
    assert!(answer.starts_with("HTTP/1.1 409"), "{answer}");
}

#[test]
fn a_peer_is_told_what_it_sees_and_why_not() {
    let mut world = World::new(4, &format!("{DEMO}{CAMERA}"));
    let n = join(&mut world, true);
    let first = world.peer(n).told("media")[0].clone();
    assert_eq!(first["detail"], "no packets on 127.0.0.1:5004");
    let mut camera = Camera::new(1);
    // A picture that cannot be decoded alone.
    camera.picture = 1;
    camera.run(&mut world, 4);
    assert_eq!(states(&mut world, n), ["absent", "waiting"]);
    let waiting = world.peer(n).told("media")[1].clone();
    let detail = waiting["detail"].as_str().unwrap_or_default().to_owned();
    assert!(detail.contains("shorter keyframe interval"), "{detail}");
    camera.run(&mut world, 8);
    assert_eq!(states(&mut world, n), ["absent", "waiting", "playing"]);
    world.run(Duration::from_secs(3));
    assert_eq!(
        states(&mut world, n),
        ["absent", "waiting", "playing", "absent"]
    );
    let endpoints = world.peer(n).told("hello")[0]["endpoints"].clone();
    let camera = endpoints
        .as_array()
        .and_then(|all| all.iter().find(|it| it["name"] == "camera"));
    assert_eq!(camera.expect("a camera")["media"], json!(["video"]));
}

#[test]
fn a_peer_is_told_when_its_endpoint_is_changed() {
    let mut world = World::new(7, &format!("{DEMO}{CAMERA}"));
    let n = join(&mut world, true);
    let mut camera = Camera::new(1);
    camera.run(&mut world, 12);
    reload(
        &mut world,
        &format!("{DEMO}{}", CAMERA.to_owned() + "silence_ms = 3000\n"),
    );
    world.run(Duration::from_millis(50));
    assert_eq!(
        states(&mut world, n).last().map(String::as_str),
        Some("removed")
    );
    // It asks once more: the section lets go of the old track, and gets the new one.
    set_direction(&mut world, n, Direction::Inactive, "");
    let answer = set_direction(&mut world, n, Direction::RecvOnly, "?media=camera");
    assert!(answer.contains("a=msid:camera video"), "{answer}");
    assert_eq!(world.get("/endpoints/camera")["video"]["viewers"], json!(1));
}

#[test]
fn a_codec_that_the_peer_lacks_is_named() {
    let config = CAMERA.replace("H264", "AV1");
    let mut world = World::new(5, &format!("{DEMO}{config}"));
    let n = join(&mut world, true);
    let told = world.peer(n).told("media")[0].clone();
    assert_eq!(told["state"], "refused");
    assert_eq!(
        told["detail"],
        "the endpoint has AV1, the peer has only H264, VP8"
    );
}

#[test]
fn a_viewer_that_is_too_slow_harms_nobody() {
    let mut world = World::new(6, &format!("{DEMO}{CAMERA}"));
    let slow = join(&mut world, true);
    let fast = watch(&mut world, good(), "/whep/camera?wait=true");
    let mut camera = Camera::new(1);
    camera.size = 1_000;
    for _ in 0..30 {
        camera.run(&mut world, 30);
        let now = world.now;
        world.peer(slow).report_bitrate(now, 80_000);
        world.peer(fast).report_bitrate(now, 900_000);
    }
    assert_eq!(states(&mut world, slow), ["absent", "playing", "thinned"]);
    let track = world.get("/endpoints/camera")["video"].clone();
    assert_eq!(track["slow_viewers"], json!(1));
    assert_eq!(
        track["bitrate"],
        json!(900_000),
        "the slow one does not count: {track}"
    );
    assert!(track["left_out"].as_u64() > Some(100), "{track}");
    let seen = pictures(&mut world, slow);
    assert!(
        (100..600).contains(&seen.len()),
        "{} of 900 pictures",
        seen.len()
    );
    for pair in seen.windows(2) {
        let is_decodable = pair[1] == pair[0] + 1 || pair[1].is_multiple_of(10);
        assert!(is_decodable, "{} after {}", pair[1], pair[0]);
    }
    assert_gapless(&mut world, slow);
    assert_eq!(pictures(&mut world, fast), (0..900).collect::<Vec<u32>>());
    // Its path has become better.
    for _ in 0..120 {
        camera.run(&mut world, 30);
        let now = world.now;
        world.peer(slow).report_bitrate(now, 900_000);
    }
    assert_eq!(
        states(&mut world, slow).last().map(String::as_str),
        Some("playing")
    );
    world.peer(slow).packets.clear();
    camera.run(&mut world, 30);
    world.run(Duration::from_millis(50));
    assert!(pictures(&mut world, slow).len() >= 30);
}

/// A burst for many viewers is more than the queue of one turn holds.
#[test]
fn a_burst_reaches_every_viewer() {
    const VIEWERS: usize = 150;
    let config = format!("{CAMERA}[limits]\nviewers = 200\nsessions = 200\n");
    let mut world = World::new(8, &config);
    world.token = None;
    let viewers: Vec<usize> = (0..VIEWERS)
        .map(|_| watch(&mut world, good(), "/sessions?media=camera"))
        .collect();
    let mut camera = Camera::new(1);
    camera.size = 1_000;
    camera.burst(&mut world, 40);
    world.run(Duration::from_millis(200));
    for n in viewers {
        assert_eq!(
            pictures(&mut world, n),
            (0..40).collect::<Vec<u32>>(),
            "viewer {n}"
        );
    }
    let metrics = world.request(b"GET /metrics HTTP/1.1\r\nHost: board\r\n\r\n");
    assert!(
        metrics.contains("thingway_datagrams_not_sent_total 0\n"),
        "{metrics}"
    );
}

#[test]
fn a_command_leaves_before_a_picture_that_came_with_it() {
    let config = format!("{CAMERA}[[endpoint]]\nname = \"echo\"\nkind = \"echo\"\n");
    let mut world = World::new(9, &config);
    let addr = SocketAddr::new(IpAddr::from([198, 51, 100, 1]), 6000);
    let (peer, offer) = Peer::watch(world.now, addr, &[reliable("echo")]);
    let answer = world.ask("POST", "/sessions?media=camera", "application/sdp", &offer);
    let n = world.join(peer, addr, &answer, good(), 7);
    world.until("open", SOON, |w| w.peer(n).channels["echo"].open);
    let mut camera = Camera::new(1);
    camera.size = 1_000;
    camera.run(&mut world, 12);
    let (ice, local) = (world.ice.expect("a socket"), world.ice_addr);
    for _ in 0..20 {
        world.run(Duration::from_millis(20));
        // Pictures come first, and a command in the same wake-up.
        camera.arrive(&mut world, 5);
        let now = world.now;
        assert!(world.peer(n).send(now, "echo", true, &[7; 64]));
        let sent: Vec<_> = world.peer(n).out.drain(..).collect();
        for (_, bytes) in sent {
            let meta = Meta {
                local,
                remote: addr,
                stride: bytes.len().max(1),
            };
            world
                .gateway
                .handle_datagrams(world.now, ice, &meta, &bytes);
        }
        let mut out = Vec::new();
        let mut has_more = true;
        while has_more {
            has_more = world.gateway.settle(world.now);
            while let Some(batch) = world.gateway.poll_transmit() {
                out.extend(
                    batch
                        .contents
                        .chunks(batch.segment.max(1))
                        .map(|it| (it[0], it.len())),
                );
            }
        }
        // RFC 7983: DTLS begins with 20 to 63, RTP with 128 to 191. An acknowledgement is short.
        let command = out
            .iter()
            .position(|(first, len)| (20..64).contains(first) && *len > 100);
        let picture = out.iter().position(|(first, _)| (128..192).contains(first));
        assert!(command.is_some() && command < picture, "{out:?}");
    }
}

#[test]
fn a_description_in_place_of_a_fragment_opens_nothing() {
    let mut world = World::new(10, &format!("{DEMO}{CAMERA}"));
    with_token(&mut world, &token("other", "demo", &["read", "write"]));
    let n = join(&mut world, false);
    let session = world.clients[n].session.clone();
    let mut ask = |name: &str, kind: &str| {
        let target = format!("/sessions/{session}?media={name}");
        world.ask("PATCH", &target, kind, "v=0\r\n")
    };
    for kind in ["application/sdp", "application/trickle-ice-sdpfrag"] {
        let (hidden, none) = (ask("camera", kind), ask("nothing", kind));
        assert!(hidden.starts_with("HTTP/1.1 404"), "{kind}: {hidden}");
        assert_eq!(hidden, none, "{kind}");
        let known = ask("demo", kind);
        assert!(known.starts_with("HTTP/1.1 422"), "{kind}: {known}");
    }
}
