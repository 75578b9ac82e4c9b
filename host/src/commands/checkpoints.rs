//! `mobula checkpoints`: what is kept, whether it is whole, and how to take it elsewhere.

use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::Context as _;
use mobula_contract::{CheckpointId, DType, Object, RunId, Value, decode_object};
use mobula_store::{CheckpointRow, NewCheckpoint, Retention, Store, Verification};
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
    let find = |text: &str| store.find_checkpoint(text).map_err(home::coded);
    match command {
        CheckpointsCommand::List { run } => list(&rows(&store, run.as_deref())?, output),
        CheckpointsCommand::Show { checkpoint } => show(&find(checkpoint)?, &store, output),
        CheckpointsCommand::Verify { run } => verify(&store, run.as_deref(), output),
        CheckpointsCommand::Export { checkpoint, output: file, state } => {
            let row = find(checkpoint)?;
            match state {
                true => export_state(&store, &row, file, output),
                false => export(&store, &row, file, output),
            }
        }
        CheckpointsCommand::Import { file, name } => import(&store, file, name.as_deref(), output),
        CheckpointsCommand::Pin { checkpoint } => pin(&store, &find(checkpoint)?, true, output),
        CheckpointsCommand::Unpin { checkpoint } => pin(&store, &find(checkpoint)?, false, output),
        CheckpointsCommand::Gc { dry_run } => collect(&store, *dry_run, output),
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
                subject(row),
                bytes(row.bytes),
                date(row.created_ms),
                state(row).to_owned(),
            ]
        });
        table(&std::iter::once(head.map(str::to_owned).to_vec()).chain(shown).collect::<Vec<_>>())
    })
}

fn subject(row: &CheckpointRow) -> String {
    match (&row.actor, &row.name) {
        (Some(actor), _) => actor.clone(),
        (None, Some(name)) => name.clone(),
        (None, None) => "output".to_owned(),
    }
}

fn state(row: &CheckpointRow) -> &'static str {
    match (&row.damaged, row.pinned) {
        (Some(_), _) => "damaged",
        (None, true) => "pinned",
        (None, false) => "good",
    }
}

fn show(row: &CheckpointRow, store: &Store, output: Output) -> anyhow::Result<()> {
    let parts = store.parts(&row.id).map_err(home::coded)?;
    let document = json!({ "$type": "checkpoints", "checkpoints": [row],
        "chunks": parts.chunks, "shared_bytes": parts.shared_bytes, "file_bytes": parts.file_bytes });
    output.result(&document, || {
        let metric = row
            .metric
            .zip(row.better)
            .map(|(metric, better)| format!("{metric} ({better:?} is better)").to_lowercase());
        let shared = format!(
            "{} in {} chunks, {} of it also in other checkpoints, {} in files",
            bytes(row.bytes),
            parts.chunks,
            bytes(parts.shared_bytes),
            bytes(parts.file_bytes)
        );
        let lines = [
            ("checkpoint", Some(row.id.to_string())),
            ("name", row.name.clone()),
            ("run", row.run.clone()),
            ("after", Some(format!("{}[{}]", row.stage, row.index))),
            ("of", Some(subject(row))),
            ("holds", row.actor.as_ref().map(|_| format!("{} calls", row.position))),
            ("bytes", Some(shared)),
            ("created", Some(date(row.created_ms))),
            ("state", Some(state(row).to_owned())),
            ("damage", row.damaged.clone()),
            ("metric", metric),
            ("digest", Some(row.digest.clone())),
            ("root", Some(row.root.clone())),
        ];
        let said = lines.into_iter().filter_map(|(name, value)| Some([name.to_owned(), value?]));
        table(&said.map(Vec::from).collect::<Vec<_>>())
    })
}

fn verify(store: &Store, run: Option<&str>, output: Output) -> anyhow::Result<()> {
    let run: Option<RunId> = run.map(|text| home::run(store, text)).transpose()?.map(|row| row.run);
    let found = store.verify(run.as_ref()).map_err(home::coded)?;
    let damaged: Vec<_> = found.damaged.iter().map(|bad| bad.to_string()).collect();
    let findings: Vec<_> = found
        .damaged
        .iter()
        .map(|bad| json!({ "id": bad.id, "detail": bad.detail, "instead": bad.instead }))
        .collect();
    let orphans: u64 = found.orphans.iter().map(|entry| entry.bytes).sum();
    let document = json!({ "$type": "checkpoints.verified", "checked": found.checked,
        "good": found.good, "bytes": found.bytes, "damaged": damaged, "findings": findings,
        "faults": found.faults, "orphans": found.orphans.len(), "orphan_bytes": orphans });
    output.result(&document, || verified(&found))?;
    if found.is_good() {
        return Ok(());
    }
    Err(Ended::error(Exit::Failed, [damaged, found.faults].concat().join("\n")))
}

