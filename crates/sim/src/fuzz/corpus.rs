//! The valid inputs that mutations start from.

use std::path::Path;
use std::{fs, io};

use super::targets::{TARGETS, Target};

/// Valid inputs that each target starts from.
const SEEDS: u64 = 48;

/// The valid inputs of one target.
pub fn of(target: &Target) -> Vec<Vec<u8>> {
    (0..SEEDS).map(target.seed).collect()
}

/// Writes those of every target into a folder of the target's name, as libFuzzer takes them.
pub fn write(folder: &Path) -> io::Result<()> {
    for target in TARGETS {
        let folder = folder.join(target.name);
        fs::create_dir_all(&folder)?;
        for (number, input) in of(target).iter().enumerate() {
            fs::write(folder.join(format!("seed-{number}")), input)?;
        }
    }
    Ok(())
}
