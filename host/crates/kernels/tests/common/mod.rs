//! What the tests of kernels share: noise, plain walks over a convolution, runs on every instruction set.

use mobula_kernels::Cpu;
use mobula_kernels::shape::{Conv, Map};

/// Uniform in [-1, 1) from a seed.
pub(crate) fn noise(seed: u64, n: usize) -> Vec<f32> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    (0..n)
        .map(|_| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state >> 40) as f32 / (1u64 << 23) as f32 - 1.0
        })
        .collect()
}

/// Noise inside, zeroes in the border.
pub(crate) fn noise_map(seed: u64, map: Map) -> Vec<f32> {
    let mut data = vec![0.0; map.len()];
    let inside = noise(seed, map.values());
    for (y, line) in inside.chunks_exact(map.w * map.c).enumerate() {
        data[map.line(y)].copy_from_slice(line);
    }
    data
}

/// Calls `visit(output index, input index or border, weight index without channels)`.
pub(crate) fn walk(conv: Conv, mut visit: impl FnMut(usize, usize, usize)) {
    let (out, from) = (conv.output(), conv.input);
    let (sy, sx) = conv.start();
    for y in 0..out.h {
        for x in 0..out.w {
            for f in 0..9 {
                let (r, s) = (y * conv.stride + sy + f / 3, x * conv.stride + sx + f % 3);
                visit((y * out.w + x) * out.c, r * from.row() + s * from.c, f * from.c * conv.k);
            }
        }
    }
}

pub(crate) fn bits(values: &[f32]) -> Vec<u32> {
    values.iter().map(|v| v.to_bits()).collect()
}

/// Runs `f` on every instruction set, requires equal bits, returns the values.
pub(crate) fn on_all(what: &str, f: impl Fn(Cpu) -> Vec<f32>) -> Vec<f32> {
    let portable = f(Cpu::portable());
    for cpu in Cpu::all() {
        assert_eq!(bits(&f(cpu)), bits(&portable), "{what} on {}", cpu.name());
    }
    portable
}
