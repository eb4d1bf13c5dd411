//! The share of each session in a line, and the messages that wait for the line.

use std::time::Duration;

use crate::peer::reliable;
use crate::sessions::{ARM, DEMO, good};
use crate::world::{World, post};

const SOON: Duration = Duration::from_secs(5);

#[test]
fn two_writers_share_a_slow_line_by_bytes() {
    let mut world = World::new(1, ARM);
    let big = world.connect(&[reliable("thingway"), reliable("arm")], good(), 1);
    let small = world.connect(&[reliable("thingway"), reliable("arm")], good(), 2);
    world.until("open", SOON, |w| {
        (0..2).all(|n| w.peer(n).channels["arm"].credit.is_some())
    });
    world.tty("/dev/arm").rate = 20;
    let end = world.now + Duration::from_secs(60);
    while world.now < end {
        let now = world.now;
        world
            .peer(big)
            .send_within_credit(now, "arm", &[b'B'; 60_000]);
        for _ in 0..20 {
            world
                .peer(small)
                .send_within_credit(now, "arm", &[b's'; 100]);
        }
        world.step();
    }
    let written = &world.tty("/dev/arm").written;
    let of_big = written.iter().filter(|byte| **byte == b'B').count();
    let share = of_big as f64 / written.len() as f64;
    assert!(written.len() > 1_000_000, "the line was busy");
    assert!(
        (0.35..0.65).contains(&share),
        "{share} of {} bytes",
        written.len()
    );
}

#[test]
fn small_messages_within_the_credit_all_arrive() {
    let mut world = World::new(2, &format!("[limits]\nroute_queue = 131072\n{ARM}"));
    let n = world.connect(&[reliable("thingway"), reliable("arm")], good(), 3);
    world.until("open", SOON, |w| w.peer(n).channels["arm"].credit.is_some());
    world.tty("/dev/arm").rate = 0;
    let mut sent = 0_u32;
    let mut quiet = 0;
    while quiet < 200 {
        let now = world.now;
        if world
            .peer(n)
            .send_within_credit(now, "arm", &[sent as u8; 20])
        {
            sent += 1;
            quiet = 0;
        } else {
            quiet += 1;
            world.step();
        }
    }
    assert!(sent * 20 > 220_000, "the credit was used: {sent}");
    assert!(world.peer(n).channels["arm"].open);
    world.tty("/dev/arm").rate = 10_000;
    world.until("all of it", SOON, |w| {
        w.tty("/dev/arm").written.len() as u32 == sent * 20
    });
    let written = &world.tty("/dev/arm").written;
    let in_order = written
        .chunks(20)
        .enumerate()
        .all(|(i, c)| c == [i as u8; 20]);
    assert!(in_order);
}

#[test]
fn closing_and_opening_again_piles_nothing_up() {
    let mut world = World::new(3, ARM);
    let n = world.connect(&[reliable("thingway")], good(), 4);
    world.until("hello", SOON, |w| !w.peer(n).control.is_empty());
    world.tty("/dev/arm").rate = 0;
    for _ in 0..12 {
        let now = world.now;
        world.peer(n).open(now, reliable("arm"));
        world.until("credit", SOON, |w| {
            w.peer(n).channels["arm"].credit.is_some()
        });
        let mut sent = 0;
        while sent < 200_000 {
            let now = world.now;
            if world.peer(n).send_within_credit(now, "arm", &[7; 1_000]) {
                sent += 1_000;
            } else {
                world.step();
            }
        }
        world.run(Duration::from_secs(1));
        let now = world.now;
        world.peer(n).close_channel(now, "arm");
        world.until("closed", SOON, |w| w.get("/endpoints/arm")["routes"] == 0);
    }
    let queued = world.metric("thingway_queued_bytes");
    assert!(queued <= 256 * 1024, "{queued}");
    assert!(queued > 0, "or it shows nothing");
    let shown = world.get("/endpoints/arm")["queued_bytes"]
        .as_u64()
        .unwrap();
    assert!(shown >= queued, "{shown} includes them");
    // Messages that the line did not take within a minute are stale.
    world.run(Duration::from_secs(61));
    assert_eq!(world.metric("thingway_queued_bytes"), 0);
    let dropped = world.dropped("closed");
    assert!(dropped > 2_000_000, "{dropped}");
}

#[test]
fn the_session_limit_holds_however_the_requests_come() {
    let mut world = World::new(4, &format!("[limits]\nsessions = 2\n{DEMO}"));
    let addr = "198.51.100.9:1".parse().unwrap();
    let (_, offer) = crate::peer::Peer::offer(world.now, addr, &[reliable("demo")]);
    let request = post(&offer);
    let (head, body) = request.split_at(request.find("\r\n\r\n").unwrap() + 4);
    let answers = world.heads_then_bodies(20, head.as_bytes(), body.as_bytes());
    let created = answers
        .iter()
        .filter(|a| a.starts_with("HTTP/1.1 201"))
        .count();
    let refused = answers
        .iter()
        .filter(|a| a.starts_with("HTTP/1.1 503"))
        .count();
    assert_eq!((created, refused), (2, 18));
}

