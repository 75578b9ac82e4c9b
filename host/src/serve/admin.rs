//! Tenants, their quotas, tokens and folders, for administrators; and what both the server and the command
//! line do with them.

use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use mobula_contract::{Quota, RunStatus};
use mobula_server::documents as doc;
use mobula_server::{Answer, Caller, Gauge, OpenedSession, Refusal, Why};
use mobula_store::{DEFAULT_TENANT, NewToken, RunsAsked, Store, TenantRow, TokenRow, Verdict};
use serde_json::Value as Json;

use super::refuse::{internal, of_store, refusal};
use super::secret::{self, NewSecret};
use super::stores::Taken;
use super::{ADMIN_TENANT, HostHouse, lock};
use crate::exit::{Ended, Exit};

/// How long a browser stays logged in.
const SESSION_LIFE_MS: u64 = 7 * 24 * 3600 * 1000;
/// Longest label of a token, and name of a folder.
const LABEL_CHARS_MAX: usize = 100;

/// The home of a tenant: the tenant `default` has the home folder itself.
pub(crate) fn home_of(home: &Path, tenant: &str) -> PathBuf {
    match tenant {
        DEFAULT_TENANT => home.to_owned(),
        other => home.join("tenants").join(other),
    }
}

/// Names that are no paths, and look the same to everybody.
pub(crate) fn check_tenant_name(name: &str) -> anyhow::Result<()> {
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    let good = (1..=32).contains(&name.len()) && name.bytes().all(plain) && !name.starts_with('-');
    if good {
        return Ok(());
    }
    let message = format!("tenant `{name}`: a name has 1 to 32 small letters, digits and `-`");
    Err(Ended::error(Exit::Invalid, message))
}

/// A quota with some of its numbers changed, as a JSON object says it: `null` is no limit.
pub(crate) fn change_quota(quota: &Quota, change: &Json) -> anyhow::Result<Quota> {
    let invalid = |why: String| Ended::error(Exit::Invalid, format!("quota: {why}"));
    let Json::Object(changes) = change else {
        return Err(invalid("give an object of numbers".to_owned()));
    };
    let mut document = serde_json::to_value(quota).expect("numbers become JSON");
    for (name, value) in changes {
        let Some(place) = document.get_mut(name) else {
            return Err(invalid(format!("`{}` is none of its numbers", name.escape_default())));
        };
        *place = value.clone();
    }
    let quota: Quota = serde_json::from_value(document)
        .map_err(|_| invalid("a number is not what it should be".to_owned()))?;
    if quota.cpus.is_some_and(|cpus| !(0.1..=4096.0).contains(&cpus)) {
        return Err(invalid("cpus: give 0.1 or more".to_owned()));
    }
    if quota.requests_per_minute == Some(0) {
        return Err(invalid("requests_per_minute: give 1 or more".to_owned()));
    }
    let least = 2 * mobula_engine::PROCESS_BYTES;
    if quota.memory_bytes.is_some_and(|bytes| bytes < least) {
        return Err(invalid(format!("memory_bytes: the least is {least}")));
    }
    Ok(quota)
}

/// Removes the home of a tenant, which has no runs under way.
pub(crate) fn remove_home(home: &Path, tenant: &str) -> anyhow::Result<()> {
    let folder = home_of(home, tenant);
    if tenant == DEFAULT_TENANT || !folder.exists() {
        return Ok(());
    }
    let asked = RunsAsked { status: Some(RunStatus::Running), limit: 1, ..Default::default() };
    let store = Store::open(&folder).map_err(crate::home::coded)?;
    if let Some(row) = store.runs_page(&asked).map_err(crate::home::coded)?.first() {
        let message = format!("run {} of tenant {tenant} is under way: cancel it first", row.run);
        return Err(Ended::error(Exit::Invalid, message));
    }
    drop(store);
    std::fs::remove_dir_all(&folder)
        .map_err(|e| Ended::error(Exit::Failed, format!("cannot remove {}: {e}", folder.display())))
}

fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

fn caller_of(row: TokenRow) -> Caller {
    // Only who belongs to the tenant of the machine's owner can administer it.
    let admin = row.admin && row.tenant == ADMIN_TENANT;
    Caller { tenant: row.tenant, token: row.id, admin, expires_ms: row.expires_ms }
}

