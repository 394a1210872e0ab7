//! `cargo +nightly fuzz run blob`
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| bigrain_fuzz::run("blob", bytes));
