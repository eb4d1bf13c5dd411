//! What an outsider sees of the gateway, as one number per seed. A change of the internals must leave all
//! numbers unchanged. A commit that changes behaviour on purpose writes the file `digest.txt` anew.
//!
//! * `THINGWAY_DIGEST=1000`: the number of seeds to run.
//! * `THINGWAY_DIGEST_WRITE=1`: the file is written instead of compared.
//! * `THINGWAY_DIGEST_DIR=DIR`: the log of each seed is written to `DIR`.
//! * `THINGWAY_DIGEST_OLD=DIR`: the logs of another tree are in `DIR`; the first line that differs is shown.

mod acts;
mod config;
mod facade;
mod http;
mod log;
mod mask;
mod pages;
mod scenario;
mod web;

use std::fmt::Write;
use std::path::{Path, PathBuf};

use log::hash;
use scenario::Scenario;

/// How many seeds an ordinary run compares.
const USUAL: u64 = 100;
/// How many acts a scenario has.
const ACTS: usize = 120;

type Act = fn(&mut Scenario);

/// Acts with their odds.
const TABLE: [(u64, Act); 24] = [
    (5, Scenario::connect),
    (2, Scenario::disconnect),
    (3, Scenario::change_channels),
    (9, Scenario::page_sends),
    (1, Scenario::fill),
    (5, Scenario::device_sends),
    (2, Scenario::device_fails),
    (12, Scenario::control),
    (5, Scenario::look),
    (1, Scenario::trespass),
    (3, Scenario::operate),
    (2, Scenario::lease_talk),
    (2, Scenario::configure),
    (4, Scenario::authorize),
    (1, Scenario::listen),
    (4, Scenario::hang_up),
    (4, Scenario::page_joins),
    (4, Scenario::page_calls),
    (5, Scenario::page_says),
    (1, Scenario::page_leaves),
    (4, Scenario::program),
    (8, Scenario::poll),
    (4, Scenario::call),
    (3, Scenario::port),
];

/// The acts that come only rarely.
const RARE: [Act; 3] = [
    Scenario::connection,
    Scenario::stray_call,
    // Waits for things that end only after a while: an offer, or a lease that a session has asked for.
    |scenario| scenario.rest(26),
];

fn run(seed: u64) -> String {
    let mut scenario = Scenario::new(seed);
    scenario.listen();
    scenario.connect();
    let odds: u64 = TABLE.iter().map(|(odds, _)| odds).sum();
    for _ in 0..ACTS {
        let mut drawn = scenario.draw.below(odds + 5);
        let act = TABLE.iter().find(|(odds, _)| {
            let is_it = drawn < *odds;
            drawn = drawn.saturating_sub(*odds);
            is_it
        });
        let act = act.map(|(_, act)| *act);
        let act = act.or_else(|| scenario.pick(&RARE)).expect("an act");
        let (beat, state) = (scenario.beats, scenario.draw.0);
        let line = format!("beat {beat}, draw {state:016x}");
        scenario.log.note_plainly("course", line);
        act(&mut scenario);
        scenario.rest(1);
    }
    scenario.finish()
}

fn file() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/sim/digest.txt")
}

fn setting(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

#[test]
fn an_outsider_sees_what_was_seen_before() {
    let seeds = setting("THINGWAY_DIGEST").map(|text| text.parse::<u64>().expect("a number"));
    let directory = setting("THINGWAY_DIGEST_DIR").map(PathBuf::from);
    let writes = setting("THINGWAY_DIGEST_WRITE").is_some();
    let stored = std::fs::read_to_string(file()).unwrap_or_default();
    let mut stored = stored.lines();
    let (mut digests, mut differ) = (String::new(), Vec::new());
    for seed in 0..seeds.unwrap_or(USUAL) {
        let text = run(seed);
        let name = format!("{seed:04}.txt");
        if let Some(directory) = &directory {
            std::fs::create_dir_all(directory).expect("a directory");
            std::fs::write(directory.join(&name), &text).expect("a file");
        }
        let digest = format!("{:016x}", hash(text.as_bytes()));
        if !writes && stored.next() != Some(&digest) {
            let old = setting("THINGWAY_DIGEST_OLD").map(|old| Path::new(&old).join(&name));
            let old =
                old.map(|old| std::fs::read_to_string(old).expect("the log of the other tree"));
            let shown = old.and_then(|old| first_difference(&old, &text));
            differ.push(format!("seed {seed}: {}", shown.unwrap_or_default()));
        }
        writeln!(digests, "{digest}").expect("memory");
    }
    if writes {
        std::fs::write(file(), digests).expect("a file");
    }
    assert!(
        differ.is_empty(),
        "{} seeds differ from {}; for the lines write the logs of the other tree with THINGWAY_DIGEST_DIR, \
         and name their directory here with THINGWAY_DIGEST_OLD\n{}",
        differ.len(),
        file().display(),
        differ.join("\n")
    );
}

/// Returns the first line that differs, with its object.
fn first_difference(old: &str, new: &str) -> Option<String> {
    let ends = ["end of the log"];
    let pairs = old.lines().chain(ends).zip(new.lines().chain(ends));
    let mut object = "";
    for (old, new) in pairs {
        if old != new {
            return Some(format!("{object}\n  - {}\n  + {}", old.trim(), new.trim()));
        }
        if !old.starts_with(' ') {
            object = old;
        }
    }
    None
}

#[test]
fn the_first_difference_is_shown_with_its_object() {
    let (old, new) = ("a\n    1\nb\n    2\n", "a\n    1\nb\n    2\n    3\n");
    let shown = first_difference(old, new);
    assert_eq!(shown.as_deref(), Some("b\n  - end of the log\n  + 3"));
    assert_eq!(first_difference(old, old), None);
}
