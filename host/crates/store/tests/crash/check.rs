//! What must be true of a store that was opened after something bad.

use std::collections::BTreeMap;

use mobula_contract::RunId;
use mobula_store::{Store, StoreError};

use crate::world::{Kept, Seen, Who, pipeline, save_one};

/// Compares a store with what was acknowledged before an act (`least`, without what the act may remove)
/// and what there may be after it (`most`). Gives what is wrong, in words.
pub(crate) fn check(store: &Store, least: &Seen, most: &Seen) -> Result<(), String> {
    let said = |what: &'static str| move |e: StoreError| format!("{what}: {e}");
    store.check().map_err(said("integrity"))?;
    let rows = store.checkpoints(None).map_err(said("list of checkpoints"))?;
    let mut newest: BTreeMap<(RunId, String), &Kept> = BTreeMap::new();
    for row in &rows {
        let id = row.id.as_str();
        let kept =
            most.checkpoints.get(id).ok_or(format!("{id} was never saved, or is retired"))?;
        if let Some(why) = &row.damaged {
            return Err(format!("{id} is set aside: {why}"));
        }
        let bytes = store.load_checkpoint(&row.id).map_err(said("load"))?;
        if bytes != kept.bytes() || row.position != kept.number {
            return Err(format!("{id} has other bytes than were saved"));
        }
        let entry = newest.entry((kept.run.clone(), format!("{:?}", kept.who))).or_insert(kept);
        if entry.number < kept.number {
            *entry = kept;
        }
    }
    let there = |id: &String| rows.iter().any(|row| row.id.as_str() == id);
    if let Some(lost) = least.checkpoints.keys().find(|id| !there(id)) {
        return Err(format!("{lost} was acknowledged and is not there"));
    }
    for kept in newest.values() {
        let found = store.newest_valid(&kept.run, kept.who.subject()).map_err(said("newest"))?;
        let number = found.found.map(|(row, _)| row.position);
        if number != Some(kept.number) {
            return Err(format!("the newest of {:?} is {number:?}, not {}", kept.who, kept.number));
        }
    }
    events(store, least, most)
}

fn events(store: &Store, least: &Seen, most: &Seen) -> Result<(), String> {
    let runs = store.runs().map_err(|e| format!("list of runs: {e}"))?;
    if let Some(lost) = least.runs.keys().find(|id| !runs.iter().any(|row| row.run == **id)) {
        return Err(format!("run {lost} was entered and is not there"));
    }
    for row in runs {
        let all = most.runs.get(&row.run).ok_or(format!("run {} was never entered", row.run))?;
        let found = store.events(&row.run, 0).map_err(|e| format!("events: {e}"))?;
        let numbers = found.iter().map(|(number, _)| *number);
        if !numbers.eq(1..=found.len() as u64) {
            return Err(format!("run {}: the numbers of its events have a gap", row.run));
        }
        let counts = [least.runs.get(&row.run).map_or(0, Vec::len), all.len()];
        let loose = most.loose.contains(&row.run) && found.len() > counts[0];
        if !counts.contains(&found.len()) && !loose {
            return Err(format!("run {} has {} events, not {counts:?}", row.run, found.len()));
        }
        if !found.iter().map(|(_, event)| event).eq(&all[..found.len()]) {
            return Err(format!("run {} has other events than were appended", row.run));
        }
        let found = store.run_pipeline(&row.run).map_err(|e| format!("pipeline: {e}"))?;
        if found != pipeline() {
            return Err(format!("run {} has another pipeline", row.run));
        }
    }
    Ok(())
}

/// That a store goes on: one more checkpoint and one more event.
pub(crate) fn usable(store: &Store, most: &Seen) -> Result<(), String> {
    let Some(run) = store.runs().map_err(|e| e.to_string())?.into_iter().next() else {
        return Ok(());
    };
    let number = 1_000_000 + most.checkpoints.len() as u64;
    let (run, who) = (run.run, Who::Trainer);
    let kept = Kept { run, who, number, len: 5_000, seed: number };
    save_one(store, &kept, 2).map_err(|e| format!("a save afterwards: {e}"))?;
    let newest = store.newest_valid(&kept.run, who.subject()).map_err(|e| e.to_string())?;
    match newest.found {
        Some((row, bytes)) if row.position == number && bytes == kept.bytes() => Ok(()),
        other => Err(format!("a save afterwards is not found, but {:?}", other.map(|o| o.0))),
    }
}
