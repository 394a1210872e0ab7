//! AVX-512 F, BW, VL and DQ: registers of 512 bits, and masks for what does not fill one. VNNI and VPOPCNTDQ have
//! tokens of their own, since not every CPU of this level has them.

use std::arch::x86_64::*;
use std::sync::OnceLock;

use super::{Bits, ByteDot, Floats, Isa, Nibbles, x86};
use crate::{Kernels, Simd, entry};

/// Proves AVX-512 F, BW, VL and DQ (and AVX2, FMA, F16C, which every such CPU has and detection asks for).
#[derive(Clone, Copy)]
pub(crate) struct Avx512(());

/// Proves VNNI besides.
#[derive(Clone, Copy)]
pub(crate) struct Vnni(Avx512);

/// Proves VPOPCNTDQ besides.
#[derive(Clone, Copy)]
pub(crate) struct Vpopcntdq(Avx512);

macro_rules! isa {
    ($($token:ident = $proof:expr;)*) => {$(
        impl Isa for $token {
            #[inline(always)]
            unsafe fn new() -> Self {
                $token($proof)
            }
        }
    )*};
}

isa! {
    Avx512 = ();
    Vnni = Avx512(());
    Vpopcntdq = Avx512(());
}

/// A mask of the first `n` of 16 lanes.
#[inline(always)]
fn mask16(n: usize) -> __mmask16 {
    debug_assert!(n < 16);
    (1u16 << n) - 1
}

/// A mask of the first `n` of 32 lanes.
#[inline(always)]
fn mask32(n: usize) -> __mmask32 {
    debug_assert!(n < 32);
    (1u32 << n) - 1
}

/// A mask of the first `n` of 64 lanes.
#[inline(always)]
fn mask64(n: usize) -> __mmask64 {
    debug_assert!(n < 64);
    (1u64 << n) - 1
}

/// The upper eight of sixteen f32.
#[inline]
#[target_feature(enable = "avx512f,avx512dq")]
fn upper_ps(v: __m512) -> __m256 {
    _mm512_extractf32x8_ps::<1>(v)
}

impl Floats for Avx512 {
    type F = __m512;
    type D = __m512d;
    const LANES: usize = 16;

