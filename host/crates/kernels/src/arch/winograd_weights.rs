//! Winograd's passes over weights: filters into planes, and the weight gradient as F(3 × 3, 4 × 4)
//! over the same tiles. See `winograd` for points and order.
#![expect(unsafe_code, reason = "raw pointers in the tiles, behind one assert on all extents")]
#![expect(clippy::needless_range_loop, reason = "i and j name rows and columns of a tile")]

use std::ops::Range;

use super::Isa;
use super::tile::{next_rows, with_rows};
use super::winograd::{A, B, IntoPlanes, PATCH, PLANES, SIDE, Spread, load, plane, store};

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

/// H dy Hᵀ: the other factor of the weight gradient. A tile's corner is its first output.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Widen;

impl IntoPlanes for Widen {
    const SIDE: usize = SIDE;
    const PLANES: usize = PLANES;

    #[inline(always)]
    unsafe fn tile<I: Isa, const MASKED: bool>(
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

/// Between three weights and their six values; both ways of a filter.
pub(crate) trait Filter {
    /// What made the planes of inputs, and that of the outputs' gradients.
    type Spread: IntoPlanes;
    type Widen: IntoPlanes;

    /// G · g.
    fn six<I: Isa>(isa: I, g: [I::V; 3]) -> [I::V; 6];
    /// Gᵀ · m.
    fn three<I: Isa>(isa: I, m: [I::V; 6]) -> [I::V; 3];
    /// The planes of inputs that plane `p` of the weights multiplies.
    fn planes(p: usize) -> Range<usize>;
}

/// Stride 1.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Whole;

impl Filter for Whole {
    type Spread = Spread;
    type Widen = Widen;

    #[inline(always)]
    fn six<I: Isa>(isa: I, g: [I::V; 3]) -> [I::V; 6] {
        filter_six(isa, g)
    }

    #[inline(always)]
    fn three<I: Isa>(isa: I, m: [I::V; 6]) -> [I::V; 3] {
        gather_three(isa, m)
    }

    #[inline(always)]
    fn planes(p: usize) -> Range<usize> {
        p..p + 1
    }
}

/// G g Gᵀ of one vector of filters.
#[inline(always)]
fn filter<I: Isa, T: Filter>(isa: I, g: [[I::V; 3]; 3]) -> [[I::V; 6]; 6] {
    let mut columns = [[isa.zero(); 3]; 6];
    for j in 0..3 {
        let column = T::six(isa, [g[0][j], g[1][j], g[2][j]]);
        for i in 0..6 {
            columns[i][j] = column[i];
        }
    }
    let mut u = [[isa.zero(); 6]; 6];
    for i in 0..6 {
        u[i] = T::six(isa, columns[i]);
    }
    u
}

/// Writes the transform of some channels' filters `g` [3][3] into `panel` [36][plane] at `at`.
#[inline(always)]
pub(crate) fn put_filter<I: Isa, T: Filter>(
    isa: I,
    g: [[I::V; 3]; 3],
    at: usize,
    plane: usize,
    panel: &mut [f32],
) {
    assert!(35 * plane + at + I::LANES <= panel.len(), "panel of another shape");
    let u = filter::<I, T>(isa, g);
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

/// dw [3, 3, c, k] += Gᵀ (Σ over tiles of v · uᵀ) G; `v` is [planes][tiles][c] from the filter's spread,
/// `u` is [planes][tiles][k] from its widen. `fresh` replaces what is there.
#[inline(always)]
pub(crate) fn sum_weights<I: Isa, T: Filter>(
    isa: I,
    (tiles, c, k): (usize, usize, usize),
    (v, u): (&[f32], &[f32]),
    fresh: bool,
    dw: &mut [f32],
    block: &mut [f32],
) {
    let (width, steps) = (2 * I::LANES, (plane(tiles, c), plane(tiles, k)));
    let planes = T::Spread::PLANES;
    assert!(v.len() >= planes * steps.0 && u.len() >= planes * steps.1, "planes too short");
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
                        let planes = T::planes(p);
                        let v = v.as_ptr().add(planes.start * steps.0 + part.c);
                        let u = u.as_ptr().add(planes.start * steps.1 + part.k);
                        let sums = block.add(p * P * width);
                        let steps = Steps { planes: planes.len(), tiles, c, k };
                        if part.columns == width {
                            sum_tile::<I, P, false>(isa, steps, v, u, width, sums);
                        } else {
                            sum_tile::<I, P, true>(isa, steps, v, u, part.columns, sums);
                        }
                    }
                    for row in 0..P {
                        let sums = block.add(row * width);
                        let to = dw.as_mut_ptr().add((part.c + row) * k + part.k);
                        let sums = (sums.cast_const(), P * width);
                        turn_back::<I, T>(isa, sums, fresh, (to, c * k), part.columns);
                    }
                }
            });
            done += rows;
        }
    }
}

/// How the sums of some planes walk: rows of `c` values by rows of `k`, and the gap after each plane.
#[derive(Clone, Copy)]
struct Steps {
    planes: usize,
    tiles: usize,
    c: usize,
    k: usize,
}

#[inline(always)]
unsafe fn sum_tile<I: Isa, const P: usize, const MASKED: bool>(
    isa: I,
    steps: Steps,
    mut v: *const f32,
    mut u: *const f32,
    columns: usize,
    sums: *mut f32,
) {
    let masks = [isa.first(columns), isa.first(columns.saturating_sub(I::LANES))];
    let mut acc = [[isa.zero(); 2]; P];
    for _ in 0..steps.planes {
        for _ in 0..steps.tiles {
            // SAFETY: the caller has `tiles` rows of P values at `v` and of `columns` at `u` in each plane.
            unsafe {
                let u0 = load::<I, MASKED>(isa, u, masks[0]);
                let u1 = load::<I, MASKED>(isa, u.wrapping_add(I::LANES), masks[1]);
                for p in 0..P {
                    let b = isa.splat(*v.add(p));
                    acc[p][0] = isa.fma(b, u0, acc[p][0]);
                    acc[p][1] = isa.fma(b, u1, acc[p][1]);
                }
            }
            (v, u) = (v.wrapping_add(steps.c), u.wrapping_add(steps.k));
        }
        (v, u) = (v.wrapping_add(plane(0, steps.c)), u.wrapping_add(plane(0, steps.k)));
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
unsafe fn turn_back<I: Isa, T: Filter>(
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
            let rows = T::three(isa, column);
            for i in 0..3 {
                t[i][j] = rows[i];
            }
        }
        for i in 0..3 {
            let row = T::three(isa, t[i]);
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
