/// A small seeded generator: SplitMix64 (Steele, Lea, Flood 2014).
///
/// Trained codes must come out the same from the same seed in every later version, so the generator and what is
/// drawn from it are fixed here instead of following a library's releases.
#[derive(Debug, Clone)]
pub struct Random(u64);

impl Random {
    /// A generator; equal seeds give equal sequences.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The generator of part `index` of a larger seeded job, unrelated to its neighbours'.
    pub fn stream(seed: u64, index: u64) -> Self {
        let mut mixed = Self(seed ^ index.wrapping_mul(0xD1B5_4A32_D192_ED03));
        Self(mixed.next_u64())
    }

    /// The next 64 bits.
    pub fn next_u64(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// A number below `bound` (0 when `bound` is 0), even to within `bound / 2^64`.
    pub fn below(&mut self, bound: usize) -> usize {
        ((u128::from(self.next_u64()) * bound as u128) >> 64) as usize
    }

    /// A number in `[0, 1)`.
    pub fn unit(&mut self) -> f64 {
        (self.next_u64() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// `count` different numbers below `n`, ascending, each set equally likely; all of them when `count >= n`.
    /// Selection sampling (Knuth, The Art of Computer Programming 2, algorithm 3.4.2 S).
    pub fn choose(&mut self, n: usize, count: usize) -> Vec<u32> {
        let mut left = count.min(n);
        let mut chosen = Vec::with_capacity(left);
        for i in 0..n {
            if left == 0 {
                break;
            }
            if self.below(n - i) < left {
                chosen.push(i as u32);
                left -= 1;
            }
        }
        chosen
    }
}
