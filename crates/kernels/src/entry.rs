//! The functions behind [`crate::Kernels`]: the algorithms of `ops` compiled for one instruction set.
//!
//! Every group is a table of function pointers and a macro that fills it for a token and an attribute, which is
//! the `target_feature` that the token stands for. Only through these functions is code of that feature reached.

use crate::Strided;
use crate::ops::matrix::Line;
use crate::ops::nibbles::Scan;
use crate::ops::rows::Pick;

type Pair<X, R> = unsafe fn(&[f32], &[X]) -> R;
type Scaled<R> = unsafe fn(&[f32], &[i8], f32) -> R;
type Marked = unsafe fn(&[u32], &[f32], &[u32], &mut [u64]) -> usize;
type Words = unsafe fn(&[f32], &[f32], f32, usize, &mut [u8]);
type Centred = unsafe fn(&[f32], &[f32], &[f32], &mut [f32]) -> f32;
type Rows<Q, R> = unsafe fn(&[Q], Strided<'_>, Pick<'_>, &mut [R]);

/// Distances of float queries, the loops of k-means, and what plain loops do in the registers of any set.
#[derive(Clone, Copy)]
pub(crate) struct FloatFns {
    pub dot_f32: Pair<f32, f32>,
    pub l2_f32: Pair<f32, f32>,
    pub dot_f16: Pair<u16, f32>,
    pub l2_f16: Pair<u16, f32>,
    pub dot_i8: Pair<i8, f32>,
    pub l2_i8: Scaled<f32>,
    pub exact_dot_f32: Pair<f32, f64>,
    pub exact_l2_f32: Pair<f32, f64>,
    pub exact_dot_f16: Pair<u16, f64>,
    pub exact_l2_f16: Pair<u16, f64>,
    pub exact_dot_i8: Pair<i8, f64>,
    pub exact_l2_i8: Scaled<f64>,
    pub exact_dot_u8: Pair<u8, f64>,
    pub exact_l2_u8: Pair<u8, f64>,
    pub rows_dot_f32: Rows<f32, f32>,
    pub rows_l2_f32: Rows<f32, f32>,
    pub rows_dot_f16: Rows<f32, f32>,
    pub rows_l2_f16: Rows<f32, f32>,
    pub rows_dot_i8: Rows<f32, f32>,
    pub rows_l2_i8: unsafe fn(&[f32], Strided<'_>, Pick<'_>, &mut [f32], usize),
    pub table_l2: unsafe fn(&[f32], &[f32], usize, &mut [f32]),
    pub table_dot: unsafe fn(&[f32], &[f32], usize, &mut [f32]),
    pub argmin: unsafe fn(&[f32]) -> usize,
    pub peak: unsafe fn(&[f32]) -> f32,
    pub centred: Centred,
    pub levels: unsafe fn(&[f32], f32, &mut [u8]),
    pub drop_above: unsafe fn(&mut [f32], &[f32]) -> f32,
    pub insert_sorted: unsafe fn(&mut [i64], i64),
    pub pick: Marked,
    pub choose_words: Words,
}

/// Integer products.
#[derive(Clone, Copy)]
pub(crate) struct ByteFns {
    pub dot_u8_i8: unsafe fn(&[u8], &[i8]) -> i32,
    pub rows_dot_u8_i8: Rows<i8, i32>,
    pub dot_packed_i8: unsafe fn(&[u8], &[i8], u32) -> i32,
    pub rows_dot_packed_i8: unsafe fn(&[i8], Strided<'_>, Pick<'_>, &mut [i32], u32),
    pub multiply: unsafe fn(&[u8], &[Line], &mut [i32]),
}

/// Counts of ones.
#[derive(Clone, Copy)]
pub(crate) struct BitFns {
    pub hamming: unsafe fn(&[u8], &[u8]) -> u32,
    pub and_popcount: unsafe fn(&[u8], &[u8]) -> u32,
    pub rows_and_popcount4: Rows<u8, u32>,
}

