//! What long work tells its caller while it runs; showing it is the caller's business.

/// How far an operation has come. A callback that gets one answers whether to go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// Units finished: images for `synth`, bytes for `fetch`.
    pub done: u64,
    /// Units in all, where that is known.
    pub total: Option<u64>,
}