impl HostHouse {
    pub(super) fn registry(&self) -> Answer<Taken<'_>> {
        self.root.take().map_err(|e| internal(&e))
    }

    /// Notes an act; what was done counts even where the note cannot be written.
    pub(super) fn note(&self, caller: &Caller, act: &str, subject: &str, detail: &str) {
        let by = format!("{}/{}", caller.tenant, caller.token);
        if let Ok(store) = self.registry() {
            let _ = store.note_act(&by, act, subject, detail);
        }
    }

    pub(super) fn judge_token(&self, token: &str) -> Answer<Caller> {
        let wrong = || {
            let detail = "the token is not known, has ended or was taken back: ask for a new one";
            Refusal::new(Why::Unauthorized, detail)
        };
        let id = secret::public_part(token).ok_or_else(wrong)?;
        match self.registry()?.judge_token(id, &secret::hash(token)).map_err(of_store)? {
            Verdict::Good(row) => Ok(caller_of(row)),
            Verdict::Unknown | Verdict::Ended => Err(wrong()),
        }
    }

    pub(super) fn new_session(
        &self,
        tenant: &str,
        admin: bool,
        parent: Option<&Caller>,
    ) -> Answer<OpenedSession> {
        let new = NewSecret::session().map_err(|e| internal(&e))?;
        let longest = now_ms() + SESSION_LIFE_MS;
        let expires_ms =
            parent.and_then(|parent| parent.expires_ms).unwrap_or(longest).min(longest);
        let expires_ms = Some(expires_ms);
        let (id, hash) = (new.id.as_str(), &new.hash);
        let token = NewToken { id, hash, tenant, label: "browser", admin, expires_ms };
        let opened_by = parent.map(|parent| parent.token.as_str());
        self.registry()?.open_session(&token, opened_by).map_err(of_store)?;
        let caller = Caller { tenant: tenant.to_owned(), token: new.id, admin, expires_ms };
        self.note(&caller, "session.open", tenant, opened_by.unwrap_or("login link"));
        Ok(OpenedSession { secret: new.secret, caller })
    }

    pub(super) fn redeem_code(&self, code: &str) -> Answer<OpenedSession> {
        let mut codes = lock(&self.codes);
        let Some(at) = codes.iter().position(|known| known.is(code)) else {
            let detail = "the link was used already or is too old: start the server again for a new one, or \
                          log in with a token";
            return Err(Refusal::new(Why::Unauthorized, detail));
        };
        codes.remove(at);
        drop(codes);
        self.new_session(ADMIN_TENANT, true, None)
    }

    pub(super) fn end_session(&self, caller: &Caller) -> Answer<()> {
        // A token stays until somebody takes it back.
        if !secret::is_session(&caller.token) {
            return Ok(());
        }
        self.registry()?.revoke_token(&caller.tenant, &caller.token).map_err(of_store)
    }

    pub(super) fn quota_of(&self, tenant: &str) -> Answer<Quota> {
        Ok(self.registry()?.tenant(tenant).map_err(of_store)?.quota)
    }

    pub(super) fn all_tenants(&self) -> Answer<doc::Tenants> {
        let rows = self.registry()?.tenants().map_err(of_store)?;
        let tenants =
            rows.into_iter().map(|row| self.tenant_document(row)).collect::<Answer<_>>()?;
        Ok(doc::Tenants { tenants })
    }

    fn tenant_document(&self, row: TenantRow) -> Answer<doc::Tenant> {
        let registry = self.registry()?;
        let tokens = registry.tokens(&row.name).map_err(of_store)?;
        let mounts = registry.mounts(&row.name).map_err(of_store)?;
        drop(registry);
        let mut used = doc::Use::default();
        if home_of(&self.home, &row.name).join("mobula.db").is_file() {
            let tenant = self.tenant(&row.name)?;
            used.runs = tenant.live_count() as u64;
            used.stored_bytes = tenant.stored_bytes()?;
            used.memory_bytes = tenant.engine_use().map_or(0, |(memory, _)| memory.used_bytes);
        }
        Ok(doc::Tenant {
            name: row.name,
            created_ms: row.created_ms,
            quota: row.quota,
            used,
            tokens: tokens.into_iter().map(token_document).collect(),
            mounts: mounts.into_iter().map(|(name, folder)| doc::Mount { name, folder }).collect(),
        })
    }

    pub(super) fn enter_tenant(
        &self,
        caller: &Caller,
        new: &doc::NewTenant,
    ) -> Answer<doc::Tenant> {
        check_tenant_name(&new.name).map_err(|e| refusal(&e))?;
        let quota = match &new.quota {
            Some(change) => change_quota(&Quota::default(), change).map_err(|e| refusal(&e))?,
            None => Quota::default(),
        };
        let registry = self.registry()?;
        registry.add_tenant(&new.name, &quota).map_err(of_store)?;
        self.note(caller, "tenant.add", &new.name, &shown(&quota));
        self.tenant_document(registry.tenant(&new.name).map_err(of_store)?)
    }

    pub(super) fn change_tenant_quota(
        &self,
        caller: &Caller,
        tenant: &str,
        change: &Json,
    ) -> Answer<doc::Tenant> {
        let registry = self.registry()?;
        let row = registry.tenant(tenant).map_err(of_store)?;
        let quota = change_quota(&row.quota, change).map_err(|e| refusal(&e))?;
        registry.set_quota(tenant, &quota).map_err(of_store)?;
        self.note(caller, "tenant.quota", tenant, &shown(&quota));
        self.tenant_document(registry.tenant(tenant).map_err(of_store)?)
    }

    pub(super) fn give_token(
        &self,
        caller: &Caller,
        tenant: &str,
        new: &doc::NewToken,
    ) -> Answer<doc::NewTokenDocument> {
        let registry = self.registry()?;
        let by = format!("{}/{}", caller.tenant, caller.token);
        give_token(&registry, &by, tenant, new).map_err(|e| refusal(&e))
    }

    pub(super) fn take_token(&self, caller: &Caller, tenant: &str, id: &str) -> Answer<()> {
        self.registry()?.revoke_token(tenant, id).map_err(of_store)?;
        self.note(caller, "token.revoke", tenant, id);
        Ok(())
    }

    pub(super) fn grant_mount(
        &self,
        caller: &Caller,
        tenant: &str,
        name: &str,
        folder: Option<&str>,
    ) -> Answer<()> {
        let registry = self.registry()?;
        match folder {
            Some(folder) => {
                check_mount(name, folder).map_err(|e| refusal(&e))?;
                registry.set_mount(tenant, name, folder).map_err(of_store)?;
                self.note(caller, "tenant.mount", tenant, &format!("{name}={folder}"));
            }
            None => {
                registry.remove_mount(tenant, name).map_err(of_store)?;
                self.note(caller, "tenant.unmount", tenant, name);
            }
        }
        Ok(())
    }

    pub(super) fn drop_tenant(&self, caller: &Caller, tenant: &str) -> Answer<()> {
        let registry = self.registry()?;
        registry.tenant(tenant).map_err(of_store)?;
        if tenant == DEFAULT_TENANT {
            let detail = "the tenant `default` is the home folder itself, and stays";
            return Err(Refusal::new(Why::Conflict, detail));
        }
        let mut tenants = lock(&self.tenants);
        if tenants.get(tenant).is_some_and(|tenant| tenant.live_count() > 0) {
            let detail = "runs of the tenant are under way: cancel them first";
            return Err(Refusal::new(Why::Conflict, detail));
        }
        // First the tokens: who asks from here on is nobody.
        registry.remove_tenant(tenant).map_err(of_store)?;
        tenants.remove(tenant);
        drop(tenants);
        self.note(caller, "tenant.remove", tenant, "");
        remove_home(&self.home, tenant).map_err(|e| refusal(&e))
    }

    pub(super) fn audit_log(&self, limit: usize) -> Answer<doc::Audit> {
        let entries = self.registry()?.audit(limit).map_err(of_store)?.into_iter();
        let entries = entries.map(|entry| doc::AuditEntry {
            number: entry.number,
            at_ms: entry.at_ms,
            by: entry.by,
            act: entry.act,
            subject: entry.subject,
            detail: entry.detail,
        });
        Ok(doc::Audit { entries: entries.collect() })
    }

    pub(super) fn all_workers(&self) -> Answer<doc::Workers> {
        let tenants: Vec<_> = lock(&self.tenants).values().cloned().collect();
        let mut found = Vec::new();
        for tenant in tenants {
            let Some((memory, cpus_free)) = tenant.engine_use() else { continue };
            let runs = tenant.all_live().iter().map(|live| live.run.to_string()).collect();
            let cpus = self.quota_of(&tenant.name)?.cpus.unwrap_or_else(cores);
            let tenant = tenant.name.clone();
            found.push(doc::TenantWorkers { tenant, cpus, cpus_free, runs, memory });
        }
        Ok(doc::Workers { tenants: found })
    }

    pub(super) fn all_gauges(&self) -> Answer<Vec<Gauge>> {
        let tenants: Vec<_> = lock(&self.tenants).values().cloned().collect();
        let mut gauges = Vec::new();
        for (name, help) in [
            ("runs_live", "Runs under way."),
            ("stored_bytes", "History, checkpoints and plugins."),
            ("memory_bytes", "Objects and guests in memory."),
        ] {
            for tenant in &tenants {
                let value = match name {
                    "runs_live" => tenant.live_count() as u64,
                    "stored_bytes" => tenant.stored_bytes()?,
                    _ => tenant.engine_use().map_or(0, |(memory, _)| memory.used_bytes),
                };
                let label = Some(("tenant", tenant.name.clone()));
                #[expect(clippy::cast_precision_loss, reason = "as numbers are shown")]
                let value = value as f64;
                gauges.push(Gauge { name, help, label, value });
            }
        }
        Ok(gauges)
    }
}

