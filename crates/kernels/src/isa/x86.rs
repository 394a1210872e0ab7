//! Sums of 256- and 128-bit registers, which both x86 sets end with.

use std::arch::x86_64::*;

/// The sum of eight lanes: halves, then pairs, then the last two.
#[inline]
#[target_feature(enable = "avx2")]
pub(super) fn sum_ps(v: __m256) -> f32 {
    let v = _mm_add_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps::<1>(v));
    let v = _mm_add_ps(v, _mm_movehl_ps(v, v));
    _mm_cvtss_f32(_mm_add_ss(v, _mm_movehdup_ps(v)))
}

/// The smallest of eight lanes.
#[inline]
#[target_feature(enable = "avx2")]
pub(super) fn min_ps(v: __m256) -> f32 {
    let v = _mm_min_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps::<1>(v));
    let v = _mm_min_ps(v, _mm_movehl_ps(v, v));
    _mm_cvtss_f32(_mm_min_ss(v, _mm_movehdup_ps(v)))
}

/// The sum of four f64 lanes.
#[inline]
#[target_feature(enable = "avx2")]
pub(super) fn sum_pd(v: __m256d) -> f64 {
    let v = _mm_add_pd(_mm256_castpd256_pd128(v), _mm256_extractf128_pd::<1>(v));
    _mm_cvtsd_f64(_mm_add_sd(v, _mm_unpackhi_pd(v, v)))
}

/// The sum of eight i32 lanes.
#[inline]
#[target_feature(enable = "avx2")]
pub(super) fn sum_epi32(v: __m256i) -> i32 {
    let v = _mm_add_epi32(_mm256_castsi256_si128(v), _mm256_extracti128_si256::<1>(v));
    let v = _mm_add_epi32(v, _mm_shuffle_epi32::<0b00_00_11_10>(v));
    _mm_cvtsi128_si32(_mm_add_epi32(v, _mm_shuffle_epi32::<0b00_00_00_01>(v)))
}

/// The sum of four u64 lanes.
#[inline]
#[target_feature(enable = "avx2")]
pub(super) fn sum_epi64(v: __m256i) -> u64 {
    let v = _mm_add_epi64(_mm256_castsi256_si128(v), _mm256_extracti128_si256::<1>(v));
    _mm_cvtsi128_si64(_mm_add_epi64(v, _mm_unpackhi_epi64(v, v))).cast_unsigned()
}
