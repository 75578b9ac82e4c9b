//! Folds a run's events into its report. The same events give the same report, in the process that
//! runs them and in any that reads them later.

use serde_json::{Map, Value as Json, json};

use crate::call::Receipt;
use crate::event::{EventBody, OutputNote, RunEvent, RunStatus, StageRef};
use crate::id::RunId;
use crate::report::{AccountReport, ActorReport, CostReport, RunReport, StageReport};

impl RunReport {
    /// The report of a run whose events are all here, in order.
    #[must_use]
    pub fn from_events(run: RunId, seed: u64, status: RunStatus, events: &[RunEvent]) -> Self {
        let mut report = Self {
            document: "run.finished".to_owned(),
            run,
            status,
            seed,
            wall_s: events.last().map_or(0.0, |event| event.at_s),
            stages: Vec::new(),
            actors: Vec::new(),
            checkpoints: Vec::new(),
            decisions: Vec::new(),
            recoveries: Vec::new(),
            cost: CostReport::default(),
            account: AccountReport::default(),
            result: Map::new(),
            error: None,
        };
        for event in events {
            report.take_in(event);
        }
        if status != RunStatus::Running {
            report.close_stages(status);
        }
        report
    }

    fn take_in(&mut self, event: &RunEvent) {
        match &event.body {
            // What an earlier process was doing when it died never ended.
            EventBody::RunStarted { resumed: true, .. } => {
                self.close_stages(RunStatus::Interrupted);
            }
            EventBody::StageStarted { stage, worker, attempt, on_actor, replay } => {
                self.stages.push(StageReport {
                    name: stage.name.clone(),
                    index: stage.index,
                    kind: if *on_actor { "actor" } else { "task" }.to_owned(),
                    worker: worker.clone(),
                    attempt: *attempt,
                    status: "running".to_owned(),
                    started_s: event.at_s,
                    ended_s: None,
                    outputs: Map::new(),
                    replay: *replay,
                    receipt: None,
                    error: None,
                });
            }
            EventBody::StageFinished { stage, outputs, receipt, .. } => {
                self.cost_of(receipt.as_ref());
                let outputs = outputs.iter().map(|(name, note)| (name.clone(), shown(note)));
                if let Some(open) = self.close(stage, event.at_s, "succeeded") {
                    open.outputs = outputs.collect();
                    open.receipt = *receipt;
                }
            }
            EventBody::StageFailed { stage, message, receipt, .. } => {
                self.cost_of(receipt.as_ref());
                if let Some(open) = self.close(stage, event.at_s, "failed") {
                    open.error = Some(message.clone());
                    open.receipt = *receipt;
                }
            }
            EventBody::ActorStarted { actor, restarts, .. } => {
                self.actor(actor).restarts = *restarts;
            }
            EventBody::ActorFinished { actor, state_digest } => {
                self.actor(actor).state_digest.clone_from(state_digest);
            }
            EventBody::Decided { decision } => {
                self.account.useful_s += decision.runtime_s;
                self.decisions.push(decision.clone());
            }
            EventBody::CheckpointSaved { checkpoint, .. } => {
                self.account.blocking_s += checkpoint.blocking_s;
                self.account.background_s += checkpoint.total_s - checkpoint.blocking_s;
                self.checkpoints.push(checkpoint.clone());
            }
            EventBody::Recovered { recovery } => {
                self.account.lost_s += recovery.lost_s;
                self.account.saved_s += recovery.kept_s;
                self.recoveries.push(recovery.clone());
            }
            EventBody::RunEnded { result, error, .. } => {
                self.result.clone_from(result);
                self.error.clone_from(error);
            }
            EventBody::RunStarted { .. }
            | EventBody::ActorLost { .. }
            | EventBody::Expanded { .. }
            | EventBody::CheckpointFailed { .. }
            | EventBody::CheckpointReplaced { .. }
            | EventBody::CheckpointSetAside { .. }
            | EventBody::Remembered { .. }
            | EventBody::Log { .. }
            | EventBody::Metric { .. }
            | EventBody::Progress { .. } => {}
        }
    }

    fn cost_of(&mut self, receipt: Option<&Receipt>) {
        if let Some(receipt) = receipt {
            self.cost.add(receipt);
        }
    }

    fn close(&mut self, stage: &StageRef, at_s: f64, status: &str) -> Option<&mut StageReport> {
        let open = self.stages.iter_mut().rev().find(|open| {
            open.ended_s.is_none() && open.name == stage.name && open.index == stage.index
        })?;
        open.ended_s = Some(at_s);
        status.clone_into(&mut open.status);
        Some(open)
    }

    fn close_stages(&mut self, status: RunStatus) {
        let word = if status == RunStatus::Succeeded { "succeeded" } else { "interrupted" };
        for open in self.stages.iter_mut().filter(|open| open.status == "running") {
            word.clone_into(&mut open.status);
        }
    }

    fn actor(&mut self, name: &str) -> &mut ActorReport {
        let at = self.actors.iter().position(|actor| actor.name == name).unwrap_or_else(|| {
            let name = name.to_owned();
            self.actors.push(ActorReport { name, restarts: 0, state_digest: None });
            self.actors.len() - 1
        });
        &mut self.actors[at]
    }
}

fn shown(note: &OutputNote) -> Json {
    match note {
        OutputNote::Json { value } => value.clone(),
        OutputNote::Tensor { dtype, shape } => json!({ "dtype": dtype, "shape": shape }),
        OutputNote::Bytes { len } => json!({ "bytes": len }),
    }
}