    by_token_at! {
        fn load_f32(self, p: *const f32) -> __m512 = _mm512_loadu_ps(p);
        fn load_f16(self, p: *const u16) -> __m512 = _mm512_cvtph_ps(_mm256_loadu_si256(p.cast()));
        fn load_i8(self, p: *const i8) -> __m512 = _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm_loadu_si128(p.cast())));
        fn load_u8(self, p: *const u8) -> __m512 = _mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(_mm_loadu_si128(p.cast())));
        fn load_u16(self, p: *const u16) -> __m512 =
            _mm512_cvtepi32_ps(_mm512_cvtepu16_epi32(_mm256_loadu_si256(p.cast())));
        fn load_bf16(self, p: *const u16) -> __m512 =
            _mm512_castsi512_ps(_mm512_slli_epi32::<16>(_mm512_cvtepu16_epi32(_mm256_loadu_si256(p.cast()))));
        fn first_f32(self, p: *const f32, n: usize) -> __m512 = _mm512_maskz_loadu_ps(mask16(n), p);
        fn first_f16(self, p: *const u16, n: usize) -> __m512 =
            _mm512_cvtph_ps(_mm256_maskz_loadu_epi16(mask16(n), p.cast()));
        fn first_i8(self, p: *const i8, n: usize) -> __m512 =
            _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm_maskz_loadu_epi8(mask16(n), p)));
        fn first_u8(self, p: *const u8, n: usize) -> __m512 =
            _mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(_mm_maskz_loadu_epi8(mask16(n), p.cast())));
        fn store(self, p: *mut f32, v: __m512) = _mm512_storeu_ps(p, v);
        fn store_first(self, p: *mut f32, n: usize, v: __m512) = _mm512_mask_storeu_ps(p, mask16(n), v);
        fn pick(self, marks: u8, distances: *const f32, rows: *const u32, to: *mut u64) -> usize = {
            let (rows, bits) = (_mm256_loadu_si256(rows.cast()), _mm256_loadu_si256(distances.cast()));
            let kept = _mm256_mask_cmpneq_epi32_mask(marks, rows, _mm256_set1_epi32(-1));
            let turned = _mm256_or_si256(_mm256_srai_epi32::<31>(bits), _mm256_set1_epi32(i32::MIN));
            let not_a_number = _mm256_cmp_ps_mask::<_CMP_UNORD_Q>(_mm256_castsi256_ps(bits), _mm256_castsi256_ps(bits));
            let ordered = _mm256_mask_set1_epi32(_mm256_xor_si256(bits, turned), not_a_number, -1);
            let keys = _mm512_or_si512(_mm512_slli_epi64::<32>(_mm512_cvtepu32_epi64(ordered)), _mm512_cvtepu32_epi64(rows));
            // Pressed together in a register: on a Zen 4 the form that does so in memory takes a hundred cycles and more.
            _mm512_storeu_si512(to.cast(), _mm512_maskz_compress_epi64(kept, keys));
            kept.count_ones() as usize
        };
    }
    by_token! {
        fn splat(self, v: f32) -> __m512 = _mm512_set1_ps(v);
        fn add(self, a: __m512, b: __m512) -> __m512 = _mm512_add_ps(a, b);
        fn sub(self, a: __m512, b: __m512) -> __m512 = _mm512_sub_ps(a, b);
        fn mul(self, a: __m512, b: __m512) -> __m512 = _mm512_mul_ps(a, b);
        fn mul_add(self, a: __m512, b: __m512, c: __m512) -> __m512 = _mm512_fmadd_ps(a, b, c);
        fn sum(self, v: __m512) -> f32 = x86::sum_ps(_mm256_add_ps(_mm512_castps512_ps256(v), upper_ps(v)));
        // The instruction gives its second operand where one is NaN.
        fn min(self, x: __m512, least: __m512) -> __m512 = _mm512_min_ps(x, least);
        fn min_lane(self, v: __m512) -> f32 = x86::min_ps(_mm256_min_ps(_mm512_castps512_ps256(v), upper_ps(v)));
        fn equal(self, a: __m512, b: __m512) -> u32 = u32::from(_mm512_cmp_ps_mask::<_CMP_EQ_OQ>(a, b));
        fn not_above(self, a: __m512, b: __m512) -> u32 = u32::from(_mm512_cmp_ps_mask::<_CMP_NGT_UQ>(a, b));
        fn widen(self, v: __m512) -> (__m512d, __m512d) =
            (_mm512_cvtps_pd(_mm512_castps512_ps256(v)), _mm512_cvtps_pd(upper_ps(v)));
        fn splat_d(self, v: f64) -> __m512d = _mm512_set1_pd(v);
        fn add_d(self, a: __m512d, b: __m512d) -> __m512d = _mm512_add_pd(a, b);
        fn sub_d(self, a: __m512d, b: __m512d) -> __m512d = _mm512_sub_pd(a, b);
        fn mul_d(self, a: __m512d, b: __m512d) -> __m512d = _mm512_mul_pd(a, b);
        fn mul_add_d(self, a: __m512d, b: __m512d, c: __m512d) -> __m512d = _mm512_fmadd_pd(a, b, c);
        fn sum_d(self, v: __m512d) -> f64 =
            x86::sum_pd(_mm256_add_pd(_mm512_castpd512_pd256(v), _mm512_extractf64x4_pd::<1>(v)));
    }
}

/// The sum of sixteen i32 lanes.
#[inline]
#[target_feature(enable = "avx512f")]
fn sum_epi32(v: __m512i) -> i32 {
    x86::sum_epi32(_mm256_add_epi32(_mm512_castsi512_si256(v), _mm512_extracti64x4_epi64::<1>(v)))
}

/// `acc` and the products of 32 pairs. Widened first: maddubs would saturate its pairs at 2^15.
#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
fn madd(acc: __m512i, x: __m256i, q: __m256i) -> __m512i {
    _mm512_add_epi32(acc, _mm512_madd_epi16(_mm512_cvtepu8_epi16(x), _mm512_cvtepi8_epi16(q)))
}

