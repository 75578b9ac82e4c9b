//! The memory that a process may use: counted when it is taken, given back when its owner is dropped.
//! Frees nothing itself.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Bytes that everything in one process may take together. Clones share the count.
#[derive(Debug, Clone)]
pub struct Budget {
    shared: Arc<Counts>,
}

#[derive(Debug)]
struct Counts {
    limit: u64,
    used: AtomicU64,
}

impl Budget {
    /// A budget of so many bytes.
    #[must_use]
    pub fn new(limit: u64) -> Self {
        Self { shared: Arc::new(Counts { limit, used: AtomicU64::new(0) }) }
    }

    /// A budget that is never used up, for who only wants to know how much is taken.
    #[must_use]
    pub fn unlimited() -> Self {
        Self::new(u64::MAX)
    }

    /// Bytes in all.
    #[must_use]
    pub fn limit(&self) -> u64 {
        self.shared.limit
    }

    /// Bytes taken now.
    #[must_use]
    pub fn used(&self) -> u64 {
        self.shared.used.load(Ordering::Relaxed)
    }

    /// Takes so many bytes; `None` when there are not enough left.
    #[must_use]
    pub fn take(&self, bytes: u64) -> Option<Charge> {
        let fits = |used: u64| used.checked_add(bytes).filter(|all| *all <= self.shared.limit);
        let taken = self.shared.used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, fits);
        taken.ok().map(|_| Charge { budget: Some(self.clone()), bytes })
    }
}

/// Bytes taken from a budget, given back when this is dropped. The default holds none.
#[derive(Debug, Default)]
pub struct Charge {
    budget: Option<Budget>,
    bytes: u64,
}

impl Charge {
    /// How many bytes.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// A part of it, or all of it where it holds less.
    #[must_use]
    pub fn split(&mut self, bytes: u64) -> Self {
        let bytes = bytes.min(self.bytes);
        self.bytes -= bytes;
        Self { budget: self.budget.clone(), bytes }
    }

    /// Takes over what another charge of the same budget holds.
    pub fn absorb(&mut self, mut other: Self) {
        match (&self.budget, other.budget.take()) {
            (None, Some(budget)) => *self = Self { budget: Some(budget), bytes: other.bytes },
            _ => self.bytes += other.bytes,
        }
    }
}

impl Drop for Charge {
    fn drop(&mut self) {
        if let Some(budget) = &self.budget {
            budget.shared.used.fetch_sub(self.bytes, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_dropped_can_be_taken_again() {
        let budget = Budget::new(100);
        let mut first = budget.take(60).unwrap();
        assert!(budget.take(41).is_none());
        first.absorb(budget.take(40).unwrap());
        assert_eq!((budget.used(), first.bytes()), (100, 100));
        let part = first.split(30);
        drop(first);
        assert_eq!((budget.used(), part.bytes()), (30, 30));
        drop(part);
        assert_eq!(budget.used(), 0);
        let mut none = Charge::default();
        none.absorb(budget.take(7).unwrap());
        assert_eq!((budget.used(), none.bytes()), (7, 7));
        drop(none);
        assert_eq!(budget.used(), 0);
        assert!(budget.take(u64::MAX).is_none());
    }
}
