//! A tenant: its home, its plugins, its engine, and the runs of it that are under way.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use mobula_contract::{Quota, RunId, RunStatus};
use mobula_engine::Engine;
use mobula_server::documents as doc;
use mobula_server::{Answer, Refusal, Why, watch};
use mobula_store::StoreError;

use super::live::LiveRun;
use super::refuse::{internal, of_store, refusal};
use super::stores::{Stores, Taken};
use super::{lock, plugins};
use crate::embed::engine_over;
use crate::plugins::Catalogue;
use crate::stages::HostStages;

/// Runs at one time of a tenant without a quota of them: each has a handful of threads.
pub(super) const RUNS_MAX: u32 = 64;

/// One tenant.
pub(super) struct Tenant {
    pub(super) name: String,
    pub(super) home: PathBuf,
    stores: Stores,
    pub(super) catalogue: Arc<Catalogue>,
    pub(super) described: plugins::Described,
    engine: Mutex<Option<OwnEngine>>,
    live: Mutex<BTreeMap<RunId, Arc<LiveRun>>>,
    pub(super) changes: watch::Sender<u64>,
    stopping: Arc<AtomicBool>,
    /// Held by whoever tries a plugin on a sample.
    pub(super) trying: Mutex<()>,
    /// Held while plugins change, so that no run begins in between.
    pub(super) arranging: Mutex<()>,
}

/// An engine, and what it was made for.
struct OwnEngine {
    cpus: Option<f64>,
    memory_bytes: Option<u64>,
    engine: Arc<Engine>,
}

/// A place among the runs of a tenant; free again when dropped.
pub(super) struct Place {
    tenant: Arc<Tenant>,
    pub(super) live: Arc<LiveRun>,
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut all = lock(&self.tenant.live);
        all.remove(&self.live.run);
        let pins: Vec<_> = all.values().flat_map(|live| live.pins.clone()).collect();
        self.tenant.catalogue.unbind_all_but(&pins);
        drop(all);
        self.live.beat();
        self.tenant.changed();
    }
}

impl Tenant {
    pub(super) fn open(name: &str, home: &Path, stopping: Arc<AtomicBool>) -> anyhow::Result<Self> {
        let stores = Stores::open(home)?;
        let catalogue = Arc::new(Catalogue::open(&*stores.take()?, None)?);
        // What an earlier process was writing when it was killed.
        let _ = std::fs::remove_dir_all(home.join("tmp"));
        std::fs::create_dir_all(home.join("tmp"))?;
        Ok(Self {
            name: name.to_owned(),
            home: home.to_owned(),
            stores,
            catalogue,
            described: plugins::Described::default(),
            engine: Mutex::default(),
            live: Mutex::default(),
            changes: watch::Sender::new(0),
            stopping,
            trying: Mutex::default(),
            arranging: Mutex::default(),
        })
    }

