//! The passes of Winograd's F(4 × 4, 3 × 3): tiles into 36 planes, products of planes, and back.
//!
//! Lavin and Gray (arXiv 1509.09308), but at the points 0, ±√½, ±√2 and ∞, whose powers stay closer
//! together: a quarter of the error of 0, ±1, ±2, ∞ (3.7e-5 → 0.9e-5 of rms over 128 channels, see
//! `tests/winograd.rs`). Every output has one chain of operations in a fixed order, so all
//! instruction sets give the same bits.
#![expect(unsafe_code, reason = "raw pointers in the tiles, behind one assert on all extents")]
#![expect(clippy::needless_range_loop, reason = "i and j name rows and columns of a tile")]

use std::ops::Range;

use super::Isa;
use super::tile::{Finish, extent, next_rows, with_rows};

/// The side of the outputs that one tile gives, and of the inputs that it reads.
pub(crate) const SIDE: usize = 4;
const PATCH: usize = SIDE + 2;
/// Planes of transformed values: PATCH × PATCH.
pub(crate) const PLANES: usize = PATCH * PATCH;
/// Floats between planes, so that the 36 stores of a tile fall into different sets of the cache.
const GAP: usize = 16;

/// The points ±A and ±B; A · B = 1, A² = 0.5, B² = 2.
const A: f32 = std::f32::consts::FRAC_1_SQRT_2;
const B: f32 = std::f32::consts::SQRT_2;

/// Where the tiles of some images stand in their maps; all steps are in floats.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tiles {
    /// Of all images together.
    pub(crate) count: usize,
    /// Rows and columns of tiles of an image.
    pub(crate) down: usize,
    pub(crate) across: usize,
    /// The corner of image 0's first tile.
    pub(crate) base: usize,
    pub(crate) image: usize,
    pub(crate) row: usize,
    pub(crate) pixel: usize,
    /// Channels that are read or written of each pixel.
    pub(crate) c: usize,
}

impl Tiles {
    /// The corner of tile `t`, counted over images, rows and columns.
    #[inline(always)]
    fn corner(&self, t: usize) -> usize {
        let each = self.down * self.across;
        let (image, t) = (t / each, t % each);
        let (y, x) = (t / self.across, t % self.across);
        self.base + image * self.image + SIDE * (y * self.row + x * self.pixel)
    }

    /// The end of what all tiles touch, `side` pixels each way from a corner.
    fn end(&self, side: usize) -> usize {
        let images = self.count.div_ceil(self.down * self.across);
        let down = SIDE * (self.down - 1) + side;
        let across = SIDE * (self.across - 1) + side;
        let walk = [(images, self.image), (down, self.row), (across, self.pixel)];
        extent(self.base, &walk, self.c)
    }
}

/// Floats from one plane of `tiles` × `c` to the next.
pub(crate) const fn plane(tiles: usize, c: usize) -> usize {
    tiles * c + GAP
}

#[inline(always)]
unsafe fn load<I: Isa, const MASKED: bool>(isa: I, p: *const f32, mask: I::M) -> I::V {
    // SAFETY: the caller has the mask's floats readable at `p`, all of them if not MASKED.
    unsafe { if MASKED { isa.load_some(p, mask) } else { isa.load(p) } }
}

#[inline(always)]
unsafe fn store<I: Isa, const MASKED: bool>(isa: I, p: *mut f32, v: I::V, mask: I::M) {
    // SAFETY: the caller has the mask's floats writable at `p`, all of them if not MASKED.
    unsafe { if MASKED { isa.store_some(p, v, mask) } else { isa.store(p, v) } }
}

/// Bᵀ · d for the middle four of its six rows, of which d₀ and d₅ are no part:
/// (d₄ - 2 d₂) ± A (d₃ - 2 d₁) and (d₄ - d₂ / 2) ± B (d₃ - d₁ / 2).
#[inline(always)]
fn middle<I: Isa>(isa: I, d: [I::V; 4]) -> [I::V; 4] {
    let [d1, d2, d3, d4] = d;
    let (c, e, half) = (isa.sub(d4, d2), isa.sub(d3, d1), isa.splat(0.5));
    let (near, near_odd) = (isa.sub(c, d2), isa.sub(e, d1));
    let (far, far_odd) = (isa.fma(half, d2, c), isa.fma(half, d1, e));
    [
        isa.fma(isa.splat(A), near_odd, near),
        isa.fma(isa.splat(-A), near_odd, near),
        isa.fma(isa.splat(B), far_odd, far),
        isa.fma(isa.splat(-B), far_odd, far),
    ]
}

