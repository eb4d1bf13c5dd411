//! Malicious and broken peers and clients.

use std::time::Duration;

use str0m::channel::{ChannelConfig, Reliability};

use crate::peer::{reliable, unreliable};
use crate::sessions::{ARM, DEMO, ROVER, good};
use crate::world::World;

const SOON: Duration = Duration::from_secs(5);

#[test]
fn labels_of_every_kind_close_their_channel_and_nothing_else() {
    let mut world = World::new(1, DEMO);
    let labels = [
        "".to_owned(),
        "x".repeat(1_000),
        "../etc/passwd".into(),
        "demo\0".into(),
        "démo".into(),
    ];
    let mut channels = vec![reliable("thingway"), reliable("demo")];
    channels.extend(labels.iter().map(|label| reliable(label)));
    let n = world.connect(&channels, good(), 1);
    world.until("all closed", SOON, |w| {
        labels.iter().all(|l| w.peer(n).channels[l].closed)
    });
    world.until("all told", SOON, |w| {
        w.peer(n).told("refused").len() == labels.len()
    });
    let now = world.now;
    assert!(world.peer(n).send(now, "demo", false, b"led\n"));
    world.until("answer", SOON, |w| {
        w.peer(n).text("demo").contains("led is off")
    });
}

#[test]
fn channels_beyond_the_limit_are_refused_for_that_reason() {
    let mut world = World::new(2, &format!("[limits]\nchannels_per_session = 4\n{DEMO}"));
    let n = world.connect(&[reliable("thingway"), reliable("demo")], good(), 2);
    world.until("open", SOON, |w| w.peer(n).channels["demo"].open);
    for i in 0..5 {
        let now = world.now;
        world
            .peer(n)
            .open_as(now, &format!("d{i}"), reliable("demo"));
    }
    world.until("told", SOON, |w| w.peer(n).told("refused").len() == 3);
    let refused = world.peer(n).told("refused");
    assert!(
        refused.iter().all(|m| m["reason"] == "too-many-channels"),
        "{refused:?}"
    );
    assert_eq!(world.get("/endpoints/demo")["routes"], 3);
    world.until("greeting", SOON, |w| w.peer(n).text("demo").ends_with("> "));
}

/// Checks that no more channels of libdatachannel wait for their late close than may exist.
#[test]
fn channels_that_are_closed_late_are_bounded() {
    let mut world = World::new(2, &format!("[limits]\nchannels_per_session = 4\n{DEMO}"));
    let addr = "198.51.100.9:1".parse().unwrap();
    let n = world.connect_editing(addr, &[reliable("thingway")], |offer| {
        offer.replacen("\r\no=", "\r\no=rtc 1 0 IN IP4 0.0.0.0\r\nx=", 1)
    });
    world.until("open", SOON, |w| w.peer(n).channels["thingway"].open);
    for i in 0..20 {
        let now = world.now;
        world
            .peer(n)
            .open_as(now, &format!("c{i}"), reliable("nobody"));
    }
    world.until("told", SOON, |w| w.peer(n).told("refused").len() == 20);
    let closed = |world: &mut World| {
        let channels = world.peer(n).channels.values();
        channels.filter(|channel| channel.closed).count()
    };
    world.until("all but four", Duration::from_millis(150), |w| {
        closed(w) == 16
    });
    world.run(Duration::from_millis(50));
    assert_eq!(closed(&mut world), 16);
    world.until("those, too", Duration::from_millis(200), |w| {
        closed(w) == 20
    });
    // Channels that are being closed do not count against the limit.
    let now = world.now;
    world.peer(n).open_as(now, "last", reliable("nobody"));
    for i in 0..3 {
        world
            .peer(n)
            .open_as(now, &format!("d{i}"), reliable("demo"));
    }
    world.until("open", SOON, |w| w.get("/endpoints/demo")["routes"] == 3);
}

#[test]
fn a_channel_on_which_nothing_lives_long_enough_is_refused() {
    let mut world = World::new(2, DEMO);
    let n = world.connect(&[reliable("thingway"), reliable("demo")], good(), 2);
    world.until("open", SOON, |w| w.peer(n).channels["demo"].open);
    for (name, lifetime) in [("none", 0), ("some", 1)] {
        let now = world.now;
        let brief = ChannelConfig {
            reliability: Reliability::MaxPacketLifetime { lifetime },
            ..reliable("demo")
        };
        world.peer(n).open_as(now, name, brief);
    }
    world.until("told", SOON, |w| w.peer(n).told("refused").len() == 1);
    assert_eq!(
        world.peer(n).told("refused")[0]["reason"],
        "bad-reliability"
    );
    world.until("closed", SOON, |w| w.peer(n).channels["none"].closed);
    assert_eq!(world.get("/endpoints/demo")["routes"], 2);
}

