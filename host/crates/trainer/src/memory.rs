//! How much memory training takes, told without taking it. Counts what `shard`, `core` and
//! `Trainer::save` hold, one function for each part; a test holds it against the real buffers.

use mobula_kernels::conv;
use mobula_kernels::optim::SHARDS;

use crate::config::OptimizerKind;
use crate::core::Core;
use crate::network::{Op, Tensor};
use crate::trainer::Trainer;

/// Bytes that a training with some batch size holds. The images themselves are the caller's and
/// not counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
pub struct MemoryReport {
    /// Images of a step.
    pub batch_size: usize,
    /// All tensors, as in a file of weights.
    pub parameters_bytes: u64,
    /// The optimizer's moments.
    pub optimizer_bytes: u64,
    /// What the layers give, kept for the way back.
    pub activations_bytes: u64,
    /// Gradients of the parameters, one set a shard.
    pub gradients_bytes: u64,
    /// Everything else: gradients of the activations, weights in the kernels' order, pixels, and
    /// the copy that an epoch falls back to.
    pub workspace_bytes: u64,
}

impl MemoryReport {
    /// The sum of all parts.
    #[must_use]
    pub fn total_bytes(&self) -> u64 {
        self.parameters_bytes
            + self.optimizer_bytes
            + self.activations_bytes
            + self.gradients_bytes
            + self.workspace_bytes
    }
}

impl Trainer {
    /// The memory that training in batches of this size takes; takes none itself.
    #[must_use]
    pub fn memory(&self, batch_size: usize) -> MemoryReport {
        let core = &*self.core;
        let images = batch_size.div_ceil(SHARDS).max(1);
        let parameters = core.network.parameters();
        let moments = moments(core, self.config.optimizer);
        let backup = parameters + moments;
        let shared = packed(core) + backup + normalisations(core);
        let shards = SHARDS * (activation_gradients(core, images) + sums(core));
        let pixels =
            batch_size * (core.network.input.values() + size_of::<u8>() + size_of::<u32>());
        MemoryReport {
            batch_size,
            parameters_bytes: floats(parameters),
            optimizer_bytes: floats(moments),
            activations_bytes: floats(SHARDS * activations(core, images)),
            gradients_bytes: floats(SHARDS * trained(core)),
            workspace_bytes: floats(shared + shards) + pixels as u64,
        }
    }
}

fn floats(count: usize) -> u64 {
    (count * size_of::<f32>()) as u64
}

/// Parameters that the optimizer moves.
fn trained(core: &Core) -> usize {
    core.network.tensors.iter().filter(|tensor| tensor.role.trained()).map(Tensor::len).sum()
}

fn moments(core: &Core, optimizer: OptimizerKind) -> usize {
    match optimizer {
        OptimizerKind::Sgd => trained(core),
        OptimizerKind::Adam | OptimizerKind::AdamW => 2 * trained(core),
    }
}

/// `Param::forward` and `Param::backward`.
fn packed(core: &Core) -> usize {
    let nodes = core.network.nodes.iter().enumerate();
    let packed = nodes.map(|(i, node)| {
        let (c, k) = (node.from.c, node.to.c);
        let rows = match node.op {
            Op::Conv { conv, .. } => conv.weights() / k,
            Op::Dense { .. } => c,
            _ => return 0,
        };
        let backward = if i == 0 { 0 } else { conv::packed_len(core.cpu, rows / c * k, c) };
        conv::packed_len(core.cpu, rows, k) + backward
    });
    packed.sum()
}

/// `NormState`: five rows of f32 and two of f64.
fn normalisations(core: &Core) -> usize {
    9 * normalised_channels(core)
}

fn normalised_channels(core: &Core) -> usize {
    let norms = core.network.nodes.iter().filter(|node| matches!(node.op, Op::Norm { .. }));
    norms.map(|node| node.to.c).sum()
}

/// `Shard::values`, for one shard.
fn activations(core: &Core, images: usize) -> usize {
    let outputs: usize = core.network.nodes.iter().map(|node| node.to.len()).sum();
    images * (core.network.input.len() + outputs)
}

/// `Shard::grads` and `Shard::inner`, for one shard.
fn activation_gradients(core: &Core, images: usize) -> usize {
    let nodes = core.network.nodes.iter().enumerate();
    let lens = nodes.map(|(i, node)| {
        let count = if core.program.transient[i + 1] { 1 } else { images };
        let inner = match node.op {
            Op::Conv { conv, direct: false, .. } => conv.output().padded().len(),
            Op::Dense { slope, .. } if slope != 1.0 => node.to.len() * images,
            _ => 0,
        };
        node.d_to.len() * count + inner
    });
    lens.sum()
}

/// `Shard::norms` (four rows of f64 a channel) and `Shard::scratch`, for one shard.
fn sums(core: &Core) -> usize {
    let widest = core.network.nodes.iter().map(|node| node.to.c).max().unwrap_or(0);
    8 * normalised_channels(core) + 2 * widest
}