#[test]
fn a_peer_that_takes_small_messages_only_gets_no_holes_in_a_stream() {
    let mut world = World::new(5, ARM);
    let addr = "198.51.100.9:1".parse().unwrap();
    let channels = [reliable("thingway"), reliable("arm")];
    let n = world.connect_editing(addr, &channels, |offer| {
        let mut lines: Vec<String> = offer.lines().map(str::to_owned).collect();
        lines.retain(|line| !line.starts_with("a=max-message-size"));
        lines.push("a=max-message-size:700".into());
        lines.join("\r\n") + "\r\n"
    });
    world.until("open", SOON, |w| w.peer(n).channels["arm"].open);
    world.device_sends("/dev/arm", &[1; 100]);
    world.run(Duration::from_millis(200));
    world.device_sends("/dev/arm", &[2; 3_000]);
    world.until("closed", SOON, |w| w.peer(n).channels["arm"].closed);
    assert_eq!(world.peer(n).channels["arm"].bytes, [1; 100]);
    let reasons: Vec<_> = world
        .peer(n)
        .told("closed")
        .iter()
        .map(|m| m["reason"].clone())
        .collect();
    assert_eq!(reasons, ["too-large"]);
}

#[test]
fn a_control_channel_that_opens_last_hears_of_every_channel() {
    let mut world = World::new(6, &format!("[limits]\nchannels_per_session = 300\n{DEMO}"));
    let names: Vec<String> = (0..200).map(|i| format!("d{i}")).collect();
    let n = world.connect(&[reliable("demo")], good(), 6);
    world.until("open", SOON, |w| w.peer(n).channels["demo"].open);
    for name in &names {
        let now = world.now;
        world.peer(n).open_as(now, name, reliable("demo"));
    }
    world.until("all open", SOON, |w| {
        names.iter().all(|name| w.peer(n).channels[name].open)
    });
    let now = world.now;
    world.peer(n).open(now, reliable("thingway"));
    world.until("told of all", SOON, |w| {
        w.peer(n).told("opened").len() == 201
    });
    assert!(world.peer(n).channels["thingway"].open);
}

/// Acts as one wake-up of the loop: passes in everything that has arrived, then runs one round of turns.
fn wake_up(world: &mut World, clients: &[usize]) -> Vec<(std::net::SocketAddr, usize)> {
    let (now, local) = (world.now, world.ice_addr);
    let ice = world.ice.expect("a socket");
    for n in clients {
        let remote = world.clients[*n].addr;
        let sent: Vec<_> = world.peer(*n).out.drain(..).collect();
        for (_, bytes) in sent {
            let stride = bytes.len().max(1);
            let meta = thingway::testing::datagram::Meta {
                local,
                remote,
                stride,
            };
            world.gateway.handle_datagrams(now, ice, &meta, &bytes);
        }
    }
    if world.gateway.poll_timeout().is_some_and(|at| at <= now) {
        world.gateway.handle_timeout(now);
    }
    let mut out = Vec::new();
    let mut has_more = true;
    while has_more {
        has_more = world.gateway.settle(now);
        while let Some(batch) = world.gateway.poll_transmit() {
            for datagram in batch.contents.chunks(batch.segment.max(1)) {
                out.push((batch.destination, datagram.to_vec()));
            }
        }
    }
    for (destination, datagram) in &out {
        for n in clients {
            if world.clients[*n].addr == *destination {
                world.peer(*n).handle_datagram(now, local, datagram);
            }
        }
    }
    out.iter().map(|(to, bytes)| (*to, bytes.len())).collect()
}

#[test]
fn a_ping_is_never_more_than_one_turn_behind_while_others_stream() {
    let config = "[[endpoint]]\nname = \"source\"\nkind = \"source\"\n\
                  [[endpoint]]\nname = \"echo\"\nkind = \"echo\"\n";
    let mut world = World::new(7, config);
    let bulk: Vec<usize> = (0..3)
        .map(|seed| world.connect(&[reliable("source")], good(), seed))
        .collect();
    let ping = world.connect(&[reliable("echo")], good(), 7);
    world.until("open", SOON, |w| {
        w.peer(ping).channels["echo"].open
            && bulk.iter().all(|n| w.peer(*n).channels["source"].open)
    });
    for n in &bulk {
        let now = world.now;
        let order = b"send 16384 100000";
        assert!(world.peer(*n).send(now, "source", false, order));
    }
    let all = [bulk.as_slice(), &[ping]].concat();
    let (mut streamed, mut pings) = (0, 0);
    for round in 0..2_000 {
        world.now += Duration::from_micros(500);
        let now = world.now;
        let asks = round > 200 && round % 7 == 0;
        let before = world.peer(ping).channels["echo"].bytes.len();
        if asks {
            assert!(world.peer(ping).send(now, "echo", true, &[7; 64]));
        }
        let out = wake_up(&mut world, &all);
        streamed += out.iter().map(|(_, len)| len).sum::<usize>();
        if asks {
            pings += 1;
            let after = world.peer(ping).channels["echo"].bytes.len();
            assert_eq!(after, before + 64, "round {round}: in the same turn");
            let addr = world.clients[ping].addr;
            let ahead = out.iter().take_while(|(to, _)| *to != addr);
            let ahead: usize = ahead.map(|(_, len)| len).sum();
            assert!(ahead < 3 * 80_000, "round {round}: {ahead} bytes ahead");
        }
        for n in &all {
            if world.peer(*n).timeout <= now {
                world.peer(*n).handle_timeout(now);
            }
        }
    }
    assert!(
        pings > 200 && streamed > 10_000_000,
        "{pings} pings, {streamed} bytes"
    );
}

