#![no_main]

libfuzzer_sys::fuzz_target!(|data| thingway_fuzz::rtp(data));
