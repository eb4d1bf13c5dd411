//! The gateway's core between a peer and a device.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use str0m_netem::NetemConfig;
use thingway::testing::datagram::Meta;

use crate::direct::Direct;
use crate::measured;
use crate::peer::reliable;
use crate::world::World;

/// A datagram to the last of so many sessions: 14 bytes that are a DTLS record by their first, and belong to nobody's, so that
/// there is little to be done but to find the session.
pub fn demux(sessions: usize) -> Box<dyn FnMut() -> u64> {
    let config = format!(
        "[limits]\nsessions = {}\n[[endpoint]]\nname = \"demo\"\nkind = \"demo\"\n",
        sessions.max(16)
    );
    let mut world = World::new(1, &config);
    let mut addr = SocketAddr::new(IpAddr::from([198, 51, 100, 1]), 6000);
    for n in 0..sessions {
        let n = u16::try_from(n).expect("few enough");
        let [high, low] = n.to_be_bytes();
        addr = SocketAddr::new(IpAddr::from([198, 18, high, low]), 6000);
        let client = world.connect_at(addr, &[reliable("demo")]);
        world.until("connected", Duration::from_secs(1), |world| {
            world.peer(client).connected
        });
        // It is not heard of any more, and is missed only after seconds.
        world.clients.clear();
    }
    let all = world.get("/sessions");
    let all = all["sessions"].as_array().expect("a list");
    assert_eq!(all.len(), sessions, "all are there");
    let (ice, local, now) = (world.ice.expect("a socket"), world.ice_addr, world.now);
    let record = [23, 0xfe, 0xfd, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1, 0];
    let meta = Meta {
        local,
        remote: addr,
        stride: record.len(),
    };
    Box::new(move || {
        let gateway = &mut world.gateway;
        measured(&mut || {
            gateway.handle_datagrams(now, ice, &meta, &record);
            gateway.settle(now);
        })
    })
}

pub fn tty_to_message() -> Box<dyn FnMut() -> u64> {
    let mut direct = Direct::connect(measured, reliable("serial"));
    Box::new(move || {
        direct.cost = 0;
        direct.device_sends(&[7; 200]);
        let sent = direct.cost;
        // The acknowledgement comes, and what waited for more is no part of the next one.
        for _ in 0..3 {
            direct.turn();
        }
        sent
    })
}

pub fn message_to_tty() -> Box<dyn FnMut() -> u64> {
    let mut direct = Direct::connect(measured, reliable("serial"));
    Box::new(move || {
        let now = direct.world.now;
        direct.cost = 0;
        assert!(direct.world.peer(0).send(now, "serial", true, &[7; 200]));
        direct.turn();
        direct.cost
    })
}

/// From an offer to an open channel: HTTP, SDP, ICE, DTLS with its certificates, SCTP; the gateway's half of it.
pub fn connect() -> Box<dyn FnMut() -> u64> {
    Box::new(|| {
        let mut direct = Direct::answered(measured, reliable("echo"));
        while !direct.world.peer(0).channels["echo"].open {
            assert!(direct.world.elapsed() < Duration::from_secs(5), "connected");
            direct.turn();
        }
        direct.cost
    })
}

/// `GET /endpoints` on a connection of its own.
pub fn http_request() -> Box<dyn FnMut() -> u64> {
    let mut world = World::new(1, "[[endpoint]]\nname = \"demo\"\nkind = \"demo\"\n");
    world.connect(&[reliable("demo")], NetemConfig::new(), 1);
    world.run(Duration::from_secs(1));
    let now = world.now;
    let (local, remote) = ("127.0.0.1:8000", "127.0.0.1:40000");
    let (local, remote) = (
        local.parse().expect("an address"),
        remote.parse().expect("an address"),
    );
    Box::new(move || {
        let gateway = &mut world.gateway;
        let source = gateway.handle_accept(now, local, remote).expect("accepted");
        let request = b"GET /endpoints HTTP/1.1\r\nHost: board\r\nAccept: application/json\r\n\r\n";
        let cost = measured(&mut || {
            gateway.handle_data(now, source, request);
            gateway.settle(now);
            let n = gateway.output(source).len();
            assert!(n > 100, "an answer");
            gateway.consume(now, source, n);
        });
        gateway.handle_closed(now, source);
        gateway.settle(now);
        while gateway.poll_touched().is_some() {}
        cost
    })
}
