#![no_main]

libfuzzer_sys::fuzz_target!(|data| thingway::fuzz::signaling(data));
