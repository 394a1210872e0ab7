//! Calls that fail: which of them, and in which of nine ways.

use std::io;

/// A call of the seam to the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "the methods of Vfs and File, by their names")]
pub enum Call {
    Kind,
    List,
    CreateDir,
    SyncDir,
    Create,
    Open,
    Rename,
    Remove,
    TryLock,
    Len,
    ReadAt,
    WriteAt,
    SyncData,
}

impl Call {
    /// Whether it is meant to change what is on the disk.
    pub fn writes(self) -> bool {
        use Call::*;
        matches!(self, CreateDir | SyncDir | Create | Rename | WriteAt | SyncData)
    }
}

/// How a call fails. `Eio` is the vicious one: what was asked for has happened (of a write, half), and the caller is told
/// that it has not. The others leave undone what they refuse.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// An I/O error, after the fact.
    Eio,
    /// No space is left.
    NoSpace,
    /// A read brings half of what is there.
    ShortRead,
    /// A write takes half of what was given.
    ShortWrite,
    /// A sync fails, and the system forgets that there was something to sync.
    Sync,
    /// A rename fails.
    Rename,
    /// As `Sync`, for a directory.
    DirSync,
    /// A file cannot be opened or made, a directory not be looked at.
    Open,
    /// The lock cannot be had: an error, not another holder.
    Lock,
}

/// All nine.
pub const WAYS: [Way; 9] =
    [Way::Eio, Way::NoSpace, Way::ShortRead, Way::ShortWrite, Way::Sync, Way::Rename, Way::DirSync, Way::Open, Way::Lock];

impl Way {
    /// Whether such a call can fail in this way.
    pub fn applies(self, call: Call) -> bool {
        use Call::*;
        match self {
            Self::Eio => true,
            Self::NoSpace => matches!(call, WriteAt | Create | CreateDir | Rename | SyncData | SyncDir | TryLock),
            Self::ShortRead => call == ReadAt,
            Self::ShortWrite => call == WriteAt,
            Self::Sync => matches!(call, SyncData),
            Self::Rename => call == Rename,
            Self::DirSync => call == SyncDir,
            Self::Open => matches!(call, Open | Create | List | Kind),
            Self::Lock => call == TryLock,
        }
    }

    /// What the caller is told.
    pub fn error(self) -> io::Error {
        match self {
            Self::NoSpace => io::ErrorKind::StorageFull.into(),
            way => io::Error::other(format!("injected: {way:?}")),
        }
    }
}

/// A call that is to fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fault {
    /// The first call from this one on that can fail so; calls are counted from 0 since the plan was made.
    pub call: usize,
    /// How.
    pub way: Way,
    /// Whether all later calls that can fail so fail too.
    pub lasting: bool,
}

/// Faults to come, and what was called so far.
#[derive(Debug, Clone, Default)]
pub struct Plan {
    faults: Vec<Fault>,
    /// Calls since the plan was made.
    pub calls: Vec<Call>,
    /// Those of them that failed as planned.
    pub struck: Vec<Call>,
    /// Syncs of a file or directory whose sync had failed before. There must be none.
    pub retried_syncs: usize,
}

impl Plan {
    /// Nothing has been called yet.
    pub fn new(faults: Vec<Fault>) -> Self {
        Self { faults, ..Self::default() }
    }

    /// Counts a call; how it is to fail, if it is.
    pub fn meet(&mut self, call: Call) -> Option<Way> {
        let number = self.calls.len();
        self.calls.push(call);
        let due = |fault: &Fault| fault.call <= number && fault.way.applies(call);
        let at = self.faults.iter().position(due)?;
        let fault = if self.faults[at].lasting { self.faults[at] } else { self.faults.swap_remove(at) };
        self.struck.push(call);
        Some(fault.way)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_strikes_its_call_and_a_lasting_one_all_that_follow_of_its_kind() {
        let mut once = Plan::new(vec![Fault { call: 1, way: Way::ShortRead, lasting: false }]);
        let met = [Call::ReadAt, Call::Open, Call::ReadAt, Call::ReadAt].map(|call| once.meet(call).is_some());
        assert_eq!(met, [false, false, true, false]);
        let mut lasting = Plan::new(vec![Fault { call: 0, way: Way::NoSpace, lasting: true }]);
        let met: Vec<bool> = [Call::WriteAt, Call::ReadAt, Call::WriteAt].map(|call| lasting.meet(call).is_some()).into();
        assert_eq!(met, [true, false, true]);
        assert_eq!(lasting.struck, [Call::WriteAt, Call::WriteAt]);
    }
}
