//! Winograd's passes: equal bits on every instruction set, and within a bound of f64 sums.

mod common;

use mobula_kernels::Cpu;
use mobula_kernels::conv::Layer;
use mobula_kernels::map::{Stack, StackMut};
use mobula_kernels::shape::{Conv, Map};
use mobula_kernels::winograd::{self, Winograd};

use common::{noise, noise_map, on_all, walk};

/// Largest error as a share of the outputs' root mean square, the gate of fast mode.
const BOUND: f64 = 3e-5;

struct Case {
    wino: Winograd,
    conv: Conv,
    x: Vec<f32>,
    w: Vec<f32>,
    dy: Vec<f32>,
    images: usize,
}

impl Case {
    fn new((h, w, c, k): (usize, usize, usize, usize), images: usize, seed: u64) -> Self {
        let conv = Conv::new(Map::new(h, w, c), k, 1);
        let maps = |map: Map, seed: u64| {
            (0..images as u64).flat_map(|i| noise_map(seed + i, map)).collect::<Vec<_>>()
        };
        Self {
            wino: Winograd::of(conv).expect("tiles fit"),
            conv,
            x: maps(conv.input, seed),
            w: noise(seed + 900, conv.weights()),
            dy: maps(conv.output().padded(), seed + 300),
            images,
        }
    }

    fn forward(&self, bias: &[f32], slope: f32) -> Vec<f32> {
        on_all("forward", |cpu| {
            let mut packed = vec![9.0; self.wino.packed_len(cpu)];
            winograd::pack(cpu, self.wino, &self.w, &mut packed);
            let out = self.conv.output();
            let mut y = vec![7.0; out.len() * self.images];
            let layer = Layer { packed: &packed, bias, slope };
            let (x, to) = (Stack::new(self.conv.input, &self.x), StackMut::new(out, &mut y));
            winograd::forward(cpu, self.wino, x, layer, to, &mut self.scratch(cpu));
            y
        })
    }

    fn input_grad(&self) -> Vec<f32> {
        on_all("input gradient", |cpu| {
            let mut packed = vec![9.0; self.wino.turned_len(cpu)];
            winograd::pack_turned(cpu, self.wino, &self.w, &mut packed);
            let to = self.conv.input.plain();
            let mut dx = vec![7.0; to.len() * self.images];
            let (dy, out) = (self.dy(), StackMut::new(to, &mut dx));
            winograd::input_grad(cpu, self.wino, dy, &packed, out, &mut self.scratch(cpu));
            dx
        })
    }

    /// Twice the gradient: once in place of what was there, once added to it.
    fn weight_grad(&self) -> Vec<f32> {
        on_all("weight gradient", |cpu| {
            let (mut dw, mut scratch) = (vec![7.0; self.conv.weights()], self.scratch(cpu));
            for fresh in [true, false] {
                let (x, dy) = (Stack::new(self.conv.input, &self.x), self.dy());
                winograd::weight_grad(cpu, self.wino, x, dy, fresh, &mut dw, &mut scratch);
            }
            dw
        })
    }

    fn dy(&self) -> Stack<'_> {
        Stack::new(self.conv.output().padded(), &self.dy)
    }

    fn scratch(&self, cpu: Cpu) -> Vec<f32> {
        vec![5.0; self.wino.scratch_len(cpu, self.images)]
    }

    /// Output, input gradient and weight gradient as f64 sums.
    fn want(&self) -> [Vec<f64>; 3] {
        let (conv, c, k) = (self.conv, self.conv.input.c, self.conv.k);
        let (out, from) = (conv.output(), conv.input);
        let mut y = vec![0.0; out.len() * self.images];
        let mut dx = vec![0.0; from.plain().len() * self.images];
        let mut dw = vec![0.0; conv.weights()];
        for image in 0..self.images {
            let x = &self.x[image * from.len()..][..from.len()];
            let dy = &self.dy[image * out.padded().len()..][..out.padded().len()];
            let y = &mut y[image * out.len()..][..out.len()];
            let mut bordered = vec![0.0; from.len()];
            walk(conv, |o, i, f| {
                let (row, pixel) = (o / out.row(), o % out.row());
                let d = &dy[out.padded().line(row).start + pixel..][..k];
                for a in 0..c {
                    for b in 0..k {
                        let w = f64::from(self.w[f + a * k + b]);
                        y[o + b] += f64::from(x[i + a]) * w;
                        bordered[i + a] += w * f64::from(d[b]);
                        dw[f + a * k + b] += f64::from(x[i + a]) * f64::from(d[b]);
                    }
                }
            });
            for row in 0..from.h {
                let to = image * from.values() + row * from.w * c;
                dx[to..to + from.w * c].copy_from_slice(&bordered[from.line(row)]);
            }
        }
        [y, dx, dw]
    }
}

/// Largest error as a share of the root mean square of what is wanted.
fn error(got: &[f32], want: &[f64]) -> f64 {
    assert_eq!(got.len(), want.len());
    let square = want.iter().map(|v| v * v).sum::<f64>() / want.len() as f64;
    let worst = got.iter().zip(want).map(|(got, want)| (f64::from(*got) - want).abs());
    worst.fold(0.0, f64::max) / square.sqrt()
}

fn check(shape: (usize, usize, usize, usize), images: usize, seed: u64) {
    let case = Case::new(shape, images, seed);
    let [y, dx, dw] = case.want();
    let errors = [
        error(&case.forward(&vec![0.0; shape.3], 1.0), &y),
        error(&case.input_grad(), &dx),
        error(&case.weight_grad(), &dw.iter().map(|v| 2.0 * v).collect::<Vec<_>>()),
    ];
    assert!(errors.iter().all(|error| *error <= BOUND), "{shape:?} × {images}: {errors:?}");
    // Shown where a test is run with --nocapture.
    eprintln!("{shape:?} x {images}: forward, dgrad, wgrad {errors:?} of rms");
}

#[test]
fn layers_of_the_presets_stay_within_the_bound_of_fast_mode() {
    for (i, shape) in
        [(32, 32, 32, 32), (16, 16, 32, 64), (16, 16, 64, 128), (8, 8, 64, 128), (8, 8, 128, 128)]
            .into_iter()
            .enumerate()
    {
        check(shape, 2, i as u64);
    }
}

#[test]
fn odd_channels_and_many_tiles_stay_within_the_bound() {
    for (shape, images) in
        [((4, 4, 8, 8), 1), ((4, 8, 11, 9), 3), ((8, 4, 17, 33), 5), ((4, 4, 40, 70), 60)]
    {
        check(shape, images, 40);
    }
}

#[test]
fn bias_and_activation_come_with_the_forward_pass() {
    let case = Case::new((8, 8, 16, 24), 2, 7);
    let bias = noise(77, 24);
    let plain = case.forward(&[0.0; 24], 1.0);
    let got = case.forward(&bias, 0.3);
    for (i, (got, plain)) in got.iter().zip(plain).enumerate() {
        let sum = plain + bias[i % 24];
        assert_eq!(*got, if sum > 0.0 { sum } else { sum * 0.3 }, "at {i}");
    }
}

#[test]
fn what_tiles_do_not_fit_is_left_to_direct_kernels() {
    let of = |h, w, c, k, stride| Winograd::of(Conv::new(Map::new(h, w, c), k, stride));
    assert!(of(8, 8, 16, 16, 1).is_some());
    assert!(of(8, 8, 16, 16, 2).is_none());
    assert!(of(6, 8, 16, 16, 1).is_none());
    assert!(of(8, 7, 16, 16, 1).is_none());
    assert!(of(8, 8, 3, 16, 1).is_none());
}
