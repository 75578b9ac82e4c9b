//! Runs of a tenant: begun, taken up, stopped; each on a thread of its own.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use mobula_contract::{EventBody, Pipeline, Quota, RunEvent, RunId, RunReport, RunStatus};
use mobula_engine::{Engine, Left};
use mobula_server::documents as doc;
use mobula_server::{Answer, Caller, Follow, Refusal, Why};
use mobula_store::{NewRun, RunRow, RunsAsked, Served, Store};
use serde_json::{Map, Value as Json, json};

use super::HostHouse;
use super::live::LiveRun;
use super::pipelines::{self, faults, overrides};
use super::refuse::{of_store, refusal};
use super::tenant::{Place, Tenant, none};
use crate::args::From;
use crate::check::check_faults;
use crate::job::{Hooks, RunJob, new_id};
use crate::origin;
use crate::stop;

/// Runs that a page of the history has.
const PAGE_DEFAULT: u32 = 50;
const PAGE_MAX: u32 = 200;

/// Everything that a thread needs to perform a run.
struct Work {
    tenant: Arc<Tenant>,
    place: Place,
    job: RunJob,
    engine: Arc<Engine>,
    bytes_max: Option<u64>,
}

impl HostHouse {
    pub(super) fn start_run(&self, caller: &Caller, asked: &doc::NewRun) -> Answer<doc::Started> {
        self.is_going()?;
        let (tenant, quota) = (self.of(caller)?, self.quota_of(&caller.tenant)?);
        let faults = faults(&asked.inject)?;
        let from = origins(&asked.from)?;
        let granted = self.granted(caller)?;
        let arranging = super::lock(&tenant.arranging);
        let pipeline =
            pipelines::read(&tenant, &granted, &asked.pipeline, &overrides(&asked.set)?)?;
        check_faults(&pipeline, &faults).map_err(|e| refusal(&e))?;
        let chaos = asked.chaos || !faults.is_empty();
        let place = tenant.enter(LiveRun::new(new_id(), &pipeline, chaos), &quota)?;
        drop(arranging);
        tenant.check_room(&quota, 0)?;
        let engine = tenant.engine(&quota)?;
        let misfits = mobula_engine::misfits(&engine, &pipeline);
        if !misfits.is_empty() {
            return Err(Refusal::new(Why::Invalid, misfits.join("\n")));
        }
        let run = place.live.run.clone();
        let store = tenant.store()?;
        let states = origin::read_kept(&store, &pipeline, &from).map_err(|e| refusal(&e))?;
        store.create_run(&NewRun { id: &run, pipeline: &pipeline }).map_err(of_store)?;
        let (text, sets) = (asked.pipeline.clone(), asked.set.clone());
        store.serve_run(&run, &Served { text, sets, chaos }).map_err(of_store)?;
        let origin: Option<Left> = origin::enter(&store, &run, &states).map_err(|e| refusal(&e))?;
        drop(store);
        let before = Vec::new();
        let job = RunJob { run: run.clone(), pipeline, faults, before, origin };
        let bytes_max = quota.stored_bytes;
        perform(Work { tenant, place, job, engine, bytes_max })?;
        Ok(doc::Started { run: run.to_string() })
    }

    pub(super) fn rerun_run(
        &self,
        caller: &Caller,
        run: &str,
        changes: &doc::Rerun,
    ) -> Answer<doc::Started> {
        let tenant = self.of(caller)?;
        let row = tenant.row(run)?;
        let served = tenant.store()?.served(&row.run).map_err(of_store)?;
        let Some(Served { text, sets, .. }) = served else {
            let detail = "the run was started on the command line, and its file is not kept: start it as a new one";
            return Err(Refusal::new(Why::Conflict, detail));
        };
        let asked = doc::NewRun {
            pipeline: text,
            set: [sets, changes.set.clone()].concat(),
            inject: changes.inject.clone(),
            from: changes.from.clone(),
            chaos: changes.chaos,
        };
        self.start_run(caller, &asked)
    }

