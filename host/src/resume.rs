//! What an earlier process left of a run, from its events and checkpoints: finished units, outputs that
//! can be had, states of actors.

use std::collections::{BTreeMap, HashMap};

use mobula_contract::{
    CheckpointId, EventBody, Object, OutputNote, Pipeline, RunEvent, RunId, StageRef, Value,
    decode_object,
};
use mobula_engine::{ActorId, Left, Plan, Resume, UnitId};
use mobula_store::{Store, Subject};

/// Everything that a second process starts from.
pub(crate) fn take_up(
    store: &Store,
    run: &RunId,
    pipeline: &Pipeline,
    events: &[RunEvent],
) -> anyhow::Result<(Left, Resume, HashMap<UnitId, Object>)> {
    let plan = Plan::new(pipeline);
    let units: HashMap<&StageRef, UnitId> =
        plan.units.iter().enumerate().map(|(i, unit)| (&unit.stage, UnitId(i))).collect();
    let mut left = Left::default();
    let mut outputs: HashMap<UnitId, Object> = HashMap::new();
    let mut restarts: BTreeMap<&str, u32> = BTreeMap::new();
    for event in events {
        match &event.body {
            EventBody::StageFinished { stage, outputs: notes, runtime_s, .. } => {
                let Some(id) = units.get(stage) else { continue };
                let object = inlined(notes);
                left.finished.insert(*id, (object.is_some(), *runtime_s));
                outputs.extend(object.map(|object| (*id, object)));
            }
            EventBody::ActorStarted { actor, restarts: count, .. } => {
                restarts.insert(actor, *count);
            }
            _ => {}
        }
    }
    for (id, finished) in &mut left.finished {
        let unit = plan.unit(*id);
        if finished.0 || unit.call.is_some() {
            continue;
        }
        let subject = Subject::Output(&unit.stage.name, unit.stage.index);
        if let Some((_, bytes)) = store.newest_valid(run, subject)? {
            outputs.insert(*id, decode_object(&bytes)?);
            finished.0 = true;
        }
    }
    let rows = store.checkpoints(Some(run))?;
    for (i, actor) in pipeline.actors.iter().enumerate() {
        let good = rows.iter().rev().filter(|row| {
            row.actor.as_deref() == Some(&actor.name)
                && row.damaged.is_none()
                && store.load_checkpoint(&row.id).is_ok()
        });
        let good = good.map(|row| (row.id.clone(), usize::try_from(row.position).unwrap_or(0)));
        left.states.insert(ActorId(i), good.collect());
        let count = restarts.get(actor.name.as_str()).copied().unwrap_or(0);
        left.restarts.insert(ActorId(i), count);
    }
    let resume = Resume::new(&plan, &left);
    outputs.retain(|id, _| resume.kept.get(id) == Some(&true));
    Ok((left, resume, outputs))
}

/// The number of the run's last checkpoint, so that no name is given twice.
pub(crate) fn last_number(store: &Store, run: &RunId, events: &[RunEvent]) -> anyhow::Result<u64> {
    let said = events.iter().filter_map(|event| match &event.body {
        EventBody::CheckpointSaved { checkpoint, .. } => Some(checkpoint.id.clone()),
        EventBody::CheckpointFailed { id, .. } => Some(id.clone()),
        _ => None,
    });
    let kept = store.checkpoints(Some(run))?.into_iter().map(|row| row.id);
    let number = |id: CheckpointId| id.as_str().rsplit('-').next()?.parse().ok();
    Ok(said.chain(kept).filter_map(number).max().unwrap_or(0))
}

/// The output itself, where the event holds the whole of it.
fn inlined<'a, I>(notes: I) -> Option<Object>
where
    I: IntoIterator<Item = &'a (String, OutputNote)>,
{
    let mut object = Object::default();
    for (name, note) in notes {
        let OutputNote::Json { value } = note else { return None };
        object = object.with(name, Value::Json(value.clone()));
    }
    Some(object)
}
