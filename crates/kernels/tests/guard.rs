//! Nothing is read or written beside the slices: they end where a page that cannot be touched begins, and begin where
//! one ends. A load past a slice kills the process.
#![cfg(all(target_os = "linux", not(miri)))]

mod common;

use common::sets;
use kernels::{Factors, Near, NibbleTables, Strided, block_bytes, packed_bytes};

const PAGE: usize = 1 << 16; // a multiple of every page size in use

unsafe extern "C" {
    fn mmap(addr: *mut u8, len: usize, prot: i32, flags: i32, fd: i32, offset: i64) -> *mut u8;
    fn munmap(addr: *mut u8, len: usize) -> i32;
    fn mprotect(addr: *mut u8, len: usize, prot: i32) -> i32;
}

/// One readable and writable page between two that are neither.
struct Guarded(*mut u8);

impl Guarded {
    fn new() -> Guarded {
        // SAFETY: a new private anonymous mapping (PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS) touches no memory in use.
        let base = unsafe { mmap(std::ptr::null_mut(), 3 * PAGE, 0, 0x22, -1, 0) };
        assert!(base.addr() != usize::MAX, "mmap failed");
        // SAFETY: the middle of the mapping just made (PROT_READ | PROT_WRITE).
        assert_eq!(unsafe { mprotect(base.add(PAGE), PAGE, 3) }, 0);
        Guarded(base)
    }

    /// `n` elements at the end of the page, or at its start. All bits zero is a `T` in all uses here.
    fn slice<T: Copy>(&mut self, n: usize, at_end: bool) -> &mut [T] {
        let bytes = n * size_of::<T>();
        assert!(bytes <= PAGE);
        let start = if at_end { 2 * PAGE - bytes } else { PAGE };
        // SAFETY: in the page, which is zeroed at first, aligned since its ends are and the size is whole elements;
        // &mut self keeps slices of one page apart.
        unsafe { std::slice::from_raw_parts_mut(self.0.add(start).cast(), n) }
    }
}

impl Drop for Guarded {
    fn drop(&mut self) {
        // SAFETY: the mapping made in new(), of which no slice is left.
        unsafe { munmap(self.0, 3 * PAGE) };
    }
}

#[test]
fn nothing_beside_the_slices_is_touched() {
    let (mut a, mut b, mut c) = (Guarded::new(), Guarded::new(), Guarded::new());
    for n in 0..=200 {
        for at_end in [true, false] {
            for k in sets() {
                let q: &[f32] = a.slice(n, at_end);
                let mut total = f64::from(k.dot_f32(q, b.slice(n, at_end)) + k.l2_f32(q, b.slice(n, at_end)));
                total += f64::from(k.dot_f16(q, b.slice(n, at_end)) + k.l2_f16(q, b.slice(n, at_end)));
                total += f64::from(k.dot_i8(q, b.slice(n, at_end)) + k.l2_i8(q, b.slice(n, at_end), 1.0));
                total += k.exact_dot_f32(q, b.slice(n, at_end)) + k.exact_l2_f32(q, b.slice(n, at_end));
                total += k.exact_dot_f16(q, b.slice(n, at_end)) + k.exact_l2_f16(q, b.slice(n, at_end));
                total += k.exact_dot_i8(q, b.slice(n, at_end)) + k.exact_l2_i8(q, b.slice(n, at_end), 1.0);
                total += k.exact_dot_u8(q, b.slice(n, at_end)) + k.exact_l2_u8(q, b.slice(n, at_end));
                if n > 0 {
                    total += k.argmin(q) as f64;
                    total += f64::from(k.drop_above(&mut q.to_vec(), b.slice(n, at_end)));
                }
                assert_eq!(total, 0.0);
                let x: &[u8] = a.slice(n, at_end);
                assert_eq!(k.dot_u8_i8(x, b.slice(n, at_end)), 0);
                for bits in 1..8 {
                    assert_eq!(k.dot_packed_i8(b.slice(packed_bytes(n, bits), at_end), a.slice(n, at_end), bits), 0);
                }
                let x: &[u8] = a.slice(n, at_end);
                assert_eq!(k.hamming(x, b.slice(n, at_end)) + k.and_popcount(x, b.slice(n, at_end)), 0);
                k.table_l2(b.slice(3, at_end), a.slice(3 * n, at_end), n, c.slice(n, at_end));
                k.table_dot(b.slice(3, at_end), a.slice(3 * n, at_end), n, c.slice(n, at_end));
                c.slice::<f32>(n, at_end).fill(0.0);
            }
        }
    }
}

#[test]
fn nothing_beside_the_rows_is_touched() {
    let (mut a, mut b, mut c) = (Guarded::new(), Guarded::new(), Guarded::new());
    for n in 0..=150 {
        for at_end in [true, false] {
            for k in sets() {
                let ids = [2, 0, 1, 2, 2];
                for (width, which) in [(4, 0), (2, 1), (1, 2), (1, 3), (1, 4), (1, 5)] {
                    let bytes: &[u8] = b.slice(3 * n * width, at_end);
                    let rows = Strided::new(bytes, n * width, 3);
                    let q: &[f32] = a.slice(n, at_end);
                    match which {
                        0 => k.gather_l2_f32(q, rows, &ids, c.slice(5, at_end)),
                        1 => k.gather_l2_f16(q, rows, &ids, c.slice(5, at_end)),
                        2 if n >= 4 => k.gather_l2_i8(q, rows, &ids, c.slice(5, at_end), n - 4),
                        3 => k.gather_dot_u8_i8(a.slice(n, at_end), rows, &ids, c.slice(5, at_end)),
                        4 => k.gather_and_popcount4(a.slice(4 * n, at_end), n, rows, &ids, c.slice(5, at_end)),
                        5 if n <= 60 => k.gather_adc(a.slice(256 * n, at_end), n, rows, &ids, c.slice(5, at_end)),
                        _ => {}
                    }
                    assert_eq!(c.slice::<u32>(5, at_end), [0; 5]);
                }
            }
        }
    }
}

#[test]
fn nothing_beside_the_blocks_is_touched() {
    let [mut values, mut codes, mut mul, mut add, mut estimates, mut marks] = std::array::from_fn(|_| Guarded::new());
    for (subspaces, blocks) in (1..=20).chain([100, 516]).flat_map(|subspaces| [0, 1, 2, 3].map(|blocks| (subspaces, blocks))) {
        for at_end in [true, false] {
            for k in sets() {
                let mut tables = NibbleTables::default();
                k.fit_tables(values.slice(16 * subspaces, at_end), &mut tables);
                let bytes: &[u8] = codes.slice(blocks * block_bytes(subspaces), at_end);
                let (mul, add): (&[u16], &[f32]) = (mul.slice(32 * blocks, at_end), add.slice(32 * blocks, at_end));
                for factors in [Factors::None, Factors::Add(add), Factors::MulAdd { mul, add: mul }] {
                    let found =
                        Near { bound: 0.0, estimates: estimates.slice(32 * blocks, at_end), marks: marks.slice(blocks, at_end) };
                    k.scan_nibbles(&tables, bytes, 0.0, factors, found);
                    assert!(estimates.slice::<f32>(32 * blocks, at_end).iter().all(|&estimate| estimate == 0.0));
                    assert!(marks.slice::<u32>(blocks, at_end).iter().all(|&mark| mark == u32::MAX));
                }
                marks.slice::<u32>(blocks, at_end).fill(0);
            }
        }
    }
}
