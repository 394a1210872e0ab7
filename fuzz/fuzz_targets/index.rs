//! `cargo +nightly fuzz run index`
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| bigrain_fuzz::run("index", bytes));
