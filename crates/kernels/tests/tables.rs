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
            k.prefetch_start(&vec![1; n], 512);
        }
    }
}

#[test]
fn what_is_above_its_limit_is_dropped() {
    let mut random = Random(33);
    let values = [1.0, 2.0, -3.0, 0.5, 0.0, -0.0, f32::NAN, f32::INFINITY, f32::NEG_INFINITY, 1e-45];
    for n in (0..=common::LONGEST).step_by(if cfg!(miri) { 7 } else { 1 }) {
        let mut draw = || -> Vec<f32> { (0..n).map(|_| values[random.below(values.len())]).collect() };
        let (x, limits) = (draw(), draw());
        let left: Vec<f32> = x.iter().zip(&limits).map(|(&x, &limit)| if limit < x { f32::INFINITY } else { x }).collect();
        let least = left.iter().copied().filter(|x| !x.is_nan()).fold(f32::INFINITY, f32::min);
        for k in sets() {
            let mut dropped = x.clone();
            assert_eq!(k.drop_above(&mut dropped, &limits), least, "{n} on {}", k.simd());
            assert!(dropped.iter().zip(&left).all(|(a, b)| a.to_bits() == b.to_bits()), "{n} on {}", k.simd());
        }
    }
}

#[test]
fn a_number_goes_where_it_belongs_in_a_sorted_list() {
    let mut random = Random(34);
    for n in (0..=common::LONGEST).step_by(if cfg!(miri) { 7 } else { 1 }) {
        // few values, so that many are equal, and the ends of the range
        let values = [i64::MIN, -7, -1, 0, 1, 2, 3, 1 << 40, i64::MAX];
        let mut sorted: Vec<i64> = (0..n).map(|_| values[random.below(values.len())]).collect();
        sorted.sort_unstable();
        for new in values {
            let mut wanted = [sorted.clone(), vec![new]].concat();
            wanted.sort_unstable();
            for k in sets() {
                let mut list = [sorted.clone(), vec![12_345]].concat();
                k.insert_sorted(&mut list, new);
                assert_eq!(list, wanted, "{new} into {n} on {}", k.simd());
            }
        }
    }
    sets().iter().for_each(|k| k.insert_sorted(&mut [], 1));
}
