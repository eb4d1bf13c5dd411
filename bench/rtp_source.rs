//! The camera of the benchmark: RTP packets of H.264 at a rate, in bursts as an encoder sends the packets of a frame.
//!
//! `rtp_source TO RATE BURST SIZE COUNT` sends COUNT packets with SIZE bytes of payload, RATE a second and BURST at a
//! time, each by a system call of its own, as FFmpeg does. Each second begins with a keyframe. Bytes 8 to 15 of a
//! payload are the time of its sending, in nanoseconds of the monotonic clock. At the end it prints what was sent as
//! JSON, and by how much the worst burst was late.

#![allow(
    clippy::disallowed_types,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a tool of the benchmark: it has the real clock, and ends when something is wrong"
)]

use std::net::UdpSocket;

use rustix::thread::clock_nanosleep_absolute;
use rustix::time::{ClockId, Timespec, clock_gettime};

const PAYLOAD_TYPE: u8 = 96;
const SSRC: u32 = 0x0bec_0bec;
const CLOCK_RATE: u64 = 90_000;
const NANOS: u64 = 1_000_000_000;
const HEADER: usize = 12;
/// Where the time is in a payload: behind the headers of H.264 and the first bits of the slice.
const TIME: usize = 8;

fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let number = |at: usize| -> u64 {
        let word = words.get(at).expect("TO RATE BURST SIZE COUNT");
        word.parse().expect("a number")
    };
    let (rate, burst, size, count) = (number(1), number(2), number(3), number(4));
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a socket");
    socket
        .connect(words.first().expect("TO").as_str())
        .expect("TO");
    let size = usize::try_from(size)
        .expect("a size")
        .max(TIME + size_of::<u64>());
    let mut packet = vec![0x55; HEADER + size];
    let began = now();
    let (mut tried, mut sent, mut worst) = (0, 0, 0);
    while tried < count {
        let due = began + tried * NANOS / rate;
        sleep_until(due);
        worst = now().saturating_sub(due).max(worst);
        let is_keyframe = tried % rate < burst;
        let length = burst.min(count - tried);
        for at in 0..length {
            let is_last = at + 1 == length;
            write_header(&mut packet, tried, tried / burst * burst, rate, is_last);
            write_payload(&mut packet, is_keyframe, at == 0, is_last);
            sent += u64::from(socket.send(&packet).is_ok());
            tried += 1;
        }
    }
    let took = now() - began;
    println!(
        "{{\"sent\":{sent},\"refused\":{},\"seconds\":{:.3},\"late_us\":{}}}",
        tried - sent,
        seconds(took),
        worst / 1_000
    );
}

#[expect(
    clippy::cast_precision_loss,
    reason = "seconds of one run, for people to read"
)]
fn seconds(nanos: u64) -> f64 {
    nanos as f64 / NANOS as f64
}

fn now() -> u64 {
    let time = clock_gettime(ClockId::Monotonic);
    let seconds = u64::try_from(time.tv_sec).expect("a time after the start");
    seconds * NANOS + u64::try_from(time.tv_nsec).expect("a fraction of a second")
}

fn sleep_until(nanos: u64) {
    let time = Timespec {
        tv_sec: (nanos / NANOS).cast_signed(),
        tv_nsec: (nanos % NANOS).cast_signed(),
    };
    while clock_nanosleep_absolute(ClockId::Monotonic, &time).is_err() {}
}

/// Writes the header of RTP (RFC 3550 §5.1). `first` is the number of the frame's first packet.
fn write_header(packet: &mut [u8], number: u64, first: u64, rate: u64, is_last: bool) {
    let [_, _, _, _, _, _, c, d] = number.to_be_bytes();
    let [_, _, _, _, e, f, g, h] = (first * CLOCK_RATE / rate).to_be_bytes();
    let marker = if is_last { 0x80 } else { 0 };
    let [s, t, u, v] = SSRC.to_be_bytes();
    let header = [0x80, marker | PAYLOAD_TYPE, c, d, e, f, g, h, s, t, u, v];
    packet[..HEADER].copy_from_slice(&header);
}

/// Writes the beginning of a payload of H.264: a NAL unit of its own, or a fragment (RFC 6184 §5.8).
fn write_payload(packet: &mut [u8], is_keyframe: bool, is_first: bool, is_last: bool) {
    let kind = if is_keyframe { 5 } else { 1 };
    let importance = if is_keyframe { 0x60 } else { 0x40 };
    // The first bit of a slice is set if the picture begins with it.
    let begin = match (is_first, is_last) {
        (true, true) => [importance | kind, 0x88, 0x88],
        (true, false) => [importance | 28, 0x80 | kind, 0x88],
        (false, true) => [importance | 28, 0x40 | kind, 0x88],
        (false, false) => [importance | 28, kind, 0x88],
    };
    let payload = &mut packet[HEADER..];
    payload[..begin.len()].copy_from_slice(&begin);
    payload[TIME..TIME + size_of::<u64>()].copy_from_slice(&now().to_be_bytes());
}
