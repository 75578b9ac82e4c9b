//! What a person may set of a trainer, each thing or not, and how a recipe fills in the rest. What
//! the values mean is `config`'s business.

use serde::{Deserialize, Serialize};

use crate::config::{Kernels, OptimizerKind, Recipe, ScheduleKind, TrainerConfig};

/// A [`TrainerConfig`] of which everything may be left to the recipe; what is given wins over it.
/// Each field is the configuration's of the same name.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TrainerSettings {
    pub model: Option<String>,
    pub seed: Option<u64>,
    pub threads: Option<usize>,
    pub recipe: Option<Recipe>,
    pub optimizer: Option<OptimizerKind>,
    pub learning_rate: Option<f64>,
    pub momentum: Option<f64>,
    pub weight_decay: Option<f64>,
    pub schedule: Option<ScheduleKind>,
    pub schedule_epochs: Option<u32>,
    pub label_smoothing: Option<f32>,
    pub flip: Option<bool>,
    pub translate: Option<u32>,
    pub kernels: Option<Kernels>,
    pub exact: Option<bool>,
}

impl TrainerSettings {
    /// Every value settled: as given, else as the recipe has it.
    #[must_use]
    pub fn resolved(self) -> TrainerConfig {
        let model = self.model.unwrap_or_else(|| TrainerConfig::default().model);
        let recipe = self.recipe.unwrap_or_default().suited(&model);
        let base = recipe.config();
        TrainerConfig {
            model,
            seed: self.seed.unwrap_or(base.seed),
            threads: self.threads.or(base.threads),
            optimizer: self.optimizer.unwrap_or(base.optimizer),
            learning_rate: self.learning_rate.unwrap_or(base.learning_rate),
            momentum: self.momentum.unwrap_or(base.momentum),
            weight_decay: self.weight_decay.unwrap_or(base.weight_decay),
            schedule: self.schedule.unwrap_or(base.schedule),
            schedule_epochs: self.schedule_epochs.or(base.schedule_epochs),
            label_smoothing: self.label_smoothing.unwrap_or(base.label_smoothing),
            flip: self.flip.unwrap_or(base.flip),
            translate: self.translate.unwrap_or(base.translate),
            kernels: self.kernels.unwrap_or(base.kernels),
            exact: self.exact.unwrap_or(base.exact),
            recipe,
        }
    }
}
