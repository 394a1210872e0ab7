//! The position of the smallest number.

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
