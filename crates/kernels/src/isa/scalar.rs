//! Portable Rust: the reference of the other sets, and what runs where there is none of them.
//!
//! Registers are small arrays, which compilers turn into the baseline vectors of the target.

use super::{Bits, ByteDot, Floats, Isa, Nibbles};
use crate::{Kernels, Simd, entry};

/// Proves nothing: there is nothing to prove.
#[derive(Clone, Copy)]
pub(crate) struct Scalar;

const LANES: usize = 8;
type F = [f32; LANES];
type D = [f64; LANES / 2];

impl Isa for Scalar {
    #[inline(always)]
    unsafe fn new() -> Self {
        Scalar
    }
}

#[inline(always)]
fn zip<T: Copy, const N: usize>(a: [T; N], b: [T; N], f: impl Fn(T, T) -> T) -> [T; N] {
    std::array::from_fn(|i| f(a[i], b[i]))
}

/// The first `n` elements at `p`, mapped; zeros after them.
///
/// # Safety
/// `n` elements must be readable at `p`.
#[inline(always)]
unsafe fn first<T: Copy>(p: *const T, n: usize, f: impl Fn(T) -> f32) -> F {
    let mut v = [0.0; LANES];
    for (i, v) in v.iter_mut().enumerate().take(n) {
        // SAFETY: i < n, of which the caller answers for.
        *v = f(unsafe { p.add(i).read_unaligned() });
    }
    v
}

#[inline(always)]
fn half(bits: u16) -> f32 {
    half::f16::from_bits(bits).to_f32()
}

impl Floats for Scalar {
    type F = F;
    type D = D;
    const LANES: usize = LANES;

    #[inline(always)]
    unsafe fn load_f32(self, p: *const f32) -> F {
        // SAFETY: the caller answers for LANES elements; the read asks for no alignment.
        unsafe { p.cast::<F>().read_unaligned() }
    }
    #[inline(always)]
    unsafe fn load_f16(self, p: *const u16) -> F {
        // SAFETY: the caller answers for LANES elements.
        unsafe { first(p, LANES, half) }
    }
    #[inline(always)]
    unsafe fn load_i8(self, p: *const i8) -> F {
        // SAFETY: the caller answers for LANES elements.
        unsafe { first(p, LANES, f32::from) }
    }
    #[inline(always)]
    unsafe fn load_u8(self, p: *const u8) -> F {
        // SAFETY: the caller answers for LANES elements.
        unsafe { first(p, LANES, f32::from) }
    }
    #[inline(always)]
    unsafe fn load_u16(self, p: *const u16) -> F {
        // SAFETY: the caller answers for LANES elements.
        unsafe { first(p, LANES, f32::from) }
    }
    #[inline(always)]
    unsafe fn load_bf16(self, p: *const u16) -> F {
        // SAFETY: the caller answers for LANES elements.
        unsafe { first(p, LANES, |bits| f32::from_bits(u32::from(bits) << 16)) }
    }
    #[inline(always)]
    unsafe fn first_f32(self, p: *const f32, n: usize) -> F {
        // SAFETY: the caller answers for n elements.
        unsafe { first(p, n, |v| v) }
    }
    #[inline(always)]
    unsafe fn first_f16(self, p: *const u16, n: usize) -> F {
        // SAFETY: the caller answers for n elements.
        unsafe { first(p, n, half) }
    }
    #[inline(always)]
    unsafe fn first_i8(self, p: *const i8, n: usize) -> F {
        // SAFETY: the caller answers for n elements.
        unsafe { first(p, n, f32::from) }
    }
    #[inline(always)]
    unsafe fn first_u8(self, p: *const u8, n: usize) -> F {
        // SAFETY: the caller answers for n elements.
        unsafe { first(p, n, f32::from) }
    }
    #[inline(always)]
    unsafe fn store(self, p: *mut f32, v: F) {
        // SAFETY: the caller answers for LANES elements; the write asks for no alignment.
        unsafe { p.cast::<F>().write_unaligned(v) }
    }
    #[inline(always)]
    unsafe fn store_first(self, p: *mut f32, n: usize, v: F) {
        for (i, v) in v.into_iter().enumerate().take(n) {
            // SAFETY: i < n, of which the caller answers for.
            unsafe { p.add(i).write_unaligned(v) }
        }
    }

