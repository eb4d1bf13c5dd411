//! What a test needs and does not find here: the one way to leave a test undone.
#![allow(
    unreachable_pub,
    clippy::allow_attributes_without_reason,
    reason = "each test binary has it as a module of its own"
)]

use std::io::Write as _;
use std::sync::atomic::{AtomicUsize, Ordering};

/// With this in the environment, what is left undone is a failure.
pub const ALL: &str = "THINGWAY_TESTS_ALL";

/// Says that a test is left undone because this machine lacks something, and how many were so far:
/// the last such line has the sum. With `THINGWAY_TESTS_ALL` in the environment the test fails.
pub fn skip(what: &str) {
    static COUNT: AtomicUsize = AtomicUsize::new(0);
    let test = std::thread::current();
    let test = test.name().unwrap_or("a test");
    let wants_all = std::env::var_os(ALL).is_some_and(|value| value != "0");
    assert!(!wants_all, "{test} needs {what}, and {ALL} is set");
    let count = COUNT.fetch_add(1, Ordering::Relaxed) + 1;
    // The harness shows what a test prints only if the test fails; this goes past it.
    let mut stderr = std::io::stderr();
    let _closed = writeln!(stderr, "SKIPPED ({count} so far): {test} needs {what}");
}
