//! Batch normalisation, one image at a time; sums over the batch are merged by the caller.

use crate::arch::kernel;
use crate::map::{View, ViewMut, first_of, four, four_mut, largest, pooled, same};
use crate::shape::Map;

/// A channel's parameters while a batch passes, and the activation that follows.
#[derive(Clone, Copy, Debug)]
pub struct Norm<'a> {
    /// Mean of the batch (or the moving mean) [c].
    pub mean: &'a [f32],
    /// γ / √(variance + ε) [c].
    pub scale: &'a [f32],
    /// β [c].
    pub beta: &'a [f32],
    /// Factor of negative outputs: 1 for no activation.
    pub slope: f32,
}

/// Count, means and squared deviations of a part of the batch [c].
#[derive(Debug)]
pub struct Moments<'a> {
    /// Pixels so far.
    pub count: f64,
    /// Their mean.
    pub mean: &'a mut [f64],
    /// Σ (x - mean)².
    pub m2: &'a mut [f64],
}

impl Moments<'_> {
    /// Takes in another part (Chan, Golub and LeVeque 1979, the pairwise update).
    #[inline(always)]
    pub fn merge(&mut self, count: f64, mean: impl Fn(usize) -> f64, m2: impl Fn(usize) -> f64) {
        if count == 0.0 {
            return;
        }
        let both = self.count + count;
        let (share, weight) = (count / both, self.count * count / both);
        for i in 0..self.mean.len() {
            let delta = mean(i) - self.mean[i];
            self.mean[i] += delta * share;
            self.m2[i] += m2(i) + delta * delta * weight;
        }
        self.count = both;
    }
}

kernel! {
    /// Adds one image to the moments; `scratch` holds 2 · c floats.
    pub fn moments[_isa](z: View<'_>, so_far: &mut Moments<'_>, scratch: &mut [f32]) {
        let c = z.map().c;
        let pixels = (z.map().h * z.map().w) as f64;
        assert!(so_far.mean.len() == c && so_far.m2.len() == c, "moments of another shape");
        let (mean, m2) = scratch[..2 * c].split_at_mut(c);
        mean.fill(0.0);
        m2.fill(0.0);
        for row in 0..z.map().h {
            for pixel in z.line(row).chunks_exact(c) {
                for (mean, z) in mean.iter_mut().zip(pixel) {
                    *mean += z;
                }
            }
        }
        let share = (1.0 / pixels) as f32;
        mean.iter_mut().for_each(|mean| *mean *= share);
        for row in 0..z.map().h {
            for pixel in z.line(row).chunks_exact(c) {
                for ((m2, mean), z) in m2.iter_mut().zip(mean.iter()).zip(pixel) {
                    *m2 = (z - mean).mul_add(z - mean, *m2);
                }
            }
        }
        so_far.merge(pixels, |i| f64::from(mean[i]), |i| f64::from(m2[i]));
    }
}

kernel! {
    /// y = act((z - mean) · scale + β).
    pub fn apply[_isa](norm: Norm<'_>, z: View<'_>, y: ViewMut<'_>) {
        let mut y = y;
        same(z.map(), y.map());
        let c = z.map().c;
        let (mean, scale, beta) = (&norm.mean[..c], &norm.scale[..c], &norm.beta[..c]);
        for row in 0..z.map().h {
            for (y, z) in y.line(row).chunks_exact_mut(c).zip(z.line(row).chunks_exact(c)) {
                for i in 0..c {
                    let v = (z[i] - mean[i]).mul_add(scale[i], beta[i]);
                    y[i] = if v > 0.0 { v } else { v * norm.slope };
                }
            }
        }
    }
}

