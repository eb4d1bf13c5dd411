#![no_main]

// libFuzzer's hook aborts at any panic; those that the program catches are part of it.
libfuzzer_sys::fuzz_target!(
    init: drop(std::panic::take_hook()),
    |data| thingway_fuzz::reoffer(data)
);
