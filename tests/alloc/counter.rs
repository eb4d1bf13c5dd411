//! An allocator that counts what is asked of it while a test says so.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

thread_local! {
    static COUNTING: Cell<bool> = const { Cell::new(false) };
    static COUNT: Cell<u64> = const { Cell::new(0) };
}

pub struct Counter;

impl Counter {
    fn note() {
        if COUNTING.get() {
            COUNT.set(COUNT.get() + 1);
        }
    }
}

// SAFETY: every call goes to the system's allocator as it came; counting allocates nothing, since
// neither cell has a destructor.
unsafe impl GlobalAlloc for Counter {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        Self::note();
        // SAFETY: the caller's promise is passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        Self::note();
        // SAFETY: the caller's promise is passed on.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, old: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        Self::note();
        // SAFETY: the caller's promise is passed on.
        unsafe { System.realloc(old, layout, size) }
    }

    unsafe fn dealloc(&self, old: *mut u8, layout: Layout) {
        // SAFETY: the caller's promise is passed on.
        unsafe { System.dealloc(old, layout) }
    }
}

/// How often this thread asked for memory in there.
pub fn allocations(what: &mut dyn FnMut()) -> u64 {
    let before = COUNT.get();
    COUNTING.set(true);
    what();
    COUNTING.set(false);
    COUNT.get() - before
}
