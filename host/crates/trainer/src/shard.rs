//! One shard's buffers: its images, all values and gradients of a step. What is computed in them
//! is `step`'s business.

use std::ops::Range;

use mobula_kernels::loss::Score;

use crate::buffer::Buffer;
use crate::network::{Network, Node, Op};
use crate::program::Program;

/// A normalisation's sums over the shard.
#[derive(Debug, Default)]
pub(crate) struct NormSums {
    pub(crate) count: f64,
    pub(crate) mean: Vec<f64>,
    pub(crate) m2: Vec<f64>,
    /// Σ d, then Σ d · (z - mean).
    pub(crate) sums: Vec<f64>,
}

/// Everything that one shard of a batch needs; kept from step to step.
#[derive(Debug, Default)]
pub(crate) struct Shard {
    pub(crate) pixels: Vec<u8>,
    /// One an image, or none when only probabilities are wanted.
    pub(crate) labels: Vec<u8>,
    /// Where each image stands in the data set: the counter of its random draws.
    pub(crate) indices: Vec<u32>,
    /// Value 0 is the input, value i + 1 node i's output.
    pub(crate) values: Vec<Buffer>,
    pub(crate) grads: Vec<Buffer>,
    /// Per node: its output's gradient before the activation.
    pub(crate) inner: Vec<Buffer>,
    /// Per tensor, summed over the shard; none of dense kernels.
    pub(crate) gradients: Vec<Buffer>,
    pub(crate) norms: Vec<NormSums>,
    pub(crate) score: Score,
    values_for: usize,
    grads_for: usize,
}

impl Shard {
    pub(crate) fn images(&self) -> usize {
        self.indices.len()
    }

    /// Makes room for the values of `images`; borders start as zero and stay so.
    pub(crate) fn fit_values(&mut self, network: &Network, program: &Program, images: usize) {
        if images <= self.values_for {
            return;
        }
        self.values_for = images;
        self.values = value_lens(network, program, images).map(Buffer::zeroed).collect();
        self.norms.clear();
        for node in &network.nodes {
            if let Op::Norm { .. } = node.op {
                let zero = || vec![0.0; node.from.c];
                let sums = vec![0.0; 2 * node.from.c];
                self.norms.push(NormSums { count: 0.0, mean: zero(), m2: zero(), sums });
            }
        }
    }

    /// Makes room for the gradients of `images`.
    pub(crate) fn fit_grads(&mut self, network: &Network, program: &Program, images: usize) {
        if images <= self.grads_for {
            return;
        }
        self.grads_for = images;
        self.grads = grad_lens(network, program, images).map(Buffer::zeroed).collect();
        self.inner = inner_lens(network, program, images).map(Buffer::zeroed).collect();
        if self.gradients.is_empty() {
            self.gradients = gradient_lens(network).map(Buffer::zeroed).collect();
        }
    }

    /// The gradient of dense node `i`'s output before its activation.
    pub(crate) fn dense_grad(&self, i: usize, op: Op) -> &[f32] {
        match op {
            Op::Dense { slope, .. } if slope != 1.0 => &self.inner[i],
            _ => &self.grads[i + 1],
        }
    }

    /// Forgets the last step's images and sums.
    pub(crate) fn clear(&mut self) {
        self.pixels.clear();
        self.labels.clear();
        self.indices.clear();
        self.score = Score::default();
        for norm in &mut self.norms {
            norm.count = 0.0;
            norm.mean.fill(0.0);
            norm.m2.fill(0.0);
            norm.sums.fill(0.0);
        }
    }
}

/// Floats of each value of a shard of `images`.
pub(crate) fn value_lens(
    network: &Network,
    program: &Program,
    images: usize,
) -> impl Iterator<Item = usize> {
    let maps = network.nodes.iter().map(|node| node.to.len());
    let lens = std::iter::once(network.input.len()).chain(maps);
    lens.zip(&program.values).map(move |(len, life)| len * life.images(images))
}

/// Floats of each value's gradient in a shard of `images`; nothing needs that of the pixels.
pub(crate) fn grad_lens(
    network: &Network,
    program: &Program,
    images: usize,
) -> impl Iterator<Item = usize> {
    let after = network.nodes.iter().zip(&program.grads[1..]);
    let after = after.map(move |(node, life)| node.d_to.len() * life.images(images));
    std::iter::once(0).chain(after)
}

/// Floats of each node's inner gradient in a shard of `images`.
pub(crate) fn inner_lens(
    network: &Network,
    program: &Program,
    images: usize,
) -> impl Iterator<Item = usize> {
    network.nodes.iter().enumerate().map(move |(i, node)| match node.op {
        Op::Conv { conv, direct: false, .. } => {
            conv.output().padded().len() * program.lot(i, images)
        }
        Op::Dense { slope, .. } if slope != 1.0 => node.to.len() * images,
        _ => 0,
    })
}

/// Floats of each tensor's gradient in a shard. Those of dense kernels are made by the update, of the
/// whole batch at once: a shard's own would be as large as all weights, to write and to read again.
pub(crate) fn gradient_lens(network: &Network) -> impl Iterator<Item = usize> {
    network.tensors.iter().enumerate().map(|(i, tensor)| {
        let dense = |node: &Node| matches!(node.op, Op::Dense { kernel, .. } if kernel == i);
        let own = tensor.role.trained() && !network.nodes.iter().any(dense);
        if own { tensor.len() } else { 0 }
    })
}

/// Images of a buffer whose images have `len` values.
pub(crate) fn images(data: &[f32], len: usize, lot: Range<usize>) -> &[f32] {
    &data[lot.start * len..lot.end * len]
}

/// Images of a buffer whose images have `len` values, to be written.
pub(crate) fn images_mut(data: &mut [f32], len: usize, lot: Range<usize>) -> &mut [f32] {
    &mut data[lot.start * len..lot.end * len]
}
