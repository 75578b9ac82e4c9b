//! 3 × 3 convolutions, one image at a time, and the packing of their weights.
//!
//! Forward and input gradient are one gathered product each (the latter once per parity of the
//! pixel when the stride is 2); the weight gradient is a sum of outer products.

use std::ops::Range;

use crate::Cpu;
use crate::arch::kernel;
use crate::arch::tile::{self, Finish, Gather, Outer};
use crate::map::{Stack, StackMut};
use crate::shape::{Conv, Map, R};

/// Rows of a weight gradient's band: input and gradient of a band then stay in the first cache
/// (whole images fell from 92 % to 75 % of peak on Zen 3).
const BAND: usize = 4;

/// Floats that `rows` × `k` weights take when packed for `cpu`.
#[must_use]
pub fn packed_len(cpu: Cpu, rows: usize, k: usize) -> usize {
    rows * k.next_multiple_of(cpu.panel())
}

/// Packs row-major `w` [rows, k] into panels: [k / panel][rows][panel], zeroes at the end.
pub fn pack(cpu: Cpu, w: &[f32], k: usize, packed: &mut [f32]) {
    let (rows, width) = (w.len() / k, cpu.panel());
    assert_eq!(packed.len(), packed_len(cpu, rows, k), "packed weights of another size");
    for (block, panel) in packed.chunks_exact_mut(rows * width).enumerate() {
        let first = block * width;
        let columns = (k - first).min(width);
        for (to, from) in panel.chunks_exact_mut(width).zip(w.chunks_exact(k)) {
            to[..columns].copy_from_slice(&from[first..first + columns]);
            to[columns..].fill(0.0);
        }
    }
}

/// Packs the transpose of row-major `w` [c, k]: a matrix [k, c] in panels of columns of c.
pub fn pack_transposed(cpu: Cpu, w: &[f32], k: usize, packed: &mut [f32]) {
    let (c, width) = (w.len() / k, cpu.panel());
    assert_eq!(packed.len(), packed_len(cpu, k, c), "packed weights of another size");
    for (block, panel) in packed.chunks_exact_mut(k * width).enumerate() {
        transpose_into(w, k, block * width, width, panel);
    }
}

/// panel[o][j] = w[first + j][o] for the columns that exist, else 0.
fn transpose_into(w: &[f32], k: usize, first: usize, width: usize, panel: &mut [f32]) {
    let columns = (w.len() / k - first).min(width);
    // Rows of `w` as they stand in memory; the panel is what the first cache holds.
    for (j, row) in w[first * k..][..columns * k].chunks_exact(k).enumerate() {
        for (to, from) in panel.chunks_exact_mut(width).zip(row) {
            to[j] = *from;
        }
    }
    if columns < width {
        panel.chunks_exact_mut(width).for_each(|to| to[columns..].fill(0.0));
    }
}

/// The filter rows (or columns) that reach input pixels of one parity.
#[derive(Clone, Copy, Debug)]
struct Taps {
    /// The largest filter index; the others follow in steps of the stride, downwards.
    first: usize,
    count: usize,
    /// Padded output index that the first tap reads for pixel 0 of this parity.
    base: usize,
}

impl Taps {
    /// Input pixel `y` is read by output o with filter index f where stride·o + start + f = y + 1.
    fn of(parity: usize, start: usize, stride: usize) -> Self {
        let reach = parity + 1 - start;
        let first = (0..R).rev().find(|f| (reach + stride * R - f).is_multiple_of(stride));
        let first = first.expect("three taps reach every parity of stride 1 and 2");
        // The border shifts output indices by one, so the base is (reach - first) / stride + 1.
        Self { first, count: first / stride + 1, base: (reach + stride - first) / stride }
    }

    fn filters(self, stride: usize) -> impl Iterator<Item = usize> {
        (0..self.count).map(move |t| self.first - t * stride)
    }
}

/// The parities of an input gradient with their taps, in the order they are packed.
fn parities(conv: Conv) -> impl Iterator<Item = ((usize, usize), Taps, Taps)> {
    let (start_y, start_x) = conv.start();
    let s = conv.stride;
    (0..s * s).map(move |i| {
        let (py, px) = (i / s, i % s);
        ((py, px), Taps::of(py, start_y, s), Taps::of(px, start_x, s))
    })
}

