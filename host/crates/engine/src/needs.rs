//! What calls and actors take of processors and memory, and what could never have it.

use mobula_contract::{ActorSource, ActorSpec, Pipeline, StageKind, StageSpec};

use crate::core::{Core, Need};
use crate::engine::Engine;

/// What of a pipeline could never run with so much: one sentence each. Actors have their memory for
/// their life, so that a stage must fit beside all of them.
#[must_use]
pub fn misfits(engine: &Engine, pipeline: &Pipeline) -> Vec<String> {
    let state = engine.inner().lock();
    let total = state.core.total();
    let for_life = pipeline.actors.iter().map(|actor| actor.limits.memory_bytes.unwrap_or(0));
    let for_life: u64 = for_life.fold(0, u64::saturating_add);
    let stages = pipeline.stages.iter().filter_map(|stage| {
        let need = stage_need(stage, pipeline, total);
        let memory_bytes = need.memory_bytes.saturating_add(for_life);
        let beside = if for_life > 0 { " beside the actors" } else { "" };
        let what = format!("stage `{}`{beside}", stage.name);
        never_fits(&state.core, Need { memory_bytes, ..need }, &what)
    });
    let actors = pipeline.actors.iter().filter_map(|actor| {
        let cpus_milli = actor.limits.cpus.map_or(0, milli);
        let need = Need { cpus_milli, memory_bytes: 0 };
        never_fits(&state.core, need, &format_args!("actor `{}`", actor.name))
    });
    stages.chain(actors).collect()
}

/// What a call of this stage takes: of an actor's method, what the actor says.
pub(crate) fn stage_need(stage: &StageSpec, pipeline: &Pipeline, total: Need) -> Need {
    let cpus = match &stage.kind {
        StageKind::Task { .. } => stage.limits.cpus.map_or(1000, milli),
        StageKind::Method { actor, .. } => {
            let actor = pipeline.actor(actor).expect("a checked pipeline");
            stage.limits.cpus.map_or_else(|| call_cpus_milli(actor, total), milli)
        }
    };
    let memory_bytes = match &stage.kind {
        StageKind::Task { .. } => stage.limits.memory_bytes.unwrap_or(0),
        StageKind::Method { .. } => 0,
    };
    Need { cpus_milli: cpus, memory_bytes }
}

/// What a call of an actor takes, in thousandths of processors, where only the actor says so: all of
/// them for a native one, which has threads of its own.
pub(crate) fn call_cpus_milli(actor: &ActorSpec, total: Need) -> u64 {
    let default = match actor.source {
        ActorSource::Native { .. } => total.cpus_milli,
        ActorSource::Plugin { .. } => total.cpus_milli.min(1000),
    };
    actor.limits.cpus.map_or(default, milli)
}

/// Thousandths of processors, at least ten.
pub(crate) fn milli(cpus: f64) -> u64 {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a small number")]
    let milli = (cpus * 1000.0).round().clamp(10.0, 1e9) as u64;
    milli
}

/// Why something can never be admitted, if so.
pub(crate) fn never_fits(core: &Core, need: Need, what: &dyn std::fmt::Display) -> Option<String> {
    if core.can_ever_fit(need) {
        return None;
    }
    let total = core.total();
    #[expect(clippy::cast_precision_loss, reason = "for a message")]
    let cpus = |milli: u64| milli as f64 / 1000.0;
    Some(if need.cpus_milli > total.cpus_milli {
        format!(
            "{what} needs {} cpus, but there are {}",
            cpus(need.cpus_milli),
            cpus(total.cpus_milli)
        )
    } else {
        format!(
            "{what} needs {} bytes of memory, but there are {}",
            need.memory_bytes, total.memory_bytes
        )
    })
}
