//! 3 × 3 convolutions by Winograd's F(4 × 4, 3 × 3), four times fewer products, and those of stride 2 by
//! F(4, 2) over the pixels of even places, 1.8 times fewer.
//!
//! Forward and input gradient are the same passes with other weights and transforms; the weight gradient
//! is F(3 × 3, 4 × 4) over the same tiles, whose sums are turned back for some tiles together.
//! Some images at a time, and of these some tiles at a time, so that the planes stay in the cache.

use std::ops::Range;

use crate::Cpu;
use crate::arch::Isa;
use crate::arch::Lanes;
use crate::arch::halving::{Doubled, HALVED, Half, Halved};
use crate::arch::kernel;
use crate::arch::tile::Finish;
use crate::arch::winograd::{self, FromPlanes, Gathered, IntoPlanes, PLANES, SIDE, Tiles, plane};
use crate::arch::winograd_weights::{self, Filter, Whole};
use crate::conv::Layer;
use crate::map::{Stack, StackMut};
use crate::shape::{Conv, Map, R};

/// Tiles whose planes are worked on at a time: 32 were a few percent faster than 24 and 48 on two
/// threads of Zen 4 with 1 MiB of second cache each (`cargo xtask bench trainer`, November 2026).
const TILES: usize = 32;

/// The same at stride 2, where there are 81 planes instead of 36.
const TILES_HALVED: usize = 16;

/// Pixels of these tiles: images that have fewer are best worked on together, up to so many pixels.
pub const PIXELS: usize = TILES * SIDE * SIDE;

/// Rows and lanes of the largest register tile.
const ROWS_MAX: usize = 12;
const LANES_MAX: usize = 16;

/// Channels below which the transforms cost more than they save.
const CHANNELS_MIN: usize = 8;

/// A convolution that Winograd's tiles fit: outputs of sides that are multiples of 4, an input as many
/// times larger as the stride says, enough channels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Winograd {
    conv: Conv,
}

impl Winograd {
    /// The convolution, if the tiles fit it.
    #[must_use]
    pub fn of(conv: Conv) -> Option<Self> {
        let Map { h, w, c, .. } = conv.input;
        let side = conv.stride * SIDE;
        let tiled = h.is_multiple_of(side) && w.is_multiple_of(side) && h * w > 0;
        let wide = c >= CHANNELS_MIN && conv.k >= CHANNELS_MIN;
        (tiled && wide).then_some(Self { conv })
    }

    /// Tiles of an image.
    fn tiles(self) -> usize {
        self.conv.output().h / SIDE * (self.conv.output().w / SIDE)
    }

    /// Whether every second pixel has outputs.
    fn halves(self) -> bool {
        self.conv.stride == 2
    }

    /// Floats of transformed weights, forward.
    #[must_use]
    pub fn packed_len(self, cpu: Cpu) -> usize {
        packed_len(self.conv.input.c, self.conv.k, cpu.panel())
    }

    /// Floats of transformed weights for the input gradient.
    #[must_use]
    pub fn turned_len(self, cpu: Cpu) -> usize {
        packed_len(self.conv.k, self.conv.input.c, cpu.panel())
    }

    /// Floats of scratch that any of the passes needs for `images` images.
    #[must_use]
    pub fn scratch_len(self, cpu: Cpu, images: usize) -> usize {
        let (most, count) = if self.halves() { (TILES_HALVED, HALVED) } else { (TILES, PLANES) };
        let tiles = (self.tiles() * images).min(most);
        let (c, k) = (self.conv.input.c, self.conv.k);
        let planes = |a: usize, b: usize| count * (plane(tiles, a) + plane(tiles, b));
        planes(c.max(k), cpu.panel())
            .max(planes(c, k) + winograd_weights::block_len(ROWS_MAX, LANES_MAX))
    }
}

/// Floats of weights of `rows` rows and `k` columns: panels of 36 planes [rows][width], with gaps as well.
fn packed_len(rows: usize, k: usize, width: usize) -> usize {
    PLANES * plane(rows, width) * k.div_ceil(width)
}

/// Tiles of `side` pixels each way, the first at `base`.
fn tiles(map: Map, images: usize, side: usize, base: usize) -> Tiles {
    let (down, across) = (map.h / side, map.w / side);
    Tiles {
        count: images * down * across,
        down,
        across,
        base,
        side,
        image: map.len(),
        row: map.row(),
        pixel: map.c,
        c: map.c,
    }
}

/// Tiles of the parts of `0..tiles`: as even as they get.
fn parts(tiles: usize, most: usize) -> impl Iterator<Item = Range<usize>> {
    let parts = tiles.div_ceil(most).max(1);
    (0..parts).map(move |i| i * tiles / parts..(i + 1) * tiles / parts)
}