/// Bᵀ · d for the first and the last row: d₀ - 2.5 d₂ + d₄ and d₁ - 2.5 d₃ + d₅.
#[inline(always)]
fn ends<I: Isa>(isa: I, d: [I::V; 6]) -> [I::V; 2] {
    let factor = isa.splat(-2.5);
    let first = isa.fma(factor, d[2], isa.add(d[0], d[4]));
    let last = isa.fma(factor, d[3], isa.add(d[1], d[5]));
    [first, last]
}

/// One tile's row of planes: Bᵀ · t, stored.
#[inline(always)]
unsafe fn put_row<I: Isa, const MASKED: bool>(
    isa: I,
    t: [I::V; 6],
    v: *mut f32,
    plane: usize,
    mask: I::M,
) {
    let [first, last] = ends(isa, t);
    let [a, b, c, d] = middle(isa, [t[1], t[2], t[3], t[4]]);
    for (j, value) in [first, a, b, c, d, last].into_iter().enumerate() {
        // SAFETY: the caller has six planes at `v`.
        unsafe { store::<I, MASKED>(isa, v.add(j * plane), value, mask) };
    }
}

/// V = Bᵀ · d · B of one tile and one vector of channels.
#[inline(always)]
unsafe fn spread_tile<I: Isa, const MASKED: bool>(
    isa: I,
    x: *const f32,
    (row, pixel): (usize, usize),
    v: *mut f32,
    plane: usize,
    mask: I::M,
) {
    // The middle rows first and the outer ones after them: 24 and 12 vectors, which the registers hold.
    let mut t = [[isa.zero(); PATCH]; 4];
    for j in 0..PATCH {
        let mut d = [isa.zero(); 4];
        for i in 0..4 {
            // SAFETY: the caller has 6 × 6 pixels at `x`.
            d[i] = unsafe { load::<I, MASKED>(isa, x.add((i + 1) * row + j * pixel), mask) };
        }
        let rows = middle(isa, d);
        for i in 0..4 {
            t[i][j] = rows[i];
        }
    }
    for i in 0..4 {
        // SAFETY: the caller has 36 planes at `v`.
        unsafe { put_row::<I, MASKED>(isa, t[i], v.add((i + 1) * PATCH * plane), plane, mask) };
    }
    let mut t = [[isa.zero(); PATCH]; 2];
    for j in 0..PATCH {
        let mut d = [isa.zero(); PATCH];
        for i in 0..PATCH {
            // SAFETY: as above.
            d[i] = unsafe { load::<I, MASKED>(isa, x.add(i * row + j * pixel), mask) };
        }
        let rows = ends(isa, d);
        (t[0][j], t[1][j]) = (rows[0], rows[1]);
    }
    // SAFETY: as above.
    unsafe {
        put_row::<I, MASKED>(isa, t[0], v, plane, mask);
        put_row::<I, MASKED>(isa, t[1], v.add(5 * PATCH * plane), plane, mask);
    }
}

/// Bᵀ d B of the tiles in `range`: `x` has a border of one pixel around its outputs, and a tile's
/// corner is the first pixel that it reads. `v` is [36][tiles][c] with a gap between planes.
#[inline(always)]
pub(crate) fn spread<I: Isa>(isa: I, at: &Tiles, range: Range<usize>, x: &[f32], v: &mut [f32]) {
    let (c, plane) = (at.c, plane(range.len(), at.c));
    assert!(range.end <= at.count && at.end(PATCH) <= x.len(), "input shorter than its shape");
    assert!(PLANES * plane <= v.len(), "planes shorter than their shape");
    for (i, t) in range.enumerate() {
        let (from, to) = (at.corner(t), i * c);
        let (mut first, steps) = (0, (at.row, at.pixel));
        while first < c {
            let mask = isa.first(c - first);
            // SAFETY: the asserts above cover all pixels and planes; the mask leaves `c` channels.
            unsafe {
                let (x, v) = (x.as_ptr().add(from + first), v.as_mut_ptr().add(to + first));
                if c - first >= I::LANES {
                    spread_tile::<I, false>(isa, x, steps, v, plane, mask);
                } else {
                    spread_tile::<I, true>(isa, x, steps, v, plane, mask);
                }
            }
            first += I::LANES;
        }
    }
}

