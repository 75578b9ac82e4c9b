//! What is measured of one subject: an actor whose state is saved, or a task whose outputs are.

use crate::decision::Cost;

/// Weight of the newest measurement in a running mean.
const WEIGHT: f64 = 0.3;
/// Background slow-down before any was measured.
const SLOWDOWN_FIRST: f64 = 0.4;
/// A save that was never measured is taken to cost this much more than was guessed.
const CAUTION: f64 = 1.2;
/// The guess where nothing is known: a memory copy of a few megabytes, with room, in seconds.
const COST_FIRST_S: f64 = 0.01;
/// From this ratio of sizes on the cost of a state follows the bytes instead of the mean; that of
/// outputs always does.
const BYTES_JUMP: f64 = 3.0;
/// Units to wait after a failed save, at most.
const BACK_OFF_MAX: u32 = 64;

/// What is saved of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SubjectKind {
    /// The state of an actor.
    State,
    /// The outputs of a task.
    Output,
}

/// A subject, as its controller numbers it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct SubjectId(pub(crate) u32);

/// A running mean with exponentially fading weights.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(crate) struct Mean(Option<f64>);

impl Mean {
    pub(crate) fn add(&mut self, value: f64) {
        self.add_weighted(value, WEIGHT);
    }

    fn add_weighted(&mut self, value: f64, weight: f64) {
        let old = self.0.unwrap_or(value);
        self.0 = Some(old + weight * (value - old));
    }

    pub(crate) fn get(self) -> Option<f64> {
        self.0
    }

    pub(crate) fn set(&mut self, value: Option<f64>) {
        self.0 = value.filter(|v| v.is_finite() && *v >= 0.0);
    }
}

/// Saves that were begun and have not ended.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(crate) struct Pending {
    pub(crate) count: u32,
    pub(crate) expected_s: f64,
    /// One of them is the free first one.
    pub(crate) free: bool,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Subject {
    pub(crate) name: String,
    pub(crate) kind: SubjectKind,
    /// Useful seconds of a unit.
    pub(crate) unit: Mean,
    pub(crate) blocking: Mean,
    pub(crate) background: Mean,
    /// From the decision until durable.
    pub(crate) latency: Mean,
    pub(crate) restore: Mean,
    pub(crate) slowdown: Mean,
    /// Bytes of the newest save.
    pub(crate) bytes: Option<f64>,
    /// What the first save is taken to cost.
    pub(crate) guess: Option<Cost>,
    /// Seconds of slow-down within the unsaved seconds, which are no useful ones.
    pub(crate) slowed_s: f64,
    /// Units since the newest save was begun.
    pub(crate) units: u32,
    pub(crate) saves: u32,
    pub(crate) pending: Pending,
    /// Charged seconds of the saves since the failure before.
    pub(crate) cycle_s: f64,
    /// Whether it failed since it stood last, and useful seconds that this took.
    pub(crate) failed: bool,
    pub(crate) lost_s: f64,
    /// What `adjust_policy` makes of the break-even, as a factor.
    pub(crate) factor: f64,
    pub(crate) save_failures: u32,
    /// Units to wait before the next try.
    pub(crate) wait: u32,
    /// Outputs that were asked for again, and those of them that were there.
    pub(crate) asked: f64,
    pub(crate) reused: f64,
}

impl Subject {
    pub(crate) fn new(name: &str, kind: SubjectKind) -> Self {
        Self {
            name: name.to_owned(),
            kind,
            unit: Mean::default(),
            blocking: Mean::default(),
            background: Mean::default(),
            latency: Mean::default(),
            restore: Mean::default(),
            slowdown: Mean::default(),
            bytes: None,
            guess: None,
            slowed_s: 0.0,
            units: 0,
            saves: 0,
            pending: Pending::default(),
            cycle_s: 0.0,
            failed: false,
            lost_s: 0.0,
            factor: 1.0,
            save_failures: 0,
            wait: 0,
            asked: 0.0,
            reused: 0.0,
        }
    }

    pub(crate) fn slowdown(&self) -> f64 {
        let guess = self.guess.map_or(SLOWDOWN_FIRST, |guess| guess.slowdown);
        self.slowdown.get().unwrap_or(guess)
    }

