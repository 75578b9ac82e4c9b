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
    /// Useful seconds that the newest checkpoint kept and the one before it would not have.
    pub kept_s: f64,
    /// Seconds that saves of this state held its worker up since the failure before.
    pub spent_s: f64,
    /// The user stopped it: nothing failed.
    pub by_user: bool,
}

/// What a policy learned from a failure.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Learned {
    /// Seconds that the checkpoints since the failure before were worth, less what they cost.
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
    /// A save came to nothing, such as when the disk is full.
    fn save_failed(&mut self, at_s: f64, of: Subject<'_>);
    /// Learns from a failure.
    fn lost(&mut self, lost: Lost<'_>) -> Learned;
    /// State is back from a checkpoint, after so many seconds.
    fn restored(&mut self, of: Subject<'_>, restore_s: f64);
}
