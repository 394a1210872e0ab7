//! Which kernels a process gets. The choice is made once, so each case is a process of its own.
//! Under a user-mode emulator the children run on the real CPU or not at all: skip the test that starts them there.
#![cfg(not(miri))]

use std::process::Command;

use kernels::{Simd, available, kernels, kernels_for};

/// In the child: says what was chosen. Here too: the choice is one of those there are.
#[test]
fn chosen_kernels_are_available() {
    let simd = kernels().simd();
    println!("chosen={simd}");
    assert!(available().contains(&simd));
    // They work, and are not only chosen.
    assert_eq!(kernels().dot_f32(&[1.0; 100], &[2.0; 100]), 200.0);
}

fn chosen(forced: Option<&str>) -> String {
    let mut child = Command::new(std::env::current_exe().expect("this test's path"));
    child.args(["--exact", "chosen_kernels_are_available", "--nocapture", "--test-threads=1"]);
    match forced {
        Some(name) => child.env("BIGRAIN_SIMD", name),
        None => child.env_remove("BIGRAIN_SIMD"),
    };
    let output = child.output().expect("the child runs");
    assert!(output.status.success(), "{output:?}");
    let text = String::from_utf8(output.stdout).expect("text");
    let (_, after) = text.split_once("chosen=").expect("the child's answer");
    after.split_whitespace().next().expect("a name").to_owned()
}

#[test]
fn the_variable_forces_a_weaker_set() {
    let best = *available().last().expect("scalar at least");
    assert_eq!(chosen(None), best.name());
    for junk in ["", "fast", "AVX2", "sse9"] {
        assert_eq!(chosen(Some(junk)), best.name(), "{junk:?}");
    }
    for simd in [Simd::Scalar, Simd::Neon, Simd::Avx2, Simd::Avx512] {
        let below = available().into_iter().rfind(|&there| there <= simd).expect("scalar at least");
        assert_eq!(chosen(Some(simd.name())), below.name(), "{simd} forced");
    }
}

#[test]
fn sets_are_what_they_say() {
    assert_eq!(available()[0], Simd::Scalar);
    assert!(available().is_sorted());
    for simd in [Simd::Scalar, Simd::Neon, Simd::Avx2, Simd::Avx512] {
        assert_eq!(kernels_for(simd).map(kernels::Kernels::simd), available().contains(&simd).then_some(simd));
    }
}