kernel! {
    /// Adds Σ d and Σ d · (z - mean) to `sums` [2 · c], where d is dy through the activation;
    /// `scratch` holds 2 · c floats.
    pub fn sums[_isa](
        norm: Norm<'_>,
        z: View<'_>,
        dy: View<'_>,
        sums: &mut [f64],
        scratch: &mut [f32],
    ) {
        same(z.map(), dy.map());
        let c = z.map().c;
        let (mean, scale, beta) = (&norm.mean[..c], &norm.scale[..c], &norm.beta[..c]);
        let (s1, s2) = scratch[..2 * c].split_at_mut(c);
        s1.fill(0.0);
        s2.fill(0.0);
        for row in 0..z.map().h {
            for (dy, z) in dy.line(row).chunks_exact(c).zip(z.line(row).chunks_exact(c)) {
                for i in 0..c {
                    let centred = z[i] - mean[i];
                    let v = centred.mul_add(scale[i], beta[i]);
                    let d = if v > 0.0 { dy[i] } else { dy[i] * norm.slope };
                    s1[i] += d;
                    s2[i] = d.mul_add(centred, s2[i]);
                }
            }
        }
        for (sum, part) in sums[..2 * c].iter_mut().zip(&scratch[..2 * c]) {
            *sum += f64::from(*part);
        }
    }
}

/// What the whole batch takes from each value's gradient [c].
#[derive(Clone, Copy, Debug)]
pub struct Centre<'a> {
    /// Mean of d.
    pub mean: &'a [f32],
    /// Mean of d · (z - mean), over the variance + ε.
    pub tilt: &'a [f32],
}

kernel! {
    /// dz = scale · (d - mean(d) - (z - mean) · tilt), where d is dy through the activation.
    pub fn grad[_isa](
        norm: Norm<'_>,
        centre: Centre<'_>,
        z: View<'_>,
        dy: View<'_>,
        dz: ViewMut<'_>,
    ) {
        let mut dz = dz;
        same(z.map(), dy.map());
        same(z.map(), dz.map());
        let c = z.map().c;
        let (mean, scale, beta) = (&norm.mean[..c], &norm.scale[..c], &norm.beta[..c]);
        let (shift, tilt) = (&centre.mean[..c], &centre.tilt[..c]);
        for row in 0..z.map().h {
            let pixels = z.line(row).chunks_exact(c).zip(dy.line(row).chunks_exact(c));
            for (dz, (z, dy)) in dz.line(row).chunks_exact_mut(c).zip(pixels) {
                for i in 0..c {
                    let centred = z[i] - mean[i];
                    let v = centred.mul_add(scale[i], beta[i]);
                    let d = if v > 0.0 { dy[i] } else { dy[i] * norm.slope };
                    dz[i] = scale[i] * (-centred).mul_add(tilt[i], d - shift[i]);
                }
            }
        }
    }
}

/// A value before its activation, and its distance from the mean.
#[inline(always)]
fn normalised(z: f32, mean: f32, scale: f32, beta: f32) -> (f32, f32) {
    let centred = z - mean;
    (centred.mul_add(scale, beta), centred)
}

kernel! {
    /// y = the largest of each 2 × 2 pixels of act((z - mean) · scale + β), in one pass.
    pub fn apply_pooled[_isa](norm: Norm<'_>, z: View<'_>, y: ViewMut<'_>) {
        let mut y = y;
        same(pooled(z.map()), y.map());
        let c = z.map().c;
        let (mean, scale, beta) = (&norm.mean[..c], &norm.scale[..c], &norm.beta[..c]);
        for row in 0..y.map().h {
            let (top, bottom) = (z.line(2 * row), z.line(2 * row + 1));
            let pairs = top.chunks_exact(2 * c).zip(bottom.chunks_exact(2 * c));
            for (y, (top, bottom)) in y.line(row).chunks_exact_mut(c).zip(pairs) {
                let [z0, z1, z2, z3] = four(top, bottom, c);
                for i in 0..c {
                    let v = |z: f32| normalised(z, mean[i], scale[i], beta[i]).0;
                    // The activation keeps the order, so it comes after the choice.
                    let most = largest([v(z0[i]), v(z1[i]), v(z2[i]), v(z3[i])]);
                    y[i] = if most > 0.0 { most } else { most * norm.slope };
                }
            }
        }
    }
}

