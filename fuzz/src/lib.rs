//! The targets of the seeded driver, for libFuzzer.

/// Runs the target of that name.
///
/// # Panics
/// On a finding, or if there is no such target.
pub fn run(name: &str, bytes: &[u8]) {
    let target = sim::fuzz::targets::target(name).expect("a target of that name");
    (target.run)(bytes);
}
