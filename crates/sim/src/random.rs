//! Seeded numbers: every case of every row can be run again.

/// SplitMix64 (Steele, Lea and Flood, 2014).
#[derive(Debug, Clone)]
pub struct Random(u64);

impl Random {
    /// A stream of its own for each seed.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// A stream for each pair: a case of a row, an image of a case.
    pub fn of(seed: u64, case: u64) -> Self {
        let mut random = Self(seed);
        Self(random.word() ^ case.wrapping_mul(0xd6e8_feb8_6659_fd93))
    }

    /// 64 random bits.
    pub fn word(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// 0 to `most` - 1; 0 where `most` is 0.
    pub fn below(&mut self, most: usize) -> usize {
        ((u128::from(self.word()) * most as u128) >> 64) as usize
    }

    /// `true` once in `times`.
    pub fn once_in(&mut self, times: usize) -> bool {
        self.below(times) == 0
    }

    /// One of `things`, which must not be empty.
    pub fn pick<'a, T>(&mut self, things: &'a [T]) -> &'a T {
        &things[self.below(things.len())]
    }

    /// -0.5 to 0.5.
    pub fn value(&mut self) -> f32 {
        (self.word() >> 40) as f32 / (1 << 24) as f32 - 0.5
    }

    /// `count` values.
    pub fn vector(&mut self, count: usize) -> Vec<f32> {
        (0..count).map(|_| self.value()).collect()
    }

    /// Puts `things` in random order (Fisher and Yates).
    pub fn shuffle<T>(&mut self, things: &mut [T]) {
        for last in (1..things.len()).rev() {
            things.swap(last, self.below(last + 1));
        }
    }
}
