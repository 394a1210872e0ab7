//! `cargo +nightly fuzz run ids`
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| bigrain_fuzz::run("ids", bytes));
