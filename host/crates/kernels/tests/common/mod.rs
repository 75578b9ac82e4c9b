//! What the tests of kernels share: noise, convolutions as plain sums, runs on every instruction set.
#![allow(dead_code, reason = "no test uses all of it")]

use mobula_kernels::Cpu;
use mobula_kernels::conv::{self, Layer};
use mobula_kernels::map::{Stack, StackMut};
use mobula_kernels::shape::{Conv, Map};
use mobula_kernels::winograd::{self, Winograd};

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

/// One convolution with its data: images and gradients with borders, weights.
pub(crate) struct Problem {
    pub(crate) conv: Conv,
    pub(crate) images: usize,
    pub(crate) x: Vec<f32>,
    pub(crate) w: Vec<f32>,
    pub(crate) dy: Vec<f32>,
}

impl Problem {
    pub(crate) fn new(conv: Conv, images: usize, seed: u64) -> Self {
        let maps = |map: Map, seed: u64| {
            (0..images as u64).flat_map(|i| noise_map(seed + i, map)).collect::<Vec<_>>()
        };
        Self {
            conv,
            images,
            x: maps(conv.input, seed),
            w: noise(seed + 900, conv.weights()),
            dy: maps(conv.output().padded(), seed + 300),
        }
    }

    /// Output, input gradient and weight gradient as f64 sums.
    pub(crate) fn want(&self) -> [Vec<f64>; 3] {
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

    /// The same by direct kernels, of equal bits on every instruction set; the weight gradient is once
    /// put in place of what was there and once added to it.
    pub(crate) fn direct(&self) -> [Vec<f32>; 3] {
        let (conv, c, k) = (self.conv, self.conv.input.c, self.conv.k);
        let (out, from) = (conv.output(), conv.input);
        let y = on_all("forward", |cpu| {
            let mut packed = vec![9.0; conv::packed_len(cpu, 9 * c, k)];
            conv::pack(cpu, &self.w, k, &mut packed);
            let layer = Layer { packed: &packed, scale: None, bias: &vec![0.0; k], slope: 1.0 };
            let mut y = vec![7.0; out.len() * self.images];
            for (x, y) in self.x.chunks(from.len()).zip(y.chunks_mut(out.len())) {
                conv::forward(cpu, conv, x, layer, out, y);
            }
            y
        });
        let dx = on_all("input gradient", |cpu| {
            let mut packed = vec![9.0; conv::packed_len(cpu, 9 * k, c)];
            conv::pack_turned(cpu, conv, &self.w, &mut packed);
            let to = from.plain();
            let mut dx = vec![7.0; to.len() * self.images];
            for (dy, dx) in self.dy.chunks(out.padded().len()).zip(dx.chunks_mut(to.len())) {
                conv::input_grad(cpu, conv, dy, &packed, to, dx);
            }
            dx
        });
        let dw = on_all("weight gradient", |cpu| {
            let mut dw = vec![7.0; conv.weights()];
            for fresh in [true, false] {
                let images = self.x.chunks(from.len()).zip(self.dy.chunks(out.padded().len()));
                for (i, (x, dy)) in images.enumerate() {
                    conv::weight_grad(cpu, conv, x, dy, fresh && i == 0, &mut dw);
                }
            }
            dw.iter().map(|dw| dw / 2.0).collect()
        });
        [y, dx, dw]
    }

    /// The same by Winograd's tiles.
    pub(crate) fn tiled(&self, wino: Winograd) -> [Vec<f32>; 3] {
        let scratch = |cpu: Cpu| vec![5.0; wino.scratch_len(cpu, self.images)];
        let x = Stack::new(self.conv.input, &self.x);
        let dy = Stack::new(self.conv.output().padded(), &self.dy);
        let dx = on_all("input gradient", |cpu| {
            let mut packed = vec![9.0; wino.turned_len(cpu)];
            winograd::pack_turned(cpu, wino, &self.w, &mut packed);
            let to = self.conv.input.plain();
            let mut dx = vec![7.0; to.len() * self.images];
            let out = StackMut::new(to, &mut dx);
            winograd::input_grad(cpu, wino, dy, &packed, out, &mut scratch(cpu));
            dx
        });
        let dw = on_all("weight gradient", |cpu| {
            let (mut dw, mut scratch) = (vec![7.0; self.conv.weights()], scratch(cpu));
            for fresh in [true, false] {
                winograd::weight_grad(cpu, wino, x, dy, fresh, &mut dw, &mut scratch);
            }
            dw.iter().map(|dw| dw / 2.0).collect()
        });
        [self.tiled_forward(wino, &vec![0.0; self.conv.k], 1.0), dx, dw]
    }

    pub(crate) fn tiled_forward(&self, wino: Winograd, bias: &[f32], slope: f32) -> Vec<f32> {
        self.scaled_forward(wino, None, bias, slope)
    }

    pub(crate) fn scaled_forward(
        &self,
        wino: Winograd,
        scale: Option<&[f32]>,
        bias: &[f32],
        slope: f32,
    ) -> Vec<f32> {
        on_all("forward", |cpu| {
            let mut packed = vec![9.0; wino.packed_len(cpu)];
            winograd::pack(cpu, wino, &self.w, &mut packed);
            let out = self.conv.output();
            let mut y = vec![7.0; out.len() * self.images];
            let layer = Layer { packed: &packed, scale, bias, slope };
            let (x, to) = (Stack::new(self.conv.input, &self.x), StackMut::new(out, &mut y));
            let scratch = &mut vec![5.0; wino.scratch_len(cpu, self.images)];
            winograd::forward(cpu, wino, x, layer, to, scratch);
            y
        })
    }

    /// Requires all three to be within `bound`, as a share of the root mean square of each.
    pub(crate) fn check(&self, got: &[Vec<f32>; 3], bound: f64) {
        let want = self.want();
        for ((name, got), want) in ["forward", "dgrad", "wgrad"].iter().zip(got).zip(&want) {
            let error = error(got, want);
            let (conv, images) = (self.conv, self.images);
            assert!(error <= bound, "{name} of {conv:?} × {images}: off by {error:e} of the rms");
        }
    }
}

/// Least root mean square that an error is a share of. One product of noise has 1/3; where a map is one
/// value, that may lie near zero by chance, and its rounding does not.
const RMS_MIN: f64 = 0.2;

/// Largest error as a share of the root mean square of what is wanted.
fn error(got: &[f32], want: &[f64]) -> f64 {
    assert_eq!(got.len(), want.len());
    let square = want.iter().map(|v| v * v).sum::<f64>() / want.len() as f64;
    let worst = got.iter().zip(want).map(|(got, want)| (f64::from(*got) - want).abs());
    let worst = worst.fold(0.0, f64::max);
    worst / square.sqrt().max(RMS_MIN)
}
