//! Checks how the stages of a pipeline hang together: names, sources, cycles, order on an actor.

use std::collections::BTreeMap;

use crate::pipeline::{ForeachOver, InputRef, Pipeline, StageKind, StageSpec};
use crate::pipeline_file::{UNITS_MAX, doubles};
use crate::pipeline_node::{Found, Node, suggest};

pub(crate) fn check_graph(
    pipeline: &Pipeline,
    stage_nodes: &[Node],
    actor_nodes: &[Node],
    problems: &mut Vec<Found>,
) {
    for i in doubles(pipeline.stages.iter().map(|stage| stage.name.as_str())) {
        let message = format!("two stages are called `{}`", pipeline.stages[i].name);
        problems.push(Found { offset: stage_nodes[i].offset, message });
    }
    for i in doubles(pipeline.actors.iter().map(|actor| actor.name.as_str())) {
        let message = format!("two actors are called `{}`", pipeline.actors[i].name);
        problems.push(Found { offset: actor_nodes[i].offset, message });
    }
    let units: u64 = pipeline.stages.iter().map(|s| u64::from(s.repeat.unwrap_or(1))).sum();
    if units > UNITS_MAX {
        let message = format!(
            "the pipeline has {units} stages, repetitions counted; {UNITS_MAX} are allowed"
        );
        problems.push(Found { offset: Some(0), message });
    }
    for (stage, node) in pipeline.stages.iter().zip(stage_nodes) {
        check_actor(pipeline, stage, node, problems);
        for (field, source) in &stage.inputs {
            let offset =
                node.get("inputs").and_then(|n| n.get(field)).map_or(node.offset, |n| n.offset);
            let what = format!("input `{field}` of stage `{}`", stage.name);
            if let Err(message) = check_source(pipeline, &what, source) {
                problems.push(Found { offset, message });
            }
        }
        let offset = node.get("foreach").map_or(node.offset, |node| node.offset);
        if let Err(message) = check_foreach(pipeline, stage) {
            problems.push(Found { offset, message });
        }
    }
    if let Some(cycle) = find_cycle(pipeline) {
        let at = pipeline.stages.iter().position(|stage| stage.name == cycle[0]);
        let message = format!(
            "stages wait for each other: {} → {}; on one actor, calls keep the order of the file",
            cycle.join(" → "),
            cycle[0]
        );
        problems.push(Found { offset: at.and_then(|i| stage_nodes[i].offset), message });
    }
}

fn check_actor(pipeline: &Pipeline, stage: &StageSpec, node: &Node, problems: &mut Vec<Found>) {
    let StageKind::Method { actor, .. } = &stage.kind else { return };
    if actor.is_empty() || pipeline.actor(actor).is_some() {
        return;
    }
    let hint = suggest(actor, pipeline.actors.iter().map(|actor| actor.name.as_str()));
    let message =
        format!("stage `{}` calls actor `{actor}`, which the file does not have{hint}", stage.name);
    let offset = node.get("actor").map_or(node.offset, |n| n.offset);
    problems.push(Found { offset, message });
}

fn check_foreach(pipeline: &Pipeline, stage: &StageSpec) -> Result<(), String> {
    let what = format!("`foreach` of stage `{}`", stage.name);
    match stage.foreach.as_ref().map(|foreach| &foreach.over) {
        None => Ok(()),
        Some(ForeachOver::List { values }) if values.is_empty() => {
            Err(format!("{what} is an empty list"))
        }
        Some(ForeachOver::List { .. }) => Ok(()),
        Some(ForeachOver::Field { from }) => check_source(pipeline, &what, from),
        Some(ForeachOver::Stream { stage: name }) => {
            let from = pipeline.stage(name).ok_or_else(|| {
                let names = pipeline.stages.iter().map(|s| s.name.as_str());
                format!(
                    "{what} names stage `{name}`, which the file does not have{}",
                    suggest(name, names)
                )
            })?;
            match (&from.kind, from.is_repeated()) {
                (StageKind::Task { .. }, false) => Ok(()),
                _ => Err(format!("{what}: only a task that runs once can stream, not `{name}`")),
            }
        }
    }
}

fn check_source(pipeline: &Pipeline, what: &str, source: &InputRef) -> Result<(), String> {
    let Some(from) = pipeline.stage(&source.stage) else {
        let hint = suggest(&source.stage, pipeline.stages.iter().map(|s| s.name.as_str()));
        return Err(format!(
            "{what} comes from stage `{}`, which the file does not have{hint}",
            source.stage
        ));
    };
    if from.foreach.is_some() {
        return Ok(());
    }
    let repeat = from.repeat.unwrap_or(1);
    match source.index {
        Some(index) if index >= repeat => Err(format!(
            "{what} comes from `{}[{index}]`, but it is repeated {repeat} times, counted from 0",
            source.stage
        )),
        _ => Ok(()),
    }
}

/// Stage names of a cycle of data dependencies and actor order, if there is one.
fn find_cycle(pipeline: &Pipeline) -> Option<Vec<String>> {
    let index: BTreeMap<&str, usize> =
        pipeline.stages.iter().enumerate().map(|(i, stage)| (stage.name.as_str(), i)).collect();
    let mut waits_for: Vec<Vec<usize>> = Vec::new();
    let mut last_on_actor: BTreeMap<&str, usize> = BTreeMap::new();
    for (i, stage) in pipeline.stages.iter().enumerate() {
        let mut before: Vec<usize> =
            stage.inputs.values().filter_map(|s| index.get(s.stage.as_str()).copied()).collect();
        before.extend(stage.foreach.as_ref().and_then(|foreach| match &foreach.over {
            ForeachOver::List { .. } => None,
            ForeachOver::Field { from } => index.get(from.stage.as_str()).copied(),
            ForeachOver::Stream { stage } => index.get(stage.as_str()).copied(),
        }));
        if let StageKind::Method { actor, .. } = &stage.kind {
            before.extend(last_on_actor.insert(actor, i));
        }
        waits_for.push(before);
    }
    let mut state = vec![0u8; waits_for.len()];
    (0..waits_for.len())
        .find_map(|start| walk(start, &waits_for, &mut state))
        .map(|cycle| cycle.into_iter().rev().map(|i| pipeline.stages[i].name.clone()).collect())
}

/// Depth-first without recursion, so that a long chain is no stack overflow.
fn walk(start: usize, waits_for: &[Vec<usize>], state: &mut [u8]) -> Option<Vec<usize>> {
    if state[start] != 0 {
        return None;
    }
    let mut path = vec![(start, 0)];
    state[start] = 1;
    while let Some((node, next)) = path.last_mut() {
        let Some(before) = waits_for[*node].get(*next).copied() else {
            state[*node] = 2;
            path.pop();
            continue;
        };
        *next += 1;
        match state[before] {
            0 => {
                state[before] = 1;
                path.push((before, 0));
            }
            1 => {
                let from = path.iter().position(|(n, _)| *n == before).unwrap_or(0);
                return Some(path[from..].iter().map(|(n, _)| *n).collect());
            }
            _ => {}
        }
    }
    None
}
