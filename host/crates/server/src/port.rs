//! What the server asks of the house: one port, which the host fills. Every method may wait for the disk, and
//! is called on a thread where it may.

use std::path::{Path, PathBuf};

use mobula_contract::{Quota, RunEvent};
use serde_json::Value as Json;
use tokio::sync::watch;

use crate::documents as doc;

/// Who asks: a token or a session, and so a tenant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// Whose it is.
    pub tenant: String,
    /// The part of the token that may be shown.
    pub token: String,
    /// Whether it may administer.
    pub admin: bool,
    /// When it ends, in milliseconds since 1970.
    pub expires_ms: Option<u64>,
}

/// Why the house did not do what it was asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Why {
    /// The request itself is broken.
    Malformed,
    /// What was asked makes no sense.
    Invalid,
    /// The token is none, or is no good any more.
    Unauthorized,
    /// No grant allows it.
    Denied,
    /// There is no such thing, for this tenant.
    NotFound,
    /// It cannot be done as things stand.
    Conflict,
    /// It has more bytes than it may.
    TooLarge,
    /// It came from the page of another, or to a name that is not ours.
    Misdirected,
    /// The tenant's quota is used up.
    Quota,
    /// Too many requests, or too many wrong tokens.
    Rate,
    /// The server is going away.
    Unavailable,
    /// The house failed.
    Internal,
}

/// A refusal: words for who asked, and others for who looks after the server.
#[derive(Debug, Clone, PartialEq)]
pub struct Refusal {
    /// The kind.
    pub why: Why,
    /// For who asked.
    pub detail: String,
    /// For the log.
    pub internal: Option<String>,
    /// What is wrong with a pipeline, one by one.
    pub problems: Vec<doc::Problem>,
}

impl Refusal {
    /// Of a kind, in words for who asked.
    pub fn new(why: Why, detail: impl Into<String>) -> Self {
        Self { why, detail: detail.into(), internal: None, problems: Vec::new() }
    }

    /// A failure of the house: who asked learns only that it failed.
    pub fn internal(message: impl Into<String>) -> Self {
        let detail = "the server failed to do it: its log says why, under the log_id".to_owned();
        Self { why: Why::Internal, detail, internal: Some(message.into()), problems: Vec::new() }
    }
}

/// What the house answers.
pub type Answer<T> = Result<T, Refusal>;

/// A new session of a browser.
#[derive(Debug, Clone)]
pub struct OpenedSession {
    /// The secret, for the cookie.
    pub secret: String,
    /// Whose.
    pub caller: Caller,
}

/// A file to be sent.
#[derive(Debug)]
pub struct Download {
    /// Open, at its beginning.
    pub file: std::fs::File,
    /// What to call it.
    pub name: String,
}

/// How one follows a run.
#[derive(Debug)]
pub struct Follow {
    /// Moves when there is something new; absent while no run of this server is meant, which is then
    /// looked at now and then.
    pub pulse: Option<watch::Receiver<u64>>,
    /// Whether some process works on it.
    pub live: bool,
    /// How it stands.
    pub status: mobula_contract::RunStatus,
}

/// How an upload is taken up.
#[derive(Debug, Clone, Copy, Default)]
pub struct Push {
    /// Pipelines may use it at once.
    pub enable: bool,
    /// It may take the place of other content under the same name and version.
    pub replace: bool,
}

