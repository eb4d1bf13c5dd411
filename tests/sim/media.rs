//! Pictures of a program on their way to viewers: order, loss, restarts, and those who come later.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use serde_json::json;
use str0m_netem::{NetemConfig, Probability, RandomLoss};
use thingway::testing::datagram::Meta;
use thingway::testing::media::rtcp::{self, Feedback};
use thingway::testing::media::rtp::{self, RtpView};

use crate::access::{token, with_token};
use crate::peer::{Peer, reliable};
use crate::sessions::{DEMO, good};
use crate::world::World;

const SOON: Duration = Duration::from_secs(5);
/// The simulator keeps what the gateway sends to the address of a socket; so the program has the same ones.
const RTP: &str = "127.0.0.1:5004";
const RTCP: &str = "127.0.0.1:5005";
pub const CAMERA: &str = "[[endpoint]]\nname = \"camera\"\nkind = \"rtp\"\n[endpoint.video]\n\
    codec = \"H264\"\nlisten = \"127.0.0.1:5004\"\n";

/// A program that sends pictures of one packet each, whose payload has the number of the picture.
pub struct Camera {
    ssrc: u32,
    sequence: u16,
    timestamp: u32,
    pub picture: u32,
    /// The bytes of a picture.
    pub size: usize,
}

impl Camera {
    pub fn new(ssrc: u32) -> Self {
        Self {
            ssrc,
            sequence: 65_530,
            timestamp: u32::MAX - 9_000,
            picture: 0,
            size: 6,
        }
    }

    /// Makes the packet of the next picture. A slice of an IDR picture begins with 0x65, any other with 0x41 (RFC 6184
    /// §1.3).
    fn packet(&mut self, is_keyframe: bool) -> Vec<u8> {
        let mut payload = vec![if is_keyframe { 0x65 } else { 0x41 }, 0x88];
        payload.extend(self.picture.to_be_bytes());
        payload.resize(self.size, 0xff);
        let mut datagram = Vec::new();
        let packet = RtpView {
            payload_type: 96,
            sequence: self.sequence,
            timestamp: self.timestamp,
            ssrc: self.ssrc,
            marker: true,
            payload: &payload,
        };
        rtp::write(&mut datagram, &packet);
        self.picture += 1;
        self.sequence = self.sequence.wrapping_add(1);
        self.timestamp = self.timestamp.wrapping_add(3_000);
        datagram
    }

    /// Sends the next picture.
    fn send(&mut self, world: &mut World, is_keyframe: bool) {
        let datagram = self.packet(is_keyframe);
        world.udp_device_sends_from(RTP, RTP, &datagram);
        world.run(Duration::from_millis(33));
    }

    /// Sends a keyframe and other pictures in one burst.
    pub fn burst(&mut self, world: &mut World, pictures: u32) {
        let datagrams: Vec<Vec<u8>> = (0..pictures).map(|n| self.packet(n == 0)).collect();
        let stride = datagrams.first().map_or(1, Vec::len);
        world.udp_device_sends_at_once(RTP, RTP, &datagrams.concat(), stride);
    }

    /// Lets pictures arrive, without the work that follows.
    pub fn arrive(&mut self, world: &mut World, pictures: u32) {
        let source = world.udp[&RTP.parse().expect("an address")];
        for _ in 0..pictures {
            let datagram = self.packet(false);
            let meta = Meta {
                local: world.ice_addr,
                remote: RTP.parse().expect("an address"),
                stride: datagram.len(),
            };
            world
                .gateway
                .handle_datagrams(world.now, source, &meta, &datagram);
        }
    }

    /// Sends pictures, of which every tenth is a keyframe.
    pub fn run(&mut self, world: &mut World, pictures: u32) {
        for _ in 0..pictures {
            let is_keyframe = self.picture.is_multiple_of(10);
            self.send(world, is_keyframe);
        }
    }
}

pub fn watch(world: &mut World, link: NetemConfig, target: &str) -> usize {
    let n = world.clients.len() + 1;
    let addr = SocketAddr::new(IpAddr::from([198, 51, 100, n as u8]), 6000);
    let (peer, offer) = Peer::watch(world.now, addr, &[reliable("demo")]);
    let answer = world.ask("POST", target, "application/sdp", &offer);
    let n = world.join(peer, addr, &answer, link, 7);
    world.until("connected", SOON, |w| w.peer(n).connected);
    n
}

