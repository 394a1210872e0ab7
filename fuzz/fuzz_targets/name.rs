//! `cargo +nightly fuzz run name`
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| bigrain_fuzz::run("name", bytes));
