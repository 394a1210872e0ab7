//! Sums over pairs of elements: `Σ q·x` and `Σ (q - x)²`, in f32 and in f64.

use super::rows::RowKernel;
use crate::isa::Floats;

/// An element of a row, brought to f32 exactly.
pub(crate) trait Element: Copy {
    /// # Safety
    /// `S::LANES` elements must be readable at `p`, at any alignment.
    unsafe fn load<S: Floats>(s: S, p: *const Self) -> S::F;
    /// The first `n` elements, zeros after them.
    ///
    /// # Safety
    /// `n` elements must be readable at `p`; `n < S::LANES`.
    unsafe fn first<S: Floats>(s: S, p: *const Self, n: usize) -> S::F;
}

macro_rules! element {
    ($($ty:ty, $load:ident, $first:ident;)*) => {$(
        impl Element for $ty {
            #[inline(always)]
            unsafe fn load<S: Floats>(s: S, p: *const Self) -> S::F {
                // SAFETY: the same contract.
                unsafe { s.$load(p) }
            }
            #[inline(always)]
            unsafe fn first<S: Floats>(s: S, p: *const Self, n: usize) -> S::F {
                // SAFETY: the same contract.
                unsafe { s.$first(p, n) }
            }
        }
    )*};
}

// u16: the bits of an IEEE 754 half.
element! {
    f32, load_f32, first_f32;
    u16, load_f16, first_f16;
    i8, load_i8, first_i8;
    u8, load_u8, first_u8;
}

/// What is summed.
pub(crate) trait Term: Copy {
    /// `acc` and the terms of one register of pairs.
    fn step<S: Floats>(self, s: S, q: S::F, x: S::F, acc: S::F) -> S::F;
    /// The same in f64.
    fn step_d<S: Floats>(self, s: S, q: S::D, x: S::D, acc: S::D) -> S::D;
}

/// `q·x`
#[derive(Clone, Copy)]
pub(crate) struct Dot;

impl Term for Dot {
    #[inline(always)]
    fn step<S: Floats>(self, s: S, q: S::F, x: S::F, acc: S::F) -> S::F {
        s.mul_add(q, x, acc)
    }
    #[inline(always)]
    fn step_d<S: Floats>(self, s: S, q: S::D, x: S::D, acc: S::D) -> S::D {
        s.mul_add_d(q, x, acc)
    }
}

/// `(q - x)²`
#[derive(Clone, Copy)]
pub(crate) struct L2;

impl Term for L2 {
    #[inline(always)]
    fn step<S: Floats>(self, s: S, q: S::F, x: S::F, acc: S::F) -> S::F {
        let d = s.sub(q, x);
        s.mul_add(d, d, acc)
    }
    #[inline(always)]
    fn step_d<S: Floats>(self, s: S, q: S::D, x: S::D, acc: S::D) -> S::D {
        let d = s.sub_d(q, x);
        s.mul_add_d(d, d, acc)
    }
}

/// `(q - scale·x)²`
#[derive(Clone, Copy)]
pub(crate) struct ScaledL2(pub f32);

impl Term for ScaledL2 {
    #[inline(always)]
    fn step<S: Floats>(self, s: S, q: S::F, x: S::F, acc: S::F) -> S::F {
        L2.step(s, q, s.mul(x, s.splat(self.0)), acc)
    }
    #[inline(always)]
    fn step_d<S: Floats>(self, s: S, q: S::D, x: S::D, acc: S::D) -> S::D {
        L2.step_d(s, q, s.mul_d(x, s.splat_d(f64::from(self.0))), acc)
    }
}

/// The sum in f32, in four registers so that no addition waits for the one before it.
///
/// # Safety
/// `q.len()` elements must be readable at `x`, at any alignment.
#[inline(always)]
pub(crate) unsafe fn pair<S: Floats, T: Term, E: Element>(s: S, term: T, q: &[f32], x: *const E) -> f32 {
    let n = q.len();
    let q = q.as_ptr();
    let mut acc = [s.splat(0.0); 4];
    let mut at = 0;
    // SAFETY: all loads end at n or before, in q's slice and in what the caller answers for.
    unsafe {
        while at + 4 * S::LANES <= n {
            acc[0] = term.step(s, s.load_f32(q.add(at)), E::load(s, x.add(at)), acc[0]);
            let next = at + S::LANES;
            acc[1] = term.step(s, s.load_f32(q.add(next)), E::load(s, x.add(next)), acc[1]);
            let next = at + 2 * S::LANES;
            acc[2] = term.step(s, s.load_f32(q.add(next)), E::load(s, x.add(next)), acc[2]);
            let next = at + 3 * S::LANES;
            acc[3] = term.step(s, s.load_f32(q.add(next)), E::load(s, x.add(next)), acc[3]);
            at += 4 * S::LANES;
        }
        for acc in acc.iter_mut().take(3) {
            if at + S::LANES > n {
                break;
            }
            *acc = term.step(s, s.load_f32(q.add(at)), E::load(s, x.add(at)), *acc);
            at += S::LANES;
        }
        if at < n {
            acc[3] = term.step(s, s.first_f32(q.add(at), n - at), E::first(s, x.add(at), n - at), acc[3]);
        }
    }
    s.sum(s.add(s.add(acc[0], acc[1]), s.add(acc[2], acc[3])))
}

