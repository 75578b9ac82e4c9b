//! Every instruction set against the portable one (equal bits) and against plain f64 sums.

mod common;

use mobula_kernels::Cpu;
use mobula_kernels::conv::{self, Layer};
use mobula_kernels::map::{self, Dropout, View, ViewMut};
use mobula_kernels::norm::{self, Centre, Moments, Norm};
use mobula_kernels::optim::{self, Adam, Nesterov};
use mobula_kernels::shape::Map;

use common::{noise, noise_map, on_all};

fn close(what: &str, got: &[f32], want: &[f64]) {
    assert_eq!(got.len(), want.len());
    for (i, (got, want)) in got.iter().zip(want).enumerate() {
        let error = (f64::from(*got) - want).abs();
        assert!(error <= 2e-6 * (want.abs() + 4.0), "{what}[{i}]: {got} for {want}");
    }
}

/// Rows of a dense layer's weights: a part of a panel's width, and the rest.
fn parts(c: usize) -> impl Iterator<Item = std::ops::Range<usize>> {
    let cut = c.min(19);
    [0..cut, cut..c].into_iter().filter(|rows| !rows.is_empty())
}

#[test]
fn dense_layers_agree_with_plain_sums() {
    for (n, c, k) in [(1, 1, 1), (3, 20, 10), (8, 37, 33), (13, 64, 70)] {
        let (x, w, dy) = (noise(1, n * c), noise(2, c * k), noise(3, n * k));
        let bias = noise(4, k);
        let f = |v: &[f32], i: usize| f64::from(v[i]);
        let sum = |len, term: &dyn Fn(usize) -> f64| (0..len).map(term).sum::<f64>();
        let at = |i: usize, cols: usize| (i / cols, i % cols);
        let y: Vec<f64> = (0..n * k)
            .map(|o| (at(o, k), o))
            .map(|((r, b), _)| sum(c, &|a| f(&x, r * c + a) * f(&w, a * k + b)) + f(&bias, b))
            .collect();
        let dx: Vec<f64> = (0..n * c)
            .map(|o| at(o, c))
            .map(|(r, a)| sum(k, &|b| f(&dy, r * k + b) * f(&w, a * k + b)))
            .collect();
        let dw: Vec<f64> = (0..c * k)
            .map(|o| at(o, k))
            .map(|(a, b)| sum(n, &|r| f(&x, r * c + a) * f(&dy, r * k + b)))
            .collect();
        let got = on_all("dense", |cpu| {
            let mut y = vec![7.0; n * k];
            for rows in parts(c) {
                let mut packed = vec![9.0; conv::packed_len(cpu, rows.len(), k)];
                conv::pack(cpu, &w[rows.start * k..rows.end * k], k, &mut packed);
                let layer = Layer { packed: &packed, scale: None, bias: &bias, slope: 1.0 };
                conv::dense_forward(cpu, n, &x, rows, layer, &mut y);
            }
            y
        });
        close("y", &got, &y);
        let got = on_all("dense dx", |cpu| {
            let mut dx = vec![7.0; n * c];
            for rows in parts(c) {
                let mut packed = vec![9.0; conv::packed_len(cpu, k, rows.len())];
                conv::pack_transposed(cpu, &w[rows.start * k..rows.end * k], k, &mut packed);
                conv::dense_input_grad(cpu, n, &dy, &packed, rows, &mut dx);
            }
            dx
        });
        close("dx", &got, &dx);
        let got = on_all("dense dw", |cpu| {
            let mut dw = vec![7.0; c * k];
            for rows in parts(c) {
                let dw = &mut dw[rows.start * k..rows.end * k];
                // The first image apart, as a shard of its own.
                let (x, dy) = (x.split_at(c), dy.split_at(k));
                conv::dense_weight_grad(cpu, 1, (x.0, dy.0), rows.clone(), true, dw);
                conv::dense_weight_grad(cpu, n - 1, (x.1, dy.1), rows, false, dw);
            }
            dw
        });
        close("dw", &got, &dw);
    }
}

