//! A pipeline as the engine runs it: parsed, checked, with all defaults filled in.
//! Reading the file is `pipeline_file`'s.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json};

use crate::call::FailureKind;
use crate::pipeline_pins::PluginPin;

/// Attempts after the first that a task gets, and restarts that an actor gets, unless said otherwise.
pub const RETRIES_DEFAULT: u32 = 3;
/// Checkpoints kept of each actor or stage, unless said otherwise.
pub const KEEP_DEFAULT: u32 = 3;

/// A pipeline.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Pipeline {
    /// Its name.
    pub name: String,
    /// The seed of everything random in a run.
    pub seed: u64,
    /// Stages, in the order of the file.
    pub stages: Vec<StageSpec>,
    /// Actors, in the order of the file.
    pub actors: Vec<ActorSpec>,
    /// When to save.
    pub checkpoint: CheckpointPlan,
    /// The components that it is bound to; in a run that began, all of them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub plugins: Vec<PluginPin>,
}

/// A stage.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StageSpec {
    /// Its name, unique in the pipeline.
    pub name: String,
    /// What is called.
    pub kind: StageKind,
    /// How often, each repetition after the one before; at least 1. `None` without `repeat`.
    pub repeat: Option<u32>,
    /// What it runs for, once for each; the runs are independent of each other.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub foreach: Option<Foreach>,
    /// Input field → where it comes from.
    pub inputs: BTreeMap<String, InputRef>,
    /// Arguments.
    pub args: Map<String, Json>,
    /// Mount name → folder on the host.
    pub mounts: BTreeMap<String, PathBuf>,
    /// Limits.
    pub limits: Limits,
}

/// A stage that runs once for each of several things.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Foreach {
    /// What there are several of.
    pub over: ForeachOver,
    /// The name of the argument (for JSON) or input (for rows) that holds the one. Of a stream's object
    /// the inputs are those fields that are named as the stream's, or all where none is.
    pub name: String,
    /// Rows of a tensor that go together.
    pub rows: u64,
}

/// What there are several of.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum ForeachOver {
    /// These values.
    List {
        /// One for each run.
        values: Vec<Json>,
    },
    /// The elements of a JSON list, or the rows of a tensor.
    Field {
        /// Where it is.
        from: InputRef,
    },
    /// The objects that a stage gives one after another.
    Stream {
        /// That stage.
        stage: String,
    },
}

/// What a stage calls.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum StageKind {
    /// A task of a plugin.
    Task {
        /// The plugin.
        plugin: String,
        /// A version prefix, such as `1.2`.
        version: Option<String>,
        /// The task.
        export: String,
    },
    /// A method of an actor.
    Method {
        /// The actor, by its name in the pipeline.
        actor: String,
        /// The method.
        method: String,
    },
}

/// `stage.field`: the field of another stage's output, of its last repetition unless one is named.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InputRef {
    /// The stage.
    pub stage: String,
    /// Which repetition.
    pub index: Option<u32>,
    /// The field.
    pub field: String,
}

/// An actor.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ActorSpec {
    /// Its name, unique in the pipeline.
    pub name: String,
    /// Where it comes from.
    pub source: ActorSource,
    /// Arguments of its creation.
    pub args: Map<String, Json>,
    /// Mount name → folder on the host.
    pub mounts: BTreeMap<String, PathBuf>,
    /// Limits.
    pub limits: Limits,
}

/// Where an actor comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum ActorSource {
    /// Built into the host.
    Native {
        /// Which, such as `cnn`.
        class: String,
    },
    /// A class of a plugin.
    Plugin {
        /// The plugin.
        plugin: String,
        /// A version prefix, such as `1.2`.
        version: Option<String>,
        /// The class.
        class: String,
    },
}

/// After which failures another attempt is made, and when.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Retries {
    /// Kinds of failure; the usual ones when not said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on: Option<Vec<FailureKind>>,
    /// Milliseconds before the second attempt, doubled for each further one; the engine's default
    /// when not said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delay_ms: Option<u64>,
}

/// What may stand on any stage or actor.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Limits {
    /// Further attempts of a task, or restarts of an actor.
    pub retries: u32,
    /// Which failures they are for, and when.
    #[serde(default)]
    pub retry: Retries,
    /// Seconds that one call may take; the sandbox's default when not said.
    pub timeout_s: Option<f64>,
    /// Bytes of guest memory, set aside while the stage runs or the actor lives; when not said the
    /// sandbox's default, and nothing is set aside.
    pub memory_bytes: Option<u64>,
    /// Processors that a call takes, and threads of a native actor; when not said one for a plugin,
    /// all for a native actor.
    pub cpus: Option<f64>,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            retries: RETRIES_DEFAULT,
            retry: Retries::default(),
            timeout_s: None,
            memory_bytes: None,
            cpus: None,
        }
    }
}

/// When to take checkpoints, and how many to keep.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CheckpointPlan {
    /// The rule.
    pub policy: PolicyPlan,
    /// Share of the useful time that saves may cost. When not said, `adaptive` sets its own and the
    /// others have no limit.
    pub overhead: Option<f64>,
    /// How many checkpoints may be taken; without limit when not said.
    #[serde(default)]
    pub saves: Option<u32>,
    /// Where the rule `threshold` starts, 0 to 1; its published value when not said.
    #[serde(default)]
    pub threshold: Option<f64>,
    /// Bytes that the run's checkpoints may hold at one time; without limit when not said.
    pub bytes: Option<u64>,
    /// How many are kept of each actor or stage.
    pub keep: u32,
    /// A number field of the stages' outputs: the checkpoint after the stage with its best value is kept
    /// beside the newest. Of losses and errors the lowest is best, of everything else the highest.
    #[serde(default)]
    pub best: Option<String>,
}

impl Default for CheckpointPlan {
    fn default() -> Self {
        Self {
            policy: PolicyPlan::Adaptive,
            overhead: None,
            saves: None,
            threshold: None,
            bytes: Some(2 << 30),
            keep: KEEP_DEFAULT,
            best: None,
        }
    }
}

/// The rule that decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PolicyPlan {
    /// Learns from run times, costs and failures, within the budget.
    Adaptive,
    /// The published rule with its constants.
    Threshold,
    /// The interval of Young and Daly.
    YoungDaly,
    /// After every so many stages.
    Every(u32),
    /// After every stage.
    Always,
    /// Not at all.
    Never,
}

impl StageSpec {
    /// Whether its runs are counted, so that the index is worth showing.
    #[must_use]
    pub fn is_repeated(&self) -> bool {
        self.repeat.is_some() || self.foreach.is_some()
    }
}

impl Pipeline {
    /// The stage of this name.
    #[must_use]
    pub fn stage(&self, name: &str) -> Option<&StageSpec> {
        self.stages.iter().find(|stage| stage.name == name)
    }

    /// The actor of this name.
    #[must_use]
    pub fn actor(&self, name: &str) -> Option<&ActorSpec> {
        self.actors.iter().find(|actor| actor.name == name)
    }
}
