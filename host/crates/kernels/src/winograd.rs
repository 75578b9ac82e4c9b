//! 3 × 3 convolutions of stride 1 by Winograd's F(4 × 4, 3 × 3), four times fewer products.
//!
//! Forward and input gradient are the same passes with other weights; the weight gradient is
//! F(3 × 3, 4 × 4) over the same tiles, whose sums are turned back for some tiles together.
//! Some images at a time, and of these some tiles at a time, so that the planes stay in the cache.

use std::ops::Range;

use crate::Cpu;
use crate::arch::Lanes;
use crate::arch::kernel;
use crate::arch::tile::Finish;
use crate::arch::winograd::{self, PLANES, SIDE, Spread, Tiles, plane};
use crate::arch::winograd_weights::{self, Widen};
use crate::conv::Layer;
use crate::map::{Stack, StackMut};
use crate::shape::{Conv, Map, R};

/// Tiles whose planes are worked on at a time: 32 were a few percent faster than 24 and 48 on two
/// threads of Zen 4 with 1 MiB of second cache each (`cargo xtask bench trainer`, November 2026).
const TILES: usize = 32;

/// Pixels of these tiles: images that have fewer are best worked on together, up to so many pixels.
pub const PIXELS: usize = TILES * SIDE * SIDE;

/// Rows and lanes of the largest register tile.
const ROWS_MAX: usize = 12;
const LANES_MAX: usize = 16;

/// Channels below which the transforms cost more than they save.
const CHANNELS_MIN: usize = 8;

/// A convolution that Winograd's tiles fit: stride 1, sides multiples of 4, enough channels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Winograd {
    conv: Conv,
}

impl Winograd {
    /// The convolution, if the tiles fit it.
    #[must_use]
    pub fn of(conv: Conv) -> Option<Self> {
        let Map { h, w, c, .. } = conv.input;
        let tiled = h.is_multiple_of(SIDE) && w.is_multiple_of(SIDE) && h * w > 0;
        let wide = c >= CHANNELS_MIN && conv.k >= CHANNELS_MIN;
        (conv.stride == 1 && tiled && wide).then_some(Self { conv })
    }

    /// Tiles of an image.
    fn tiles(self) -> usize {
        self.conv.input.h / SIDE * (self.conv.input.w / SIDE)
    }

    /// Floats of transformed weights, forward.
    #[must_use]
    pub fn packed_len(self, cpu: Cpu) -> usize {
        PLANES * self.conv.input.c * self.conv.k.next_multiple_of(cpu.panel())
    }

    /// Floats of transformed weights for the input gradient.
    #[must_use]
    pub fn turned_len(self, cpu: Cpu) -> usize {
        PLANES * self.conv.k * self.conv.input.c.next_multiple_of(cpu.panel())
    }

    /// Floats of scratch that any of the passes needs for `images` images.
    #[must_use]
    pub fn scratch_len(self, cpu: Cpu, images: usize) -> usize {
        let tiles = (self.tiles() * images).min(TILES);
        let (c, k) = (self.conv.input.c, self.conv.k);
        let planes = |a: usize, b: usize| PLANES * (plane(tiles, a) + plane(tiles, b));
        planes(c.max(k), cpu.panel())
            .max(planes(c, k) + winograd_weights::block_len(ROWS_MAX, LANES_MAX))
    }
}

/// Tiles that start at the border of maps, as they are read, or inside of it, as they are written.
fn tiles(map: Map, images: usize, base: usize) -> Tiles {
    let (down, across) = (map.h / SIDE, map.w / SIDE);
    Tiles {
        count: images * down * across,
        down,
        across,
        base,
        image: map.len(),
        row: map.row(),
        pixel: map.c,
        c: map.c,
    }
}

/// Tiles of the parts of `0..tiles`: as even as they get.
fn parts(tiles: usize) -> impl Iterator<Item = Range<usize>> {
    let parts = tiles.div_ceil(TILES).max(1);
    (0..parts).map(move |i| i * tiles / parts..(i + 1) * tiles / parts)
}

