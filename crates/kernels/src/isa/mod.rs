//! Instruction sets as registers with a few operations, one file each.
//!
//! A set is a token type. Its `unsafe fn new` is called only inside functions that carry the set's
//! `#[target_feature]`, so that holding a token proves that the instructions exist, and the operations that
//! take no pointer are safe functions. All of them are `#[inline(always)]`: they end up inside those functions.

/// Methods whose bodies are instructions of the token's set and take no pointer.
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
macro_rules! by_token {
    ($(fn $name:ident($token:ident $(, $arg:ident: $ty:ty)*) -> $ret:ty = $body:expr;)*) => {$(
        #[inline(always)]
        fn $name($token $(, $arg: $ty)*) -> $ret {
            // SAFETY: the token proves that the CPU has the instructions; they touch registers only.
            unsafe { $body }
        }
    )*};
}

/// Methods whose bodies are instructions of the token's set and read or write at a pointer.
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
macro_rules! by_token_at {
    ($(fn $name:ident($token:ident $(, $arg:ident: $ty:ty)*) $(-> $ret:ty)? = $body:expr;)*) => {$(
        #[inline(always)]
        unsafe fn $name($token $(, $arg: $ty)*) $(-> $ret)? {
            // SAFETY: the token proves that the CPU has the instructions; for the memory the caller answers by the
            // contract of the trait, and nothing beyond it is touched, at any alignment.
            unsafe { $body }
        }
    )*};
}

#[cfg(target_arch = "x86_64")]
pub(crate) mod avx2;
#[cfg(target_arch = "x86_64")]
pub(crate) mod avx512;
#[cfg(target_arch = "aarch64")]
pub(crate) mod neon;
pub(crate) mod scalar;
#[cfg(target_arch = "x86_64")]
mod x86;

/// The first `n` bytes as the low bytes of a number, without a loop: reads that overlap agree on what they share.
///
/// # Safety
/// `n` bytes must be readable at `p`; `n < 8`.
#[inline(always)]
unsafe fn first8(p: *const u8, n: usize) -> u64 {
    debug_assert!(n < 8);
    // SAFETY: every read ends at n or before, of which the caller answers for, and asks for no alignment.
    unsafe {
        if n >= 4 {
            let (low, high) = (p.cast::<u32>().read_unaligned(), p.add(n - 4).cast::<u32>().read_unaligned());
            u64::from(low) | u64::from(high) << (8 * (n - 4))
        } else if n > 0 {
            let (first, middle, last) = (*p, *p.add(n / 2), *p.add(n - 1));
            u64::from(first) | u64::from(middle) << (8 * (n / 2)) | u64::from(last) << (8 * (n - 1))
        } else {
            0
        }
    }
}

/// What an instruction set's token has in common.
pub(crate) trait Isa: Copy {
    /// # Safety
    /// The CPU must have the set's instructions.
    unsafe fn new() -> Self;
}

/// Registers of floats.
///
/// # Safety of the pointer operations
/// `load_*`, `store`: `LANES` elements must be readable (writable) at `p`, at any alignment; `first_*`, `store_first`:
/// `n` elements, `n < LANES`.
pub(crate) trait Floats: Isa {
    /// `LANES` f32.
    type F: Copy;
    /// `LANES / 2` f64.
    type D: Copy;
    /// f32 in a register.
    const LANES: usize;

    unsafe fn load_f32(self, p: *const f32) -> Self::F;
    unsafe fn load_f16(self, p: *const u16) -> Self::F;
    unsafe fn load_i8(self, p: *const i8) -> Self::F;
    unsafe fn load_u8(self, p: *const u8) -> Self::F;
    unsafe fn load_u16(self, p: *const u16) -> Self::F;
    /// Of the upper halves of f32, lower halves of zero.
    unsafe fn load_bf16(self, p: *const u16) -> Self::F;
    /// The first `n` elements, zeros after them.
    unsafe fn first_f32(self, p: *const f32, n: usize) -> Self::F;
    unsafe fn first_f16(self, p: *const u16, n: usize) -> Self::F;
    unsafe fn first_i8(self, p: *const i8, n: usize) -> Self::F;
    unsafe fn first_u8(self, p: *const u8, n: usize) -> Self::F;
    unsafe fn store(self, p: *mut f32, v: Self::F);
    unsafe fn store_first(self, p: *mut f32, n: usize, v: Self::F);

    fn splat(self, v: f32) -> Self::F;
    fn add(self, a: Self::F, b: Self::F) -> Self::F;
    fn sub(self, a: Self::F, b: Self::F) -> Self::F;
    fn mul(self, a: Self::F, b: Self::F) -> Self::F;
    /// `a * b + c`, rounded once or twice.
    fn mul_add(self, a: Self::F, b: Self::F, c: Self::F) -> Self::F;
    /// The sum of the lanes, in a fixed order.
    fn sum(self, v: Self::F) -> f32;

    /// Per lane the smaller of `x` and `least`; `least` where `x` is NaN.
    fn min(self, x: Self::F, least: Self::F) -> Self::F;
    /// The smallest lane of a register without NaN.
    fn min_lane(self, v: Self::F) -> f32;
    /// Bit `i` is set where lane `i` is equal.
    fn equal(self, a: Self::F, b: Self::F) -> u32;
    /// Bit `i` is set where lane `i` of `a` is not above that of `b`: where one is NaN, too.
    fn not_above(self, a: Self::F, b: Self::F) -> u32;

