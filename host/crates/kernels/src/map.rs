//! Passes over feature maps, one image at a time: input, activation, pooling, dropout, sums.
//!
//! A vector is some channels of a pixel; the `kernel!` instantiations make it of each set.

use crate::arch::{Isa, Lanes, kernel};
use crate::shape::Map;

/// One image's map and its values.
#[derive(Clone, Copy, Debug)]
pub struct View<'a> {
    map: Map,
    data: &'a [f32],
}

impl<'a> View<'a> {
    /// Joins shape and values; they must have the same length.
    #[must_use]
    pub fn new(map: Map, data: &'a [f32]) -> Self {
        assert_eq!(map.len(), data.len(), "values of another shape than {map:?}");
        Self { map, data }
    }

    /// The shape.
    #[must_use]
    pub fn map(self) -> Map {
        self.map
    }

    /// Row `y` without border.
    #[inline(always)]
    pub(crate) fn line(self, y: usize) -> &'a [f32] {
        &self.data[self.map.line(y)]
    }
}

/// One image's map and its values, to be written.
#[derive(Debug)]
pub struct ViewMut<'a> {
    map: Map,
    data: &'a mut [f32],
}

impl<'a> ViewMut<'a> {
    /// Joins shape and values; they must have the same length.
    #[must_use]
    pub fn new(map: Map, data: &'a mut [f32]) -> Self {
        assert_eq!(map.len(), data.len(), "values of another shape than {map:?}");
        Self { map, data }
    }

    /// The shape.
    #[must_use]
    pub fn map(&self) -> Map {
        self.map
    }

    /// Row `y` without border.
    #[inline(always)]
    pub(crate) fn line(&mut self, y: usize) -> &mut [f32] {
        &mut self.data[self.map.line(y)]
    }

    /// Rows `y` and `y` + 1 without border.
    #[inline(always)]
    pub(crate) fn two_lines(&mut self, y: usize) -> [&mut [f32]; 2] {
        let (top, bottom) = (self.map.line(y), self.map.line(y + 1));
        let (above, below) = self.data.split_at_mut(bottom.start);
        [&mut above[top], &mut below[..bottom.end - bottom.start]]
    }
}

/// Some images' maps one after another, and their values.
#[derive(Clone, Copy, Debug)]
pub struct Stack<'a> {
    pub(crate) map: Map,
    pub(crate) data: &'a [f32],
}

impl<'a> Stack<'a> {
    /// Joins shape and values of a whole number of images.
    #[must_use]
    pub fn new(map: Map, data: &'a [f32]) -> Self {
        assert!(whole(map, data), "no whole images of {map:?}");
        Self { map, data }
    }

    /// How many.
    #[must_use]
    pub fn images(self) -> usize {
        self.data.len() / self.map.len()
    }
}

/// Some images' maps one after another, and their values, to be written.
#[derive(Debug)]
pub struct StackMut<'a> {
    pub(crate) map: Map,
    pub(crate) data: &'a mut [f32],
}

impl<'a> StackMut<'a> {
    /// Joins shape and values of a whole number of images.
    #[must_use]
    pub fn new(map: Map, data: &'a mut [f32]) -> Self {
        assert!(whole(map, data), "no whole images of {map:?}");
        Self { map, data }
    }

    /// How many.
    #[must_use]
    pub fn images(&self) -> usize {
        self.data.len() / self.map.len()
    }
}

fn whole(map: Map, data: &[f32]) -> bool {
    !map.is_empty() && data.len().is_multiple_of(map.len())
}

pub(crate) fn same(a: Map, b: Map) {
    assert_eq!(a.plain(), b.plain(), "maps of different shapes");
}

/// Chains that a sum over a row's pixels is made of: pixel x goes to chain x mod CHAINS, so that an
/// addition need not wait for the one before it.
pub(crate) const CHAINS: usize = 4;

/// The sum of the chains, in their order.
#[inline(always)]
pub(crate) fn join<I: Isa>(isa: I, chains: [I::V; CHAINS]) -> I::V {
    isa.add(isa.add(chains[0], chains[1]), isa.add(chains[2], chains[3]))
}

/// How an image is moved on its way in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Augment {
    /// Left and right exchanged.
    pub flip: bool,
    /// Pixels downwards; the rows that come in are zero.
    pub down: i32,
    /// Pixels to the right, after the flip.
    pub right: i32,
}

