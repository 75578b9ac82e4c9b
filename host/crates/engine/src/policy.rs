//! The port of the checkpoint policy: what the core tells it, and what it asks. Numbers and names only.

use mobula_contract::DecisionDetail;

/// Whose state or output a decision is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Subject<'a> {
    /// An actor's state.
    Actor(&'a str),
    /// The output of a task, by the name of its stage.
    Task(&'a str),
}

/// What the policy sees of a finished unit. Seconds are those of the engine's clock, which only goes
/// forwards.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Seen<'a> {
    /// When the unit ended.
    pub at_s: f64,
    /// Whose state or output.
    pub of: Subject<'a>,
    /// Seconds that the unit ran.
    pub runtime_s: f64,
    /// Seconds of it during which a checkpoint was being written.
    pub beside_save_s: f64,
    /// Useful seconds that a loss right now would take. Of an actor: since the last durable checkpoint,
    /// this unit included. Of a task: this unit, and the unsaved tasks that led to it.
    pub unsaved_s: f64,
    /// Bytes that a checkpoint would hold, when known.
    pub bytes: Option<u64>,
    /// Whether a checkpoint of the same subject is still being written.
    pub in_flight: bool,
    /// Of an actor: calls that will still come, when all are known. Of a task: units known that will
    /// read the output.
    pub left: Option<usize>,
    /// Seconds until the machine goes away, when it has said so.
    pub notice_s: Option<f64>,
}

/// A decision, with the numbers that led to it.
#[derive(Debug, Clone, PartialEq)]
pub struct Verdict {
    /// Whether to take a checkpoint.
    pub checkpoint: bool,
    /// In words.
    pub reason: String,
    /// What is compared with the threshold.
    pub ratio: f64,
    /// What the ratio has to reach.
    pub threshold: f64,
    /// What is left of the budget, if there is one.
    pub budget_left: Option<f64>,
    /// Seconds that a failure right now would lose.
    pub expected_loss_s: f64,
    /// Seconds that a save is expected to cost.
    pub cost_s: f64,
    /// What else the policy knew.
    pub detail: Option<DecisionDetail>,
}

/// A checkpoint that became durable.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Saved<'a> {
    /// When.
    pub at_s: f64,
    /// Whose.
    pub of: Subject<'a>,
    /// Seconds that the worker was held up.
    pub blocking_s: f64,
    /// Seconds from then on until it was durable.
    pub background_s: f64,
    /// Its bytes.
    pub bytes: u64,
}

/// A failure that took state with it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Lost<'a> {
    /// When.
    pub at_s: f64,
    /// Whose state.
    pub of: Subject<'a>,
    /// Useful seconds that are gone, the call under way included.
    pub lost_s: f64,
    /// What took it.
    pub cause: Cause,
}

/// What took a state away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// A failure of the actor or of its worker.
    Actor,
    /// The death of an earlier process, which took all its actors at once.
    Host,
    /// The wish of the user: nothing failed.
    User,
}

/// State that is back after a failure.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Restored<'a> {
    /// When.
    pub at_s: f64,
    /// Whose state.
    pub of: Subject<'a>,
    /// Seconds that it took to bring it back; `None` where nothing had been saved and it begins anew.
    pub restore_s: Option<f64>,
    /// Units that the newest checkpoint kept and the one before it would not have.
    pub units_kept: u32,
}

/// What a policy learned from a failure.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Learned {
    /// Seconds that the newest checkpoint kept, less what saves cost since the failure before.
    pub benefit_s: f64,
    /// The threshold before.
    pub threshold_before: f64,
    /// And after.
    pub threshold_after: f64,
}

/// Decides when a checkpoint pays. Gets measured times, reads no clock.
pub trait Policy: Send {
    /// Observes a finished unit and decides.
    fn decide(&mut self, seen: Seen<'_>) -> Verdict;
    /// Enters what a save cost.
    fn saved(&mut self, saved: Saved<'_>);
    /// A save came to nothing after so many seconds, such as when the disk is full.
    fn save_failed(&mut self, of: Subject<'_>, spent_s: f64);
    /// A save gave way to a newer one. Those of an actor that is lost are part of the loss.
    fn save_dropped(&mut self, of: Subject<'_>);
    /// Enters a failure, when it happens.
    fn lost(&mut self, lost: Lost<'_>);
    /// Learns from a failure, once it is over.
    fn restored(&mut self, restored: Restored<'_>) -> Learned;
}
