//! The server's port, method by method: each goes to the part that knows it.

use std::path::{Path, PathBuf};

use mobula_contract::{Quota, RunEvent, RunStatus};
use mobula_server::documents as doc;
use mobula_server::{
    Answer, Caller, Download, Follow, Gauge, House, OpenedSession, Push, Refusal, watch,
};
use serde_json::Value as Json;

use super::HostHouse;
use super::admin::cores;
use super::refuse::of_store;
use super::runs::report;
use crate::timeline::trace;

impl House for HostHouse {
    fn judge(&self, token: &str) -> Answer<Caller> {
        self.judge_token(token)
    }

    fn stands(&self, caller: &Caller) -> Answer<bool> {
        self.registry()?.token_stands(&caller.token).map_err(of_store)
    }

    fn open_session(&self, caller: &Caller) -> Answer<OpenedSession> {
        self.new_session(&caller.tenant, caller.admin, Some(caller))
    }

    fn redeem(&self, code: &str) -> Answer<OpenedSession> {
        self.redeem_code(code)
    }

    fn close_session(&self, caller: &Caller) -> Answer<()> {
        self.end_session(caller)
    }

    fn quota(&self, tenant: &str) -> Answer<Quota> {
        self.quota_of(tenant)
    }

    fn overview(&self, caller: &Caller) -> Answer<doc::Overview> {
        let tenant = self.of(caller)?;
        let quota = self.quota_of(&caller.tenant)?;
        let mut runs = doc::RunCounts::default();
        for (status, count) in tenant.store()?.count_runs().map_err(of_store)? {
            match status {
                RunStatus::Succeeded => runs.succeeded = count,
                RunStatus::Failed => runs.failed = count,
                RunStatus::Running | RunStatus::Interrupted => runs.interrupted += count,
            }
        }
        // Rows say `running` of runs whose process is gone, too.
        runs.running = tenant.live_count() as u64;
        runs.interrupted = runs.interrupted.saturating_sub(runs.running);
        let cpus = quota.cpus.unwrap_or_else(cores);
        let memory = tenant.engine_use().map(|(memory, _)| memory).unwrap_or_else(|| doc::Memory {
            limit_bytes: quota.memory_bytes,
            ..doc::Memory::default()
        });
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a number of processors"
        )]
        let workers = cpus.max(1.0) as u32;
        Ok(doc::Overview {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            uptime_s: self.started.elapsed().as_secs_f64(),
            tenant: caller.tenant.clone(),
            workers,
            cpus,
            memory,
            store: doc::Stored {
                used_bytes: tenant.stored_bytes()?,
                limit_bytes: quota.stored_bytes,
            },
            runs,
            quota,
        })
    }

    fn runs(&self, caller: &Caller, asked: &doc::RunsQuery) -> Answer<doc::Runs> {
        self.list_runs(caller, asked)
    }

    fn changes(&self, caller: &Caller) -> Answer<watch::Receiver<u64>> {
        Ok(self.of(caller)?.changes.subscribe())
    }

    fn start(&self, caller: &Caller, asked: &doc::NewRun) -> Answer<doc::Started> {
        self.start_run(caller, asked)
    }

    fn check(&self, caller: &Caller, asked: &doc::CheckPipeline) -> Answer<doc::Checked> {
        self.check_pipeline(caller, asked)
    }

    fn pipelines(&self, caller: &Caller) -> Answer<doc::Pipelines> {
        self.known_pipelines(caller)
    }

    fn mounts(&self, caller: &Caller) -> Answer<doc::Mounts> {
        self.mount_names(caller)
    }

    fn run(&self, caller: &Caller, run: &str, brief: bool) -> Answer<doc::RunDocument> {
        self.show_run(caller, run, brief)
    }

    fn events(
        &self,
        caller: &Caller,
        run: &str,
        after: u64,
        limit: usize,
    ) -> Answer<Vec<(u64, RunEvent)>> {
        let tenant = self.of(caller)?;
        let row = tenant.row(run)?;
        let store = tenant.store()?;
        store.events_page(&row.run, after, limit).map_err(of_store)
    }

    fn follow(&self, caller: &Caller, run: &str) -> Answer<Follow> {
        self.follow_run(caller, run)
    }

    fn progress(&self, caller: &Caller, run: &str) -> Answer<Vec<doc::Progress>> {
        let tenant = self.of(caller)?;
        let live = mobula_contract::RunId::parse(run).and_then(|run| tenant.live(&run));
        Ok(live.map(|live| live.progress()).unwrap_or_default())
    }

    fn cancel(&self, caller: &Caller, run: &str) -> Answer<doc::Started> {
        self.cancel_run(caller, run)
    }

    fn resume(&self, caller: &Caller, run: &str) -> Answer<doc::Started> {
        self.resume_run(caller, run)
    }

    fn rerun(&self, caller: &Caller, run: &str, changes: &doc::Rerun) -> Answer<doc::Started> {
        self.rerun_run(caller, run, changes)
    }

    fn inject(&self, caller: &Caller, run: &str, spec: &str) -> Answer<doc::Started> {
        self.inject_fault(caller, run, spec)
    }

    fn graph(&self, caller: &Caller, run: &str) -> Answer<doc::Graph> {
        self.graph_of(caller, run)
    }

    fn objects(&self, caller: &Caller, run: &str) -> Answer<doc::Objects> {
        self.objects_of(caller, run)
    }

    fn rows(&self, caller: &Caller, of: &doc::FieldOf, rows: usize) -> Answer<doc::Rows> {
        self.rows_of(caller, of, rows)
    }

    fn image(&self, caller: &Caller, of: &doc::FieldOf, row: usize) -> Answer<Vec<u8>> {
        self.image_of(caller, of, row)
    }

    fn timeline(&self, caller: &Caller, run: &str) -> Answer<Json> {
        let tenant = self.of(caller)?;
        let row = tenant.row(run)?;
        let store = tenant.store()?;
        Ok(trace(&report(&store, &row)?))
    }

    fn checkpoints(&self, caller: &Caller, run: Option<&str>) -> Answer<doc::Checkpoints> {
        self.list_checkpoints(caller, run)
    }

    fn download(&self, caller: &Caller, id: &str, state: bool) -> Answer<Download> {
        self.download_checkpoint(caller, id, state)
    }

    fn pin(&self, caller: &Caller, id: &str, pinned: bool) -> Answer<()> {
        self.pin_checkpoint(caller, id, pinned)
    }

    fn drop_checkpoint(&self, caller: &Caller, id: &str) -> Answer<()> {
        self.forget_checkpoint(caller, id)
    }

    fn plugins(&self, caller: &Caller) -> Answer<doc::Plugins> {
        self.all_plugins(caller)
    }

    fn plugin(&self, caller: &Caller, name: &str, version: &str) -> Answer<doc::Plugin> {
        self.one_plugin(caller, name, version)
    }

    fn upload_folder(&self, caller: &Caller) -> Answer<PathBuf> {
        let folder = self.of(caller)?.home.join("tmp");
        let wrong = |e: std::io::Error| Refusal::internal(format!("{}: {e}", folder.display()));
        std::fs::create_dir_all(&folder).map_err(wrong)?;
        Ok(folder)
    }

    fn push(&self, caller: &Caller, file: &Path, how: Push) -> Answer<doc::Plugin> {
        self.push_plugin(caller, file, how)
    }

    fn enable(&self, caller: &Caller, name: &str, version: &str, enabled: bool) -> Answer<()> {
        self.enable_plugin(caller, name, version, enabled)
    }

    fn remove_plugin(&self, caller: &Caller, name: &str, version: &str) -> Answer<()> {
        self.forget_plugin(caller, name, version)
    }

    fn try_plugin(
        &self,
        caller: &Caller,
        name: &str,
        version: &str,
        sample: &doc::Try,
    ) -> Answer<doc::Tried> {
        self.try_sample(caller, name, version, sample)
    }

    fn tenants(&self) -> Answer<doc::Tenants> {
        self.all_tenants()
    }

    fn add_tenant(&self, caller: &Caller, new: &doc::NewTenant) -> Answer<doc::Tenant> {
        self.enter_tenant(caller, new)
    }

    fn set_quota(&self, caller: &Caller, tenant: &str, change: &Json) -> Answer<doc::Tenant> {
        self.change_tenant_quota(caller, tenant, change)
    }

    fn add_token(
        &self,
        caller: &Caller,
        tenant: &str,
        new: &doc::NewToken,
    ) -> Answer<doc::NewTokenDocument> {
        self.give_token(caller, tenant, new)
    }

    fn revoke_token(&self, caller: &Caller, tenant: &str, id: &str) -> Answer<()> {
        self.take_token(caller, tenant, id)
    }

    fn set_mount(
        &self,
        caller: &Caller,
        tenant: &str,
        name: &str,
        folder: Option<&str>,
    ) -> Answer<()> {
        self.grant_mount(caller, tenant, name, folder)
    }

    fn remove_tenant(&self, caller: &Caller, tenant: &str) -> Answer<()> {
        self.drop_tenant(caller, tenant)
    }

    fn audit(&self, limit: usize) -> Answer<doc::Audit> {
        self.audit_log(limit)
    }

    fn workers(&self) -> Answer<doc::Workers> {
        self.all_workers()
    }

    fn gauges(&self) -> Answer<Vec<Gauge>> {
        self.all_gauges()
    }
}
