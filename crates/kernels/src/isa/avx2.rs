//! AVX2 with FMA, F16C and POPCNT: registers of 256 bits.

use std::arch::x86_64::*;
use std::sync::OnceLock;

use super::{Bits, ByteDot, Floats, Isa, Nibbles, x86};
use crate::{Kernels, Simd, entry};

/// Proves AVX2, FMA, F16C and POPCNT.
#[derive(Clone, Copy)]
pub(crate) struct Avx2(());

impl Isa for Avx2 {
    #[inline(always)]
    unsafe fn new() -> Self {
        Avx2(())
    }
}

/// Eight ones and eight zeros: from `8 - n` on, a mask of the first `n` lanes.
static LANE_MASKS: [i32; 16] = [-1, -1, -1, -1, -1, -1, -1, -1, 0, 0, 0, 0, 0, 0, 0, 0];

/// A mask of the first `n` of eight lanes.
#[inline]
#[target_feature(enable = "avx2")]
fn lane_mask(n: usize) -> __m256i {
    debug_assert!(n <= 8);
    // SAFETY: 8 - n is at most 8, so that eight of the sixteen numbers follow.
    unsafe { _mm256_loadu_si256(LANE_MASKS.as_ptr().add(8 - n.min(8)).cast()) }
}

/// The first `n` bytes at `p`, zeros after them: whole fours by a mask, and what is left of the last four.
///
/// # Safety
/// `n` bytes must be readable at `p`, at any alignment; `n < 32`.
#[inline]
#[target_feature(enable = "avx2")]
unsafe fn first_bytes(p: *const u8, n: usize) -> __m256i {
    let (fours, left) = (n / 4, n % 4);
    // SAFETY: the masked lanes are whole fours of the n bytes; lanes that are masked out are not read.
    let v = unsafe { _mm256_maskload_epi32(p.cast(), lane_mask(fours)) };
    if left == 0 {
        return v;
    }
    // SAFETY: left < 4 bytes follow the fours.
    let left = unsafe { super::first8(p.add(4 * fours), left) } as i32;
    let lane = _mm256_cmpeq_epi32(_mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7), _mm256_set1_epi32(fours as i32));
    _mm256_or_si256(v, _mm256_and_si256(lane, _mm256_set1_epi32(left)))
}

/// The same for `n < 16`.
///
/// # Safety
/// `n` bytes must be readable at `p`, at any alignment; `n < 16`.
#[inline]
#[target_feature(enable = "avx2")]
unsafe fn first_half(p: *const u8, n: usize) -> __m128i {
    // SAFETY: the same contract; the upper half is zero.
    _mm256_castsi256_si128(unsafe { first_bytes(p, n) })
}

impl Floats for Avx2 {
    type F = __m256;
    type D = __m256d;
    const LANES: usize = 8;

