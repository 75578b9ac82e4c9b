//! Learning rates over the epochs; pure functions of the position.

use std::f64::consts::PI;

use crate::config::{ScheduleKind, TrainerConfig};

/// Share of a one-cycle that goes up, and how far below the peak it starts and ends
/// (the defaults of PyTorch's `OneCycleLR`).
const RISE: f64 = 0.3;
const START: f64 = 1.0 / 25.0;
const END: f64 = START / 1e4;

/// The rate at `epochs` (with fraction) from the start; held after the schedule's end.
pub(crate) fn rate(config: &TrainerConfig, epochs: f64) -> f64 {
    let peak = config.learning_rate;
    let at = (epochs / f64::from(config.schedule_epochs.unwrap_or(1).max(1))).min(1.0);
    let fall = |from: f64, to: f64, at: f64| to + (from - to) * 0.5 * (1.0 + libm::cos(PI * at));
    match config.schedule {
        ScheduleKind::Constant => peak,
        ScheduleKind::Cosine => fall(peak, 0.0, at),
        ScheduleKind::OneCycle if at < RISE => fall(peak * START, peak, at / RISE),
        ScheduleKind::OneCycle => fall(peak, peak * END, (at - RISE) / (1.0 - RISE)),
    }
}