kernel! {
    /// Lanes are output channels, which stand together in `w` [3, 3, c, k].
    fn run_pack[isa](w: &[f32], c: usize, k: usize, packed: &mut [f32]) {
        let width = 2 * I::LANES;
        assert_eq!(w.len(), R * R * c * k, "weights of another shape");
        assert_eq!(packed.len(), PLANES * c * k.next_multiple_of(width), "other packed size");
        for (block, panel) in packed.chunks_exact_mut(PLANES * c * width).enumerate() {
            for i in 0..c {
                for half in [0, I::LANES] {
                    let lanes = Lanes::of(isa, (block * width + half).min(k), k);
                    let mut g = [[isa.zero(); R]; R];
                    for (tap, g) in g.as_flattened_mut().iter_mut().enumerate() {
                        *g = lanes.get(isa, w, (tap * c + i) * k + lanes.at);
                    }
                    winograd_weights::put_filter(isa, g, i * width + half, c * width, panel);
                }
            }
        }
    }
}

kernel! {
    /// Lanes are input channels, `k` apart in `w` [3, 3, c, k]; filters are turned round.
    fn run_pack_turned[isa](w: &[f32], c: usize, k: usize, packed: &mut [f32]) {
        let width = 2 * I::LANES;
        assert_eq!(w.len(), R * R * c * k, "weights of another shape");
        assert_eq!(packed.len(), PLANES * k * c.next_multiple_of(width), "other packed size");
        for (block, panel) in packed.chunks_exact_mut(PLANES * k * width).enumerate() {
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
                    winograd_weights::put_filter(isa, g, i * width + half, k * width, panel);
                }
            }
        }
    }
}

kernel! {
    fn run_conv[isa](x: Stack<'_>, layer: Weights<'_>, y: StackMut<'_>, scratch: &mut [f32]) {
        let (images, width, c) = (x.images(), 2 * I::LANES, x.map.c);
        let (from, to) = (tiles(x.map, images, 0), tiles(y.map, images, y.map.origin()));
        let (panel, finish) = (PLANES * c * width, layer.finish);
        assert_eq!(layer.packed.len(), panel * to.c.div_ceil(width), "weights of another shape");
        for range in parts(from.count) {
            let (v_step, m_step) = (plane(range.len(), c), plane(range.len(), width));
            let (v, m) = scratch.split_at_mut(PLANES * v_step);
            winograd::into_planes::<I, Spread>(isa, &from, range.clone(), x.data, v);
            for (block, w) in layer.packed.chunks_exact(panel).enumerate() {
                for p in 0..PLANES {
                    let (v, m) = (&v[p * v_step..], &mut m[p * m_step..]);
                    winograd::product(isa, (range.len(), c), v, &w[p * c * width..], m);
                }
                let target = (block * width, finish);
                winograd::collect(isa, &to, range.clone(), m, target, y.data);
            }
        }
    }
}

kernel! {
    fn run_weights[isa](
        x: Stack<'_>,
        dy: Stack<'_>,
        fresh: bool,
        dw: &mut [f32],
        scratch: &mut [f32],
    ) {
        let (images, c, k) = (x.images(), x.map.c, dy.map.c);
        let (from, at) = (tiles(x.map, images, 0), tiles(dy.map, images, dy.map.origin()));
        let (block, scratch) = scratch.split_at_mut(winograd_weights::block_len(I::ROWS, I::LANES));
        for range in parts(from.count) {
            let fresh = fresh && range.start == 0;
            let (v, u) = scratch.split_at_mut(PLANES * plane(range.len(), c));
            winograd::into_planes::<I, Spread>(isa, &from, range.clone(), x.data, v);
            winograd::into_planes::<I, Widen>(isa, &at, range.clone(), dy.data, u);
            winograd_weights::sum_weights(isa, (range.len(), c, k), (v, u), fresh, dw, block);
        }
    }
}

/// Transforms `w` [3, 3, C, K] for [`forward`].
pub fn pack(cpu: Cpu, wino: Winograd, w: &[f32], packed: &mut [f32]) {
    run_pack(cpu, w, wino.conv.input.c, wino.conv.k, packed);
}

/// Transforms `w` [3, 3, C, K] for [`input_grad`]: filters turned round, channels exchanged.
pub fn pack_turned(cpu: Cpu, wino: Winograd, w: &[f32], packed: &mut [f32]) {
    run_pack_turned(cpu, w, wino.conv.input.c, wino.conv.k, packed);
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
    let finish = Finish { bias: Some(layer.bias), slope: layer.slope };
    run_conv(cpu, x, Weights { packed: layer.packed, finish }, y, scratch);
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
    let finish = Finish { bias: None, slope: 1.0 };
    run_conv(cpu, dy, Weights { packed, finish }, dx, scratch);
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
    run_weights(cpu, x, dy, fresh, dw, scratch);
}