kernel! {
    /// Lanes are output channels, which stand together in `w` [3, 3, c, k].
    fn run_pack[isa](wino: Winograd, w: &[f32], packed: &mut [f32]) {
        let (c, k, width) = (wino.conv.input.c, wino.conv.k, 2 * I::LANES);
        assert_eq!(w.len(), R * R * c * k, "weights of another shape");
        assert_eq!(packed.len(), packed_len(c, k, width), "other packed size");
        let step = plane(c, width);
        for (block, panel) in packed.chunks_exact_mut(PLANES * step).enumerate() {
            for i in 0..c {
                for half in [0, I::LANES] {
                    let lanes = Lanes::of(isa, (block * width + half).min(k), k);
                    let mut g = [[isa.zero(); R]; R];
                    for (tap, g) in g.as_flattened_mut().iter_mut().enumerate() {
                        *g = lanes.get(isa, w, (tap * c + i) * k + lanes.at);
                    }
                    put_filter(isa, wino, g, (i * width + half, step), panel);
                }
            }
        }
    }
}

kernel! {
    /// Lanes are input channels, `k` apart in `w` [3, 3, c, k]; filters are turned round.
    fn run_pack_turned[isa](wino: Winograd, w: &[f32], packed: &mut [f32]) {
        let (c, k, width) = (wino.conv.input.c, wino.conv.k, 2 * I::LANES);
        assert_eq!(w.len(), R * R * c * k, "weights of another shape");
        assert_eq!(packed.len(), packed_len(k, c, width), "other packed size");
        let step = plane(k, width);
        for (block, panel) in packed.chunks_exact_mut(PLANES * step).enumerate() {
            for half in [0, I::LANES] {
                let first = (block * width + half).min(c);
                let count = (c - first).min(I::LANES);
                for i in 0..k {
                    let mut g = [[isa.zero(); R]; R];
                    for (tap, g) in g.as_flattened_mut().iter_mut().enumerate() {
                        let mut row = [0.0; LANES_MAX];
                        let from = &w[((R * R - 1 - tap) * c + first) * k..][..count * k];
                        for (to, from) in row.iter_mut().zip(from.chunks_exact(k)) {
                            *to = from[i];
                        }
                        *g = Lanes::of(isa, 0, I::LANES).get(isa, &row, 0);
                    }
                    put_filter(isa, wino, g, (i * width + half, step), panel);
                }
            }
        }
    }
}

/// Puts some channels' filters into their places.
#[inline(always)]
fn put_filter<I: Isa>(
    isa: I,
    wino: Winograd,
    g: [[I::V; R]; R],
    (at, plane): (usize, usize),
    panel: &mut [f32],
) {
    if wino.halves() {
        winograd_weights::put_filter::<I, Half>(isa, g, at, plane, panel);
    } else {
        winograd_weights::put_filter::<I, Whole>(isa, g, at, plane, panel);
    }
}

/// Tiles that are read and the tiles that are made of them, so many at a time.
struct Pass {
    from: Tiles,
    to: Tiles,
    most: usize,
}

#[inline(always)]
fn convolve<I: Isa, T: FromPlanes>(
    isa: I,
    pass: &Pass,
    x: &[f32],
    layer: Weights<'_>,
    y: &mut [f32],
    scratch: &mut [f32],
) {
    let Pass { from, to, most } = pass;
    let (width, c) = (2 * I::LANES, from.c);
    let (w_step, finish) = (plane(c, width), layer.finish);
    let panel = PLANES * w_step;
    assert_eq!(layer.packed.len(), panel * to.c.div_ceil(width), "weights of another shape");
    for range in parts(from.count, *most) {
        let (v_step, m_step) = (plane(range.len(), c), plane(range.len(), width));
        let (v, m) = scratch.split_at_mut(T::Into::PLANES * v_step);
        winograd::into_planes::<I, T::Into>(isa, from, range.clone(), x, v);
        for (block, w) in layer.packed.chunks_exact(panel).enumerate() {
            for p in 0..PLANES {
                for plane in T::planes(p) {
                    let (v, m) = (&v[plane * v_step..], &mut m[plane * m_step..]);
                    winograd::product(isa, (range.len(), c), v, &w[p * w_step..], m);
                }
            }
            winograd::collect::<I, T>(isa, to, range.clone(), m, (block * width, finish), y);
        }
    }
}

kernel! {
    fn run_conv[isa](
        wino: Winograd,
        x: Stack<'_>,
        layer: Weights<'_>,
        y: StackMut<'_>,
        scratch: &mut [f32],
    ) {
        let (images, origin) = (x.images(), y.map.origin());
        if wino.halves() {
            // Without the border before the first pixel, see `Conv::start`.
            let from = tiles(x.map, images, 2 * SIDE, x.map.origin());
            let pass = Pass { from, to: tiles(y.map, images, SIDE, origin), most: TILES_HALVED };
            convolve::<I, Halved>(isa, &pass, x.data, layer, y.data, scratch);
        } else {
            let from = tiles(x.map, images, SIDE, 0);
            let pass = Pass { from, to: tiles(y.map, images, SIDE, origin), most: TILES };
            convolve::<I, Gathered>(isa, &pass, x.data, layer, y.data, scratch);
        }
    }
}

