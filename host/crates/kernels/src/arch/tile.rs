//! The two register tiles that all convolutions and dense layers are made of.
//!
//! Every output has one chain of fused multiply-adds in a fixed order, whatever the tile's size,
//! so all instruction sets and all splits give the same bits.
#![expect(unsafe_code, reason = "raw pointers in the tiles, behind one assert on all extents")]
#![expect(clippy::needless_range_loop, reason = "p and v name the registers of a tile")]

use super::Isa;

/// y[r, c, :] = act(bias + Σ over taps t and i < run of x[r, c, t, i] · w[t, i, :]).
///
/// A convolution row (S × C contiguous floats) is a tap; a dense layer has one tap. All steps
/// are in floats. `onto` goes on with the sums that y holds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Gather {
    pub(crate) rows: usize,
    pub(crate) cols: usize,
    pub(crate) x_base: usize,
    pub(crate) x_row: usize,
    pub(crate) x_col: usize,
    pub(crate) y_base: usize,
    pub(crate) y_row: usize,
    pub(crate) y_col: usize,
    pub(crate) taps: usize,
    pub(crate) tap_step: usize,
    pub(crate) run: usize,
    pub(crate) k: usize,
    pub(crate) onto: bool,
}

/// dw[t, i, :] += Σ over r, c of x[r, c, t, i] · dy[r, c, :], in bands of `band` rows.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Outer {
    pub(crate) rows: usize,
    pub(crate) cols: usize,
    pub(crate) band: usize,
    pub(crate) x_base: usize,
    pub(crate) x_row: usize,
    pub(crate) x_col: usize,
    pub(crate) dy_base: usize,
    pub(crate) dy_row: usize,
    pub(crate) dy_col: usize,
    pub(crate) taps: usize,
    pub(crate) tap_step: usize,
    pub(crate) run: usize,
    pub(crate) k: usize,
}

/// base + Σ (count - 1) · step + run, the end of what a strided walk touches.
pub(super) fn extent(base: usize, walk: &[(usize, usize)], run: usize) -> usize {
    let far = walk.iter().try_fold(base, |far, &(count, step)| {
        far.checked_add(count.checked_sub(1)?.checked_mul(step)?)
    });
    far.and_then(|far| far.checked_add(run)).expect("extents of a map fit in usize")
}

/// Runs `$call` with the constant P equal to `$n`, 1 to 12.
macro_rules! with_rows {
    ($n:expr, $P:ident => $call:expr) => {
        match $n {
            1 => {
                const $P: usize = 1;
                $call
            }
            2 => {
                const $P: usize = 2;
                $call
            }
            3 => {
                const $P: usize = 3;
                $call
            }
            4 => {
                const $P: usize = 4;
                $call
            }
            5 => {
                const $P: usize = 5;
                $call
            }
            6 => {
                const $P: usize = 6;
                $call
            }
            7 => {
                const $P: usize = 7;
                $call
            }
            8 => {
                const $P: usize = 8;
                $call
            }
            9 => {
                const $P: usize = 9;
                $call
            }
            10 => {
                const $P: usize = 10;
                $call
            }
            11 => {
                const $P: usize = 11;
                $call
            }
            _ => {
                const $P: usize = 12;
                $call
            }
        }
    };
}

pub(super) use with_rows;

/// What a gathered sum gets before it is stored.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Finish<'a> {
    /// One factor a column, or none.
    pub(crate) scale: Option<&'a [f32]>,
    /// One value a column, or nothing.
    pub(crate) bias: Option<&'a [f32]>,
    /// Factor of negative sums: 1 for none, 0 for ReLU.
    pub(crate) slope: f32,
}

impl Finish<'_> {
    /// Leaves the sums as they are.
    pub(crate) const NONE: Self = Self { scale: None, bias: None, slope: 1.0 };
}

/// Runs a [`Gather`]; `w` is packed in panels of two vectors, see `pack`.
#[inline(always)]
pub(crate) fn gather<I: Isa>(
    isa: I,
    g: &Gather,
    x: &[f32],
    w: &[f32],
    finish: Finish<'_>,
    y: &mut [f32],
) {
    if g.rows == 0 || g.cols == 0 || g.k == 0 {
        return;
    }
    let width = 2 * I::LANES;
    let taps = [(g.rows, g.x_row), (g.cols, g.x_col), (g.taps, g.tap_step)];
    assert!(extent(g.x_base, &taps, g.run) <= x.len(), "input shorter than its shape");
    let walk = [(g.rows, g.y_row), (g.cols, g.y_col)];
    assert!(extent(g.y_base, &walk, g.k) <= y.len(), "output shorter than its shape");
    let panel = g.taps.checked_mul(g.run).and_then(|n| n.checked_mul(width));
    let panel = panel.expect("a panel fits in usize");
    assert!(panel.checked_mul(g.k.div_ceil(width)) == Some(w.len()), "weights of another shape");
    let fits = |row: Option<&[f32]>| row.is_none_or(|row| row.len() == g.k);
    assert!(fits(finish.bias) && fits(finish.scale), "scale or bias of another shape");
    let pixels = g.rows * g.cols;
    for block in 0..g.k.div_ceil(width) {
        let columns = (g.k - block * width).min(width);
        let panel_w = &w[block * panel..][..panel];
        let mut done = 0;
        while done < pixels {
            let rows = next_rows(pixels - done, I::ROWS);
            let out = Block { first: block * width, columns, done };
            with_rows!(rows, P => if P <= I::ROWS {
                // SAFETY: the asserts above cover every pixel, tap, run and column.
                unsafe { gather_tile::<I, P>(isa, g, x, panel_w, finish, y, out) }
            });
            done += rows;
        }
    }
}

