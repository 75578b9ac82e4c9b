//! Against tensors that Keras computed.
//!
//! Tolerances are shares of the largest value of a tensor, for both sides sum thousands of f32 products
//! in orders of their own: 2e-5 for what one pass computes. After steps of Adam 1e-4 of the step itself is
//! not reachable where a gradient is near zero, because Adam divides by its size: there the bound is 5 % of
//! one step (lr 1e-3) for one step, and 20 % for five. A forgotten term is wrong by far more.

use safetensors::SafeTensors;

use super::{array, config, gradients, set};
use crate::data::Images;
use crate::network::Role;
use crate::trainer::{Batch, Trainer};

struct Golden {
    bytes: Vec<u8>,
}

impl Golden {
    fn open(name: &str) -> Self {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden");
        Self { bytes: std::fs::read(format!("{folder}/{name}.safetensors")).unwrap() }
    }

    fn bytes(&self, name: &str) -> Vec<u8> {
        SafeTensors::deserialize(&self.bytes).unwrap().tensor(name).unwrap().data().to_vec()
    }

    fn floats(&self, name: &str) -> Vec<f32> {
        let bytes = self.bytes(name);
        bytes.as_chunks::<4>().0.iter().map(|word| f32::from_le_bytes(*word)).collect()
    }

    /// The network file of the same layers.
    fn model(&self) -> String {
        let (_, header) = SafeTensors::read_metadata(&self.bytes).unwrap();
        let network = header.metadata().as_ref().unwrap()["network"].clone();
        let layers: Vec<Vec<serde_json::Value>> = serde_json::from_str(&network).unwrap();
        let mut text = "name = \"golden\"\ninput = [32, 32, 3]\n".to_owned();
        for layer in layers {
            let number = |i: usize, or: u64| layer.get(i).map_or(or, |n| n.as_u64().unwrap());
            text += "[[layer]]\n";
            text += &match layer[0].as_str().unwrap() {
                "conv" => {
                    let (filters, stride) = (number(1, 0), number(2, 1));
                    format!("kind = \"conv\"\nfilters = {filters}\nstride = {stride}\n")
                }
                "dense" => format!("kind = \"dense\"\nunits = {}\n", number(1, 0)),
                "bn" => "kind = \"batch_norm\"\n".to_owned(),
                "leaky" => "kind = \"leaky_relu\"\n".to_owned(),
                "pool" => "kind = \"max_pool\"\n".to_owned(),
                other => format!("kind = \"{other}\"\n"),
            };
        }
        text
    }

    /// A bias before a normalisation, which takes it away again, has no gradient but rounding, of which
    /// Adam makes whole steps. Gives the bound below which a gradient is rounding, where it is one.
    fn cancelled(&self, tensor: &str) -> Option<f32> {
        let layer = tensor.strip_suffix(".bias")?;
        let least = 1e-4 * largest(&self.floats(&format!("grad/{layer}.kernel")));
        (largest(&self.floats(&format!("grad/{tensor}"))) < least).then_some(least)
    }

    fn trainer(&self) -> Trainer {
        let trainer = Trainer::new(config(&self.model())).unwrap();
        for (i, tensor) in trainer.core.network.tensors.iter().enumerate() {
            trainer.set(i, &self.floats(&format!("init/{}", tensor.name)));
        }
        trainer.pack();
        trainer
    }
}

fn largest(values: &[f32]) -> f32 {
    values.iter().fold(0.0, |most, value| most.max(value.abs()))
}

/// The largest distance, as a share of the largest wanted value (or of `least`).
fn distance(got: &[f32], want: &[f32], least: f32) -> f32 {
    assert_eq!(got.len(), want.len());
    let far = got.iter().zip(want).map(|(got, want)| (got - want).abs());
    far.fold(0.0_f32, f32::max) / largest(want).max(least)
}

#[track_caller]
fn close(what: &str, got: &[f32], want: &[f32], share: f32) {
    let far = distance(got, want, 1e-3);
    assert!(far <= share, "{what}: off by {far} of the largest value, at most {share}");
}