    #[inline(always)]
    fn splat(self, v: f32) -> F {
        [v; LANES]
    }
    #[inline(always)]
    fn add(self, a: F, b: F) -> F {
        zip(a, b, |a, b| a + b)
    }
    #[inline(always)]
    fn sub(self, a: F, b: F) -> F {
        zip(a, b, |a, b| a - b)
    }
    #[inline(always)]
    fn mul(self, a: F, b: F) -> F {
        zip(a, b, |a, b| a * b)
    }
    #[inline(always)]
    fn mul_add(self, a: F, b: F, c: F) -> F {
        // Rounded twice: without the instruction a fused one is a function call.
        self.add(self.mul(a, b), c)
    }
    #[inline(always)]
    fn sum(self, v: F) -> f32 {
        ((v[0] + v[4]) + (v[2] + v[6])) + ((v[1] + v[5]) + (v[3] + v[7]))
    }
    #[inline(always)]
    fn min(self, x: F, least: F) -> F {
        zip(x, least, |x, least| if x < least { x } else { least })
    }
    #[inline(always)]
    fn min_lane(self, v: F) -> f32 {
        v.into_iter().fold(f32::INFINITY, f32::min)
    }
    #[inline(always)]
    fn equal(self, a: F, b: F) -> u32 {
        (0..LANES).fold(0, |bits, i| bits | u32::from(a[i] == b[i]) << i)
    }
    #[inline(always)]
    fn not_above(self, a: F, b: F) -> u32 {
        (0..LANES).fold((1 << LANES) - 1, |bits, i| bits ^ u32::from(a[i] > b[i]) << i)
    }

    #[inline(always)]
    fn widen(self, v: F) -> (D, D) {
        (std::array::from_fn(|i| f64::from(v[i])), std::array::from_fn(|i| f64::from(v[i + LANES / 2])))
    }
    #[inline(always)]
    fn splat_d(self, v: f64) -> D {
        [v; LANES / 2]
    }
    #[inline(always)]
    fn add_d(self, a: D, b: D) -> D {
        zip(a, b, |a, b| a + b)
    }
    #[inline(always)]
    fn sub_d(self, a: D, b: D) -> D {
        zip(a, b, |a, b| a - b)
    }
    #[inline(always)]
    fn mul_d(self, a: D, b: D) -> D {
        zip(a, b, |a, b| a * b)
    }
    #[inline(always)]
    fn mul_add_d(self, a: D, b: D, c: D) -> D {
        self.add_d(self.mul_d(a, b), c)
    }
    #[inline(always)]
    fn sum_d(self, v: D) -> f64 {
        (v[0] + v[2]) + (v[1] + v[3])
    }
}

impl ByteDot for Scalar {
    type Acc = i32;
    const STEP: usize = 8;
    type Lines = [i32; 16];
    const BLOCKS: usize = 1;

    #[inline(always)]
    fn zero_acc(self) -> i32 {
        0
    }
    #[inline(always)]
    unsafe fn step(self, acc: i32, x: *const u8, q: *const i8) -> i32 {
        // SAFETY: the caller answers for STEP bytes.
        unsafe { self.step_first(acc, x, q, Self::STEP) }
    }
    #[inline(always)]
    unsafe fn step_first(self, acc: i32, x: *const u8, q: *const i8, n: usize) -> i32 {
        // SAFETY: the same contract.
        unsafe { self.step_first_bits(acc, x, q, n, 0, u8::MAX) }
    }
    #[inline(always)]
    unsafe fn step_bits(self, acc: i32, x: *const u8, q: *const i8, shift: u32, mask: u8) -> i32 {
        // SAFETY: the caller answers for STEP bytes.
        unsafe { self.step_first_bits(acc, x, q, Self::STEP, shift, mask) }
    }
    #[inline(always)]
    unsafe fn step_first_bits(self, acc: i32, x: *const u8, q: *const i8, n: usize, shift: u32, mask: u8) -> i32 {
        let mut acc = acc;
        for i in 0..n {
            // SAFETY: i < n, of which the caller answers for.
            let (x, q) = unsafe { (*x.add(i), *q.add(i)) };
            acc = acc.wrapping_add(i32::from(x >> shift & mask) * i32::from(q));
        }
        acc
    }
    #[inline(always)]
    fn add_acc(self, a: i32, b: i32) -> i32 {
        a.wrapping_add(b)
    }
    #[inline(always)]
    fn sum_acc(self, acc: i32) -> i32 {
        acc
    }
    #[inline(always)]
    fn zero_lines(self) -> [i32; 16] {
        [0; 16]
    }
    #[inline(always)]
    unsafe fn add_line(self, sums: [i32; 16], four: u32, line: *const i8) -> [i32; 16] {
        // SAFETY: the caller answers for 64 bytes.
        let line = unsafe { line.cast::<[[i8; 4]; 16]>().read() };
        let four = four.to_le_bytes().map(i32::from);
        std::array::from_fn(|i| (0..4).fold(sums[i], |sum, j| sum.wrapping_add(four[j] * i32::from(line[i][j]))))
    }
    #[inline(always)]
    unsafe fn store_lines(self, sums: [i32; 16], p: *mut i32) {
        // SAFETY: the caller answers for 16 elements; the write asks for no alignment.
        unsafe { p.cast::<[i32; 16]>().write_unaligned(sums) }
    }
}

