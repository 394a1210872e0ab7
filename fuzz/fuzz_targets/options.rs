//! `cargo +nightly fuzz run options`
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| bigrain_fuzz::run("options", bytes));
