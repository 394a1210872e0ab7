//! What this crate decodes, within reach of fuzzing. Not part of the API.

use std::ffi::OsStr;
use std::path::Path;
use std::sync::Arc;

use task::Task;

use crate::blob::{self, Expected};
use crate::manifest::{FileRef, Manifest};
use crate::names::{self, Name};
use crate::replay::{self, Replayed};
use crate::{Extent, File, LogStart, Result, Vfs};

/// What the body of the file `manifest-<number>` says.
pub fn manifest(number: u64, bytes: &[u8]) -> Result<Manifest> {
    Manifest::decode(Path::new("manifest"), number, bytes)
}

/// The body that says so.
pub fn manifest_bytes(manifest: &Manifest) -> Vec<u8> {
    manifest.encode()
}

/// What was written to a file of blocks; `known`: its length and check, where a manifest says them.
pub fn blob(file: &dyn File, kind: &str, number: u64, known: Option<(u64, u32)>) -> Result<Vec<u8>> {
    blob::read(file, Path::new("blob"), &Expected { kind, number, len_and_check: known }, &Task::new())
}

/// An extent of the length and check that a manifest says.
pub fn extent(file: Arc<dyn File>, kind: &str, number: u64, len: u64, check: u32) -> Result<Extent> {
    Extent::open(file, "extent".into(), &FileRef::new(kind.into(), number, len, check), &Task::new())
}

/// Gives `apply` the records of the log files of those numbers, ascending, that lie in `directory`.
pub fn log(
    vfs: &dyn Vfs,
    directory: &Path,
    numbers: &[u64],
    start: LogStart,
    mut apply: impl FnMut(u64, &[u8]) -> Result<()>,
) -> Result<Replayed> {
    replay::replay(vfs, directory, numbers, start, &Task::new(), &mut apply)
}

/// The name that is written for what a name says; `None` where it is none of ours. A temporary one does not say its number.
pub fn name(name: &OsStr) -> Option<String> {
    match Name::of(name) {
        Name::Lock => Some(names::LOCK.into()),
        Name::Manifest(number) => Some(names::manifest(number)),
        Name::Data(kind, number) => Some(names::data(kind, number)),
        Name::Temporary => name.to_str().map(str::to_owned),
        Name::Other(_) => None,
    }
}
