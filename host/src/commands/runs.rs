//! `mobula runs`: the history.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;
use mobula_adaptive::simulate::{Replayed, replay};
use mobula_contract::{
    AccountReport, EventBody, PolicyAccount, RunEvent, RunId, RunReport, RunStatus,
};
use mobula_store::Store;
use serde_json::json;

use super::{cancel, compare};
use crate::args::RunsCommand;
use crate::cluster::Cluster;
use crate::home;
use crate::live::learned;
use crate::output::{Output, bytes, date, table, to_stdout};
use crate::recorded::recorded;
use crate::timeline::trace;

/// Policies that a run's account is compared with.
const OTHERS: [&str; 6] = ["adaptive", "threshold", "young-daly", "every=5", "always", "never"];
/// Events of a run that is still replayed under other policies whenever it is shown.
const REPLAYED_MAX: usize = 50_000;

pub(crate) fn perform(
    command: &RunsCommand,
    home: Option<PathBuf>,
    cluster: Option<&dyn Cluster>,
    output: Output,
) -> anyhow::Result<()> {
    if let RunsCommand::Resume { run, how } = command {
        return super::run::resume(run, how, home, cluster, output);
    }
    let store = home::store(home)?;
    match command {
        RunsCommand::List => list(&store, output),
        RunsCommand::Show { run } => {
            let report = report(&store, run)?;
            output.result(&report, || prose(&report))
        }
        RunsCommand::Logs { run } => logs(&store, run, output),
        RunsCommand::Events { run } => events(&store, run, output),
        RunsCommand::Cancel { run, wait } => {
            cancel::perform(&store, run, Duration::from_secs_f64(*wait), output)
        }
        RunsCommand::Compare { runs } => compare::perform(&store, runs, output),
        RunsCommand::Timeline { run, output: file } => {
            timeline(&store, run, file.as_deref(), output)
        }
        RunsCommand::Resume { .. } => unreachable!("taken care of above"),
    }
}

fn list(store: &Store, output: Output) -> anyhow::Result<()> {
    let runs = store.runs().map_err(home::coded)?;
    output.result(&json!({ "$type": "runs", "runs": runs }), || {
        if runs.is_empty() {
            return "no runs yet: `mobula run FILE` makes one".to_owned();
        }
        let head = ["run", "pipeline", "status", "started", "seconds"].map(str::to_owned).to_vec();
        let rows = runs.iter().map(|row| {
            let seconds = format!("{:.1}", row.wall_s);
            vec![
                row.run.to_string(),
                row.pipeline.clone(),
                row.status.to_string(),
                date(row.started_ms),
                seconds,
            ]
        });
        table(&std::iter::once(head).chain(rows).collect::<Vec<_>>())
    })
}

fn all_events(store: &Store, run: &str) -> anyhow::Result<Vec<(u64, RunEvent)>> {
    let row = home::run(store, run)?;
    store.events(&row.run, 0).map_err(home::coded)
}

fn report(store: &Store, run: &str) -> anyhow::Result<RunReport> {
    let row = home::run(store, run)?;
    report_of(store, &row.run, row.seed, row.status)
}

/// The report of a run, with what other policies would have needed.
pub(crate) fn report_of(
    store: &Store,
    run: &RunId,
    seed: u64,
    status: RunStatus,
) -> anyhow::Result<RunReport> {
    let events = store.events(run, 0).map_err(home::coded)?;
    let events: Vec<RunEvent> = events.into_iter().map(|(_, event)| event).collect();
    let mut report = RunReport::from_events(run.clone(), seed, status, &events);
    report.account.policies = others(&events);
    Ok(report)
}

/// What other policies would have needed for the work and the failures of a run's busiest actor.
fn others(events: &[RunEvent]) -> Vec<PolicyAccount> {
    let Some(recorded) = (events.len() <= REPLAYED_MAX).then(|| recorded(events)).flatten() else {
        return Vec::new();
    };
    let policies = OTHERS.map(|name| name.parse().expect("a policy of ours"));
    let account = |replayed: Replayed| PolicyAccount {
        policy: replayed.policy.to_string(),
        makespan_s: replayed.outcome.makespan_s,
        checkpoints: replayed.outcome.saves,
    };
    replay(&recorded.run, &policies).into_iter().map(account).collect()
}

