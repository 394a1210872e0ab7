//! Float sums of every instruction set against sums in f64.

mod common;

use common::{LONGEST, Random, dot, half, l2, scaled_l2, sets};
use half::f16;
use kernels::Kernels;

const SCALE: f32 = 0.013;

/// Every float operation of one pair against its reference.
fn check(k: &Kernels, q: &[f32], x: &[f32], h: &[u16], b: &[i8], what: &str) {
    let what = |op: &str| format!("{op} of {} on {}, {what}", q.len(), k.simd());
    dot(q, x, |x| x).assert_f32(k.dot_f32(q, x), &what("dot_f32"));
    l2(q, x, |x| x).assert_f32(k.l2_f32(q, x), &what("l2_f32"));
    dot(q, h, half).assert_f32(k.dot_f16(q, h), &what("dot_f16"));
    l2(q, h, half).assert_f32(k.l2_f16(q, h), &what("l2_f16"));
    dot(q, b, f32::from).assert_f32(k.dot_i8(q, b), &what("dot_i8"));
    scaled_l2(q, b, SCALE).assert_f32(k.l2_i8(q, b, SCALE), &what("l2_i8"));
    dot(q, x, |x| x).assert_f64(k.exact_dot_f32(q, x), &what("exact_dot_f32"));
    l2(q, x, |x| x).assert_f64(k.exact_l2_f32(q, x), &what("exact_l2_f32"));
    dot(q, h, half).assert_f64(k.exact_dot_f16(q, h), &what("exact_dot_f16"));
    l2(q, h, half).assert_f64(k.exact_l2_f16(q, h), &what("exact_l2_f16"));
    dot(q, b, f32::from).assert_f64(k.exact_dot_i8(q, b), &what("exact_dot_i8"));
    scaled_l2(q, b, SCALE).assert_f64(k.exact_l2_i8(q, b, SCALE), &what("exact_l2_i8"));
}

#[test]
fn every_length_at_odd_starts() {
    let mut random = Random(1);
    for n in 0..=LONGEST {
        let starts = [random.below(17), random.below(17)];
        let q = random.floats(n + starts[0]);
        let (x, h, b) = (random.floats(n + starts[1]), random.halves(n + starts[1]), random.signed(n + starts[1]));
        for k in sets() {
            check(k, &q[starts[0]..], &x[starts[1]..], &h[starts[1]..], &b[starts[1]..], "random");
        }
    }
}

#[test]
fn rows_of_whole_numbers_give_the_same_as_bytes_to_the_last_bit() {
    let mut random = Random(7);
    for n in 0..=LONGEST {
        let (q, signed) = (random.floats(n), random.signed(n));
        let unsigned: Vec<u8> = signed.iter().map(|&b| b as u8).collect();
        let as_f32: Vec<f32> = signed.iter().map(|&b| f32::from(b)).collect();
        let up: Vec<f32> = unsigned.iter().map(|&b| f32::from(b)).collect();
        for k in sets() {
            let bits = |sums: [f64; 2]| sums.map(f64::to_bits);
            let floats = bits([k.exact_dot_f32(&q, &as_f32), k.exact_l2_f32(&q, &as_f32)]);
            assert_eq!(bits([k.exact_dot_i8(&q, &signed), k.exact_l2_i8(&q, &signed, 1.0)]), floats, "{n} on {}", k.simd());
            let floats = bits([k.exact_dot_f32(&q, &up), k.exact_l2_f32(&q, &up)]);
            assert_eq!(bits([k.exact_dot_u8(&q, &unsigned), k.exact_l2_u8(&q, &unsigned)]), floats, "{n} on {}", k.simd());
        }
    }
}

#[test]
fn results_do_not_depend_on_alignment() {
    let mut random = Random(2);
    let (q, x) = (random.floats(333), random.floats(333));
    for k in sets() {
        let bits = [k.dot_f32(&q, &x), k.l2_f32(&q, &x)].map(f32::to_bits);
        for start in 0..20 {
            let (mut q2, mut x2) = (vec![9.0; start], vec![9.0; 19 - start]);
            q2.extend(&q);
            x2.extend(&x);
            let (q2, x2) = (&q2[start..], &x2[19 - start..]);
            assert_eq!([k.dot_f32(q2, x2), k.l2_f32(q2, x2)].map(f32::to_bits), bits, "{}", k.simd());
        }
    }
}

/// NaN, infinities and denormals at each position in turn, so that each lane and each tail sees them.
#[test]
fn specials_at_every_position() {
    let mut random = Random(3);
    let specials = [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, 1e-40, -1e-45, f32::MIN_POSITIVE, -0.0];
    for n in [1, 5, 16, 39, 64, 100, 149] {
        let (q, x, h, b) = (random.floats(n), random.floats(n), random.halves(n), random.signed(n));
        for at in 0..n {
            for special in specials {
                let (mut q2, mut x2, mut h2) = (q.clone(), x.clone(), h.clone());
                for k in sets() {
                    q2[at] = special;
                    check(k, &q2, &x2, &h2, &b, &format!("{special} in the query at {at}"));
                    q2[at] = q[at];
                    x2[at] = special;
                    h2[at] = f16::from_f32(special).to_bits();
                    check(k, &q2, &x2, &h2, &b, &format!("{special} in the row at {at}"));
                    (x2[at], h2[at]) = (x[at], h[at]);
                }
            }
        }
    }
}