/// The sums of the pairs of lanes, those of `a` first.
#[inline]
#[target_feature(enable = "avx512f")]
fn pair_sums(a: __m512i, b: __m512i) -> __m512i {
    let even = _mm512_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30);
    let odd = _mm512_setr_epi32(1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23, 25, 27, 29, 31);
    _mm512_add_epi32(_mm512_permutex2var_epi32(a, even, b), _mm512_permutex2var_epi32(a, odd, b))
}

/// What `mask` leaves of every byte, shifted down. What a shift of 16 bits brings in from the byte above is masked out.
#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
fn bits_of(x: __m512i, shift: u32, mask: u8) -> __m512i {
    _mm512_and_si512(_mm512_srl_epi16(x, _mm_cvtsi32_si128(shift as i32)), _mm512_set1_epi8(mask as i8))
}

/// The same of half as many bytes.
#[inline]
#[target_feature(enable = "avx2")]
fn half_bits_of(x: __m256i, shift: u32, mask: u8) -> __m256i {
    _mm256_and_si256(_mm256_srl_epi16(x, _mm_cvtsi32_si128(shift as i32)), _mm256_set1_epi8(mask as i8))
}

impl ByteDot for Avx512 {
    type Acc = __m512i;
    const STEP: usize = 32;
    /// Two lanes a sum.
    type Lines = [__m512i; 2];
    const BLOCKS: usize = 8;

    by_token_at! {
        fn step(self, acc: __m512i, x: *const u8, q: *const i8) -> __m512i =
            madd(acc, _mm256_loadu_si256(x.cast()), _mm256_loadu_si256(q.cast()));
        fn step_first(self, acc: __m512i, x: *const u8, q: *const i8, n: usize) -> __m512i =
            madd(acc, _mm256_maskz_loadu_epi8(mask32(n), x.cast()), _mm256_maskz_loadu_epi8(mask32(n), q));
        fn step_bits(self, acc: __m512i, x: *const u8, q: *const i8, shift: u32, mask: u8) -> __m512i =
            madd(acc, half_bits_of(_mm256_loadu_si256(x.cast()), shift, mask), _mm256_loadu_si256(q.cast()));
        fn step_first_bits(self, acc: __m512i, x: *const u8, q: *const i8, n: usize, shift: u32, mask: u8) -> __m512i = {
            let x = _mm256_maskz_loadu_epi8(mask32(n), x.cast());
            madd(acc, half_bits_of(x, shift, mask), _mm256_maskz_loadu_epi8(mask32(n), q))
        };
        fn add_line(self, sums: Self::Lines, four: u32, line: *const i8) -> Self::Lines = {
            let four = _mm256_set1_epi32(four.cast_signed());
            let (low, high) = (_mm256_load_si256(line.cast()), _mm256_load_si256(line.add(32).cast()));
            [madd(sums[0], four, low), madd(sums[1], four, high)]
        };
        fn store_lines(self, sums: Self::Lines, p: *mut i32) = _mm512_storeu_si512(p.cast(), pair_sums(sums[0], sums[1]));
    }
    by_token! {
        fn zero_lines(self) -> Self::Lines = [_mm512_setzero_si512(); 2];
        fn zero_acc(self) -> __m512i = _mm512_setzero_si512();
        fn add_acc(self, a: __m512i, b: __m512i) -> __m512i = _mm512_add_epi32(a, b);
        fn sum_acc(self, acc: __m512i) -> i32 = sum_epi32(acc);
    }
}

impl ByteDot for Vnni {
    type Acc = __m512i;
    const STEP: usize = 64;
    type Lines = __m512i;
    const BLOCKS: usize = 16;

