//! Pipelines, before they run.

use crate::documents::Problem;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json};
use utoipa::ToSchema;

/// A pipeline to look at.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CheckPipeline {
    /// The pipeline file.
    pub pipeline: String,
    /// Values to change, each `PATH=VALUE`.
    #[serde(default)]
    pub set: Vec<String>,
}

/// A pipeline that was looked at.
#[derive(Debug, Clone, Default, Serialize, ToSchema)]
pub struct Checked {
    /// Whether it can run.
    pub ok: bool,
    /// Everything that is wrong.
    pub problems: Vec<Problem>,
    /// Its name.
    pub name: Option<String>,
    /// Its stages, in the order of the file.
    pub stages: Vec<CheckedStage>,
    /// Its actors.
    pub actors: Vec<CheckedActor>,
    /// Folders that it reads.
    pub grants: Vec<CheckedGrant>,
    /// Limits that it says.
    pub limits: Vec<CheckedLimits>,
}

/// A stage.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct CheckedStage {
    /// Its name.
    pub name: String,
    /// `task` or `method`.
    pub kind: String,
    /// Of a task.
    pub plugin: Option<String>,
    /// The plugin's, as found.
    pub version: Option<String>,
    /// The task's name in the plugin.
    pub export: Option<String>,
    /// Of a method.
    pub actor: Option<String>,
    /// Of a method.
    pub method: Option<String>,
    /// How often.
    pub repeat: Option<u32>,
    /// Whether it runs for each of several things.
    pub foreach: bool,
    /// The author's words.
    pub doc: String,
    /// Arguments as given.
    pub args: Map<String, Json>,
    /// JSON Schema of the arguments.
    pub schema: Option<Json>,
    /// What it reads.
    pub inputs: Vec<CheckedInput>,
    /// Names of what it gives.
    pub outputs: Vec<String>,
}

/// Where an input comes from.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct CheckedInput {
    /// The input.
    pub name: String,
    /// From this stage.
    pub stage: String,
    /// From this field of it.
    pub field: String,
}

/// An actor.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct CheckedActor {
    /// Its name.
    pub name: String,
    /// The class built into the host.
    pub native: Option<String>,
    /// Or the plugin.
    pub plugin: Option<String>,
    /// And its class.
    pub class: Option<String>,
    /// The author's words.
    pub doc: String,
    /// Arguments as given.
    pub args: Map<String, Json>,
    /// JSON Schema of the arguments.
    pub schema: Option<Json>,
}

/// A folder that a plugin may read.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct CheckedGrant {
    /// Of which stage or actor.
    pub at: String,
    /// How the plugin calls it.
    pub mount: String,
    /// As the pipeline names it.
    pub folder: String,
}

/// Limits of a stage or actor; absent where the default is meant.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct CheckedLimits {
    /// Of which stage or actor.
    pub at: String,
    /// Bytes of guest memory.
    pub memory_bytes: Option<u64>,
    /// Seconds of a call.
    pub timeout_s: Option<f64>,
    /// Processors.
    pub cpus: Option<f64>,
    /// Attempts after the first.
    pub max_retries: u32,
}

/// Pipelines to begin from.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Pipelines {
    /// Examples, then those of earlier runs.
    pub pipelines: Vec<PipelineText>,
}

/// A pipeline file.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct PipelineText {
    /// Its name.
    pub name: String,
    /// The file.
    pub text: String,
    /// `example` or `run`.
    pub source: String,
    /// The run.
    pub run: Option<String>,
}

/// Names of folders that pipelines may mount.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Mounts {
    /// The names.
    pub mounts: Vec<String>,
}
