//! Anything in any order: peers that come, go, stall and flood, a line that stalls and vanishes,
//! scripts, leases, heartbeats and reloads. What must hold: no byte that arrived is lost without
//! being counted, nothing grows, and in the end everything works again.

use std::time::Duration;

use serde_json::{Value, json};
use thingway::config::Config;

use crate::links::Draw;
use crate::peer::reliable;
use crate::seeds;
use crate::sessions::{ARM, DEMO, good};
use crate::world::World;

const SEEDS: u64 = 700;
const SOON: Duration = Duration::from_secs(5);

const FILLER: u8 = 7;

/// A line with some of what a line can have.
fn line(draw: &mut Draw) -> String {
    let mut config = ARM.to_owned();
    if draw.below(2) == 0 {
        config += "writers = \"one\"\n";
    }
    if draw.below(2) == 0 {
        config += "lag = \"skip\"\n";
    }
    if draw.below(3) == 0 {
        config += "scrollback = 0\n";
    }
    if draw.below(3) == 0 {
        config += "deadman = { timeout_ms = 300, send = \"STOP\" }\n";
    }
    config
}

fn connect(world: &mut World, seed: u64) -> usize {
    world.connect(&[reliable("thingway"), reliable("arm")], good(), seed)
}

fn request(draw: &mut Draw) -> Value {
    let flip = draw.below(2) == 0;
    match draw.below(8) {
        0 => json!({"type": "line", "endpoint": "arm", "do": [{"dtr": flip}, {"wait_ms": 50}]}),
        1 => json!({"type": "line", "endpoint": "arm", "after": draw.below(100_000), "do": []}),
        2 => json!({"type": "line", "endpoint": "arm", "do": [{"break_ms": 20}, {"baud": 9600}]}),
        3 => json!({"type": "lease", "endpoint": "arm", "do": "take", "force": flip}),
        4 => json!({"type": "lease", "endpoint": "arm", "do": "release"}),
        5 => json!({"type": "heartbeat", "stop": flip}),
        6 => json!({"type": "heartbeat"}),
        _ => json!({"type": "ping", "id": 1}),
    }
}

fn reload(world: &mut World, config: &str) {
    let config = Config::parse(config).expect("a config");
    let now = world.now;
    world.gateway.handle_reload(now, Ok(config));
    world.settle();
}

fn act(world: &mut World, draw: &mut Draw, peers: &mut Vec<usize>) {
    let now = world.now;
    let n = peers[draw.below(peers.len() as u64) as usize];
    match draw.below(16) {
        0..=4 => {
            let message = vec![FILLER; draw.below(20_000) as usize];
            world.peer(n).send_within_credit(now, "arm", &message);
        }
        5 => {
            for _ in 0..20 {
                let now = world.now;
                world.peer(n).send(now, "arm", true, &[FILLER; 10_000]);
            }
        }
        6..=7 => {
            let text = request(draw).to_string();
            world.peer(n).send(now, "thingway", false, text.as_bytes());
        }
        8 => world.tty("/dev/arm").rate = [0, 1, 100, 5_000][draw.below(4) as usize],
        9 => {
            let bytes = vec![FILLER; draw.below(30_000) as usize];
            world.device_sends("/dev/arm", &bytes);
        }
        10 => world.unplug("/dev/arm"),
        11 => world.tty("/dev/arm").present = true,
        12 => world.clients[n].frozen = !world.clients[n].frozen,
        13 => {
            if world.peer(n).channels["arm"].open {
                world.peer(n).close_channel(now, "arm");
            }
        }
        14 if draw.below(3) == 0 => {
            let seed = draw.below(1_000);
            peers.push(connect(world, seed));
        }
        14 => world.tty("/dev/arm").driver_holds = draw.below(3) as usize,
        _ => {
            let config = line(draw);
            reload(world, &format!("{config}{DEMO}"));
        }
    }
    let time = Duration::from_millis(draw.below(120));
    world.run(time);
}

/// What must hold at any moment.
fn check(world: &mut World, seed: u64) {
    let endpoint = world.get("/endpoints/arm");
    let sessions = world.get("/sessions");
    let list = sessions["sessions"].as_array().unwrap();
    if let Some(holder) = endpoint["lease"].as_str() {
        let holder = list.iter().find(|session| session["id"] == holder);
        let channels = holder.expect("a session")["channels"].as_array().unwrap();
        let has = channels.iter().any(|channel| channel["endpoint"] == "arm");
        assert!(has, "seed {seed}: who has the lease has a channel");
    }
    let queued = endpoint["queued_bytes"].as_u64().unwrap();
    let most = (list.len() as u64 + 1) * 2 * 262_144 + 131_072;
    assert!(queued <= most, "seed {seed}: {queued} bytes of {most}");
}

#[test]
fn whatever_happens_every_byte_is_accounted_for() {
    for seed in 0..seeds(SEEDS) {
        let mut draw = Draw(seed ^ 0x570a);
        let config = line(&mut draw);
        let mut world = World::new(seed, &format!("{config}{DEMO}"));
        let mut peers = vec![connect(&mut world, seed), connect(&mut world, seed + 1)];
        world.until("open", SOON, |w| {
            peers
                .iter()
                .all(|n| w.peer(*n).channels["arm"].credit.is_some())
        });
        for _ in 0..40 {
            act(&mut world, &mut draw, &mut peers);
            check(&mut world, seed);
        }
        // Everything works again, and everything that was held back is delivered or dropped.
        reload(&mut world, &format!("{ARM}{DEMO}"));
        for n in &peers {
            world.clients[*n].frozen = false;
        }
        let tty = world.tty("/dev/arm");
        (tty.present, tty.rate, tty.driver_holds) = (true, 20_000, 0);
        let fresh = connect(&mut world, seed + 2);
        world.until("the line is open again", Duration::from_secs(40), |w| {
            w.peer(fresh).channels["arm"].credit.is_some()
                && w.get("/endpoints/arm")["state"] == "open"
        });
        let begun = world.tty("/dev/arm").written.len();
        assert_eq!(
            world.fill(fresh, "arm", 1_000, 50_000),
            50_000,
            "seed {seed}"
        );
        world.until("written", Duration::from_secs(100), |w| {
            w.tty("/dev/arm").written.len() >= begun + 50_000
                && w.get("/endpoints/arm")["queued_bytes"] == 0
        });
        let way = "{direction=\"from_peer\"}";
        let arrived = world.metric(&format!("thingway_message_bytes_total{way}"));
        let written = world.tty("/dev/arm").written.iter();
        let written = written.filter(|byte| **byte == FILLER).count() as u64;
        let reasons = [
            "absent",
            "unwritten",
            "overflow",
            "too-large",
            "closed",
            "no-lease",
            "deadman",
        ];
        let dropped: u64 = reasons.iter().map(|reason| world.dropped(reason)).sum();
        assert!(
            written <= arrived,
            "seed {seed}: {written} of {arrived} bytes"
        );
        assert!(
            written + dropped >= arrived,
            "seed {seed}: {arrived} came, {written} were written and {dropped} dropped"
        );
    }
}