/// The numbers of the pictures that a viewer got.
pub fn pictures(world: &mut World, n: usize) -> Vec<u32> {
    let packets = &world.peer(n).packets;
    let number = |payload: &Vec<u8>| u32::from_be_bytes(payload[2..6].try_into().unwrap());
    packets
        .iter()
        .map(|(.., payload)| number(payload))
        .collect()
}

/// Asserts that a viewer saw no gap in its numbers.
pub fn assert_gapless(world: &mut World, n: usize) {
    let mut numbers: Vec<u64> = world.peer(n).packets.iter().map(|it| it.0).collect();
    numbers.sort_unstable();
    let steps: Vec<u64> = numbers.windows(2).map(|pair| pair[1] - pair[0]).collect();
    assert!(steps.iter().all(|step| *step == 1), "{numbers:?}");
}

#[test]
fn a_viewer_gets_every_packet_once_and_in_order() {
    let mut world = World::new(1, &format!("{DEMO}{CAMERA}"));
    let n = watch(&mut world, good(), "/sessions?media=camera");
    Camera::new(1).run(&mut world, 40);
    world.run(Duration::from_millis(50));
    assert_eq!(pictures(&mut world, n), (0..40).collect::<Vec<u32>>());
    assert_gapless(&mut world, n);
    let times: Vec<u32> = world.peer(n).packets.iter().map(|it| it.1).collect();
    assert!(
        times
            .windows(2)
            .all(|pair| pair[1].wrapping_sub(pair[0]) == 3_000)
    );
    let track = world.get("/endpoints/camera")["video"].clone();
    assert_eq!(track["forwarded"], json!({"packets": 40, "bytes": 240}));
    assert_eq!(
        (&track["viewers"], &track["keyframes"]),
        (&json!(1), &json!(4))
    );
    world.until("the channel works beside it", SOON, |w| {
        w.peer(n).text("demo").ends_with("> ")
    });
}

#[test]
fn who_comes_later_begins_with_the_last_keyframe() {
    let mut world = World::new(2, &format!("{DEMO}{CAMERA}"));
    let mut camera = Camera::new(1);
    camera.run(&mut world, 25);
    let n = watch(&mut world, good(), "/whep/camera");
    let joined = camera.picture;
    camera.run(&mut world, 5);
    world.run(Duration::from_millis(50));
    assert_eq!((joined, pictures(&mut world, n)), (25, (20..30).collect()));
    assert_gapless(&mut world, n);
}

#[test]
fn what_is_lost_on_the_way_is_sent_again() {
    let loss = RandomLoss::new(Probability::new(0.1));
    let link = good().loss(loss);
    let mut world = World::new(3, &format!("{DEMO}{CAMERA}"));
    let n = watch(&mut world, link, "/sessions?media=camera");
    Camera::new(1).run(&mut world, 300);
    world.run(Duration::from_secs(1));
    let mut got = pictures(&mut world, n);
    let first = *got.iter().min().expect("some came");
    got.sort_unstable();
    got.dedup();
    // The last ones may be lost without a later one that shows it.
    let expected: Vec<u32> = (first..first + got.len() as u32).collect();
    assert_eq!(got, expected, "no hole");
    assert!(first < 12 && got.len() > 280, "{first} {}", got.len());
}

#[test]
fn a_source_that_begins_anew_leaves_no_gap() {
    let mut world = World::new(4, &format!("{DEMO}{CAMERA}"));
    let n = watch(&mut world, good(), "/sessions?media=camera");
    let mut first = Camera::new(1);
    first.run(&mut world, 10);
    world.run(Duration::from_secs(3));
    assert_eq!(world.get("/endpoints/camera")["state"], "absent");
    let mut second = Camera::new(2);
    (second.sequence, second.timestamp, second.picture) = (7, 7, 100);
    second.run(&mut world, 10);
    world.run(Duration::from_millis(50));
    let expected: Vec<u32> = (0..10).chain(100..110).collect();
    assert_eq!(pictures(&mut world, n), expected);
    assert_gapless(&mut world, n);
    let times: Vec<u32> = world.peer(n).packets.iter().map(|it| it.1).collect();
    let pause = times[10].wrapping_sub(times[9]);
    assert!(
        (270_000..280_000).contains(&pause),
        "three seconds: {pause}"
    );
    let endpoint = world.get("/endpoints/camera");
    assert_eq!(
        (&endpoint["state"], &endpoint["video"]["restarts"]),
        (&json!("open"), &json!(1))
    );
}