    by_token_at! {
        // dpbusd widens its four products before it adds them: exact, unlike dpbusds and maddubs.
        fn step(self, acc: __m512i, x: *const u8, q: *const i8) -> __m512i =
            _mm512_dpbusd_epi32(acc, _mm512_loadu_si512(x.cast()), _mm512_loadu_si512(q.cast()));
        fn step_first(self, acc: __m512i, x: *const u8, q: *const i8, n: usize) -> __m512i =
            _mm512_dpbusd_epi32(acc, _mm512_maskz_loadu_epi8(mask64(n), x.cast()), _mm512_maskz_loadu_epi8(mask64(n), q));
        fn step_bits(self, acc: __m512i, x: *const u8, q: *const i8, shift: u32, mask: u8) -> __m512i =
            _mm512_dpbusd_epi32(acc, bits_of(_mm512_loadu_si512(x.cast()), shift, mask), _mm512_loadu_si512(q.cast()));
        fn step_first_bits(self, acc: __m512i, x: *const u8, q: *const i8, n: usize, shift: u32, mask: u8) -> __m512i = {
            let x = bits_of(_mm512_maskz_loadu_epi8(mask64(n), x.cast()), shift, mask);
            _mm512_dpbusd_epi32(acc, x, _mm512_maskz_loadu_epi8(mask64(n), q))
        };
        fn add_line(self, sums: __m512i, four: u32, line: *const i8) -> __m512i =
            _mm512_dpbusd_epi32(sums, _mm512_set1_epi32(four.cast_signed()), _mm512_load_si512(line.cast()));
        fn store_lines(self, sums: __m512i, p: *mut i32) = _mm512_storeu_si512(p.cast(), sums);
    }
    by_token! {
        fn zero_lines(self) -> __m512i = _mm512_setzero_si512();
        fn zero_acc(self) -> __m512i = _mm512_setzero_si512();
        fn add_acc(self, a: __m512i, b: __m512i) -> __m512i = _mm512_add_epi32(a, b);
        fn sum_acc(self, acc: __m512i) -> i32 = sum_epi32(acc);
    }
}

/// Ones of each byte, times `1 << SHIFT`: a look-up per half byte (Muła, Kurz, Lemire 2018).
#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
fn ones<const SHIFT: u32>(v: __m512i) -> __m512i {
    let nibble = _mm512_set1_epi8(15);
    let table = _mm512_broadcast_i32x4(_mm_setr_epi8(0, 1, 1, 2, 1, 2, 2, 3, 1, 2, 2, 3, 2, 3, 3, 4));
    let table = _mm512_slli_epi16::<SHIFT>(table);
    let low = _mm512_shuffle_epi8(table, _mm512_and_si512(v, nibble));
    let high = _mm512_shuffle_epi8(table, _mm512_and_si512(_mm512_srli_epi16::<4>(v), nibble));
    _mm512_add_epi8(low, high)
}

/// The sum of eight u64 lanes, modulo 2^32 as on every set.
#[inline]
#[target_feature(enable = "avx512f")]
fn sum_epi64(v: __m512i) -> u32 {
    x86::sum_epi64(_mm256_add_epi64(_mm512_castsi512_si256(v), _mm512_extracti64x4_epi64::<1>(v))) as u32
}

impl Bits for Avx512 {
    type V = __m512i;
    /// Eight u64.
    type Count = __m512i;
    const WIDTH: usize = 64;

    by_token_at! {
        fn load(self, p: *const u8) -> __m512i = _mm512_loadu_si512(p.cast());
        fn first(self, p: *const u8, n: usize) -> __m512i = _mm512_maskz_loadu_epi8(mask64(n), p.cast());
    }
    by_token! {
        fn and(self, a: __m512i, b: __m512i) -> __m512i = _mm512_and_si512(a, b);
        fn xor(self, a: __m512i, b: __m512i) -> __m512i = _mm512_xor_si512(a, b);
        fn zero_count(self) -> __m512i = _mm512_setzero_si512();
        fn count(self, acc: __m512i, v: __m512i) -> __m512i =
            _mm512_add_epi64(acc, _mm512_sad_epu8(ones::<0>(v), _mm512_setzero_si512()));
        // A byte's weighted count is at most 8 * (1 + 2 + 4 + 8) = 120, so that one sum of bytes serves all planes.
        fn count4(self, acc: __m512i, v: [__m512i; 4]) -> __m512i = {
            let low = _mm512_add_epi8(ones::<0>(v[0]), ones::<1>(v[1]));
            let high = _mm512_add_epi8(ones::<2>(v[2]), ones::<3>(v[3]));
            _mm512_add_epi64(acc, _mm512_sad_epu8(_mm512_add_epi8(low, high), _mm512_setzero_si512()))
        };
        fn sum_count(self, acc: __m512i) -> u32 = sum_epi64(acc);
    }
}

