//! What is told of a network's size, against counting by hand. `tests/memory.rs` holds its bytes against the
//! allocator's.

use super::config;
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