/// Everything that the server can do for people. All ids are those of the caller's tenant: of another's
/// they are not found.
pub trait House: Send + Sync + 'static {
    /// Whose token it is.
    fn judge(&self, token: &str) -> Answer<Caller>;
    /// Whether who was let in would be again.
    fn stands(&self, caller: &Caller) -> Answer<bool>;
    /// Opens a session of a browser for who has a token.
    fn open_session(&self, caller: &Caller) -> Answer<OpenedSession>;
    /// Opens a session for who has the link that was printed at the start.
    fn redeem(&self, code: &str) -> Answer<OpenedSession>;
    /// Ends a session.
    fn close_session(&self, caller: &Caller) -> Answer<()>;
    /// What the tenant may use.
    fn quota(&self, tenant: &str) -> Answer<Quota>;

    /// How the house stands.
    fn overview(&self, caller: &Caller) -> Answer<doc::Overview>;
    /// A part of the history.
    fn runs(&self, caller: &Caller, asked: &doc::RunsQuery) -> Answer<doc::Runs>;
    /// Moves when a run begins or ends.
    fn changes(&self, caller: &Caller) -> Answer<watch::Receiver<u64>>;
    /// Begins a run.
    fn start(&self, caller: &Caller, asked: &doc::NewRun) -> Answer<doc::Started>;
    /// Looks at a pipeline without running it.
    fn check(&self, caller: &Caller, asked: &doc::CheckPipeline) -> Answer<doc::Checked>;
    /// Pipelines to begin from.
    fn pipelines(&self, caller: &Caller) -> Answer<doc::Pipelines>;
    /// Folders that pipelines may name.
    fn mounts(&self, caller: &Caller) -> Answer<doc::Mounts>;
    /// One run; a brief one without the lists of its report.
    fn run(&self, caller: &Caller, run: &str, brief: bool) -> Answer<doc::RunDocument>;
    /// Its events with a number above `after`.
    fn events(
        &self,
        caller: &Caller,
        run: &str,
        after: u64,
        limit: usize,
    ) -> Answer<Vec<(u64, RunEvent)>>;
    /// What to wait for when all events are seen.
    fn follow(&self, caller: &Caller, run: &str) -> Answer<Follow>;
    /// How far the calls under way are.
    fn progress(&self, caller: &Caller, run: &str) -> Answer<Vec<doc::Progress>>;
    /// Stops a run.
    fn cancel(&self, caller: &Caller, run: &str) -> Answer<doc::Started>;
    /// Takes a run up again.
    fn resume(&self, caller: &Caller, run: &str) -> Answer<doc::Started>;
    /// Does it again, with changes.
    fn rerun(&self, caller: &Caller, run: &str, changes: &doc::Rerun) -> Answer<doc::Started>;
    /// Makes a failure in a run under way.
    fn inject(&self, caller: &Caller, run: &str, spec: &str) -> Answer<doc::Started>;
    /// Its stages, and how they stand.
    fn graph(&self, caller: &Caller, run: &str) -> Answer<doc::Graph>;
    /// Outputs of its stages.
    fn objects(&self, caller: &Caller, run: &str) -> Answer<doc::Objects>;
    /// The first rows of a stored field.
    fn rows(&self, caller: &Caller, of: &doc::FieldOf, rows: usize) -> Answer<doc::Rows>;
    /// A row of a stored field as a PNG.
    fn image(&self, caller: &Caller, of: &doc::FieldOf, row: usize) -> Answer<Vec<u8>>;
    /// Which worker ran what, as a Chrome trace.
    fn timeline(&self, caller: &Caller, run: &str) -> Answer<Json>;

    /// Checkpoints, of one run or all.
    fn checkpoints(&self, caller: &Caller, run: Option<&str>) -> Answer<doc::Checkpoints>;
    /// A checkpoint as a file: safetensors, or the whole state.
    fn download(&self, caller: &Caller, id: &str, state: bool) -> Answer<Download>;
    /// Pins it, or lets it go.
    fn pin(&self, caller: &Caller, id: &str, pinned: bool) -> Answer<()>;
    /// Drops it.
    fn drop_checkpoint(&self, caller: &Caller, id: &str) -> Answer<()>;

    /// All plugins that pipelines can name, and those that are switched off.
    fn plugins(&self, caller: &Caller) -> Answer<doc::Plugins>;
    /// One of them.
    fn plugin(&self, caller: &Caller, name: &str, version: &str) -> Answer<doc::Plugin>;
    /// Where an upload may lie while it comes in.
    fn upload_folder(&self, caller: &Caller) -> Answer<PathBuf>;
    /// Looks into a component that was uploaded, and keeps it.
    fn push(&self, caller: &Caller, file: &Path, how: Push) -> Answer<doc::Plugin>;
    /// Lets pipelines use it, or not.
    fn enable(&self, caller: &Caller, name: &str, version: &str, enabled: bool) -> Answer<()>;
    /// Forgets it.
    fn remove_plugin(&self, caller: &Caller, name: &str, version: &str) -> Answer<()>;
    /// Runs a task of it on a sample.
    fn try_plugin(
        &self,
        caller: &Caller,
        name: &str,
        version: &str,
        sample: &doc::Try,
    ) -> Answer<doc::Tried>;

    /// All tenants.
    fn tenants(&self) -> Answer<doc::Tenants>;
    /// Enters one.
    fn add_tenant(&self, caller: &Caller, new: &doc::NewTenant) -> Answer<doc::Tenant>;
    /// Says anew what it may use.
    fn set_quota(&self, caller: &Caller, tenant: &str, change: &Json) -> Answer<doc::Tenant>;
    /// Gives it a token.
    fn add_token(
        &self,
        caller: &Caller,
        tenant: &str,
        new: &doc::NewToken,
    ) -> Answer<doc::NewTokenDocument>;
    /// Takes a token back.
    fn revoke_token(&self, caller: &Caller, tenant: &str, id: &str) -> Answer<()>;
    /// Lets it mount a folder; `None` takes it back.
    fn set_mount(
        &self,
        caller: &Caller,
        tenant: &str,
        name: &str,
        folder: Option<&str>,
    ) -> Answer<()>;
    /// Removes it with all it has.
    fn remove_tenant(&self, caller: &Caller, tenant: &str) -> Answer<()>;
    /// What was done last.
    fn audit(&self, limit: usize) -> Answer<doc::Audit>;
    /// Who uses what just now.
    fn workers(&self) -> Answer<doc::Workers>;
    /// Names, words and values for `/metrics`.
    fn gauges(&self) -> Answer<Vec<Gauge>>;
}

/// A number of the house as a whole.
#[derive(Debug, Clone)]
pub struct Gauge {
    /// Its name, without `mobula_`.
    pub name: &'static str,
    /// What it says.
    pub help: &'static str,
    /// A label and its value, where there is one.
    pub label: Option<(&'static str, String)>,
    /// The value.
    pub value: f64,
}
