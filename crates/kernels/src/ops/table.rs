//! One short query against all centroids at once, which lie transposed so that neighbours fill a register.

use super::floats::Term;
use crate::isa::Floats;

/// `out[c] = Σ_j term(q[j], cent_t[j * k + c])`, the terms of a centroid added in the order of `j`.
///
/// # Safety
/// `cent_t.len() == q.len() * k` and `out.len() == k`.
#[inline(always)]
pub(crate) unsafe fn table<S: Floats, T: Term>(s: S, term: T, q: &[f32], cent_t: &[f32], k: usize, out: &mut [f32]) {
    let cent = cent_t.as_ptr();
    let out = out.as_mut_ptr();
    let mut c = 0;
    // SAFETY: loads for q[j] lie in cent_t[j * k + c..][..width] with c + width <= k; stores in out[c..][..width].
    unsafe {
        while c + 4 * S::LANES <= k {
            let mut acc = [s.splat(0.0); 4];
            for (j, &q) in q.iter().enumerate() {
                let (q, row) = (s.splat(q), cent.add(j * k + c));
                acc[0] = term.step(s, q, s.load_f32(row), acc[0]);
                acc[1] = term.step(s, q, s.load_f32(row.add(S::LANES)), acc[1]);
                acc[2] = term.step(s, q, s.load_f32(row.add(2 * S::LANES)), acc[2]);
                acc[3] = term.step(s, q, s.load_f32(row.add(3 * S::LANES)), acc[3]);
            }
            s.store(out.add(c), acc[0]);
            s.store(out.add(c + S::LANES), acc[1]);
            s.store(out.add(c + 2 * S::LANES), acc[2]);
            s.store(out.add(c + 3 * S::LANES), acc[3]);
            c += 4 * S::LANES;
        }
        while c + S::LANES <= k {
            let mut acc = s.splat(0.0);
            for (j, &q) in q.iter().enumerate() {
                acc = term.step(s, s.splat(q), s.load_f32(cent.add(j * k + c)), acc);
            }
            s.store(out.add(c), acc);
            c += S::LANES;
        }
        if c < k {
            let mut acc = s.splat(0.0);
            for (j, &q) in q.iter().enumerate() {
                acc = term.step(s, s.splat(q), s.first_f32(cent.add(j * k + c), k - c), acc);
            }
            s.store_first(out.add(c), k - c, acc);
        }
    }
}