/// pixels / 255, moved as `augment` says; `pixels` are H × W × C without border.
pub fn load(pixels: &[u8], augment: Augment, mut to: ViewMut<'_>) {
    let Map { h, w, c, .. } = to.map();
    assert_eq!(pixels.len(), h * w * c, "an image of another size");
    let inside = |at: usize, shift: i32, size: usize| {
        at.checked_add_signed(-(shift as isize)).filter(|from| *from < size)
    };
    for y in 0..h {
        let line = to.line(y);
        let Some(from_y) = inside(y, augment.down, h) else {
            line.fill(0.0);
            continue;
        };
        let from = &pixels[from_y * w * c..][..w * c];
        if augment == (Augment { down: augment.down, ..Augment::default() }) {
            line.iter_mut().zip(from).for_each(|(to, from)| *to = f32::from(*from) / 255.0);
            continue;
        }
        for (x, to) in line.chunks_exact_mut(c).enumerate() {
            match inside(x, augment.right, w) {
                Some(at) => {
                    let at = if augment.flip { w - 1 - at } else { at };
                    let pixel = &from[at * c..][..c];
                    to.iter_mut().zip(pixel).for_each(|(to, from)| *to = f32::from(*from) / 255.0);
                }
                None => to.fill(0.0),
            }
        }
    }
}

kernel! {
    /// y = x where x > 0, else slope · x.
    pub fn activate[isa](x: View<'_>, slope: f32, y: ViewMut<'_>) {
        let mut y = y;
        same(x.map(), y.map());
        let (line, slope) = (x.map().w * x.map().c, isa.splat(slope));
        for row in 0..x.map().h {
            let (x, y) = (x.line(row), y.line(row));
            for at in (0..line).step_by(I::LANES) {
                let lanes = Lanes::of(isa, at, line);
                lanes.put(isa, y, at, isa.leaky(lanes.get(isa, x, at), slope));
            }
        }
    }
}

kernel! {
    /// dx = dy where y > 0, else slope · dy; y is the activation's output.
    pub fn activate_grad[isa](y: View<'_>, dy: View<'_>, slope: f32, dx: ViewMut<'_>) {
        let mut dx = dx;
        same(y.map(), dx.map());
        same(dy.map(), dx.map());
        let (line, slope) = (y.map().w * y.map().c, isa.splat(slope));
        for row in 0..y.map().h {
            let (y, dy, dx) = (y.line(row), dy.line(row), dx.line(row));
            for at in (0..line).step_by(I::LANES) {
                let lanes = Lanes::of(isa, at, line);
                let d = lanes.get(isa, dy, at);
                let through = isa.gt(lanes.get(isa, y, at), isa.zero(), d, isa.mul(d, slope));
                lanes.put(isa, dx, at, through);
            }
        }
    }
}

/// The output of 2 × 2 pooling; an odd last row or column is left out.
#[must_use]
pub fn pooled(map: Map) -> Map {
    Map::new(map.h / 2, map.w / 2, map.c)
}

/// The largest of four, the first of equals.
#[inline(always)]
pub(crate) fn largest<I: Isa>(isa: I, p: [I::V; 4]) -> I::V {
    let larger = |a: I::V, b: I::V| isa.gt(b, a, b, a);
    larger(larger(larger(p[0], p[1]), p[2]), p[3])
}

kernel! {
    /// y = the largest of each 2 × 2 pixels.
    pub fn max_pool[isa](x: View<'_>, y: ViewMut<'_>) {
        let mut y = y;
        same(pooled(x.map()), y.map());
        let Map { h, w, c, .. } = y.map();
        for row in 0..h {
            let (top, bottom, y) = (x.line(2 * row), x.line(2 * row + 1), y.line(row));
            for at in (0..c).step_by(I::LANES) {
                let lanes = Lanes::of(isa, at, c);
                for x in 0..w {
                    let get = |line: &[f32], x: usize| lanes.get(isa, line, x * c + at);
                    let (left, right) = (2 * x, 2 * x + 1);
                    let p = [get(top, left), get(top, right), get(bottom, left), get(bottom, right)];
                    lanes.put(isa, y, x * c + at, largest(isa, p));
                }
            }
        }
    }
}

kernel! {
    /// Gives dy to the first of each 2 × 2 pixels that equals y, zero to the others; through the
    /// activation of this slope that made x.
    pub fn max_pool_grad[isa](
        x: View<'_>,
        y: View<'_>,
        dy: View<'_>,
        slope: f32,
        dx: ViewMut<'_>,
    ) {
        let mut dx = dx;
        same(x.map(), dx.map());
        same(y.map(), dy.map());
        same(pooled(x.map()), y.map());
        let (Map { h, w, c, .. }, slope) = (x.map(), isa.splat(slope));
        for row in 0..h {
            if row / 2 == y.map().h {
                dx.line(row).fill(0.0);
            } else if w % 2 == 1 {
                dx.line(row)[(w - 1) * c..].fill(0.0);
            }
        }
        for row in 0..y.map().h {
            let (lines, y, dy) = ([x.line(2 * row), x.line(2 * row + 1)], y.line(row), dy.line(row));
            let d_lines = dx.two_lines(2 * row);
            for at in (0..c).step_by(I::LANES) {
                let lanes = Lanes::of(isa, at, c);
                for x in 0..w / 2 {
                    let most = lanes.get(isa, y, x * c + at);
                    let d = lanes.get(isa, dy, x * c + at);
                    let mut left = isa.gt(most, isa.zero(), d, isa.mul(d, slope));
                    for (line, x) in [(0, 2 * x), (0, 2 * x + 1), (1, 2 * x), (1, 2 * x + 1)] {
                        let p = lanes.get(isa, lines[line], x * c + at);
                        // The first of equals takes all.
                        let taken = isa.eq(p, most, left, isa.zero());
                        left = isa.eq(p, most, isa.zero(), left);
                        lanes.put(isa, d_lines[line], x * c + at, taken);
                    }
                }
            }
        }
    }
}

