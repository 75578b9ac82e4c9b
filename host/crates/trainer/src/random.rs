//! Counter-based randomness: every draw is a pure function of seed and position, so a restored
//! trainer needs only its counters.

/// What a draw is for, so that streams never meet.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Purpose {
    Weights = 1,
    Shuffle = 2,
    Augment = 3,
    Dropout = 4,
}

/// A stream of 64-bit numbers (SplitMix64, Steele, Lea and Flood 2014).
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stream(u64);

const GOLDEN: u64 = 0x9E37_79B9_7F4A_7C15;

fn finalise(mut x: u64) -> u64 {
    x = (x ^ (x >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    x ^ (x >> 31)
}

impl Stream {
    /// The stream of a purpose at a position.
    pub(crate) fn new(seed: u64, purpose: Purpose, position: [u64; 3]) -> Self {
        let start = finalise(seed.wrapping_add(GOLDEN)) ^ purpose as u64;
        let absorb =
            |key: u64, part: u64| finalise(key.wrapping_add(GOLDEN) ^ finalise(part ^ GOLDEN));
        Self(position.into_iter().fold(finalise(start), absorb))
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(GOLDEN);
        finalise(self.0)
    }

    /// Below `n`, by the high half of a product (bias below n / 2^64).
    pub(crate) fn below(&mut self, n: u64) -> u64 {
        let product = u128::from(self.next()) * u128::from(n);
        (product >> 64) as u64
    }

    /// Uniform in [-1, 1), 24 bits.
    pub(crate) fn symmetric(&mut self) -> f32 {
        (self.next() >> 40) as f32 / (1_u32 << 23) as f32 - 1.0
    }

    /// Fisher-Yates.
    pub(crate) fn shuffle(&mut self, items: &mut [u32]) {
        for i in (1..items.len()).rev() {
            items.swap(i, self.below(i as u64 + 1) as usize);
        }
    }
}
