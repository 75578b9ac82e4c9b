//! The stages of a run, what they read of each other, and how they stand.

use std::collections::{BTreeMap, BTreeSet};

use mobula_contract::{EventBody, RunEvent, RunStatus, StageKind};
use mobula_server::documents as doc;
use mobula_server::{Answer, Caller};

use super::HostHouse;
use super::refuse::of_store;
use super::runs::pipeline_of;

/// How one stage stands.
#[derive(Default)]
struct Standing {
    done: BTreeSet<u32>,
    running: BTreeSet<u32>,
    failed: bool,
    count: Option<u32>,
    whole: bool,
}

impl HostHouse {
    pub(super) fn graph_of(&self, caller: &Caller, run: &str) -> Answer<doc::Graph> {
        let tenant = self.of(caller)?;
        let row = tenant.row(run)?;
        let store = tenant.store()?;
        let pipeline = pipeline_of(&store, &row)?;
        let events = store.events(&row.run, 0).map_err(of_store)?;
        let standings = standings(events.iter().map(|(_, event)| event));
        let over = row.status != RunStatus::Running;
        let (mut nodes, mut edges) = (Vec::new(), Vec::new());
        let none = Standing::default();
        for stage in &pipeline.stages {
            let at = standings.get(stage.name.as_str()).unwrap_or(&none);
            let total = match stage.foreach {
                None => Some(u64::from(stage.repeat.unwrap_or(1))),
                Some(_) => at.count.filter(|_| at.whole).map(u64::from),
            };
            let done = at.done.len() as u64;
            let status = match (total, at.running.is_empty(), over) {
                (Some(total), ..) if done >= total => "succeeded",
                (_, false, false) => "running",
                (_, _, true) if at.failed && row.status == RunStatus::Failed => "failed",
                (_, _, true) if done > 0 || !at.running.is_empty() => "interrupted",
                (_, _, false) if done > 0 => "running",
                _ => "waiting",
            };
            let (kind, actor) = match &stage.kind {
                StageKind::Task { .. } => ("task", None),
                StageKind::Method { actor, .. } => ("method", Some(actor.clone())),
            };
            nodes.push(doc::GraphNode {
                id: stage.name.clone(),
                kind: kind.to_owned(),
                actor,
                repeat: stage.repeat,
                foreach: stage.foreach.is_some(),
                status: status.to_owned(),
                done,
                total,
            });
            edges.extend(stage.inputs.iter().map(|(input, from)| doc::GraphEdge {
                from: from.stage.clone(),
                to: stage.name.clone(),
                field: from.field.clone(),
                input: input.clone(),
            }));
        }
        Ok(doc::Graph { nodes, edges })
    }
}

fn standings<'e>(events: impl Iterator<Item = &'e RunEvent>) -> BTreeMap<&'e str, Standing> {
    let mut all: BTreeMap<&str, Standing> = BTreeMap::new();
    for event in events {
        match &event.body {
            EventBody::StageStarted { stage, .. } => {
                all.entry(&stage.name).or_default().running.insert(stage.index);
            }
            EventBody::StageFinished { stage, .. } => {
                let at = all.entry(&stage.name).or_default();
                at.running.remove(&stage.index);
                at.done.insert(stage.index);
                at.failed = false;
            }
            EventBody::StageFailed { stage, .. } => {
                let at = all.entry(&stage.name).or_default();
                at.running.remove(&stage.index);
                at.failed = true;
            }
            EventBody::Expanded { stage, count, whole } => {
                let at = all.entry(stage).or_default();
                at.count = Some(at.count.unwrap_or(0).max(*count));
                at.whole |= whole;
            }
            // What an earlier process was doing it does no more.
            EventBody::RunStarted { .. } => all.values_mut().for_each(|at| at.running.clear()),
            _ => {}
        }
    }
    all
}
