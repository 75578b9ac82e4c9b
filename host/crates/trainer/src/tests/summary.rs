//! What is told of a network's size, against counting by hand and against the real buffers.

use super::{EVERY_KIND, config, corners, epoch, small};
use crate::buffer::Buffer;
use crate::config::{EpochArgs, OptimizerKind, TrainerConfig};
use crate::core::read;
use crate::summary::Flops;
use crate::trainer::Trainer;

fn flops(model: &str) -> Flops {
    let trainer = Trainer::new(config(model)).unwrap();
    let mut total = Flops::default();
    trainer.summary().iter().for_each(|layer| total += layer.flops);
    total
}

#[test]
fn flops_are_those_counted_by_hand() {
    // Multiply-adds of the layers, from their shapes.
    let convs = [32 * 32 * 9 * 3 * 32, 32 * 32 * 9 * 32 * 32, 16 * 16 * 9 * 32 * 64];
    let more = [16 * 16 * 9 * 64 * 64, 8 * 8 * 9 * 64 * 128, 2048 * 256, 256 * 10];
    let all: u64 = convs.iter().chain(&more).sum();
    let found = flops("plain-667k");
    assert_eq!(found.forward, 2 * all);
    assert_eq!(found.training, 2 * (3 * all - convs[0]));
    assert_eq!(
        flops("strided-593k").forward / 2,
        884_736 + 2_359_296 + 4_718_592 + 2_359_296 + 525_568
    );
}

#[test]
fn layers_tell_kind_shape_and_parameters() {
    let trainer = Trainer::new(config("cifar10-664k")).unwrap();
    let layers = trainer.summary();
    let (trainable, all) = layers.iter().fold((0, 0), |(trainable, all), layer| {
        (trainable + layer.trainable, all + layer.parameters)
    });
    assert_eq!((trainable, all - trainable), (662_506, 1_280));
    let second = &layers[1];
    assert_eq!((second.layer.as_str(), second.kind), ("bn1", "batch_norm"));
    assert_eq!(
        (&second.output[..], second.parameters, second.trainable),
        (&[32, 32, 32][..], 128, 64)
    );
    assert_eq!(second.flops, Flops::default());
}

/// Bytes of all buffers that a trainer holds.
fn held(trainer: &Trainer) -> usize {
    let floats = |rows: &[Buffer]| 4 * rows.iter().map(|row| row.len()).sum::<usize>();
    let params = trainer.core.params.iter().map(|param| {
        let param = read(param);
        let (value, moments) = (param.value.len(), param.m.len() + param.v.len());
        // Once more for the copy that an epoch falls back to.
        4 * (2 * (value + moments) + param.forward.len() + param.backward.len())
    });
    let shards = trainer.core.shards.iter().map(|shard| {
        let shard = read(shard);
        let maps = [&shard.values, &shard.grads, &shard.inner, &shard.gradients];
        let maps: usize = maps.into_iter().map(|rows| floats(rows)).sum();
        maps + shard.pixels.len() + 5 * shard.labels.len()
    });
    params.sum::<usize>() + shards.sum::<usize>() + 4 * trainer.core.scratch_len()
}

#[test]
fn memory_is_what_training_holds() {
    for optimizer in [OptimizerKind::Adam, OptimizerKind::Sgd] {
        for model in [EVERY_KIND, "cifar10-664k", "plain-667k"] {
            let mut trainer = Trainer::new(TrainerConfig { optimizer, ..config(model) }).unwrap();
            let side = if model == EVERY_KIND { 8 } else { 32 };
            let args = EpochArgs { batch_size: 24, ..small() };
            epoch(&mut trainer, &corners(24, side), &args);
            let (told, held) = (trainer.memory(24).total_bytes() as f64, held(&trainer) as f64);
            let off = (told / held - 1.0).abs();
            assert!(off < 0.1, "{model:.20} {optimizer:?}: told {told}, held {held}");
        }
    }
    let trainer = Trainer::new(config("cifar10-664k")).unwrap();
    let (small, large) = (trainer.memory(64), trainer.memory(128));
    assert_eq!(small.parameters_bytes, 4 * 663_786);
    assert_eq!(large.activations_bytes, 2 * small.activations_bytes);
}