    pub(super) fn store(&self) -> Answer<Taken<'_>> {
        self.stores.take().map_err(|e| internal(&e))
    }

    pub(super) fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::SeqCst)
    }

    pub(super) fn changed(&self) {
        self.changes.send_modify(|change| *change += 1);
    }

    /// The engine, of the size that the quota allows now; a change waits until nothing runs.
    pub(super) fn engine(&self, quota: &Quota) -> Answer<Arc<Engine>> {
        let Quota { cpus, memory_bytes, .. } = *quota;
        let mut held = lock(&self.engine);
        if let Some(sized) = &*held {
            let same = sized.cpus == cpus && sized.memory_bytes == memory_bytes;
            // This run has its place already.
            if same || Arc::strong_count(&sized.engine) > 1 {
                return Ok(Arc::clone(&sized.engine));
            }
        }
        // The old one gives back what it has before the new one takes it.
        *held = None;
        let least = 2 * mobula_engine::PROCESS_BYTES;
        let memory = memory_bytes.map(|bytes| bytes.max(least));
        let stages = HostStages { catalogue: Arc::clone(&self.catalogue), kept: None };
        let engine = engine_over(Arc::new(stages), cpus, memory);
        let engine = Arc::new(engine.map_err(|e| refusal(&e))?);
        *held = Some(OwnEngine { cpus, memory_bytes, engine: Arc::clone(&engine) });
        Ok(engine)
    }

    /// How much memory its engine uses, and how many processors it has free.
    pub(super) fn engine_use(&self) -> Option<(doc::Memory, f64)> {
        let held = lock(&self.engine);
        let sized = held.as_ref()?;
        let used = sized.engine.memory();
        let memory = doc::Memory {
            used_bytes: used.used_bytes,
            limit_bytes: sized.memory_bytes,
            spilled_bytes: used.spilled_bytes,
        };
        #[expect(clippy::cast_precision_loss, reason = "thousandths of some processors")]
        let free = sized.engine.free().cpus_milli as f64 / 1e3;
        Some((memory, free))
    }

    /// Takes a place for a run, or refuses it: counted and taken under one lock, so that no two take the
    /// same.
    pub(super) fn enter(self: &Arc<Self>, live: LiveRun, quota: &Quota) -> Answer<Place> {
        let most = quota.runs.unwrap_or(RUNS_MAX).min(RUNS_MAX);
        let mut all = lock(&self.live);
        if self.is_stopping() {
            return Err(Refusal::new(Why::Unavailable, "the server is going away: try again soon"));
        }
        if all.contains_key(&live.run) {
            let detail = format!("run {} is under way", live.run);
            return Err(Refusal::new(Why::Conflict, detail));
        }
        if all.len() >= usize::try_from(most).unwrap_or(usize::MAX) {
            let detail = format!(
                "{most} runs are under way, which is the quota: wait for one to end, or cancel it"
            );
            return Err(Refusal::new(Why::Quota, detail));
        }
        if let Err(pin) = self.catalogue.bind(&live.pins) {
            let detail = format!(
                "a run under way uses another plugin {} {}: wait for its end",
                pin.name, pin.version
            );
            return Err(Refusal::new(Why::Conflict, detail));
        }
        let live = Arc::new(live);
        all.insert(live.run.clone(), Arc::clone(&live));
        drop(all);
        Ok(Place { tenant: Arc::clone(self), live })
    }

    pub(super) fn live(&self, run: &RunId) -> Option<Arc<LiveRun>> {
        lock(&self.live).get(run).cloned()
    }

    pub(super) fn all_live(&self) -> Vec<Arc<LiveRun>> {
        lock(&self.live).values().cloned().collect()
    }

    pub(super) fn live_count(&self) -> usize {
        lock(&self.live).len()
    }

    pub(super) fn notice(&self, left_s: f64) {
        self.all_live().iter().for_each(|live| live.notice(left_s));
    }

    pub(super) fn stop_all(&self) {
        self.all_live().iter().for_each(|live| live.stop());
    }

    /// Bytes that its history, checkpoints and plugins take.
    pub(super) fn stored_bytes(&self) -> Answer<u64> {
        let store = self.store()?;
        let plugins = store.plugins().map_err(of_store)?;
        let plugins: u64 = plugins.iter().map(|row| row.size).sum();
        Ok(store.disk_bytes().map_err(of_store)? + plugins)
    }

    /// Refuses what would be stored beyond the quota.
    pub(super) fn check_room(&self, quota: &Quota, more: u64) -> Answer<()> {
        let Some(most) = quota.stored_bytes else { return Ok(()) };
        let used = self.stored_bytes()?;
        if used.saturating_add(more) <= most {
            return Ok(());
        }
        let detail = format!(
            "{used} of {most} bytes are stored, which is the quota: remove checkpoints or plugins"
        );
        Err(Refusal::new(Why::Denied, detail))
    }

    /// The run of exactly this name.
    pub(super) fn row(&self, run: &str) -> Answer<mobula_store::RunRow> {
        let store = self.store()?;
        let row = store.run_row(run).map_err(|e| match e {
            StoreError::NotFound { .. } => none(run),
            other => of_store(other),
        })?;
        // Between its entry and its start nobody holds its lock yet.
        let status = match self.live(&row.run) {
            Some(_) => RunStatus::Running,
            None => row.status,
        };
        Ok(mobula_store::RunRow { status, ..row })
    }
}

/// The same words whether it never was or is another's.
pub(super) fn none(run: &str) -> Refusal {
    let shown: String = run.chars().take(40).collect();
    Refusal::new(Why::NotFound, format!("no run `{shown}`"))
}
