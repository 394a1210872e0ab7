//! Which instruction sets there are, which of them this CPU has, and which one is used.

use std::fmt;
use std::sync::OnceLock;

use crate::Kernels;
use crate::isa;

/// A family of instructions that kernels are written for, weakest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Simd {
    /// Portable Rust, the reference of the others. Always there.
    Scalar,
    /// Advanced SIMD of 64-bit ARM.
    Neon,
    /// AVX2 with FMA, F16C and POPCNT.
    Avx2,
    /// AVX-512 F, BW, VL and DQ; VNNI and VPOPCNTDQ are used as well where the CPU has them.
    Avx512,
}

impl Simd {
    const ALL: [Simd; 4] = [Simd::Scalar, Simd::Neon, Simd::Avx2, Simd::Avx512];

    /// The name as `BIGRAIN_SIMD` takes it: `"scalar"`, `"neon"`, `"avx2"`, `"avx512"`.
    pub const fn name(self) -> &'static str {
        match self {
            Simd::Scalar => "scalar",
            Simd::Neon => "neon",
            Simd::Avx2 => "avx2",
            Simd::Avx512 => "avx512",
        }
    }
}

impl fmt::Display for Simd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The kernels of this process, chosen at the first call: the strongest that the CPU has.
///
/// The environment variable `BIGRAIN_SIMD` (`scalar`, `neon`, `avx2`, `avx512`) forces them lower. Where the CPU
/// lacks the set named, the strongest one below it is taken; any other text is ignored.
pub fn kernels() -> &'static Kernels {
    static CHOSEN: OnceLock<&'static Kernels> = OnceLock::new();
    CHOSEN.get_or_init(|| {
        let forced = std::env::var("BIGRAIN_SIMD").ok();
        kernels_for(choose(forced.as_deref(), &available())).unwrap_or_else(|| isa::scalar::kernels())
    })
}

/// The kernels of one instruction set; `None` where this CPU lacks it.
pub fn kernels_for(simd: Simd) -> Option<&'static Kernels> {
    match simd {
        Simd::Scalar => Some(isa::scalar::kernels()),
        #[cfg(target_arch = "aarch64")]
        Simd::Neon => isa::neon::kernels(),
        #[cfg(target_arch = "x86_64")]
        Simd::Avx2 => isa::avx2::kernels(),
        #[cfg(target_arch = "x86_64")]
        Simd::Avx512 => isa::avx512::kernels(),
        _ => None,
    }
}

/// The instruction sets of this CPU, weakest first. [`Simd::Scalar`] is always among them.
pub fn available() -> Vec<Simd> {
    Simd::ALL.into_iter().filter(|&simd| kernels_for(simd).is_some()).collect()
}

/// The strongest of `available` (ascending) that is not stronger than what `forced` names.
pub(crate) fn choose(forced: Option<&str>, available: &[Simd]) -> Simd {
    let limit = Simd::ALL.into_iter().find(|simd| Some(simd.name()) == forced).unwrap_or(Simd::Avx512);
    available.iter().copied().rfind(|&simd| simd <= limit).unwrap_or(Simd::Scalar)
}
