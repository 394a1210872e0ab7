//! `cargo +nightly fuzz run directory`
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| bigrain_fuzz::run("directory", bytes));
