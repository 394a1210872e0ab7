//! Scans over codes of 4 bits, against plain look-ups.

mod common;

use common::{Random, Sum, sets};
use kernels::{Factors, Kernels, Near, NibbleTables, bf16, block_bytes, pack_nibbles, unpack_nibbles};

const ROWS: usize = 77;

/// What a scan of all blocks gives: estimates and marks of the rows.
fn scan(k: &Kernels, tables: &NibbleTables, blocks: &[u8], base: f32, factors: Factors, bound: f32) -> (Vec<f32>, Vec<u32>) {
    let count = blocks.len() / tables.block_bytes();
    let (mut estimates, mut marks) = (vec![f32::NAN; 32 * count], vec![u32::MAX; count]);
    k.scan_nibbles(tables, blocks, base, factors, Near { bound, estimates: &mut estimates, marks: &mut marks });
    (estimates, marks)
}

fn packed(codes: &[u8], subspaces: usize) -> Vec<u8> {
    // What was there before does not matter.
    let mut blocks = vec![0xa5; codes.len().div_ceil(32 * subspaces) * block_bytes(subspaces)];
    pack_nibbles(codes, subspaces, &mut blocks);
    blocks
}

/// Codes of `ROWS` rows, and what they look up.
fn data(random: &mut Random, subspaces: usize) -> (Vec<u8>, Vec<u8>, Vec<f32>) {
    let codes: Vec<u8> = (0..ROWS * subspaces).map(|_| random.below(16) as u8).collect();
    let blocks = packed(&codes, subspaces);
    (codes, blocks, random.floats(16 * subspaces))
}

#[test]
fn sums_are_those_of_the_entries_looked_up() {
    let mut random = Random(41);
    for subspaces in (1..=20).chain([49, 50, 64, 96, 192, 515, 516]) {
        let (codes, blocks, values) = data(&mut random, subspaces);
        for k in sets() {
            let what = format!("{subspaces} sub-spaces on {}", k.simd());
            let mut tables = NibbleTables::default();
            k.fit_tables(&values, &mut tables);
            let (estimates, _) = scan(k, &tables, &blocks, 3.0, Factors::None, 0.0);
            for (row, codes) in codes.chunks_exact(subspaces).enumerate() {
                let entries = codes.iter().enumerate().map(|(s, &code)| f64::from(values[16 * s + usize::from(code)]));
                let exact = 3.0 + entries.sum::<f64>();
                // An entry is rounded to the nearest step; f32 adds its own rounding.
                let off = (f64::from(estimates[row]) - exact).abs();
                let most = 0.5 * f64::from(tables.unit()) * subspaces as f64 + 1e-5 * (3.0 + subspaces as f64);
                assert!(off <= most, "{what}: row {row} is {} and not {exact}", estimates[row]);
            }
        }
    }
}

/// With whole numbers of up to 127 as values nothing is rounded, up to the largest sum there can be.
#[test]
fn whole_numbers_are_exact() {
    let mut random = Random(42);
    for subspaces in [1, 2, 3, 4, 5, 8, 12, 129, 513, 516] {
        for full in [false, true] {
            let codes: Vec<u8> = (0..ROWS * subspaces).map(|_| if full { 15 } else { random.below(16) as u8 }).collect();
            let blocks = packed(&codes, subspaces);
            let mut values: Vec<f32> = (0..16 * subspaces).map(|_| random.below(128) as f32).collect();
            for values in values.chunks_exact_mut(16) {
                (values[0], values[15]) = (0.0, 127.0);
            }
            let expected = |row: usize| -> f32 {
                let codes = codes[row * subspaces..][..subspaces].iter().enumerate();
                codes.map(|(s, &code)| values[16 * s + usize::from(code)]).sum()
            };
            for k in sets() {
                let mut tables = NibbleTables::default();
                k.fit_tables(&values, &mut tables);
                assert_eq!((tables.low(), tables.unit()), (0.0, 1.0));
                let bound = expected(5);
                let (estimates, marks) = scan(k, &tables, &blocks, 0.0, Factors::None, bound);
                for row in 0..ROWS {
                    assert_eq!(estimates[row], expected(row), "row {row} of {subspaces} on {}", k.simd());
                    assert_eq!(marks[row / 32] >> (row % 32) & 1 == 1, expected(row) <= bound, "row {row} on {}", k.simd());
                }
            }
        }
    }
}

/// The number that these bits are the upper half of.
fn upper(bits: u16) -> f32 {
    f32::from_bits(u32::from(bits) << 16)
}

#[test]
fn halves_of_floats_are_the_nearest_and_keep_infinity() {
    let mut random = Random(46);
    for value in random.floats(1000) {
        let near = upper(bf16(value));
        let [below, above] = [-1, 1].map(|step| upper((bf16(value) as i16 + step) as u16));
        assert!([below, above].iter().all(|other| (near - value).abs() <= (other - value).abs()), "{value}: {near}");
    }
    assert_eq!(upper(bf16(f32::INFINITY)), f32::INFINITY);
    assert!(upper(bf16(f32::NAN)).is_nan());
}

