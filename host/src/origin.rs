//! States that a run begins from: checkpoints of other runs, imported ones, or files of weights.

use std::collections::BTreeMap;
use std::path::Path;

use mobula_contract::{ActorSource, CheckpointId, Pipeline, RunId};
use mobula_engine::Left;
use mobula_store::{NewCheckpoint, Retention, Store};

use crate::args::From;
use crate::exit::{Ended, Exit};
use crate::{home, native};

/// The stage that such a checkpoint is said to be taken after.
const BEFORE_ALL: &str = "start";

/// The state of each actor that does not begin anew, read and checked: a checkpoint, or a file.
pub(crate) fn read(
    store: &Store,
    pipeline: &Pipeline,
    from: &[From],
) -> anyhow::Result<BTreeMap<String, Vec<u8>>> {
    read_from(pipeline, from, &|place| match Path::new(place).is_file() {
        true => std::fs::read(place)
            .map_err(|e| Ended::error(Exit::Invalid, format!("cannot read {place}: {e}"))),
        false => kept(store, place),
    })
}

/// The same for who may name no files: a checkpoint.
pub(crate) fn read_kept(
    store: &Store,
    pipeline: &Pipeline,
    from: &[From],
) -> anyhow::Result<BTreeMap<String, Vec<u8>>> {
    read_from(pipeline, from, &|place| kept(store, place))
}

fn kept(store: &Store, place: &str) -> anyhow::Result<Vec<u8>> {
    let row = store.find_checkpoint(place).map_err(home::coded)?;
    store.load_checkpoint(&row.id).map_err(home::coded)
}

fn read_from(
    pipeline: &Pipeline,
    from: &[From],
    read: &dyn Fn(&str) -> anyhow::Result<Vec<u8>>,
) -> anyhow::Result<BTreeMap<String, Vec<u8>>> {
    let mut states = BTreeMap::new();
    for From { actor, place } in from {
        let invalid = |why: String| Ended::error(Exit::Invalid, format!("--from {actor}: {why}"));
        let Some(spec) = pipeline.actors.iter().find(|spec| spec.name == *actor) else {
            let names: Vec<&str> = pipeline.actors.iter().map(|spec| spec.name.as_str()).collect();
            return Err(invalid(format!("no such actor: there is {}", names.join(", "))));
        };
        let state = read(place)?;
        if let ActorSource::Native { class } = &spec.source {
            native::check_state(class, spec, &state).map_err(|e| invalid(e.to_string()))?;
        }
        if states.insert(actor.clone(), state).is_some() {
            return Err(invalid("said twice".to_owned()));
        }
    }
    Ok(states)
}

/// Makes the states part of the run, so that it can be resumed whatever becomes of where they came from.
pub(crate) fn enter(
    store: &Store,
    run: &RunId,
    states: &BTreeMap<String, Vec<u8>>,
) -> anyhow::Result<Option<Left>> {
    let mut left = Left::default();
    for (number, (actor, bytes)) in (1..).zip(states) {
        let id = CheckpointId::new(run, number);
        let new = NewCheckpoint {
            id: &id,
            run: Some(run),
            name: None,
            stage: BEFORE_ALL,
            index: 0,
            actor: Some(actor),
            position: 0,
            metric: None,
            // Without it a resume would begin with another state.
            pinned: true,
            bytes,
        };
        store.save_checkpoint(&new, &Retention::default()).map_err(home::coded)?;
        left.states.insert(actor.clone(), vec![(id, 0)]);
    }
    Ok((!states.is_empty()).then_some(left))
}
