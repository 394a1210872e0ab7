//! `cargo +nightly fuzz run efforts`
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| bigrain_fuzz::run("efforts", bytes));