#[test]
fn a_second_or_unreliable_control_channel_is_refused() {
    let mut world = World::new(3, DEMO);
    let wrong = ChannelConfig {
        ordered: false,
        ..reliable("thingway")
    };
    let n = world.connect(&[wrong, reliable("demo")], good(), 3);
    world.until("closed", SOON, |w| w.peer(n).channels["thingway"].closed);
    world.until("greeting", SOON, |w| w.peer(n).text("demo").ends_with("> "));
    assert!(world.peer(n).control.is_empty());
}

#[test]
fn channels_negotiated_behind_our_back_are_ignored() {
    let mut world = World::new(4, DEMO);
    // Both ends of such a channel must know of it (RFC 8832 §4); the gateway does not.
    let hidden = ChannelConfig {
        negotiated: Some(4),
        ..reliable("hidden")
    };
    let n = world.connect(&[hidden, reliable("demo")], good(), 4);
    world.until("open", SOON, |w| w.peer(n).channels["demo"].open);
    let now = world.now;
    for _ in 0..50 {
        world.peer(n).send(now, "hidden", true, &[1; 1000]);
    }
    assert!(world.peer(n).send(now, "demo", false, b"led\n"));
    world.until("answer", SOON, |w| {
        w.peer(n).text("demo").contains("led is off")
    });
}

#[test]
fn messages_too_large_are_refused_counted_and_told() {
    let mut world = World::new(5, &format!("{ARM}{ROVER}"));
    let n = world.connect(
        &[reliable("thingway"), reliable("arm"), reliable("rover")],
        good(),
        5,
    );
    world.until("open", SOON, |w| {
        w.peer(n).channels.values().all(|c| c.open)
    });
    let now = world.now;
    // The announced limit is 65,536 bytes, but a UDP datagram holds only 65,507.
    assert!(world.peer(n).send(now, "rover", true, &vec![1; 65_520]));
    world.until("told", SOON, |w| !w.peer(n).told("dropped").is_empty());
    let dropped = world.peer(n).told("dropped")[0].clone();
    assert_eq!(
        (&dropped["label"], &dropped["reason"]),
        (&"rover".into(), &"too-large".into())
    );
    assert!(world.peer(n).channels["rover"].open);
    assert!(
        world.peer(n).send(now, "arm", true, &vec![1; 65_536]),
        "the largest is taken"
    );
    world.until("written", SOON, |w| {
        w.tty("/dev/arm").written.len() == 65_536
    });
}

#[test]
fn flooding_without_credit_closes_a_reliable_channel_and_thins_an_unreliable_one() {
    for reliable_channel in [true, false] {
        let mut world = World::new(6, ARM);
        let channel = if reliable_channel {
            reliable("arm")
        } else {
            unreliable("arm")
        };
        let n = world.connect(&[reliable("thingway"), channel], good(), 6);
        world.until("open", SOON, |w| w.peer(n).channels["arm"].credit.is_some());
        world.tty("/dev/arm").rate = 0;
        let end = world.now + Duration::from_secs(8);
        let mut sent = 0_u64;
        while world.now < end && !world.peer(n).channels["arm"].closed && sent < 900_000 {
            let now = world.now;
            if world.peer(n).send(now, "arm", true, &[7; 1_000]) {
                sent += 1_000;
            } else {
                world.step();
            }
        }
        world.run(Duration::from_secs(1));
        let peer = world.peer(n);
        if reliable_channel {
            assert!(peer.channels["arm"].closed);
            assert_eq!(peer.told("closed")[0]["reason"], "overflow");
        } else {
            assert!(peer.channels["arm"].open);
            let reasons: Vec<_> = peer
                .told("dropped")
                .iter()
                .map(|m| m["reason"].clone())
                .collect();
            assert!(reasons.contains(&"overflow".into()), "{reasons:?}");
            let name = world.clients[n].session.clone();
            let json = world.get(&format!("/sessions/{name}"));
            let arm = json["channels"]
                .as_array()
                .unwrap()
                .iter()
                .find(|c| c["label"] == "arm");
            let arm = arm.expect("its channel");
            assert!(arm["queued_bytes"].as_u64().unwrap() <= 256 * 1024, "{arm}");
        }
    }
}

/// Returns a binding request as ICE sends it (RFC 8445 §7.2.2), with an integrity that proves nothing.
fn stun(user: &[u8]) -> Vec<u8> {
    let padded = user.len().div_ceil(4) * 4;
    let length = 4 + padded + 8 + 24;
    let mut bytes = vec![0, 1, 0, length as u8, 0x21, 0x12, 0xa4, 0x42];
    bytes.extend([7; 12]);
    bytes.extend([0, 6, 0, user.len() as u8]); // USERNAME
    bytes.extend(user);
    bytes.resize(20 + 4 + padded, 0);
    bytes.extend([0, 0x24, 0, 4, 1, 2, 3, 4]); // PRIORITY
    bytes.extend([0, 8, 0, 20]); // MESSAGE-INTEGRITY
    bytes.extend([9; 20]);
    bytes
}

