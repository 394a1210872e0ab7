//! The names in an index's directory, and what they say before any file is opened.

use std::ffi::OsStr;

/// The file whose lock the writer holds. It has no contents.
pub(crate) const LOCK: &str = "LOCK";

/// What a name in the directory stands for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Name<'a> {
    Lock,
    Manifest(u64),
    /// A manifest that was not finished.
    Temporary,
    /// Any other file, with its kind.
    Data(&'a str, u64),
    /// Not ours.
    Other(std::borrow::Cow<'a, str>),
}

impl<'a> Name<'a> {
    pub(crate) fn of(name: &'a OsStr) -> Self {
        let other = || Self::Other(name.to_string_lossy());
        let Some(text) = name.to_str() else { return other() };
        let manifest = |text: &str| text.strip_prefix("manifest-").and_then(number);
        if text == LOCK {
            Self::Lock
        } else if let Some(number) = manifest(text) {
            Self::Manifest(number)
        } else if text.strip_suffix(".tmp").and_then(manifest).is_some() {
            Self::Temporary
        } else {
            let data = text.strip_suffix(".grain").and_then(|stem| stem.split_once('-'));
            data.filter(|(kind, _)| is_kind(kind)).and_then(|(kind, n)| Some(Self::Data(kind, number(n)?))).unwrap_or_else(other)
        }
    }
}

pub(crate) fn manifest(number: u64) -> String {
    format!("manifest-{number}")
}

pub(crate) fn temporary(number: u64) -> String {
    format!("manifest-{number}.tmp")
}

pub(crate) fn data(kind: &str, number: u64) -> String {
    format!("{kind}-{number}.grain")
}

/// Kinds of files are 1 to 16 lower-case letters or digits, a letter first.
pub(crate) fn is_kind(kind: &str) -> bool {
    kind.len() <= 16
        && kind.starts_with(|c: char| c.is_ascii_lowercase())
        && kind.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit())
}

/// Numbers in names are below this, so that counting on from any of them cannot overflow.
pub(crate) const NUMBERS: u64 = 1 << 53;

/// Only as we write it: no sign, no leading zero.
fn number(text: &str) -> Option<u64> {
    text.parse().ok().filter(|number: &u64| *number < NUMBERS && number.to_string() == text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_names_and_only_they_are_ours() {
        let of = |text: &'static str| Name::of(OsStr::new(text));
        assert_eq!(of("LOCK"), Name::Lock);
        assert_eq!(of("manifest-17"), Name::Manifest(17));
        assert_eq!(of("manifest-17.tmp"), Name::Temporary);
        assert_eq!(of("dense-3.grain"), Name::Data("dense", 3));
        for text in [
            "",
            "lock",
            "manifest",
            "manifest-",
            "manifest-01",
            "manifest-+1",
            "manifest-1.grain.tmp",
            "a-1",
            "-1.grain",
            "A-1.grain",
            "dense-3.grain ",
            "dense-x.grain",
            "dense-18446744073709551616.grain",
            "notes-1.txt",
            "3d-1.grain",
            "x.tmp",
        ] {
            assert!(matches!(of(text), Name::Other(_)), "{text}");
        }
    }
}
