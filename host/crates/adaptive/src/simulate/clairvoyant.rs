//! Who knows when the next failure comes: greedy, and so nearly but not exactly the least that any
//! policy could cost.

use crate::decision::Cost;

/// Whether to save now, with `unsaved_s` at risk, when the next unit takes `unit_s` and the next failure
/// comes in `left_s`: at the last boundary from which a save is durable in time, if it is worth it.
/// `next` is what a save would cost one boundary later.
pub(crate) fn saves(cost: Cost, next: Cost, unsaved_s: f64, unit_s: f64, left_s: f64) -> bool {
    let latency_s = |cost: Cost| cost.blocking_s + cost.background_s;
    latency_s(cost) < left_s && left_s <= unit_s + latency_s(next) && unsaved_s > cost.charge_s()
}