#[test]
fn requests_of_all_viewers_for_a_keyframe_are_one() {
    let mut world = World::new(5, &format!("{DEMO}{CAMERA}cache_kib = 0\n"));
    let mut camera = Camera::new(9);
    camera.run(&mut world, 3);
    // The source speaks RTCP: its report says so.
    let mut hello = Vec::new();
    let sent = rtcp::Sent {
        ntp: 1 << 32,
        rtp: camera.timestamp,
        packets: 3,
        octets: 18,
    };
    rtcp::write_report(&mut hello, 9, Some(&sent), &[], "camera");
    world.udp_device_sends_from(RTCP, RTCP, &hello);
    let viewers: Vec<usize> = (0..8)
        .map(|_| watch(&mut world, good(), "/sessions?media=camera"))
        .collect();
    camera.run(&mut world, 20);
    world.keeps_datagrams = true;
    world.kept_datagrams.clear();
    for n in viewers {
        let now = world.now;
        world.peer(n).request_keyframe(now);
    }
    world.run(Duration::from_millis(400));
    let mut requests = 0;
    for datagram in &world.kept_datagrams {
        let parsed = rtcp::parse(datagram, |feedback| {
            requests += u32::from(matches!(feedback, Feedback::PictureLoss { about: 9, .. }));
        });
        parsed.expect("RTCP");
    }
    assert_eq!(requests, 1, "within half a second");
    let track = world.get("/endpoints/camera")["video"].clone();
    assert!(track["keyframes_wanted"].as_u64() >= Some(8), "{track}");
}

#[test]
fn rights_hold_for_pictures_too() {
    let mut world = World::new(6, &format!("{DEMO}{CAMERA}"));
    let mut camera = Camera::new(1);
    camera.run(&mut world, 1);
    let addr = SocketAddr::new(IpAddr::from([198, 51, 100, 9]), 6000);
    let offer = |world: &mut World, target: &str| {
        let (_, offer) = Peer::watch(world.now, addr, &[]);
        let answer = world.ask("POST", target, "application/sdp", &offer);
        answer[9..12].to_owned()
    };
    with_token(&mut world, &token("watch", "camera", &["read"]));
    assert_eq!(offer(&mut world, "/whep/camera"), "201");
    assert_eq!(offer(&mut world, "/sessions?media=camera"), "201");
    assert_eq!(offer(&mut world, "/whip/camera"), "403");
    with_token(&mut world, &token("other", "demo", &["read", "write"]));
    for target in [
        "/whep/camera",
        "/whip/camera",
        "/sessions?media=camera",
        "/whep/none",
    ] {
        assert_eq!(offer(&mut world, target), "404", "{target}");
    }
}

#[test]
fn there_are_as_many_viewers_as_the_limit_says() {
    let config = format!("[limits]\nviewers = 2\n{DEMO}{CAMERA}");
    let mut world = World::new(7, &config);
    Camera::new(1).run(&mut world, 1);
    for _ in 0..2 {
        watch(&mut world, good(), "/whep/camera");
    }
    let addr = SocketAddr::new(IpAddr::from([198, 51, 100, 9]), 6000);
    let (_, offer) = Peer::watch(world.now, addr, &[]);
    let answer = world.ask("POST", "/whep/camera", "application/sdp", &offer);
    assert!(answer.starts_with("HTTP/1.1 503"), "{answer}");
    assert!(answer.contains("Retry-After: 5"), "{answer}");
    world.delete(1);
    let n = watch(&mut world, good(), "/whep/camera");
    assert!(world.peer(n).connected, "a place is free again");
}

/// Returns a sender report of the camera.
fn report(ssrc: u32, ntp: u64) -> Vec<u8> {
    let sent = rtcp::Sent {
        ntp,
        rtp: 0,
        packets: 1,
        octets: 1,
    };
    let mut datagram = Vec::new();
    rtcp::write_report(&mut datagram, ssrc, Some(&sent), &[], "camera");
    datagram
}

