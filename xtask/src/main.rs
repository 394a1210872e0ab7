//! Checks on the project itself. `cargo run -p xtask -- arrows`

mod arrows;
mod tidy;

use std::path::Path;
use std::process::{Command, ExitCode};

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let found = match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["arrows"] => check(),
        _ => Err("usage: cargo run -p xtask -- arrows".to_owned()),
    };
    match found {
        Ok(complaints) if complaints.is_empty() => {
            println!("The rooms are the table's, every arrow is allowed, unsafe code is where it may be, no file is too long.");
            ExitCode::SUCCESS
        }
        Ok(complaints) => {
            complaints.iter().for_each(|complaint| eprintln!("{complaint}"));
            ExitCode::FAILURE
        }
        Err(why) => {
            eprintln!("{why}");
            ExitCode::FAILURE
        }
    }
}

/// All complaints about this workspace; an error where it cannot be read.
fn check() -> Result<Vec<String>, String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().ok_or("xtask lies in the workspace's folder")?;
    let metadata = arrows::Workspace::parse(&cargo_metadata(root)?)?;
    let mut complaints = arrows::complaints(&metadata);
    complaints.extend(tidy::complaints(root)?);
    Ok(complaints)
}

/// What cargo says about the workspace's own packages, as JSON. Needs no network.
fn cargo_metadata(root: &Path) -> Result<String, String> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args(["metadata", "--format-version", "1", "--no-deps", "--offline"])
        .current_dir(root)
        .output()
        .map_err(|error| format!("cargo metadata cannot be started: {error}"))?;
    if !output.status.success() {
        return Err(format!("cargo metadata failed: {}", String::from_utf8_lossy(&output.stderr)));
    }
    String::from_utf8(output.stdout).map_err(|error| format!("cargo metadata is not UTF-8: {error}"))
}