    pub(super) fn resume_run(&self, caller: &Caller, run: &str) -> Answer<doc::Started> {
        self.is_going()?;
        let (tenant, quota) = (self.of(caller)?, self.quota_of(&caller.tenant)?);
        let row = tenant.row(run)?;
        match row.status {
            RunStatus::Succeeded => {
                let detail = format!("run {run} is already done");
                return Err(Refusal::new(Why::Conflict, detail));
            }
            RunStatus::Running => {
                return Err(Refusal::new(Why::Conflict, format!("run {run} is under way")));
            }
            RunStatus::Failed | RunStatus::Interrupted => {}
        }
        tenant.check_room(&quota, 0)?;
        tenant.resume(&row, &quota, &quota)?;
        Ok(doc::Started { run: run.to_owned() })
    }

    pub(super) fn cancel_run(&self, caller: &Caller, run: &str) -> Answer<doc::Started> {
        let tenant = self.of(caller)?;
        let row = tenant.row(run)?;
        let Some(live) = tenant.live(&row.run) else {
            if row.status != RunStatus::Running {
                let detail = format!("run {run} is {}: there is nothing to cancel", row.status);
                return Err(Refusal::new(Why::Conflict, detail));
            }
            // Another process has it, such as `mobula run` in a terminal.
            let store = tenant.store()?;
            stop::ask(store.home(), &row.run).map_err(|e| refusal(&e))?;
            return Ok(doc::Started { run: run.to_owned() });
        };
        live.cancel();
        Ok(doc::Started { run: run.to_owned() })
    }

    pub(super) fn inject_fault(
        &self,
        caller: &Caller,
        run: &str,
        spec: &str,
    ) -> Answer<doc::Started> {
        let tenant = self.of(caller)?;
        let row = tenant.row(run)?;
        let fault = faults(&[spec.to_owned()])?.remove(0);
        let pipeline = tenant.store()?.run_pipeline(&row.run).map_err(of_store)?;
        check_faults(&pipeline, std::slice::from_ref(&fault)).map_err(|e| refusal(&e))?;
        let Some(live) = tenant.live(&row.run) else {
            let detail = format!("run {run} is {}: no failure can be made in it", row.status);
            return Err(Refusal::new(Why::Conflict, detail));
        };
        if !live.chaos {
            let detail = "failures can be made only in runs that were started with `chaos`";
            return Err(Refusal::new(Why::Conflict, detail));
        }
        match live.inject(fault) {
            true => Ok(doc::Started { run: run.to_owned() }),
            false => Err(Refusal::new(Why::Conflict, "the run is only beginning: try again")),
        }
    }

    pub(super) fn list_runs(&self, caller: &Caller, asked: &doc::RunsQuery) -> Answer<doc::Runs> {
        let tenant = self.of(caller)?;
        let limit = asked.limit.unwrap_or(PAGE_DEFAULT);
        if !(1..=PAGE_MAX).contains(&limit) {
            let detail = format!("limit {limit}: give 1 to {PAGE_MAX}");
            return Err(Refusal::new(Why::Invalid, detail));
        }
        let after = asked.after.as_deref().map(read_place).transpose()?;
        let asked = RunsAsked {
            status: asked.status,
            pipeline: asked.pipeline.clone(),
            text: asked.q.clone().filter(|text| !text.is_empty()),
            after,
            limit: usize::try_from(limit).unwrap_or(usize::MAX),
        };
        let store = tenant.store()?;
        let rows = store.runs_page(&asked).map_err(of_store)?;
        let next = rows.last().filter(|_| rows.len() == asked.limit);
        let next = next.map(|row| format!("{}.{}", row.started_ms, row.run));
        let mut runs = Vec::with_capacity(rows.len());
        for row in rows {
            runs.push(entry(&tenant, &store, row)?);
        }
        Ok(doc::Runs { runs, next })
    }

    pub(super) fn show_run(
        &self,
        caller: &Caller,
        run: &str,
        brief: bool,
    ) -> Answer<doc::RunDocument> {
        let tenant = self.of(caller)?;
        let row = tenant.row(run)?;
        let store = tenant.store()?;
        let mut report = report(&store, &row)?;
        if brief {
            report.stages.clear();
            report.checkpoints.clear();
            report.decisions.clear();
            report.recoveries.clear();
        }
        let served = store.served(&row.run).map_err(of_store)?;
        let (pipeline_text, set, chaos) = match served {
            Some(Served { text, sets, chaos }) => (Some(text), sets, chaos),
            None => (None, Vec::new(), false),
        };
        Ok(doc::RunDocument {
            report,
            pipeline: row.pipeline,
            started_ms: row.started_ms,
            pipeline_text,
            set,
            chaos,
            live: tenant.live(&row.run).is_some(),
            tenant: tenant.name.clone(),
        })
    }

