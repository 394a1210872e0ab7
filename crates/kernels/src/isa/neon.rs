//! Advanced SIMD of 64-bit ARM: registers of 128 bits.
//!
//! The dot-product extension (`sdot`, `usdot`) has no stable intrinsics, so products of bytes are widened.

use std::arch::aarch64::*;
use std::sync::OnceLock;

use super::{Bits, ByteDot, Floats, Isa, Nibbles, first8};
use crate::{Kernels, Simd, entry};

/// Proves Advanced SIMD.
#[derive(Clone, Copy)]
pub(crate) struct Neon(());

impl Isa for Neon {
    #[inline(always)]
    unsafe fn new() -> Self {
        Neon(())
    }
}

/// The first `n` bytes at `p`, zeros after them.
///
/// # Safety
/// `n` bytes must be readable at `p`, at any alignment; `n < 16`.
#[inline]
#[target_feature(enable = "neon")]
unsafe fn first_bytes(p: *const u8, n: usize) -> uint8x16_t {
    // SAFETY: both reads end at n or before; the one of eight asks for no alignment.
    let (low, high) =
        unsafe { if n < 8 { (first8(p, n), 0) } else { (p.cast::<u64>().read_unaligned(), first8(p.add(8), n - 8)) } };
    vcombine_u8(vcreate_u8(low), vcreate_u8(high))
}

/// Four i8, the low bytes of `four`, as f32.
#[inline]
#[target_feature(enable = "neon")]
fn widen_i8(four: u32) -> float32x4_t {
    let wide = vmovl_s8(vreinterpret_s8_u32(vdup_n_u32(four)));
    vcvtq_f32_s32(vmovl_s16(vget_low_s16(wide)))
}

/// Four unsigned bytes as f32.
#[inline]
#[target_feature(enable = "neon")]
fn widen_u8(four: u32) -> float32x4_t {
    let wide = vmovl_u8(vreinterpret_u8_u32(vdup_n_u32(four)));
    vcvtq_f32_u32(vmovl_u16(vget_low_u16(wide)))
}

/// Four halves as f32.
#[inline]
#[target_feature(enable = "neon")]
fn widen_f16(four: u64) -> float32x4_t {
    vcvt_f32_f16(vreinterpret_f16_u64(vcreate_u64(four)))
}

/// Bit `i` is set where lane `i` is all ones.
#[inline]
#[target_feature(enable = "neon")]
fn lane_bits(v: uint32x4_t) -> u32 {
    let weights = vcombine_u32(vcreate_u32(1 | 2 << 32), vcreate_u32(4 | 8 << 32));
    vaddvq_u32(vandq_u32(v, weights))
}

impl Floats for Neon {
    type F = float32x4_t;
    type D = float64x2_t;
    const LANES: usize = 4;

