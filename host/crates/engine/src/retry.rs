//! When a failed call is tried again: how often, after how long, and after which kinds of failure.

use mobula_contract::{Failure, FailureKind};

/// The longest wait between two attempts, in milliseconds: a service that restarts is back by then.
const DELAY_MAX_MS: u64 = 30_000;
/// The wait before the second attempt, in milliseconds, unless said otherwise; it doubles each time.
pub const DELAY_FIRST_MS: u64 = 10;

/// What is done when a call fails.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Retry {
    /// Further attempts after the first.
    pub max: u32,
    /// Milliseconds before the second attempt; each later wait is twice the one before.
    pub delay_ms: u64,
    /// Kinds of failure after which another attempt is made; those of `FailureKind::is_retried`
    /// when not said.
    pub on: Option<Vec<FailureKind>>,
}

impl Retry {
    /// So many further attempts after the usual kinds of failure.
    #[must_use]
    pub fn times(max: u32) -> Self {
        Self { max, delay_ms: DELAY_FIRST_MS, on: None }
    }

    /// Whether another attempt may be made after so many failed ones.
    #[must_use]
    pub fn again(&self, failure: &Failure, failed: u32) -> bool {
        let kind = match &self.on {
            Some(kinds) => kinds.contains(&failure.kind),
            None => failure.kind.is_retried(),
        };
        kind && failed <= self.max
    }

    /// Milliseconds to wait after so many failed attempts, from 1: `delay · 2^(failed - 1)`.
    #[must_use]
    pub fn wait_ms(&self, failed: u32) -> u64 {
        let doubled = self.delay_ms.checked_shl(failed.saturating_sub(1).min(32));
        doubled.unwrap_or(DELAY_MAX_MS).min(DELAY_MAX_MS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_a_bound() {
        let retry = Retry::times(3);
        assert_eq!([1, 2, 3, 60].map(|n| retry.wait_ms(n)), [10, 20, 40, DELAY_MAX_MS]);
        assert_eq!(Retry { delay_ms: 0, ..retry }.wait_ms(9), 0);
    }

    #[test]
    fn a_wrong_argument_is_not_tried_again_unless_asked_for() {
        let (invalid, crash) = (FailureKind::Invalid, FailureKind::WorkerLost);
        let failure = |kind| Failure::new(kind, "x");
        let mut retry = Retry::times(2);
        assert!(!retry.again(&failure(invalid), 1));
        assert!(retry.again(&failure(crash), 2) && !retry.again(&failure(crash), 3));
        retry.on = Some(vec![invalid]);
        assert!(retry.again(&failure(invalid), 1) && !retry.again(&failure(crash), 1));
    }
}
