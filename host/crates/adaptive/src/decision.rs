//! One decision with every number that led to it, and the sentence that tells it.

use std::fmt;

use crate::budget::BudgetState;
use crate::kind::PolicyKind;
use crate::rate::RateEstimate;

/// What a save costs.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Cost {
    /// Seconds that the subject is held up.
    pub blocking_s: f64,
    /// Seconds of writing behind it.
    pub background_s: f64,
    /// Share of its speed that the subject loses meanwhile, 0 to 1.
    pub slowdown: f64,
}

impl Cost {
    /// Seconds that the background work costs the subject.
    #[must_use]
    pub fn background_charge_s(&self) -> f64 {
        self.slowdown * self.background_s
    }

    /// Seconds in all.
    #[must_use]
    pub fn charge_s(&self) -> f64 {
        self.blocking_s + self.background_charge_s()
    }

    pub(crate) fn times(self, factor: f64) -> Self {
        Self {
            blocking_s: self.blocking_s * factor,
            background_s: self.background_s * factor,
            ..self
        }
    }
}

/// Why a checkpoint is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum YesReason {
    /// The policy's own rule: the ratio has reached the threshold.
    Rule,
    /// The machine is about to be taken away, and the next boundary would be too late.
    Notice,
    /// The automatic budget is used up, but twice the break-even is at risk.
    Starving,
}

/// Why it is not: the first rule that forbids it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoReason {
    /// No measured work is unsaved.
    NothingToSave,
    /// The policy is `never`.
    Policy,
    /// The very first save is still being written.
    FirstSavePending,
    /// A save is still being written.
    InFlight,
    /// The last save failed; some units are waited for before the next try.
    BackOff,
    /// A later boundary before the announced stop still leaves time for a save.
    LaterBeforeStop,
    /// The announced stop comes before a save could be durable.
    TooLate,
    /// The ratio is below the threshold.
    BelowThreshold,
    /// Having the output is expected to save less than keeping it costs.
    NotWorth,
    /// The time budget is used up.
    Budget,
    /// The count budget is used up.
    Count,
    /// What remains is too little to need it.
    NearlyDone,
    /// The checkpoint is larger than its quota, or the disk is too full.
    Disk,
}

impl fmt::Display for NoReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NothingToSave => "nothing to save",
            Self::Policy => "policy never",
            Self::FirstSavePending => "first save pending",
            Self::InFlight => "in flight",
            Self::BackOff => "degraded: the last save failed",
            Self::LaterBeforeStop => "a later boundary before the stop will do",
            Self::TooLate => "too late before the stop",
            Self::BelowThreshold => "below threshold",
            Self::NotWorth => "making it again is cheaper",
            Self::Budget => "budget",
            Self::Count => "count budget",
            Self::NearlyDone => "nearly done",
            Self::Disk => "disk",
        })
    }
}

/// The answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// Take a checkpoint.
    Yes(YesReason),
    /// Take none.
    No(NoReason),
}

/// One decision, with every number that led to it. All are finite.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Decision {
    /// The policy that decided.
    pub policy: PolicyKind,
    /// What it said.
    pub answer: Answer,
    /// Seconds that the unit ran.
    pub runtime_s: f64,
    /// Useful seconds at risk; of an output what it would take to make it again.
    pub unsaved_s: f64,
    /// What is compared with the threshold.
    pub ratio: f64,
    /// What the ratio has to reach.
    pub threshold: f64,
    /// What is believed of the failure rate.
    pub rate: RateEstimate,
    /// Seconds that waiting one more unit is expected to lose; of an output what having it is
    /// expected to save.
    pub expected_loss_s: f64,
    /// What a save is expected to cost.
    pub cost: Cost,
    /// How the budget stands after this decision.
    pub budget: BudgetState,
    /// After a NO: after how many more units of this length a save would be taken, where that can be
    /// told.
    pub more_units: Option<u32>,
}

impl Decision {
    /// Whether a checkpoint is to be taken.
    #[must_use]
    pub fn checkpoint(&self) -> bool {
        matches!(self.answer, Answer::Yes(_))
    }

    /// Why not, if not.
    #[must_use]
    pub fn refused(&self) -> Option<NoReason> {
        match self.answer {
            Answer::No(reason) => Some(reason),
            Answer::Yes(_) => None,
        }
    }
}

impl fmt::Display for Decision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.answer {
            Answer::Yes(YesReason::Rule) => f.write_str("SAVE")?,
            Answer::Yes(YesReason::Notice) => f.write_str("SAVE (before the announced stop)")?,
            Answer::Yes(YesReason::Starving) => {
                f.write_str("SAVE (over the automatic budget: too much is at risk)")?;
            }
            Answer::No(reason) => write!(f, "NO ({reason})")?,
        }
        let sign = if self.ratio >= self.threshold { "≥" } else { "<" };
        write!(
            f,
            " · ratio {} {sign} threshold {} · unsaved {} · {} · expected loss {} vs cost {} \
             (blocks {} + background {})",
            Number(self.ratio),
            Number(self.threshold),
            Seconds(self.unsaved_s),
            self.rate,
            Seconds(self.expected_loss_s),
            Seconds(self.cost.charge_s()),
            Number(self.cost.blocking_s),
            Number(self.cost.background_charge_s()),
        )?;
        if let (Some(share), Some(left)) = (self.budget.share, self.budget.left_s) {
            let used = 100.0 * self.budget.used;
            let of = Number(100.0 * share);
            write!(f, " · budget: {used:.1} % used of {of} %, {} left", Seconds(left))?;
        }
        if let Some(left) = self.budget.saves_left {
            write!(f, " · {left} saves left")?;
        }
        match self.more_units {
            Some(1) => f.write_str(" · would save after ≈ 1 more unit"),
            Some(n) => write!(f, " · would save after ≈ {n} more units"),
            None => Ok(()),
        }
    }
}

impl fmt::Display for RateEstimate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "about 1 failure per {} (90 %: {}–{}, {} seen)",
            Span(1.0 / self.mean),
            Span(1.0 / self.high),
            Span(1.0 / self.low),
            self.failures
        )
    }
}

/// Two or three digits that matter.
struct Number(f64);

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let size = self.0.abs();
        match size {
            _ if size == 0.0 => f.write_str("0"),
            _ if size >= 100.0 => write!(f, "{:.0}", self.0),
            _ if size >= 10.0 => write!(f, "{:.1}", self.0),
            _ if size >= 0.1 => write!(f, "{:.2}", self.0),
            _ if size >= 1e-4 => write!(f, "{:.4}", self.0),
            _ => write!(f, "{:.1e}", self.0),
        }
    }
}

/// Seconds with their unit.
pub(crate) struct Seconds(pub(crate) f64);

impl fmt::Display for Seconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} s", Number(self.0))
    }
}

/// A time in the unit that people would use.
pub(crate) struct Span(pub(crate) f64);

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (value, unit) = match self.0 {
            s if s < 120.0 => (s, "s"),
            s if s < 7200.0 => (s / 60.0, "min"),
            s if s < 172_800.0 => (s / 3600.0, "h"),
            s => (s / 86_400.0, "d"),
        };
        if value < 10.0 { write!(f, "{value:.1} {unit}") } else { write!(f, "{value:.0} {unit}") }
    }
}
