//! `cargo +nightly fuzz run dead`
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| bigrain_fuzz::run("dead", bytes));
