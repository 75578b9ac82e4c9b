//! A run's events as what the simulator replays: times, costs and failures of its busiest actor.

use std::collections::BTreeMap;

use mobula_adaptive::Cost;
use mobula_adaptive::simulate::RecordedRun;
use mobula_contract::{EventBody, RunEvent};

/// How much of its speed an actor loses while a checkpoint is written, where nothing measured it: what
/// the controller takes before it has seen any.
const SLOWDOWN: f64 = 0.4;

/// What a run has shown of one actor.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Recorded {
    /// Its name.
    pub(crate) actor: String,
    pub(crate) run: RecordedRun,
}

/// One actor while events are read.
#[derive(Debug, Default)]
struct Seen {
    /// Calls by stage and index, in the order of their first end; a call counts once.
    calls: Vec<(String, u32)>,
    units_s: Vec<f64>,
    begun_s: Option<f64>,
    failures_s: Vec<f64>,
    down_since_s: Option<f64>,
    downtimes_s: Vec<f64>,
    saves: Vec<(f64, f64)>,
}

impl Seen {
    fn lost(&mut self, at_s: f64) {
        if self.begun_s.is_some() && self.down_since_s.is_none() {
            self.failures_s.push(at_s);
            self.down_since_s = Some(at_s);
        }
    }

    fn works(&mut self, at_s: f64) {
        self.begun_s.get_or_insert(at_s);
        if let Some(since_s) = self.down_since_s.take() {
            self.downtimes_s.push(at_s - since_s);
        }
    }
}

/// The actor of a run that worked longest; `None` when no actor finished a call. Downtimes are taken
/// with the restore in them, as the events do not tell them apart.
pub(crate) fn recorded(events: &[RunEvent]) -> Option<Recorded> {
    let mut seen: BTreeMap<&str, Seen> = BTreeMap::new();
    let mut at_worker: BTreeMap<&str, &str> = BTreeMap::new();
    let mut before_s = 0.0;
    for event in events {
        match &event.body {
            // The process before died after its last event: with it all its actors.
            EventBody::RunStarted { resumed: true, .. } => {
                seen.values_mut().for_each(|actor| actor.lost(before_s));
            }
            EventBody::ActorStarted { actor, worker, .. } => {
                at_worker.insert(worker, actor);
                seen.entry(actor).or_default();
            }
            EventBody::ActorLost { actor, .. } => {
                seen.entry(actor).or_default().lost(event.at_s);
            }
            EventBody::StageStarted { worker, on_actor: true, .. } => {
                if let Some(actor) = at_worker.get(worker.as_str()) {
                    seen.entry(actor).or_default().works(event.at_s);
                }
            }
            EventBody::StageFinished { stage, worker, runtime_s, .. } => {
                let actor = at_worker.get(worker.as_str()).and_then(|actor| seen.get_mut(actor));
                let call = (stage.name.clone(), stage.index);
                if let Some(actor) = actor
                    && !actor.calls.contains(&call)
                {
                    actor.calls.push(call);
                    actor.units_s.push(*runtime_s);
                }
            }
            EventBody::CheckpointSaved { checkpoint, actor: Some(actor) } => {
                let behind_s = (checkpoint.total_s - checkpoint.blocking_s).max(0.0);
                seen.entry(actor).or_default().saves.push((checkpoint.blocking_s, behind_s));
            }
            _ => {}
        }
        before_s = event.at_s;
    }
    let busy_s = |actor: &Seen| actor.units_s.iter().sum::<f64>();
    let (actor, seen) = seen
        .into_iter()
        .filter(|(_, actor)| !actor.units_s.is_empty())
        .max_by(|(_, one), (_, other)| busy_s(one).total_cmp(&busy_s(other)))?;
    let begun_s = seen.begun_s.unwrap_or(0.0);
    let run = RecordedRun {
        cost: Cost {
            blocking_s: mean(seen.saves.iter().map(|save| save.0)),
            background_s: mean(seen.saves.iter().map(|save| save.1)),
            slowdown: SLOWDOWN,
        },
        restore_s: 0.0,
        downtime_s: mean(seen.downtimes_s.iter().copied()),
        failures_s: seen.failures_s.iter().map(|at_s| at_s - begun_s).collect(),
        units_s: seen.units_s,
    };
    Some(Recorded { actor: actor.to_owned(), run })
}

/// Zero of nothing.
fn mean(values: impl Iterator<Item = f64>) -> f64 {
    let (count, sum) = values.fold((0.0, 0.0), |(count, sum), value| (count + 1.0, sum + value));
    if count > 0.0 { sum / count } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use mobula_contract::StageRef;

    use super::*;

    fn call(index: u32) -> StageRef {
        StageRef { name: "train".to_owned(), index, repeated: true }
    }

    #[test]
    fn failures_and_units_of_a_run_are_found_in_its_events() {
        let worker = "a0".to_owned();
        let started = |at_s, index| RunEvent {
            at_s,
            body: EventBody::StageStarted {
                stage: call(index),
                worker: worker.clone(),
                attempt: 1,
                on_actor: true,
                replay: false,
            },
        };
        let finished = |at_s, index| RunEvent {
            at_s,
            body: EventBody::StageFinished {
                stage: call(index),
                worker: worker.clone(),
                attempt: 1,
                runtime_s: 2.0,
                outputs: Vec::new(),
                receipt: None,
            },
        };
        let stands = |at_s, restarts| RunEvent {
            at_s,
            body: EventBody::ActorStarted {
                actor: "trainer".to_owned(),
                worker: worker.clone(),
                restarts,
            },
        };
        let resumed =
            RunEvent { at_s: 20.0, body: EventBody::RunStarted { workers: 1, resumed: true } };
        let events = [
            stands(1.0, 0),
            started(1.0, 0),
            finished(3.0, 0),
            started(3.0, 1),
            resumed,
            stands(21.0, 1),
            started(21.0, 0),
            finished(23.0, 0),
            started(23.0, 1),
            finished(25.0, 1),
        ];
        let found = recorded(&events).unwrap();
        assert_eq!(found.actor, "trainer");
        assert_eq!(found.run.units_s, [2.0, 2.0]);
        assert_eq!(found.run.failures_s, [2.0]);
        assert_eq!(found.run.downtime_s, 18.0);
        assert!(recorded(&events[..2]).is_none());
    }
}
