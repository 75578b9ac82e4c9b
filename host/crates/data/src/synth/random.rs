//! Counter-based random numbers: a stream per image, equal on every machine; not for secrets.

/// Weyl step of SplitMix64 (Steele, Lea, Flood 2014).
const STEP: u64 = 0x9e37_79b9_7f4a_7c15;

/// A SplitMix64 stream whose start depends on nothing but the key.
#[derive(Debug, Clone)]
pub(crate) struct Random {
    state: u64,
}

impl Random {
    /// The stream of `counter` in the family that `seed` and `domain` name.
    pub(crate) fn keyed(seed: u64, domain: u64, counter: u64) -> Self {
        let family = mix(mix(seed.wrapping_add(STEP)) ^ domain.wrapping_mul(STEP));
        Self { state: mix(family ^ counter.wrapping_mul(STEP)) }
    }

    pub(crate) fn next_u64(&mut self) -> u64 {
        self.state = self.state.wrapping_add(STEP);
        mix(self.state)
    }

    /// Uniform in `[0, 1)`, in steps of 2^-24 so that each value is an exact `f32`.
    pub(crate) fn unit(&mut self) -> f32 {
        (self.next_u64() >> 40) as f32 * (1.0 / 16_777_216.0)
    }

    /// Uniform in `[low, high)`.
    pub(crate) fn between(&mut self, low: f32, high: f32) -> f32 {
        low + (high - low) * self.unit()
    }

    /// Uniform in `0..bound`; the bias is below 2^-50 for the small bounds used here.
    pub(crate) fn below(&mut self, bound: u32) -> u32 {
        let (high, bound) = (self.next_u64() >> 32, u64::from(bound));
        u32::try_from((high * bound) >> 32).expect("the product is below bound * 2^32")
    }

    /// Mean 0 and variance 1, nearly normal: a sum of four uniforms, because the `ln` and `cos` of
    /// the exact method differ between machines.
    pub(crate) fn normal(&mut self) -> f32 {
        let bits = self.next_u64();
        let sum: u64 = (0..4).map(|part| (bits >> (16 * part)) & 0xffff).sum();
        // Mean 4 * 32767.5; variance 4 * 65536^2 / 12, so the deviation is 37837.2.
        (sum as f32 - 131_070.0) * (1.0 / 37_837.2)
    }

    /// A unit vector of uniform direction, by rejection, for the same reason as `normal`.
    pub(crate) fn direction(&mut self) -> [f32; 2] {
        loop {
            let [x, y] = [self.between(-1.0, 1.0), self.between(-1.0, 1.0)];
            let square = x * x + y * y;
            // Three in four pass, so the loop ends; the lower bound keeps the division exact.
            if square <= 1.0 && square > 0.01 {
                let length = square.sqrt();
                return [x / length, y / length];
            }
        }
    }
}

/// The finaliser of SplitMix64: a bijection of which every output bit hangs on every input bit.
fn mix(value: u64) -> u64 {
    let value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}