    by_token_at! {
        fn load_f32(self, p: *const f32) -> __m256 = _mm256_loadu_ps(p);
        fn load_f16(self, p: *const u16) -> __m256 = _mm256_cvtph_ps(_mm_loadu_si128(p.cast()));
        fn load_i8(self, p: *const i8) -> __m256 = _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_loadl_epi64(p.cast())));
        fn load_u8(self, p: *const u8) -> __m256 = _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(_mm_loadl_epi64(p.cast())));
        fn load_u16(self, p: *const u16) -> __m256 =
            _mm256_cvtepi32_ps(_mm256_cvtepu16_epi32(_mm_loadu_si128(p.cast())));
        fn load_bf16(self, p: *const u16) -> __m256 =
            _mm256_castsi256_ps(_mm256_slli_epi32::<16>(_mm256_cvtepu16_epi32(_mm_loadu_si128(p.cast()))));
        fn first_f32(self, p: *const f32, n: usize) -> __m256 = _mm256_maskload_ps(p, lane_mask(n));
        fn first_f16(self, p: *const u16, n: usize) -> __m256 = _mm256_cvtph_ps(first_half(p.cast(), 2 * n));
        fn first_i8(self, p: *const i8, n: usize) -> __m256 =
            _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(first_half(p.cast(), n)));
        fn first_u8(self, p: *const u8, n: usize) -> __m256 =
            _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(first_half(p, n)));
        fn store(self, p: *mut f32, v: __m256) = _mm256_storeu_ps(p, v);
        fn store_first(self, p: *mut f32, n: usize, v: __m256) = _mm256_maskstore_ps(p, lane_mask(n), v);
    }
    by_token! {
        fn splat(self, v: f32) -> __m256 = _mm256_set1_ps(v);
        fn add(self, a: __m256, b: __m256) -> __m256 = _mm256_add_ps(a, b);
        fn sub(self, a: __m256, b: __m256) -> __m256 = _mm256_sub_ps(a, b);
        fn mul(self, a: __m256, b: __m256) -> __m256 = _mm256_mul_ps(a, b);
        fn mul_add(self, a: __m256, b: __m256, c: __m256) -> __m256 = _mm256_fmadd_ps(a, b, c);
        fn sum(self, v: __m256) -> f32 = x86::sum_ps(v);
        // The instruction gives its second operand where one is NaN.
        fn min(self, x: __m256, least: __m256) -> __m256 = _mm256_min_ps(x, least);
        fn min_lane(self, v: __m256) -> f32 = x86::min_ps(v);
        fn equal(self, a: __m256, b: __m256) -> u32 =
            _mm256_movemask_ps(_mm256_cmp_ps::<_CMP_EQ_OQ>(a, b)).cast_unsigned();
        fn not_above(self, a: __m256, b: __m256) -> u32 =
            _mm256_movemask_ps(_mm256_cmp_ps::<_CMP_NGT_UQ>(a, b)).cast_unsigned();
        fn widen(self, v: __m256) -> (__m256d, __m256d) =
            (_mm256_cvtps_pd(_mm256_castps256_ps128(v)), _mm256_cvtps_pd(_mm256_extractf128_ps::<1>(v)));
        fn splat_d(self, v: f64) -> __m256d = _mm256_set1_pd(v);
        fn add_d(self, a: __m256d, b: __m256d) -> __m256d = _mm256_add_pd(a, b);
        fn sub_d(self, a: __m256d, b: __m256d) -> __m256d = _mm256_sub_pd(a, b);
        fn mul_d(self, a: __m256d, b: __m256d) -> __m256d = _mm256_mul_pd(a, b);
        fn mul_add_d(self, a: __m256d, b: __m256d, c: __m256d) -> __m256d = _mm256_fmadd_pd(a, b, c);
        fn sum_d(self, v: __m256d) -> f64 = x86::sum_pd(v);
    }
}

/// `acc` and the products of 16 pairs. Widened first: maddubs would saturate its pairs at 2^15.
#[inline]
#[target_feature(enable = "avx2")]
fn madd(acc: __m256i, x: __m128i, q: __m128i) -> __m256i {
    _mm256_add_epi32(acc, _mm256_madd_epi16(_mm256_cvtepu8_epi16(x), _mm256_cvtepi8_epi16(q)))
}

/// The sums of the pairs of lanes, those of `a` first.
#[inline]
#[target_feature(enable = "avx2")]
fn pair_sums(a: __m256i, b: __m256i) -> __m256i {
    _mm256_permute4x64_epi64::<0b11_01_10_00>(_mm256_hadd_epi32(a, b))
}

/// What `mask` leaves of every byte, shifted down. What a shift of 16 bits brings in from the byte above is masked out.
#[inline]
#[target_feature(enable = "avx2")]
fn bits_of(x: __m128i, shift: u32, mask: u8) -> __m128i {
    _mm_and_si128(_mm_srl_epi16(x, _mm_cvtsi32_si128(shift as i32)), _mm_set1_epi8(mask as i8))
}

impl ByteDot for Avx2 {
    type Acc = __m256i;
    const STEP: usize = 16;
    /// Two lanes a sum.
    type Lines = [__m256i; 4];
    const BLOCKS: usize = 2;

