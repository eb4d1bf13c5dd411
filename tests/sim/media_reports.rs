//! The times in the sender reports of programs, right and wrong ones, and what viewers are told of them.

use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use thingway::testing::media::rtcp;
use thingway::testing::media::rtp::{self, RtpView};

use crate::peer::Peer;
use crate::sessions::good;
use crate::world::World;

const SOON: Duration = Duration::from_secs(5);

const ENDPOINT: &str = "[[endpoint]]\nname = \"camera\"\nkind = \"rtp\"\n\
    [endpoint.video]\ncodec = \"H264\"\nlisten = \"127.0.0.1:5004\"\n\
    [endpoint.audio]\ncodec = \"opus\"\nlisten = \"127.0.0.1:5008\"\n";

const VIDEO: Stream = Stream {
    ssrc: 1,
    clock_rate: 90_000,
    rtp: "127.0.0.1:5004",
    rtcp: "127.0.0.1:5005",
    // Pictures take longer to encode.
    delay: 100,
    payload: &[0x65, 0x88],
};
const AUDIO: Stream = Stream {
    ssrc: 2,
    clock_rate: 48_000,
    rtp: "127.0.0.1:5008",
    rtcp: "127.0.0.1:5009",
    delay: 0,
    payload: &[0xfc, 0x01],
};

/// What a program sends.
struct Stream {
    ssrc: u32,
    clock_rate: u32,
    rtp: &'static str,
    rtcp: &'static str,
    /// How long after it was captured something is sent, in ms.
    delay: u64,
    payload: &'static [u8],
}

impl Stream {
    fn timestamp(&self, millis: u64) -> u32 {
        u32::try_from(millis * u64::from(self.clock_rate) / 1_000).expect("a short test")
    }
}

/// A program that sends pictures and their sound. Its time is in ms.
struct Program {
    world: World,
    started: Instant,
    viewer: usize,
    sequence: u16,
}

impl Program {
    fn new() -> Self {
        let mut world = World::new(1, ENDPOINT);
        let addr = SocketAddr::new(IpAddr::from([198, 51, 100, 1]), 6000);
        let (peer, offer) = Peer::watch_and_hear(world.now, addr);
        let answer = world.ask("POST", "/sessions?media=camera", "application/sdp", &offer);
        let viewer = world.join(peer, addr, &answer, good(), 7);
        world.until("connected", SOON, |w| w.peer(viewer).connected);
        Self {
            started: world.now - Duration::from_secs(1),
            world,
            viewer,
            sequence: 0,
        }
    }

    fn millis(&self) -> u64 {
        u64::try_from((self.world.now - self.started).as_millis()).expect("a short test")
    }

    /// Reports that it is now this time by the program's clock: seconds in the upper half, fractions in the lower.
    fn report(&mut self, stream: &Stream, ntp: u64) {
        self.report_of(stream, ntp, stream.timestamp(self.millis()));
    }

    /// Reports like [`Self::report`], with this timestamp of the stream.
    fn report_of(&mut self, stream: &Stream, ntp: u64, timestamp: u32) {
        let sent = rtcp::Sent {
            ntp,
            rtp: timestamp,
            packets: 1,
            octets: 1,
        };
        let mut datagram = Vec::new();
        rtcp::write_report(&mut datagram, stream.ssrc, Some(&sent), &[], "program");
        (self.world).udp_device_sends_from(stream.rtcp, stream.rtcp, &datagram);
    }

    /// Sends for two and a half seconds, in which viewers get reports. `reports`: with the right time.
    fn play(&mut self, reports: bool) {
        self.world.peer(self.viewer).captured.clear();
        for step in 0..125 {
            self.sequence += 1;
            for stream in [&VIDEO, &AUDIO] {
                let packet = RtpView {
                    payload_type: 96,
                    sequence: self.sequence,
                    timestamp: stream.timestamp(self.millis() - stream.delay),
                    ssrc: stream.ssrc,
                    marker: true,
                    payload: stream.payload,
                };
                let mut datagram = Vec::new();
                rtp::write(&mut datagram, &packet);
                (self.world).udp_device_sends_from(stream.rtp, stream.rtp, &datagram);
                if reports && step % 25 == 0 {
                    self.report(stream, ntp(self.millis()));
                }
            }
            self.world.run_exactly(Duration::from_millis(20));
        }
    }

    /// Returns how long before it came the last packet of a stream was captured, as the viewer is told, in ms. Only
    /// differences count.
    fn told(&mut self, stream: &Stream) -> i64 {
        let (started, viewer) = (self.started, self.viewer);
        let all = self.world.peer(viewer).captured.iter();
        let mut of_stream = all.filter(|it| it.clock_rate == stream.clock_rate);
        let last = of_stream.next_back().expect("packets, and a report");
        let arrived = i64::try_from((last.arrived - started).as_millis()).expect("a short test");
        arrived - last.millis()
    }
}

/// Returns a time of the program's clock as reports have it.
fn ntp(millis: u64) -> u64 {
    let since_1900 = 4_000_000_000_000 + millis;
    ((since_1900 / 1_000) << 32) + ((since_1900 % 1_000) << 32) / 1_000
}

#[track_caller]
fn assert_near(told: i64, expected: i64, why: &str) {
    assert!(
        (told - expected).abs() < 25,
        "{why}: {told}, not {expected}"
    );
}

#[test]
fn wrong_times_in_reports_do_not_part_pictures_from_their_sound() {
    let mut program = Program::new();
    program.play(true);
    program.play(true);
    let (video, audio) = (program.told(&VIDEO), program.told(&AUDIO));
    assert_near(video - audio, 100, "the delay of the encoder");
    type Wrong = fn(u64) -> u64;
    let wrong: [(&str, Wrong); 5] = [
        ("no time", |_| 0),
        ("the last time", |_| u64::MAX),
        ("two seconds early", |now| ntp(now + 2_000)),
        ("an hour early", |now| ntp(now + 3_600_000)),
        ("an hour late", |now| ntp(0) - (3_600 << 32) + now),
    ];
    for (why, time) in wrong {
        let time = time(program.millis());
        program.report(&VIDEO, time);
        program.play(false);
        // The time of the report is worth nothing; that it has come now is.
        let told = program.told(&VIDEO);
        assert_near(told, video, why);
        program.play(true);
        let apart = program.told(&VIDEO) - program.told(&AUDIO);
        assert_near(apart, 100, why);
        // Both begin anew.
        program.world.run(Duration::from_secs(3));
        program.play(true);
    }
}

#[test]
fn wrong_timestamps_in_reports_count_as_no_report() {
    let mut program = Program::new();
    program.play(true);
    program.play(true);
    let apart = program.told(&VIDEO) - program.told(&AUDIO);
    assert_near(apart, 100, "the delay of the encoder");
    // How much later or earlier than it should be, in seconds.
    for seconds in [20, -2, -20] {
        let ticks = seconds * 90_000_i32;
        let timestamp = VIDEO.timestamp(program.millis());
        let timestamp = timestamp.wrapping_add_signed(ticks);
        let now = ntp(program.millis());
        program.report_of(&VIDEO, now, timestamp);
        program.play(false);
        let apart = program.told(&VIDEO) - program.told(&AUDIO);
        assert_near(apart, 0, &format!("{seconds} s: captured when it came"));
        program.play(true);
        let apart = program.told(&VIDEO) - program.told(&AUDIO);
        assert_near(apart, 100, &format!("right again after {seconds} s"));
    }
}
