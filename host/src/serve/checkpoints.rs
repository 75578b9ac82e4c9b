//! Checkpoints of a tenant: listed, taken elsewhere, pinned, dropped. Each by its whole name.

use std::io::{Seek as _, Write as _};

use mobula_contract::{CheckpointId, RunStatus};
use mobula_server::documents as doc;
use mobula_server::{Answer, Caller, Download, Refusal, Why};
use mobula_store::{CheckpointRow, Store, StoreError};

use super::HostHouse;
use super::refuse::{of_store, refusal};
use crate::commands::checkpoints::export_to;

impl HostHouse {
    pub(super) fn list_checkpoints(
        &self,
        caller: &Caller,
        run: Option<&str>,
    ) -> Answer<doc::Checkpoints> {
        let tenant = self.of(caller)?;
        let run = run.map(|run| tenant.row(run)).transpose()?.map(|row| row.run);
        let rows = tenant.store()?.checkpoints(run.as_ref()).map_err(of_store)?;
        Ok(doc::Checkpoints { checkpoints: rows.into_iter().map(document).collect() })
    }

    pub(super) fn download_checkpoint(
        &self,
        caller: &Caller,
        id: &str,
        state: bool,
    ) -> Answer<Download> {
        let tenant = self.of(caller)?;
        let store = tenant.store()?;
        let row = find(&store, id)?;
        let io = |e: std::io::Error| Refusal::internal(format!("a download has no place: {e}"));
        let folder = tempfile::tempdir_in(tenant.home.join("tmp")).map_err(io)?;
        let path = folder.path().join("checkpoint");
        if state {
            let mut file = std::fs::File::create(&path).map_err(io)?;
            let written = store.stream_checkpoint(&row.id, |piece| file.write_all(piece));
            written.map(drop).map_err(of_store)?;
        } else {
            export_to(&store, &row, &path).map_err(|e| refusal(&e))?;
        }
        // It stays until it is closed, whatever becomes of its folder.
        let mut file = std::fs::File::open(&path).map_err(io)?;
        file.rewind().map_err(io)?;
        let end = if state { "state" } else { "safetensors" };
        Ok(Download { file, name: format!("{}.{end}", row.id) })
    }

    pub(super) fn pin_checkpoint(&self, caller: &Caller, id: &str, pinned: bool) -> Answer<()> {
        let tenant = self.of(caller)?;
        let store = tenant.store()?;
        let row = find(&store, id)?;
        store.pin(&row.id, pinned).map_err(of_store)
    }

    pub(super) fn forget_checkpoint(&self, caller: &Caller, id: &str) -> Answer<()> {
        let tenant = self.of(caller)?;
        let store = tenant.store()?;
        let row = find(&store, id)?;
        let run = row.run.as_deref().and_then(|run| tenant.row(run).ok());
        if run.is_some_and(|run| run.status == RunStatus::Running) {
            let detail = "its run is under way, and may need it: cancel the run first";
            return Err(Refusal::new(Why::Conflict, detail));
        }
        store.remove_checkpoint(&row.id).map_err(of_store)
    }
}

fn find(store: &Store, id: &str) -> Answer<CheckpointRow> {
    store.checkpoint(id).map_err(|e| match e {
        StoreError::NotFound { .. } => {
            let shown: String = id.chars().take(64).collect();
            Refusal::new(Why::NotFound, format!("no checkpoint `{shown}`"))
        }
        other => of_store(other),
    })
}

fn document(row: CheckpointRow) -> doc::Checkpoint {
    let id: CheckpointId = row.id;
    doc::Checkpoint {
        id: id.to_string(),
        run: row.run,
        stage: row.stage,
        index: row.index,
        actor: row.actor,
        position: row.position,
        bytes: row.bytes,
        digest: row.digest,
        created_ms: row.created_ms,
        damaged: row.damaged,
        number: row.number,
        name: row.name,
        metric: row.metric,
        better: row.better.map(|better| format!("{better:?}").to_lowercase()),
        pinned: row.pinned,
        root: row.root,
    }
}