    by_token_at! {
        fn load_f32(self, p: *const f32) -> float32x4_t = vld1q_f32(p);
        fn load_f16(self, p: *const u16) -> float32x4_t = widen_f16(p.cast::<u64>().read_unaligned());
        fn load_i8(self, p: *const i8) -> float32x4_t = widen_i8(p.cast::<u32>().read_unaligned());
        fn load_u8(self, p: *const u8) -> float32x4_t = widen_u8(p.cast::<u32>().read_unaligned());
        fn load_u16(self, p: *const u16) -> float32x4_t = vcvtq_f32_u32(vmovl_u16(vld1_u16(p)));
        fn load_bf16(self, p: *const u16) -> float32x4_t = vreinterpretq_f32_u32(vshll_n_u16::<16>(vld1_u16(p)));
        fn first_f32(self, p: *const f32, n: usize) -> float32x4_t =
            vreinterpretq_f32_u8(first_bytes(p.cast(), 4 * n));
        fn first_f16(self, p: *const u16, n: usize) -> float32x4_t = widen_f16(first8(p.cast(), 2 * n));
        fn first_i8(self, p: *const i8, n: usize) -> float32x4_t = widen_i8(first8(p.cast(), n) as u32);
        fn first_u8(self, p: *const u8, n: usize) -> float32x4_t = widen_u8(first8(p, n) as u32);
        fn store(self, p: *mut f32, v: float32x4_t) = vst1q_f32(p, v);
        fn store_first(self, p: *mut f32, n: usize, v: float32x4_t) = {
            let mut all = [0.0f32; 4];
            vst1q_f32(all.as_mut_ptr(), v);
            for (i, v) in all.into_iter().enumerate().take(n) {
                p.add(i).write_unaligned(v);
            }
        };
    }
    by_token! {
        fn splat(self, v: f32) -> float32x4_t = vdupq_n_f32(v);
        fn add(self, a: float32x4_t, b: float32x4_t) -> float32x4_t = vaddq_f32(a, b);
        fn sub(self, a: float32x4_t, b: float32x4_t) -> float32x4_t = vsubq_f32(a, b);
        fn mul(self, a: float32x4_t, b: float32x4_t) -> float32x4_t = vmulq_f32(a, b);
        fn mul_add(self, a: float32x4_t, b: float32x4_t, c: float32x4_t) -> float32x4_t = vfmaq_f32(c, a, b);
        fn sum(self, v: float32x4_t) -> f32 = vaddvq_f32(v);
        fn min(self, x: float32x4_t, least: float32x4_t) -> float32x4_t = vbslq_f32(vcltq_f32(x, least), x, least);
        fn min_lane(self, v: float32x4_t) -> f32 = vminvq_f32(v);
        fn equal(self, a: float32x4_t, b: float32x4_t) -> u32 = lane_bits(vceqq_f32(a, b));
        fn not_above(self, a: float32x4_t, b: float32x4_t) -> u32 = lane_bits(vmvnq_u32(vcgtq_f32(a, b)));
        fn widen(self, v: float32x4_t) -> (float64x2_t, float64x2_t) =
            (vcvt_f64_f32(vget_low_f32(v)), vcvt_high_f64_f32(v));
        fn splat_d(self, v: f64) -> float64x2_t = vdupq_n_f64(v);
        fn add_d(self, a: float64x2_t, b: float64x2_t) -> float64x2_t = vaddq_f64(a, b);
        fn sub_d(self, a: float64x2_t, b: float64x2_t) -> float64x2_t = vsubq_f64(a, b);
        fn mul_d(self, a: float64x2_t, b: float64x2_t) -> float64x2_t = vmulq_f64(a, b);
        fn mul_add_d(self, a: float64x2_t, b: float64x2_t, c: float64x2_t) -> float64x2_t = vfmaq_f64(c, a, b);
        fn sum_d(self, v: float64x2_t) -> f64 = vaddvq_f64(v);
    }
}

/// `acc` and the products of 16 pairs.
#[inline]
#[target_feature(enable = "neon")]
fn mla(acc: int32x4_t, x: uint8x16_t, q: int8x16_t) -> int32x4_t {
    let (x0, x1) = (vmovl_u8(vget_low_u8(x)), vmovl_high_u8(x));
    let (x0, x1) = (vreinterpretq_s16_u16(x0), vreinterpretq_s16_u16(x1));
    let (q0, q1) = (vmovl_s8(vget_low_s8(q)), vmovl_high_s8(q));
    let acc = vmlal_high_s16(vmlal_s16(acc, vget_low_s16(x0), vget_low_s16(q0)), x0, q0);
    vmlal_high_s16(vmlal_s16(acc, vget_low_s16(x1), vget_low_s16(q1)), x1, q1)
}

/// The sums of the products of four pairs each: lane `i` is that of the bytes `4 * i` to `4 * i + 3`.
#[inline]
#[target_feature(enable = "neon")]
fn fours(x: uint8x16_t, q: int8x16_t) -> int32x4_t {
    let (x0, x1) = (vreinterpretq_s16_u16(vmovl_u8(vget_low_u8(x))), vreinterpretq_s16_u16(vmovl_high_u8(x)));
    let (q0, q1) = (vmovl_s8(vget_low_s8(q)), vmovl_high_s8(q));
    let low = vpaddq_s32(vmull_s16(vget_low_s16(x0), vget_low_s16(q0)), vmull_high_s16(x0, q0));
    let high = vpaddq_s32(vmull_s16(vget_low_s16(x1), vget_low_s16(q1)), vmull_high_s16(x1, q1));
    vpaddq_s32(low, high)
}

