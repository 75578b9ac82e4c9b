//! A pipeline laid out as units: every repetition of every stage by number, what it reads, who reads
//! it, and the order of calls on each actor. Computed once; decides nothing.

use std::collections::BTreeMap;

use mobula_contract::{Pipeline, StageKind, StageRef};

/// A repetition of a stage, by its number in the plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct UnitId(pub usize);

/// One unit of work.
#[derive(Debug, Clone)]
pub struct PlanUnit {
    /// Its name in events.
    pub stage: StageRef,
    /// Index of its stage in the pipeline.
    pub spec: usize,
    /// Input field, the unit that gives it, and the field there.
    pub inputs: Vec<(String, UnitId, String)>,
    /// Units that read its output, each once.
    pub consumers: Vec<UnitId>,
    /// Distinct units that it reads from.
    pub sources: Vec<UnitId>,
    /// On an actor: which, and the how-manieth call of it.
    pub call: Option<(usize, usize)>,
    /// Further attempts after the first.
    pub retries: u32,
}

/// One actor.
#[derive(Debug, Clone)]
pub struct PlanActor {
    /// Its name.
    pub name: String,
    /// Its calls in order.
    pub calls: Vec<UnitId>,
    /// How often it may be made anew.
    pub restarts: u32,
}

/// The whole pipeline.
#[derive(Debug, Clone)]
pub struct Plan {
    /// All units, in the order of the file.
    pub units: Vec<PlanUnit>,
    /// All actors, in the order of the file.
    pub actors: Vec<PlanActor>,
}

impl Plan {
    /// Lays out a checked pipeline.
    #[must_use]
    pub fn new(pipeline: &Pipeline) -> Self {
        let mut actors: Vec<PlanActor> = pipeline
            .actors
            .iter()
            .map(|actor| PlanActor {
                name: actor.name.clone(),
                calls: Vec::new(),
                restarts: actor.limits.retries,
            })
            .collect();
        let mut first: BTreeMap<&str, usize> = BTreeMap::new();
        let mut count = 0;
        for stage in &pipeline.stages {
            first.insert(&stage.name, count);
            count += repeat(stage.repeat);
        }
        let mut units = Vec::with_capacity(count);
        for (spec, stage) in pipeline.stages.iter().enumerate() {
            let inputs: Vec<_> = stage
                .inputs
                .iter()
                .map(|(field, source)| {
                    let from = pipeline.stage(&source.stage).expect("a checked pipeline");
                    let last = repeat(from.repeat) - 1;
                    let index = source.index.map_or(last, |index| index as usize);
                    let unit = UnitId(first[source.stage.as_str()] + index);
                    (field.clone(), unit, source.field.clone())
                })
                .collect();
            let mut sources: Vec<UnitId> = inputs.iter().map(|(_, unit, _)| *unit).collect();
            sources.sort_unstable();
            sources.dedup();
            for index in 0..stage.repeat.unwrap_or(1) {
                let id = UnitId(units.len());
                let call = match &stage.kind {
                    StageKind::Task { .. } => None,
                    StageKind::Method { actor, .. } => {
                        let at = pipeline.actors.iter().position(|a| a.name == *actor);
                        let at = at.expect("a checked pipeline");
                        actors[at].calls.push(id);
                        Some((at, actors[at].calls.len() - 1))
                    }
                };
                units.push(PlanUnit {
                    stage: StageRef {
                        name: stage.name.clone(),
                        index,
                        repeated: stage.repeat.is_some(),
                    },
                    spec,
                    inputs: inputs.clone(),
                    consumers: Vec::new(),
                    sources: sources.clone(),
                    call,
                    retries: stage.limits.retries,
                });
            }
        }
        for id in 0..units.len() {
            for source in units[id].sources.clone() {
                units[source.0].consumers.push(UnitId(id));
            }
        }
        Self { units, actors }
    }

    /// The unit of this number.
    #[must_use]
    pub fn unit(&self, id: UnitId) -> &PlanUnit {
        &self.units[id.0]
    }

    /// The unit that an event names.
    #[must_use]
    pub fn find(&self, stage: &StageRef) -> Option<UnitId> {
        self.units.iter().position(|unit| unit.stage == *stage).map(UnitId)
    }
}

fn repeat(times: Option<u32>) -> usize {
    times.unwrap_or(1) as usize
}
