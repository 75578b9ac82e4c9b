//! Which recipe learns faster: test accuracy after each epoch for the plain recipe and the fast
//! one, medians of several seeds, as one JSON document. Arguments: `[model] [epochs]`.
//!
//! The set is harder than `mobula data synth` makes it, on which both reach 99 %: few images, less
//! contrast, more noise, a grey patch over each image, and some wrong labels.

use std::io::Write as _;
use std::ops::ControlFlow;

use mobula_data::{CHANNELS, IMAGE_SIDE, Split, render};
use mobula_trainer::{EpochArgs, Images, Recipe, TrainError, Trainer, TrainerSettings};
use serde_json::{Value as Json, json};

/// Seeds of weights, shuffles and augmentation; the images are the same for all.
const SEEDS: [u64; 3] = [1, 2, 3];
const TRAIN_IMAGES: u64 = 3000;
const TEST_IMAGES: u64 = 1000;
const DATA_SEED: u64 = 3;
/// Share of the training labels that are drawn anew, in percent.
const WRONG_LABELS: u64 = 5;
/// Share of the contrast that is left, in percent.
const CONTRAST: i32 = 70;
/// Noise of a sample: the sum of three uniform draws up to so much each way.
const NOISE: u64 = 8;
/// Side of the grey patch.
const PATCH: usize = 8;
const GREY: i32 = 128;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut args = std::env::args().skip(1);
    let model = args.next().unwrap_or_else(|| "cifar10-664k".to_owned());
    let epochs: u32 = args.next().map_or(Ok(10), |epochs| epochs.parse())?;
    let data = [draw(Split::Train), draw(Split::Test)];
    let size = |recipe: Recipe| recipe.batch_size();
    let trial = |name, recipe, batch_size, epochs| Trial { name, recipe, batch_size, epochs };
    let trials = [
        trial("plain", Recipe::Plain, size(Recipe::Plain), epochs),
        // What the smaller batch alone does.
        trial("plain, batch of fast", Recipe::Plain, size(Recipe::Fast), epochs),
        trial("fast", Recipe::Fast, size(Recipe::Fast), epochs),
        // Whether the fast one needs fewer epochs.
        trial("fast, half as long", Recipe::Fast, size(Recipe::Fast), (epochs / 2).max(1)),
    ];
    let curves = trials.iter().map(|trial| trial.curve(&model, &data));
    let curves = curves.collect::<Result<Vec<_>, _>>()?;
    let best = curves[0].median.iter().copied().fold(0.0, f64::max);
    let documents: Vec<Json> = curves.iter().map(|curve| curve.document(best)).collect();
    let document = json!({ "$type": "bench.recipe", "model": model, "images": TRAIN_IMAGES,
        "seeds": SEEDS, "accuracy": best, "curves": documents });
    writeln!(std::io::stdout(), "{document:#}")?;
    Ok(())
}

/// Pixels and labels.
type Set = (Vec<u8>, Vec<u8>);

fn draw(split: Split) -> Set {
    let wrong = if split == Split::Train { WRONG_LABELS } else { 0 };
    let count = if split == Split::Train { TRAIN_IMAGES } else { TEST_IMAGES };
    let mut random = Random(DATA_SEED ^ count);
    let (mut pixels, mut labels) = (Vec::new(), Vec::new());
    for index in 0..count {
        let record = render(DATA_SEED, split, index);
        let other = random.below(10) as u8;
        labels.push(if random.below(100) < wrong { other } else { record[0] });
        let mut corner = || random.below((IMAGE_SIDE - PATCH) as u64) as usize;
        let (top, left) = (corner(), corner());
        let covered = |at: usize, from: usize| (from..from + PATCH).contains(&at);
        for at in 0..IMAGE_SIDE * IMAGE_SIDE {
            let (y, x) = (at / IMAGE_SIDE, at % IMAGE_SIDE);
            for channel in 0..CHANNELS {
                let value = i32::from(record[1 + channel * IMAGE_SIDE * IMAGE_SIDE + at]);
                let faint = if covered(y, top) && covered(x, left) { 0 } else { value - GREY };
                let noise: i32 = (0..3).map(|_| random.below(2 * NOISE + 1) as i32).sum();
                let value = GREY + faint * CONTRAST / 100 + noise - 3 * NOISE as i32;
                pixels.push(value.clamp(0, 255) as u8);
            }
        }
    }
    (pixels, labels)
}

/// SplitMix64.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut value = self.0;
        value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (value ^ (value >> 31)) % bound
    }
}

/// Test accuracy after each epoch.
struct Curve {
    name: &'static str,
    median: Vec<f64>,
    /// Of each seed after its last epoch.
    last: Vec<f64>,
}

impl Curve {
    fn document(&self, accuracy: f64) -> Json {
        let reached = self.median.iter().position(|median| *median >= accuracy);
        json!({ "recipe": self.name, "median": self.median, "last_of_each_seed": self.last,
            "epochs_to_accuracy": reached.map(|epoch| epoch + 1) })
    }
}

/// A way to train.
struct Trial {
    name: &'static str,
    recipe: Recipe,
    batch_size: usize,
    epochs: u32,
}

impl Trial {
    fn curve(&self, model: &str, data: &[Set; 2]) -> Result<Curve, TrainError> {
        let runs = SEEDS.iter().map(|seed| self.run(model, *seed, data));
        let runs = runs.collect::<Result<Vec<_>, _>>()?;
        let median = (0..self.epochs as usize).map(|epoch| {
            let mut hits: Vec<f64> = runs.iter().map(|run| run[epoch]).collect();
            hits.sort_by(f64::total_cmp);
            hits[hits.len() / 2]
        });
        let last = runs.iter().filter_map(|run| run.last().copied()).collect();
        Ok(Curve { name: self.name, median: median.collect(), last })
    }

    /// Test accuracy after each epoch of one seed.
    fn run(
        &self,
        model: &str,
        seed: u64,
        [train, test]: &[Set; 2],
    ) -> Result<Vec<f64>, TrainError> {
        let settings = TrainerSettings {
            model: Some(model.to_owned()),
            seed: Some(seed),
            recipe: Some(self.recipe),
            schedule_epochs: Some(self.epochs),
            ..TrainerSettings::default()
        };
        let mut trainer = Trainer::new(settings.resolved())?;
        let args = EpochArgs { batch_size: self.batch_size, ..EpochArgs::default() };
        let mut epoch = |_| {
            let images = Images::new(&train.0, &train.1)?;
            trainer.train_epoch(images, &args, &mut |_| ControlFlow::Continue(()))?;
            Ok(trainer.evaluate(Images::new(&test.0, &test.1)?)?.accuracy)
        };
        (0..self.epochs).map(&mut epoch).collect()
    }
}