#[test]
fn a_flood_of_requests_that_name_a_session_without_its_password_is_counted() {
    let mut world = World::new(9, DEMO);
    let n = world.connect(&[reliable("demo")], good(), 9);
    world.until("open", SOON, |w| w.peer(n).channels["demo"].open);
    let request = stun(format!("{}:zzzz", world.clients[n].ufrag).as_bytes());
    for port in 1..=2_000 {
        world.stranger(format!("203.0.113.9:{port}").parse().unwrap(), &request);
    }
    let now = world.now;
    assert!(world.peer(n).send(now, "demo", false, b"led\n"));
    world.until("answer", SOON, |w| {
        w.peer(n).text("demo").contains("led is off")
    });
    let metrics = world.request(b"GET /metrics HTTP/1.1\r\nHost: board\r\n\r\n");
    let counted = "thingway_datagrams_stray_total{reason=\"unauthenticated\"} 2000\n";
    assert!(metrics.contains(counted), "{metrics}");
    assert!(metrics.contains("thingway_address_pairs 1\n"), "{metrics}");
}

#[test]
fn strangers_datagrams_are_counted_and_disturb_nobody() {
    let mut world = World::new(7, DEMO);
    let n = world.connect(&[reliable("demo")], good(), 7);
    world.until("open", SOON, |w| w.peer(n).channels["demo"].open);
    let name = world.clients[n].session.clone();
    let patch = world.request(
        format!(
            "PATCH /sessions/{name} HTTP/1.1\r\nHost: board\r\nIf-Match: \"x\"\r\nContent-Type: \
                 application/trickle-ice-sdpfrag\r\nContent-Length: 7\r\n\r\na=mid:0"
        )
        .as_bytes(),
    );
    assert!(patch.starts_with("HTTP/1.1 412"), "{patch}");
    for i in 0..3_000_u32 {
        let remote = format!("203.0.113.9:{}", 1024 + i).parse().unwrap();
        let datagrams = [
            stun(b"zzzz:yyyy"),
            vec![22; 60],
            vec![128; 40],
            vec![255],
            vec![],
            vec![0; 19],
        ];
        world.stranger(remote, &datagrams[i as usize % datagrams.len()]);
    }
    let now = world.now;
    assert!(world.peer(n).send(now, "demo", false, b"led\n"));
    world.until("answer", SOON, |w| {
        w.peer(n).text("demo").contains("led is off")
    });
    let metrics = world.request(b"GET /metrics HTTP/1.1\r\nHost: board\r\n\r\n");
    assert!(
        metrics.contains("thingway_datagrams_stray_total{reason=\"stranger\"} 3000\n"),
        "{metrics}"
    );
    assert!(metrics.contains("thingway_address_pairs 1\n"), "{metrics}");
}

#[test]
fn the_session_limit_answers_503_and_frees_up() {
    let mut world = World::new(8, &format!("[limits]\nsessions = 2\n{DEMO}"));
    for n in 0..2 {
        world.connect(&[reliable("demo")], good(), n);
    }
    let (_, offer) = crate::peer::Peer::offer(
        world.now,
        "198.51.100.9:1".parse().unwrap(),
        &[reliable("demo")],
    );
    let request = format!(
        "POST /sessions HTTP/1.1\r\nHost: board\r\nContent-Type: application/sdp\r\nContent-Length: {}\r\n\r\n{offer}",
        offer.len()
    );
    let answer = world.request(request.as_bytes());
    assert!(
        answer.starts_with("HTTP/1.1 503") && answer.contains("Retry-After"),
        "{answer}"
    );
    let name = world.clients[0].session.clone();
    world.request(format!("DELETE /sessions/{name} HTTP/1.1\r\nHost: board\r\n\r\n").as_bytes());
    assert!(
        world
            .request(request.as_bytes())
            .starts_with("HTTP/1.1 201")
    );
}

#[test]
fn drops_are_told_at_most_once_a_second_and_all_of_them() {
    let mut world = World::new(12, ROVER);
    let n = world.connect(&[reliable("thingway"), reliable("rover")], good(), 5);
    world.until("open", SOON, |w| {
        w.peer(n).channels["rover"].credit.is_some()
    });
    let begun = world.now;
    for _ in 0..20 {
        let now = world.now;
        // The message is longer than a UDP datagram.
        assert!(world.peer(n).send(now, "rover", true, &[1; 65_520]));
        world.run(Duration::from_millis(150));
    }
    let seconds = (world.now - begun).as_secs() as usize;
    world.run(Duration::from_millis(1_200));
    let told = world.peer(n).told("dropped");
    assert!(told.len() <= seconds + 2, "{} in {seconds} s", told.len());
    assert_eq!(told.last().unwrap()["messages"], 20);
}