fn logs(store: &Store, run: &str, output: Output) -> anyhow::Result<()> {
    let events = all_events(store, run)?;
    let lines: Vec<_> = events
        .iter()
        .filter_map(|(number, event)| match &event.body {
            EventBody::Log { stage, level, message } => Some(json!({
                "number": number, "at_s": event.at_s, "stage": stage.name, "index": stage.index,
                "level": level, "message": message,
            })),
            _ => None,
        })
        .collect();
    output.result(&json!({ "$type": "logs", "lines": lines }), || {
        let shown = events.iter().filter_map(|(_, event)| match &event.body {
            EventBody::Log { stage, level, message } => {
                let level = format!("{level:?}").to_lowercase();
                Some(format!("{:9.3} {level:<5} {stage}: {message}", event.at_s))
            }
            _ => None,
        });
        shown.collect::<Vec<_>>().join("\n")
    })
}

fn events(store: &Store, run: &str, output: Output) -> anyhow::Result<()> {
    let events = all_events(store, run)?;
    if !output.json {
        output.note("one JSON document per line; --json gives one document in all");
    }
    let documents: Vec<_> = events
        .iter()
        .map(|(number, event)| json!({ "number": number, "at_s": event.at_s, "body": event.body }))
        .collect();
    output.result(&json!({ "$type": "events", "events": documents }), || {
        documents.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
    })
}

fn timeline(store: &Store, run: &str, file: Option<&Path>, output: Output) -> anyhow::Result<()> {
    let text = trace(&report(store, run)?).to_string();
    let Some(file) = file else { return to_stdout(&text) };
    std::fs::write(file, text).with_context(|| format!("cannot write {}", file.display()))?;
    output.note(&format!("open {} in https://ui.perfetto.dev", file.display()));
    Ok(())
}

/// A run's report for people.
pub(crate) fn prose(report: &RunReport) -> String {
    let mut text = format!(
        "run {} {} after {:.1} s, seed {}\n\n",
        report.run, report.status, report.wall_s, report.seed
    );
    let head = ["stage", "worker", "attempt", "status", "start", "seconds"];
    let mut rows = vec![head.map(str::to_owned).to_vec()];
    for stage in &report.stages {
        let seconds =
            stage.ended_s.map_or(String::new(), |end| format!("{:.3}", end - stage.started_s));
        let replay = if stage.replay { " (replay)" } else { "" };
        rows.push(vec![
            format!("{}[{}]", stage.name, stage.index),
            stage.worker.clone(),
            stage.attempt.to_string(),
            format!("{}{replay}", stage.status),
            format!("{:.3}", stage.started_s),
            seconds,
        ]);
    }
    text += &table(&rows);
    let taken = report.decisions.iter().filter(|decision| decision.checkpoint).count();
    let held: u64 = report.checkpoints.iter().map(|checkpoint| checkpoint.bytes).sum();
    text += &format!(
        "\n\ncheckpoints: {taken} of {} decisions, {} durable ({})",
        report.decisions.len(),
        report.checkpoints.len(),
        bytes(held),
    );
    text += &account(&report.account);
    let cost = &report.cost;
    text += &format!(
        "\ncost: {} calls ({} cold), {:.2} s of computing, guest memory up to {}, {} in, {} out",
        cost.calls,
        cost.cold_calls,
        cost.cpu_s,
        bytes(cost.memory_peak_bytes),
        bytes(cost.bytes_in),
        bytes(cost.bytes_out)
    );
    for recovery in &report.recoveries {
        let from = recovery.from_checkpoint.as_ref().map_or("nothing", |id| id.as_str());
        text += &format!(
            "\nrecovery at {}[{}] from {from}: {}",
            recovery.stage,
            recovery.index,
            learned(recovery)
        );
    }
    for actor in &report.actors {
        let digest = actor.state_digest.as_deref().unwrap_or("no digest");
        text += &format!("\nactor {}: {} restarts, state {digest}", actor.name, actor.restarts);
    }
    for (name, value) in &report.result {
        text += &format!("\n{name}: {value}");
    }
    text
}

/// What checkpoints cost, what they were worth, and what other policies would have needed.
fn account(account: &AccountReport) -> String {
    let AccountReport { blocking_s, background_s, saved_s, lost_s, useful_s, policies } = account;
    let share = if *useful_s > 0.0 { 100.0 * blocking_s / useful_s } else { 0.0 };
    let mut text = format!(
        "\naccount: saves held work up for {blocking_s:.3} s ({share:.2} %) and were written for \
         {background_s:.3} s beside it; failures took {lost_s:.3} s, recoveries kept {saved_s:.3} s"
    );
    if !policies.is_empty() {
        let of = |policy: &PolicyAccount| {
            let PolicyAccount { policy, makespan_s, checkpoints } = policy;
            format!("{policy} {makespan_s:.2} s ({checkpoints} saves)")
        };
        let all: Vec<String> = policies.iter().map(of).collect();
        text += &format!("\nthe same work and failures under other policies: {}", all.join(", "));
    }
    text
}
