//! Batch normalisation, one image at a time; sums over the batch are merged by the caller.

use crate::arch::{Isa, Lanes, kernel};
use crate::map::{CHAINS, View, ViewMut, join, largest, pooled, same, sum_pixels};
use crate::shape::Map;

/// How far a pass fetches ahead of what it works on, in floats: a page, which is where the processor's own
/// fetching ends. The maps of a batch come from memory when a normalisation's statistics are known.
const AHEAD: usize = 1024;

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
    pub fn moments[isa](z: View<'_>, so_far: &mut Moments<'_>, scratch: &mut [f32]) {
        let Map { h, w, c, .. } = z.map();
        let pixels = (h * w) as f64;
        assert!(so_far.mean.len() == c && so_far.m2.len() == c, "moments of another shape");
        let (mean, m2) = scratch[..2 * c].split_at_mut(c);
        let share = isa.splat((1.0 / pixels) as f32);
        for at in (0..c).step_by(I::LANES) {
            let lanes = Lanes::of(isa, at, c);
            let middle = isa.mul(sum_pixels(isa, lanes, z), share);
            let mut squares = [isa.zero(); CHAINS];
            for row in 0..h {
                let line = z.line(row);
                for x in 0..w {
                    let off = isa.sub(lanes.get(isa, line, x * c + at), middle);
                    squares[x % CHAINS] = isa.fma(off, off, squares[x % CHAINS]);
                }
            }
            lanes.put(isa, mean, at, middle);
            lanes.put(isa, m2, at, join(isa, squares));
        }
        so_far.merge(pixels, |i| f64::from(mean[i]), |i| f64::from(m2[i]));
    }
}

/// A [`Norm`] for the channels of a vector.
#[derive(Clone, Copy)]
struct Part<I: Isa> {
    mean: I::V,
    scale: I::V,
    beta: I::V,
    slope: I::V,
}

/// Values before the activation, and their distances from the mean.
#[derive(Clone, Copy)]
struct Normal<I: Isa> {
    v: I::V,
    centred: I::V,
}

impl<I: Isa> Part<I> {
    #[inline(always)]
    fn of(isa: I, norm: &Norm<'_>, lanes: Lanes<I>) -> Self {
        Self {
            mean: lanes.get(isa, norm.mean, lanes.at),
            scale: lanes.get(isa, norm.scale, lanes.at),
            beta: lanes.get(isa, norm.beta, lanes.at),
            slope: isa.splat(norm.slope),
        }
    }

    #[inline(always)]
    fn normal(&self, isa: I, z: I::V) -> Normal<I> {
        let centred = isa.sub(z, self.mean);
        Normal { v: isa.fma(centred, self.scale, self.beta), centred }
    }

    /// dy through the activation of `v`.
    #[inline(always)]
    fn back(&self, isa: I, v: I::V, dy: I::V) -> I::V {
        isa.gt(v, isa.zero(), dy, isa.mul(dy, self.slope))
    }

    /// scale · (d - shift - centred · tilt).
    #[inline(always)]
    fn grad(&self, isa: I, centre: (I::V, I::V), d: I::V, centred: I::V) -> I::V {
        let (shift, tilt) = centre;
        let minus = isa.sub(isa.zero(), centred);
        isa.mul(self.scale, isa.fma(minus, tilt, isa.sub(d, shift)))
    }
}

kernel! {
    /// y = act((z - mean) · scale + β).
    pub fn apply[isa](norm: Norm<'_>, z: View<'_>, y: ViewMut<'_>) {
        let mut y = y;
        same(z.map(), y.map());
        let Map { h, w, c, .. } = z.map();
        for row in 0..h {
            let (z, y) = (z.line(row), y.line(row));
            // Pixel by pixel, as they stand in memory, whence they come.
            for x in 0..w {
                for at in (0..c).step_by(I::LANES) {
                    let lanes = Lanes::of(isa, at, c);
                    let part = Part::of(isa, &norm, lanes);
                    isa.fetch(&z[x * c + at..], AHEAD);
                    let normal = part.normal(isa, lanes.get(isa, z, x * c + at));
                    lanes.put(isa, y, x * c + at, isa.leaky(normal.v, part.slope));
                }
            }
        }
    }
}

