//! Stride 2 by tiles: what of the input stands at even places meets two taps of a filter each way, and
//! F(4, 2) saves three products of eight; what stands at odd places meets the middle tap alone, as it is.
//!
//! Each way a tile is nine lines, five of points and four of odd places: 81 planes for 4 × 4 outputs
//! instead of 144 products. Odd lines share their weights, so these have 36 planes as with stride 1. The
//! points are ±√½, ±√2 and ∞, see `winograd`; every output has one chain of operations in a fixed order.
#![expect(unsafe_code, reason = "raw pointers in the tiles, behind the asserts of the passes")]
#![expect(clippy::needless_range_loop, reason = "i and j name rows and columns of a tile")]

use std::ops::Range;

use super::Isa;
use super::winograd::{A, B, End, FromPlanes, IntoPlanes, SIDE, load, store};
use super::winograd_weights::Filter;

/// Lines of points, and all lines, each way.
const POINTS: usize = 5;
const LINES: usize = POINTS + SIDE;
/// Planes of transformed values.
pub(crate) const HALVED: usize = LINES * LINES;

/// The plane of lines `i` and `j`: those of a filter's plane stand together.
#[inline(always)]
const fn plane_of(i: usize, j: usize) -> usize {
    match (i < POINTS, j < POINTS) {
        (true, true) => i * POINTS + j,
        (true, false) => POINTS * POINTS + i * SIDE + (j - POINTS),
        (false, true) => POINTS * LINES + j * SIDE + (i - POINTS),
        (false, false) => POINTS * (LINES + SIDE) + (i - POINTS) * SIDE + (j - POINTS),
    }
}

/// The planes that plane `p` of the weights, 6 × 6 with the middle tap last, multiplies.
#[inline(always)]
fn planes(p: usize) -> Range<usize> {
    let lines = |i: usize| if i == POINTS { SIDE } else { 1 };
    let (i, j) = (p / (POINTS + 1), p % (POINTS + 1));
    let first = plane_of(i, j);
    first..first + lines(i) * lines(j)
}

/// Bᵀ · d for the points ± of a pair: d₃ - far · d₁ ± point · (d₂ - far · d₀), far the other pair's square.
#[inline(always)]
fn pair<I: Isa>(isa: I, (point, far): (f32, f32), d: [I::V; 4]) -> [I::V; 2] {
    let minus = isa.splat(-far);
    let (odd, even) = (isa.fma(minus, d[1], d[3]), isa.fma(minus, d[0], d[2]));
    [isa.fma(isa.splat(point), even, odd), isa.fma(isa.splat(-point), even, odd)]
}

/// Bᵀ · d for the point ∞: d₀ - 2.5 d₂ + d₄.
#[inline(always)]
fn last<I: Isa>(isa: I, [first, middle, last]: [I::V; 3]) -> I::V {
    isa.fma(isa.splat(-2.5), middle, isa.add(first, last))
}

const NEAR: (f32, f32) = (A, 2.0);
const FAR: (f32, f32) = (B, 0.5);

/// Bᵀ · d: five values to five points.
#[inline(always)]
fn five<I: Isa>(isa: I, d: [I::V; 5]) -> [I::V; POINTS] {
    let head = [d[0], d[1], d[2], d[3]];
    let ([a, b], [c, e]) = (pair(isa, NEAR, head), pair(isa, FAR, head));
    [a, b, c, e, last(isa, [d[0], d[2], d[4]])]
}

/// H · d: a polynomial of degree three at the five points.
#[inline(always)]
fn widen<I: Isa>(isa: I, d: [I::V; 4]) -> [I::V; POINTS] {
    let (half, two) = (isa.splat(0.5), isa.splat(2.0));
    let (near, near_odd) = (isa.fma(half, d[2], d[0]), isa.fma(half, d[3], d[1]));
    let (far, far_odd) = (isa.fma(two, d[2], d[0]), isa.fma(two, d[3], d[1]));
    [
        isa.fma(isa.splat(A), near_odd, near),
        isa.fma(isa.splat(-A), near_odd, near),
        isa.fma(isa.splat(B), far_odd, far),
        isa.fma(isa.splat(-B), far_odd, far),
        d[3],
    ]
}