impl Bits for Vpopcntdq {
    type V = __m512i;
    /// Eight u64.
    type Count = __m512i;
    const WIDTH: usize = 64;

    by_token_at! {
        fn load(self, p: *const u8) -> __m512i = self.0.load(p);
        fn first(self, p: *const u8, n: usize) -> __m512i = self.0.first(p, n);
    }
    by_token! {
        fn and(self, a: __m512i, b: __m512i) -> __m512i = _mm512_and_si512(a, b);
        fn xor(self, a: __m512i, b: __m512i) -> __m512i = _mm512_xor_si512(a, b);
        fn zero_count(self) -> __m512i = _mm512_setzero_si512();
        fn count(self, acc: __m512i, v: __m512i) -> __m512i = _mm512_add_epi64(acc, _mm512_popcnt_epi64(v));
        fn count4(self, acc: __m512i, v: [__m512i; 4]) -> __m512i = {
            let low = _mm512_add_epi64(_mm512_popcnt_epi64(v[0]), _mm512_slli_epi64::<1>(_mm512_popcnt_epi64(v[1])));
            let high = _mm512_add_epi64(_mm512_popcnt_epi64(v[2]), _mm512_slli_epi64::<1>(_mm512_popcnt_epi64(v[3])));
            _mm512_add_epi64(acc, _mm512_add_epi64(low, _mm512_slli_epi64::<2>(high)))
        };
        fn sum_count(self, acc: __m512i) -> u32 = sum_epi64(acc);
    }
}

/// Adds the even and the odd bytes of `v` to sums of 16 bits. The first still holds the odd ones, 2^8 times: see `rows32`.
#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
fn add_bytes(sums: [__m512i; 2], v: __m512i) -> [__m512i; 2] {
    [_mm512_add_epi16(sums[0], v), _mm512_add_epi16(sums[1], _mm512_srli_epi16::<8>(v))]
}

/// What of `sums` belongs to the even bytes.
#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
fn even_bytes(sums: [__m512i; 2]) -> __m512i {
    _mm512_sub_epi16(sums[0], _mm512_slli_epi16::<8>(sums[1]))
}

/// Lanes 0 and 2, and lanes 1 and 3, of both registers, added.
#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
fn add_lanes(a: __m512i, b: __m512i) -> __m512i {
    let (low, high) = (_mm512_shuffle_i64x2::<0b01_00_01_00>(a, b), _mm512_shuffle_i64x2::<0b11_10_11_10>(a, b));
    _mm512_add_epi16(low, high)
}

/// The sums of all lanes, in the order of the bytes: those of `low` first.
#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
fn rows32(low: [__m512i; 2], high: [__m512i; 2]) -> __m512i {
    // Two lanes each of the even and the odd bytes.
    let (low, high) = (add_lanes(even_bytes(low), low[1]), add_lanes(even_bytes(high), high[1]));
    // Lanes: even and odd of low, even and odd of high.
    let sums =
        _mm512_add_epi16(_mm512_shuffle_i64x2::<0b10_00_10_00>(low, high), _mm512_shuffle_i64x2::<0b11_01_11_01>(low, high));
    let (even, odd) = (_mm512_shuffle_i64x2::<0b10_10_00_00>(sums, sums), _mm512_shuffle_i64x2::<0b11_11_01_01>(sums, sums));
    // Each lane pair holds the same sums twice: the first half of one and the second half of the other are wanted.
    _mm512_mask_blend_epi64(0b1100_1100, _mm512_unpacklo_epi16(even, odd), _mm512_unpackhi_epi16(even, odd))
}