/// The sum in f64: what users see. The products of dot are exact, and so are the differences up to f64's rounding.
///
/// # Safety
/// As [`pair`].
#[inline(always)]
pub(crate) unsafe fn exact<S: Floats, T: Term, E: Element>(s: S, term: T, q: &[f32], x: *const E) -> f64 {
    let n = q.len();
    let q = q.as_ptr();
    let mut acc = [s.splat_d(0.0); 4];
    let mut at = 0;
    // SAFETY: all loads end at n or before, in q's slice and in what the caller answers for.
    unsafe {
        while at + 2 * S::LANES <= n {
            let next = at + S::LANES;
            step2(s, term, s.load_f32(q.add(at)), E::load(s, x.add(at)), &mut acc, 0);
            step2(s, term, s.load_f32(q.add(next)), E::load(s, x.add(next)), &mut acc, 2);
            at += 2 * S::LANES;
        }
        if at + S::LANES <= n {
            step2(s, term, s.load_f32(q.add(at)), E::load(s, x.add(at)), &mut acc, 0);
            at += S::LANES;
        }
        if at < n {
            step2(s, term, s.first_f32(q.add(at), n - at), E::first(s, x.add(at), n - at), &mut acc, 2);
        }
    }
    s.sum_d(s.add_d(s.add_d(acc[0], acc[1]), s.add_d(acc[2], acc[3])))
}

/// Adds one register of pairs to `acc[to]` and `acc[to + 1]`.
#[inline(always)]
fn step2<S: Floats, T: Term>(s: S, term: T, q: S::F, x: S::F, acc: &mut [S::D; 4], to: usize) {
    let (q, x) = (s.widen(q), s.widen(x));
    acc[to] = term.step_d(s, q.0, x.0, acc[to]);
    acc[to + 1] = term.step_d(s, q.1, x.1, acc[to + 1]);
}

/// A query against rows that begin with `q.len()` elements.
#[derive(Clone, Copy)]
pub(crate) struct FloatRow<'a, S, E, T> {
    s: S,
    term: T,
    q: &'a [f32],
    element: std::marker::PhantomData<E>,
}

impl<'a, S, E, T> FloatRow<'a, S, E, T> {
    #[inline(always)]
    pub(crate) fn new(s: S, term: T, q: &'a [f32]) -> Self {
        FloatRow { s, term, q, element: std::marker::PhantomData }
    }
}

impl<S: Floats, E: Element, T: Term> RowKernel for FloatRow<'_, S, E, T> {
    type Out = f32;

    #[inline(always)]
    fn bytes(self) -> usize {
        self.q.len() * size_of::<E>()
    }
    #[inline(always)]
    unsafe fn score(self, row: *const u8) -> f32 {
        // SAFETY: bytes() bytes are readable at row, which is q.len() elements.
        unsafe { pair(self.s, self.term, self.q, row.cast::<E>()) }
    }
}

/// A query against rows that begin with `q.len()` i8 and hold their f32 scale at the byte `scale_at`.
#[derive(Clone, Copy)]
pub(crate) struct ScaledRow<'a, S> {
    pub s: S,
    pub q: &'a [f32],
    pub scale_at: usize,
}

impl<S: Floats> RowKernel for ScaledRow<'_, S> {
    type Out = f32;

    #[inline(always)]
    fn bytes(self) -> usize {
        self.q.len().max(self.scale_at + size_of::<f32>())
    }
    #[inline(always)]
    unsafe fn score(self, row: *const u8) -> f32 {
        // SAFETY: bytes() bytes are readable at row, which spans the scale and q.len() elements.
        unsafe {
            let scale = row.add(self.scale_at).cast::<f32>().read_unaligned();
            pair(self.s, ScaledL2(scale), self.q, row.cast::<i8>())
        }
    }
}
