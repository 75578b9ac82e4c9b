//! The values that a recipe stands for. Which of them a person overrides is `settings`' business.

use crate::config::{OptimizerKind, Recipe, ScheduleKind, TrainerConfig};
use crate::model;
use crate::network::{Network, Op};

// Why `fast` has these values: test accuracy after 10 epochs, one seed each (so a point or two is
// noise), on images made as `cargo xtask bench recipe` makes them (3,000 to train on), by a program
// that had every value as an argument; 2 cores with AVX-512, 2026-11-25.
//
// The recipe as a whole is measured by that command, medians of three seeds. For `strided-593k` and
// 10 epochs it printed: plain 0.358 (best 0.364, in epoch 9), plain with batches of 32 0.502 (best
// 0.510), fast 0.837 (above 0.364 from epoch 4 on), fast over 5 epochs 0.579. For `cifar10-664k`:
// plain 0.530, with batches of 32 0.743, fast 0.868 (above 0.530 from epoch 6 on), fast over 5
// epochs 0.597.
//
// | cifar10-664k                              |       |
// |-------------------------------------------|-------|
// | Adam 0.001, batch 64 (plain)              | 0.694 |
// | Adam 0.001, batch 32                      | 0.782 |
// | Adam, one-cycle to 0.003, batch 64        | 0.624 |
// | Adam, one-cycle to 0.003, batch 32        | 0.868 |
// | Nesterov, one-cycle to 0.05, batch 32     | 0.944 |
// | Nesterov, one-cycle to 0.1, batch 32      | 0.960 |
// | to 0.05, flip and translate 2 (fast)      | 0.910 |
//
// | strided-593k                              | 10 epochs | 24 epochs |
// |-------------------------------------------|-----------|-----------|
// | Adam 0.001, batch 64 (plain)              | 0.402     |           |
// | Nesterov, one-cycle to 0.05, batch 32     | 0.810     | 0.819     |
// | the same, to 0.1                          | 0.819     |           |
// | the same, weight decay 0.005              | 0.807     |           |
// | the same, label smoothing 0.1             | 0.783     |           |
// | the same, flip and translate 2 (fast)     | 0.807     | 0.937     |

/// The highest rate of the one-cycle. Twice as much gained 1 to 2 points, one seed each; this is the
/// more careful of the two.
const PEAK_RATE: f64 = 0.05;
/// Pixels each way, as in airbench (arXiv 2404.00498). With flip it costs 0 to 3 points in
/// 10 epochs and gains 12 in 24, where the network has seen each image often.
const TRANSLATE: u32 = 2;
/// Half of the plain one's: more steps an epoch, which moving statistics need as well as weights.
const BATCH_SIZE: usize = 32;

impl Recipe {
    /// The recipe that helps a model, which is a preset's name or a network file: `fast` falls back
    /// to `plain` where there is not a normalisation for each convolution. (On `plain-667k` and an
    /// easier set, plain Adam had 0.819 after 6 epochs; Nesterov to 0.05 or 0.01 and Adam,
    /// one-cycle to 0.002, stayed below 0.14; Adam, one-cycle to 0.001, had 0.277, along a cosine
    /// from 0.001 at batch size 32 0.721.)
    pub(crate) fn suited(self, model: &str) -> Self {
        if self == Self::Fast && !is_normalised(model) { Self::Plain } else { self }
    }

    /// Every value as the recipe has it.
    pub(crate) fn config(self) -> TrainerConfig {
        match self {
            Self::Plain => TrainerConfig::default(),
            // No label smoothing and no weight decay: neither paid.
            Self::Fast => TrainerConfig {
                optimizer: OptimizerKind::Sgd,
                learning_rate: PEAK_RATE,
                schedule: ScheduleKind::OneCycle,
                flip: true,
                translate: TRANSLATE,
                recipe: Self::Fast,
                ..TrainerConfig::default()
            },
        }
    }

    /// Images of a step, when nobody says how many.
    #[must_use]
    pub fn batch_size(self) -> usize {
        match self {
            Self::Plain => 64,
            Self::Fast => BATCH_SIZE,
        }
    }
}

/// Whether there is a normalisation for each convolution. What is wrong with a model is told by the
/// trainer that is made of it.
fn is_normalised(model: &str) -> bool {
    let network = model::text(model).and_then(Network::parse);
    network.is_ok_and(|network| {
        let count =
            |counts: fn(&Op) -> bool| network.nodes.iter().filter(|node| counts(&node.op)).count();
        let convolutions = count(|op| matches!(op, Op::Conv { .. }));
        convolutions > 0 && count(|op| matches!(op, Op::Norm { .. })) >= convolutions
    })
}
