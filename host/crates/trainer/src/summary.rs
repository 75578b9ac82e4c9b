//! What a person wants to know of each layer: shape, parameters, arithmetic. Bytes are `memory`'s
//! business.

use std::ops::AddAssign;

use crate::network::{Node, Op, Tensor};

/// A layer in a summary.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct LayerSummary {
    /// `conv1`, `relu`, ...
    pub layer: String,
    /// `conv`, `batch_norm`, ... as in the network file.
    pub kind: &'static str,
    /// H, W, C, or units after a flatten.
    pub output: Vec<usize>,
    /// Parameters, BatchNorm statistics included.
    pub parameters: usize,
    /// Parameters that the optimizer moves.
    pub trainable: usize,
    /// Arithmetic for one image.
    pub flops: Flops,
}

impl LayerSummary {
    pub(crate) fn new(
        layer: String,
        kind: &'static str,
        output: Vec<usize>,
        tensors: &[Tensor],
        flops: Flops,
    ) -> Self {
        let trained = tensors.iter().filter(|tensor| tensor.role.trained());
        let trainable = trained.map(Tensor::len).sum();
        let parameters = tensors.iter().map(Tensor::len).sum();
        Self { layer, kind, output, parameters, trainable, flops }
    }
}

/// Floating-point operations for one image, a multiply-add being two. Only the products of
/// convolutions and dense layers count, in their plain form (no matter that a fast algorithm
/// needs fewer); passes over maps, such as normalisations, are bound by memory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Flops {
    /// Forward.
    pub forward: u64,
    /// A training step: forward, the gradient of the weights and, but for the network's first
    /// layer, of the input.
    pub training: u64,
}

impl Flops {
    /// Of the nodes from `first` on, which are one layer's.
    pub(crate) fn of(nodes: &[Node], first: usize) -> Self {
        let mut total = Self::default();
        for (i, node) in nodes.iter().enumerate().skip(first) {
            let products = match node.op {
                // Each output is the sum over the filter; borders count, as in every framework.
                Op::Conv { conv, .. } => node.to.h * node.to.w * conv.weights(),
                Op::Dense { .. } => node.from.values() * node.to.values(),
                _ => 0,
            };
            let forward = 2 * products as u64;
            let passes = if i == 0 { 2 } else { 3 };
            total += Self { forward, training: passes * forward };
        }
        total
    }
}

impl AddAssign for Flops {
    fn add_assign(&mut self, other: Self) {
        self.forward += other.forward;
        self.training += other.training;
    }
}
