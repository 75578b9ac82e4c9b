//! What a person may set: the trainer's configuration and an epoch's arguments.

use serde::{Deserialize, Serialize};

use crate::error::TrainError;

/// Which optimizer steps the weights.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OptimizerKind {
    /// β 0.9 and 0.999, ε 1e-7, as in Keras.
    #[default]
    Adam,
    /// Adam with decoupled `weight_decay` of the kernels.
    AdamW,
    /// SGD with Nesterov `momentum` and decoupled `weight_decay` of the kernels.
    Sgd,
}

/// How the learning rate moves over `schedule_epochs`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ScheduleKind {
    /// Always `learning_rate`.
    #[default]
    Constant,
    /// From `learning_rate` to 0 along half a cosine.
    Cosine,
    /// Up from a 25th over the first 30 %, then down to a 250,000th, both along cosines.
    OneCycle,
}

/// Which code the kernels run; all of it gives the same bits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kernels {
    /// The fastest that the processor has.
    #[default]
    Auto,
    /// Plain Rust.
    Portable,
    /// AVX2 with FMA, or plain Rust without it.
    Avx2,
}

/// Which values the settings have that nobody gave; see [`crate::TrainerSettings`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Recipe {
    /// Adam with a constant rate, as Keras has it.
    #[default]
    Plain,
    /// Reaches the same accuracy in fewer epochs, by SGD with a one-cycle rate and augmentation;
    /// needs `schedule_epochs`. Is `Plain` for networks without a normalisation for each
    /// convolution, where nothing was measured to be faster.
    Fast,
}

/// Everything that makes a trainer, with every value settled. [`crate::TrainerSettings`] is what
/// a person gives, and where a recipe fills in what was not given.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TrainerConfig {
    /// A preset's name (see [`crate::PRESETS`]) or the text of a network file.
    pub model: String,
    /// Seed of weights, shuffles, dropout and augmentation.
    pub seed: u64,
    /// Threads; as many as the machine has, if not given. A batch below 128 keeps at most 4 busy, one
    /// below 256 at most 8, a larger one 16, for it is cut into so many shards.
    pub threads: Option<usize>,
    /// The optimizer.
    pub optimizer: OptimizerKind,
    /// Its (highest) learning rate.
    pub learning_rate: f64,
    /// Of SGD.
    pub momentum: f64,
    /// Of AdamW and SGD, times the learning rate each step; kernels only.
    pub weight_decay: f64,
    /// How the rate moves.
    pub schedule: ScheduleKind,
    /// Epochs that the schedule spans; needed unless it is constant.
    pub schedule_epochs: Option<u32>,
    /// Share of each label spread over all classes, as in Keras.
    pub label_smoothing: f32,
    /// Mirror half of the training images.
    pub flip: bool,
    /// Move training images up to so many pixels each way.
    pub translate: u32,
    /// Which code the kernels run.
    pub kernels: Kernels,
    /// Direct convolutions only, whose sums have the order of plain loops. Otherwise fast
    /// algorithms may be used where their error is bounded.
    pub exact: bool,
    /// The recipe that the values above were settled by; it decides nothing here but what an
    /// epoch's batch size is when none is given.
    pub recipe: Recipe,
}

impl Default for TrainerConfig {
    fn default() -> Self {
        Self {
            model: "cifar10-664k".to_owned(),
            seed: 0,
            threads: None,
            optimizer: OptimizerKind::Adam,
            learning_rate: 1e-3,
            momentum: 0.9,
            weight_decay: 0.0,
            schedule: ScheduleKind::Constant,
            schedule_epochs: None,
            label_smoothing: 0.0,
            flip: false,
            translate: 0,
            kernels: Kernels::Auto,
            exact: false,
            recipe: Recipe::Plain,
        }
    }
}

/// How one epoch runs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct EpochArgs {
    /// Images a step; the last batch of an epoch may be smaller.
    pub batch_size: usize,
    /// The last part of the images, held out before any shuffle as Keras does.
    pub validation_split: f64,
    /// Whether the training images come in a new order each epoch.
    pub shuffle: bool,
    /// Whether dropout layers drop.
    pub dropout: bool,
}

impl Default for EpochArgs {
    fn default() -> Self {
        Self { batch_size: 64, validation_split: 0.0, shuffle: true, dropout: true }
    }
}

/// Images of a step at most, so that a typing error does not take all memory.
const BATCH_MAX: usize = 16_384;

impl TrainerConfig {
    /// Names the first field that is out of range.
    pub(crate) fn check(&self) -> Result<(), TrainError> {
        let rate = self.learning_rate;
        let spans = self.schedule == ScheduleKind::Constant || self.schedule_epochs > Some(0);
        within(
            "learning_rate",
            rate,
            rate > 0.0 && rate <= 1e3,
            "give a rate above 0, like 0.001",
        )?;
        within(
            "momentum",
            self.momentum,
            (0.0..1.0).contains(&self.momentum),
            "give 0 to below 1",
        )?;
        let decay = self.weight_decay;
        within("weight_decay", decay, (0.0..=1.0).contains(&decay), "give 0 to 1")?;
        let smooth = self.label_smoothing;
        within("label_smoothing", smooth, (0.0..1.0).contains(&smooth), "give 0 to below 1")?;
        within("translate", self.translate, self.translate <= 1024, "give at most 1024 pixels")?;
        let want = match self.recipe {
            Recipe::Plain => "give the epochs that the schedule spans",
            Recipe::Fast => {
                "the recipe `fast` moves the learning rate over the whole training; add \
                 schedule_epochs = N, the number of epochs that you train"
            }
        };
        within("schedule_epochs", "missing", spans, want)?;
        let threads = self.threads.unwrap_or(1);
        within("threads", threads, (1..=1024).contains(&threads), "give 1 to 1024")
    }
}

impl EpochArgs {
    /// Names the first field that is out of range.
    pub(crate) fn check(&self) -> Result<(), TrainError> {
        let (batch, split) = (self.batch_size, self.validation_split);
        within("batch_size", batch, (1..=BATCH_MAX).contains(&batch), "give 1 to 16384")?;
        within("validation_split", split, (0.0..1.0).contains(&split), "give 0 to below 1")
    }
}

fn within(
    field: &'static str,
    value: impl ToString,
    fits: bool,
    want: &'static str,
) -> Result<(), TrainError> {
    if fits { Ok(()) } else { Err(TrainError::Argument { field, value: value.to_string(), want }) }
}
