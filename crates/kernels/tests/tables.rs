//! The loops of k-means against plain ones.

mod common;

use common::{Random, Sum, sets};

#[test]
fn tables_hold_every_centroid() {
    let mut random = Random(31);
    for d in [0, 1, 2, 3, 5, 8, 13] {
        for k in (0..=70).chain([127, 128, 129, 200, 255, 256, 257]) {
            let (q, cent_t) = (random.floats(d), random.floats(d * k));
            let pairs = |c: usize| (0..d).map(move |j| (j, j * k + c));
            for set in sets() {
                let what = format!("{k} centroids of {d} on {}", set.simd());
                let (mut l2, mut dot) = (vec![f32::NAN; k], vec![f32::NAN; k]);
                set.table_l2(&q, &cent_t, k, &mut l2);
                set.table_dot(&q, &cent_t, k, &mut dot);
                for c in 0..k {
                    let term = |(j, at): (usize, usize)| (f64::from(q[j]) - f64::from(cent_t[at])).powi(2);
                    Sum::of(pairs(c).map(term)).assert_f32(l2[c], &what);
                    let term = |(j, at): (usize, usize)| f64::from(q[j]) * f64::from(cent_t[at]);
                    Sum::of(pairs(c).map(term)).assert_f32(dot[c], &what);
                }
            }
        }
    }
}

/// The first of the smallest that are not NaN.
fn argmin(x: &[f32]) -> usize {
    let mut best = None;
    for (i, &v) in x.iter().enumerate() {
        if !v.is_nan() && best.is_none_or(|b: usize| v < x[b]) {
            best = Some(i);
        }
    }
    best.unwrap_or(0)
}

#[test]
fn argmin_is_the_first_smallest() {
    let mut random = Random(32);
    // Few values, so that there are equals; the rarer kinds make the common ones scarce.
    let kinds: [&[f32]; 5] = [
        &[1.0, 2.0, 3.0, 0.5, -1.0],
        &[f32::NAN, f32::NAN, 7.0, f32::INFINITY],
        &[f32::NAN, f32::NAN, f32::NAN, f32::INFINITY],
        &[0.0, -0.0, 1.0, f32::NAN],
        &[f32::NEG_INFINITY, f32::MIN, 1e-45, -1e-45],
    ];
    for n in (1..=common::LONGEST).step_by(if cfg!(miri) { 7 } else { 1 }) {
        for kind in kinds {
            let x: Vec<f32> = (0..n).map(|_| kind[random.below(kind.len())]).collect();
            for k in sets() {
                assert_eq!(k.argmin(&x), argmin(&x), "{n} of {kind:?} on {}", k.simd());
            }
        }
        let mut x = vec![f32::NAN; n];
        for k in sets() {
            assert_eq!(k.argmin(&x), 0, "{n} NaN on {}", k.simd());
        }
        let at = random.below(n);
        x[at] = f32::INFINITY;
        for k in sets() {
            assert_eq!(k.argmin(&x), at, "one infinity in {n} NaN on {}", k.simd());
        }
    }
}

#[test]
fn prefetch_takes_anything() {
    for k in sets() {
        for n in [0, 1, 63, 64, 65, 5000] {
            k.prefetch(&vec![1; n]);
        }
    }
}