fn compare(name: &str) {
    let golden = Golden::open(name);
    let mut trainer = golden.trainer();
    let (pixels, labels) = (golden.bytes("images"), golden.bytes("labels"));
    let images = Images::new(&pixels, &labels).unwrap();
    let all: Vec<u32> = (0..u32::try_from(labels.len()).unwrap()).collect();

    close("infer/logits", &trainer.logits(&pixels).unwrap(), &golden.floats("infer/logits"), 2e-5);
    #[expect(clippy::cast_possible_truncation, reason = "compared as f32")]
    let loss = trainer.evaluate(images).unwrap().loss as f32;
    close("infer/loss", &[loss], &golden.floats("infer/loss"), 2e-5);

    trainer.gradients(images, Batch::whole(&all), false, None);
    for (tensor, got) in gradients(&trainer) {
        let want = golden.floats(&format!("grad/{tensor}"));
        let gradient = format!("grad/{tensor}");
        match golden.cancelled(&tensor) {
            Some(least) => assert!(largest(&got) < least, "{gradient}: only rounding"),
            None => close(&gradient, &got, &want, 2e-5),
        }
    }

    let mut trainer = golden.trainer();
    for step in 1..=5 {
        let score = trainer.train_step(images, Batch::whole(&all), false, 0.0);
        if step == 1 {
            #[expect(clippy::cast_possible_truncation, reason = "compared as f32")]
            let loss = (score.loss / all.len() as f64) as f32;
            close("train/loss", &[loss], &golden.floats("train/loss"), 2e-5);
        }
        if step == 1 || step == 5 {
            state(&golden, &trainer, step);
        }
    }
    for (i, tensor) in trainer.core.network.tensors.iter().enumerate() {
        if tensor.role.trained() && golden.cancelled(&tensor.name).is_none() {
            close(
                &tensor.name,
                &array(&trainer, i, |param| &param.m),
                &golden.floats(&format!("step5/adam.m.{}", tensor.name)),
                5e-3,
            );
            close(
                &tensor.name,
                &array(&trainer, i, |param| &param.v),
                &golden.floats(&format!("step5/adam.v.{}", tensor.name)),
                5e-3,
            );
        }
    }
}

fn state(golden: &Golden, trainer: &Trainer, step: u32) {
    let share = if step == 1 { 0.05 } else { 0.2 };
    for (i, tensor) in trainer.core.network.tensors.iter().enumerate() {
        if golden.cancelled(&tensor.name).is_some() {
            continue;
        }
        let got = array(trainer, i, |param| &param.value);
        let want = golden.floats(&format!("step{step}/{}", tensor.name));
        let far = got.iter().zip(&want).map(|(got, want)| (got - want).abs()).fold(0.0, f32::max);
        let bound = match tensor.role {
            // The rounding in the bias before it (see `cancelled`) moves each batch's mean by up to two
            // steps more, of which a hundredth enters: (2 + 4 + 6 + 8) · 1e-3 / 100 after five steps.
            Role::Mean if step == 5 => 2e-4,
            Role::Mean | Role::Variance => 2e-5,
            _ => share * 1e-3,
        };
        assert!(far <= bound, "step{step}/{}: off by {far}, at most {bound}", tensor.name);
    }
}

#[test]
fn pooled_network_is_that_of_keras() {
    compare("pooled-small");
}

#[test]
fn strided_network_is_that_of_keras() {
    compare("strided-small");
}

#[test]
fn plain_network_is_that_of_keras() {
    compare("plain-small");
}

#[test]
fn a_wrong_weight_would_show() {
    let golden = Golden::open("plain-small");
    let mut trainer = golden.trainer();
    let weight = array(&trainer, 0, |param| &param.value)[5];
    set(&trainer, 0, 5, weight + 0.01);
    trainer.pack();
    let logits = trainer.logits(&golden.bytes("images")).unwrap();
    assert!(distance(&logits, &golden.floats("infer/logits"), 1e-3) > 2e-5);
}
