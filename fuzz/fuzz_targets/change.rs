//! `cargo +nightly fuzz run change`
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| bigrain_fuzz::run("change", bytes));
