//! What is kept: objects, checkpoints, plugins.

use std::collections::BTreeMap;

use mobula_contract::{ActorExport, Level, OutputNote, Requests, TaskExport};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json};
use utoipa::ToSchema;

/// Outputs of a run's stages.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Objects {
    /// In the order in which they were given.
    pub objects: Vec<ObjectEntry>,
}

/// One output.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct ObjectEntry {
    /// The stage.
    pub stage: String,
    /// Which repetition.
    pub index: u32,
    /// Whether its bytes can be looked at.
    pub stored: bool,
    /// Its fields.
    pub fields: Vec<FieldEntry>,
}

/// One field.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct FieldEntry {
    /// Its name.
    pub name: String,
    /// What it is.
    pub note: OutputNote,
    /// How many bytes it has, where that is known.
    pub bytes: Option<u64>,
}

/// A field of an output.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldOf {
    /// The run.
    pub run: String,
    /// The stage.
    pub stage: String,
    /// Which repetition.
    pub index: u32,
    /// The field.
    pub field: String,
}

/// The first rows of a tensor.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Rows {
    /// The field.
    pub field: String,
    /// Element type.
    pub dtype: String,
    /// Lengths of its axes.
    pub shape: Vec<u64>,
    /// Numbers of each row, flat.
    pub rows: Vec<Vec<f64>>,
}

/// A checkpoint, without its bytes.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Checkpoint {
    /// Its name.
    pub id: String,
    /// Its run; absent for what was imported.
    pub run: Option<String>,
    /// The stage after which it was taken.
    pub stage: String,
    /// Which repetition.
    pub index: u32,
    /// The actor whose state it is; absent for a task's output.
    pub actor: Option<String>,
    /// Calls of the actor that it contains.
    pub position: u64,
    /// Length.
    pub bytes: u64,
    /// `blake3:` and the digest of the bytes.
    pub digest: String,
    /// Milliseconds since 1970.
    pub created_ms: u64,
    /// Why it is not to be used; absent while it is good.
    pub damaged: Option<String>,
    /// Its number in the run.
    pub number: u64,
    /// How its user calls it.
    pub name: Option<String>,
    /// How good it is.
    pub metric: Option<f64>,
    /// `higher` or `lower`: which metric is the better one.
    pub better: Option<String>,
    /// Whether nothing but its user drops it.
    pub pinned: bool,
    /// Digest of everything that does not change.
    pub root: String,
}

/// Checkpoints, newest first.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Checkpoints {
    /// The checkpoints.
    pub checkpoints: Vec<Checkpoint>,
}

/// Plugins.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Plugins {
    /// By name, newest first.
    pub plugins: Vec<Plugin>,
}

/// A plugin.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Plugin {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// `blake3:` and the digest of the component.
    pub digest: String,
    /// Bytes.
    pub size: u64,
    /// Whether pipelines may use it.
    pub enabled: bool,
    /// Whether it came with the program.
    pub builtin: bool,
    /// Milliseconds since 1970.
    pub pushed_ms: Option<u64>,
    /// Stateless exports.
    pub tasks: Vec<TaskExport>,
    /// Stateful exports.
    pub actors: Vec<ActorExport>,
    /// What it asks for.
    pub requests: Requests,
    /// Interfaces that it takes.
    pub imports: Vec<String>,
    /// Interfaces that it gives.
    pub exports: Vec<String>,
    /// Pipelines of runs under way that use it.
    pub used_by: Vec<String>,
    /// Why it cannot be used.
    pub error: Option<String>,
}

/// A sample to try a task on.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Try {
    /// The task's name.
    pub task: String,
    /// Its arguments.
    #[serde(default)]
    pub args: Map<String, Json>,
    /// Its inputs.
    #[serde(default)]
    pub inputs: BTreeMap<String, TryInput>,
}

/// An input of a sample: a tensor or a document.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TryInput {
    /// Element type of a tensor.
    #[serde(default)]
    pub dtype: Option<String>,
    /// Lengths of its axes.
    #[serde(default)]
    pub shape: Option<Vec<u64>>,
    /// Its numbers; a pattern when not said.
    #[serde(default)]
    pub data: Option<Vec<f64>>,
    /// A document.
    #[serde(default)]
    pub json: Option<Json>,
}

/// What came of it.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Tried {
    /// Fields of the output, with their first rows.
    pub outputs: Vec<TriedField>,
    /// What the task said.
    pub logs: Vec<TriedLog>,
    /// Seconds of the call.
    pub seconds: f64,
}

/// A field of the output.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct TriedField {
    /// Its name.
    pub name: String,
    /// What it is.
    pub note: OutputNote,
    /// Numbers of the first rows.
    pub rows: Vec<Vec<f64>>,
}

/// A line of the log.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct TriedLog {
    /// How loud.
    pub level: Level,
    /// The line.
    pub message: String,
}
