//! What is fuzzed: functions from any bytes to a verdict. They decode, and use what was decoded.
//!
//! A panic in one is a finding, and so is a decoder that takes longer or more memory than its bytes are worth. This folder
//! stands by itself, so that the seeded driver beside it and the coverage-guided targets of `fuzz/` run the same code.

mod codec;
mod columns;
mod directory;
mod files;
mod frame;
mod graph;
mod index;
mod input;
mod lists;
mod log;
mod options;
mod wire_reader;

pub use input::random_bytes;

/// One decoder, or several that belong together.
pub struct Target {
    /// Its name on the command line, and that of its program in `fuzz/`.
    pub name: &'static str,
    /// Decodes and uses `input`; whether it was accepted.
    pub run: fn(&[u8]) -> bool,
    /// A valid input, by a number that stands for its contents.
    pub seed: fn(u64) -> Vec<u8>,
}

/// All of them.
pub const TARGETS: &[Target] = &[
    Target { name: "wire", run: wire_reader::run, seed: wire_reader::seed },
    Target { name: "name", run: files::run_name, seed: files::seed_name },
    Target { name: "manifest", run: files::run_manifest, seed: files::seed_manifest },
    Target { name: "blob", run: files::run_blob, seed: files::seed_blob },
    Target { name: "extent", run: files::run_extent, seed: files::seed_extent },
    Target { name: "log", run: log::run, seed: log::seed },
    Target { name: "directory", run: directory::run, seed: directory::seed },
    Target { name: "codec", run: codec::run, seed: codec::seed },
    Target { name: "graph", run: graph::run, seed: graph::seed },
    Target { name: "lists", run: lists::run, seed: lists::seed },
    Target { name: "ids", run: columns::run_ids, seed: columns::seed_ids },
    Target { name: "metadata", run: columns::run_metadata, seed: columns::seed_metadata },
    Target { name: "dead", run: columns::run_dead, seed: columns::seed_dead },
    Target { name: "efforts", run: columns::run_efforts, seed: columns::seed_efforts },
    Target { name: "change", run: columns::run_change, seed: columns::seed_change },
    Target { name: "index", run: index::run, seed: index::seed },
    Target { name: "options", run: options::run, seed: options::seed },
];

/// The target of that name.
pub fn target(name: &str) -> Option<&'static Target> {
    TARGETS.iter().find(|target| target.name == name)
}
