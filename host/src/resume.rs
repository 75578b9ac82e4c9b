//! What an earlier process left of a run, from its events and checkpoints: finished units, outputs that
//! can be had, states of actors.

use mobula_contract::{
    CheckpointId, EventBody, Object, OutputNote, Pipeline, RunEvent, RunId, RunStatus, StageKind,
    Value, decode_object,
};
use mobula_engine::Left;
use mobula_store::{SetAside, Store, Subject};

/// Everything that a second process starts from. `tell` learns of each checkpoint that would be used, were
/// it not damaged.
pub(crate) fn take_up(
    store: &Store,
    run: &RunId,
    pipeline: &Pipeline,
    events: &[RunEvent],
    tell: &mut dyn FnMut(&SetAside),
) -> anyhow::Result<Left> {
    let by_user = events.last().is_some_and(|event| {
        matches!(event.body, EventBody::RunEnded { status: RunStatus::Interrupted, .. })
    });
    let mut left = Left { begun: true, by_user, ..Left::default() };
    for event in events {
        match &event.body {
            EventBody::StageFinished { stage, outputs, runtime_s, .. } => {
                left.finished.insert(stage.clone(), (inlined(outputs), *runtime_s));
            }
            EventBody::Expanded { stage, count, whole } => {
                let entry = left.expanded.entry(stage.clone()).or_default();
                *entry = (entry.0.max(*count), entry.1 || *whole);
            }
            EventBody::ActorStarted { actor, restarts, .. } => {
                left.restarts.insert(actor.clone(), *restarts);
            }
            _ => {}
        }
    }
    for (stage, (object, _)) in &mut left.finished {
        let spec = pipeline.stage(&stage.name);
        let is_task = spec.is_some_and(|spec| matches!(spec.kind, StageKind::Task { .. }));
        if object.is_some() || !is_task {
            continue;
        }
        let subject = Subject::Output(&stage.name, stage.index);
        let newest = store.newest_valid(run, subject)?;
        newest.set_aside.iter().for_each(&mut *tell);
        if let Some((_, bytes)) = newest.found {
            *object = Some(decode_object(&bytes)?);
        }
    }
    let rows = store.checkpoints(Some(run))?;
    for actor in &pipeline.actors {
        let mut good = Vec::new();
        for row in rows.iter().filter(|row| row.actor.as_deref() == Some(&actor.name)) {
            let damaged = match &row.damaged {
                Some(reason) => Some(reason.clone()),
                None => store.check_checkpoint(&row.id).err().map(|e| e.to_string()),
            };
            match damaged {
                None => {
                    let position = usize::try_from(row.position).unwrap_or(0);
                    good.push((row.id.clone(), position));
                }
                Some(reason) if good.is_empty() => {
                    tell(&SetAside { id: row.id.clone(), reason });
                }
                Some(_) => {}
            }
        }
        good.reverse();
        left.states.insert(actor.name.clone(), good);
    }
    Ok(left)
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
