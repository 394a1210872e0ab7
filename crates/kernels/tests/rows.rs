//! Many rows: bit for bit what the pairs give, whichever rows are picked and wherever they lie.

mod common;

use common::{Random, sets};
use kernels::{Kernels, Strided, packed_bytes};

const DIMS: [usize; 18] = [0, 1, 2, 3, 7, 8, 15, 16, 17, 31, 33, 63, 64, 65, 100, 112, 129, 260];
const ROWS: usize = 83;

/// Rows of `bytes` that matter and some that do not, at an odd address.
struct Data {
    buffer: Vec<u8>,
    stride: usize,
    lead: usize,
}

impl Data {
    fn new(random: &mut Random, bytes: usize) -> Data {
        let (stride, lead) = (bytes + random.below(9), random.below(5));
        Data { buffer: random.bytes(lead + stride * ROWS), stride, lead }
    }

    fn rows(&self) -> Strided<'_> {
        Strided::new(&self.buffer[self.lead..], self.stride, ROWS)
    }
}

/// Gathers and scans of several lengths must be `one` of each row.
fn check<T: Copy + Default + PartialEq + std::fmt::Debug>(
    what: &str,
    random: &mut Random,
    data: &Data,
    one: impl Fn(&[u8]) -> T,
    gather: impl Fn(Strided, &[u32], &mut [T]),
    scan: impl Fn(Strided, usize, &mut [T]),
) {
    let rows = data.rows();
    for count in [0, 1, 2, 3, 4, 5, 8, 31, 32, 33, 37, 70] {
        let ids: Vec<u32> = (0..count).map(|_| random.below(ROWS) as u32).collect();
        let mut out = vec![T::default(); count];
        gather(rows, &ids, &mut out);
        let expected: Vec<T> = ids.iter().map(|&id| one(rows.row(id as usize))).collect();
        assert_eq!(out, expected, "gather {what}");

        let start = random.below(ROWS - count + 1);
        scan(rows, start, &mut out);
        let expected: Vec<T> = (start..start + count).map(|i| one(rows.row(i))).collect();
        assert_eq!(out, expected, "scan {what}");
    }
}

fn read<T, const N: usize>(row: &[u8], n: usize, value: impl Fn([u8; N]) -> T) -> Vec<T> {
    row.as_chunks::<N>().0[..n].iter().map(|&bytes| value(bytes)).collect()
}

/// Of the random bits that are read as floats, only those in a range where sums stay finite.
fn tame(data: &mut Data, width: usize, n: usize) {
    for i in 0..ROWS {
        let row = &mut data.buffer[data.lead + i * data.stride..][..n * width];
        for value in row.chunks_exact_mut(width) {
            value[width - 1] = if width == 4 { 0x3e } else { 0x38 } | value[width - 1] & 0x81;
        }
    }
}

/// Floats are compared by their bits.
macro_rules! floats {
    ($k:expr, $random:expr, $data:expr, $q:expr, $pair:ident, $gather:ident, $scan:ident, $read:expr) => {{
        let (k, q): (&Kernels, &[f32]) = ($k, $q);
        let what = format!("{} of {} on {}", stringify!($pair), q.len(), k.simd());
        let bits = |out: &mut [u32], floats: Vec<f32>| out.iter_mut().zip(floats).for_each(|(o, f)| *o = f.to_bits());
        check(
            &what,
            $random,
            $data,
            |row| k.$pair(q, &$read(row)).to_bits(),
            |rows, ids, out| {
                let mut floats = vec![f32::NAN; out.len()];
                k.$gather(q, rows, ids, &mut floats);
                bits(out, floats);
            },
            |rows, start, out| {
                let mut floats = vec![f32::NAN; out.len()];
                k.$scan(q, rows, start, &mut floats);
                bits(out, floats);
            },
        );
    }};
}