/// Puts what was summed up of some channels into their places in `scratch` [2 · c].
#[inline(always)]
fn keep<I: Isa>(isa: I, lanes: Lanes<I>, sums: [I::V; 2], scratch: &mut [f32]) {
    let c = scratch.len() / 2;
    lanes.put(isa, scratch, lanes.at, sums[0]);
    lanes.put(isa, scratch, c + lanes.at, sums[1]);
}

/// Adds an image's sums to those of its shard.
fn add_to(sums: &mut [f64], parts: &[f32]) {
    sums.iter_mut().zip(parts).for_each(|(sum, part)| *sum += f64::from(*part));
}

kernel! {
    /// Adds Σ d and Σ d · (z - mean) to `sums` [2 · c], where d is dy through the activation;
    /// `scratch` holds 2 · c floats.
    pub fn sums[isa](
        norm: Norm<'_>,
        z: View<'_>,
        dy: View<'_>,
        sums: &mut [f64],
        scratch: &mut [f32],
    ) {
        same(z.map(), dy.map());
        let Map { h, w, c, .. } = z.map();
        let scratch = &mut scratch[..2 * c];
        for at in (0..c).step_by(I::LANES) {
            let lanes = Lanes::of(isa, at, c);
            let part = Part::of(isa, &norm, lanes);
            let mut chains = [[isa.zero(); CHAINS]; 2];
            for row in 0..h {
                let (z, dy) = (z.line(row), dy.line(row));
                for x in 0..w {
                    let normal = part.normal(isa, lanes.get(isa, z, x * c + at));
                    let d = part.back(isa, normal.v, lanes.get(isa, dy, x * c + at));
                    chains[0][x % CHAINS] = isa.add(chains[0][x % CHAINS], d);
                    chains[1][x % CHAINS] = isa.fma(d, normal.centred, chains[1][x % CHAINS]);
                }
            }
            keep(isa, lanes, chains.map(|chains| join(isa, chains)), scratch);
        }
        add_to(&mut sums[..2 * c], scratch);
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
    pub fn grad[isa](
        norm: Norm<'_>,
        centre: Centre<'_>,
        z: View<'_>,
        dy: View<'_>,
        dz: ViewMut<'_>,
    ) {
        let mut dz = dz;
        same(z.map(), dy.map());
        same(z.map(), dz.map());
        let Map { h, w, c, .. } = z.map();
        for row in 0..h {
            let (z, dy, dz) = (z.line(row), dy.line(row), dz.line(row));
            for x in 0..w {
                for at in (0..c).step_by(I::LANES) {
                    let lanes = Lanes::of(isa, at, c);
                    let part = Part::of(isa, &norm, lanes);
                    let centre = (lanes.get(isa, centre.mean, at), lanes.get(isa, centre.tilt, at));
                    isa.fetch(&z[x * c + at..], AHEAD);
                    isa.fetch(&dy[x * c + at..], AHEAD);
                    let normal = part.normal(isa, lanes.get(isa, z, x * c + at));
                    let d = part.back(isa, normal.v, lanes.get(isa, dy, x * c + at));
                    let grad = part.grad(isa, centre, d, normal.centred);
                    lanes.put(isa, dz, x * c + at, grad);
                }
            }
        }
    }
}

/// The 2 × 2 pixels of which pixel `x` of a pooled row is made, and the largest of them.
#[derive(Clone, Copy)]
struct Four<I: Isa> {
    normals: [Normal<I>; 4],
    most: I::V,
}

impl<I: Isa> Four<I> {
    #[inline(always)]
    fn of(isa: I, part: &Part<I>, lanes: Lanes<I>, lines: [&[f32]; 2], c: usize, x: usize) -> Self {
        let at =
            |line: usize, x: usize| part.normal(isa, lanes.get(isa, lines[line], x * c + lanes.at));
        let normals = [at(0, 2 * x), at(0, 2 * x + 1), at(1, 2 * x), at(1, 2 * x + 1)];
        let most = largest(isa, normals.map(|normal| normal.v));
        Self { normals, most }
    }
}

kernel! {
    /// y = the largest of each 2 × 2 pixels of act((z - mean) · scale + β), in one pass.
    pub fn apply_pooled[isa](norm: Norm<'_>, z: View<'_>, y: ViewMut<'_>) {
        let mut y = y;
        same(pooled(z.map()), y.map());
        let (Map { h, w, .. }, c) = (y.map(), z.map().c);
        for row in 0..h {
            let (lines, y) = ([z.line(2 * row), z.line(2 * row + 1)], y.line(row));
            for x in 0..w {
                for at in (0..c).step_by(I::LANES) {
                    let lanes = Lanes::of(isa, at, c);
                    let part = Part::of(isa, &norm, lanes);
                    let four = Four::of(isa, &part, lanes, lines, c, x);
                    // The activation keeps the order, so it comes after the choice.
                    lanes.put(isa, y, x * c + at, isa.leaky(four.most, part.slope));
                }
            }
        }
    }
}

kernel! {
    /// [`sums`] where dy is the gradient of [`apply_pooled`]'s output.
    pub fn sums_pooled[isa](
        norm: Norm<'_>,
        z: View<'_>,
        dy: View<'_>,
        sums: &mut [f64],
        scratch: &mut [f32],
    ) {
        same(pooled(z.map()), dy.map());
        let (Map { h, w, .. }, c) = (dy.map(), z.map().c);
        let scratch = &mut scratch[..2 * c];
        for at in (0..c).step_by(I::LANES) {
            let lanes = Lanes::of(isa, at, c);
            let part = Part::of(isa, &norm, lanes);
            let mut chains = [[isa.zero(); CHAINS]; 2];
            for row in 0..h {
                let (lines, dy) = ([z.line(2 * row), z.line(2 * row + 1)], dy.line(row));
                for x in 0..w {
                    let Four { normals, most } = Four::of(isa, &part, lanes, lines, c, x);
                    let d = part.back(isa, most, lanes.get(isa, dy, x * c + at));
                    // The first of equals: the last one is asked first, and gives way.
                    let mut centred = normals[3].centred;
                    for normal in [normals[2], normals[1], normals[0]] {
                        centred = isa.eq(normal.v, most, normal.centred, centred);
                    }
                    chains[0][x % CHAINS] = isa.add(chains[0][x % CHAINS], d);
                    chains[1][x % CHAINS] = isa.fma(d, centred, chains[1][x % CHAINS]);
                }
            }
            keep(isa, lanes, chains.map(|chains| join(isa, chains)), scratch);
        }
        add_to(&mut sums[..2 * c], scratch);
    }
}

kernel! {
    /// [`grad`] where dy is the gradient of [`apply_pooled`]'s output.
    pub fn grad_pooled[isa](
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
        for row in 0..dy.map().h {
            let (lines, dy) = ([z.line(2 * row), z.line(2 * row + 1)], dy.line(row));
            let [top, bottom] = dz.two_lines(2 * row);
            for x in 0..w / 2 {
                for at in (0..c).step_by(I::LANES) {
                    let lanes = Lanes::of(isa, at, c);
                    let part = Part::of(isa, &norm, lanes);
                    let centre = (lanes.get(isa, centre.mean, at), lanes.get(isa, centre.tilt, at));
                    let Four { normals, most } = Four::of(isa, &part, lanes, lines, c, x);
                    let mut left = part.back(isa, most, lanes.get(isa, dy, x * c + at));
                    let mut grads = [isa.zero(); 4];
                    for (grad, normal) in grads.iter_mut().zip(normals) {
                        // The first of equals takes all.
                        let d = isa.eq(normal.v, most, left, isa.zero());
                        left = isa.eq(normal.v, most, isa.zero(), left);
                        *grad = part.grad(isa, centre, d, normal.centred);
                    }
                    lanes.put(isa, top, 2 * x * c + at, grads[0]);
                    lanes.put(isa, top, (2 * x + 1) * c + at, grads[1]);
                    lanes.put(isa, bottom, 2 * x * c + at, grads[2]);
                    lanes.put(isa, bottom, (2 * x + 1) * c + at, grads[3]);
                }
            }
        }
        // What pooling leaves out of odd maps still has its part in mean and variance.
        for row in 0..h {
            let first = if row / 2 == dy.map().h { 0 } else { w / 2 * 2 };
            let (z, dz) = (z.line(row), dz.line(row));
            for at in (0..c).step_by(I::LANES) {
                let lanes = Lanes::of(isa, at, c);
                let part = Part::of(isa, &norm, lanes);
                let centre = (lanes.get(isa, centre.mean, at), lanes.get(isa, centre.tilt, at));
                for x in first..w {
                    let Normal { centred, .. } = part.normal(isa, lanes.get(isa, z, x * c + at));
                    lanes.put(isa, dz, x * c + at, part.grad(isa, centre, isa.zero(), centred));
                }
            }
        }
    }
}