#[test]
fn map_passes_give_equal_bits() {
    for map in [Map::new(6, 8, 5), Map::new(5, 7, 33), Map::new(1, 1, 64)] {
        let (x, dy) = (noise_map(1, map.padded()), noise(2, map.len()));
        let x = View::new(map.padded(), &x);
        let dy = View::new(map, &dy);
        let key = Dropout { key: 0x1234_5678_9abc_def0, rate: 0.25 };
        let run = |f: &dyn Fn(Cpu, ViewMut<'_>)| {
            on_all("pass", |cpu| {
                let mut out = vec![0.0; map.len()];
                f(cpu, ViewMut::new(map, &mut out));
                out
            })
        };
        run(&|cpu, out| map::activate(cpu, x, 0.3, out));
        run(&|cpu, out| map::activate_grad(cpu, x, dy, 0.3, out));
        run(&|cpu, out| map::dropout(cpu, key, x, out));
        on_all("sums", |cpu| {
            let mut sums = vec![0.0; map.c];
            map::channel_sums(cpu, x, true, &mut sums);
            sums
        });
        let pool = map::pooled(map);
        on_all("pool", |cpu| {
            let mut y = vec![0.0; pool.len()];
            map::max_pool(cpu, x, ViewMut::new(pool, &mut y));
            let mut dx = vec![7.0; map.len()];
            let top = noise(5, pool.len());
            let (y_view, dy) = (View::new(pool, &y), View::new(pool, &top));
            map::max_pool_grad(cpu, x, y_view, dy, 0.3, ViewMut::new(map, &mut dx));
            [y, dx].concat()
        });
    }
}

#[test]
fn normalisation_gives_equal_bits() {
    let map = Map::new(4, 6, 33);
    let (z, dy) = (noise(1, map.len()), noise(2, map.len()));
    let (z, dy) = (View::new(map, &z), View::new(map, &dy));
    let p: Vec<_> = (3..8).map(|seed| noise(seed, map.c)).collect();
    let norm = Norm { mean: &p[0], scale: &p[1], beta: &p[2], slope: 0.3 };
    on_all("normalisation", |cpu| {
        let (mut mean, mut m2) = (vec![0.0; map.c], vec![0.0; map.c]);
        let (mut scratch, mut sums) = (vec![0.0; 2 * map.c], vec![0.0; 2 * map.c]);
        let mut so_far = Moments { count: 0.0, mean: &mut mean, m2: &mut m2 };
        norm::moments(cpu, z, &mut so_far, &mut scratch);
        norm::moments(cpu, dy, &mut so_far, &mut scratch);
        norm::sums(cpu, norm, z, dy, &mut sums, &mut scratch);
        let (mut y, mut dz) = (vec![0.0; map.len()], vec![0.0; map.len()]);
        norm::apply(cpu, norm, z, ViewMut::new(map, &mut y));
        let centre = Centre { mean: &p[3], tilt: &p[4] };
        norm::grad(cpu, norm, centre, z, dy, ViewMut::new(map, &mut dz));
        let narrow = |v: Vec<f64>| v.into_iter().map(|v| v as f32).collect::<Vec<_>>();
        [y, dz, narrow(mean), narrow(m2), narrow(sums)].concat()
    });
}

#[test]
fn optimizer_steps_give_equal_bits_and_flush_dying_moments() {
    let g: Vec<_> = (0..16).map(|s| noise(s as u64, 77)).collect();
    let g: Vec<&[f32]> = g.iter().map(|g| &g[..]).collect();
    let adam = Adam { alpha: 1e-3, first: 0.1, second: 1e-3, epsilon: 1e-7, decay: 1e-4 };
    for shards in [1, 2, 4, 8, 16] {
        on_all("optimizer", |cpu| {
            let (mut w, mut m, mut v) = (noise(20, 77), noise(21, 77), vec![0.1; 77]);
            optim::adam(cpu, adam, &g[..shards], &mut w, &mut m, &mut v);
            let sgd = Nesterov { rate: 0.1, momentum: 0.9, decay: 1e-4 };
            optim::nesterov(cpu, sgd, &g[..shards], &mut w, &mut m);
            [w, m, v].concat()
        });
    }
    let zero: [&[f32]; 4] = [&[0.0]; 4];
    let (mut w, mut m, mut v) = ([1.0], [1e-30], [1e-30]);
    optim::adam(Cpu::detect(), adam, &zero, &mut w, &mut m, &mut v);
    assert_eq!((m, v), ([0.0], [0.0]));
}