/// What four tables give for both half bytes of their codes.
///
/// # Safety
/// 64 bytes must be readable at `codes` and at `tables`, at any alignment.
#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
unsafe fn look_up_all(codes: *const u8, tables: *const u8) -> [__m512i; 2] {
    // SAFETY: the caller answers for 64 bytes of each.
    let (codes, tables) = unsafe { (_mm512_loadu_si512(codes.cast()), _mm512_loadu_si512(tables.cast())) };
    let nibble = _mm512_set1_epi8(15);
    let low = _mm512_shuffle_epi8(tables, _mm512_and_si512(codes, nibble));
    let high = _mm512_shuffle_epi8(tables, _mm512_and_si512(_mm512_srli_epi16::<4>(codes), nibble));
    [low, high]
}

impl Nibbles for Avx512 {
    /// Of the low half bytes, then of the high ones.
    type Sums = [[__m512i; 2]; 2];

    by_token_at! {
        fn look_up(self, sums: Self::Sums, codes: *const u8, tables: *const u8) -> Self::Sums = {
            let found = look_up_all(codes, tables);
            [add_bytes(sums[0], found[0]), add_bytes(sums[1], found[1])]
        };
        fn look_up_two(self, sums: Self::Sums, codes: *const u8, tables: *const u8) -> Self::Sums = {
            let (a, b) = (look_up_all(codes, tables), look_up_all(codes.add(64), tables.add(64)));
            // Two entries fit in a byte.
            [add_bytes(sums[0], _mm512_add_epi8(a[0], b[0])), add_bytes(sums[1], _mm512_add_epi8(a[1], b[1]))]
        };
        fn store_sums(self, sums: Self::Sums, p: *mut u16) = _mm512_storeu_si512(p.cast(), rows32(sums[0], sums[1]));
    }
    by_token! {
        fn zero_sums(self) -> Self::Sums = [[_mm512_setzero_si512(); 2]; 2];
    }
}

/// Whether the CPU (and the system) has what [`Avx512`] proves.
fn detected() -> bool {
    !cfg!(miri)
        && super::avx2::kernels().is_some()
        && is_x86_feature_detected!("avx512f")
        && is_x86_feature_detected!("avx512bw")
        && is_x86_feature_detected!("avx512vl")
        && is_x86_feature_detected!("avx512dq")
}

/// The kernels without the extensions that not every CPU of this level has; `None` where the CPU lacks the level.
pub(crate) fn plain() -> Option<Kernels> {
    detected().then_some(Kernels {
        simd: Simd::Avx512,
        floats: entry::floats!(Avx512, target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq,avx2,fma,f16c,popcnt")),
        bytes: entry::bytes!(Avx512, target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq,avx2,fma,f16c,popcnt")),
        lookup: entry::LOOKUP,
        bits: entry::bits!(Avx512, target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq,avx2,fma,f16c,popcnt")),
        nibbles: entry::nibbles!(Avx512, target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq,avx2,fma,f16c,popcnt")),
    })
}

/// The kernels of this set with the extensions that the CPU has; `None` where the CPU lacks the set.
pub(crate) fn kernels() -> Option<&'static Kernels> {
    static KERNELS: OnceLock<Option<Kernels>> = OnceLock::new();
    KERNELS
        .get_or_init(|| {
            let mut kernels = plain()?;
            if is_x86_feature_detected!("avx512vnni") {
                kernels.bytes = entry::bytes!(
                    Vnni,
                    target_feature(enable = "avx512vnni,avx512f,avx512bw,avx512vl,avx512dq,avx2,fma,f16c,popcnt")
                );
            }
            if is_x86_feature_detected!("avx512vpopcntdq") {
                kernels.bits = entry::bits!(
                    Vpopcntdq,
                    target_feature(enable = "avx512vpopcntdq,avx512f,avx512bw,avx512vl,avx512dq,avx2,fma,f16c,popcnt")
                );
            }
            Some(kernels)
        })
        .as_ref()
}
