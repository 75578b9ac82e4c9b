//! Speed of each convolution of `cifar10-664k` as a share of the measured FMA peak of one core.
//! `cargo run --release -p mobula-kernels --example layers`
#![expect(clippy::print_stdout, reason = "a bench prints its table")]

use std::time::Instant;

use mobula_kernels::conv::{self, Layer};
use mobula_kernels::shape::{Conv, Map};
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
    let shapes = [(32, 3, 32), (32, 32, 32), (16, 32, 64), (16, 64, 128), (8, 128, 128)];
    for cpu in Cpu::all().into_iter().skip(1) {
        let peak = best(|| {
            let (sum, flops) = probe::fma_peak(cpu, 20_000);
            std::hint::black_box(sum);
            flops
        });
        println!("{}: peak {peak:.1} GFLOP/s", cpu.name());
        for (side, c, k) in shapes {
            let conv = Conv::new(Map::new(side, side, c), k, 1);
            let share = |speed: f64| speed / peak * 100.0;
            let [forward, input, weights] = measure(cpu, conv).map(share);
            println!(
                "{side}x{side}x{c} -> {k}: forward {forward:.0} %, dgrad {input:.0} %, \
                 wgrad {weights:.0} %"
            );
        }
    }
}

fn measure(cpu: Cpu, conv: Conv) -> [f64; 3] {
    let (c, k, out) = (conv.input.c, conv.k, conv.output());
    let flops = (2 * out.h * out.w * conv.weights()) as u64;
    let images = 8;
    let x = vec![0.5; conv.input.len() * images];
    let mut y = vec![0.5; out.padded().len() * images];
    let dy = y.clone();
    let mut dx = x.clone();
    let packed = vec![0.1; conv::packed_len(cpu, 9 * c, k)];
    let turned = vec![0.1; conv::packed_len(cpu, 9 * k, c)];
    let bias = vec![0.1; k];
    let mut dw = vec![0.0; conv.weights()];
    let forward = best(|| {
        for (x, y) in x.chunks(conv.input.len()).zip(y.chunks_mut(out.padded().len())) {
            let layer = Layer { packed: &packed, bias: &bias, slope: 0.0 };
            conv::forward(cpu, conv, x, layer, out.padded(), y);
        }
        flops * images as u64
    });
    let input = best(|| {
        for (dx, dy) in dx.chunks_mut(conv.input.len()).zip(dy.chunks(out.padded().len())) {
            conv::input_grad(cpu, conv, dy, &turned, conv.input, dx);
        }
        flops * images as u64
    });
    let weights = best(|| {
        for (x, dy) in x.chunks(conv.input.len()).zip(dy.chunks(out.padded().len())) {
            conv::weight_grad(cpu, conv, x, dy, false, &mut dw);
        }
        flops * images as u64
    });
    [forward, input, weights]
}