#[test]
fn floats_equal_pairs() {
    let mut random = Random(21);
    let random = &mut random;
    for n in DIMS {
        let q = &random.floats(n);
        let mut wide = Data::new(random, 4 * n);
        tame(&mut wide, 4, n);
        let mut half = Data::new(random, 2 * n);
        tame(&mut half, 2, n);
        let narrow = Data::new(random, n);
        let f32s = |row: &[u8]| read(row, n, f32::from_le_bytes);
        let f16s = |row: &[u8]| read(row, n, u16::from_le_bytes);
        let i8s = |row: &[u8]| read(row, n, |[byte]| byte as i8);
        for k in sets() {
            floats!(k, random, &wide, q, dot_f32, gather_dot_f32, scan_dot_f32, f32s);
            floats!(k, random, &wide, q, l2_f32, gather_l2_f32, scan_l2_f32, f32s);
            floats!(k, random, &half, q, dot_f16, gather_dot_f16, scan_dot_f16, f16s);
            floats!(k, random, &half, q, l2_f16, gather_l2_f16, scan_l2_f16, f16s);
            floats!(k, random, &narrow, q, dot_i8, gather_dot_i8, scan_dot_i8, i8s);
        }
    }
}

/// The scale before, inside or after the row's values, at any address.
#[test]
fn scales_are_read_from_the_row() {
    let mut random = Random(22);
    for n in DIMS {
        for at in [n, n + 3, n / 2, 0] {
            let q = random.floats(n);
            let mut data = Data::new(&mut random, n.max(at + 4));
            for i in 0..ROWS {
                let scale = (random.f32() * 0.1).to_le_bytes();
                data.buffer[data.lead + i * data.stride + at..][..4].copy_from_slice(&scale);
            }
            for k in sets() {
                check(
                    &format!("l2_i8 of {n} on {}", k.simd()),
                    &mut random,
                    &data,
                    |row| {
                        let scale = f32::from_le_bytes(row[at..at + 4].try_into().expect("four bytes"));
                        k.l2_i8(&q, &read(row, n, |[byte]| byte as i8), scale)
                    },
                    |rows, ids, out| k.gather_l2_i8(&q, rows, ids, out, at),
                    |rows, start, out| k.scan_l2_i8(&q, rows, start, out, at),
                );
            }
        }
    }
}

#[test]
fn integers_equal_pairs() {
    let mut random = Random(23);
    for n in DIMS {
        let (q, planes) = (random.signed(n), random.bytes(4 * n));
        let data = Data::new(&mut random, n);
        for k in sets() {
            check(
                &format!("dot_u8_i8 of {n} on {}", k.simd()),
                &mut random,
                &data,
                |row| k.dot_u8_i8(&row[..n], &q),
                |rows, ids, out| k.gather_dot_u8_i8(&q, rows, ids, out),
                |rows, start, out| k.scan_dot_u8_i8(&q, rows, start, out),
            );
            check(
                &format!("and_popcount4 of {n} on {}", k.simd()),
                &mut random,
                &data,
                |row| (0..4).map(|b| k.and_popcount(&planes[b * n..][..n], &row[..n]) << b).sum(),
                |rows, ids, out| k.gather_and_popcount4(&planes, n, rows, ids, out),
                |rows, start, out| k.scan_and_popcount4(&planes, n, rows, start, out),
            );
        }
    }
}

#[test]
fn packed_values_equal_pairs() {
    let mut random = Random(25);
    for (n, bits) in DIMS.into_iter().flat_map(|n| (1..8).map(move |bits| (n, bits))) {
        let (q, bytes) = (random.signed(n), packed_bytes(n, bits));
        let data = Data::new(&mut random, bytes);
        for k in sets() {
            check(
                &format!("dot_packed_i8 of {n} of {bits} bits on {}", k.simd()),
                &mut random,
                &data,
                |row| k.dot_packed_i8(&row[..bytes], &q, bits),
                |rows, ids, out| k.gather_dot_packed_i8(&q, bits, rows, ids, out),
                |rows, start, out| k.scan_dot_packed_i8(&q, bits, rows, start, out),
            );
        }
    }
}

#[test]
fn lookups_equal_pairs_and_the_plain_sum() {
    let mut random = Random(24);
    for m in DIMS {
        let lut = random.floats(m * 256);
        let data = Data::new(&mut random, m);
        for k in sets() {
            let what = format!("adc of {m} on {}", k.simd());
            check(
                &what,
                &mut random,
                &data,
                |row| {
                    let got = k.adc(&lut, &row[..m]);
                    let terms = row[..m].iter().enumerate();
                    common::Sum::of(terms.map(|(m, &code)| f64::from(lut[m * 256 + usize::from(code)]))).assert_f32(got, &what);
                    got
                },
                |rows, ids, out| k.gather_adc(&lut, m, rows, ids, out),
                |rows, start, out| k.scan_adc(&lut, m, rows, start, out),
            );
        }
    }
}
