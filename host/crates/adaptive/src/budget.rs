//! The overhead budget: a token bucket of seconds. A bucket and no cumulative total, because a total
//! that was spent while failures were frequent would lock saves out for hours after.

/// Least share of the useful time that the automatic budget grants.
const SHARE_MIN: f64 = 0.05;
/// Most.
const SHARE_MAX: f64 = 0.25;
/// The automatic budget is this much above what the model itself holds for best.
const ROOM: f64 = 1.5;
/// The bucket holds so many saves,
const SAVES_HELD: f64 = 20.0;
/// or what accrues in so many useful seconds, if that is more.
const HELD_S: f64 = 3600.0;

/// How the budget stands.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BudgetState {
    /// Share of the useful time that saves may take; `None` without a budget.
    pub share: Option<f64>,
    /// Whether a user gave it, so that nothing may pass it.
    pub hard: bool,
    /// Share that they have taken.
    pub used: f64,
    /// Seconds that may be spent now; below zero after a save that cost more than was expected, `None`
    /// without a budget.
    pub left_s: Option<f64>,
    /// Saves that may still be taken, where their number is limited.
    pub saves_left: Option<u32>,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Bucket {
    /// Given by the user.
    pub(crate) hard: Option<f64>,
    pub(crate) saves_left: Option<u32>,
    share: f64,
    tokens_s: f64,
    useful_s: f64,
    spent_s: f64,
    /// The first save is free: nothing could have accrued for it.
    first_taken: bool,
}

impl Bucket {
    pub(crate) fn new(hard: Option<f64>, saves_max: Option<u32>) -> Self {
        let share = hard.unwrap_or(SHARE_MIN);
        Self {
            hard,
            saves_left: saves_max,
            share,
            tokens_s: 0.0,
            useful_s: 0.0,
            spent_s: 0.0,
            first_taken: false,
        }
    }

    /// A unit ran; `rate` and `cost_s` set the automatic share, 1.5·√(λC/2).
    pub(crate) fn accrue(&mut self, useful_s: f64, rate: f64, cost_s: f64) {
        self.share = self
            .hard
            .unwrap_or_else(|| (ROOM * (rate * cost_s / 2.0).sqrt()).clamp(SHARE_MIN, SHARE_MAX));
        self.useful_s += useful_s;
        let held = (SAVES_HELD * cost_s).max(self.share * HELD_S);
        let more = (self.tokens_s + self.share * useful_s).min(held);
        self.tokens_s = self.tokens_s.max(more);
    }

    /// Whether a save of this cost can be paid.
    pub(crate) fn allows(&self, cost_s: f64) -> bool {
        self.hard != Some(0.0) && (!self.first_taken || self.tokens_s >= cost_s)
    }

    /// A save begins: takes what it is expected to cost. Whether it was the free one.
    pub(crate) fn take(&mut self, cost_s: f64) -> bool {
        let free = !self.first_taken;
        if !free {
            self.tokens_s -= cost_s;
        }
        self.first_taken = true;
        self.spent_s += cost_s;
        self.saves_left = self.saves_left.map(|left| left.saturating_sub(1));
        free
    }

    /// It has cost something else.
    pub(crate) fn correct(&mut self, expected_s: f64, measured_s: f64, free: bool) {
        if !free {
            self.tokens_s += expected_s - measured_s;
        }
        self.spent_s = (self.spent_s + measured_s - expected_s).max(0.0);
    }

    /// It did not come about.
    pub(crate) fn give_back(&mut self, expected_s: f64, free: bool) {
        self.correct(expected_s, 0.0, free);
        self.first_taken &= !free;
        self.saves_left = self.saves_left.map(|left| left.saturating_add(1));
    }

    /// Seconds per useful second that come in.
    pub(crate) fn share(&self) -> f64 {
        self.share
    }

    pub(crate) fn state(&self, limited: bool) -> BudgetState {
        let used = if self.useful_s > 0.0 { self.spent_s / self.useful_s } else { 0.0 };
        BudgetState {
            share: limited.then_some(self.share),
            hard: self.hard.is_some(),
            used,
            left_s: limited.then_some(self.tokens_s),
            saves_left: self.saves_left,
        }
    }
}
