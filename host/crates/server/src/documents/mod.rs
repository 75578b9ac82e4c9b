//! What the API says and takes, as JSON: the documents that the contract does not have already. The OpenAPI
//! document is made from them.

mod admin;
mod basic;
mod kept;
mod pipeline;
mod run;

pub use admin::{
    Audit, AuditEntry, Mount, NewMount, NewTenant, NewToken, NewTokenDocument, Tenant,
    TenantWorkers, Tenants, Token, Use, Workers,
};
pub use basic::{Login, Memory, Overview, Problem, RunCounts, Session, Stored};
pub use kept::{
    Checkpoint, Checkpoints, FieldEntry, FieldOf, ObjectEntry, Objects, Plugin, Plugins, Rows,
    Tried, TriedField, TriedLog, Try, TryInput,
};
pub use pipeline::{
    CheckPipeline, Checked, CheckedActor, CheckedGrant, CheckedInput, CheckedLimits, CheckedStage,
    Mounts, PipelineText, Pipelines,
};
pub use run::{
    Events, Graph, GraphEdge, GraphNode, Inject, NewRun, NumberedEvent, Progress, Rerun,
    RunDocument, RunEntry, Runs, RunsQuery, Share, Started, StreamMessage,
};