#[test]
fn a_peer_that_ignores_the_largest_message_loses_that_channel_and_nothing_else() {
    for length in [65_537, 262_145, 1_000_000] {
        let mut world = World::new(
            7,
            &format!("{ARM}[[endpoint]]\nname = \"echo\"\nkind = \"echo\"\n"),
        );
        let addr = "198.51.100.9:1".parse().unwrap();
        let channels = [reliable("thingway"), reliable("arm"), reliable("echo")];
        let n = world.connect_misreading(addr, &channels, |answer| {
            assert!(answer.contains("a=max-message-size:65536\r\n"), "{answer}");
            answer.replace("a=max-message-size:65536", "a=max-message-size:0")
        });
        world.until("open", SOON, |w| {
            w.peer(n).channels["arm"].open && w.peer(n).channels["echo"].open
        });
        let now = world.now;
        let sent = world.peer(n).send(now, "arm", true, &vec![1; length]);
        assert!(sent, "the peer sends whatever the answer says");
        world.until("closed", SOON, |w| w.peer(n).channels["arm"].closed);
        let reason = world.peer(n).told("closed")[0]["reason"].clone();
        assert_eq!(reason, "too-large", "{length}");
        let now = world.now;
        assert!(world.peer(n).send(now, "echo", true, b"still here"));
        world.until("an answer", SOON, |w| {
            w.peer(n).text("echo").contains("still here")
        });
    }
}

#[test]
fn a_message_that_fills_the_receive_buffer_ends_the_session_with_its_reason() {
    let mut world = World::new(7, ARM);
    let addr = "198.51.100.9:1".parse().unwrap();
    let channels = [reliable("thingway"), reliable("arm")];
    let n = world.connect_misreading(addr, &channels, |answer| {
        answer.replace("a=max-message-size:65536", "a=max-message-size:0")
    });
    let events = world.open(b"GET /events HTTP/1.1\r\nHost: board\r\n\r\n");
    world.until("open", SOON, |w| w.peer(n).channels["arm"].open);
    let now = world.now;
    assert!(world.peer(n).send(now, "arm", true, &vec![1; 1_500_000]));
    world.until("the end", SOON, |w| w.peer(n).closed);
    let told = world.http_text(events);
    let reason = "the peer sent a message of more than 1048576 bytes; the answer allows 65536";
    assert!(told.contains(reason) && told.contains("failed"), "{told}");
    assert_eq!(world.metric("thingway_sessions"), 0);
    assert_eq!(world.dropped("too-large"), 1_048_576);
}

#[test]
fn a_channel_that_was_silent_has_no_longer_turn_than_another() {
    let leg = ARM.replace("arm", "leg");
    let mut world = World::new(8, &format!("{ARM}{leg}"));
    let n = world.connect(&[reliable("arm"), reliable("leg")], good(), 8);
    world.until("open", SOON, |w| {
        w.peer(n).channels.values().all(|c| c.open)
    });
    // The leg always has more data than the path takes.
    let mut said = 0;
    let stream = |world: &mut World, said: &mut usize| {
        while *said < world.peer(n).channels["leg"].bytes.len() + 250_000 {
            world.device_sends("/dev/leg", &[1; 10_000]);
            *said += 10_000;
        }
        world.step();
    };
    while world.peer(n).channels["leg"].bytes.len() < 500_000 {
        stream(&mut world, &mut said);
    }
    // The arm was silent for hundreds of turns, and then has much data at once.
    world.peer(n).order = Some(Vec::new());
    world.device_sends("/dev/arm", &[2; 100_000]);
    while world.peer(n).channels["arm"].bytes.len() < 60_000 {
        stream(&mut world, &mut said);
    }
    let order = world.peer(n).order.take().expect("it was wanted");
    let first = order.iter().position(|(label, _)| label == "arm");
    let mut bytes = [0, 0];
    for (label, len) in &order[first.expect("a message")..] {
        bytes[usize::from(label == "leg")] += len;
        let [arm, leg] = bytes;
        assert!(
            arm < leg + 10_000,
            "{arm} bytes of the arm, {leg} of the leg"
        );
    }
}
