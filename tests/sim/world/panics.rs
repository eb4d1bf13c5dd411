//! Panics that the gateway catches. Such a panic ends only one session, yet each is a bug.

use std::cell::Cell;
use std::sync::Once;

thread_local! {
    static SEEN: Cell<usize> = const { Cell::new(0) };
}

/// Counts the panics of each thread from now on.
pub(super) fn watch() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let report = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            SEEN.with(|seen| seen.set(seen.get() + 1));
            report(panic);
        }));
    });
}

/// Returns how many panics this thread has had. A test runs on one thread.
pub(super) fn seen() -> usize {
    SEEN.with(Cell::get)
}
