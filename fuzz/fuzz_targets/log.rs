//! `cargo +nightly fuzz run log`
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| bigrain_fuzz::run("log", bytes));