/// H · d for four values: a polynomial of degree three at the six points.
#[inline(always)]
fn widen<I: Isa>(isa: I, d: [I::V; 4]) -> [I::V; 6] {
    let [d0, d1, d2, d3] = d;
    let (half, two) = (isa.splat(0.5), isa.splat(2.0));
    let (near, near_odd) = (isa.fma(half, d2, d0), isa.fma(half, d3, d1));
    let (far, far_odd) = (isa.fma(two, d2, d0), isa.fma(two, d3, d1));
    [
        d0,
        isa.fma(isa.splat(A), near_odd, near),
        isa.fma(isa.splat(-A), near_odd, near),
        isa.fma(isa.splat(B), far_odd, far),
        isa.fma(isa.splat(-B), far_odd, far),
        d3,
    ]
}

#[inline(always)]
unsafe fn widen_tile<I: Isa, const MASKED: bool>(
    isa: I,
    dy: *const f32,
    (row, pixel): (usize, usize),
    u: *mut f32,
    plane: usize,
    mask: I::M,
) {
    let mut t = [[isa.zero(); SIDE]; PATCH];
    for j in 0..SIDE {
        let mut d = [isa.zero(); SIDE];
        for i in 0..SIDE {
            // SAFETY: the caller has 4 × 4 pixels at `dy`.
            d[i] = unsafe { load::<I, MASKED>(isa, dy.add(i * row + j * pixel), mask) };
        }
        let rows = widen(isa, d);
        for i in 0..PATCH {
            t[i][j] = rows[i];
        }
    }
    for i in 0..PATCH {
        let row = widen(isa, t[i]);
        for j in 0..PATCH {
            // SAFETY: the caller has 36 planes at `u`.
            unsafe { store::<I, MASKED>(isa, u.add((i * PATCH + j) * plane), row[j], mask) };
        }
    }
}

/// H dy Hᵀ of the tiles in `range`, a tile's corner being its first output: the other factor of
/// the weight gradient. `u` is [36][tiles][c] with a gap between planes.
#[inline(always)]
pub(crate) fn widen_all<I: Isa>(
    isa: I,
    at: &Tiles,
    range: Range<usize>,
    dy: &[f32],
    u: &mut [f32],
) {
    let (c, plane) = (at.c, plane(range.len(), at.c));
    assert!(range.end <= at.count && at.end(SIDE) <= dy.len(), "gradient shorter than its shape");
    assert!(PLANES * plane <= u.len(), "planes shorter than their shape");
    for (i, t) in range.enumerate() {
        let (from, to) = (at.corner(t), i * c);
        let (mut first, steps) = (0, (at.row, at.pixel));
        while first < c {
            let mask = isa.first(c - first);
            // SAFETY: the asserts above cover all pixels and planes; the mask leaves `c` channels.
            unsafe {
                let (dy, u) = (dy.as_ptr().add(from + first), u.as_mut_ptr().add(to + first));
                if c - first >= I::LANES {
                    widen_tile::<I, false>(isa, dy, steps, u, plane, mask);
                } else {
                    widen_tile::<I, true>(isa, dy, steps, u, plane, mask);
                }
            }
            first += I::LANES;
        }
    }
}

/// m [tiles, panel] = v [tiles, c] · w [c, panel], a panel being two vectors.
#[inline(always)]
pub(crate) fn product<I: Isa>(
    isa: I,
    (tiles, c): (usize, usize),
    v: &[f32],
    w: &[f32],
    m: &mut [f32],
) {
    let width = 2 * I::LANES;
    assert!(v.len() >= tiles * c && w.len() >= c * width, "factors shorter than their shapes");
    assert!(m.len() >= tiles * width, "product shorter than its shape");
    let mut done = 0;
    while done < tiles {
        let rows = next_rows(tiles - done, I::ROWS);
        with_rows!(rows, P => if P <= I::ROWS {
            // SAFETY: the asserts above cover all rows.
            unsafe {
                let (v, m) = (v.as_ptr().add(done * c), m.as_mut_ptr().add(done * width));
                product_tile::<I, P>(isa, c, v, w.as_ptr(), m)
            }
        });
        done += rows;
    }
}

