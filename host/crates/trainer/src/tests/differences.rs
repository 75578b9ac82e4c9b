//! Against central differences of the loss: (f(x + h) - f(x - h)) / 2h.

use super::{EVERY_KIND, TILED, array, config, corners, gradients, set};
use crate::config::TrainerConfig;
use crate::data::Images;
use crate::trainer::{Batch, Trainer};

const AVERAGED: &str = r#"
name = "averaged"
input = [6, 6, 3]
layer = [
    { kind = "conv", filters = 8 }, { kind = "leaky_relu" }, { kind = "conv", filters = 16 },
    { kind = "batch_norm" }, { kind = "leaky_relu" }, { kind = "global_avg_pool" },
    { kind = "dense", units = 4 },
]
"#;

/// Of the largest gradient of the tensor: f32 sums leave a difference no more digits.
const SHARE: f32 = 0.03;

fn compare(config: TrainerConfig, side: usize) {
    let trainer = Trainer::new(config).unwrap();
    let (pixels, labels) = corners(12, side);
    let images = Images::new(&pixels, &labels).unwrap();
    let all: Vec<u32> = (0..12).collect();
    let loss = || {
        trainer.gradients(images, Batch::whole(&all), false, None);
        trainer.score().loss / 12.0
    };
    loss();
    for (name, gradient) in gradients(&trainer) {
        let i = trainer.core.network.tensors.iter().position(|t| t.name == name).unwrap();
        let largest = gradient.iter().fold(1e-4_f32, |most, g| most.max(g.abs()));
        let stride = (gradient.len() / 7).max(1);
        for at in (0..gradient.len()).step_by(stride) {
            let before = array(&trainer, i, |param| &param.value)[at];
            let moved = |by: f32| {
                set(&trainer, i, at, before + by);
                trainer.pack();
                loss()
            };
            let step = 2e-3_f32;
            #[expect(clippy::cast_possible_truncation, reason = "compared as f32")]
            let slope = ((moved(step) - moved(-step)) / f64::from(2.0 * step)) as f32;
            moved(0.0);
            let off = (slope - gradient[at]).abs();
            assert!(off <= SHARE * largest + 1e-4, "{name}[{at}]: {} is {slope}", gradient[at]);
        }
    }
}

#[test]
fn gradients_of_every_kind_of_layer_are_slopes_of_the_loss() {
    compare(config(EVERY_KIND), 8);
    compare(config(AVERAGED), 6);
    compare(config(TILED), 8);
    compare(TrainerConfig { exact: true, ..config(TILED) }, 8);
}

#[test]
fn label_smoothing_is_part_of_the_loss() {
    compare(TrainerConfig { label_smoothing: 0.2, ..config(AVERAGED) }, 6);
}
