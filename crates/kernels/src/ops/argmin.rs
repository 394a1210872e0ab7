//! The smallest number: where it is, and what it is of those that are not dropped.

use crate::isa::Floats;

/// The first position of the smallest number that is not NaN; 0 where there is none.
///
/// Two passes, the smallest number and then where it stands, because positions would cost a second set of registers.
///
/// # Safety
/// None beyond the token's.
#[inline(always)]
pub(crate) unsafe fn first_smallest<S: Floats>(s: S, x: &[f32]) -> usize {
    let whole = x.len() - x.len() % S::LANES;
    let p = x.as_ptr();
    let mut low = [s.splat(f32::INFINITY); 2];
    let mut at = 0;
    while at < whole {
        // SAFETY: at + LANES <= whole <= x.len().
        low[0] = s.min(unsafe { s.load_f32(p.add(at)) }, low[0]);
        at += S::LANES;
        if at < whole {
            // SAFETY: as above.
            low[1] = s.min(unsafe { s.load_f32(p.add(at)) }, low[1]);
            at += S::LANES;
        }
    }
    let rest = &x[whole..];
    let smallest = rest.iter().fold(s.min_lane(s.min(low[0], low[1])), |low, &v| if v < low { v } else { low });

    let wanted = s.splat(smallest);
    at = 0;
    while at < whole {
        // SAFETY: at + LANES <= whole <= x.len().
        let hits = s.equal(unsafe { s.load_f32(p.add(at)) }, wanted);
        if hits != 0 {
            return at + hits.trailing_zeros() as usize;
        }
        at += S::LANES;
    }
    rest.iter().position(|&v| v == smallest).map_or(0, |i| whole + i)
}

/// Makes every number infinite that is above the limit at its place, and gives the smallest that is left.
///
/// A loop that compilers make one of vectors, with the instructions of the caller.
///
/// # Safety
/// None beyond the token's.
#[inline(always)]
pub(crate) unsafe fn least_left<S: Floats>(_: S, x: &mut [f32], limits: &[f32]) -> f32 {
    const LANES: usize = 32;
    let keep = |x: &mut f32, limit: f32, least: &mut f32| {
        *x = if limit < *x { f32::INFINITY } else { *x };
        *least = if *x < *least { *x } else { *least };
    };
    let mut least = [f32::INFINITY; LANES];
    let (runs, rest) = x.as_chunks_mut::<LANES>();
    let (limit_runs, limit_rest) = limits.as_chunks::<LANES>();
    for (run, limits) in runs.iter_mut().zip(limit_runs) {
        for at in 0..LANES {
            keep(&mut run[at], limits[at], &mut least[at]);
        }
    }
    for (x, &limit) in rest.iter_mut().zip(limit_rest) {
        keep(x, limit, &mut least[0]);
    }
    least.into_iter().fold(f32::INFINITY, |least, other| if other < least { other } else { least })
}
