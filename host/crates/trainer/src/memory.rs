//! How much memory training takes, told without taking it. Counts what `shard`, `core` and
//! `Trainer::save` hold, one function for each part; a test holds it against the real buffers.

use crate::config::OptimizerKind;
use crate::core::Core;
use crate::network::{Op, Tensor};
use crate::shard::{grad_lens, gradient_lens, inner_lens, value_lens};
use crate::trainer::{INFER_IMAGES, INFER_SHARDS, Trainer, shards_of};

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
    /// What the layers give, as far as it is kept for the way back.
    pub activations_bytes: u64,
    /// Gradients of the parameters, one set a shard; those of dense kernels are never whole.
    pub gradients_bytes: u64,
    /// Everything else: gradients of the activations, weights in the kernels' order, the threads'
    /// scratch, pixels, evaluation, and the copy that an epoch falls back to.
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
        let (network, program) = (&core.network, &core.program);
        let shards = shards_of(batch_size);
        let images = batch_size.div_ceil(shards).max(1);
        let parameters = network.parameters();
        let moments = moments(core, self.config.optimizer);
        let backup = parameters + moments;
        let shared = core.packed_len() + core.scratch_len() + backup + normalisations(core);
        let grads = grad_lens(network, program, images).sum::<usize>();
        let inner = inner_lens(network, program, images).sum::<usize>();
        let pixels = batch_size * (network.input.values() + size_of::<u8>() + size_of::<u32>());
        let activations = value_lens(network, program, images).sum::<usize>();
        // Evaluation takes the shards that there are, and more where these are few.
        let evaluation = value_lens(network, program, INFER_IMAGES).sum::<usize>();
        let evaluation = evaluation * INFER_SHARDS.saturating_sub(shards);
        MemoryReport {
            batch_size,
            parameters_bytes: floats(parameters),
            optimizer_bytes: floats(moments),
            activations_bytes: floats(shards * activations),
            gradients_bytes: floats(shards * gradient_lens(network).sum::<usize>()),
            workspace_bytes: floats(shared + evaluation + shards * (grads + inner + sums(core)))
                + pixels as u64,
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

/// `NormState`: five rows of f32 and two of f64.
fn normalisations(core: &Core) -> usize {
    9 * normalised_channels(core)
}

fn normalised_channels(core: &Core) -> usize {
    let norms = core.network.nodes.iter().filter(|node| matches!(node.op, Op::Norm { .. }));
    norms.map(|node| node.from.c).sum()
}

/// `Shard::norms` for one shard: four rows of f64 a channel.
fn sums(core: &Core) -> usize {
    8 * normalised_channels(core)
}