/// Processors of this machine.
pub(super) fn cores() -> f64 {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    f64::from(u32::try_from(cores).unwrap_or(u32::MAX))
}

fn shown(quota: &Quota) -> String {
    serde_json::to_string(quota).expect("numbers become JSON")
}

/// What a grant may be called, and which folders there are.
pub(crate) fn check_mount(name: &str, folder: &str) -> anyhow::Result<()> {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-_.".contains(&b);
    let good = (1..=LABEL_CHARS_MAX).contains(&name.len())
        && name.bytes().all(plain)
        && !name.starts_with('.');
    if !good {
        let message = "a folder's name has letters, digits, `-`, `_` and `.`, and begins with none of the last";
        return Err(Ended::error(Exit::Invalid, message));
    }
    if !Path::new(folder).is_absolute() || !Path::new(folder).is_dir() {
        let message = format!("`{folder}` is no folder of this machine: give its whole path");
        return Err(Ended::error(Exit::Invalid, message));
    }
    Ok(())
}

/// Gives a tenant a token, and notes it.
pub(crate) fn give_token(
    registry: &Store,
    by: &str,
    tenant: &str,
    new: &doc::NewToken,
) -> anyhow::Result<doc::NewTokenDocument> {
    if new.admin && tenant != ADMIN_TENANT {
        let message = "only tokens of the tenant `default` can administer the server";
        return Err(Ended::error(Exit::Invalid, message));
    }
    if new.label.chars().count() > LABEL_CHARS_MAX || new.label.chars().any(char::is_control) {
        let message =
            format!("a label has at most {LABEL_CHARS_MAX} characters, and none that control");
        return Err(Ended::error(Exit::Invalid, message));
    }
    let secret = NewSecret::token()?;
    let expires_ms = new.days.map(|days| now_ms() + u64::from(days) * 24 * 3600 * 1000);
    let token = NewToken {
        id: &secret.id,
        hash: &secret.hash,
        tenant,
        label: &new.label,
        admin: new.admin,
        expires_ms,
    };
    registry.add_token(&token).map_err(crate::home::coded)?;
    let detail = if new.admin { "administrator" } else { "" };
    registry
        .note_act(by, "token.add", tenant, format!("{} {detail}", secret.id).trim_end())
        .map_err(crate::home::coded)?;
    Ok(doc::NewTokenDocument { token: secret.secret, id: secret.id })
}

fn token_document(row: TokenRow) -> doc::Token {
    doc::Token {
        kind: if row.session { "session" } else { "token" }.to_owned(),
        id: row.id,
        label: row.label,
        admin: row.admin,
        created_ms: row.created_ms,
        expires_ms: row.expires_ms,
        revoked_ms: row.revoked_ms,
        used_ms: row.used_ms,
    }
}
