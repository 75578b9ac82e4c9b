//! What the rooms of the house say to each other: ids, objects, pipelines, manifests, run events
//! and wire JSON. Does no IO, starts nothing, reads no clock.

mod call;
mod event;
mod id;
mod manifest;
mod object;
mod object_codec;
mod report;
mod tensor;

pub use call::{Failure, FailureKind, Level, StageContext};
pub use event::{EventBody, OutputNote, RunEvent, RunStatus, StageRef};
pub use id::{CheckpointId, RunId};
pub use manifest::{
    ActorExport, InputPort, Manifest, MethodExport, OutputPort, PortKind, Requests, TaskExport,
};
pub use object::{Object, Value};
pub use object_codec::{CodecError, decode_object, encode_object};
pub use report::{
    ActorReport, CheckpointReport, DecisionReport, RecoveryReport, RunReport, StageReport,
};
pub use tensor::{DType, Tensor, TensorError};