#[test]
fn a_clock_that_jumps_and_strangers_on_the_port_of_rtcp_change_nothing() {
    let mut world = World::new(8, &format!("{DEMO}{CAMERA}"));
    let n = watch(&mut world, good(), "/sessions?media=camera");
    let mut camera = Camera::new(1);
    camera.run(&mut world, 3);
    for ntp in [0, u64::MAX, 1 << 63, 1] {
        world.udp_device_sends_from(RTCP, RTCP, &report(1, ntp));
        camera.run(&mut world, 2);
    }
    let mut bye = Vec::new();
    rtcp::write_bye(&mut bye, 1);
    world.udp_device_sends_from(RTCP, "127.0.0.1:7777", &bye);
    world.udp_device_sends_from(RTP, "127.0.0.1:7777", b"\x80\x60\0\0\0\0\0\0\0\0\0\x09x");
    camera.run(&mut world, 9);
    world.run(Duration::from_millis(50));
    assert_eq!(pictures(&mut world, n), (0..20).collect::<Vec<u32>>());
    let dropped = world.get("/endpoints/camera")["video"]["dropped"].clone();
    assert_eq!(dropped, json!({"other-sender": 2}));
}

#[test]
fn a_source_that_says_goodbye_ends_at_once_and_its_last_picture_with_it() {
    let mut world = World::new(9, &format!("{DEMO}{CAMERA}"));
    let mut camera = Camera::new(1);
    camera.run(&mut world, 5);
    world.udp_device_sends_from(RTCP, RTCP, &report(1, 5 << 32));
    let mut bye = Vec::new();
    rtcp::write_bye(&mut bye, 1);
    world.udp_device_sends_from(RTCP, RTCP, &bye);
    world.run(Duration::from_millis(10));
    let endpoint = world.get("/endpoints/camera");
    assert_eq!(endpoint["state"], "absent");
    assert_eq!(endpoint["video"]["cached_bytes"], 0);
    let n = watch(&mut world, good(), "/whep/camera?wait=true");
    world.run(Duration::from_millis(100));
    assert_eq!(pictures(&mut world, n), [0_u32; 0]);
}

#[test]
fn no_number_is_used_twice_however_a_source_counts() {
    let mut world = World::new(10, &format!("{DEMO}{CAMERA}"));
    let n = watch(&mut world, good(), "/sessions?media=camera");
    let mut camera = Camera::new(1);
    for sequence in [
        100, 101, 20_000, 19_999, 19_998, 20_001, 20_300, 20_001, 20_100, 99, 100,
    ] {
        camera.sequence = sequence;
        camera.send(&mut world, true);
    }
    world.run(Duration::from_millis(50));
    let mut numbers: Vec<u64> = world.peer(n).packets.iter().map(|it| it.0).collect();
    let all = numbers.len();
    numbers.sort_unstable();
    numbers.dedup();
    assert_eq!(numbers.len(), all);
    assert!(all >= 6, "{numbers:?}");
}

#[test]
fn a_program_with_another_payload_type_takes_over_after_silence() {
    let mut world = World::new(11, &format!("{DEMO}{CAMERA}"));
    let n = watch(&mut world, good(), "/sessions?media=camera");
    let send = |world: &mut World, payload_type, sequence| {
        let packet = RtpView {
            payload_type,
            sequence,
            timestamp: 1,
            ssrc: 5,
            marker: true,
            payload: &[0x65, 0x88, 0, 0, 0, 1],
        };
        let mut datagram = Vec::new();
        rtp::write(&mut datagram, &packet);
        world.udp_device_sends_from(RTP, RTP, &datagram);
        world.run(Duration::from_millis(10));
    };
    send(&mut world, 0, 1);
    send(&mut world, 96, 2);
    send(&mut world, 97, 3);
    assert_eq!(
        world.peer(n).packets.len(),
        1,
        "96 is the first dynamic one"
    );
    world.run(Duration::from_secs(3));
    send(&mut world, 97, 4);
    world.run(Duration::from_millis(50));
    assert_eq!(world.peer(n).packets.len(), 2);
}

#[test]
fn a_track_without_a_port_takes_nothing_from_programs() {
    let talk = "[[endpoint]]\nname = \"talk\"\nkind = \"rtp\"\n[endpoint.video]\ncodec = \"H264\"\n\
        send_to = \"127.0.0.1:6000\"\n";
    let mut world = World::new(12, &format!("{DEMO}{talk}"));
    // The socket that sends has any port of the system's.
    let socket = "127.0.0.1:0";
    let packet = b"\x80\x60\0\x01\0\0\0\0\0\0\0\x09\x65\x88";
    world.udp_device_sends_from(socket, "127.0.0.1:7777", packet);
    let video = world.get("/endpoints/talk")["video"].clone();
    assert_eq!(video["forwarded"]["packets"], 0);
    assert_eq!(video["dropped"], json!({"stranger": 1}));
}
