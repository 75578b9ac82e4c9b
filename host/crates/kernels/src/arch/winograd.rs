//! The passes of Winograd's F(4 × 4, 3 × 3): tiles into 36 planes, products of planes, and back. How
//! tiles of stride 2 become planes is `halving`'s business.
//!
//! Lavin and Gray (arXiv 1509.09308), but at the points 0, ±√½, ±√2 and ∞, whose powers stay closer
//! together: a quarter of the error of 0, ±1, ±2, ∞ (3.7e-5 → 0.9e-5 of rms over 128 channels, both
//! by the test of the presets' layers in `tests/winograd.rs`, the former with those points in here).
//! Every output has one chain of operations in a fixed order, so all instruction sets give the same
//! bits.
#![expect(unsafe_code, reason = "raw pointers in the tiles, behind one assert on all extents")]
#![expect(clippy::needless_range_loop, reason = "i and j name rows and columns of a tile")]

use std::ops::Range;

use super::Isa;
use super::tile::{Finish, extent, next_rows, with_rows};

/// The side of the outputs that one tile gives, and of the inputs that it reads.
pub(crate) const SIDE: usize = 4;
pub(super) const PATCH: usize = SIDE + 2;
/// Planes of transformed values: PATCH × PATCH.
pub(crate) const PLANES: usize = PATCH * PATCH;
/// Floats between planes, so that the 36 stores of a tile fall into different sets of the cache.
const GAP: usize = 16;

/// The points ±A and ±B; A · B = 1, A² = 0.5, B² = 2.
pub(super) const A: f32 = std::f32::consts::FRAC_1_SQRT_2;
pub(super) const B: f32 = std::f32::consts::SQRT_2;

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
    /// Pixels from a tile to the next, each way.
    pub(crate) side: usize,
    pub(crate) image: usize,
    pub(crate) row: usize,
    pub(crate) pixel: usize,
    /// Channels that are read or written of each pixel.
    pub(crate) c: usize,
}

impl Tiles {
    /// The corner of tile `t`, counted over images, rows and columns.
    #[inline(always)]
    pub(super) fn corner(&self, t: usize) -> usize {
        let each = self.down * self.across;
        let (image, t) = (t / each, t % each);
        let (y, x) = (t / self.across, t % self.across);
        self.base + image * self.image + self.side * (y * self.row + x * self.pixel)
    }

    /// The end of what all tiles touch, `side` pixels each way from a corner.
    fn end(&self, side: usize) -> usize {
        let images = self.count.div_ceil(self.down * self.across);
        let down = self.side * (self.down - 1) + side;
        let across = self.side * (self.across - 1) + side;
        let walk = [(images, self.image), (down, self.row), (across, self.pixel)];
        extent(self.base, &walk, self.c)
    }
}

/// Floats from one plane of `tiles` × `c` to the next.
pub(crate) const fn plane(tiles: usize, c: usize) -> usize {
    tiles * c + GAP
}

#[inline(always)]
pub(super) unsafe fn load<I: Isa, const MASKED: bool>(isa: I, p: *const f32, mask: I::M) -> I::V {
    // SAFETY: the caller has the mask's floats readable at `p`, all of them if not MASKED.
    unsafe { if MASKED { isa.load_some(p, mask) } else { isa.load(p) } }
}

