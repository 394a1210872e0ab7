//! `cargo +nightly fuzz run extent`
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| bigrain_fuzz::run("extent", bytes));
