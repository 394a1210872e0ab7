//! The loops of k-means against plain ones.

mod common;

use common::{Random, Sum, sets};
use kernels::{of_sort_key, sort_key};

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

#[test]
fn what_is_marked_is_picked_in_its_order() {
    let mut random = Random(35);
    for blocks in 0..if cfg!(miri) { 3 } else { 12 } {
        let values = [f32::NEG_INFINITY, -1.5, -0.0, 0.0, 1e-40, 2.5, f32::INFINITY, f32::NAN, -f32::NAN];
        let distances: Vec<f32> = (0..blocks * 32).map(|_| values[random.below(values.len())]).collect();
        let rows: Vec<u32> = (0..blocks * 32).map(|_| [0, 7, u32::MAX - 1, u32::MAX][random.below(4)]).collect();
        // few, some and all
        let marks: Vec<u32> =
            (0..blocks).map(|_| [0, 1 << random.below(32), random.below(1 << 32) as u32, u32::MAX][random.below(4)]).collect();
        let marked = (0..blocks * 32).filter(|&at| marks[at / 32] >> (at % 32) & 1 == 1 && rows[at] != u32::MAX);
        let wanted: Vec<u64> = marked.map(|at| sort_key(distances[at], rows[at])).collect();
        for k in sets() {
            let mut keys = vec![0; blocks * 32];
            let count = k.pick(&marks, &distances, &rows, &mut keys);
            assert_eq!(keys[..count], wanted, "{blocks} blocks on {}", k.simd());
        }
    }
}

#[test]
fn keys_sort_as_distance_and_row_do() {
    let ascending = [f32::NEG_INFINITY, -1.5, -1e-40, -0.0, 0.0, 1e-40, 1.0, f32::MAX, f32::INFINITY];
    let keys: Vec<u64> = ascending.iter().flat_map(|&d| [0, 1, u32::MAX].map(|row| sort_key(d, row))).collect();
    assert!(keys.is_sorted_by(|a, b| a < b));
    for (key, (distance, row)) in keys.iter().zip(ascending.iter().flat_map(|&d| [(d, 0), (d, 1), (d, u32::MAX)])) {
        let back = of_sort_key(*key);
        assert_eq!((back.0.to_bits(), back.1), (distance.to_bits(), row));
    }
    for nan in [f32::NAN, -f32::NAN] {
        assert!(sort_key(nan, 0) > sort_key(f32::INFINITY, u32::MAX) && of_sort_key(sort_key(nan, 3)).0.is_nan());
        assert_eq!(sort_key(nan, 3), sort_key(f32::NAN, 3));
    }
}

#[test]
fn words_are_those_of_coordinate_descent() {
    let mut random = Random(36);
    for (subspaces, weight) in [(0, 1.0), (1, 3.0), (7, -1.0), (20, 0.5), (50, 4.0), (50, 40.0)] {
        for spoilt in [false, true] {
            let mut squares: Vec<f32> = random.floats(subspaces * 16).iter().map(|x| x * x).collect();
            let along = random.floats(subspaces * 16);
            if spoilt {
                // no number, too much for one, and a tie
                squares
                    .chunks_exact_mut(16)
                    .for_each(|squares| (squares[3], squares[5], squares[9]) = (f32::NAN, f32::INFINITY, squares[1]));
            }
            let wanted = descended(&squares, &along, weight, 10);
            for k in sets() {
                let mut code = vec![255; subspaces];
                k.choose_words(&squares, &along, weight, 10, &mut code);
                assert_eq!(code, wanted, "{subspaces} sub-spaces, weight {weight} on {}", k.simd());
            }
        }
    }
}

fn descended(squares: &[f32], along: &[f32], weight: f32, rounds: usize) -> Vec<u8> {
    let least =
        |losses: &[f32]| (0..16).filter(|&w| !losses[w].is_nan()).min_by(|&a, &b| losses[a].total_cmp(&losses[b])).unwrap_or(0);
    let mut code: Vec<usize> = squares.chunks_exact(16).map(least).collect();
    let mut sum = 0.0;
    code.iter().enumerate().for_each(|(s, &word)| sum += along[s * 16 + word]);
    for _ in 0..if weight > 0.0 { rounds } else { 0 } {
        let before = code.clone();
        for s in 0..code.len() {
            let others = sum - along[s * 16 + code[s]];
            let losses: Vec<f32> = (s * 16..s * 16 + 16).map(|at| squares[at] + weight * (others + along[at]).powi(2)).collect();
            let best = least(&losses);
            if losses[best] < losses[code[s]] {
                code[s] = best;
                sum = others + along[s * 16 + best];
            }
        }
        if code == before {
            break;
        }
    }
    code.into_iter().map(|word| word as u8).collect()
}
