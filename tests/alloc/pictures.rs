//! Packets of pictures: one allocation for a packet that comes in, and for each viewer those of str0m.

use std::net::SocketAddr;
use std::time::Duration;

use str0m_netem::NetemConfig;
use thingway::testing::datagram::Meta;
use thingway::testing::media::rtp::{self, RtpView};

use crate::counter::allocations;
use crate::peer::Peer;
use crate::world::World;
use crate::{COUNTED, NOW_AND_THEN, WARM, per_message};

const RTP: &str = "127.0.0.1:5004";
const CONFIG: &str = "[[endpoint]]\nname = \"camera\"\nkind = \"rtp\"\n[endpoint.video]\n\
    codec = \"H264\"\nlisten = \"127.0.0.1:5004\"\n";
/// For a packet and a viewer: the sealed packet, and the datagram that str0m hands out.
const FOR_A_VIEWER: f64 = 2.0;

/// Returns how many allocations the packets took with so many viewers, and how many datagrams came out.
fn count(viewers: usize) -> (u64, usize) {
    let mut world = World::new(1, CONFIG);
    for n in 0..viewers {
        let addr: SocketAddr = format!("198.51.100.{}:6000", n + 1)
            .parse()
            .expect("an address");
        let (peer, offer) = Peer::watch(world.now, addr, &[]);
        let answer = world.ask("POST", "/sessions?media=camera", "application/sdp", &offer);
        let n = world.join(peer, addr, &answer, NetemConfig::new(), 1);
        world.until("connected", Duration::from_secs(5), |w| w.peer(n).connected);
    }
    world.run(Duration::from_secs(1));
    let camera: SocketAddr = RTP.parse().expect("an address");
    let source = world.udp[&camera];
    let mut datagram = Vec::new();
    let (mut total, mut out) = (0, 0);
    for n in 0..WARM + COUNTED {
        world.now += Duration::from_millis(1);
        let now = world.now;
        let mut payload = [0xff; 1_000];
        // A keyframe at times (RFC 6184 §1.3).
        payload[0] = if n % 100 == 0 { 0x65 } else { 0x41 };
        payload[1] = 0x88;
        datagram.clear();
        rtp::write(
            &mut datagram,
            &RtpView {
                payload_type: 96,
                sequence: u16::try_from(n % 65_536).unwrap_or(0),
                timestamp: u32::try_from(n).unwrap_or(0) * 3_000,
                ssrc: 1,
                marker: true,
                payload: &payload,
            },
        );
        let meta = Meta {
            local: camera,
            remote: camera,
            stride: datagram.len(),
        };
        let gateway = &mut world.gateway;
        let mut sent = 0;
        let cost = allocations(&mut || {
            gateway.handle_datagrams(now, source, &meta, &datagram);
            gateway.settle(now);
            while let Some(batch) = gateway.poll_transmit() {
                sent += batch.contents.len().div_ceil(batch.segment.max(1));
            }
            if gateway.poll_timeout().is_some_and(|at| at <= now) {
                gateway.handle_timeout(now);
                gateway.settle(now);
                while gateway.poll_transmit().is_some() {}
            }
        });
        if n >= WARM {
            (total, out) = (total + cost, out + sent);
        }
    }
    (total, out)
}

#[test]
fn a_packet_costs_one_allocation_and_those_of_str0m_for_each_viewer() {
    let ((one, out), (many, of_many)) = (count(1), count(11));
    assert!(
        out >= COUNTED && of_many >= 11 * COUNTED,
        "{out} and {of_many} came out"
    );
    let for_a_viewer = (per_message(many) - per_message(one)) / 10.0;
    let for_a_packet = per_message(one) - for_a_viewer;
    println!("a packet: {for_a_packet:.3} allocations, and {for_a_viewer:.3} for each viewer");
    assert!(for_a_viewer > 0.5, "nothing was counted");
    assert!(
        for_a_viewer <= FOR_A_VIEWER + NOW_AND_THEN,
        "{for_a_viewer:.3} for a viewer"
    );
    assert!(
        for_a_packet <= 1.0 + NOW_AND_THEN,
        "{for_a_packet:.3} for a packet"
    );
}