/// Aᵀ · m: five points to four outputs.
#[inline(always)]
fn four<I: Isa>(isa: I, m: [I::V; POINTS]) -> [I::V; SIDE] {
    let (s1, d1) = (isa.add(m[0], m[1]), isa.sub(m[0], m[1]));
    let (s2, d2) = (isa.add(m[2], m[3]), isa.sub(m[2], m[3]));
    [
        isa.add(s1, s2),
        isa.fma(isa.splat(B), d2, isa.mul(isa.splat(A), d1)),
        isa.fma(isa.splat(2.0), s2, isa.mul(isa.splat(0.5), s1)),
        isa.fma(isa.splat(2.0 * B), d2, isa.fma(isa.splat(0.5 * A), d1, m[4])),
    ]
}

/// The pixels that a tile reads, for some channels.
#[derive(Clone, Copy)]
struct Pixels<I: Isa, const MASKED: bool> {
    isa: I,
    x: *const f32,
    row: usize,
    pixel: usize,
    mask: I::M,
}

impl<I: Isa, const MASKED: bool> Pixels<I, MASKED> {
    /// # Safety
    /// The tile has a pixel in row `i` and column `j`.
    #[inline(always)]
    unsafe fn get(&self, i: usize, j: usize) -> I::V {
        // SAFETY: the caller's.
        unsafe { load::<I, MASKED>(self.isa, self.x.add(i * self.row + j * self.pixel), self.mask) }
    }
}

/// Stores line `i` of a tile: its points and its odd places.
#[inline(always)]
unsafe fn put_line<I: Isa, const MASKED: bool>(
    isa: I,
    i: usize,
    (points, odd): ([I::V; POINTS], [I::V; SIDE]),
    (v, plane): (*mut f32, usize),
    mask: I::M,
) {
    // SAFETY: the caller has 81 planes at `v`. Planes of a line stand at even distances, which needs
    // fewer registers than 81 offsets.
    unsafe {
        let (to, step) = (v.add(plane_of(i, 0) * plane), plane_of(i, 1) - plane_of(i, 0));
        for j in 0..POINTS {
            store::<I, MASKED>(isa, to.add(j * step * plane), points[j], mask);
        }
        let to = v.add(plane_of(i, POINTS) * plane);
        for j in 0..SIDE {
            store::<I, MASKED>(isa, to.add(j * plane), odd[j], mask);
        }
    }
}

/// The input's side of forward pass and weight gradient. A tile's corner is the first pixel it reads.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Halve;

/// Line `i` of [`Halve`], of nine pixels.
#[inline(always)]
unsafe fn halve_line<I: Isa, const MASKED: bool>(
    isa: I,
    i: usize,
    t: [I::V; LINES],
    to: (*mut f32, usize),
    mask: I::M,
) {
    let points = five(isa, [t[0], t[2], t[4], t[6], t[8]]);
    // SAFETY: the caller has 81 planes.
    unsafe { put_line::<I, MASKED>(isa, i, (points, [t[1], t[3], t[5], t[7]]), to, mask) };
}

impl IntoPlanes for Halve {
    const SIDE: usize = LINES;
    const PLANES: usize = HALVED;

    #[inline(always)]
    unsafe fn tile<I: Isa, const MASKED: bool>(
        isa: I,
        x: *const f32,
        (row, pixel): (usize, usize),
        v: *mut f32,
        plane: usize,
        mask: I::M,
    ) {
        let pixels = Pixels::<I, MASKED> { isa, x, row, pixel, mask };
        // A pair at a time: 18 vectors, which the registers hold.
        for (first, points) in [(0, NEAR), (2, FAR)] {
            let mut t = [[isa.zero(); LINES]; 2];
            for j in 0..LINES {
                // SAFETY: the caller has 9 × 9 pixels at `x`.
                let d = unsafe {
                    [pixels.get(0, j), pixels.get(2, j), pixels.get(4, j), pixels.get(6, j)]
                };
                let both = pair(isa, points, d);
                (t[0][j], t[1][j]) = (both[0], both[1]);
            }
            for i in 0..2 {
                // SAFETY: the caller has 81 planes at `v`.
                unsafe { halve_line::<I, MASKED>(isa, first + i, t[i], (v, plane), mask) };
            }
        }
        let mut t = [isa.zero(); LINES];
        for j in 0..LINES {
            // SAFETY: as above.
            t[j] = last(isa, unsafe { [pixels.get(0, j), pixels.get(4, j), pixels.get(8, j)] });
        }
        // SAFETY: as above.
        unsafe { halve_line::<I, MASKED>(isa, POINTS - 1, t, (v, plane), mask) };
        for i in 0..SIDE {
            for j in 0..LINES {
                // SAFETY: as above.
                t[j] = unsafe { pixels.get(2 * i + 1, j) };
            }
            // SAFETY: as above.
            unsafe { halve_line::<I, MASKED>(isa, POINTS + i, t, (v, plane), mask) };
        }
    }
}