    by_token_at! {
        fn step(self, acc: __m256i, x: *const u8, q: *const i8) -> __m256i =
            madd(acc, _mm_loadu_si128(x.cast()), _mm_loadu_si128(q.cast()));
        fn step_first(self, acc: __m256i, x: *const u8, q: *const i8, n: usize) -> __m256i =
            madd(acc, first_half(x, n), first_half(q.cast(), n));
        fn step_bits(self, acc: __m256i, x: *const u8, q: *const i8, shift: u32, mask: u8) -> __m256i =
            madd(acc, bits_of(_mm_loadu_si128(x.cast()), shift, mask), _mm_loadu_si128(q.cast()));
        fn step_first_bits(self, acc: __m256i, x: *const u8, q: *const i8, n: usize, shift: u32, mask: u8) -> __m256i =
            madd(acc, bits_of(first_half(x, n), shift, mask), first_half(q.cast(), n));
        fn add_line(self, sums: Self::Lines, four: u32, line: *const i8) -> Self::Lines = {
            let four = _mm_set1_epi32(four.cast_signed());
            [
                madd(sums[0], four, _mm_load_si128(line.cast())),
                madd(sums[1], four, _mm_load_si128(line.add(16).cast())),
                madd(sums[2], four, _mm_load_si128(line.add(32).cast())),
                madd(sums[3], four, _mm_load_si128(line.add(48).cast())),
            ]
        };
        fn store_lines(self, sums: Self::Lines, p: *mut i32) = {
            _mm256_storeu_si256(p.cast(), pair_sums(sums[0], sums[1]));
            _mm256_storeu_si256(p.add(8).cast(), pair_sums(sums[2], sums[3]));
        };
    }
    by_token! {
        fn zero_lines(self) -> Self::Lines = [_mm256_setzero_si256(); 4];
        fn zero_acc(self) -> __m256i = _mm256_setzero_si256();
        fn add_acc(self, a: __m256i, b: __m256i) -> __m256i = _mm256_add_epi32(a, b);
        fn sum_acc(self, acc: __m256i) -> i32 = x86::sum_epi32(acc);
    }
}

/// Ones of each byte, times `1 << SHIFT`: a look-up per half byte (Muła, Kurz, Lemire 2018).
#[inline]
#[target_feature(enable = "avx2")]
fn ones<const SHIFT: u32>(v: __m256i) -> __m256i {
    let nibble = _mm256_set1_epi8(15);
    let table = _mm256_broadcastsi128_si256(_mm_setr_epi8(0, 1, 1, 2, 1, 2, 2, 3, 1, 2, 2, 3, 2, 3, 3, 4));
    let table = match SHIFT {
        0 => table,
        1 => _mm256_slli_epi16::<1>(table),
        2 => _mm256_slli_epi16::<2>(table),
        _ => _mm256_slli_epi16::<3>(table),
    };
    let low = _mm256_shuffle_epi8(table, _mm256_and_si256(v, nibble));
    let high = _mm256_shuffle_epi8(table, _mm256_and_si256(_mm256_srli_epi16::<4>(v), nibble));
    _mm256_add_epi8(low, high)
}

impl Bits for Avx2 {
    type V = __m256i;
    /// Four u64.
    type Count = __m256i;
    const WIDTH: usize = 32;

    by_token_at! {
        fn load(self, p: *const u8) -> __m256i = _mm256_loadu_si256(p.cast());
        fn first(self, p: *const u8, n: usize) -> __m256i = first_bytes(p, n);
    }
    by_token! {
        fn and(self, a: __m256i, b: __m256i) -> __m256i = _mm256_and_si256(a, b);
        fn xor(self, a: __m256i, b: __m256i) -> __m256i = _mm256_xor_si256(a, b);
        fn zero_count(self) -> __m256i = _mm256_setzero_si256();
        fn count(self, acc: __m256i, v: __m256i) -> __m256i =
            _mm256_add_epi64(acc, _mm256_sad_epu8(ones::<0>(v), _mm256_setzero_si256()));
        // A byte's weighted count is at most 8 * (1 + 2 + 4 + 8) = 120, so that one sum of bytes serves all planes.
        fn count4(self, acc: __m256i, v: [__m256i; 4]) -> __m256i = {
            let low = _mm256_add_epi8(ones::<0>(v[0]), ones::<1>(v[1]));
            let high = _mm256_add_epi8(ones::<2>(v[2]), ones::<3>(v[3]));
            _mm256_add_epi64(acc, _mm256_sad_epu8(_mm256_add_epi8(low, high), _mm256_setzero_si256()))
        };
        // Truncated: the counts are modulo 2^32 on every set.
        fn sum_count(self, acc: __m256i) -> u32 = x86::sum_epi64(acc) as u32;
    }
}

