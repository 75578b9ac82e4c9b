//! Optimizer steps, fused with the fixed-order sum of the shards' gradients.

use crate::arch::{Isa, Lanes, kernel};

/// Shards at most whose gradients are summed: 1, 2, 4, 8 or 16, always as a balanced tree.
pub const SHARDS_MAX: usize = 16;

/// Below this a moment is set to zero, lest it decay into denormals, which are tens of times
/// slower (the moments of a dead weight get there after some 830 steps).
const FLUSH: f32 = 1e-30;

/// The shards' gradients of one tensor.
pub type Gradients<'a> = &'a [&'a [f32]];

/// The gradients of some elements: the shards as a balanced tree, the same on any number of threads.
#[inline(always)]
fn tree<I: Isa, const N: usize>(isa: I, lanes: Lanes<I>, g: Gradients<'_>) -> I::V {
    let mut sums = [isa.zero(); N];
    for (sum, g) in sums.iter_mut().zip(g) {
        *sum = lanes.get(isa, g, lanes.at);
    }
    let mut left = N;
    while left > 1 {
        left /= 2;
        for s in 0..left {
            sums[s] = isa.add(sums[2 * s], sums[2 * s + 1]);
        }
    }
    sums[0]
}

#[inline(always)]
fn flush<I: Isa>(isa: I, x: I::V) -> I::V {
    let (zero, least) = (isa.zero(), isa.splat(FLUSH));
    let positive = isa.gt(least, x, zero, x);
    isa.gt(x, isa.splat(-FLUSH), positive, x)
}

/// Runs `$call` with the constant N equal to the number of shards.
macro_rules! with_shards {
    ($shards:expr, $N:ident => $call:expr) => {
        match $shards {
            1 => {
                const $N: usize = 1;
                $call
            }
            2 => {
                const $N: usize = 2;
                $call
            }
            4 => {
                const $N: usize = 4;
                $call
            }
            8 => {
                const $N: usize = 8;
                $call
            }
            SHARDS_MAX => {
                const $N: usize = SHARDS_MAX;
                $call
            }
            other => panic!("{other} shards make no balanced tree"),
        }
    };
}

/// Adam in Keras' form: m += (g - m)(1 - β₁); v += (g² - v)(1 - β₂); w -= m α / (√v + ε).
#[derive(Clone, Copy, Debug)]
pub struct Adam {
    /// Learning rate times √(1 - β₂ᵗ) / (1 - β₁ᵗ).
    pub alpha: f32,
    /// 1 - β₁.
    pub first: f32,
    /// 1 - β₂.
    pub second: f32,
    /// ε.
    pub epsilon: f32,
    /// AdamW's learning rate times weight decay; 0 for Adam.
    pub decay: f32,
}

#[inline(always)]
fn adam_of<I: Isa, const N: usize>(
    isa: I,
    adam: Adam,
    gradients: Gradients<'_>,
    w: &mut [f32],
    (m, v): (&mut [f32], &mut [f32]),
) {
    let [alpha, first, second, epsilon, decay] =
        [adam.alpha, adam.first, adam.second, adam.epsilon, adam.decay].map(|x| isa.splat(x));
    for at in (0..w.len()).step_by(I::LANES) {
        let lanes = Lanes::of(isa, at, w.len());
        let g = tree::<I, N>(isa, lanes, gradients);
        let (weight, mean, square) =
            (lanes.get(isa, w, at), lanes.get(isa, m, at), lanes.get(isa, v, at));
        let kept = isa.sub(weight, isa.mul(weight, decay));
        let mean = flush(isa, isa.fma(isa.sub(g, mean), first, mean));
        let growth = isa.fma(g, g, isa.sub(isa.zero(), square));
        let square = flush(isa, isa.fma(growth, second, square));
        let step = isa.div(isa.mul(mean, alpha), isa.add(isa.sqrt(square), epsilon));
        lanes.put(isa, m, at, mean);
        lanes.put(isa, v, at, square);
        lanes.put(isa, w, at, isa.sub(kept, step));
    }
}

kernel! {
    /// One Adam step on a tensor and its moments.
    pub fn adam[isa](
        adam: Adam,
        gradients: Gradients<'_>,
        w: &mut [f32],
        m: &mut [f32],
        v: &mut [f32],
    ) {
        with_shards!(gradients.len(), N => adam_of::<I, N>(isa, adam, gradients, w, (m, v)));
    }
}

/// SGD with Nesterov momentum in Keras' form: m = μ m - lr g; w += μ m - lr g.
#[derive(Clone, Copy, Debug)]
pub struct Nesterov {
    /// Learning rate.
    pub rate: f32,
    /// μ.
    pub momentum: f32,
    /// Learning rate times weight decay.
    pub decay: f32,
}

#[inline(always)]
fn nesterov_of<I: Isa, const N: usize>(
    isa: I,
    sgd: Nesterov,
    gradients: Gradients<'_>,
    w: &mut [f32],
    m: &mut [f32],
) {
    let (rate, momentum, decay) =
        (isa.splat(sgd.rate), isa.splat(sgd.momentum), isa.splat(sgd.decay));
    for at in (0..w.len()).step_by(I::LANES) {
        let lanes = Lanes::of(isa, at, w.len());
        let step = isa.mul(tree::<I, N>(isa, lanes, gradients), rate);
        let (weight, speed) = (lanes.get(isa, w, at), lanes.get(isa, m, at));
        let kept = isa.sub(weight, isa.mul(weight, decay));
        let minus = isa.sub(isa.zero(), step);
        let speed = flush(isa, isa.fma(speed, momentum, minus));
        lanes.put(isa, m, at, speed);
        lanes.put(isa, w, at, isa.add(kept, isa.fma(speed, momentum, minus)));
    }
}

kernel! {
    /// One step of SGD on a tensor and its velocity.
    pub fn nesterov[isa](
        sgd: Nesterov,
        gradients: Gradients<'_>,
        w: &mut [f32],
        m: &mut [f32],
    ) {
        with_shards!(gradients.len(), N => nesterov_of::<I, N>(isa, sgd, gradients, w, m));
    }
}