/// The next tile's rows: full ones, with the last two evened out so that none is thin.
#[inline(always)]
pub(super) fn next_rows(left: usize, most: usize) -> usize {
    if left > most && left < 2 * most { left.div_ceil(2) } else { left.min(most) }
}

#[derive(Clone, Copy)]
struct Block {
    first: usize,
    columns: usize,
    done: usize,
}

#[inline(always)]
unsafe fn gather_tile<I: Isa, const P: usize>(
    isa: I,
    g: &Gather,
    x: &[f32],
    w: &[f32],
    finish: Finish<'_>,
    y: &mut [f32],
    out: Block,
) {
    let mut at = [x.as_ptr(); P];
    let mut to = [0; P];
    let (mut row, mut col) = (out.done / g.cols, out.done % g.cols);
    for p in 0..P {
        // SAFETY: within `x`, as asserted in `gather`.
        at[p] = unsafe { x.as_ptr().add(g.x_base + row * g.x_row + col * g.x_col) };
        to[p] = g.y_base + row * g.y_row + col * g.y_col + out.first;
        col += 1;
        if col == g.cols {
            (row, col) = (row + 1, 0);
        }
    }
    let mut acc = [[isa.zero(); 2]; P];
    if g.onto {
        let masks = [isa.first(out.columns), isa.first(out.columns.saturating_sub(I::LANES))];
        for p in 0..P {
            for half in 0..2 {
                // SAFETY: within `y`, as asserted in `gather`; the mask leaves the block's columns.
                acc[p][half] = unsafe {
                    let from = y.as_ptr().wrapping_add(to[p] + half * I::LANES);
                    isa.load_some(from, masks[half])
                };
            }
        }
    }
    let mut w = w.as_ptr();
    for tap in 0..g.taps {
        for i in 0..g.run {
            // SAFETY: `tap`, `i` and the P pixels are within the extents asserted in `gather`.
            unsafe {
                let (w0, w1) = (isa.load(w), isa.load(w.add(I::LANES)));
                for p in 0..P {
                    let b = isa.splat(*at[p].add(tap * g.tap_step + i));
                    acc[p][0] = isa.fma(b, w0, acc[p][0]);
                    acc[p][1] = isa.fma(b, w1, acc[p][1]);
                }
                w = w.add(2 * I::LANES);
            }
        }
    }
    let (mut low, mut high) = ([isa.zero(); P], [isa.zero(); P]);
    for p in 0..P {
        [low[p], high[p]] = acc[p];
    }
    // SAFETY: `to` is within `y`, as asserted in `gather`, for as many columns as the block has.
    unsafe {
        let y = y.as_mut_ptr();
        finish_half::<I, P>(isa, low, finish, y, to, (out.first, out.columns));
        if out.columns > I::LANES {
            let to = to.map(|to| to + I::LANES);
            let rest = (out.first + I::LANES, out.columns - I::LANES);
            finish_half::<I, P>(isa, high, finish, y, to, rest);
        }
    }
}

/// Applies scale and bias from column `first` and the activation and stores up to `columns` of a vector.
#[inline(always)]
unsafe fn finish_half<I: Isa, const P: usize>(
    isa: I,
    sums: [I::V; P],
    finish: Finish<'_>,
    y: *mut f32,
    to: [usize; P],
    (first, columns): (usize, usize),
) {
    let (slope, mask) = (isa.splat(finish.slope), isa.first(columns));
    let bias = match finish.bias {
        // SAFETY: the bias has `k` values, of which the mask leaves those of this block.
        Some(bias) => unsafe { isa.load_some(bias.as_ptr().add(first), mask) },
        None => isa.zero(),
    };
    let scale = match finish.scale {
        // SAFETY: as for the bias.
        Some(scale) => unsafe { isa.load_some(scale.as_ptr().add(first), mask) },
        None => isa.splat(1.0),
    };
    // Masked stores of AVX2 take tens of cycles on some processors: whole vectors do without.
    if columns >= I::LANES {
        for p in 0..P {
            // SAFETY: the caller has a vector at each place.
            unsafe { isa.store(y.add(to[p]), isa.leaky(isa.fma(sums[p], scale, bias), slope)) };
        }
    } else {
        for p in 0..P {
            let sum = isa.leaky(isa.fma(sums[p], scale, bias), slope);
            // SAFETY: the caller has the mask's floats at each place.
            unsafe { isa.store_some(y.add(to[p]), sum, mask) };
        }
    }
}

