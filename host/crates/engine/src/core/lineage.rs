//! Objects that are lost and made again from what they were made of, objects of streams, and when a
//! unit is remembered no longer.

use mobula_contract::{Failure, FailureKind};

use super::Core;
use super::message::{Effect, UnitId};
use super::state::{Life, Phase, Unit};

/// What becomes of an object that a stream gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Item {
    /// It gets a new number.
    New,
    /// It was lost, and gets its old number.
    Again(UnitId),
    /// It was given by an earlier attempt.
    Nowhere,
}

impl Core {
    /// An object is gone from the store although somebody may read it: its task runs again.
    pub(super) fn lost(&mut self, id: UnitId) {
        // While an actor repeats a call, its object is there although the call is not done.
        let known = |unit: &&mut Unit| unit.held || unit.phase == Phase::Done;
        let Some(unit) = self.units.get_mut(&id).filter(known) else { return };
        unit.held = false;
        self.effects.push(Effect::Unresolved(id));
        // Losses are rare: looking through all units is cheaper than knowing readers at all times.
        let mut readers: Vec<UnitId> = self
            .units
            .iter()
            .filter(|(_, unit)| matches!(unit.phase, Phase::Waiting | Phase::Ready(_)))
            .filter(|(_, unit)| unit.sources.contains(&id))
            .map(|(reader, _)| *reader)
            .collect();
        readers.sort_unstable();
        for reader in &readers {
            let unit = self.units.get_mut(reader).expect("just found");
            unit.missing += 1;
            let was_ready = matches!(unit.phase, Phase::Ready(_));
            unit.phase = Phase::Waiting;
            let called = unit.actor.filter(|_| was_ready);
            if let Some(actor) = called.and_then(|actor| self.actors.get_mut(&actor)) {
                actor.life = Life::Idle;
            }
        }
        self.units.get_mut(&id).expect("just found").waiters.extend(readers);
        self.make_again(id);
    }

    /// Runs the task of a lost object, and those of objects that it reads and that are gone too.
    pub(super) fn make_again(&mut self, id: UnitId) {
        let mut again = vec![id];
        while let Some(id) = again.pop() {
            // Who asked for it may have failed meanwhile, for want of another object.
            let Some(unit) = self.units.get(&id).filter(|unit| unit.is_over()) else { continue };
            if let Some(stream) = unit.item_of {
                let unit = self.units.get_mut(&id).expect("known");
                unit.phase = Phase::Waiting;
                match self.units.contains_key(&stream) {
                    true => again.push(stream),
                    false => self.cannot_be_made(id, "its stream is forgotten"),
                }
                continue;
            }
            if let Some(why) = unit.rootless {
                self.cannot_be_made(id, why);
                continue;
            }
            if let Phase::Failed(failure) = unit.phase.clone() {
                self.cannot_be_made(id, &failure.message);
                continue;
            }
            let (session, sources) = (unit.session, unit.sources.clone());
            if self.is_ending(session) {
                self.cannot_be_made(id, "its session has ended");
                continue;
            }
            let unit = self.units.get_mut(&id).expect("known");
            unit.replay = true;
            unit.phase = Phase::Waiting;
            if std::mem::replace(&mut unit.counted, false) {
                self.sessions.get_mut(&session).expect("it goes on").units_left += 1;
            }
            let unit = self.units.get_mut(&id).expect("known");
            if std::mem::replace(&mut unit.settled, false) {
                for source in &sources {
                    self.units.get_mut(source).expect("lineage keeps sources").readers += 1;
                }
            }
            again.extend(sources.iter().filter(|source| !self.units[source].held));
            self.await_sources(id);
        }
    }

    fn cannot_be_made(&mut self, id: UnitId, why: &str) {
        let unit = self.units.get_mut(&id).expect("known");
        unit.phase = Phase::Waiting;
        let message = format!("its object was lost and cannot be made again: {why}");
        self.give_up(id, Failure::new(FailureKind::Host, message));
    }

    /// A stream's next object. One that was given before is only put back where it was lost.
    pub(super) fn emitted(&mut self, stream: UnitId, index: usize, item: UnitId) {
        let Some(unit) = self.units.get_mut(&stream) else {
            return self.effects.push(Effect::Release(item));
        };
        if let Some(there) = unit.items.get(index).copied() {
            if let Some(unit) = self.units.get_mut(&there).filter(|unit| !unit.is_over()) {
                unit.phase = Phase::Done;
                self.effects.push(Effect::Resolved { unit: there, result: Ok(()) });
                self.now_held(there);
                self.release_if_unneeded(there);
            }
            return;
        }
        unit.items.push(item);
        unit.lineage += 1;
        let stage = unit.stage.clone();
        let new = Unit {
            phase: Phase::Done,
            held: true,
            counted: true,
            settled: true,
            item_of: Some(stream),
            ..Unit::new(unit.session, stage, unit.need, unit.retry.clone())
        };
        self.units.insert(item, new);
        self.effects.push(Effect::ItemResolved { unit: stream, item });
    }

    /// Where a stream's object of this index goes: nowhere if it was given before and is not missed.
    #[must_use]
    pub fn item(&self, stream: UnitId, index: usize) -> Item {
        let before = self.units.get(&stream).and_then(|unit| unit.items.get(index));
        match before {
            None => Item::New,
            Some(item) if self.units.get(item).is_some_and(|unit| !unit.is_over()) => {
                Item::Again(*item)
            }
            Some(_) => Item::Nowhere,
        }
    }

    /// Drops units that nobody can ask for, and those that were kept only for their sake.
    pub(super) fn forget_if_unneeded(&mut self, id: UnitId) {
        let mut looked_at = vec![id];
        while let Some(id) = looked_at.pop() {
            let Some(unit) = self.units.get(&id) else { continue };
            let needed = unit.wanted
                || unit.held
                || unit.readers > 0
                || unit.lineage > 0
                || unit.saving > 0
                || unit.logged
                || !unit.settled
                || !unit.is_over();
            if needed {
                continue;
            }
            let unit = self.units.remove(&id).expect("just found");
            for source in unit.sources.iter().chain(&unit.item_of) {
                if let Some(source) = self.units.get_mut(source) {
                    source.lineage -= 1;
                }
            }
            looked_at.extend(unit.sources);
            looked_at.extend(unit.item_of);
            self.effects.push(Effect::Forget(id));
        }
    }
}
