//! Nothing of ours is allocated for a message: what the gateway's core asks of the allocator is held against str0m alone,
//! which does the same work. A binary of its own, because an allocator is a program's only one.
#![allow(
    unreachable_pub,
    unsafe_code,
    clippy::unwrap_used,
    clippy::too_many_lines,
    clippy::indexing_slicing,
    clippy::wildcard_enum_match_arm,
    clippy::disallowed_methods,
    clippy::cast_possible_truncation,
    clippy::print_stdout,
    reason = "a test may fail by panicking; a virtual clock starts somewhere"
)]

mod bare;
mod counter;
#[path = "../direct/mod.rs"]
mod direct;
#[path = "../peer/mod.rs"]
mod peer;
mod pictures;
#[expect(dead_code, reason = "shared with the simulation, which uses all of it")]
#[path = "../sim/world/mod.rs"]
mod world;

use bare::Bare;
use counter::{Counter, allocations};
use direct::Direct;
use peer::reliable;

#[global_allocator]
static ALLOCATOR: Counter = Counter;

/// Messages before counting, for buffers to grow to what they need, and while counting.
const WARM: usize = 500;
const COUNTED: usize = 2_000;
/// Per message. Timers, checks of the path and statistics happen now and then, and not for a message.
const NOW_AND_THEN: f64 = 0.05;

fn per_message(count: u64) -> f64 {
    count as f64 / COUNTED as f64
}

fn hold(what: &str, ours: u64, bare: u64) {
    let (ours, bare) = (per_message(ours), per_message(bare));
    println!("{what}: {ours:.3} allocations a message, str0m alone {bare:.3}");
    assert!(bare > 1.0, "{what}: nothing was counted");
    assert!(
        ours <= bare + NOW_AND_THEN,
        "{what}: {ours:.3} allocations a message, {bare:.3} of them str0m's"
    );
}

fn ours(label: &str, mut step: impl FnMut(&mut Direct)) -> (Direct, u64) {
    let mut ours = Direct::connect(allocations, reliable(label));
    for _ in 0..WARM {
        step(&mut ours);
    }
    ours.cost = 0;
    for _ in 0..COUNTED {
        step(&mut ours);
    }
    let count = ours.cost;
    (ours, count)
}

fn bare(label: &str, echo: bool, mut step: impl FnMut(&mut Bare)) -> (Bare, u64) {
    let mut bare = Bare::connect(reliable(label), echo);
    for _ in 0..WARM {
        step(&mut bare);
    }
    bare.count = 0;
    for _ in 0..COUNTED {
        step(&mut bare);
    }
    let count = bare.count;
    (bare, count)
}

const ALL: usize = WARM + COUNTED;

#[test]
fn an_echo() {
    let (mut gateway, count) = ours("echo", |ours| {
        let now = ours.world.now;
        assert!(ours.world.peer(0).send(now, "echo", true, &[7; 64]));
        ours.turn();
    });
    assert_eq!(gateway.world.peer(0).channels["echo"].bytes.len(), ALL * 64);
    let (alone, floor) = bare("echo", true, |bare| {
        let now = bare.now;
        assert!(bare.peer.send(now, "echo", true, &[7; 64]));
        bare.turn();
    });
    assert_eq!(alone.peer.channels["echo"].bytes.len(), ALL * 64);
    hold("echo of 64 B", count, floor);
}

#[test]
fn from_the_peer() {
    let from_peer = |label: &'static str| {
        ours(label, move |ours| {
            let now = ours.world.now;
            assert!(ours.world.peer(0).send(now, label, true, &[7; 200]));
            ours.turn();
        })
    };
    let (_, to_sink) = from_peer("sink");
    let (device, to_device) = from_peer("serial");
    let (program, to_program) = from_peer("udp");
    assert_eq!(device.to_device, ALL * 200);
    assert_eq!(program.to_program, ALL);
    let (alone, floor) = bare("sink", false, |bare| {
        let now = bare.now;
        assert!(bare.peer.send(now, "sink", true, &[7; 200]));
        bare.turn();
    });
    assert_eq!(alone.received, ALL);
    hold("message to a sink", to_sink, floor);
    hold("message to a tty", to_device, floor);
    hold("message to UDP", to_program, floor);
}

#[test]
fn to_the_peer() {
    let (mut tty, from_tty) = ours("serial", |ours| {
        ours.device_sends(&[7; 200]);
        // Longer than few bytes wait for more.
        for _ in 0..3 {
            ours.turn();
        }
    });
    assert_eq!(tty.world.peer(0).channels["serial"].bytes.len(), ALL * 200);
    let (mut program, from_program) = ours("udp", |ours| {
        ours.program_sends(&[7; 200]);
        for _ in 0..3 {
            ours.turn();
        }
    });
    assert_eq!(program.world.peer(0).channels["udp"].received.len(), ALL);
    let (alone, floor) = bare("source", false, |bare| {
        bare.send(&[7; 200]);
        for _ in 0..3 {
            bare.turn();
        }
    });
    assert_eq!(alone.peer.channels["source"].received.len(), ALL);
    hold("tty to a message", from_tty, floor);
    hold("UDP to a message", from_program, floor);
}
