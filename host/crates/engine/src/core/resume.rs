//! Takes up a run that an earlier process began: what is finished, what can be restored, what must
//! be computed again.

use std::collections::BTreeMap;

use mobula_contract::CheckpointId;

use super::Core;
use super::state::{ActorId, Durable};
use crate::plan::{Plan, UnitId};

/// What an earlier process left.
#[derive(Debug, Clone, Default)]
pub struct Left {
    /// Finished units: whether their output can be had without running them, and their runtime.
    pub finished: BTreeMap<UnitId, (bool, f64)>,
    /// Valid checkpoints of each actor: name and calls contained, in order of position.
    pub states: BTreeMap<ActorId, Vec<(CheckpointId, usize)>>,
    /// Restarts of each actor before.
    pub restarts: BTreeMap<ActorId, u32>,
}

/// What the next process does with it.
#[derive(Debug, Clone, PartialEq)]
pub struct Resume {
    /// Units that are not run again; true when their output must be loaded first.
    pub kept: BTreeMap<UnitId, bool>,
    /// For each actor, how many of its checkpoints are used (the last of them is restored).
    pub states: Vec<usize>,
}

impl Resume {
    /// Starts from the newest checkpoint of each actor, and from older ones where an output that is
    /// still needed could not be had otherwise.
    #[must_use]
    pub fn new(plan: &Plan, left: &Left) -> Self {
        let count = |actor: usize| left.states.get(&ActorId(actor)).map_or(0, Vec::len);
        let mut states: Vec<usize> = (0..plan.actors.len()).map(count).collect();
        loop {
            match settle(plan, left, &states) {
                Ok(kept) => return Self { kept, states },
                Err(actor) => states[actor] -= 1,
            }
        }
    }
}

fn position(left: &Left, states: &[usize], actor: usize) -> usize {
    let used = states[actor].checked_sub(1);
    used.map_or(0, |i| left.states[&ActorId(actor)][i].1)
}

/// Units to keep; or an actor whose checkpoint is too new.
fn settle(plan: &Plan, left: &Left, states: &[usize]) -> Result<BTreeMap<UnitId, bool>, usize> {
    let runs_anyway = |i: usize| match plan.units[i].call {
        Some((actor, call)) => call >= position(left, states, actor),
        None => !left.finished.contains_key(&UnitId(i)),
    };
    let mut runs: Vec<bool> = (0..plan.units.len()).map(runs_anyway).collect();
    let mut needed = vec![false; plan.units.len()];
    let mut todo: Vec<usize> = (0..plan.units.len()).filter(|i| runs[*i]).collect();
    while let Some(i) = todo.pop() {
        for source in &plan.units[i].sources {
            needed[source.0] = true;
            if runs[source.0] || left.finished.get(source).is_some_and(|(held, _)| *held) {
                continue;
            }
            if let Some((actor, _)) = plan.unit(*source).call {
                return Err(actor);
            }
            runs[source.0] = true;
            todo.push(source.0);
        }
    }
    let kept = (0..plan.units.len()).filter(|i| !runs[*i]);
    Ok(kept.map(|i| (UnitId(i), needed[i])).collect())
}

impl Core {
    /// Takes up an earlier process's run, before the first event.
    pub fn resume(&mut self, left: &Left, resume: &Resume) {
        for (id, (_, runtime_s)) in &left.finished {
            self.units[id.0].runtime_s = *runtime_s;
            self.units[id.0].replay = !resume.kept.contains_key(id);
        }
        for (id, held) in &resume.kept {
            let state = &mut self.units[id.0];
            state.done = true;
            state.held = *held;
            self.units_left -= 1;
        }
        for actor in (0..self.actors.len()).map(ActorId) {
            let durables =
                left.states.get(&actor).map_or(&[][..], |all| &all[..resume.states[actor.0]]);
            let calls = self.plan.actors[actor.0].calls.clone();
            let state = &mut self.actors[actor.0];
            state.durables = durables
                .iter()
                .map(|(id, position)| Durable { id: id.clone(), position: *position })
                .collect();
            state.next = state.durable_position();
            state.restarts = left.restarts.get(&actor).copied().unwrap_or(0);
            let position = state.next;
            let begun = calls.iter().take_while(|unit| left.finished.contains_key(unit)).count();
            if begun > 0 || position > 0 {
                self.actors[actor.0].restarts += 1;
                let failed = calls[begun.min(calls.len() - 1)];
                self.record_recovery(actor, failed, position);
            }
        }
        for id in resume.kept.keys() {
            self.settle(*id);
        }
    }
}
