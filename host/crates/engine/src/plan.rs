//! A pipeline laid out as units, as far as it is known how many there are: what each reads, and the
//! order of calls on each actor. From it follows what a second process need not run again.

use std::collections::{BTreeMap, BTreeSet};

use mobula_contract::{
    CheckpointId, ForeachOver, InputRef, Object, Pipeline, StageKind, StageRef, StageSpec,
};

/// What an earlier process left of a run.
#[derive(Debug, Clone, Default)]
pub struct Left {
    /// An earlier process had begun; otherwise only states are given from outside.
    pub begun: bool,
    /// It stopped because its user wanted it to.
    pub by_user: bool,
    /// Units that had finished: their object where it can be had without running them, and the seconds
    /// that they ran.
    pub finished: BTreeMap<StageRef, (Option<Object>, f64)>,
    /// Stages with `foreach`: how many units are known, and whether those are all.
    pub expanded: BTreeMap<String, (u32, bool)>,
    /// Valid checkpoints of each actor: name and calls contained, in order of position.
    pub states: BTreeMap<String, Vec<(CheckpointId, usize)>>,
    /// Starts of each actor after its first.
    pub restarts: BTreeMap<String, u32>,
}

#[derive(Debug)]
struct PlanUnit {
    stage: StageRef,
    sources: Vec<usize>,
    /// On an actor: which, and the how-manieth call of it.
    call: Option<(usize, usize)>,
    /// Others read what it gives one after another, which nobody keeps: it runs again for any of them.
    streams: bool,
    /// It is not known yet how often it is read.
    unread: bool,
}

/// What of an earlier process's work is used.
#[derive(Debug, Default)]
pub(crate) struct Resume {
    /// Units that are not run again.
    pub(crate) kept: BTreeSet<StageRef>,
    /// For each actor, how many of its checkpoints are used (the last of them is restored).
    pub(crate) states: BTreeMap<String, usize>,
}

/// How many units a stage has, if that is known before it runs.
pub(crate) fn known_count(stage: &StageSpec) -> Option<u32> {
    match &stage.foreach {
        None => Some(stage.repeat.unwrap_or(1)),
        Some(foreach) => match &foreach.over {
            ForeachOver::List { values } => u32::try_from(values.len()).ok(),
            ForeachOver::Field { .. } | ForeachOver::Stream { .. } => None,
        },
    }
}

fn lay_out(pipeline: &Pipeline, left: &Left) -> Vec<PlanUnit> {
    let count = |stage: &StageSpec| {
        let expanded = left.expanded.get(&stage.name).map_or(0, |(count, _)| *count);
        known_count(stage).unwrap_or(expanded)
    };
    let mut first: BTreeMap<&str, (usize, u32)> = BTreeMap::new();
    let mut total = 0;
    for stage in &pipeline.stages {
        first.insert(&stage.name, (total, count(stage)));
        total += count(stage) as usize;
    }
    let of = |source: &InputRef| -> Vec<usize> {
        let (at, count) = first[source.stage.as_str()];
        let all = |count: u32| (0..count as usize).map(|i| at + i).collect();
        let from = pipeline.stage(&source.stage).expect("a checked pipeline");
        match source.index {
            Some(index) if index < count => vec![at + index as usize],
            None if from.foreach.is_some() => all(count),
            None if count > 0 => vec![at + count as usize - 1],
            _ => Vec::new(),
        }
    };
    let mut calls = vec![0; pipeline.actors.len()];
    let mut units = Vec::with_capacity(total);
    for stage in &pipeline.stages {
        let mut sources: Vec<usize> = stage.inputs.values().flat_map(of).collect();
        match stage.foreach.as_ref().map(|foreach| &foreach.over) {
            Some(ForeachOver::Field { from }) => sources.extend(of(from)),
            Some(ForeachOver::Stream { stage }) => sources.push(first[stage.as_str()].0),
            Some(ForeachOver::List { .. }) | None => {}
        }
        sources.sort_unstable();
        sources.dedup();
        for index in 0..count(stage) {
            let call = match &stage.kind {
                StageKind::Task { .. } => None,
                StageKind::Method { actor, .. } => {
                    let at = pipeline.actors.iter().position(|a| a.name == *actor);
                    let at = at.expect("a checked pipeline");
                    calls[at] += 1;
                    Some((at, calls[at] - 1))
                }
            };
            let (name, repeated) = (stage.name.clone(), stage.is_repeated());
            let stage = StageRef { name, index, repeated };
            let (sources, streams, unread) = (sources.clone(), false, false);
            units.push(PlanUnit { stage, sources, call, streams, unread });
        }
    }
    for stage in &pipeline.stages {
        if let Some(ForeachOver::Stream { stage: from }) = stage.foreach.as_ref().map(|f| &f.over) {
            let whole = left.expanded.get(&stage.name).is_some_and(|(_, whole)| *whole);
            let stream = &mut units[first[from.as_str()].0];
            stream.streams = true;
            stream.unread |= !whole;
        }
    }
    units
}

/// The calls of each actor that an earlier process had ended, and the one under way or next.
pub(crate) fn calls_of(pipeline: &Pipeline, left: &Left, actor: &str) -> Vec<StageRef> {
    let at = pipeline.actors.iter().position(|other| other.name == actor);
    let units = lay_out(pipeline, left);
    let own = units.into_iter().filter(|unit| unit.call.map(|(on, _)| on) == at);
    own.map(|unit| unit.stage).collect()
}

impl Resume {
    /// Starts from the newest checkpoint of each actor, and from older ones where an output that is
    /// still needed could not be had otherwise.
    pub(crate) fn new(pipeline: &Pipeline, left: &Left) -> Self {
        let units = lay_out(pipeline, left);
        let counts = pipeline.actors.iter().map(|a| left.states.get(&a.name).map_or(0, Vec::len));
        let mut states: Vec<usize> = counts.collect();
        loop {
            let positions: Vec<usize> = (0..states.len())
                .map(|i| match states[i] {
                    0 => 0,
                    used => left.states[&pipeline.actors[i].name][used - 1].1,
                })
                .collect();
            match settle(&units, left, &positions) {
                Ok(kept) => {
                    let names = pipeline.actors.iter().map(|actor| actor.name.clone());
                    return Self { kept, states: names.zip(states).collect() };
                }
                Err(actor) => states[actor] -= 1,
            }
        }
    }
}

/// Units to keep; or an actor whose checkpoint is too new.
fn settle(
    units: &[PlanUnit],
    left: &Left,
    positions: &[usize],
) -> Result<BTreeSet<StageRef>, usize> {
    let finished = |i: usize| left.finished.get(&units[i].stage);
    let runs_anyway = |i: usize| match units[i].call {
        Some((actor, call)) => call >= positions[actor],
        None => finished(i).is_none() || units[i].unread,
    };
    let mut runs: Vec<bool> = (0..units.len()).map(runs_anyway).collect();
    let mut todo: Vec<usize> = (0..units.len()).filter(|i| runs[*i]).collect();
    while let Some(i) = todo.pop() {
        for source in units[i].sources.iter().copied() {
            let kept = finished(source).is_some_and(|(object, _)| object.is_some());
            if runs[source] || kept && !units[source].streams {
                continue;
            }
            if let Some((actor, _)) = units[source].call {
                return Err(actor);
            }
            runs[source] = true;
            todo.push(source);
        }
    }
    let kept = (0..units.len()).filter(|i| !runs[*i]);
    Ok(kept.map(|i| units[i].stage.clone()).collect())
}