/// What `mask` leaves of every byte, shifted down.
#[inline]
#[target_feature(enable = "neon")]
fn bits_of(x: uint8x16_t, shift: u32, mask: u8) -> uint8x16_t {
    vandq_u8(vshlq_u8(x, vdupq_n_s8(-(shift as i8))), vdupq_n_u8(mask))
}

impl ByteDot for Neon {
    type Acc = int32x4_t;
    const STEP: usize = 16;
    type Lines = [int32x4_t; 4];
    const BLOCKS: usize = 4;

    by_token_at! {
        fn step(self, acc: int32x4_t, x: *const u8, q: *const i8) -> int32x4_t = mla(acc, vld1q_u8(x), vld1q_s8(q));
        fn step_first(self, acc: int32x4_t, x: *const u8, q: *const i8, n: usize) -> int32x4_t =
            mla(acc, first_bytes(x, n), vreinterpretq_s8_u8(first_bytes(q.cast(), n)));
        fn step_bits(self, acc: int32x4_t, x: *const u8, q: *const i8, shift: u32, mask: u8) -> int32x4_t =
            mla(acc, bits_of(vld1q_u8(x), shift, mask), vld1q_s8(q));
        fn step_first_bits(self, acc: int32x4_t, x: *const u8, q: *const i8, n: usize, shift: u32, mask: u8) -> int32x4_t =
            mla(acc, bits_of(first_bytes(x, n), shift, mask), vreinterpretq_s8_u8(first_bytes(q.cast(), n)));
        fn add_line(self, sums: Self::Lines, four: u32, line: *const i8) -> Self::Lines = {
            let four = vreinterpretq_u8_u32(vdupq_n_u32(four));
            [
                vaddq_s32(sums[0], fours(four, vld1q_s8(line))),
                vaddq_s32(sums[1], fours(four, vld1q_s8(line.add(16)))),
                vaddq_s32(sums[2], fours(four, vld1q_s8(line.add(32)))),
                vaddq_s32(sums[3], fours(four, vld1q_s8(line.add(48)))),
            ]
        };
        fn store_lines(self, sums: Self::Lines, p: *mut i32) = {
            vst1q_s32(p, sums[0]);
            vst1q_s32(p.add(4), sums[1]);
            vst1q_s32(p.add(8), sums[2]);
            vst1q_s32(p.add(12), sums[3]);
        };
    }
    by_token! {
        fn zero_lines(self) -> Self::Lines = [vdupq_n_s32(0); 4];
        fn zero_acc(self) -> int32x4_t = vdupq_n_s32(0);
        fn add_acc(self, a: int32x4_t, b: int32x4_t) -> int32x4_t = vaddq_s32(a, b);
        fn sum_acc(self, acc: int32x4_t) -> i32 = vaddvq_s32(acc);
    }
}

/// Ones of each byte.
#[inline]
#[target_feature(enable = "neon")]
fn ones(v: uint8x16_t) -> uint8x16_t {
    vcntq_u8(v)
}

impl Bits for Neon {
    type V = uint8x16_t;
    /// Four u32.
    type Count = uint32x4_t;
    const WIDTH: usize = 16;

