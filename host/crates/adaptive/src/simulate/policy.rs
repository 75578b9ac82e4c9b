//! The policies of the simulator by name: those of the controller, with a budget or without, and the
//! yardsticks.

use std::fmt;
use std::str::FromStr;

use super::job::Decider;
use crate::controller::Config;
use crate::kind::{PolicyKind, UnknownPolicy};

/// The time budget that `threshold` has when none is named, as in a pipeline file.
const SHARE_DEFAULT: f64 = 0.05;

/// A policy as it stands in a table.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum SimulatedPolicy {
    /// One of the controller's, under a budget.
    Of(PolicyKind, Budgeted),
    /// Knows the true mean rate and cost.
    Oracle,
    /// Knows every failure.
    Clairvoyant,
}

/// The time budget of a simulated policy.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Budgeted {
    /// What the policy has when nothing is said: 5 % for `threshold`, automatic for `adaptive`, none
    /// for the others.
    Usual,
    /// `@none`
    Free,
    /// `@0.05`: a share of the useful time.
    Share(f64),
}

impl SimulatedPolicy {
    /// Who decides under this name.
    #[must_use]
    pub fn decider(self) -> Decider {
        let Self::Of(kind, budget) = self else {
            let oracle = self == Self::Oracle;
            return if oracle { Decider::Oracle } else { Decider::Clairvoyant };
        };
        let overhead = match budget {
            Budgeted::Share(share) => Some(share),
            Budgeted::Usual if kind == PolicyKind::Threshold => Some(SHARE_DEFAULT),
            Budgeted::Usual | Budgeted::Free => None,
        };
        Decider::Controller(Config { overhead, ..Config::of(kind) })
    }
}

impl fmt::Display for SimulatedPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Oracle => f.write_str("oracle"),
            Self::Clairvoyant => f.write_str("clairvoyant"),
            Self::Of(kind, Budgeted::Usual) => kind.fmt(f),
            Self::Of(kind, Budgeted::Free) => write!(f, "{kind}@none"),
            Self::Of(kind, Budgeted::Share(share)) => write!(f, "{kind}@{share}"),
        }
    }
}

impl FromStr for SimulatedPolicy {
    type Err = UnknownPolicy;

    fn from_str(text: &str) -> Result<Self, UnknownPolicy> {
        match text {
            "oracle" => return Ok(Self::Oracle),
            "clairvoyant" => return Ok(Self::Clairvoyant),
            _ => {}
        }
        let Some((kind, budget)) = text.split_once('@') else {
            return Ok(Self::Of(text.parse()?, Budgeted::Usual));
        };
        let unknown = || UnknownPolicy { text: text.to_owned() };
        let kind = kind.parse().map_err(|_| unknown())?;
        if budget == "none" {
            return Ok(Self::Of(kind, Budgeted::Free));
        }
        let share: f64 = budget.parse().map_err(|_| unknown())?;
        let fits = share.is_finite() && share >= 0.0;
        if fits { Ok(Self::Of(kind, Budgeted::Share(share))) } else { Err(unknown()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_with_budgets_are_read_as_they_are_written() {
        for name in ["oracle", "clairvoyant", "adaptive@0.05", "threshold@none", "every=20"] {
            assert_eq!(name.parse::<SimulatedPolicy>().unwrap().to_string(), name);
        }
        for wrong in ["oracle@0.1", "adaptive@", "adaptive@-1", "adaptive@NaN", "nobody@none"] {
            assert_eq!(wrong.parse::<SimulatedPolicy>().unwrap_err().text, wrong);
        }
    }
}