    pub(super) fn follow_run(&self, caller: &Caller, run: &str) -> Answer<Follow> {
        let tenant = self.of(caller)?;
        // First the run, then its row: who ends in between has written its end.
        let live = RunId::parse(run).and_then(|run| tenant.live(&run));
        if let Some(live) = live {
            let pulse = Some(live.follow());
            return Ok(Follow { pulse, live: true, status: RunStatus::Running });
        }
        let row = tenant.row(run)?;
        let live = row.status == RunStatus::Running;
        Ok(Follow { pulse: None, live, status: row.status })
    }
}

/// The report of a run as it stands.
pub(super) fn report(store: &Store, row: &RunRow) -> Answer<RunReport> {
    let events = store.events(&row.run, 0).map_err(of_store)?;
    let events: Vec<RunEvent> = events.into_iter().map(|(_, event)| event).collect();
    Ok(RunReport::from_events(row.run.clone(), row.seed, row.status, &events))
}

fn origins(texts: &[String]) -> Answer<Vec<From>> {
    let read = |text: &String| From::parse(text).map_err(|e| Refusal::new(Why::Invalid, e));
    texts.iter().map(read).collect()
}

/// A place in the list of runs, as `next` gives it.
fn read_place(text: &str) -> Answer<(u64, String)> {
    let read = || {
        let (ms, run) = text.split_once('.')?;
        Some((ms.parse().ok()?, RunId::parse(run)?.to_string()))
    };
    read().ok_or_else(|| Refusal::new(Why::Invalid, "after: give `next` of the page before"))
}

fn entry(tenant: &Tenant, store: &Store, row: RunRow) -> Answer<doc::RunEntry> {
    let live = tenant.live(&row.run);
    let (progress, mut accuracy) = match &live {
        Some(live) => {
            let (share, accuracy) = live.shown();
            (Some(share), accuracy)
        }
        None => (None, None),
    };
    if live.is_none()
        && let Some((_, RunEvent { body: EventBody::RunEnded { result, .. }, .. })) =
            store.last_event(&row.run).map_err(of_store)?
    {
        accuracy = ["test_accuracy", "val_accuracy", "accuracy"]
            .iter()
            .find_map(|name| result.get(*name).and_then(Json::as_f64));
    }
    Ok(doc::RunEntry {
        run: row.run.to_string(),
        pipeline: row.pipeline,
        status: if live.is_some() { RunStatus::Running } else { row.status },
        seed: row.seed,
        started_ms: row.started_ms,
        wall_s: row.wall_s,
        error: row.error,
        progress,
        accuracy,
        tenant: tenant.name.clone(),
        live: live.is_some(),
    })
}

impl Tenant {
    /// Runs that the server was performing when it ended.
    pub(super) fn open_runs(&self) -> anyhow::Result<Vec<RunId>> {
        let store = self.store().map_err(|e| anyhow::anyhow!(e.detail))?;
        store.open_runs().map_err(crate::home::coded)
    }

    /// Takes up a run that an earlier server was performing; `false` where it had come to its end.
    pub(super) fn take_up(self: &Arc<Self>, run: &RunId, quota: &Quota) -> Answer<bool> {
        let row = self.row(run.as_str())?;
        if matches!(row.status, RunStatus::Succeeded | RunStatus::Failed) {
            self.store()?.leave_open(run, false).map_err(of_store)?;
            return Ok(false);
        }
        // It had its place before, whatever the quota says now.
        self.resume(&row, &Quota { runs: None, ..*quota }, quota)?;
        Ok(true)
    }