    /// Writes the keys ([`sort_key`](crate::sort_key)) of those of eight places that are marked and whose row is not `u32::MAX` to
    /// `to`, in their order, and gives how many there are: eight elements must be readable at `distances` and `rows`, and eight
    /// writable at `to`.
    #[inline(always)]
    unsafe fn pick(self, marks: u8, distances: *const f32, rows: *const u32, to: *mut u64) -> usize {
        // SAFETY: the caller answers for eight places.
        unsafe { crate::ops::picked::each(marks, distances, rows, to) }
    }

    /// The lower and the upper half of the lanes as f64.
    fn widen(self, v: Self::F) -> (Self::D, Self::D);
    fn splat_d(self, v: f64) -> Self::D;
    fn add_d(self, a: Self::D, b: Self::D) -> Self::D;
    fn sub_d(self, a: Self::D, b: Self::D) -> Self::D;
    fn mul_d(self, a: Self::D, b: Self::D) -> Self::D;
    fn mul_add_d(self, a: Self::D, b: Self::D, c: Self::D) -> Self::D;
    fn sum_d(self, v: Self::D) -> f64;
}

/// Products of bytes: `u8 * i8` summed into i32 exactly (modulo 2^32).
///
/// # Safety of the pointer operations
/// `step`, `step_bits`: `STEP` bytes must be readable at `x` and `q`; `step_first`, `step_first_bits`: `n` bytes, `n < STEP`; `add_line`: 64 bytes must be
/// readable at `line`, which is a multiple of 64; `store_lines`: 16 i32 writable at `p`, at any alignment.
pub(crate) trait ByteDot: Isa {
    /// i32 lanes.
    type Acc: Copy;
    /// Bytes a step.
    const STEP: usize;

    fn zero_acc(self) -> Self::Acc;
    unsafe fn step(self, acc: Self::Acc, x: *const u8, q: *const i8) -> Self::Acc;
    unsafe fn step_first(self, acc: Self::Acc, x: *const u8, q: *const i8, n: usize) -> Self::Acc;
    /// [`ByteDot::step`] of what `mask` leaves of the bytes of `x`, shifted down by `shift`.
    unsafe fn step_bits(self, acc: Self::Acc, x: *const u8, q: *const i8, shift: u32, mask: u8) -> Self::Acc;
    unsafe fn step_first_bits(self, acc: Self::Acc, x: *const u8, q: *const i8, n: usize, shift: u32, mask: u8) -> Self::Acc;
    fn add_acc(self, a: Self::Acc, b: Self::Acc) -> Self::Acc;
    fn sum_acc(self, acc: Self::Acc) -> i32;

    /// 16 sums.
    type Lines: Copy;
    /// How many `Lines` fit in the registers, 16 at most.
    const BLOCKS: usize;

    fn zero_lines(self) -> Self::Lines;
    /// Adds to each sum the products of the four bytes of `four` and those of its own of the line: see `ops::matrix`.
    unsafe fn add_line(self, sums: Self::Lines, four: u32, line: *const i8) -> Self::Lines;
    unsafe fn store_lines(self, sums: Self::Lines, p: *mut i32);
}

/// Registers of bits, and counting them.
///
/// # Safety of the pointer operations
/// `load`: `WIDTH` bytes must be readable at `p`; `first`: `n` bytes, `n < WIDTH`.
pub(crate) trait Bits: Isa {
    /// `WIDTH` bytes.
    type V: Copy;
    /// Counters, none of which overflows before 2^32 bits.
    type Count: Copy;
    /// Bytes in a register.
    const WIDTH: usize;

    unsafe fn load(self, p: *const u8) -> Self::V;
    /// The first `n` bytes, zeros after them.
    unsafe fn first(self, p: *const u8, n: usize) -> Self::V;
    fn and(self, a: Self::V, b: Self::V) -> Self::V;
    fn xor(self, a: Self::V, b: Self::V) -> Self::V;
    fn zero_count(self) -> Self::Count;
    /// Adds the number of ones in `v`.
    fn count(self, acc: Self::Count, v: Self::V) -> Self::Count;
    /// Adds `Σ 2^b * ones(v[b])`.
    fn count4(self, acc: Self::Count, v: [Self::V; 4]) -> Self::Count;
    fn sum_count(self, acc: Self::Count) -> u32;
}

/// Look-ups of half bytes in tables of 16 bytes, and sums of what they give for 32 rows: see `ops::nibbles`.
///
/// # Safety of the pointer operations
/// `look_up`: 64 bytes must be readable at `codes` and at `tables`; `look_up_two`: 128; `store_sums`: 32 u16 writable
/// at `p`, at any alignment.
pub(crate) trait Nibbles: Isa {
    /// 32 sums, modulo 2^16.
    type Sums: Copy;

    fn zero_sums(self) -> Self::Sums;
    /// Adds what four tables give, whose entries are at most 127.
    unsafe fn look_up(self, sums: Self::Sums, codes: *const u8, tables: *const u8) -> Self::Sums;
    /// The same of eight tables.
    #[inline(always)]
    unsafe fn look_up_two(self, sums: Self::Sums, codes: *const u8, tables: *const u8) -> Self::Sums {
        // SAFETY: twice 64 bytes, of which the caller answers for.
        unsafe { self.look_up(self.look_up(sums, codes, tables), codes.add(64), tables.add(64)) }
    }
    unsafe fn store_sums(self, sums: Self::Sums, p: *mut u16);
}
