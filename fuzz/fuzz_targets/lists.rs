//! `cargo +nightly fuzz run lists`
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| bigrain_fuzz::run("lists", bytes));
