//! What the rooms of the house say to each other: ids, objects, pipelines, manifests, run events
//! and wire JSON. Does no IO, starts nothing, reads no clock.

mod call;
mod event;
mod id;
mod manifest;
mod memory;
mod object;
mod object_codec;
mod pipeline;
mod pipeline_file;
mod pipeline_graph;
mod pipeline_node;
mod pipeline_pins;
mod quota;
mod report;
mod report_fold;
mod tensor;

pub use call::{Failure, FailureKind, Level, Receipt, StageContext, Used};
pub use event::{EventBody, OutputNote, RunEvent, RunStatus, StageRef};
pub use id::{CheckpointId, RunId};
pub use manifest::{
    ActorExport, InputPort, Manifest, MethodExport, OutputPort, PortKind, Requests, TaskExport,
};
pub use memory::{Budget, Charge};
pub use object::{Object, Value};
pub use object_codec::{CodecError, decode_object, encode_object, read_object, write_object};
pub use pipeline::{
    ActorSource, ActorSpec, CheckpointPlan, Foreach, ForeachOver, InputRef, KEEP_DEFAULT, Limits,
    Pipeline, PolicyPlan, RETRIES_DEFAULT, Retries, StageKind, StageSpec,
};
pub use pipeline_file::{
    Folders, Override, PipelineErrors, Problem, UNITS_MAX, parse_bytes, parse_pipeline,
};
pub use pipeline_pins::PluginPin;
pub use quota::Quota;
pub use report::{
    AccountReport, ActorReport, CheckpointReport, CostReport, DecisionDetail, DecisionReport,
    PolicyAccount, RecoveryReport, RunReport, StageReport,
};
pub use tensor::{DType, Lent, Tensor, TensorError};