/// Packs `w` [3, 3, C, K] for [`input_grad`]: filters turned round, channels exchanged.
pub fn pack_turned(cpu: Cpu, conv: Conv, w: &[f32], packed: &mut [f32]) {
    let (c, k, width) = (conv.input.c, conv.k, cpu.panel());
    assert_eq!(w.len(), conv.weights(), "weights of another shape");
    assert_eq!(packed.len(), packed_len(cpu, R * R * k, c), "packed weights of another size");
    let mut rest = packed;
    for (_, ty, tx) in parities(conv) {
        for block in 0..c.div_ceil(width) {
            for fy in ty.filters(conv.stride) {
                for fx in tx.filters(conv.stride) {
                    let (panel, left) = rest.split_at_mut(k * width);
                    let filter = &w[(fy * R + fx) * c * k..][..c * k];
                    transpose_into(filter, k, block * width, width, panel);
                    rest = left;
                }
            }
        }
    }
}

kernel! {
    fn run_gather[isa](g: &Gather, x: &[f32], w: &[f32], finish: Finish<'_>, y: &mut [f32]) {
        tile::gather(isa, g, x, w, finish, y);
    }
}

kernel! {
    fn run_outer[isa](g: &Outer, x: &[f32], dy: &[f32], fresh: bool, dw: &mut [f32]) {
        tile::outer(isa, g, x, dy, fresh, dw);
    }
}

/// Weights, bias and the activation that follows, as forward kernels take them.
#[derive(Clone, Copy, Debug)]
pub struct Layer<'a> {
    /// From [`pack`].
    pub packed: &'a [f32],
    /// One factor an output channel, which comes before the bias: that of a normalisation which follows.
    pub scale: Option<&'a [f32]>,
    /// One value an output channel.
    pub bias: &'a [f32],
    /// Factor of negative outputs: 1 for no activation, 0 for ReLU, 0.3 for Keras' leaky ReLU.
    pub slope: f32,
}

impl<'a> Layer<'a> {
    /// What comes after the sums.
    pub(crate) fn finish(&self) -> Finish<'a> {
        Finish { scale: self.scale, bias: Some(self.bias), slope: self.slope }
    }
}

/// y = act(conv(x) · scale + bias) of one image; `x` has its border, `to` is the map that `y` has.
pub fn forward(cpu: Cpu, conv: Conv, x: &[f32], layer: Layer<'_>, to: Map, y: &mut [f32]) {
    let (from, out) = (conv.input, conv.output());
    assert!(to.plain() == out && y.len() == to.len(), "output of another shape");
    let (start_y, start_x) = conv.start();
    let g = Gather {
        rows: out.h,
        cols: out.w,
        x_base: start_y * from.row() + start_x * from.c,
        x_row: conv.stride * from.row(),
        x_col: conv.stride * from.c,
        y_base: to.origin(),
        y_row: to.row(),
        y_col: to.c,
        taps: R,
        tap_step: from.row(),
        run: R * from.c,
        k: conv.k,
        onto: false,
    };
    run_gather(cpu, &g, x, layer.packed, layer.finish(), y);
}

/// [`forward`] of some images.
pub fn forward_all(cpu: Cpu, conv: Conv, x: Stack<'_>, layer: Layer<'_>, y: StackMut<'_>) {
    let to = y.map;
    for (x, y) in x.data.chunks_exact(x.map.len()).zip(y.data.chunks_exact_mut(to.len())) {
        forward(cpu, conv, x, layer, to, y);
    }
}

