//! Which room may depend on which, and on whose crates. ARCHITECTURE.md says why.

use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// One room: a crate below `crates/`.
pub struct Room {
    pub name: &'static str,
    /// The rooms it may use.
    pub rooms: &'static [&'static str],
    /// The crates from elsewhere that it may use.
    pub others: &'static [&'static str],
    pub unsafe_code: UnsafeCode,
}

/// How much unsafe code a room may hold.
#[derive(Clone, Copy, PartialEq)]
pub enum UnsafeCode {
    /// None, and it says `#![forbid(unsafe_code)]`.
    Forbidden,
    /// What macros expand to, and none written by hand.
    FromMacros,
    /// Blocks that are reviewed, each with its `SAFETY:` argument.
    Reviewed,
}

const fn room(name: &'static str, rooms: &'static [&'static str], others: &'static [&'static str]) -> Room {
    Room { name, rooms, others, unsafe_code: UnsafeCode::Forbidden }
}

/// The table. Adding an arrow is a decision about the architecture: change ARCHITECTURE.md in the same commit.
pub const ROOMS: &[Room] = &[
    room("task", &[], &[]),
    Room { unsafe_code: UnsafeCode::Reviewed, ..room("kernels", &[], &["half"]) },
    Room { unsafe_code: UnsafeCode::Reviewed, ..room("rows", &[], &["bytemuck", "rayon", "rustix"]) },
    room("wire", &[], &["crc32c"]),
    room("cluster", &["task", "kernels"], &["nalgebra", "rayon"]),
    room("quant", &["task", "kernels", "wire", "cluster"], &["bytemuck", "nalgebra", "rayon"]),
    room("coarse", &["task", "kernels", "rows", "wire"], &["bytemuck", "rayon"]),
    room("store", &["task", "wire"], &["rustix"]),
    room(
        "engine",
        &["task", "kernels", "rows", "wire", "cluster", "quant", "coarse", "store"],
        // shuttle: the locks of a model checker, with a feature that nothing shipped turns on
        &["bytemuck", "half", "hashbrown", "rayon", "shuttle"],
    ),
    Room {
        unsafe_code: UnsafeCode::FromMacros,
        ..room("node", &["task", "engine"], &["napi", "napi-derive", "napi-build", "rayon"])
    },
    // Speed measured where JavaScript does not reach. Nothing that is shipped may use it.
    room("bench", &["task", "kernels", "quant", "coarse"], &["rayon"]),
    // The whole engine over a simulated disk. Nothing that is shipped may use it.
    room("sim", &["task", "kernels", "wire", "quant", "coarse", "store", "engine"], &["shuttle"]),
];

/// The workspace's packages and what they say they depend on (normal and build; a test may use what it likes).
#[derive(Debug, Default, PartialEq)]
pub struct Workspace {
    /// name -> (manifest path, names of dependencies)
    pub packages: BTreeMap<String, (String, BTreeSet<String>)>,
}

impl Workspace {
    /// Reads the JSON of `cargo metadata --no-deps`.
    pub fn parse(json: &str) -> Result<Self, String> {
        let metadata: Value = serde_json::from_str(json).map_err(|error| format!("cargo metadata: {error}"))?;
        let text = |value: &Value, field: &str| {
            value[field].as_str().map(str::to_owned).ok_or_else(|| format!("cargo metadata: a package without `{field}`"))
        };
        let mut packages = BTreeMap::new();
        for package in metadata["packages"].as_array().ok_or("cargo metadata: no packages")? {
            let dependencies = package["dependencies"].as_array().ok_or("cargo metadata: a package without `dependencies`")?;
            let used = dependencies
                .iter()
                .filter(|dependency| dependency["kind"] != "dev")
                .map(|dependency| text(dependency, "name"))
                .collect::<Result<_, _>>()?;
            packages.insert(text(package, "name")?, (text(package, "manifest_path")?.replace('\\', "/"), used));
        }
        Ok(Workspace { packages })
    }
}

/// Rooms that the table does not know or that are not there, and arrows that it does not allow.
pub fn complaints(workspace: &Workspace) -> Vec<String> {
    let in_crates = |manifest: &str, name: &str| manifest.ends_with(&format!("/crates/{name}/Cargo.toml"));
    let mut found = Vec::new();
    for room in ROOMS {
        let Some((manifest, used)) = workspace.packages.get(room.name) else {
            found.push(format!("{}: the table has this room, the workspace has not", room.name));
            continue;
        };
        if !in_crates(manifest, room.name) {
            found.push(format!("{}: a room lies in crates/{}, not in {manifest}", room.name, room.name));
        }
        let allowed = |name: &str| room.rooms.contains(&name) || room.others.contains(&name);
        for name in used.iter().filter(|name| !allowed(name)) {
            found.push(format!("{} -> {name}: this arrow is not allowed (xtask/src/arrows.rs, ARCHITECTURE.md)", room.name));
        }
    }
    for (name, (manifest, _)) in &workspace.packages {
        if name != "xtask" && !ROOMS.iter().any(|room| room.name == name) {
            found.push(format!("{name}: this room is not in the table of xtask/src/arrows.rs ({manifest})"));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Name, manifest, and the dependencies' names and kinds (as JSON).
    type Package = (String, String, Vec<(String, &'static str)>);

    /// Metadata in cargo's form: every room of the table with all the arrows it may have.
    fn whole() -> Vec<Package> {
        ROOMS
            .iter()
            .map(|room| {
                let used = room.rooms.iter().chain(room.others).map(|name| ((*name).to_owned(), "null")).collect();
                (room.name.to_owned(), format!("/somewhere/crates/{}/Cargo.toml", room.name), used)
            })
            .collect()
    }

    fn complaints_of(packages: &[Package]) -> Vec<String> {
        let package = |(name, manifest, used): &Package| {
            let used: Vec<String> = used.iter().map(|(name, kind)| format!(r#"{{"name":"{name}","kind":{kind}}}"#)).collect();
            format!(r#"{{"name":"{name}","manifest_path":"{manifest}","dependencies":[{}]}}"#, used.join(","))
        };
        let packages: Vec<String> = packages.iter().map(package).collect();
        complaints(&Workspace::parse(&format!(r#"{{"packages":[{}]}}"#, packages.join(","))).expect("valid metadata"))
    }

    fn with_arrow(from: &str, to: &str, kind: &'static str) -> Vec<String> {
        let mut packages = whole();
        let room = packages.iter_mut().find(|package| package.0 == from).expect("a room of the table");
        room.2.push((to.to_owned(), kind));
        complaints_of(&packages)
    }

    #[test]
    fn all_the_arrows_of_the_table_are_allowed() {
        assert_eq!(complaints_of(&whole()), Vec::<String>::new());
    }

    #[test]
    fn any_other_arrow_is_named() {
        for (from, to) in [
            ("kernels", "engine"),
            ("coarse", "quant"),
            ("engine", "napi"),
            ("quant", "store"),
            ("engine", "bench"),
            ("node", "sim"),
        ] {
            let found = with_arrow(from, to, "null");
            assert_eq!(found.len(), 1, "{found:?}");
            assert!(found[0].starts_with(&format!("{from} -> {to}:")), "{found:?}");
        }
    }

    #[test]
    fn build_dependencies_count_and_dev_dependencies_do_not() {
        assert_eq!(with_arrow("wire", "engine", r#""build""#).len(), 1);
        assert_eq!(with_arrow("wire", "engine", r#""dev""#), Vec::<String>::new());
    }

    #[test]
    fn a_room_that_is_unknown_missing_or_elsewhere_is_named() {
        let mut packages = whole();
        packages.push(("cellar".to_owned(), "/somewhere/crates/cellar/Cargo.toml".to_owned(), Vec::new()));
        packages.retain(|package| package.0 != "wire");
        packages[0].1 = "/somewhere/else/Cargo.toml".to_owned();
        let found = complaints_of(&packages).join("\n");
        for part in ["cellar: this room is not in the table", "wire: the table has this room", "task: a room lies in crates/task"]
        {
            assert!(found.contains(part), "{part} is not in: {found}");
        }
    }

    #[test]
    fn the_table_itself_has_no_circle_and_only_rooms_it_knows() {
        for (place, room) in ROOMS.iter().enumerate() {
            for used in room.rooms {
                let earlier = ROOMS[..place].iter().any(|other| other.name == *used);
                assert!(earlier, "{} uses {used}, which must stand before it", room.name);
            }
        }
    }

    #[test]
    fn what_is_not_metadata_is_an_error() {
        for json in ["", "[]", r#"{"packages":[{}]}"#, r#"{"packages":[{"name":"a","dependencies":[]}]}"#] {
            assert!(Workspace::parse(json).is_err(), "{json}");
        }
    }
}
