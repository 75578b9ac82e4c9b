//! Speed of each layer of the presets that has weights, as a share of the measured FMA peak of one core; of
//! Winograd's tiles the effective one, counted in the products of a direct convolution.
//! `cargo xtask bench kernels`
#![expect(clippy::print_stdout, reason = "a bench prints its table")]

use std::time::Instant;

use mobula_kernels::conv::{self, Layer};
use mobula_kernels::map::{Stack, StackMut};
use mobula_kernels::shape::{Conv, Map};
use mobula_kernels::winograd::{self, Winograd};
use mobula_kernels::{Cpu, probe};

/// The best GFLOP/s of short windows; other programs can only slow a window down.
fn best(mut window: impl FnMut() -> u64) -> f64 {
    let once = || {
        let start = Instant::now();
        let flops = window();
        flops as f64 / start.elapsed().as_secs_f64() / 1e9
    };
    std::iter::repeat_with(once).take(40).fold(0.0, f64::max)
}

fn main() {
    for cpu in Cpu::all().into_iter().skip(1) {
        let peak = best(|| {
            let (sum, flops) = probe::fma_peak(cpu, 20_000);
            std::hint::black_box(sum);
            flops
        });
        println!("{}: peak {peak:.1} GFLOP/s", cpu.name());
        for (side, c, k, stride) in CONVOLUTIONS {
            let conv = Conv::new(Map::new(side, side, c), k, stride);
            let share = |speed: f64| speed / peak * 100.0;
            let row = |[forward, input, weights]: [f64; 3]| {
                format!("forward {forward:.0} %, dgrad {input:.0} %, wgrad {weights:.0} %")
            };
            let tiled = Winograd::of(conv).map(|wino| row(tiled(cpu, conv, wino).map(share)));
            let tiled = tiled.map_or(String::new(), |row| format!("; Winograd {row}"));
            let stride = if stride == 1 { "" } else { ", stride 2" };
            let direct = row(direct(cpu, conv).map(share));
            println!("{side}x{side}x{c} -> {k}{stride}: {direct}{tiled}");
        }
        for (c, k) in DENSE {
            let [forward, input, weights] = dense(cpu, c, k).map(|speed| speed / peak * 100.0);
            println!(
                "{c} -> {k}: forward {forward:.0} %, dgrad {input:.0} %, wgrad {weights:.0} %"
            );
        }
    }
}

/// Side, channels in and out, stride.
const CONVOLUTIONS: [(usize, usize, usize, usize); 9] = [
    (32, 3, 32, 1),
    (32, 32, 32, 1),
    (32, 32, 32, 2),
    (16, 32, 64, 1),
    (16, 64, 64, 1),
    (16, 64, 64, 2),
    (16, 64, 128, 1),
    (8, 64, 128, 1),
    (8, 128, 128, 1),
];
/// Units in and out.
const DENSE: [(usize, usize); 3] = [(2048, 128), (2048, 256), (4096, 128)];

/// Images that a shard of a batch of 64 has.
const IMAGES: usize = 16;

fn flops(conv: Conv) -> u64 {
    let out = conv.output();
    (2 * out.h * out.w * conv.weights() * IMAGES) as u64
}

fn direct(cpu: Cpu, conv: Conv) -> [f64; 3] {
    let (c, k, out) = (conv.input.c, conv.k, conv.output());
    let x = vec![0.5; conv.input.len() * IMAGES];
    let mut y = vec![0.5; out.padded().len() * IMAGES];
    let dy = y.clone();
    let mut dx = x.clone();
    let packed = vec![0.1; conv::packed_len(cpu, 9 * c, k)];
    let turned = vec![0.1; conv::packed_len(cpu, 9 * k, c)];
    let bias = vec![0.1; k];
    let mut dw = vec![0.0; conv.weights()];
    let forward = best(|| {
        for (x, y) in x.chunks(conv.input.len()).zip(y.chunks_mut(out.padded().len())) {
            let layer = Layer { packed: &packed, scale: None, bias: &bias, slope: 0.0 };
            conv::forward(cpu, conv, x, layer, out.padded(), y);
        }
        flops(conv)
    });
    let input = best(|| {
        for (dx, dy) in dx.chunks_mut(conv.input.len()).zip(dy.chunks(out.padded().len())) {
            conv::input_grad(cpu, conv, dy, &turned, conv.input, dx);
        }
        flops(conv)
    });
    let weights = best(|| {
        for (x, dy) in x.chunks(conv.input.len()).zip(dy.chunks(out.padded().len())) {
            conv::weight_grad(cpu, conv, x, dy, false, &mut dw);
        }
        flops(conv)
    });
    [forward, input, weights]
}

fn tiled(cpu: Cpu, conv: Conv, wino: Winograd) -> [f64; 3] {
    let out = conv.output().padded();
    let x = vec![0.5; conv.input.len() * IMAGES];
    let mut y = vec![0.5; out.len() * IMAGES];
    let dy = y.clone();
    let mut dx = x.clone();
    let w = vec![0.1; conv.weights()];
    let (mut packed, mut turned) =
        (vec![0.0; wino.packed_len(cpu)], vec![0.0; wino.turned_len(cpu)]);
    winograd::pack(cpu, wino, &w, &mut packed);
    winograd::pack_turned(cpu, wino, &w, &mut turned);
    let bias = vec![0.1; conv.k];
    let mut scratch = vec![0.0; wino.scratch_len(cpu, IMAGES)];
    let mut dw = vec![0.0; conv.weights()];
    let forward = best(|| {
        let layer = Layer { packed: &packed, scale: None, bias: &bias, slope: 0.0 };
        let (x, y) = (Stack::new(conv.input, &x), StackMut::new(out, &mut y));
        winograd::forward(cpu, wino, x, layer, y, &mut scratch);
        flops(conv)
    });
    let input = best(|| {
        let (dy, dx) = (Stack::new(out, &dy), StackMut::new(conv.input, &mut dx));
        winograd::input_grad(cpu, wino, dy, &turned, dx, &mut scratch);
        flops(conv)
    });
    let weights = best(|| {
        let (x, dy) = (Stack::new(conv.input, &x), Stack::new(out, &dy));
        winograd::weight_grad(cpu, wino, x, dy, false, &mut dw, &mut scratch);
        flops(conv)
    });
    [forward, input, weights]
}

fn dense(cpu: Cpu, c: usize, k: usize) -> [f64; 3] {
    let flops = (2 * IMAGES * c * k) as u64;
    let (x, dy) = (vec![0.5; IMAGES * c], vec![0.5; IMAGES * k]);
    let (mut y, mut dx, mut dw) = (dy.clone(), x.clone(), vec![0.0; c * k]);
    let packed = vec![0.1; conv::packed_len(cpu, c, k)];
    let turned = vec![0.1; conv::packed_len(cpu, k, c)];
    let bias = vec![0.1; k];
    let forward = best(|| {
        let layer = Layer { packed: &packed, scale: None, bias: &bias, slope: 0.0 };
        conv::dense_forward(cpu, IMAGES, &x, 0..c, layer, &mut y);
        flops
    });
    let input = best(|| {
        conv::dense_input_grad(cpu, IMAGES, &dy, &turned, 0..c, &mut dx);
        flops
    });
    let weights = best(|| {
        conv::dense_weight_grad(cpu, IMAGES, (&x, &dy), 0..c, true, &mut dw);
        flops
    });
    [forward, input, weights]
}