/// Adds the even and the odd bytes of `v` to sums of 16 bits. The first still holds the odd ones, 2^8 times: see `rows16`.
#[inline]
#[target_feature(enable = "avx2")]
fn add_bytes(sums: [__m256i; 2], v: __m256i) -> [__m256i; 2] {
    [_mm256_add_epi16(sums[0], v), _mm256_add_epi16(sums[1], _mm256_srli_epi16::<8>(v))]
}

/// The sums of both lanes, in the order of the bytes.
#[inline]
#[target_feature(enable = "avx2")]
fn rows16(sums: [__m256i; 2]) -> __m256i {
    let even = _mm256_sub_epi16(sums[0], _mm256_slli_epi16::<8>(sums[1]));
    let even = _mm_add_epi16(_mm256_castsi256_si128(even), _mm256_extracti128_si256::<1>(even));
    let odd = _mm_add_epi16(_mm256_castsi256_si128(sums[1]), _mm256_extracti128_si256::<1>(sums[1]));
    _mm256_set_m128i(_mm_unpackhi_epi16(even, odd), _mm_unpacklo_epi16(even, odd))
}

/// What two tables give for both half bytes of their codes.
///
/// # Safety
/// 32 bytes must be readable at `codes` and at `tables`, at any alignment.
#[inline]
#[target_feature(enable = "avx2")]
unsafe fn look_up_half(codes: *const u8, tables: *const u8) -> [__m256i; 2] {
    // SAFETY: the caller answers for 32 bytes of each.
    let (codes, tables) = unsafe { (_mm256_loadu_si256(codes.cast()), _mm256_loadu_si256(tables.cast())) };
    let nibble = _mm256_set1_epi8(15);
    let low = _mm256_shuffle_epi8(tables, _mm256_and_si256(codes, nibble));
    let high = _mm256_shuffle_epi8(tables, _mm256_and_si256(_mm256_srli_epi16::<4>(codes), nibble));
    [low, high]
}

impl Nibbles for Avx2 {
    /// Of the low half bytes, then of the high ones.
    type Sums = [[__m256i; 2]; 2];

    by_token_at! {
        fn look_up(self, sums: Self::Sums, codes: *const u8, tables: *const u8) -> Self::Sums = {
            let (a, b) = (look_up_half(codes, tables), look_up_half(codes.add(32), tables.add(32)));
            // Two entries fit in a byte.
            [add_bytes(sums[0], _mm256_add_epi8(a[0], b[0])), add_bytes(sums[1], _mm256_add_epi8(a[1], b[1]))]
        };
        fn store_sums(self, sums: Self::Sums, p: *mut u16) = {
            _mm256_storeu_si256(p.cast(), rows16(sums[0]));
            _mm256_storeu_si256(p.add(16).cast(), rows16(sums[1]));
        };
    }
    by_token! {
        fn zero_sums(self) -> Self::Sums = [[_mm256_setzero_si256(); 2]; 2];
    }
}

/// The kernels of this set; `None` where the CPU lacks it.
pub(crate) fn kernels() -> Option<&'static Kernels> {
    static KERNELS: OnceLock<Option<Kernels>> = OnceLock::new();
    KERNELS
        .get_or_init(|| {
            let there = !cfg!(miri)
                && is_x86_feature_detected!("avx2")
                && is_x86_feature_detected!("fma")
                && is_x86_feature_detected!("f16c")
                && is_x86_feature_detected!("popcnt");
            there.then_some(Kernels {
                simd: Simd::Avx2,
                floats: entry::floats!(Avx2, target_feature(enable = "avx2,fma,f16c,popcnt")),
                bytes: entry::bytes!(Avx2, target_feature(enable = "avx2,fma,f16c,popcnt")),
                lookup: entry::LOOKUP,
                bits: entry::bits!(Avx2, target_feature(enable = "avx2,fma,f16c,popcnt")),
                nibbles: entry::nibbles!(Avx2, target_feature(enable = "avx2,fma,f16c,popcnt")),
            })
        })
        .as_ref()
}
