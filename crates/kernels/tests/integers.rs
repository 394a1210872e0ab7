//! Integer operations of every instruction set: exactly equal to plain loops.

mod common;

use common::{LONGEST, Random, sets};
use kernels::{ByteMatrix, Strided, pack_bits, packed_bytes, unpack_bits};

fn dot(x: &[u8], q: &[i8]) -> i32 {
    x.iter().zip(q).map(|(&x, &q)| i32::from(x) * i32::from(q)).sum()
}

fn ones(a: &[u8], b: &[u8], join: impl Fn(u8, u8) -> u8) -> u32 {
    a.iter().zip(b).map(|(&a, &b)| join(a, b).count_ones()).sum()
}

#[test]
fn every_length_at_odd_starts() {
    let mut random = Random(11);
    for n in 0..=LONGEST {
        let (i, j) = (random.below(67), random.below(67));
        let (a, b, q) = (random.bytes(n + i), random.bytes(n + j), random.signed(n + j));
        let (a, b, q) = (&a[i..], &b[j..], &q[j..]);
        for k in sets() {
            assert_eq!(k.dot_u8_i8(a, q), dot(a, q), "dot_u8_i8 of {n} on {}", k.simd());
            assert_eq!(k.hamming(a, b), ones(a, b, |a, b| a ^ b), "hamming of {n} on {}", k.simd());
            assert_eq!(k.and_popcount(a, b), ones(a, b, |a, b| a & b), "and_popcount of {n} on {}", k.simd());
        }
    }
}

/// The largest products: sums of pairs leave 16 bits, where a saturating instruction would show.
#[test]
fn nothing_saturates() {
    for k in sets() {
        for n in (0..=LONGEST).step_by(7).chain([65_536]) {
            for (x, q) in [(255, -128), (255, 127), (128, -128), (1, -1)] {
                let expected = i32::from(x) * i32::from(q) * n as i32;
                assert_eq!(k.dot_u8_i8(&vec![x; n], &vec![q; n]), expected, "{x} * {q}, {n} on {}", k.simd());
            }
            assert_eq!(k.hamming(&vec![255; n], &vec![0; n]), 8 * n as u32, "{n} on {}", k.simd());
            assert_eq!(k.and_popcount(&vec![255; n], &vec![255; n]), 8 * n as u32, "{n} on {}", k.simd());
        }
    }
}

#[test]
fn planes_weigh_by_their_place() {
    let mut random = Random(12);
    for len in (0..=if cfg!(miri) { 20 } else { 300 }).chain([512, 1023]) {
        for full in [false, true] {
            let planes = if full { vec![255; 4 * len] } else { random.bytes(4 * len) };
            let code = if full { vec![255; len] } else { random.bytes(len) };
            let expected: u32 = (0..4).map(|b| ones(&planes[b * len..][..len], &code, |a, b| a & b) << b).sum();
            for k in sets() {
                let mut out = [0];
                k.gather_and_popcount4(&planes, len, Strided::new(&code, len, 1), &[0], &mut out);
                assert_eq!(out, [expected], "{len} on {}", k.simd());
            }
        }
    }
}

/// Where the format says that the lowest `width` bits above `below` of value `i` of `n` lie.
fn in_piece(piece: &[u8], n: usize, width: usize, i: usize) -> u8 {
    let bytes = (n * width).div_ceil(8);
    piece[i % bytes] >> (width * (i / bytes)) & ((1 << width) - 1)
}

#[test]
fn packed_values_lie_where_the_format_says_and_multiply_as_bytes_do() {
    let mut random = Random(14);
    for n in (0..=if cfg!(miri) { 40 } else { 150 }).chain([512, 1023]) {
        for bits in 1..8 {
            let values: Vec<u8> = random.bytes(n).iter().map(|value| value & ((1 << bits) - 1)).collect();
            let mut packed = vec![0xAA; packed_bytes(n, bits)];
            pack_bits(&values, bits, &mut packed);
            let (mut level, mut rest) = (vec![0; n], &packed[..]);
            for width in [4, 2, 1].into_iter().filter(|width| bits as usize & width != 0) {
                let piece;
                (piece, rest) = rest.split_at((n * width).div_ceil(8));
                level.iter_mut().enumerate().for_each(|(i, level)| *level = *level << width | in_piece(piece, n, width, i));
            }
            assert!(level == values && rest.is_empty(), "{n} values of {bits} bits");
            let mut unpacked = vec![0xAA; n];
            unpack_bits(&packed, bits, &mut unpacked);
            assert_eq!(unpacked, values, "{n} values of {bits} bits");
            // what lies in no value's place does not matter
            let any = random.bytes(packed.len());
            unpack_bits(&any, bits, &mut unpacked);
            let start = random.below(9);
            let q = random.signed(start + n);
            let odd = [random.bytes(start), any.clone()].concat();
            for k in sets() {
                assert_eq!(
                    k.dot_packed_i8(&packed, &q[start..], bits),
                    dot(&values, &q[start..]),
                    "{n} of {bits} on {}",
                    k.simd()
                );
                let got = k.dot_packed_i8(&odd[start..], &q[start..], bits);
                assert_eq!(got, dot(&unpacked, &q[start..]), "{n} of {bits} on {}", k.simd());
            }
        }
    }
}

#[test]
fn packed_values_do_not_saturate() {
    for (n, bits) in [64, 1000, 130_560].into_iter().flat_map(|n| (1..8).map(move |bits| (n, bits))) {
        for k in sets() {
            for q in [-128, 127] {
                let expected = ((1 << bits) - 1) * i32::from(q) * n as i32;
                assert_eq!(
                    k.dot_packed_i8(&vec![255; packed_bytes(n, bits)], &vec![q; n], bits),
                    expected,
                    "{bits} {q} {}",
                    k.simd()
                );
            }
        }
    }
}

#[test]
fn a_matrix_multiplies_as_its_rows_do() {
    let mut random = Random(13);
    let sizes = [(1, 1), (1, 16), (3, 17), (4, 31), (5, 32), (47, 48), (64, 112), (130, 129), (784, 224), (33, 300)];
    for (values, rows) in if cfg!(miri) { &sizes[..4] } else { &sizes[..] } {
        for full in [false, true] {
            let bytes = if full { vec![-128; rows * values] } else { random.signed(rows * values) };
            let matrix = ByteMatrix::new(&bytes, *values);
            let q = if full { vec![255; matrix.query_len()] } else { random.bytes(matrix.query_len()) };
            let mut expected: Vec<i32> = bytes.chunks_exact(*values).map(|row| dot(&q[..*values], row)).collect();
            expected.resize(matrix.product_len(), 0);
            for k in sets() {
                let mut out = vec![-1; matrix.product_len()];
                k.multiply(&q, &matrix, &mut out);
                assert_eq!(out, expected, "{rows} rows of {values} on {}", k.simd());
            }
        }
    }
}
