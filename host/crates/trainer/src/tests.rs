//! The trainer proved: against Keras, against central differences, against itself on other threads
//! and after a restore, and against hostile input.

mod differences;
mod files;
mod golden;
mod hostile;
mod input;
mod recipe;
mod same;
mod summary;
mod versions;

use std::ops::ControlFlow;

use crate::config::{EpochArgs, TrainerConfig};
use crate::core::{read, write};
use crate::data::Images;
use crate::network::{Node, Op};
use crate::trainer::Trainer;
use crate::weights::Param;

/// A layer of every kind, with state of every kind.
const EVERY_KIND: &str = r#"
name = "every-kind"
input = [8, 8, 3]
layer = [
    { kind = "conv", filters = 8 }, { kind = "batch_norm" }, { kind = "relu" },
    { kind = "conv", filters = 8, stride = 2 }, { kind = "leaky_relu" }, { kind = "max_pool" },
    { kind = "dropout", rate = 0.25 }, { kind = "conv", filters = 16 }, { kind = "batch_norm" },
    { kind = "leaky_relu" }, { kind = "flatten" }, { kind = "dense", units = 12 },
    { kind = "batch_norm" }, { kind = "relu" }, { kind = "dropout", rate = 0.5 },
    { kind = "dense", units = 4 },
]
"#;

/// Convolutions that Winograd's tiles fit, in all the company that they may have.
const TILED: &str = r#"
name = "tiled"
input = [8, 8, 3]
layer = [
    { kind = "conv", filters = 8 }, { kind = "batch_norm" }, { kind = "relu" },
    { kind = "conv", filters = 12 }, { kind = "batch_norm" }, { kind = "leaky_relu" },
    { kind = "max_pool" }, { kind = "dropout", rate = 0.25 },
    { kind = "conv", filters = 16 }, { kind = "relu" }, { kind = "conv", filters = 9 },
    { kind = "relu" }, { kind = "max_pool" }, { kind = "flatten" },
    { kind = "dense", units = 4 },
]
"#;

fn config(model: &str) -> TrainerConfig {
    TrainerConfig { model: model.to_owned(), seed: 5, threads: Some(2), ..TrainerConfig::default() }
}

/// Images of `side`² × 3 in four classes, each brighter in its own corner.
fn corners(count: usize, side: usize) -> (Vec<u8>, Vec<u8>) {
    let (mut pixels, mut labels) = (Vec::new(), Vec::new());
    let mut state = 1_u32;
    for i in 0..count {
        let label = u8::try_from(i % 4).unwrap();
        for y in 0..side {
            for x in 0..side {
                let corner = u8::from(2 * y >= side) * 2 + u8::from(2 * x >= side);
                for _ in 0..3 {
                    state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                    let noise = u8::try_from(state >> 25).unwrap();
                    pixels.push(if corner == label { 128 + noise } else { noise });
                }
            }
        }
        labels.push(label);
    }
    (pixels, labels)
}

fn epoch(trainer: &mut Trainer, data: &(Vec<u8>, Vec<u8>), args: &EpochArgs) {
    let images = Images::new(&data.0, &data.1).unwrap();
    trainer.train_epoch(images, args, &mut |_| ControlFlow::Continue(())).unwrap();
}

fn small() -> EpochArgs {
    EpochArgs { batch_size: 16, ..EpochArgs::default() }
}

/// An array of tensor `i`, put together of its pieces.
fn array(trainer: &Trainer, i: usize, of: fn(&Param) -> &Vec<f32>) -> Vec<f32> {
    trainer.core.pieces(i).flat_map(|(_, param)| of(&read(param)).clone()).collect()
}

/// Sets a value of tensor `i`.
fn set(trainer: &Trainer, i: usize, at: usize, value: f32) {
    let mut pieces = trainer.core.pieces(i);
    let (piece, param) = pieces.find(|(piece, _)| piece.floats.contains(&at)).unwrap();
    write(param).value[at - piece.floats.start] = value;
}

/// The gradient of each tensor, summed over the shards, by name.
fn gradients(trainer: &Trainer) -> Vec<(String, Vec<f32>)> {
    let tensors = trainer.core.network.tensors.iter().enumerate();
    let trained = tensors.filter(|(_, tensor)| tensor.role.trained());
    let summed = trained.map(|(i, tensor)| {
        let mut sum = vec![0.0_f32; tensor.len()];
        let dense = |node: &Node| matches!(node.op, Op::Dense { kernel, .. } if kernel == i);
        if let Some(node) = trainer.core.network.nodes.iter().position(dense) {
            let rows = 0..trainer.core.network.nodes[node].from.c;
            trainer.core.dense_gradient(node, rows, &mut sum);
            return (tensor.name.clone(), sum);
        }
        for shard in trainer.core.active() {
            let shard = read(shard);
            sum.iter_mut().zip(shard.gradients[i].iter()).for_each(|(sum, part)| *sum += part);
        }
        (tensor.name.clone(), sum)
    });
    summed.collect()
}
