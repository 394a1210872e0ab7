//! Asking for memory before it is needed.
//!
//! Lines are asked for into L2 (the T1 hint). Measured on a Cascade Lake, batches of 32 random rows of 1 GiB in huge
//! pages, all 32 rows asked for ahead, best of 40 bursts, ns a row:
//!
//! | bytes a row | none | T0 | T1 |
//! |---|---|---|---|
//! | 50 (PQ codes) | 136 | 69 | 72 |
//! | 112 (i8) | 73 | 43 | 43 |
//! | 448 (f32) | 114 | 93 | 99 |
//! | 784 (i8) | 166 | 157 | 156 |
//! | 3136 (f32) | 444 | 423 | 419 |
//!
//! There the hints are equal within the noise, since both fill the same ten to twelve line buffers; on a Zen 4, T1 took
//! half the time of T0 (512 bytes: 25-30 against 57 ns), whose L1 has fewer misses in flight than its L2. Hence T1.
//!
//! How much of a long record to ask for hangs on the processor, too ([`start`]). Queries of text (27 lines a node, 24 a row) took
//! 16.9 us on a Zen 5 where the first 10 and 8 lines were asked for, 13.4 where all were (images of 784 values: 14.5 and 13.2); on
//! the Cascade Lake 60.9 and 66.3: there ten to twelve misses are under way at most, and what more is asked for waits.

use std::sync::OnceLock;

/// Bytes of a cache line on the CPUs that matter; a wrong guess costs speed only.
pub(crate) const LINE: usize = 64;

/// Asks for the line of `p`. Never faults, whatever `p` is.
#[inline(always)]
pub(crate) fn line(p: *const u8) {
    #[cfg(all(target_arch = "x86_64", not(miri)))]
    {
        use std::arch::x86_64::{_MM_HINT_T1, _mm_prefetch};
        // SAFETY: prefetch is a hint, it reads nothing and does not fault; SSE is in every x86-64 CPU.
        unsafe { _mm_prefetch::<_MM_HINT_T1>(p.cast()) };
    }
    #[cfg(all(target_arch = "aarch64", not(miri)))]
    // SAFETY: prfm is a hint: it changes no register and no memory, and does not fault.
    unsafe {
        std::arch::asm!("prfm pldl2keep, [{0}]", in(reg) p, options(nostack, preserves_flags, readonly));
    }
    #[cfg(any(miri, not(any(target_arch = "x86_64", target_arch = "aarch64"))))]
    let _ = p;
}

/// Asks for every line that the `len` bytes from `p` touch.
#[inline(always)]
pub(crate) fn span(p: *const u8, len: usize) {
    let lead = p.addr() % LINE;
    let start = p.wrapping_sub(lead);
    let mut at = 0;
    while at < lead + len {
        line(start.wrapping_add(at));
        at += LINE;
    }
}

/// Asks for every cache line that the `bytes` bytes from `start` touch: a hint that never faults, whatever `start` is.
#[inline(always)]
pub fn prefetch_at(start: *const u8, bytes: usize) {
    span(start, bytes);
}

/// Asks for the first `lead` bytes of `bytes`, which are about to be read from the first to the last: what follows the processor
/// brings by itself. For all of them where it can have as many under way.
#[inline]
pub(crate) fn start(bytes: &[u8], lead: usize) {
    let len = if has_many_in_flight() { bytes.len() } else { bytes.len().min(lead) };
    span(bytes.as_ptr(), len);
}

/// Whether so many misses can be under way that long records are best asked for as a whole: on the processors of AMD.
#[inline]
fn has_many_in_flight() -> bool {
    static MANY: OnceLock<bool> = OnceLock::new();
    *MANY.get_or_init(|| {
        #[cfg(all(target_arch = "x86_64", not(miri)))]
        {
            let names = std::arch::x86_64::__cpuid(0);
            (names.ebx, names.edx, names.ecx) == (word(b"Auth"), word(b"enti"), word(b"cAMD"))
        }
        #[cfg(any(miri, not(target_arch = "x86_64")))]
        false
    })
}

/// Four letters of the name that `cpuid` gives.
#[cfg(all(target_arch = "x86_64", not(miri)))]
fn word(letters: &[u8; 4]) -> u32 {
    u32::from_le_bytes(*letters)
}
