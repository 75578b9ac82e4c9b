//! The policies by name, as the command line and the pipeline file write them.

use std::fmt;
use std::str::FromStr;

/// The rule that decides about checkpoints.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PolicyKind {
    /// Break-even of expected loss and measured cost, at a failure rate that is learned.
    Adaptive,
    /// The basic rule: runtime against the longest seen.
    Threshold,
    /// Young's interval √(2·cost/rate), with estimated rate and cost.
    YoungDaly,
    /// After every so many units; at least 1.
    Every(u32),
    /// After every unit.
    Always,
    /// Not at all.
    Never,
}

impl fmt::Display for PolicyKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Adaptive => f.write_str("adaptive"),
            Self::Threshold => f.write_str("threshold"),
            Self::YoungDaly => f.write_str("young-daly"),
            Self::Every(n) => write!(f, "every={n}"),
            Self::Always => f.write_str("always"),
            Self::Never => f.write_str("never"),
        }
    }
}

/// A text that names no policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnknownPolicy {
    /// The text.
    pub text: String,
}

impl fmt::Display for UnknownPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "unknown policy `{}`: there are adaptive, threshold, young-daly, every=N (N from 1), \
             always, never",
            self.text
        )
    }
}

impl std::error::Error for UnknownPolicy {}

impl FromStr for PolicyKind {
    type Err = UnknownPolicy;

    fn from_str(text: &str) -> Result<Self, UnknownPolicy> {
        let every = |count: &str| count.parse().ok().filter(|n| *n > 0).map(Self::Every);
        let found = match text {
            "adaptive" => Some(Self::Adaptive),
            "threshold" => Some(Self::Threshold),
            "young-daly" => Some(Self::YoungDaly),
            "always" => Some(Self::Always),
            "never" => Some(Self::Never),
            _ => text.strip_prefix("every=").and_then(every),
        };
        found.ok_or_else(|| UnknownPolicy { text: text.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_as_they_are_written() {
        for name in ["adaptive", "threshold", "young-daly", "every=5", "always", "never"] {
            assert_eq!(name.parse::<PolicyKind>().unwrap().to_string(), name);
        }
        for wrong in ["every=0", "every=", "every=-1", "Adaptive", "", "every=1.5"] {
            let error = wrong.parse::<PolicyKind>().unwrap_err().to_string();
            assert!(error.contains(&format!("`{wrong}`")), "{error}");
        }
    }
}