/// The outputs' gradient on its way to the inputs'. A tile's corner is one pixel before its first.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reach;

impl IntoPlanes for Reach {
    const SIDE: usize = POINTS;
    const PLANES: usize = HALVED;

    #[inline(always)]
    unsafe fn tile<I: Isa, const MASKED: bool>(
        isa: I,
        dy: *const f32,
        (row, pixel): (usize, usize),
        v: *mut f32,
        plane: usize,
        mask: I::M,
    ) {
        let pixels = Pixels::<I, MASKED> { isa, x: dy, row, pixel, mask };
        let mut t = [[isa.zero(); POINTS]; POINTS];
        for j in 0..POINTS {
            let mut column = [isa.zero(); POINTS];
            for i in 0..POINTS {
                // SAFETY: the caller has 5 × 5 pixels at `dy`.
                column[i] = unsafe { pixels.get(i, j) };
            }
            let column = five(isa, column);
            for i in 0..POINTS {
                t[i][j] = column[i];
            }
        }
        for i in 0..LINES {
            let mut line = [isa.zero(); POINTS];
            for j in 0..POINTS {
                // SAFETY: as above.
                line[j] = if i < POINTS { t[i][j] } else { unsafe { pixels.get(i - SIDE, j) } };
            }
            let both = (five(isa, line), [line[1], line[2], line[3], line[4]]);
            // SAFETY: the caller has 81 planes at `v`.
            unsafe { put_line::<I, MASKED>(isa, i, both, (v, plane), mask) };
        }
    }
}

/// The outputs' gradient on its way to the weights'. A tile's corner is its first output.
#[derive(Clone, Copy, Debug)]
pub(crate) struct WidenHalved;

impl IntoPlanes for WidenHalved {
    const SIDE: usize = SIDE;
    const PLANES: usize = HALVED;

    #[inline(always)]
    unsafe fn tile<I: Isa, const MASKED: bool>(
        isa: I,
        dy: *const f32,
        (row, pixel): (usize, usize),
        u: *mut f32,
        plane: usize,
        mask: I::M,
    ) {
        let pixels = Pixels::<I, MASKED> { isa, x: dy, row, pixel, mask };
        let mut t = [[isa.zero(); SIDE]; POINTS];
        for j in 0..SIDE {
            let mut column = [isa.zero(); SIDE];
            for i in 0..SIDE {
                // SAFETY: the caller has 4 × 4 pixels at `dy`.
                column[i] = unsafe { pixels.get(i, j) };
            }
            let column = widen(isa, column);
            for i in 0..POINTS {
                t[i][j] = column[i];
            }
        }
        for i in 0..LINES {
            let mut line = [isa.zero(); SIDE];
            for j in 0..SIDE {
                // SAFETY: as above.
                line[j] = if i < POINTS { t[i][j] } else { unsafe { pixels.get(i - POINTS, j) } };
            }
            let points = widen(isa, line);
            // SAFETY: the caller has 81 planes at `u`.
            unsafe { put_line::<I, MASKED>(isa, i, (points, line), (u, plane), mask) };
        }
    }
}

/// Column `j`'s points to four outputs.
#[inline(always)]
unsafe fn four_down<I: Isa>(isa: I, m: *const f32, plane: usize, j: usize) -> [I::V; SIDE] {
    let mut column = [isa.zero(); POINTS];
    for i in 0..POINTS {
        // SAFETY: the caller has 81 planes of whole vectors at `m`.
        column[i] = unsafe { isa.load(m.add(plane_of(i, j) * plane)) };
    }
    four(isa, column)
}

/// Column `j` of [`Halved`]: what its points and its odd places give.
#[inline(always)]
unsafe fn halved_column<I: Isa>(isa: I, m: *const f32, plane: usize, j: usize) -> [I::V; SIDE] {
    // SAFETY: the caller has 81 planes of whole vectors at `m`.
    unsafe {
        let mut sums = four_down(isa, m, plane, j);
        for i in 0..SIDE {
            sums[i] = isa.add(sums[i], isa.load(m.add(plane_of(POINTS + i, j) * plane)));
        }
        sums
    }
}

/// Products of [`Halve`]'s planes to 4 × 4 outputs.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Halved;

impl FromPlanes for Halved {
    type Into = Halve;
    const SIDE: usize = SIDE;

