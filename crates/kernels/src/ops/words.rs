//! Which of 16 words stands for each part of a row.

use crate::isa::Floats;

/// Words of a sub-space.
pub(crate) const WORDS: usize = 16;

/// See `Kernels::choose_words`.
///
/// # Safety
/// `squares` and `along` have 16 numbers for each of `code`.
#[inline(always)]
pub(crate) unsafe fn choose<S: Floats>(s: S, squares: &[f32], along: &[f32], weight: f32, rounds: usize, code: &mut [u8]) {
    let (squares, along) = (squares.as_chunks::<WORDS>().0, along.as_chunks::<WORDS>().0);
    let mut sum = 0.0;
    for ((squares, along), code) in squares.iter().zip(along).zip(&mut *code) {
        // SAFETY: the token's CPU.
        let losses = unsafe { Losses::of_squares(s, squares) };
        *code = losses.first(s, losses.least(s)) as u8;
        sum += along[usize::from(*code)];
    }
    if weight <= 0.0 {
        return;
    }
    for _ in 0..rounds {
        let mut changed = false;
        for ((squares, along), code) in squares.iter().zip(along).zip(&mut *code) {
            let at = usize::from(*code);
            let others = sum - along[at];
            // SAFETY: the token's CPU.
            let losses = unsafe { Losses::of(s, squares, along, weight, others) };
            let least = losses.least(s);
            // Mostly it is what it was, and then nothing waits for it.
            let together = others + along[at];
            if least < squares[at] + weight * (together * together) {
                let best = losses.first(s, least);
                (*code, changed) = (best as u8, true);
                sum = others + along[best];
            }
        }
        if !changed {
            break;
        }
    }
}

/// What each word costs, in as many registers as that takes.
struct Losses<S: Floats>([S::F; WORDS]);

impl<S: Floats> Losses<S> {
    const REGISTERS: usize = WORDS / S::LANES;

    #[inline(always)]
    unsafe fn of_squares(s: S, squares: &[f32; WORDS]) -> Self {
        let mut registers = [s.splat(0.0); WORDS];
        for (at, register) in registers[..Self::REGISTERS].iter_mut().enumerate() {
            // SAFETY: LANES numbers from at * LANES on are among the 16.
            *register = unsafe { s.load_f32(squares.as_ptr().add(at * S::LANES)) };
        }
        Self(registers)
    }

    /// `squares + weight * (others + along)^2`, every step rounded, so that all instruction sets choose alike.
    #[inline(always)]
    unsafe fn of(s: S, squares: &[f32; WORDS], along: &[f32; WORDS], weight: f32, others: f32) -> Self {
        let (weight, others) = (s.splat(weight), s.splat(others));
        let mut registers = [s.splat(0.0); WORDS];
        for (at, register) in registers[..Self::REGISTERS].iter_mut().enumerate() {
            let from = at * S::LANES;
            // SAFETY: as above.
            let (squares, along) = unsafe { (s.load_f32(squares.as_ptr().add(from)), s.load_f32(along.as_ptr().add(from))) };
            let together = s.add(others, along);
            *register = s.add(squares, s.mul(weight, s.mul(together, together)));
        }
        Self(registers)
    }

    /// The least that is a number; infinity where none is.
    #[inline(always)]
    fn least(&self, s: S) -> f32 {
        let least = self.0[..Self::REGISTERS].iter().fold(s.splat(f32::INFINITY), |least, &register| s.min(register, least));
        s.min_lane(least)
    }

    /// The first word that costs `least`; 0 where none does.
    #[inline(always)]
    fn first(&self, s: S, least: f32) -> usize {
        let least = s.splat(least);
        let hits = (0..Self::REGISTERS).map(|at| s.equal(self.0[at], least) << (at * S::LANES)).sum::<u32>();
        if hits == 0 { 0 } else { hits.trailing_zeros() as usize }
    }
}