kernel! {
    /// The input gradient at stride 2; that at stride 1 is a [`run_conv`].
    fn run_doubling[isa](
        dy: Stack<'_>,
        layer: Weights<'_>,
        dx: StackMut<'_>,
        scratch: &mut [f32],
    ) {
        let (images, origin) = (dy.images(), dx.map.origin());
        let (from, to) = (tiles(dy.map, images, SIDE, 0), tiles(dx.map, images, 2 * SIDE, origin));
        let pass = Pass { from, to, most: TILES_HALVED };
        convolve::<I, Doubled>(isa, &pass, dy.data, layer, dx.data, scratch);
    }
}

#[inline(always)]
fn sum_weights<I: Isa, T: Filter>(
    isa: I,
    Pass { from, to, most }: &Pass,
    (x, dy): (&[f32], &[f32]),
    fresh: bool,
    dw: &mut [f32],
    scratch: &mut [f32],
) {
    let (c, k) = (from.c, to.c);
    let (block, scratch) = scratch.split_at_mut(winograd_weights::block_len(I::ROWS, I::LANES));
    for range in parts(from.count, *most) {
        let fresh = fresh && range.start == 0;
        let (v, u) = scratch.split_at_mut(T::Spread::PLANES * plane(range.len(), c));
        winograd::into_planes::<I, T::Spread>(isa, from, range.clone(), x, v);
        winograd::into_planes::<I, T::Widen>(isa, to, range.clone(), dy, u);
        let size = (range.len(), c, k);
        winograd_weights::sum_weights::<I, T>(isa, size, (v, u), fresh, dw, block);
    }
}

kernel! {
    fn run_weights[isa](
        wino: Winograd,
        x: Stack<'_>,
        dy: Stack<'_>,
        fresh: bool,
        dw: &mut [f32],
        scratch: &mut [f32],
    ) {
        let (images, data) = (x.images(), (x.data, dy.data));
        let to = tiles(dy.map, images, SIDE, dy.map.origin());
        if wino.halves() {
            let from = tiles(x.map, images, 2 * SIDE, x.map.origin());
            let pass = Pass { from, to, most: TILES_HALVED };
            sum_weights::<I, Half>(isa, &pass, data, fresh, dw, scratch);
        } else {
            let pass = Pass { from: tiles(x.map, images, SIDE, 0), to, most: TILES };
            sum_weights::<I, Whole>(isa, &pass, data, fresh, dw, scratch);
        }
    }
}

/// Transforms `w` [3, 3, C, K] for [`forward`].
pub fn pack(cpu: Cpu, wino: Winograd, w: &[f32], packed: &mut [f32]) {
    run_pack(cpu, wino, w, packed);
}

/// Transforms `w` [3, 3, C, K] for [`input_grad`]: filters turned round, channels exchanged.
pub fn pack_turned(cpu: Cpu, wino: Winograd, w: &[f32], packed: &mut [f32]) {
    run_pack_turned(cpu, wino, w, packed);
}

/// Transformed weights and what comes after them.
#[derive(Clone, Copy)]
struct Weights<'a> {
    packed: &'a [f32],
    finish: Finish<'a>,
}

/// y = act(conv(x) + bias) of some images; `x` has its border.
pub fn forward(
    cpu: Cpu,
    wino: Winograd,
    x: Stack<'_>,
    layer: Layer<'_>,
    y: StackMut<'_>,
    scratch: &mut [f32],
) {
    assert_eq!(x.map, wino.conv.input, "input of another shape");
    assert_eq!(y.map.plain(), wino.conv.output(), "output of another shape");
    assert_eq!(x.images(), y.images(), "other images");
    let finish = layer.finish();
    run_conv(cpu, wino, x, Weights { packed: layer.packed, finish }, y, scratch);
}

/// dx of some images; `dy` has a border of zeroes, `packed` is from [`pack_turned`].
pub fn input_grad(
    cpu: Cpu,
    wino: Winograd,
    dy: Stack<'_>,
    packed: &[f32],
    dx: StackMut<'_>,
    scratch: &mut [f32],
) {
    assert_eq!(dy.map, wino.conv.output().padded(), "gradient of another shape");
    assert_eq!(dx.map.plain(), wino.conv.input.plain(), "input of another shape");
    assert_eq!(dy.images(), dx.images(), "other images");
    let finish = Finish::NONE;
    let layer = Weights { packed, finish };
    match wino.halves() {
        true => run_doubling(cpu, dy, layer, dx, scratch),
        false => run_conv(cpu, wino, dy, layer, dx, scratch),
    }
}

/// dw [3, 3, C, K] of some images, added to what is there unless `fresh`; `x` and `dy` have borders.
pub fn weight_grad(
    cpu: Cpu,
    wino: Winograd,
    x: Stack<'_>,
    dy: Stack<'_>,
    fresh: bool,
    dw: &mut [f32],
    scratch: &mut [f32],
) {
    assert_eq!(x.map, wino.conv.input, "input of another shape");
    assert_eq!(dy.map, wino.conv.output().padded(), "gradient of another shape");
    assert_eq!(x.images(), dy.images(), "other images");
    run_weights(cpu, wino, x, dy, fresh, dw, scratch);
}
