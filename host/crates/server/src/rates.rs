//! How often somebody may ask: buckets that fill with time. Time comes in as an argument.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

/// Who is counted at one time; the fullest buckets, which tell least, go when there are more.
const KEPT_MAX: usize = 10_000;

/// A bucket for each key.
#[derive(Debug)]
pub(crate) struct Rates<K> {
    buckets: Mutex<HashMap<K, Bucket>>,
}

#[derive(Debug, Clone, Copy)]
struct Bucket {
    left: f64,
    at: Instant,
    /// Takes since `minute` began, for those who ask how many there were.
    taken: u64,
    minute: Instant,
}

impl<K> Default for Rates<K> {
    fn default() -> Self {
        Self { buckets: Mutex::default() }
    }
}

impl<K: Hash + Eq + Clone> Rates<K> {
    /// Takes one of `per_minute`; `false` where none is left.
    pub(crate) fn take(&self, key: &K, per_minute: u32, now: Instant) -> bool {
        self.with(key, per_minute, now, |bucket| {
            let some = bucket.left >= 1.0;
            if some {
                bucket.left -= 1.0;
            }
            bucket.taken += 1;
            some
        })
    }

    /// Whether one is left, without taking it.
    pub(crate) fn has(&self, key: &K, per_minute: u32, now: Instant) -> bool {
        self.with(key, per_minute, now, |bucket| bucket.left >= 1.0)
    }

    /// How many were asked for in the minute that runs.
    pub(crate) fn taken(&self, key: &K, now: Instant) -> u64 {
        let buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        let recent = |bucket: &&Bucket| now.duration_since(bucket.minute).as_secs() < 60;
        buckets.get(key).filter(recent).map_or(0, |bucket| bucket.taken)
    }

    fn with<T>(
        &self,
        key: &K,
        per_minute: u32,
        now: Instant,
        what: impl FnOnce(&mut Bucket) -> T,
    ) -> T {
        let full = f64::from(per_minute);
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        if buckets.len() >= KEPT_MAX && !buckets.contains_key(key) {
            buckets.retain(|_, bucket| now.duration_since(bucket.at).as_secs() < 60);
            if buckets.len() >= KEPT_MAX {
                buckets.clear();
            }
        }
        let new = Bucket { left: full, at: now, taken: 0, minute: now };
        let bucket = buckets.entry(key.clone()).or_insert(new);
        let since = now.duration_since(bucket.at).as_secs_f64();
        bucket.left = (bucket.left + since * full / 60.0).min(full);
        bucket.at = now;
        if now.duration_since(bucket.minute).as_secs() >= 60 {
            (bucket.minute, bucket.taken) = (now, 0);
        }
        what(bucket)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_bucket_empties_and_fills_with_time() {
        let rates = Rates::default();
        let start = Instant::now();
        let taken = (0..100).filter(|_| rates.take(&"a", 30, start)).count();
        assert_eq!(taken, 30);
        assert!(rates.take(&"b", 30, start), "another has its own");
        assert!(!rates.has(&"a", 30, start));
        let later = start + Duration::from_secs(20);
        let taken = (0..100).filter(|_| rates.take(&"a", 30, later)).count();
        assert_eq!(taken, 10);
        assert_eq!(rates.taken(&"a", later), 200);
        let full = start + Duration::from_secs(900);
        assert_eq!(
            (0..100).filter(|_| rates.take(&"a", 30, full)).count(),
            30,
            "no more than full"
        );
    }

    #[test]
    fn many_keys_do_not_fill_memory() {
        let rates = Rates::default();
        let now = Instant::now();
        for key in 0..3 * KEPT_MAX {
            rates.take(&key, 10, now);
        }
        assert!(rates.buckets.lock().unwrap().len() <= KEPT_MAX);
    }
}
