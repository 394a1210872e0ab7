//! What can be seen in the sources: where unsafe code is ruled out, and how long files are.

use crate::arrows::{ROOMS, Room, UnsafeCode};
use std::fs;
use std::path::Path;

/// Past this a file holds more than one idea.
const MOST_LINES: usize = 800;

/// Folders and endings of the files that the limit is for.
const SOURCES: [&str; 7] = ["crates", "xtask", "ts", "__test__", "examples", "benches", "scripts"];
const ENDINGS: [&str; 4] = ["rs", "ts", "mts", "mjs"];

/// All complaints about the sources below `root`; an error where they cannot be read.
pub fn complaints(root: &Path) -> Result<Vec<String>, String> {
    let mut found = Vec::new();
    for room in ROOMS {
        let file = format!("crates/{}/src/{}.rs", room.name, if room.name == "bench" { "main" } else { "lib" });
        let text = fs::read_to_string(root.join(&file)).map_err(|error| format!("{file}: {error}"))?;
        found.extend(forbid_complaint(room, &file, &text));
    }
    for folder in SOURCES {
        each_source(&root.join(folder), folder, &mut |file, text| {
            found.extend(length_complaint(file, text));
            found.extend(unsafe_complaint(file, text));
        })?;
    }
    Ok(found)
}

/// A room that may not hold unsafe code has to say so to the compiler, at the head of its root file.
fn forbid_complaint(room: &Room, file: &str, text: &str) -> Option<String> {
    let forbids = text.lines().any(|line| line.trim() == "#![forbid(unsafe_code)]");
    (room.unsafe_code == UnsafeCode::Forbidden && !forbids).then(|| format!("{file}: #![forbid(unsafe_code)] is missing"))
}

/// The compiler cannot forbid what macros expand to and allow nothing else, so such rooms are read for it.
fn unsafe_complaint(file: &str, text: &str) -> Option<String> {
    let room = ROOMS.iter().find(|room| file.starts_with(&format!("crates/{}/", room.name)))?;
    let by_hand = |line: &str| {
        let code = line.split("//").next().unwrap_or_default();
        code.split(|c: char| !(c.is_alphanumeric() || c == '_')).any(|word| word == "unsafe")
    };
    let number = 1 + text.lines().position(by_hand)?;
    (room.unsafe_code == UnsafeCode::FromMacros).then(|| format!("{file}:{number}: unsafe code by hand"))
}

/// Calls `visit` with the name and the text of every source file below `folder`, which need not be there.
fn each_source(folder: &Path, name: &str, visit: &mut impl FnMut(&str, &str)) -> Result<(), String> {
    if !folder.is_dir() {
        return Ok(());
    }
    let entries = fs::read_dir(folder).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let mut paths: Vec<_> = entries.map_err(|error| format!("{name}: {error}"))?.iter().map(fs::DirEntry::path).collect();
    paths.sort();
    for path in paths {
        let below = format!("{name}/{}", path.file_name().unwrap_or_default().to_string_lossy());
        if path.is_dir() {
            each_source(&path, &below, visit)?;
        } else if path.extension().is_some_and(|ending| ENDINGS.iter().any(|one| ending == *one)) {
            visit(&below, &fs::read_to_string(&path).map_err(|error| format!("{below}: {error}"))?);
        }
    }
    Ok(())
}

fn length_complaint(file: &str, text: &str) -> Option<String> {
    let lines = text.lines().count();
    (lines > MOST_LINES).then(|| format!("{file}: {lines} lines; {MOST_LINES} are the most"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(name: &str) -> &'static Room {
        ROOMS.iter().find(|room| room.name == name).expect("a room of the table")
    }

    #[test]
    fn a_room_has_to_forbid_unsafe_code_unless_it_may_hold_some() {
        let (with, without) = ("//! doc\n#![forbid(unsafe_code)]\n", "//! doc, not #![forbid(unsafe_code)]\n");
        assert_eq!(forbid_complaint(named("engine"), "f", with), None);
        assert!(forbid_complaint(named("engine"), "f", without).is_some());
        assert_eq!(forbid_complaint(named("kernels"), "f", without), None);
    }

    #[test]
    fn unsafe_code_by_hand_is_found_where_only_macros_may_make_some() {
        let found = |file, text| unsafe_complaint(file, text);
        assert_eq!(found("crates/node/src/a.rs", "// unsafe in words\nlet unsafely = 1;\n"), None);
        let complaint = found("crates/node/src/a.rs", "fn f() {\n    let x = unsafe { g() };\n}\n");
        assert_eq!(complaint.as_deref(), Some("crates/node/src/a.rs:2: unsafe code by hand"));
        assert_eq!(found("crates/kernels/src/a.rs", "unsafe fn f() {}\n"), None);
    }

    #[test]
    fn a_long_file_is_named_with_its_length() {
        assert_eq!(length_complaint("a.rs", &"x\n".repeat(MOST_LINES)), None);
        let found = length_complaint("a.rs", &"x\n".repeat(MOST_LINES + 1)).expect("a complaint");
        assert!(found.starts_with("a.rs: 801 lines"), "{found}");
    }

    #[test]
    fn a_walk_finds_files_at_any_depth_and_passes_over_other_kinds() {
        let folder = std::env::temp_dir().join(format!("xtask-tidy-{}", std::process::id()));
        fs::create_dir_all(folder.join("a/b")).expect("a temporary folder");
        fs::write(folder.join("a/b/long.rs"), "x\n".repeat(900)).expect("a file");
        fs::write(folder.join("a/long.txt"), "x\n".repeat(900)).expect("a file");
        let mut found = Vec::new();
        let walked = each_source(&folder, "here", &mut |file, text| found.push((file.to_owned(), text.len())));
        fs::remove_dir_all(&folder).expect("the folder goes");
        assert_eq!((walked, found), (Ok(()), vec![("here/a/b/long.rs".to_owned(), 1800)]));
        assert_eq!(each_source(Path::new("/no/such/folder"), "none", &mut |_, _| panic!("a file")), Ok(()));
    }
}
