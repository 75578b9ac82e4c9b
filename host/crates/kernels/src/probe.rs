//! A loop of nothing but fused multiply-adds, the unit that benches state speeds in.

use crate::arch::kernel;

/// Independent chains, enough to hide the latency of any FMA unit we know.
const CHAINS: usize = 12;

kernel! {
    /// Runs `rounds` × 16 FMAs on each of 12 vectors; returns their sum and the
    /// floating-point operations done.
    pub fn fma_peak[isa](rounds: u64) -> (f32, u64) {
        let a = isa.splat(std::hint::black_box(0.999));
        let b = isa.splat(std::hint::black_box(0.001));
        let mut acc = [isa.zero(); CHAINS];
        for _ in 0..rounds {
            for _ in 0..16 {
                for acc in &mut acc {
                    *acc = isa.fma(*acc, a, b);
                }
            }
        }
        let total = acc.iter().fold(isa.zero(), |total, acc| isa.add(total, *acc));
        (isa.lane(total), rounds * 16 * 2 * (CHAINS * I::LANES) as u64)
    }
}
