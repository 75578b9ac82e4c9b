//! A policy for tests: takes a checkpoint whenever a closure says so, and learns nothing.

use mobula_engine::{Learned, Lost, Policy, Restored, Saved, Seen, Subject, Verdict};

/// Decides by what it is given.
pub(crate) struct By<F>(pub(crate) F);

impl<F: FnMut(&Seen<'_>) -> bool + Send> Policy for By<F> {
    fn decide(&mut self, seen: Seen<'_>) -> Verdict {
        Verdict {
            checkpoint: (self.0)(&seen),
            reason: "so it was said".to_owned(),
            ratio: 1.0,
            threshold: 0.5,
            budget_left: None,
            expected_loss_s: seen.unsaved_s,
            cost_s: 0.0,
            detail: None,
        }
    }

    fn saved(&mut self, _: Saved<'_>) {}

    fn save_failed(&mut self, _: Subject<'_>, _: f64) {}

    fn save_dropped(&mut self, _: Subject<'_>) {}

    fn lost(&mut self, _: Lost<'_>) {}

    fn restored(&mut self, _: Restored<'_>) -> Learned {
        Learned { benefit_s: 1.0, threshold_before: 0.5, threshold_after: 0.4 }
    }
}
