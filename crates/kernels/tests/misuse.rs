//! Wrong lengths and rows that do not exist panic on every instruction set, before anything is read.

mod common;

use std::panic::{AssertUnwindSafe, catch_unwind};

use kernels::{
    Factors, Near, NibbleTables, Strided, kernels_for, pack_bits, pack_nibbles, packed_bytes, unpack_bits, unpack_nibbles,
};

/// Asserts that `f` panics on every instruction set, and that the message says `says`.
#[track_caller]
fn panics<T: std::fmt::Debug>(says: &str, f: impl Fn(&'static kernels::Kernels) -> T) {
    for simd in kernels::available() {
        let k = kernels_for(simd).expect("available");
        let panic = catch_unwind(AssertUnwindSafe(|| f(k))).expect_err("no panic");
        let message = panic.downcast_ref::<String>().expect("a message");
        assert!(message.contains(says), "{message}");
    }
}

#[test]
fn pairs_of_different_lengths() {
    let says = "lengths differ: 3 and 2";
    panics(says, |k| k.dot_f32(&[0.0; 3], &[0.0; 2]));
    panics(says, |k| k.l2_f32(&[0.0; 3], &[0.0; 2]));
    panics(says, |k| k.dot_f16(&[0.0; 3], &[0; 2]));
    panics(says, |k| k.l2_f16(&[0.0; 3], &[0; 2]));
    panics(says, |k| k.dot_i8(&[0.0; 3], &[0; 2]));
    panics(says, |k| k.l2_i8(&[0.0; 3], &[0; 2], 1.0));
    panics(says, |k| k.exact_dot_f32(&[0.0; 3], &[0.0; 2]));
    panics(says, |k| k.exact_l2_f32(&[0.0; 3], &[0.0; 2]));
    panics(says, |k| k.exact_dot_f16(&[0.0; 3], &[0; 2]));
    panics(says, |k| k.exact_l2_f16(&[0.0; 3], &[0; 2]));
    panics(says, |k| k.exact_dot_i8(&[0.0; 3], &[0; 2]));
    panics(says, |k| k.exact_l2_i8(&[0.0; 3], &[0; 2], 1.0));
    panics(says, |k| k.exact_dot_u8(&[0.0; 3], &[0; 2]));
    panics(says, |k| k.exact_l2_u8(&[0.0; 3], &[0; 2]));
    panics(says, |k| k.dot_u8_i8(&[0; 3], &[0; 2]));
    panics(says, |k| k.hamming(&[0; 3], &[0; 2]));
    panics(says, |k| k.and_popcount(&[0; 3], &[0; 2]));
    panics("lengths differ: 511 and 512", |k| k.adc(&[0.0; 511], &[0; 2]));
}

/// Calls every operation over many rows of 16 bytes, of which it reads 8.
fn every_many(k: &kernels::Kernels, which: usize, rows: Strided, ids: Option<&[u32]>, start: usize, out: usize) {
    let (mut f, mut i, mut u) = (vec![0.0; out], vec![0; out], vec![0; out]);
    let (q, lut) = (&[0.0; 8][..], &[0.0; 8 * 256][..]);
    match (which, ids) {
        (0, Some(ids)) => k.gather_dot_f32(&q[..2], rows, ids, &mut f),
        (0, None) => k.scan_dot_f32(&q[..2], rows, start, &mut f),
        (1, Some(ids)) => k.gather_l2_f32(&q[..2], rows, ids, &mut f),
        (1, None) => k.scan_l2_f32(&q[..2], rows, start, &mut f),
        (2, Some(ids)) => k.gather_dot_f16(&q[..4], rows, ids, &mut f),
        (2, None) => k.scan_dot_f16(&q[..4], rows, start, &mut f),
        (3, Some(ids)) => k.gather_l2_f16(&q[..4], rows, ids, &mut f),
        (3, None) => k.scan_l2_f16(&q[..4], rows, start, &mut f),
        (4, Some(ids)) => k.gather_dot_i8(q, rows, ids, &mut f),
        (4, None) => k.scan_dot_i8(q, rows, start, &mut f),
        (5, Some(ids)) => k.gather_l2_i8(&q[..4], rows, ids, &mut f, 4),
        (5, None) => k.scan_l2_i8(&q[..4], rows, start, &mut f, 4),
        (6, Some(ids)) => k.gather_dot_u8_i8(&[1; 8], rows, ids, &mut i),
        (6, None) => k.scan_dot_u8_i8(&[1; 8], rows, start, &mut i),
        (7, Some(ids)) => k.gather_adc(lut, 8, rows, ids, &mut f),
        (7, None) => k.scan_adc(lut, 8, rows, start, &mut f),
        (8, Some(ids)) => k.gather_dot_packed_i8(&[1; 16], 4, rows, ids, &mut i),
        (8, None) => k.scan_dot_packed_i8(&[1; 16], 4, rows, start, &mut i),
        (_, Some(ids)) => k.gather_and_popcount4(&[1; 32], 8, rows, ids, &mut u),
        (_, None) => k.scan_and_popcount4(&[1; 32], 8, rows, start, &mut u),
    }
}

#[test]
fn rows_that_do_not_exist() {
    let bytes = [0; 80];
    for which in 0..10 {
        let rows = Strided::new(&bytes, 16, 5);
        for simd in kernels::available() {
            let k = kernels_for(simd).expect("available");
            every_many(k, which, rows, Some(&[0, 4, 4]), 0, 3);
            every_many(k, which, rows, None, 2, 3);
            every_many(k, which, rows, None, 5, 0);
        }
        panics("not below 5", |k| every_many(k, which, rows, Some(&[0, 5]), 0, 2));
        panics("not below 5", |k| every_many(k, which, rows, Some(&[u32::MAX, 0, 1, 2, 3]), 0, 5));
        panics("lengths differ: 2 and 3", |k| every_many(k, which, rows, Some(&[0, 1]), 0, 3));
        panics("lengths differ: 2 and 1", |k| every_many(k, which, rows, Some(&[0, 1]), 0, 1));
        panics("3 rows from 3 on, of 5", |k| every_many(k, which, rows, None, 3, 3));
        panics("rows from", |k| every_many(k, which, rows, None, usize::MAX, 2));
        let narrow = Strided::new(&bytes, 7, 5);
        panics("8 bytes to read in rows of 7", |k| every_many(k, which, narrow, Some(&[0]), 0, 1));
        panics("8 bytes to read in rows of 7", |k| every_many(k, which, narrow, None, 0, 1));
    }
}

#[test]
fn packed_values_of_wrong_lengths() {
    panics("lengths differ: 3 and 2", |k| k.dot_packed_i8(&[0; 3], &[0; 4], 4));
    panics("lengths differ: 1 and 2", |_| pack_bits(&[0; 3], 4, &mut [0]));
    panics("lengths differ: 2 and 3", |_| unpack_bits(&[0; 2], 7, &mut [0]));
    let rows = Strided::new(&[0; 80], 16, 5);
    for bits in [0, 8, u32::MAX] {
        let says = "values of";
        panics(says, |_| packed_bytes(1, bits));
        panics(says, |_| pack_bits(&[0], bits, &mut [0]));
        panics(says, |_| unpack_bits(&[0], bits, &mut [0]));
        panics(says, |k| k.dot_packed_i8(&[0], &[0], bits));
        panics(says, |k| k.gather_dot_packed_i8(&[0], bits, rows, &[0], &mut [0]));
        panics(says, |k| k.scan_dot_packed_i8(&[0], bits, rows, 0, &mut [0]));
    }
}

#[test]
fn queries_of_wrong_lengths() {
    let rows = Strided::new(&[0; 80], 16, 5);
    panics("lengths differ", |k| k.gather_adc(&[0.0; 512], 3, rows, &[0], &mut [0.0]));
    panics("lengths differ", |k| k.scan_adc(&[0.0; 0], 1 << 56, rows, 0, &mut [0.0]));
    panics("lengths differ", |k| k.gather_and_popcount4(&[0; 7], 2, rows, &[0], &mut [0]));
    panics("lengths differ", |k| k.scan_and_popcount4(&[0; 0], 1 << 62, rows, 0, &mut [0]));
    panics("bytes to read", |k| k.gather_l2_i8(&[0.0; 4], rows, &[0], &mut [0.0], 13));
    panics("bytes to read", |k| k.scan_l2_i8(&[0.0; 4], rows, 0, &mut [0.0], usize::MAX));
    panics("centroid values", |k| k.table_l2(&[0.0; 2], &[0.0; 5], 3, &mut [0.0; 3]));
    panics("centroid values", |k| k.table_dot(&[0.0; 2], &[0.0; 0], 1 << 63, &mut []));
    panics("lengths differ", |k| k.table_dot(&[0.0; 2], &[0.0; 6], 3, &mut [0.0; 2]));
}

/// Scans `blocks` bytes of blocks of 64, with so many estimates, marks and factors.
fn scan_nibbles(k: &kernels::Kernels, blocks: usize, estimates: usize, marks: usize, factors: Factors) {
    let mut tables = NibbleTables::default();
    k.fit_tables(&[0.0; 32], &mut tables);
    let (mut estimates, mut marks) = (vec![0.0; estimates], vec![0; marks]);
    let found = Near { bound: 0.0, estimates: &mut estimates, marks: &mut marks };
    k.scan_nibbles(&tables, &vec![0; blocks], 0.0, factors, found);
}

#[test]
fn half_bytes_of_wrong_lengths() {
    for values in [0, 15, 17] {
        panics("values in tables of 16", |k| k.fit_tables(&vec![0.0; values], &mut NibbleTables::default()));
    }
    panics("517 sub-spaces, of 516", |k| k.fit_tables(&vec![0.0; 16 * 517], &mut NibbleTables::default()));
    for simd in kernels::available() {
        let k = kernels_for(simd).expect("available");
        let (add, bits) = (&[0.0; 64][..], &[0; 64][..]);
        for factors in [Factors::None, Factors::Add(add), Factors::MulAdd { mul: bits, add: bits }] {
            scan_nibbles(k, 128, 64, 2, factors);
        }
        scan_nibbles(k, 0, 0, 0, Factors::None);
    }
    panics("65 bytes in 2 blocks of 64", |k| scan_nibbles(k, 65, 64, 2, Factors::None));
    panics("lengths differ: 63 and 64", |k| scan_nibbles(k, 128, 63, 2, Factors::None));
    panics("128 bytes in 3 blocks of 64", |k| scan_nibbles(k, 128, 64, 3, Factors::None));
    panics("128 bytes in 1 blocks of 64", |k| scan_nibbles(k, 128, 64, 1, Factors::None));
    panics("lengths differ: 63 and 64", |k| scan_nibbles(k, 128, 64, 2, Factors::Add(&[0.0; 63])));
    let (short, long) = (&[0; 63][..], &[0; 64][..]);
    panics("lengths differ: 63 and 64", |k| scan_nibbles(k, 128, 64, 2, Factors::MulAdd { mul: short, add: long }));
    panics("lengths differ: 63 and 64", |k| scan_nibbles(k, 128, 64, 2, Factors::MulAdd { mul: long, add: short }));
    panics("0 bytes in 0 blocks of 0", |k| {
        let found = Near { bound: 0.0, estimates: &mut [], marks: &mut [] };
        k.scan_nibbles(&NibbleTables::default(), &[], 0.0, Factors::None, found);
    });
    panics("5 codes in rows of 2", |_| pack_nibbles(&[0; 5], 2, &mut []));
    panics("0 codes in rows of 0", |_| pack_nibbles(&[], 0, &mut []));
    panics("lengths differ: 63 and 64", |_| pack_nibbles(&[0; 32], 1, &mut [0; 63]));
    panics("out of bounds", |_| unpack_nibbles(&[0; 64], 32, &mut [0]));
}

#[test]
#[should_panic]
fn limits_of_another_length() {
    kernels::kernels().drop_above(&mut [0.0; 3], &[0.0; 4]);
}

#[test]
#[should_panic(expected = "the smallest of no numbers")]
fn argmin_of_nothing() {
    kernels::kernels().argmin(&[]);
}

#[test]
fn strided_checks_its_shape() {
    panics("do not fit in 9 bytes", |_| Strided::new(&[0; 9], 5, 2).len());
    panics("do not fit", |_| Strided::new(&[0; 9], usize::MAX, 2).len());
    panics("row 1 of 1", |_| Strided::new(&[0; 9], 5, 1).row(1).len());
    let rows = Strided::new(&[1, 2, 3, 4, 5, 6, 7], 3, 2);
    assert_eq!((rows.row(1), rows.len(), rows.stride(), rows.is_empty()), (&[4, 5, 6][..], 2, 3, false));
    assert!(Strided::new(&[], 3, 0).is_empty());
}
