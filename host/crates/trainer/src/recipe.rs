//! The values that a recipe stands for. Which of them a person overrides is `settings`' business.

use crate::config::{Recipe, ScheduleKind, TrainerConfig};

impl Recipe {
    /// Every value as the recipe has it.
    pub(crate) fn config(self) -> TrainerConfig {
        match self {
            Self::Plain => TrainerConfig::default(),
            Self::Fast => TrainerConfig {
                learning_rate: 3e-3,
                schedule: ScheduleKind::OneCycle,
                label_smoothing: 0.1,
                flip: true,
                translate: 2,
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
            Self::Fast => 32,
        }
    }
}
