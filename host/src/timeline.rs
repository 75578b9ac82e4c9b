//! A run as a Chrome trace: one row per worker, one bar per attempt.
//! Format: "Trace Event Format" of the Chromium project, complete events (`ph: "X"`), microseconds.

use mobula_contract::RunReport;
use serde_json::{Value as Json, json};

/// The trace of a run.
pub(crate) fn trace(report: &RunReport) -> Json {
    let mut workers: Vec<&str> = report.stages.iter().map(|s| s.worker.as_str()).collect();
    workers.sort_unstable();
    workers.dedup();
    let row = |worker: &str| workers.iter().position(|w| *w == worker).unwrap_or(0);
    let names = workers.iter().map(|worker| {
        json!({ "ph": "M", "pid": 1, "tid": row(worker), "name": "thread_name",
                "args": { "name": worker } })
    });
    let bars = report.stages.iter().map(|stage| {
        let ended_s = stage.ended_s.unwrap_or(report.wall_s);
        json!({
            "ph": "X", "pid": 1, "tid": row(&stage.worker), "cat": stage.kind,
            "name": format!("{}[{}]", stage.name, stage.index),
            "ts": stage.started_s * 1e6, "dur": (ended_s - stage.started_s).max(0.0) * 1e6,
            "args": { "attempt": stage.attempt, "status": stage.status, "replay": stage.replay,
                      "receipt": stage.receipt },
        })
    });
    json!({ "traceEvents": names.chain(bars).collect::<Vec<_>>(), "displayTimeUnit": "ms" })
}
