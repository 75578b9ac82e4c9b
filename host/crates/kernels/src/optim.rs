//! Optimizer steps, fused with the fixed-order sum of the shards' gradients.

use crate::arch::kernel;

/// Shards whose gradients are summed, always as a tree of this many leaves.
pub const SHARDS: usize = 8;

/// Below this a moment is set to zero, lest it decay into denormals, which are tens of times
/// slower (the moments of a dead weight get there after some 830 steps).
const FLUSH: f32 = 1e-30;

/// The shards' gradients of one tensor.
pub type Gradients<'a> = [&'a [f32]; SHARDS];

/// One element's gradient: the shards as a balanced tree, the same on any number of threads.
#[inline(always)]
fn tree(g: &Gradients<'_>, i: usize) -> f32 {
    ((g[0][i] + g[1][i]) + (g[2][i] + g[3][i])) + ((g[4][i] + g[5][i]) + (g[6][i] + g[7][i]))
}

#[inline(always)]
fn flush(x: f32) -> f32 {
    if x.abs() < FLUSH { 0.0 } else { x }
}

kernel! {
    /// total = Σ of the shards' gradients.
    pub fn sum[_isa](gradients: &Gradients<'_>, total: &mut [f32]) {
        let n = total.len();
        let g = gradients.map(|g| &g[..n]);
        for (i, total) in total.iter_mut().enumerate() {
            *total = tree(&g, i);
        }
    }
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

kernel! {
    /// One Adam step on a tensor and its moments.
    pub fn adam[_isa](
        adam: Adam,
        gradients: &Gradients<'_>,
        w: &mut [f32],
        m: &mut [f32],
        v: &mut [f32],
    ) {
        let n = w.len();
        let (m, v) = (&mut m[..n], &mut v[..n]);
        let g = gradients.map(|g| &g[..n]);
        for i in 0..n {
            let g = tree(&g, i);
            let kept = w[i] - w[i] * adam.decay;
            m[i] = flush((g - m[i]).mul_add(adam.first, m[i]));
            v[i] = flush(g.mul_add(g, -v[i]).mul_add(adam.second, v[i]));
            w[i] = kept - m[i] * adam.alpha / (v[i].sqrt() + adam.epsilon);
        }
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

kernel! {
    /// One step of SGD on a tensor and its velocity.
    pub fn nesterov[_isa](
        sgd: Nesterov,
        gradients: &Gradients<'_>,
        w: &mut [f32],
        m: &mut [f32],
    ) {
        let n = w.len();
        let m = &mut m[..n];
        let g = gradients.map(|g| &g[..n]);
        for i in 0..n {
            let step = tree(&g, i) * sgd.rate;
            let kept = w[i] - w[i] * sgd.decay;
            m[i] = flush(m[i].mul_add(sgd.momentum, -step));
            w[i] = kept + m[i].mul_add(sgd.momentum, -step);
        }
    }
}