#[inline(always)]
unsafe fn product_tile<I: Isa, const P: usize>(
    isa: I,
    c: usize,
    v: *const f32,
    mut w: *const f32,
    m: *mut f32,
) {
    let mut at = [v; P];
    for p in 0..P {
        // SAFETY: the caller has P rows at `v`.
        at[p] = unsafe { v.add(p * c) };
    }
    let mut acc = [[isa.zero(); 2]; P];
    for i in 0..c {
        // SAFETY: the caller has `c` values in each row and `c` rows of weights.
        unsafe {
            let (w0, w1) = (isa.load(w), isa.load(w.add(I::LANES)));
            for p in 0..P {
                let b = isa.splat(*at[p].add(i));
                acc[p][0] = isa.fma(b, w0, acc[p][0]);
                acc[p][1] = isa.fma(b, w1, acc[p][1]);
            }
            w = w.add(2 * I::LANES);
        }
    }
    for p in 0..P {
        for v in 0..2 {
            // SAFETY: the caller has P rows of a panel at `m`.
            unsafe { isa.store(m.add((2 * p + v) * I::LANES), acc[p][v]) };
        }
    }
}

/// Aᵀ · m: six values to four outputs, the coefficients of a sum over the points.
#[inline(always)]
fn gather_four<I: Isa>(isa: I, m: [I::V; 6]) -> [I::V; 4] {
    let (s1, d1) = (isa.add(m[1], m[2]), isa.sub(m[1], m[2]));
    let (s2, d2) = (isa.add(m[3], m[4]), isa.sub(m[3], m[4]));
    [
        isa.add(isa.add(m[0], s1), s2),
        isa.fma(isa.splat(B), d2, isa.mul(isa.splat(A), d1)),
        isa.fma(isa.splat(2.0), s2, isa.mul(isa.splat(0.5), s1)),
        isa.fma(isa.splat(2.0 * B), d2, isa.fma(isa.splat(0.5 * A), d1, m[5])),
    ]
}

/// What is added to a block of channels, and the activation.
#[derive(Clone, Copy)]
struct End<I: Isa> {
    bias: I::V,
    slope: I::V,
    mask: I::M,
}

#[inline(always)]
unsafe fn collect_tile<I: Isa, const MASKED: bool>(
    isa: I,
    m: *const f32,
    plane: usize,
    end: End<I>,
    y: *mut f32,
    (row, pixel): (usize, usize),
) {
    let mut t = [[isa.zero(); PATCH]; SIDE];
    for j in 0..PATCH {
        let mut column = [isa.zero(); PATCH];
        for i in 0..PATCH {
            // SAFETY: the caller has 36 planes of whole vectors at `m`.
            column[i] = unsafe { isa.load(m.add((i * PATCH + j) * plane)) };
        }
        let rows = gather_four(isa, column);
        for i in 0..SIDE {
            t[i][j] = rows[i];
        }
    }
    for i in 0..SIDE {
        let values = gather_four(isa, t[i]);
        for j in 0..SIDE {
            let value = isa.leaky(isa.add(values[j], end.bias), end.slope);
            // SAFETY: the caller has 4 × 4 pixels at `y`.
            unsafe { store::<I, MASKED>(isa, y.add(i * row + j * pixel), value, end.mask) };
        }
    }
}

