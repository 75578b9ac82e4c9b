//! Runs, their events and their stages.

use mobula_contract::{RunEvent, RunReport, RunStatus, StageRef};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

/// Which runs are asked for.
#[derive(Debug, Clone, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct RunsQuery {
    /// Only those that stand so.
    #[param(required = false)]
    pub status: Option<RunStatus>,
    /// Only those of this pipeline.
    pub pipeline: Option<String>,
    /// Only those with this text in name, pipeline or error.
    pub q: Option<String>,
    /// `next` of the page before.
    pub after: Option<String>,
    /// 1 to 200; 50 when not said.
    pub limit: Option<u32>,
}

/// A message of a stream (`text/event-stream`).
#[derive(Debug, Clone, ToSchema)]
pub struct StreamMessage {
    /// What it is about.
    pub event: String,
    /// The number of an event, from which the stream goes on; others have none.
    pub id: Option<String>,
    /// A JSON document.
    pub data: String,
}

/// Units done of those known.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
pub struct Share {
    /// Finished.
    pub done: u64,
    /// Known.
    pub total: u64,
}

/// A run in the list.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct RunEntry {
    /// Its name.
    pub run: String,
    /// The pipeline's.
    pub pipeline: String,
    /// How it stands.
    pub status: RunStatus,
    /// The seed.
    pub seed: u64,
    /// Milliseconds since 1970.
    pub started_ms: u64,
    /// Seconds from its start to its last event.
    pub wall_s: f64,
    /// Why it failed.
    pub error: Option<String>,
    /// Of a run of this server that is under way.
    pub progress: Option<Share>,
    /// `test_accuracy` at its end, else the newest of an epoch.
    pub accuracy: Option<f64>,
    /// Whose.
    pub tenant: String,
    /// Whether this server performs it.
    pub live: bool,
}

/// A part of the history, newest first.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Runs {
    /// The runs.
    pub runs: Vec<RunEntry>,
    /// For `after`, where there are more.
    pub next: Option<String>,
}

/// A run to begin.
#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewRun {
    /// The pipeline file.
    pub pipeline: String,
    /// Values to change, each `PATH=VALUE`.
    #[serde(default)]
    pub set: Vec<String>,
    /// Failures to make, each `STAGE[INDEX]:KIND@SHARE`.
    #[serde(default)]
    pub inject: Vec<String>,
    /// States to begin with, each `ACTOR=CHECKPOINT`.
    #[serde(default)]
    pub from: Vec<String>,
    /// Whether failures may be made while it runs.
    #[serde(default)]
    pub chaos: bool,
}

/// What to change when a run is done again.
#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Rerun {
    /// Values to change, after those of the run.
    #[serde(default)]
    pub set: Vec<String>,
    /// Failures to make.
    #[serde(default)]
    pub inject: Vec<String>,
    /// States to begin with.
    #[serde(default)]
    pub from: Vec<String>,
    /// Whether failures may be made while it runs.
    #[serde(default)]
    pub chaos: bool,
}

/// A failure to make.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Inject {
    /// `STAGE[INDEX]:KIND@SHARE`
    pub spec: String,
}

/// A run that was asked to do something.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Started {
    /// Its name.
    pub run: String,
}

/// One run.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct RunDocument {
    /// Everything that it did.
    pub report: RunReport,
    /// The pipeline's name.
    pub pipeline: String,
    /// Milliseconds since 1970.
    pub started_ms: u64,
    /// The pipeline file, where it was started through a server.
    pub pipeline_text: Option<String>,
    /// What was set besides.
    pub set: Vec<String>,
    /// Whether failures may be made in it.
    pub chaos: bool,
    /// Whether this server performs it.
    pub live: bool,
    /// Whose.
    pub tenant: String,
}

/// An event with its number.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct NumberedEvent {
    /// From 1, without a gap.
    pub number: u64,
    /// Seconds since the run's first start.
    pub at_s: f64,
    /// What happened.
    pub body: mobula_contract::EventBody,
}

impl NumberedEvent {
    pub(crate) fn new((number, event): (u64, RunEvent)) -> Self {
        Self { number, at_s: event.at_s, body: event.body }
    }
}

/// Events of a run.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Events {
    /// In order.
    pub events: Vec<NumberedEvent>,
    /// The number of the last one here, for `after`.
    pub last: u64,
}

/// How far a call is.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct Progress {
    /// Which.
    pub stage: StageRef,
    /// Units done.
    pub done: u64,
    /// Units in all, when known.
    pub total: Option<u64>,
    /// Seconds since the run's first start.
    pub at_s: f64,
}

/// The stages of a run and what they read of each other.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Graph {
    /// Stages.
    pub nodes: Vec<GraphNode>,
    /// Inputs.
    pub edges: Vec<GraphEdge>,
}

/// A stage.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct GraphNode {
    /// Its name.
    pub id: String,
    /// `task` or `method`.
    pub kind: String,
    /// Of a method.
    pub actor: Option<String>,
    /// How often.
    pub repeat: Option<u32>,
    /// Whether it runs for each of several things.
    pub foreach: bool,
    /// `waiting`, `running`, `succeeded`, `failed` or `interrupted`.
    pub status: String,
    /// Repetitions done.
    pub done: u64,
    /// Repetitions in all, when known.
    pub total: Option<u64>,
}

/// An input.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct GraphEdge {
    /// The stage that gives it.
    pub from: String,
    /// The stage that reads it.
    pub to: String,
    /// The field.
    pub field: String,
    /// How the reader calls it.
    pub input: String,
}
