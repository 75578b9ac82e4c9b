//! What a plugin says of itself: its exports, their ports and schemas, and what it asks to be granted.

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

/// The answer of a plugin's `describe`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct Manifest {
    /// The plugin's name.
    pub name: String,
    /// Its version, such as `0.1.0`.
    pub version: String,
    /// Stateless exports.
    #[serde(default)]
    pub tasks: Vec<TaskExport>,
    /// Stateful exports.
    #[serde(default)]
    pub actors: Vec<ActorExport>,
    /// What it needs from its host.
    #[serde(default)]
    pub requests: Requests,
}

/// A task of a plugin.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct TaskExport {
    /// The name after the slash in `plugin/task`.
    pub name: String,
    /// The author's words.
    #[serde(default)]
    pub doc: String,
    /// JSON Schema of the arguments; absent when it takes none.
    #[serde(default)]
    pub args: Option<Json>,
    /// What it reads.
    #[serde(default)]
    pub inputs: Vec<InputPort>,
    /// What it gives.
    #[serde(default)]
    pub outputs: Vec<OutputPort>,
}

/// An actor class of a plugin.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct ActorExport {
    /// The class name.
    pub name: String,
    /// The author's words.
    #[serde(default)]
    pub doc: String,
    /// JSON Schema of the arguments of creation.
    #[serde(default)]
    pub args: Option<Json>,
    /// What creation reads.
    #[serde(default)]
    pub inputs: Vec<InputPort>,
    /// What can be called.
    #[serde(default)]
    pub methods: Vec<MethodExport>,
}

/// A method of an actor class: the same shape as a task.
pub type MethodExport = TaskExport;

/// A field that a stage reads.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct InputPort {
    /// The name of the field.
    pub name: String,
    /// Tensor, JSON or bytes; a tensor when not said.
    #[serde(default)]
    pub kind: PortKind,
    /// Element type, when only one will do.
    #[serde(default)]
    pub dtype: Option<String>,
    /// Shape in the author's words, such as `[N, 32, 32, 3]`.
    #[serde(default)]
    pub shape: Option<Json>,
    /// Whether the stage does without it.
    #[serde(default)]
    pub optional: bool,
    /// The author's words.
    #[serde(default)]
    pub doc: String,
}

/// A field that a stage gives.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct OutputPort {
    /// The name of the field.
    pub name: String,
    /// Tensor, JSON or bytes.
    #[serde(default)]
    pub kind: PortKind,
    /// Element type, when it is always the same.
    #[serde(default)]
    pub dtype: Option<String>,
    /// Shape in the author's words.
    #[serde(default)]
    pub shape: Option<Json>,
    /// The author's words.
    #[serde(default)]
    pub doc: String,
}

/// What a field is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum PortKind {
    /// A tensor.
    #[default]
    Tensor,
    /// A JSON document.
    Json,
    /// Bytes.
    Bytes,
}

/// What a plugin asks to be granted; nothing is granted by asking.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct Requests {
    /// Names of read-only folders.
    #[serde(default)]
    pub mounts: Vec<String>,
    /// HTTP hosts.
    #[serde(default)]
    pub http: Vec<String>,
    /// Environment names.
    #[serde(default)]
    pub env: Vec<String>,
}

impl Manifest {
    /// The task of this name.
    #[must_use]
    pub fn task(&self, name: &str) -> Option<&TaskExport> {
        self.tasks.iter().find(|task| task.name == name)
    }

    /// The actor class of this name.
    #[must_use]
    pub fn actor(&self, name: &str) -> Option<&ActorExport> {
        self.actors.iter().find(|actor| actor.name == name)
    }
}

impl ActorExport {
    /// The method of this name.
    #[must_use]
    pub fn method(&self, name: &str) -> Option<&MethodExport> {
        self.methods.iter().find(|method| method.name == name)
    }
}