    by_token_at! {
        fn load(self, p: *const u8) -> uint8x16_t = vld1q_u8(p);
        fn first(self, p: *const u8, n: usize) -> uint8x16_t = first_bytes(p, n);
    }
    by_token! {
        fn and(self, a: uint8x16_t, b: uint8x16_t) -> uint8x16_t = vandq_u8(a, b);
        fn xor(self, a: uint8x16_t, b: uint8x16_t) -> uint8x16_t = veorq_u8(a, b);
        fn zero_count(self) -> uint32x4_t = vdupq_n_u32(0);
        fn count(self, acc: uint32x4_t, v: uint8x16_t) -> uint32x4_t = vpadalq_u16(acc, vpaddlq_u8(ones(v)));
        // A byte's weighted count is at most 8 * (1 + 2 + 4 + 8) = 120, so that one sum of bytes serves all planes.
        fn count4(self, acc: uint32x4_t, v: [uint8x16_t; 4]) -> uint32x4_t = {
            let low = vaddq_u8(ones(v[0]), vshlq_n_u8::<1>(ones(v[1])));
            let high = vaddq_u8(vshlq_n_u8::<2>(ones(v[2])), vshlq_n_u8::<3>(ones(v[3])));
            vpadalq_u16(acc, vpaddlq_u8(vaddq_u8(low, high)))
        };
        fn sum_count(self, acc: uint32x4_t) -> u32 = vaddvq_u32(acc);
    }
}

/// What two tables give for both half bytes of their codes, added: two entries fit in a byte.
///
/// # Safety
/// 32 bytes must be readable at `codes` and at `tables`, at any alignment.
#[inline]
#[target_feature(enable = "neon")]
unsafe fn look_up_half(codes: *const u8, tables: *const u8) -> [uint8x16_t; 2] {
    // SAFETY: the caller answers for 32 bytes of each.
    let (codes, tables) = unsafe { ([vld1q_u8(codes), vld1q_u8(codes.add(16))], [vld1q_u8(tables), vld1q_u8(tables.add(16))]) };
    let nibble = vdupq_n_u8(15);
    let low = vaddq_u8(vqtbl1q_u8(tables[0], vandq_u8(codes[0], nibble)), vqtbl1q_u8(tables[1], vandq_u8(codes[1], nibble)));
    let high = vaddq_u8(vqtbl1q_u8(tables[0], vshrq_n_u8::<4>(codes[0])), vqtbl1q_u8(tables[1], vshrq_n_u8::<4>(codes[1])));
    [low, high]
}

/// Adds bytes to sums of 16 bits.
#[inline]
#[target_feature(enable = "neon")]
fn add_bytes(sums: [uint16x8_t; 4], v: [uint8x16_t; 2]) -> [uint16x8_t; 4] {
    [
        vaddw_u8(sums[0], vget_low_u8(v[0])),
        vaddw_high_u8(sums[1], v[0]),
        vaddw_u8(sums[2], vget_low_u8(v[1])),
        vaddw_high_u8(sums[3], v[1]),
    ]
}

impl Nibbles for Neon {
    type Sums = [uint16x8_t; 4];

    by_token_at! {
        fn look_up(self, sums: Self::Sums, codes: *const u8, tables: *const u8) -> Self::Sums =
            add_bytes(add_bytes(sums, look_up_half(codes, tables)), look_up_half(codes.add(32), tables.add(32)));
        fn store_sums(self, sums: Self::Sums, p: *mut u16) = {
            for (i, sums) in sums.into_iter().enumerate() {
                vst1q_u16(p.add(8 * i), sums);
            }
        };
    }
    by_token! {
        fn zero_sums(self) -> Self::Sums = [vdupq_n_u16(0); 4];
    }
}

/// The kernels of this set; `None` where the CPU lacks it.
pub(crate) fn kernels() -> Option<&'static Kernels> {
    static KERNELS: OnceLock<Option<Kernels>> = OnceLock::new();
    KERNELS
        .get_or_init(|| {
            let there = !cfg!(miri) && std::arch::is_aarch64_feature_detected!("neon");
            there.then_some(Kernels {
                simd: Simd::Neon,
                floats: entry::floats!(Neon, target_feature(enable = "neon")),
                bytes: entry::bytes!(Neon, target_feature(enable = "neon")),
                lookup: entry::LOOKUP,
                bits: entry::bits!(Neon, target_feature(enable = "neon")),
                nibbles: entry::nibbles!(Neon, target_feature(enable = "neon")),
            })
        })
        .as_ref()
}