/// dx of one image; `dy` has a border of zeroes, `packed` is from [`pack_turned`].
pub fn input_grad(cpu: Cpu, conv: Conv, dy: &[f32], packed: &[f32], to: Map, dx: &mut [f32]) {
    let from = conv.output().padded();
    assert!(to.plain() == conv.input.plain() && dx.len() == to.len(), "input of another shape");
    let (s, mut rest) = (conv.stride, packed);
    for ((py, px), ty, tx) in parities(conv) {
        let (w, left) = rest.split_at(packed_len(cpu, ty.count * tx.count * conv.k, to.c));
        rest = left;
        let g = Gather {
            rows: (to.h - py).div_ceil(s),
            cols: (to.w - px).div_ceil(s),
            x_base: ty.base * from.row() + tx.base * from.c,
            x_row: from.row(),
            x_col: from.c,
            y_base: to.origin() + py * to.row() + px * to.c,
            y_row: s * to.row(),
            y_col: s * to.c,
            taps: ty.count,
            tap_step: from.row(),
            run: tx.count * from.c,
            k: to.c,
            onto: false,
        };
        run_gather(cpu, &g, dy, w, Finish::NONE, dx);
    }
}

/// dw [3, 3, C, K] of one image, added to what is there unless `fresh`; `x` and `dy` have borders.
pub fn weight_grad(cpu: Cpu, conv: Conv, x: &[f32], dy: &[f32], fresh: bool, dw: &mut [f32]) {
    let (from, out) = (conv.input, conv.output().padded());
    let (start_y, start_x) = conv.start();
    let g = Outer {
        rows: out.h,
        cols: out.w,
        band: BAND,
        x_base: start_y * from.row() + start_x * from.c,
        x_row: conv.stride * from.row(),
        x_col: conv.stride * from.c,
        dy_base: out.origin(),
        dy_row: out.row(),
        dy_col: out.c,
        taps: R,
        tap_step: from.row(),
        run: R * from.c,
        k: conv.k,
    };
    run_outer(cpu, &g, x, dy, fresh, dw);
}

/// y [n, k] = act(x [n, c] · w + bias), with rows `rows` of `w` [c, k] from [`pack`]: a layer of many
/// weights is done some rows at a time, from the first to the last, and `y` holds the sums meanwhile.
pub fn dense_forward(
    cpu: Cpu,
    n: usize,
    x: &[f32],
    rows: Range<usize>,
    layer: Layer<'_>,
    y: &mut [f32],
) {
    let (c, k) = (x.len() / n.max(1), layer.bias.len());
    let finish = if rows.end == c { layer.finish() } else { Finish::NONE };
    let onto = rows.start > 0;
    let g = Gather { x_base: rows.start, x_row: c, onto, ..product(n, rows.len(), k) };
    run_gather(cpu, &g, x, layer.packed, finish, y);
}

/// dx [n, c] = dy [n, k] · wᵀ for the columns of rows `rows` of `w` [c, k], from [`pack_transposed`].
pub fn dense_input_grad(
    cpu: Cpu,
    n: usize,
    dy: &[f32],
    packed: &[f32],
    rows: Range<usize>,
    dx: &mut [f32],
) {
    let (c, k) = (dx.len() / n.max(1), dy.len() / n.max(1));
    let g = Gather { y_base: rows.start, y_row: c, ..product(n, k, rows.len()) };
    run_gather(cpu, &g, dy, packed, Finish::NONE, dx);
}

/// Rows `rows` of dw [c, k] = xᵀ · dy over n rows, added to what is there unless `fresh`.
pub fn dense_weight_grad(
    cpu: Cpu,
    n: usize,
    (x, dy): (&[f32], &[f32]),
    rows: Range<usize>,
    fresh: bool,
    dw: &mut [f32],
) {
    let (c, k) = (x.len() / n.max(1), dy.len() / n.max(1));
    let g = Outer {
        rows: 1,
        cols: n,
        band: 1,
        x_base: rows.start,
        x_row: 0,
        x_col: c,
        dy_base: 0,
        dy_row: 0,
        dy_col: k,
        taps: 1,
        tap_step: 0,
        run: rows.len(),
        k,
    };
    run_outer(cpu, &g, x, dy, fresh, dw);
}

/// A plain product [rows, run] · [run, k] as a gather of one tap.
fn product(rows: usize, run: usize, k: usize) -> Gather {
    Gather {
        rows,
        cols: 1,
        x_base: 0,
        x_row: run,
        x_col: 0,
        y_base: 0,
        y_row: k,
        y_col: 0,
        taps: 1,
        tap_step: 0,
        run,
        k,
        onto: false,
    }
}