#[test]
fn denormals_are_not_flushed() {
    for k in sets() {
        for n in [1, 7, 16, 64, 65] {
            let tiny = vec![f32::from_bits(3); n];
            assert_eq!(k.dot_f32(&vec![1.0; n], &tiny), f32::from_bits(3 * n as u32), "{}", k.simd());
            let tiny = vec![1; n]; // 2^-24, the smallest half
            assert_eq!(k.dot_f16(&vec![1.0; n], &tiny), n as f32 * 2.0f32.powi(-24), "{}", k.simd());
        }
    }
}

/// Infinity less infinity is NaN in whichever registers the two fall.
#[test]
fn opposite_infinities_are_nan() {
    for k in sets() {
        for (a, b) in [(0, 1), (0, 15), (3, 64), (62, 65), (16, 32)] {
            let mut x = vec![1.0; 66];
            (x[a], x[b]) = (f32::INFINITY, f32::NEG_INFINITY);
            assert!(k.dot_f32(&[1.0; 66], &x).is_nan(), "{}", k.simd());
            assert!(k.exact_dot_f32(&[1.0; 66], &x).is_nan(), "{}", k.simd());
            assert_eq!(k.l2_f32(&[1.0; 66], &x), f32::INFINITY, "{}", k.simd());
        }
    }
}

/// All bit patterns of a half, in whole registers and in tails.
#[test]
fn every_half_is_converted_exactly() {
    let step = if cfg!(miri) { 257 } else { 1 };
    for k in sets() {
        for bits in (0..=u16::MAX).step_by(step) {
            let mut x = [0; 35];
            let at = usize::from(bits) % x.len();
            x[at] = bits;
            let got = k.dot_f16(&[1.0; 35], &x);
            let expected = half(bits);
            assert!(got == expected || (got.is_nan() && expected.is_nan()), "{bits:#x} on {}", k.simd());
        }
    }
}

/// Sums that f32 cannot hold are exact in f64.
#[test]
fn exact_sums_keep_what_f32_loses() {
    for k in sets() {
        let (mut q, x) = (vec![1e-4f32; 257], vec![1.0f32; 257]);
        (q[0], q[200]) = (3e7, -3e7);
        let expected = 255.0 * f64::from(1e-4f32);
        assert!((k.exact_dot_f32(&q, &x) - expected).abs() < 1e-6, "{}", k.simd());
        let h = vec![f16::from_f32(1.0).to_bits(); 257];
        assert!((k.exact_dot_f16(&q, &h) - expected).abs() < 1e-6, "{}", k.simd());
        assert!((k.exact_dot_i8(&q, &[1; 257]) - expected).abs() < 1e-6, "{}", k.simd());
    }
}

#[test]
fn the_peak_is_the_largest_magnitude_and_tells_what_is_not_finite() {
    let mut random = Random(31);
    for n in 0..=LONGEST {
        let mut x = random.floats(n);
        let largest = x.iter().fold(0f32, |most, x| most.max(x.abs()));
        for k in sets() {
            assert_eq!(k.peak(&x), largest, "{n} on {}", k.simd());
        }
        if n == 0 {
            continue;
        }
        let at = random.below(n);
        for bad in [f32::NAN, -f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            x[at] = bad;
            for k in sets() {
                assert!(!k.peak(&x).is_finite(), "{bad} at {at} of {n} on {}", k.simd());
            }
        }
    }
}

#[test]
fn levels_are_rounded_and_lie_around_128() {
    let mut random = Random(32);
    for n in 0..=LONGEST {
        let (x, centre, scale) = (random.floats(n), random.floats(n), random.floats(n));
        let expected: Vec<f32> = (0..n).map(|i| (x[i] - centre[i]) * scale[i]).collect();
        let largest = expected.iter().fold(0f32, |most, x| most.max(x.abs()));
        for k in sets() {
            let (mut values, mut levels) = (vec![0.0; n], vec![0; n]);
            assert_eq!(k.centred(&x, &centre, &scale, &mut values), largest, "{n} on {}", k.simd());
            assert_eq!(values, expected, "{n} on {}", k.simd());
            let per_unit = 127.0 / largest.max(1e-9);
            k.levels(&values, per_unit, &mut levels);
            for (level, value) in levels.iter().zip(&values) {
                let off = (f64::from(*level) - 128.0 - f64::from(value * per_unit)).abs();
                assert!(off <= 0.5, "{value} is level {level} of {n} on {}", k.simd());
            }
        }
    }
}
