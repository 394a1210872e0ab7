//! `cargo +nightly fuzz run graph`
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| bigrain_fuzz::run("graph", bytes));