#[test]
fn factors_belong_to_their_rows() {
    let mut random = Random(43);
    for subspaces in [3, 8, 50] {
        let (_, blocks, values) = data(&mut random, subspaces);
        for k in sets() {
            let mut tables = NibbleTables::default();
            k.fit_tables(&values, &mut tables);
            let (plain, _) = scan(k, &tables, &blocks, 0.0, Factors::None, 0.0);
            let (mul, add) = (random.floats(plain.len()), random.floats(plain.len()));
            let (added, marks) = scan(k, &tables, &blocks, 2.0, Factors::Add(&add), 2.0);
            let [mul_bits, add_bits] = [&mul, &add].map(|x| x.iter().map(|&x| bf16(x)).collect::<Vec<u16>>());
            let (both, marks_of_both) = scan(k, &tables, &blocks, 2.0, Factors::MulAdd { mul: &mul_bits, add: &add_bits }, 2.0);
            for row in 0..plain.len() {
                let [value, mul, add] = [plain[row], upper(mul_bits[row]), add[row]].map(f64::from);
                let what = format!("row {row} of {subspaces} on {}", k.simd());
                Sum::of([2.0, add, value, f64::from(tables.low())].into_iter())
                    .with_value(2.0 + add + value)
                    .assert_f32(added[row], &what);
                let add = f64::from(upper(add_bits[row]));
                Sum::of([2.0, add, mul * value, f64::from(tables.low())].into_iter())
                    .with_value(2.0 + add + mul * value)
                    .assert_f32(both[row], &what);
                assert_eq!(marks[row / 32] >> (row % 32) & 1 == 1, added[row] <= 2.0, "{what}");
                assert_eq!(marks_of_both[row / 32] >> (row % 32) & 1 == 1, both[row] <= 2.0, "{what}");
            }
        }
    }
}

/// Tables and sums are whole numbers: every instruction set has the same ones.
#[test]
fn every_set_has_the_same_tables() {
    let mut random = Random(44);
    for subspaces in [1, 7, 50, 196] {
        let (_, blocks, values) = data(&mut random, subspaces);
        let all: Vec<Vec<u32>> = sets()
            .into_iter()
            .map(|k| {
                let mut tables = NibbleTables::default();
                k.fit_tables(&values, &mut tables);
                let steps = |estimate: f32| ((estimate - tables.low()) / tables.unit()).round() as u32;
                scan(k, &tables, &blocks, 0.0, Factors::None, 0.0).0.into_iter().map(steps).collect()
            })
            .collect();
        assert!(all.iter().all(|sums| *sums == all[0]), "{subspaces}");
    }
}

/// What is not a number could be anything, and infinity is not above itself.
#[test]
fn what_is_not_a_number_is_marked() {
    let blocks = packed(&[0; 32], 1);
    for k in sets() {
        for (base, bound, marks) in [
            (f32::NAN, -1.0, u32::MAX),
            (1.0, f32::NAN, u32::MAX),
            (f32::INFINITY, f32::INFINITY, u32::MAX),
            (f32::INFINITY, f32::MAX, 0),
            (f32::NEG_INFINITY, f32::MIN, u32::MAX),
        ] {
            let mut tables = NibbleTables::default();
            k.fit_tables(&[1.0; 16], &mut tables);
            assert_eq!(scan(k, &tables, &blocks, base, Factors::None, bound).1, [marks], "{base} {bound} {}", k.simd());
        }
    }
}

#[test]
fn what_is_packed_is_unpacked() {
    let mut random = Random(45);
    for subspaces in [1, 3, 4, 5, 50] {
        let (codes, blocks, _) = data(&mut random, subspaces);
        let mut row = vec![0; subspaces];
        for (place, expected) in codes.chunks_exact(subspaces).enumerate() {
            unpack_nibbles(&blocks, place, &mut row);
            assert_eq!(row, expected, "{place} of {subspaces}");
        }
    }
}

#[test]
fn tables_of_signs_are_those_of_their_sums() {
    let mut random = Random(45);
    for subspaces in [1, 2, 3, 8, 56, 255] {
        let values = random.floats(4 * subspaces);
        let sums: Vec<f32> = (values.chunks_exact(4))
            .flat_map(|v| (0..16).map(|code| (0..4).map(|bit| if code >> bit & 1 == 1 { v[bit] } else { -v[bit] }).sum()))
            .collect();
        let (codes, blocks, _) = data(&mut random, subspaces);
        assert_eq!(codes.len(), ROWS * subspaces);
        for k in sets() {
            let [mut ours, mut expected] = [(); 2].map(|()| NibbleTables::default());
            k.fit_signs(&values, &mut ours);
            k.fit_tables(&sums, &mut expected);
            let [ours, expected] = [ours, expected].map(|tables| scan(k, &tables, &blocks, 1.0, Factors::None, 0.5));
            assert_eq!(ours, expected, "{subspaces} sub-spaces on {}", k.simd());
        }
    }
}