fn verified(found: &Verification) -> String {
    let (good, checked) = (found.good, found.checked);
    let mut text = format!("{good} of {checked} checkpoints are good, {} read", bytes(found.bytes));
    if !found.orphans.is_empty() {
        let sum = found.orphans.iter().map(|entry| entry.bytes).sum();
        let count = found.orphans.len();
        text.push_str(&format!(
            "\n{count} files belong to none ({}): `mobula checkpoints gc` removes them",
            bytes(sum)
        ));
    }
    text
}

fn export(store: &Store, row: &CheckpointRow, file: &Path, output: Output) -> anyhow::Result<()> {
    let Exported { document, prose } = export_to(store, row, file)?;
    output.result(&document, || prose)
}

/// What was written into a file.
pub(crate) struct Exported {
    document: serde_json::Value,
    prose: String,
}

/// Writes the weights of a trainer's state, or the tensors of an output, as safetensors.
pub(crate) fn export_to(
    store: &Store,
    row: &CheckpointRow,
    file: &Path,
) -> anyhow::Result<Exported> {
    let state = store.load_checkpoint(&row.id).map_err(home::coded)?;
    if let Ok(object) = decode_object(&state) {
        drop(state);
        return export_output(row, &object, file);
    }
    let trainer = Trainer::restore(&state, Some(1)).map_err(|e| {
        let (id, of) = (&row.id, subject(row));
        let hint = "`--state` writes it as it is";
        Ended::error(Exit::Invalid, format!("{id} is of {of}, not of a trainer: {e}: {hint}"))
    })?;
    let weights = trainer.weights();
    super::write_file(file, &weights)?;
    let document = json!({ "$type": "checkpoint.exported", "checkpoint": row.id,
        "file": file, "bytes": weights.len(), "state_digest": trainer.state_digest() });
    let (parameters, epochs) = (trainer.parameters(), trainer.epochs());
    let prose = format!("{}: {parameters} parameters after epoch {epochs}", file.display());
    Ok(Exported { document, prose })
}

/// safetensors: the length of the header in 8 bytes, the header as JSON, filled up with spaces so that
/// tensors begin at a multiple of 8, then the tensors.
fn export_output(row: &CheckpointRow, object: &Object, file: &Path) -> anyhow::Result<Exported> {
    let tensors = object.fields.iter().filter_map(|(name, value)| match value {
        Value::Tensor(tensor) => Some((name, tensor)),
        _ => None,
    });
    // Wide elements first, so that each begins where its width asks for.
    let mut tensors: Vec<_> = tensors.collect();
    tensors.sort_by_key(|(name, tensor)| (std::cmp::Reverse(width(tensor.dtype())), *name));
    if tensors.is_empty() {
        let id = &row.id;
        let why = format!("{id} has no tensors, which alone can be exported: `--state` writes it");
        return Err(Ended::error(Exit::Invalid, why));
    }
    let (mut header, mut at) = (serde_json::Map::new(), 0);
    for (name, tensor) in &tensors {
        let end = at + tensor.bytes().len();
        let entry = json!({ "dtype": dtype_name(tensor.dtype()), "shape": tensor.shape(),
            "data_offsets": [at, end] });
        header.insert((*name).clone(), entry);
        at = end;
    }
    let mut header = serde_json::Value::Object(header).to_string();
    header.push_str(&" ".repeat(header.len().next_multiple_of(8) - header.len()));
    super::write_file_with(file, |part| {
        part.write_all(&(header.len() as u64).to_le_bytes())?;
        part.write_all(header.as_bytes())?;
        tensors.iter().try_for_each(|(_, tensor)| part.write_all(tensor.bytes()))?;
        Ok(())
    })?;
    let (count, size) = (tensors.len(), 8 + header.len() + at);
    let document = json!({ "$type": "checkpoint.exported", "checkpoint": row.id, "file": file,
        "bytes": size, "tensors": count });
    Ok(Exported { document, prose: format!("{}: {count} tensors", file.display()) })
}

