//! Whether something has asked for absurdly much memory.

use std::fs;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::oracle::{Checked, Finding, Kind};

/// Address space may grow by so much at once: every thread may bring its own arena.
const SPACE: u64 = 1 << 30;
/// Memory in use may grow by so much at once.
const USED: u64 = 256 << 20;

/// The most that the process has had so far. Linux only; elsewhere nothing is seen.
#[derive(Debug, Default)]
pub struct Memory {
    space: AtomicU64,
    used: AtomicU64,
}

impl Memory {
    /// Whether the most has grown too much since the last look.
    ///
    /// # Errors
    /// [`Kind::Wrong`], naming `what` was being done.
    pub fn check(&self, what: &impl std::fmt::Debug) -> Checked<()> {
        let Ok(status) = fs::read_to_string("/proc/self/status") else { return Ok(()) };
        for (name, most, step) in [("VmPeak:", &self.space, SPACE), ("VmHWM:", &self.used, USED)] {
            let line = status.lines().find_map(|line| line.strip_prefix(name));
            let kib = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok()).unwrap_or(0);
            let before = most.fetch_max(kib << 10, Ordering::Relaxed);
            if before > 0 && kib << 10 > before + step {
                return Err(Finding::new(Kind::Wrong, format!("{what:?}: {name} from {before} to {} bytes", kib << 10)));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(target_os = "linux")]
    fn a_large_allocation_is_seen() {
        let memory = Memory::default();
        memory.check(&"before").unwrap();
        let mut large: Vec<u8> = Vec::new();
        large.reserve_exact(3 << 30);
        assert_eq!(memory.check(&"after").unwrap_err().kind, Kind::Wrong);
        drop(large);
        memory.check(&"later").unwrap();
    }
}