impl Bits for Scalar {
    type V = u64;
    type Count = u32;
    const WIDTH: usize = 8;

    #[inline(always)]
    unsafe fn load(self, p: *const u8) -> u64 {
        // SAFETY: the caller answers for WIDTH bytes; the read asks for no alignment.
        unsafe { p.cast::<u64>().read_unaligned() }
    }
    #[inline(always)]
    unsafe fn first(self, p: *const u8, n: usize) -> u64 {
        // SAFETY: the same contract.
        unsafe { super::first8(p, n) }
    }
    #[inline(always)]
    fn and(self, a: u64, b: u64) -> u64 {
        a & b
    }
    #[inline(always)]
    fn xor(self, a: u64, b: u64) -> u64 {
        a ^ b
    }
    #[inline(always)]
    fn zero_count(self) -> u32 {
        0
    }
    #[inline(always)]
    fn count(self, acc: u32, v: u64) -> u32 {
        acc.wrapping_add(v.count_ones())
    }
    #[inline(always)]
    fn count4(self, acc: u32, v: [u64; 4]) -> u32 {
        let ones = v.map(u64::count_ones);
        acc.wrapping_add(ones[0] + 2 * ones[1] + 4 * ones[2] + 8 * ones[3])
    }
    #[inline(always)]
    fn sum_count(self, acc: u32) -> u32 {
        acc
    }
}

impl Nibbles for Scalar {
    type Sums = [u16; 32];

    #[inline(always)]
    fn zero_sums(self) -> [u16; 32] {
        [0; 32]
    }
    #[inline(always)]
    unsafe fn look_up(self, mut sums: [u16; 32], codes: *const u8, tables: *const u8) -> [u16; 32] {
        for at in 0..64 {
            // SAFETY: at < 64, and so is a table's start and a half byte; the caller answers for 64 bytes of each.
            let (low, high) = unsafe {
                let (code, table) = (*codes.add(at), tables.add(at & !15));
                (*table.add(usize::from(code & 15)), *table.add(usize::from(code >> 4)))
            };
            sums[at & 15] = sums[at & 15].wrapping_add(u16::from(low));
            sums[16 + (at & 15)] = sums[16 + (at & 15)].wrapping_add(u16::from(high));
        }
        sums
    }
    #[inline(always)]
    unsafe fn store_sums(self, sums: [u16; 32], p: *mut u16) {
        // SAFETY: the caller answers for 32 elements; the write asks for no alignment.
        unsafe { p.cast::<[u16; 32]>().write_unaligned(sums) }
    }
}

/// The kernels of this set.
pub(crate) fn kernels() -> &'static Kernels {
    static KERNELS: Kernels = Kernels {
        simd: Simd::Scalar,
        floats: entry::floats!(Scalar, inline),
        bytes: entry::bytes!(Scalar, inline),
        bits: entry::bits!(Scalar, inline),
        nibbles: entry::nibbles!(Scalar, inline),
        lookup: entry::LOOKUP,
    };
    &KERNELS
}
