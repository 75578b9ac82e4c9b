//! What could run if there were room: in order of arrival, and never more admitted than there is.

use std::collections::{BTreeMap, VecDeque};

use super::message::{ActorId, Need, UnitId};

/// How often younger work may pass something that does not fit, before everything waits for it.
const PASSED_MAX: u32 = 64;

/// Something that waits for room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Item {
    /// A task, or the next call of an actor.
    Unit(UnitId),
    /// An actor that is to be made.
    Start(ActorId),
    /// A call that had paused.
    Resume(UnitId),
}

#[derive(Debug)]
struct Entry {
    ticket: u64,
    item: Item,
    passed: u32,
}

/// The queue. Entries whose ticket is no longer valid are skipped when they come up.
#[derive(Debug, Default)]
pub(super) struct Ready {
    /// One queue for each need, so that what does not fit costs one look, not one for each entry.
    classes: BTreeMap<Need, VecDeque<Entry>>,
    next: u64,
}

impl Ready {
    /// Puts something at the end; gives its ticket.
    pub(super) fn push(&mut self, need: Need, item: Item) -> u64 {
        let ticket = self.next;
        self.next += 1;
        self.classes.entry(need).or_default().push_back(Entry { ticket, item, passed: 0 });
        ticket
    }

    /// Takes the oldest that fits and is still valid.
    pub(super) fn pop(
        &mut self,
        free: Need,
        mut valid: impl FnMut(u64, Item) -> bool,
    ) -> Option<(Need, Item)> {
        let mut oldest: Option<(Need, u64)> = None;
        for (need, queue) in &mut self.classes {
            while queue.front().is_some_and(|entry| !valid(entry.ticket, entry.item)) {
                queue.pop_front();
            }
            let Some(front) = queue.front() else { continue };
            let older = oldest.is_none_or(|(_, ticket)| front.ticket < ticket);
            if older && fits(*need, free) {
                oldest = Some((*need, front.ticket));
            }
        }
        self.classes.retain(|_, queue| !queue.is_empty());
        let (need, ticket) = oldest?;
        for (other, queue) in &mut self.classes {
            let front = queue.front_mut().expect("empty queues were dropped");
            if front.ticket < ticket && !fits(*other, free) {
                if front.passed >= PASSED_MAX {
                    return None;
                }
                front.passed += 1;
            }
        }
        let entry = self.classes.get_mut(&need)?.pop_front()?;
        Some((need, entry.item))
    }
}

/// Whether `need` can be taken from `free`.
pub(super) fn fits(need: Need, free: Need) -> bool {
    need.cpus_milli <= free.cpus_milli && need.memory_bytes <= free.memory_bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cpus(cpus_milli: u64) -> Need {
        Need { cpus_milli, memory_bytes: 0 }
    }

    fn unit(n: u64) -> Item {
        Item::Unit(UnitId(n))
    }

    #[test]
    fn small_work_passes_large_work_but_not_for_ever() {
        let mut ready = Ready::default();
        ready.push(cpus(2000), unit(0));
        for n in 1..200 {
            ready.push(cpus(1000), unit(n));
        }
        let taken = (0..200).take_while(|_| ready.pop(cpus(1000), |_, _| true).is_some()).count();
        assert_eq!(taken, usize::try_from(PASSED_MAX).unwrap_or(0));
        assert_eq!(ready.pop(cpus(2000), |_, _| true), Some((cpus(2000), unit(0))));
        assert_eq!(ready.pop(cpus(2000), |_, _| true), Some((cpus(1000), unit(65))));
    }

    #[test]
    fn order_of_arrival_holds_between_needs() {
        let mut ready = Ready::default();
        for n in 0..6 {
            ready.push(cpus(500 * (1 + n % 2)), unit(n));
        }
        let order: Vec<_> = (0..6).filter_map(|_| ready.pop(cpus(1000), |_, _| true)).collect();
        assert!(order.iter().enumerate().all(|(i, (_, item))| *item == unit(i as u64)));
    }
}
