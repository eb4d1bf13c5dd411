//! Every file of every corpus is passed to its fuzz target.

use std::fs;
use std::path::Path;

use crate::fuzz;

/// Runs each file, and prints the name of a file that fails.
fn replay(target: &str, run: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("fuzz/corpus")
        .join(target);
    let entries = fs::read_dir(&folder).expect("a corpus");
    let mut paths: Vec<_> = entries
        .map(|entry| entry.expect("an entry").path())
        .collect();
    paths.sort();
    assert!(!paths.is_empty(), "an empty corpus tests nothing");
    for path in paths {
        let data = fs::read(&path).expect("a file");
        // The test runner shows this only if the test fails, and then it is the last line.
        eprintln!("{}", path.display());
        run(&data);
    }
}

#[test]
fn config() {
    replay("config", fuzz::config);
}

#[test]
fn script() {
    replay("script", fuzz::script);
}

#[test]
fn control() {
    replay("control", fuzz::control);
}

#[test]
fn facade() {
    replay("facade", fuzz::facade);
}

#[test]
fn framing() {
    replay("framing", fuzz::framing);
}

#[test]
fn gateway() {
    replay("gateway", fuzz::gateway);
}

#[test]
fn http() {
    replay("http", fuzz::http::fuzz_http);
}

#[test]
fn keyframe() {
    replay("keyframe", fuzz::keyframe);
}

#[test]
fn offer() {
    replay("offer", fuzz::offer);
}

#[test]
fn reoffer() {
    replay("reoffer", fuzz::reoffer);
}

#[test]
fn payload() {
    replay("payload", fuzz::payload);
}

#[test]
fn rtcp() {
    replay("rtcp", fuzz::rtcp);
}

#[test]
fn rtp() {
    replay("rtp", fuzz::rtp);
}

#[test]
fn signaling() {
    replay("signaling", fuzz::signaling);
}