/// y = act(Aᵀ m A + bias) for the tiles in `range` and one panel of channels from `first`;
/// `m` is [36][tiles][panel] with a gap between planes.
#[inline(always)]
pub(crate) fn collect<I: Isa>(
    isa: I,
    at: &Tiles,
    range: Range<usize>,
    m: &[f32],
    (first, finish): (usize, Finish<'_>),
    y: &mut [f32],
) {
    let width = 2 * I::LANES;
    let plane = plane(range.len(), width);
    assert!(range.end <= at.count && at.end(SIDE) <= y.len(), "output shorter than its shape");
    assert!(PLANES * plane <= m.len(), "planes shorter than their shape");
    assert!(first < at.c && finish.bias.is_none_or(|bias| bias.len() == at.c), "bias too short");
    let slope = isa.splat(finish.slope);
    for half in 0..2 {
        let channel = first + half * I::LANES;
        if channel >= at.c {
            break;
        }
        let mask = isa.first(at.c - channel);
        let bias = match finish.bias {
            // SAFETY: the bias has `c` values, of which the mask leaves those from `channel`.
            Some(bias) => unsafe { isa.load_some(bias.as_ptr().add(channel), mask) },
            None => isa.zero(),
        };
        let end = End { bias, slope, mask };
        for (i, t) in range.clone().enumerate() {
            // SAFETY: the asserts above cover all planes and pixels; the mask leaves `c` channels.
            unsafe {
                let m = m.as_ptr().add(i * width + half * I::LANES);
                let y = y.as_mut_ptr().add(at.corner(t) + channel);
                let steps = (at.row, at.pixel);
                if at.c - channel >= I::LANES {
                    collect_tile::<I, false>(isa, m, plane, end, y, steps);
                } else {
                    collect_tile::<I, true>(isa, m, plane, end, y, steps);
                }
            }
        }
    }
}

/// What a point's values are divided by in G: 1, -3/2, 6 and 1.
const NEAR: f32 = -2.0 / 3.0;
const FAR: f32 = 1.0 / 6.0;

/// G · g: three weights to six values.
#[inline(always)]
fn filter_six<I: Isa>(isa: I, g: [I::V; 3]) -> [I::V; 6] {
    let [g0, g1, g2] = g;
    let (near, far) = (isa.fma(isa.splat(0.5), g2, g0), isa.fma(isa.splat(2.0), g2, g0));
    let scaled = |scale: f32, v: I::V| isa.mul(isa.splat(scale), v);
    [
        g0,
        scaled(NEAR, isa.fma(isa.splat(A), g1, near)),
        scaled(NEAR, isa.fma(isa.splat(-A), g1, near)),
        scaled(FAR, isa.fma(isa.splat(B), g1, far)),
        scaled(FAR, isa.fma(isa.splat(-B), g1, far)),
        g2,
    ]
}

/// G g Gᵀ of one vector of filters.
#[inline(always)]
fn filter<I: Isa>(isa: I, g: [[I::V; 3]; 3]) -> [[I::V; 6]; 6] {
    let mut columns = [[isa.zero(); 3]; 6];
    for j in 0..3 {
        let column = filter_six(isa, [g[0][j], g[1][j], g[2][j]]);
        for i in 0..6 {
            columns[i][j] = column[i];
        }
    }
    let mut u = [[isa.zero(); 6]; 6];
    for i in 0..6 {
        u[i] = filter_six(isa, columns[i]);
    }
    u
}

/// Transforms the filters of one vector, [9][lanes], into panel[36][..] at `at`.
#[inline(always)]
pub(crate) fn put_filter<I: Isa>(
    isa: I,
    lanes: &[[f32; 16]; 9],
    at: usize,
    plane: usize,
    panel: &mut [f32],
) {
    assert!(35 * plane + at + I::LANES <= panel.len() && I::LANES <= 16, "panel of another shape");
    let mut g = [[isa.zero(); 3]; 3];
    for tap in 0..9 {
        // SAFETY: each row of `lanes` has sixteen floats, as many as a vector has at most.
        g[tap / 3][tap % 3] = unsafe { isa.load(lanes[tap].as_ptr()) };
    }
    let u = filter(isa, g);
    for p in 0..PLANES {
        // SAFETY: within `panel`, as asserted.
        unsafe { isa.store(panel.as_mut_ptr().add(p * plane + at), u[p / 6][p % 6]) };
    }
}

/// Six sums of the transformed domain to three weights, with the scales that `widen` left out.
#[inline(always)]
fn gather_three<I: Isa>(isa: I, m: [I::V; 6]) -> [I::V; 3] {
    let (near, far) = (isa.splat(NEAR), isa.splat(FAR));
    let (s1, d1) = (isa.mul(isa.add(m[1], m[2]), near), isa.mul(isa.sub(m[1], m[2]), near));
    let (s2, d2) = (isa.mul(isa.add(m[3], m[4]), far), isa.mul(isa.sub(m[3], m[4]), far));
    [
        isa.add(isa.add(m[0], s1), s2),
        isa.fma(isa.splat(B), d2, isa.mul(isa.splat(A), d1)),
        isa.fma(isa.splat(2.0), s2, isa.fma(isa.splat(0.5), s1, m[5])),
    ]
}

/// A block of the weight gradient: `rows` input channels from `c`, a panel of output channels from `k`.
#[derive(Clone, Copy)]
struct Block {
    c: usize,
    k: usize,
    columns: usize,
}

/// Floats of the block of sums that [`sum_weights`] works on: [36][rows][panel].
pub(crate) const fn block_len(rows: usize, lanes: usize) -> usize {
    PLANES * rows * 2 * lanes
}

/// dw [3, 3, c, k] += Aᵀ (Σ over tiles of v · uᵀ) A; `v` is [36][tiles][c] from [`spread`], `u` is
/// [36][tiles][k] from [`widen_all`]. `fresh` replaces what is there.
#[inline(always)]
pub(crate) fn sum_weights<I: Isa>(
    isa: I,
    (tiles, c, k): (usize, usize, usize),
    (v, u): (&[f32], &[f32]),
    fresh: bool,
    dw: &mut [f32],
    block: &mut [f32],
) {
    let (width, steps) = (2 * I::LANES, (plane(tiles, c), plane(tiles, k)));
    assert!(v.len() >= PLANES * steps.0 && u.len() >= PLANES * steps.1, "planes too short");
    assert!(dw.len() == 9 * c * k, "weight gradient of another shape");
    assert!(block.len() >= block_len(I::ROWS, I::LANES), "block too short");
    let block = block.as_mut_ptr();
    for first in (0..k).step_by(width) {
        let mut done = 0;
        while done < c {
            let rows = next_rows(c - done, I::ROWS);
            let part = Block { c: done, k: first, columns: (k - first).min(width) };
            with_rows!(rows, P => if P <= I::ROWS {
                // SAFETY: the asserts above cover all planes, and `dw` as a whole.
                unsafe {
                    for p in 0..PLANES {
                        let v = v.as_ptr().add(p * steps.0 + part.c);
                        let u = u.as_ptr().add(p * steps.1 + part.k);
                        let sums = block.add(p * P * width);
                        let steps = (tiles, c, k);
                        if part.columns == width {
                            sum_tile::<I, P, false>(isa, steps, v, u, width, sums);
                        } else {
                            sum_tile::<I, P, true>(isa, steps, v, u, part.columns, sums);
                        }
                    }
                    for row in 0..P {
                        let sums = block.add(row * width);
                        let to = dw.as_mut_ptr().add((part.c + row) * k + part.k);
                        turn_back(isa, (sums, P * width), fresh, (to, c * k), part.columns);
                    }
                }
            });
            done += rows;
        }
    }
}

#[inline(always)]
unsafe fn sum_tile<I: Isa, const P: usize, const MASKED: bool>(
    isa: I,
    (tiles, c, k): (usize, usize, usize),
    mut v: *const f32,
    mut u: *const f32,
    columns: usize,
    sums: *mut f32,
) {
    let masks = [isa.first(columns), isa.first(columns.saturating_sub(I::LANES))];
    let mut acc = [[isa.zero(); 2]; P];
    for _ in 0..tiles {
        // SAFETY: the caller has `tiles` rows of P values at `v` and of `columns` at `u`.
        unsafe {
            let u0 = load::<I, MASKED>(isa, u, masks[0]);
            let u1 = load::<I, MASKED>(isa, u.wrapping_add(I::LANES), masks[1]);
            for p in 0..P {
                let b = isa.splat(*v.add(p));
                acc[p][0] = isa.fma(b, u0, acc[p][0]);
                acc[p][1] = isa.fma(b, u1, acc[p][1]);
            }
        }
        (v, u) = (v.wrapping_add(c), u.wrapping_add(k));
    }
    for p in 0..P {
        for half in 0..2 {
            // SAFETY: the caller has P rows of a panel at `sums`.
            unsafe { isa.store(sums.add((2 * p + half) * I::LANES), acc[p][half]) };
        }
    }
}

/// One row of a block to its nine weights each, `step` floats apart.
#[inline(always)]
unsafe fn turn_back<I: Isa>(
    isa: I,
    (sums, plane): (*const f32, usize),
    fresh: bool,
    (dw, step): (*mut f32, usize),
    columns: usize,
) {
    let mut first = 0;
    while first < columns {
        let mask = isa.first(columns - first);
        let mut t = [[isa.zero(); PATCH]; 3];
        for j in 0..PATCH {
            let mut column = [isa.zero(); PATCH];
            for i in 0..PATCH {
                let at = (i * PATCH + j) * plane + first;
                // SAFETY: the caller has 36 planes of whole vectors at `sums`.
                column[i] = unsafe { isa.load(sums.add(at)) };
            }
            let rows = gather_three(isa, column);
            for i in 0..3 {
                t[i][j] = rows[i];
            }
        }
        for i in 0..3 {
            let row = gather_three(isa, t[i]);
            for j in 0..3 {
                // SAFETY: the caller has nine rows of `columns` weights at `dw`.
                unsafe {
                    let to = dw.add((i * 3 + j) * step + first);
                    let whole = columns - first >= I::LANES;
                    let old = match (fresh, whole) {
                        (true, _) => isa.zero(),
                        (false, true) => isa.load(to),
                        (false, false) => isa.load_some(to, mask),
                    };
                    let sum = isa.add(old, row[j]);
                    if whole { isa.store(to, sum) } else { isa.store_some(to, sum, mask) }
                }
            }
        }
        first += I::LANES;
    }
}