    #[inline(always)]
    fn planes(p: usize) -> Range<usize> {
        planes(p)
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
        let mut t = [[isa.zero(); POINTS]; SIDE];
        for j in 0..POINTS {
            // SAFETY: the caller has 81 planes of whole vectors at `m`.
            let sums = unsafe { halved_column(isa, m, plane, j) };
            for i in 0..SIDE {
                t[i][j] = sums[i];
            }
        }
        let mut values = [[isa.zero(); SIDE]; SIDE];
        for i in 0..SIDE {
            values[i] = four(isa, t[i]);
        }
        for j in 0..SIDE {
            // SAFETY: as above.
            let sums = unsafe { halved_column(isa, m, plane, POINTS + j) };
            for i in 0..SIDE {
                let value = isa.add(values[i][j], sums[i]);
                // SAFETY: the caller has 4 × 4 pixels at `y`.
                unsafe { end.put::<MASKED>(isa, y.add(i * row + j * pixel), value) };
            }
        }
    }
}

/// Products of [`Reach`]'s planes to 8 × 8 inputs' gradients.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Doubled;

impl FromPlanes for Doubled {
    type Into = Reach;
    const SIDE: usize = 2 * SIDE;

    #[inline(always)]
    fn planes(p: usize) -> Range<usize> {
        planes(p)
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
        let (down, across) = (2 * row, 2 * pixel);
        let mut t = [[isa.zero(); POINTS]; SIDE];
        for j in 0..POINTS {
            // SAFETY: the caller has 81 planes of whole vectors at `m`.
            let column = unsafe { four_down(isa, m, plane, j) };
            for i in 0..SIDE {
                t[i][j] = column[i];
            }
        }
        for i in 0..SIDE {
            let values = four(isa, t[i]);
            for j in 0..SIDE {
                // SAFETY: the caller has 8 × 8 pixels at `y`.
                unsafe { end.put::<MASKED>(isa, y.add(i * down + j * across), values[j]) };
            }
        }
        for j in 0..SIDE {
            // SAFETY: as above.
            unsafe {
                let column = four_down(isa, m, plane, POINTS + j);
                for i in 0..SIDE {
                    let to = y.add(i * down + j * across + pixel);
                    end.put::<MASKED>(isa, to, column[i]);
                }
            }
        }
        for i in 0..SIDE {
            let mut line = [isa.zero(); LINES];
            for j in 0..LINES {
                // SAFETY: as above.
                line[j] = unsafe { isa.load(m.add(plane_of(POINTS + i, j) * plane)) };
            }
            let values = four(isa, [line[0], line[1], line[2], line[3], line[4]]);
            for j in 0..SIDE {
                // SAFETY: as above.
                unsafe {
                    let to = y.add(i * down + row + j * across);
                    end.put::<MASKED>(isa, to, values[j]);
                    end.put::<MASKED>(isa, to.add(pixel), line[POINTS + j]);
                }
            }
        }
    }
}

/// Filters of stride 2.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Half;

const THIRD: f32 = 1.0 / 3.0;
/// 1 / 3A and 1 / 3B, what the points' values are divided by in G.
const NEAR_SHARE: f32 = THIRD * B;
const FAR_SHARE: f32 = THIRD * A;

impl Filter for Half {
    type Spread = Halve;
    type Widen = WidenHalved;

    #[inline(always)]
    fn six<I: Isa>(isa: I, [g0, g1, g2]: [I::V; 3]) -> [I::V; 6] {
        let third = isa.mul(g2, isa.splat(THIRD));
        let minus = isa.sub(isa.zero(), third);
        let (near, far) = (isa.splat(NEAR_SHARE), isa.splat(FAR_SHARE));
        let (less_near, less_far) = (isa.splat(-NEAR_SHARE), isa.splat(-FAR_SHARE));
        [
            isa.fma(less_near, g0, minus),
            isa.fma(near, g0, minus),
            isa.fma(far, g0, third),
            isa.fma(less_far, g0, third),
            g2,
            g1,
        ]
    }

    #[inline(always)]
    fn three<I: Isa>(isa: I, m: [I::V; 6]) -> [I::V; 3] {
        let (near, far) = (isa.sub(m[1], m[0]), isa.sub(m[2], m[3]));
        let both = isa.sub(isa.add(m[2], m[3]), isa.add(m[0], m[1]));
        [
            isa.fma(isa.splat(NEAR_SHARE), near, isa.mul(isa.splat(FAR_SHARE), far)),
            m[5],
            isa.fma(isa.splat(THIRD), both, m[4]),
        ]
    }

    #[inline(always)]
    fn planes(p: usize) -> Range<usize> {
        planes(p)
    }
}