    /// A unit ran for so long, part of it beside a background save. Gives its useful seconds.
    pub(crate) fn ran(&mut self, runtime_s: f64, overlap_s: f64) -> f64 {
        let overlap_s = overlap_s.min(runtime_s);
        if let Some(clean_s) = self.unit.get()
            && overlap_s > 0.0
        {
            // A short overlap says little: the unit's own spread is divided by it.
            let seen = ((runtime_s - clean_s) / overlap_s).clamp(0.0, 1.0);
            let old = self.slowdown();
            let weight = WEIGHT * overlap_s / runtime_s;
            self.slowdown.set(Some(old + weight * (seen - old)));
        }
        let slowed_s = self.slowdown() * overlap_s;
        let useful_s = runtime_s - slowed_s;
        self.unit.add(useful_s);
        self.slowed_s += slowed_s;
        self.units = self.units.saturating_add(1);
        useful_s
    }

    /// What a save of so many bytes is expected to cost. `probe` with what other saves have shown of
    /// it.
    pub(crate) fn cost(&self, bytes: Option<f64>, probe: Option<(Probe, Mean)>) -> Cost {
        let slowdown = self.slowdown();
        let (Some(blocking), Some(background)) = (self.blocking.get(), self.background.get())
        else {
            if let (None, Some(bytes), Some((probe, shown))) = (self.guess, bytes, probe) {
                let factor = shown.get().unwrap_or(CAUTION);
                return Cost { slowdown, ..probe.cost(bytes).times(factor) };
            }
            let default = Cost { blocking_s: COST_FIRST_S, background_s: 0.0, slowdown };
            return Cost { slowdown, ..self.guess.unwrap_or(default).times(CAUTION) };
        };
        let cost = Cost { blocking_s: blocking, background_s: background, slowdown };
        match (bytes, self.bytes) {
            (Some(now), Some(then))
                if then > 0.0
                    && (self.kind == SubjectKind::Output
                        || !(1.0 / BYTES_JUMP..=BYTES_JUMP).contains(&(now / then))) =>
            {
                cost.times(now / then)
            }
            _ => cost,
        }
    }

    /// Seconds from a decision until the save is durable.
    pub(crate) fn latency_s(&self, cost: Cost) -> f64 {
        self.latency.get().unwrap_or(cost.blocking_s + cost.background_s)
    }

    pub(crate) fn begin_save(&mut self, expected_s: f64, free: bool) {
        self.pending.count += 1;
        self.pending.expected_s += expected_s;
        self.pending.free |= free;
        self.slowed_s = 0.0;
        self.units = 0;
    }

    /// One of the pending saves ended; what it was expected to cost, and whether it was the free one.
    /// `None` when none was begun.
    pub(crate) fn end_save(&mut self) -> Option<(f64, bool)> {
        let pending = &mut self.pending;
        if pending.count == 0 {
            return None;
        }
        let expected_s = pending.expected_s / f64::from(pending.count);
        pending.count -= 1;
        pending.expected_s -= expected_s;
        Some((expected_s, std::mem::take(&mut pending.free)))
    }

    /// Waits 1, 2, 4 … 64 units after saves that failed in a row.
    pub(crate) fn back_off(&mut self) {
        self.wait = BACK_OFF_MAX.min(1 << self.save_failures.min(6));
        self.save_failures = self.save_failures.saturating_add(1);
    }
}

/// Speed of the store, from one probe at the start: write and fsync of a few megabytes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Probe {
    /// Seconds that a save of nothing takes.
    pub fixed_s: f64,
    /// Bytes per second on the way to the disk.
    pub bytes_per_s: f64,
    /// Bytes per second of a copy in memory, which blocks.
    pub copied_per_s: f64,
}

impl Probe {
    pub(crate) fn cost(self, bytes: f64) -> Cost {
        let over = |speed: f64| if speed > 0.0 { bytes / speed } else { 0.0 };
        Cost {
            blocking_s: over(self.copied_per_s),
            background_s: self.fixed_s + over(self.bytes_per_s),
            slowdown: SLOWDOWN_FIRST,
        }
    }
}