kernel! {
    /// [`sums`] where dy is the gradient of [`apply_pooled`]'s output.
    pub fn sums_pooled[_isa](
        norm: Norm<'_>,
        z: View<'_>,
        dy: View<'_>,
        sums: &mut [f64],
        scratch: &mut [f32],
    ) {
        same(pooled(z.map()), dy.map());
        let c = z.map().c;
        let (mean, scale, beta) = (&norm.mean[..c], &norm.scale[..c], &norm.beta[..c]);
        let (s1, s2) = scratch[..2 * c].split_at_mut(c);
        s1.fill(0.0);
        s2.fill(0.0);
        for row in 0..dy.map().h {
            let (top, bottom) = (z.line(2 * row), z.line(2 * row + 1));
            let pairs = top.chunks_exact(2 * c).zip(bottom.chunks_exact(2 * c));
            for (dy, (top, bottom)) in dy.line(row).chunks_exact(c).zip(pairs) {
                let [z0, z1, z2, z3] = four(top, bottom, c);
                for i in 0..c {
                    let at = |z: f32| normalised(z, mean[i], scale[i], beta[i]);
                    let all = [at(z0[i]), at(z1[i]), at(z2[i]), at(z3[i])];
                    let v = all.map(|(v, _)| v);
                    let most = largest(v);
                    let [a, b, d, _] = first_of(v, most);
                    let near = if a { all[0].1 } else { all[1].1 };
                    let far = if d { all[2].1 } else { all[3].1 };
                    let centred = if a | b { near } else { far };
                    let d = if most > 0.0 { dy[i] } else { dy[i] * norm.slope };
                    s1[i] += d;
                    s2[i] = d.mul_add(centred, s2[i]);
                }
            }
        }
        for (sum, part) in sums[..2 * c].iter_mut().zip(&scratch[..2 * c]) {
            *sum += f64::from(*part);
        }
    }
}

kernel! {
    /// [`grad`] where dy is the gradient of [`apply_pooled`]'s output.
    pub fn grad_pooled[_isa](
        norm: Norm<'_>,
        centre: Centre<'_>,
        z: View<'_>,
        dy: View<'_>,
        dz: ViewMut<'_>,
    ) {
        let mut dz = dz;
        same(pooled(z.map()), dy.map());
        same(z.map(), dz.map());
        let Map { h, w, c, .. } = z.map();
        let (mean, scale, beta) = (&norm.mean[..c], &norm.scale[..c], &norm.beta[..c]);
        let (shift, tilt) = (&centre.mean[..c], &centre.tilt[..c]);
        let rest = |i: usize, z: f32| {
            let centred = z - mean[i];
            scale[i] * (-centred).mul_add(tilt[i], -shift[i])
        };
        for row in 0..dy.map().h {
            let (top, bottom) = (z.line(2 * row), z.line(2 * row + 1));
            let [d_top, d_bottom] = dz.two_lines(2 * row);
            let pairs = top.chunks_exact(2 * c).zip(bottom.chunks_exact(2 * c));
            let pools = dy.line(row).chunks_exact(c).zip(pairs);
            let dz = d_top.chunks_exact_mut(2 * c).zip(d_bottom.chunks_exact_mut(2 * c));
            for ((dy, (top, bottom)), (d_top, d_bottom)) in pools.zip(dz) {
                let [z0, z1, z2, z3] = four(top, bottom, c);
                let [d0, d1, d2, d3] = four_mut(d_top, d_bottom, c);
                for i in 0..c {
                    let at = |z: f32| normalised(z, mean[i], scale[i], beta[i]);
                    let all = [at(z0[i]), at(z1[i]), at(z2[i]), at(z3[i])];
                    let v = all.map(|(v, _)| v);
                    let most = largest(v);
                    let taken = first_of(v, most);
                    let d = if most > 0.0 { dy[i] } else { dy[i] * norm.slope };
                    let grad = |k: usize| {
                        let d = if taken[k] { d } else { 0.0 };
                        scale[i] * (-all[k].1).mul_add(tilt[i], d - shift[i])
                    };
                    d0[i] = grad(0);
                    d1[i] = grad(1);
                    d2[i] = grad(2);
                    d3[i] = grad(3);
                }
            }
        }
        // What pooling leaves out of odd maps still has its part in mean and variance.
        for row in 0..h {
            let from = if row / 2 == dy.map().h { 0 } else { w / 2 * 2 };
            let z = z.line(row)[from * c..].chunks_exact(c);
            for (dz, z) in dz.line(row)[from * c..].chunks_exact_mut(c).zip(z) {
                for i in 0..c {
                    dz[i] = rest(i, z[i]);
                }
            }
        }
    }
}