/// Half-byte codes.
#[derive(Clone, Copy)]
pub(crate) struct NibbleFns {
    pub fit_tables: unsafe fn(&[f32], &mut [u8]) -> (f32, f32),
    pub fit_signs: unsafe fn(&[f32], &mut [u8]) -> (f32, f32),
    pub scan_nibbles: unsafe fn(Scan<'_>),
}

/// Product-quantisation tables.
#[derive(Clone, Copy)]
pub(crate) struct LookupFns {
    pub adc: Pair<u8, f32>,
    pub rows_adc: Rows<f32, f32>,
}

/// `Group { name: fn(args) -> ret, .. }` with the body given for a token `s`.
///
/// The functions are unsafe for two reasons: the CPU must have the features of the attribute, and lengths and row
/// numbers must have been checked, as the methods of `Kernels` do.
macro_rules! entries {
    ($group:ident, $token:ty, $attribute:meta, $s:ident,
     $($name:ident($($arg:ident: $ty:ty),*) $(-> $ret:ty)? = $body:expr;)*) => {{
        $(
            #[$attribute]
            #[allow(unused_unsafe, unused_variables, reason = "some bodies are plain loops, which need nothing but the attribute")]
            unsafe fn $name($($arg: $ty),*) $(-> $ret)? {
                // SAFETY: the caller answers for the CPU's features.
                let $s = unsafe { <$token as crate::isa::Isa>::new() };
                // SAFETY: the caller has checked lengths and row numbers.
                unsafe { $body }
            }
        )*
        crate::entry::$group { $($name),* }
    }};
}

macro_rules! floats {
    ($token:ty, $attribute:meta) => {{
        use crate::ops::{argmin::*, floats::*, levels as round, rows::*, table::*};
        use crate::Strided;
        crate::entry::entries!(FloatFns, $token, $attribute, s,
            dot_f32(q: &[f32], x: &[f32]) -> f32 = pair(s, Dot, q, x.as_ptr());
            l2_f32(q: &[f32], x: &[f32]) -> f32 = pair(s, L2, q, x.as_ptr());
            dot_f16(q: &[f32], x: &[u16]) -> f32 = pair(s, Dot, q, x.as_ptr());
            l2_f16(q: &[f32], x: &[u16]) -> f32 = pair(s, L2, q, x.as_ptr());
            dot_i8(q: &[f32], x: &[i8]) -> f32 = pair(s, Dot, q, x.as_ptr());
            l2_i8(q: &[f32], x: &[i8], scale: f32) -> f32 = pair(s, ScaledL2(scale), q, x.as_ptr());
            exact_dot_f32(q: &[f32], x: &[f32]) -> f64 = exact(s, Dot, q, x.as_ptr());
            exact_l2_f32(q: &[f32], x: &[f32]) -> f64 = exact(s, L2, q, x.as_ptr());
            exact_dot_f16(q: &[f32], x: &[u16]) -> f64 = exact(s, Dot, q, x.as_ptr());
            exact_l2_f16(q: &[f32], x: &[u16]) -> f64 = exact(s, L2, q, x.as_ptr());
            exact_dot_i8(q: &[f32], x: &[i8]) -> f64 = exact(s, Dot, q, x.as_ptr());
            exact_l2_i8(q: &[f32], x: &[i8], scale: f32) -> f64 = exact(s, ScaledL2(scale), q, x.as_ptr());
            exact_dot_u8(q: &[f32], x: &[u8]) -> f64 = exact(s, Dot, q, x.as_ptr());
            exact_l2_u8(q: &[f32], x: &[u8]) -> f64 = exact(s, L2, q, x.as_ptr());
            rows_dot_f32(q: &[f32], rows: Strided<'_>, pick: Pick<'_>, out: &mut [f32]) =
                score(FloatRow::<_, f32, _>::new(s, Dot, q), rows, pick, out);
            rows_l2_f32(q: &[f32], rows: Strided<'_>, pick: Pick<'_>, out: &mut [f32]) =
                score(FloatRow::<_, f32, _>::new(s, L2, q), rows, pick, out);
            rows_dot_f16(q: &[f32], rows: Strided<'_>, pick: Pick<'_>, out: &mut [f32]) =
                score(FloatRow::<_, u16, _>::new(s, Dot, q), rows, pick, out);
            rows_l2_f16(q: &[f32], rows: Strided<'_>, pick: Pick<'_>, out: &mut [f32]) =
                score(FloatRow::<_, u16, _>::new(s, L2, q), rows, pick, out);
            rows_dot_i8(q: &[f32], rows: Strided<'_>, pick: Pick<'_>, out: &mut [f32]) =
                score(FloatRow::<_, i8, _>::new(s, Dot, q), rows, pick, out);
            rows_l2_i8(q: &[f32], rows: Strided<'_>, pick: Pick<'_>, out: &mut [f32], scale_at: usize) =
                score(ScaledRow { s, q, scale_at }, rows, pick, out);
            table_l2(q: &[f32], cent_t: &[f32], k: usize, out: &mut [f32]) = table(s, L2, q, cent_t, k, out);
            table_dot(q: &[f32], cent_t: &[f32], k: usize, out: &mut [f32]) = table(s, Dot, q, cent_t, k, out);
            argmin(x: &[f32]) -> usize = first_smallest(s, x);
            peak(x: &[f32]) -> f32 = round::peak(x);
            centred(x: &[f32], centre: &[f32], scale: &[f32], out: &mut [f32]) -> f32 = round::centred(x, centre, scale, out);
            levels(x: &[f32], per_unit: f32, out: &mut [u8]) = round::levels(x, per_unit, out);
            drop_above(x: &mut [f32], limits: &[f32]) -> f32 = least_left(s, x, limits);
            insert_sorted(x: &mut [i64], new: i64) = crate::ops::sorted::insert(x, new);
            pick(marks: &[u32], distances: &[f32], rows: &[u32], to: &mut [u64]) -> usize =
                crate::ops::picked::pick(s, marks, distances, rows, to);
            choose_words(squares: &[f32], along: &[f32], weight: f32, rounds: usize, code: &mut [u8]) =
                crate::ops::words::choose(s, squares, along, weight, rounds, code);
        )
    }};
}

macro_rules! bytes {
    ($token:ty, $attribute:meta) => {{
        use crate::Strided;
        use crate::ops::{bytes::*, matrix::Line, packed, rows::*};
        crate::entry::entries!(ByteFns, $token, $attribute, s,
            dot_u8_i8(x: &[u8], q: &[i8]) -> i32 = dot(s, x.as_ptr(), q);
            rows_dot_u8_i8(q: &[i8], rows: Strided<'_>, pick: Pick<'_>, out: &mut [i32]) =
                score(ByteRow { s, q }, rows, pick, out);
            dot_packed_i8(x: &[u8], q: &[i8], bits: u32) -> i32 = packed::dot(s, x.as_ptr(), q, bits);
            rows_dot_packed_i8(q: &[i8], rows: Strided<'_>, pick: Pick<'_>, out: &mut [i32], bits: u32) =
                score(packed::PackedRow { s, q, bits }, rows, pick, out);
            multiply(q: &[u8], lines: &[Line], out: &mut [i32]) = crate::ops::matrix::multiply(s, q, lines, out);
        )
    }};
}

macro_rules! bits {
    ($token:ty, $attribute:meta) => {{
        use crate::Strided;
        use crate::ops::{bits::*, rows::*};
        crate::entry::entries!(BitFns, $token, $attribute, s,
            hamming(a: &[u8], b: &[u8]) -> u32 = count(s, Xor, a, b.as_ptr());
            and_popcount(a: &[u8], b: &[u8]) -> u32 = count(s, And, a, b.as_ptr());
            rows_and_popcount4(planes: &[u8], rows: Strided<'_>, pick: Pick<'_>, out: &mut [u32]) =
                score(PlanesRow { s, planes }, rows, pick, out);
        )
    }};
}

macro_rules! nibbles {
    ($token:ty, $attribute:meta) => {{
        use crate::ops::nibbles::*;
        crate::entry::entries!(NibbleFns, $token, $attribute, s,
            fit_tables(values: &[f32], tables: &mut [u8]) -> (f32, f32) = fit(s, values, tables);
            fit_signs(values: &[f32], tables: &mut [u8]) -> (f32, f32) = signs(values, tables);
            scan_nibbles(what: Scan<'_>) = scan(s, what);
        )
    }};
}

/// The same for all instruction sets: see `ops::lookup`.
pub(crate) const LOOKUP: LookupFns = {
    use crate::ops::lookup::{LookupRow, adc as sum};
    use crate::ops::rows::score;

    /// # Safety
    /// `lut.len() == codes.len() * 256`.
    unsafe fn adc(lut: &[f32], codes: &[u8]) -> f32 {
        // SAFETY: as many codes as the table has positions.
        unsafe { sum(lut, [codes.as_ptr()])[0] }
    }

    /// # Safety
    /// As `score`.
    unsafe fn rows_adc(lut: &[f32], rows: Strided<'_>, pick: Pick<'_>, out: &mut [f32]) {
        // SAFETY: the same contract.
        unsafe { score(LookupRow { lut }, rows, pick, out) }
    }

    LookupFns { adc, rows_adc }
};

pub(crate) use {bits, bytes, entries, floats, nibbles};