fn width(dtype: DType) -> u8 {
    match dtype {
        DType::Bool | DType::U8 => 1,
        DType::S32 | DType::F32 => 4,
        DType::S64 | DType::F64 => 8,
    }
}

fn dtype_name(dtype: DType) -> &'static str {
    match dtype {
        DType::Bool => "BOOL",
        DType::U8 => "U8",
        DType::S32 => "I32",
        DType::S64 => "I64",
        DType::F32 => "F32",
        DType::F64 => "F64",
    }
}

fn export_state(
    store: &Store,
    row: &CheckpointRow,
    file: &Path,
    output: Output,
) -> anyhow::Result<()> {
    super::write_file_with(file, |part| {
        let written = store.stream_checkpoint(&row.id, |piece| part.write_all(piece));
        written.map(drop).map_err(home::coded)
    })?;
    let document = json!({ "$type": "checkpoint.exported", "checkpoint": row.id, "file": file,
        "bytes": row.bytes });
    output.result(&document, || format!("{}: the state of {}", file.display(), row.id))
}

fn import(store: &Store, file: &Path, name: Option<&str>, output: Output) -> anyhow::Result<()> {
    let state = std::fs::read(file).with_context(|| format!("cannot read {}", file.display()))?;
    if !is_safetensors(&state) && decode_object(&state).is_err() {
        let why = format!("{} is neither a safetensors file nor an exported state", file.display());
        return Err(Ended::error(Exit::Invalid, why));
    }
    let stem = file.file_stem().map(|stem| stem.to_string_lossy().into_owned());
    let name = name.map(str::to_owned).or(stem).unwrap_or_default();
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let salt = (std::process::id() ^ since.subsec_nanos()) & 0xffff;
    let since = u64::try_from(since.as_millis()).unwrap_or(u64::MAX);
    // Runs count from 1.
    let id = CheckpointId::new(&RunId::new(since, u16::try_from(salt).unwrap_or(0)), 0);
    let new = NewCheckpoint {
        id: &id,
        run: None,
        name: Some(&name),
        stage: "import",
        index: 0,
        actor: None,
        position: 0,
        metric: None,
        pinned: true,
        bytes: &state,
    };
    let saved = store.save_checkpoint(&new, &Retention::default()).map_err(home::coded)?;
    let document = json!({ "$type": "checkpoint.imported", "checkpoint": id, "name": name,
        "bytes": state.len(), "digest": saved.digest });
    output.result(&document, || id.to_string())
}

/// Whether the header is one, and its tensors are all there.
fn is_safetensors(bytes: &[u8]) -> bool {
    let Some((len, rest)) = bytes.split_first_chunk() else { return false };
    let header = usize::try_from(u64::from_le_bytes(*len)).ok().and_then(|len| rest.get(..len));
    let header = header.and_then(|header| {
        serde_json::from_slice::<serde_json::Map<String, serde_json::Value>>(header).ok()
    });
    let Some(header) = header else { return false };
    let end = |entry: &serde_json::Value| entry["data_offsets"][1].as_u64();
    let tensors = header.iter().filter(|(name, _)| *name != "__metadata__");
    let ends: Option<Vec<u64>> = tensors.map(|(_, entry)| end(entry)).collect();
    let have = rest.len() as u64 - u64::from_le_bytes(*len);
    ends.is_some_and(|ends| ends.into_iter().max().unwrap_or(0) == have)
}

fn pin(store: &Store, row: &CheckpointRow, pinned: bool, output: Output) -> anyhow::Result<()> {
    store.pin(&row.id, pinned).map_err(home::coded)?;
    let document = json!({ "$type": "checkpoint.pinned", "checkpoint": row.id, "pinned": pinned });
    let word = if pinned { "pinned" } else { "no longer pinned" };
    output.result(&document, || format!("{} is {word}", row.id))
}

fn collect(store: &Store, dry_run: bool, output: Output) -> anyhow::Result<()> {
    let found = store.collect(dry_run).map_err(home::coded)?;
    let count = found.checkpoints.len();
    let document = json!({ "$type": "checkpoints.collected", "dry_run": dry_run,
        "checkpoints": found.checkpoints, "bytes": found.bytes, "orphans": found.orphans,
        "freed_bytes": found.freed });
    output.result(&document, || match dry_run {
        true => format!("would free {count} checkpoints, {}", bytes(found.bytes)),
        false => format!(
            "freed {count} checkpoints, {}; the disk got {} back",
            bytes(found.bytes),
            bytes(found.freed)
        ),
    })
}