    fn resume(self: &Arc<Self>, row: &RunRow, places: &Quota, quota: &Quota) -> Answer<()> {
        let store = self.store()?;
        let pipeline = store.run_pipeline(&row.run).map_err(of_store)?;
        let served = store.served(&row.run).map_err(of_store)?;
        let chaos = served.is_some_and(|served| served.chaos);
        let live = LiveRun::new(row.run.clone(), &pipeline, chaos);
        let place = self.enter(live, places)?;
        // From here on its plugins are those that it began with, also where they were disabled since.
        let found = crate::check::problems(&pipeline, &self.catalogue);
        if !found.is_empty() {
            let lines: Vec<String> = found.into_iter().map(|(_, message)| message).collect();
            return Err(Refusal::new(Why::Conflict, lines.join("\n")));
        }
        let engine = self.engine(quota)?;
        store.leave_open(&row.run, true).map_err(of_store)?;
        let events = store.events(&row.run, 0).map_err(of_store)?;
        drop(store);
        let before = events.into_iter().map(|(_, event)| event).collect();
        let (run, faults, origin) = (row.run.clone(), Vec::new(), None);
        let job = RunJob { run, pipeline, faults, before, origin };
        let bytes_max = quota.stored_bytes;
        perform(Work { tenant: Arc::clone(self), place, job, engine, bytes_max })
    }
}

/// Performs a run on a thread of its own.
fn perform(work: Work) -> Answer<()> {
    work.tenant.changed();
    let name = work.job.run.to_string();
    let thread = std::thread::Builder::new().name(name).spawn(move || {
        let Work { tenant, place, job, engine, bytes_max } = work;
        let (run, live) = (job.run.clone(), Arc::clone(&place.live));
        let at_s = job.before.last().map_or(0.0, |event| event.at_s);
        let ended = run_job(&tenant, &live, job, &engine, bytes_max);
        drop(engine);
        if let Err(error) = ended {
            say(&tenant, &run, &format!("{error:#}"));
            fail(&tenant, &run, at_s, &format!("{error:#}"));
        }
        drop(place);
    });
    let wrong = |e: std::io::Error| Refusal::internal(format!("no thread for a run: {e}"));
    thread.map(drop).map_err(wrong)
}

fn run_job(
    tenant: &Arc<Tenant>,
    live: &Arc<LiveRun>,
    job: RunJob,
    engine: &Engine,
    bytes_max: Option<u64>,
) -> anyhow::Result<()> {
    let store = tenant.store().map_err(|e| anyhow::anyhow!(e.internal.unwrap_or(e.detail)))?;
    let run = job.run.clone();
    let (telling, of) = (Arc::clone(tenant), run.clone());
    let beating = Arc::clone(live);
    let hooks = Hooks {
        tell: Arc::new(move |text: &str| say(&telling, &of, text)),
        written: Box::new(move || beating.beat()),
        kill_host: None,
        bytes_max,
    };
    let begun = job.begin(&store, engine, hooks)?;
    // It can be stopped from its first event on: before, there is nobody to see its end.
    let mut handle = Some(begun.cancel_handle());
    let outcome = begun.finish(&store, &mut |event| {
        if matches!(event.body, EventBody::RunStarted { .. })
            && let Some(handle) = handle.take()
        {
            live.control(handle);
        }
        live.see(event);
    })?;
    // What was interrupted because the server goes away is taken up when it comes back.
    let goes_on = outcome.status == RunStatus::Interrupted
        && tenant.is_stopping()
        && !live.cancelled.load(Ordering::SeqCst);
    if !goes_on {
        store.leave_open(&run, false).map_err(crate::home::coded)?;
    }
    Ok(())
}

/// Writes down that a run failed before or beside its stages.
fn fail(tenant: &Tenant, run: &RunId, at_s: f64, message: &str) {
    let body = EventBody::RunEnded {
        status: RunStatus::Failed,
        result: Map::new(),
        error: Some(message.to_owned()),
    };
    let write = |store: &Store| {
        // Another process may have been faster: then it is its run.
        let _lock = store.lock_run(run)?;
        store.append(run, &[RunEvent { at_s, body }])?;
        store.leave_open(run, false)
    };
    let written = tenant.store().map(|store| write(&store));
    if !matches!(written, Ok(Ok(()))) {
        say(tenant, run, "its failure could not be written down");
    }
}

/// A line of the server's log.
fn say(tenant: &Tenant, run: &RunId, text: &str) {
    use std::io::Write as _;
    let line = json!({ "tenant": tenant.name, "run": run, "message": text });
    let _ = writeln!(std::io::stderr(), "{line}");
}

/// A pipeline of a run, which has to be there.
pub(super) fn pipeline_of(store: &Store, row: &RunRow) -> Answer<Pipeline> {
    store.run_pipeline(&row.run).map_err(|e| match e {
        mobula_store::StoreError::NotFound { .. } => none(row.run.as_str()),
        other => of_store(other),
    })
}