/// Runs an [`Outer`]; `fresh` starts `dw` from zero instead of adding to it.
#[inline(always)]
pub(crate) fn outer<I: Isa>(isa: I, g: &Outer, x: &[f32], dy: &[f32], fresh: bool, dw: &mut [f32]) {
    if g.rows == 0 || g.cols == 0 || g.k == 0 {
        return;
    }
    let taps = [(g.rows, g.x_row), (g.cols, g.x_col), (g.taps, g.tap_step)];
    assert!(extent(g.x_base, &taps, g.run) <= x.len(), "input shorter than its shape");
    let walk = [(g.rows, g.dy_row), (g.cols, g.dy_col)];
    assert!(extent(g.dy_base, &walk, g.k) <= dy.len(), "gradient shorter than its shape");
    let weights = g.taps.checked_mul(g.run).and_then(|n| n.checked_mul(g.k));
    assert!(weights == Some(dw.len()), "weight gradient of another shape");
    let mut row = 0;
    while row < g.rows {
        let band = Band { row, rows: g.band.min(g.rows - row), fresh: fresh && row == 0 };
        for tap in 0..g.taps {
            let mut first = 0;
            while first < g.run {
                let rows = next_rows(g.run - first, I::ROWS);
                with_rows!(rows, P => if P <= I::ROWS {
                    // SAFETY: the asserts above cover every row, column, tap, run and channel.
                    unsafe { outer_row::<I, P>(isa, g, x, dy, dw, band, (tap, first)) }
                });
                first += rows;
            }
        }
        row += band.rows;
    }
}

#[derive(Clone, Copy)]
struct Band {
    row: usize,
    rows: usize,
    fresh: bool,
}

/// P rows of the weight gradient, all columns.
#[inline(always)]
unsafe fn outer_row<I: Isa, const P: usize>(
    isa: I,
    g: &Outer,
    x: &[f32],
    dy: &[f32],
    dw: &mut [f32],
    band: Band,
    (tap, first): (usize, usize),
) {
    let at = g.x_base + band.row * g.x_row + tap * g.tap_step + first;
    let mut column = 0;
    while column < g.k {
        let wide = g.k - column >= 2 * I::LANES;
        // SAFETY: within the extents asserted in `outer`; narrow tiles are masked to `k`.
        unsafe {
            let x = x.as_ptr().add(at);
            let dy = dy.as_ptr().add(g.dy_base + band.row * g.dy_row + column);
            let dw = dw.as_mut_ptr().add((tap * g.run + first) * g.k + column);
            if wide {
                outer_tile::<I, P, 2, false>(isa, g, x, dy, dw, band, I::LANES);
            } else {
                outer_tile::<I, P, 1, true>(isa, g, x, dy, dw, band, g.k - column);
            }
        }
        column += if wide { 2 * I::LANES } else { I::LANES };
    }
}

#[inline(always)]
unsafe fn outer_tile<I: Isa, const P: usize, const V: usize, const MASKED: bool>(
    isa: I,
    g: &Outer,
    x: *const f32,
    dy: *const f32,
    dw: *mut f32,
    band: Band,
    columns: usize,
) {
    let mask = isa.first(columns);
    let mut acc = [[isa.zero(); V]; P];
    // SAFETY: `outer_row` placed the pointers; the walk below stays within the same extents.
    unsafe {
        let load = |p: *const f32| if MASKED { isa.load_some(p, mask) } else { isa.load(p) };
        if !band.fresh {
            for p in 0..P {
                for v in 0..V {
                    acc[p][v] = load(dw.add(p * g.k + v * I::LANES));
                }
            }
        }
        for row in 0..band.rows {
            let (mut x, mut dy) = (x.add(row * g.x_row), dy.add(row * g.dy_row));
            for _ in 0..g.cols {
                let d: [I::V; V] = std::array::from_fn(|v| load(dy.add(v * I::LANES)));
                for p in 0..P {
                    let b = isa.splat(*x.add(p));
                    for v in 0..V {
                        acc[p][v] = isa.fma(b, d[v], acc[p][v]);
                    }
                }
                (x, dy) = (x.wrapping_add(g.x_col), dy.wrapping_add(g.dy_col));
            }
        }
        for p in 0..P {
            for v in 0..V {
                let to = dw.add(p * g.k + v * I::LANES);
                if MASKED {
                    isa.store_some(to, acc[p][v], mask);
                } else {
                    isa.store(to, acc[p][v]);
                }
            }
        }
    }
}
