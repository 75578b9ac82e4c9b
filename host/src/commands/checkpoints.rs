//! `mobula checkpoints`: what is kept, whether it is whole, and how to take it elsewhere.

use std::path::{Path, PathBuf};

use mobula_contract::{CheckpointId, RunId};
use mobula_store::{CheckpointRow, Store, StoreError};
use mobula_trainer::Trainer;
use serde_json::json;

use crate::args::CheckpointsCommand;
use crate::exit::{Ended, Exit};
use crate::home;
use crate::output::{Output, bytes, date, table};

pub(crate) fn perform(
    command: &CheckpointsCommand,
    home: Option<PathBuf>,
    output: Output,
) -> anyhow::Result<()> {
    let store = home::store(home)?;
    match command {
        CheckpointsCommand::List { run } => list(&rows(&store, run.as_deref())?, output),
        CheckpointsCommand::Show { checkpoint } => {
            let row = store.checkpoint(checkpoint).map_err(home::coded)?;
            list(&[row], output)
        }
        CheckpointsCommand::Verify { run } => verify(&store, run.as_deref(), output),
        CheckpointsCommand::Export { checkpoint, output: file } => {
            export(&store, checkpoint, file, output)
        }
        CheckpointsCommand::Gc { dry_run } => {
            let found = store.collect(*dry_run).map_err(home::coded)?;
            let word = if *dry_run { "would free" } else { "freed" };
            let count = found.checkpoints.len();
            let document = json!({ "$type": "checkpoints.collected", "dry_run": dry_run,
                "checkpoints": found.checkpoints, "bytes": found.bytes });
            output
                .result(&document, || format!("{word} {count} checkpoints, {}", bytes(found.bytes)))
        }
    }
}

fn rows(store: &Store, run: Option<&str>) -> anyhow::Result<Vec<CheckpointRow>> {
    let run: Option<RunId> = run.map(|text| home::run(store, text)).transpose()?.map(|row| row.run);
    store.checkpoints(run.as_ref()).map_err(home::coded)
}

fn list(rows: &[CheckpointRow], output: Output) -> anyhow::Result<()> {
    output.result(&json!({ "$type": "checkpoints", "checkpoints": rows }), || {
        if rows.is_empty() {
            return "no checkpoints".to_owned();
        }
        let head = ["checkpoint", "after", "of", "bytes", "created", "state"];
        let shown = rows.iter().map(|row| {
            vec![
                row.id.to_string(),
                format!("{}[{}]", row.stage, row.index),
                row.actor.clone().unwrap_or_else(|| "output".to_owned()),
                bytes(row.bytes),
                date(row.created_ms),
                row.damaged.as_ref().map_or("good", |_| "damaged").to_owned(),
            ]
        });
        table(&std::iter::once(head.map(str::to_owned).to_vec()).chain(shown).collect::<Vec<_>>())
    })
}

fn verify(store: &Store, run: Option<&str>, output: Output) -> anyhow::Result<()> {
    let rows = rows(store, run)?;
    let mut damaged = Vec::new();
    for row in &rows {
        match store.load_checkpoint(&row.id) {
            Ok(_) => {}
            Err(e @ StoreError::Damaged { .. }) => damaged.push(e.to_string()),
            Err(e) => return Err(home::coded(e)),
        }
    }
    let good = rows.len() - damaged.len();
    let document = json!({ "$type": "checkpoints.verified", "checked": rows.len(), "good": good,
        "damaged": damaged });
    output.result(&document, || format!("{good} of {} checkpoints are good", rows.len()))?;
    if damaged.is_empty() { Ok(()) } else { Err(Ended::error(Exit::Failed, damaged.join("\n"))) }
}

/// Weights of a trainer's state; its snapshot is such a file already, with more in it.
fn export(store: &Store, id: &str, file: &Path, output: Output) -> anyhow::Result<()> {
    let row = store.checkpoint(id).map_err(home::coded)?;
    let state = store.load_checkpoint(&CheckpointId::from_text(id)).map_err(home::coded)?;
    let trainer = Trainer::restore(&state, Some(1)).map_err(|e| {
        let of = row.actor.as_deref().unwrap_or("a task");
        Ended::error(Exit::Invalid, format!("{id} is of {of}, not of a trainer: {e}"))
    })?;
    let weights = trainer.weights();
    super::write_file(file, &weights)?;
    let document = json!({ "$type": "checkpoint.exported", "checkpoint": id,
        "file": file, "bytes": weights.len(), "state_digest": trainer.state_digest() });
    output.result(&document, || {
        format!(
            "{}: {} parameters after epoch {}",
            file.display(),
            trainer.parameters(),
            trainer.epochs()
        )
    })
}
