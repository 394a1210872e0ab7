//! What the public face does not show: the choice for CPUs that this is not, and the parts of a set that a better part
//! of the CPU replaces.

use crate::Simd::{Avx2, Avx512, Neon, Scalar};
use crate::simd::choose;

#[test]
fn choice_is_the_strongest_at_or_below() {
    let server = [Scalar, Avx2, Avx512];
    let desktop = [Scalar, Avx2];
    let arm = [Scalar, Neon];
    for (forced, there, expected) in [
        (None, &server[..], Avx512),
        (None, &arm[..], Neon),
        (None, &[Scalar][..], Scalar),
        (Some("avx512"), &server[..], Avx512),
        (Some("avx512"), &desktop[..], Avx2),
        (Some("avx512"), &arm[..], Neon),
        (Some("avx2"), &server[..], Avx2),
        (Some("avx2"), &arm[..], Neon),
        (Some("neon"), &server[..], Scalar),
        (Some("neon"), &arm[..], Neon),
        (Some("scalar"), &server[..], Scalar),
        (Some("scalar"), &arm[..], Scalar),
        (Some(""), &desktop[..], Avx2),
        (Some("Scalar"), &server[..], Avx512),
        (Some("avx512 "), &arm[..], Neon),
    ] {
        assert_eq!(choose(forced, there), expected, "{forced:?} of {there:?}");
    }
}

/// On a CPU with VNNI or VPOPCNTDQ, no other test reaches the plain versions.
#[cfg(target_arch = "x86_64")]
#[test]
fn plain_avx512_counts_exactly() {
    let Some(plain) = crate::isa::avx512::plain() else { return };
    let scalar = crate::kernels_for(Scalar).expect("always there");
    let mut state = 1u32;
    let mut byte = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    };
    for n in 0..=400 {
        for extreme in [false, true] {
            let a: Vec<u8> = (0..n).map(|_| if extreme { 255 } else { byte() }).collect();
            let b: Vec<u8> = (0..n).map(|_| if extreme { 128 } else { byte() }).collect();
            let q: Vec<i8> = b.iter().map(|&b| b as i8).collect();
            assert_eq!(plain.dot_u8_i8(&a, &q), scalar.dot_u8_i8(&a, &q), "{n}");
            assert_eq!(plain.hamming(&a, &b), scalar.hamming(&a, &b), "{n}");
            assert_eq!(plain.and_popcount(&a, &b), scalar.and_popcount(&a, &b), "{n}");
            let planes = [&a[..], &b, &b, &a].concat();
            let rows = crate::Strided::new(&b, n, 1);
            let (mut got, mut expected) = ([0], [0]);
            plain.scan_and_popcount4(&planes, n, rows, 0, &mut got);
            scalar.scan_and_popcount4(&planes, n, rows, 0, &mut expected);
            assert_eq!(got, expected, "{n}");
        }
    }
}
