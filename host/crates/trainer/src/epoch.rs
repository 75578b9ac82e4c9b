//! What an epoch and an evaluation report.

use serde::{Deserialize, Serialize};

/// How far an epoch is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Progress {
    /// Images trained.
    pub done: usize,
    /// Images of the epoch, those held out excluded.
    pub total: usize,
    /// Mean loss so far.
    pub loss: f64,
}

/// An epoch's outcome.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EpochReport {
    /// From 0.
    pub epoch: u64,
    /// Mean training loss, as it was while the weights moved.
    pub loss: f64,
    /// Share of training images that were hit meanwhile.
    pub accuracy: f64,
    /// Mean loss of the images held out, if there were any.
    pub val_loss: Option<f64>,
    /// Share of the images held out that were hit.
    pub val_accuracy: Option<f64>,
    /// Wall time, validation included.
    pub seconds: f64,
    /// Training images.
    pub images: usize,
    /// Training images a second, validation excluded.
    pub images_per_s: f64,
}

/// What a network makes of labelled images.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Evaluation {
    /// Mean cross-entropy.
    pub loss: f64,
    /// Share of hits.
    pub accuracy: f64,
    /// Images seen.
    pub images: usize,
}
