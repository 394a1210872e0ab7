//! `cargo +nightly fuzz run wire`
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| bigrain_fuzz::run("wire", bytes));