/// Which values a dropout keeps: a pure function of key and position.
#[derive(Clone, Copy, Debug)]
pub struct Dropout {
    /// Random bits of this seed, epoch, step, image and layer.
    pub key: u64,
    /// Share that is dropped, 0 ≤ rate < 1.
    pub rate: f32,
}

kernel! {
    /// y = x / (1 - rate) where kept, else 0. Forward and backward alike.
    pub fn dropout[_isa](dropout: Dropout, x: View<'_>, y: ViewMut<'_>) {
        let mut y = y;
        same(x.map(), y.map());
        let scale = 1.0 / (1.0 - dropout.rate);
        // A rate below 1 makes this at most 2^32 - 256, so the conversion is exact.
        let drop_below = (f64::from(dropout.rate) * 4_294_967_296.0) as u32;
        let (low, high) = (dropout.key as u32, (dropout.key >> 32) as u32);
        let line = (x.map().w * x.map().c) as u32;
        for row in 0..x.map().h {
            let start = low.wrapping_add(line.wrapping_mul(row as u32));
            for (i, (y, &x)) in y.line(row).iter_mut().zip(x.line(row)).enumerate() {
                let kept = mix(start.wrapping_add(i as u32), high) >= drop_below;
                *y = if kept { x * scale } else { 0.0 };
            }
        }
    }
}

/// The finaliser `lowbias32` (Chris Wellons, public domain) with a second key in its middle.
#[inline(always)]
fn mix(mut x: u32, key: u32) -> u32 {
    x ^= x >> 16;
    x = x.wrapping_mul(0x7feb_352d) ^ key;
    x ^= x >> 15;
    x = x.wrapping_mul(0x846c_a68b);
    x ^ (x >> 16)
}

kernel! {
    /// y [c] = the mean of each channel.
    pub fn global_avg_pool[isa](x: View<'_>, y: ViewMut<'_>) {
        let mut y = y;
        assert_eq!(y.map(), Map::new(1, 1, x.map().c), "means of another shape");
        let y = y.line(0);
        add_channels(isa, x, true, y);
        let scale = 1.0 / (x.map().h * x.map().w) as f32;
        y.iter_mut().for_each(|y| *y *= scale);
    }
}

/// dx = dy / (H · W) at every pixel.
pub fn global_avg_pool_grad(dy: View<'_>, mut dx: ViewMut<'_>) {
    let Map { h, w, c, .. } = dx.map();
    assert_eq!(dy.map(), Map::new(1, 1, c), "a gradient of another shape");
    let dy = dy.line(0);
    let scale = 1.0 / (h * w) as f32;
    for row in 0..h {
        for pixel in dx.line(row).chunks_exact_mut(c) {
            pixel.iter_mut().zip(dy).for_each(|(dx, dy)| *dx = dy * scale);
        }
    }
}

kernel! {
    /// sums [c] = Σ over pixels, added to what is there unless `fresh`: the gradient of a bias.
    pub fn channel_sums[isa](x: View<'_>, fresh: bool, sums: &mut [f32]) {
        add_channels(isa, x, fresh, sums);
    }
}

/// Some channels' sums over all pixels.
#[inline(always)]
pub(crate) fn sum_pixels<I: Isa>(isa: I, lanes: Lanes<I>, x: View<'_>) -> I::V {
    let Map { h, w, c, .. } = x.map();
    let mut chains = [isa.zero(); CHAINS];
    for row in 0..h {
        let line = x.line(row);
        for x in 0..w {
            let value = lanes.get(isa, line, x * c + lanes.at);
            chains[x % CHAINS] = isa.add(chains[x % CHAINS], value);
        }
    }
    join(isa, chains)
}

#[inline(always)]
fn add_channels<I: Isa>(isa: I, x: View<'_>, fresh: bool, sums: &mut [f32]) {
    let c = x.map().c;
    assert_eq!(sums.len(), c, "sums of another shape");
    for at in (0..c).step_by(I::LANES) {
        let lanes = Lanes::of(isa, at, c);
        let sum = sum_pixels(isa, lanes, x);
        let before = if fresh { isa.zero() } else { lanes.get(isa, sums, at) };
        lanes.put(isa, sums, at, isa.add(before, sum));
    }
}