#[inline(always)]
pub(super) unsafe fn store<I: Isa, const MASKED: bool>(isa: I, p: *mut f32, v: I::V, mask: I::M) {
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

/// A transform of tiles into planes.
pub(crate) trait IntoPlanes {
    /// Pixels each way that a tile reads from its corner on.
    const SIDE: usize;
    const PLANES: usize;

    /// One tile and one vector of channels.
    ///
    /// # Safety
    /// SIDE × SIDE pixels are readable at `x` and the planes writable at `v`, for the mask's channels.
    unsafe fn tile<I: Isa, const MASKED: bool>(
        isa: I,
        x: *const f32,
        steps: (usize, usize),
        v: *mut f32,
        plane: usize,
        mask: I::M,
    );
}

/// Transforms the tiles in `range` of `x`; `v` is [planes][tiles][c] with a gap between planes.
#[inline(always)]
pub(crate) fn into_planes<I: Isa, T: IntoPlanes>(
    isa: I,
    at: &Tiles,
    range: Range<usize>,
    x: &[f32],
    v: &mut [f32],
) {
    let (c, plane) = (at.c, plane(range.len(), at.c));
    assert!(range.end <= at.count && at.end(T::SIDE) <= x.len(), "values shorter than their shape");
    assert!(T::PLANES * plane <= v.len(), "planes shorter than their shape");
    for (i, t) in range.enumerate() {
        let (from, to) = (at.corner(t), i * c);
        let (mut first, steps) = (0, (at.row, at.pixel));
        while first < c {
            let mask = isa.first(c - first);
            // SAFETY: the asserts above cover all pixels and planes; the mask leaves `c` channels.
            unsafe {
                let (x, v) = (x.as_ptr().add(from + first), v.as_mut_ptr().add(to + first));
                if c - first >= I::LANES {
                    T::tile::<I, false>(isa, x, steps, v, plane, mask);
                } else {
                    T::tile::<I, true>(isa, x, steps, v, plane, mask);
                }
            }
            first += I::LANES;
        }
    }
}

/// Bᵀ d B: what a product with transformed filters takes. A tile's corner is the first pixel that it
/// reads, one before its outputs each way.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Spread;

impl IntoPlanes for Spread {
    const SIDE: usize = PATCH;
    const PLANES: usize = PLANES;

    #[inline(always)]
    unsafe fn tile<I: Isa, const MASKED: bool>(
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

/// What a block of channels is multiplied by, what is added, and the activation.
#[derive(Clone, Copy)]
pub(crate) struct End<I: Isa> {
    scale: I::V,
    bias: I::V,
    slope: I::V,
    mask: I::M,
}

impl<I: Isa> End<I> {
    /// Stores one pixel's channels.
    ///
    /// # Safety
    /// The floats of the mask's lanes are writable at `y`, all of them if not MASKED.
    #[inline(always)]
    pub(super) unsafe fn put<const MASKED: bool>(&self, isa: I, y: *mut f32, value: I::V) {
        let value = isa.leaky(isa.fma(value, self.scale, self.bias), self.slope);
        // SAFETY: the caller's.
        unsafe { store::<I, MASKED>(isa, y, value, self.mask) };
    }
}

/// A way from the planes of products to a tile of outputs, and how it multiplies planes.
pub(crate) trait FromPlanes {
    /// What made the planes that were multiplied.
    type Into: IntoPlanes;
    /// Pixels each way that a tile writes from its corner on.
    const SIDE: usize;

    /// The planes that plane `p` of the weights multiplies.
    fn planes(p: usize) -> Range<usize>;

    /// One tile and one vector of channels.
    ///
    /// # Safety
    /// The planes are readable at `m` as whole vectors, SIDE × SIDE pixels writable at `y` for the
    /// channels of the end's mask.
    unsafe fn tile<I: Isa, const MASKED: bool>(
        isa: I,
        m: *const f32,
        plane: usize,
        end: End<I>,
        y: *mut f32,
        steps: (usize, usize),
    );
}

/// Stride 1, with [`Spread`].
#[derive(Clone, Copy, Debug)]
pub(crate) struct Gathered;

impl FromPlanes for Gathered {
    type Into = Spread;
    const SIDE: usize = SIDE;

    #[inline(always)]
    fn planes(p: usize) -> Range<usize> {
        p..p + 1
    }

    #[inline(always)]
    unsafe fn tile<I: Isa, const MASKED: bool>(
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
                // SAFETY: the caller has 4 × 4 pixels at `y`.
                unsafe { end.put::<MASKED>(isa, y.add(i * row + j * pixel), values[j]) };
            }
        }
    }
}

/// y = act(Aᵀ m A + bias) for the tiles in `range` and one panel of channels from `first`;
/// `m` is [planes][tiles][panel] with a gap between planes.
#[inline(always)]
pub(crate) fn collect<I: Isa, T: FromPlanes>(
    isa: I,
    at: &Tiles,
    range: Range<usize>,
    m: &[f32],
    (first, finish): (usize, Finish<'_>),
    y: &mut [f32],
) {
    let width = 2 * I::LANES;
    let plane = plane(range.len(), width);
    assert!(range.end <= at.count && at.end(T::SIDE) <= y.len(), "output shorter than its shape");
    assert!(T::Into::PLANES * plane <= m.len(), "planes shorter than their shape");
    let fits = |row: Option<&[f32]>| row.is_none_or(|row| row.len() == at.c);
    assert!(first < at.c && fits(finish.bias) && fits(finish.scale), "scale or bias too short");
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
        let scale = match finish.scale {
            // SAFETY: as for the bias.
            Some(scale) => unsafe { isa.load_some(scale.as_ptr().add(channel), mask) },
            None => isa.splat(1.0),
        };
        let end = End { scale, bias, slope, mask };
        for (i, t) in range.clone().enumerate() {
            // SAFETY: the asserts above cover all planes and pixels; the mask leaves `c` channels.
            unsafe {
                let m = m.as_ptr().add(i * width + half * I::LANES);
                let y = y.as_mut_ptr().add(at.corner(t) + channel);
                let steps = (at.row, at.pixel);
                if at.c - channel >= I::LANES {
                    T::tile::<I, false>(isa, m, plane, end, y, steps);
                } else {
                    T::tile::<I, true>(isa, m, plane, end, y, steps);
                }
            }
        }
    }
}
