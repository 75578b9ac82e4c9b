//! `mobula tenant`: who shares this machine. A server that runs meanwhile takes it in with its next request.

use std::path::PathBuf;

use mobula_contract::{Quota, parse_bytes};
use mobula_server::documents::NewToken;
use mobula_store::{DEFAULT_TENANT, Store, TenantRow};
use serde_json::{Map, Value as Json, json};

use crate::exit::{Ended, Exit};
use crate::home;
use crate::output::{Output, bytes, date, table};
use crate::serve::args::{QuotaArgs, TenantCommand};
use crate::serve::{
    change_quota, check_mount, check_tenant_name, give_token, home_of, remove_home,
};

/// Who did it, in the audit log.
const BY: &str = "cli";

pub(crate) fn perform(
    command: &TenantCommand,
    home: Option<PathBuf>,
    output: Output,
) -> anyhow::Result<()> {
    let folder = home::folder(home)?;
    let store = Store::open(&folder).map_err(home::coded)?;
    store.found_default_tenant().map_err(home::coded)?;
    let note = |act: &str, subject: &str, detail: &str| {
        store.note_act(BY, act, subject, detail).map_err(home::coded)
    };
    match command {
        TenantCommand::Add { name, quota } => {
            check_tenant_name(name)?;
            let quota = changed(&Quota::default(), quota)?;
            store.add_tenant(name, &quota).map_err(|e| match e {
                mobula_store::StoreError::TenantExists(_) => {
                    Ended::error(Exit::Invalid, e.to_string())
                }
                other => home::coded(other),
            })?;
            note("tenant.add", name, &serde_json::to_string(&quota)?)?;
            show(&store, name, output)?;
            if !output.json {
                output.note(&format!("`mobula tenant token {name}` gives it a token"));
            }
            Ok(())
        }
        TenantCommand::List => list(&store.tenants().map_err(home::coded)?, output),
        TenantCommand::Show { name } => show(&store, name, output),
        TenantCommand::Quota { name, quota } => {
            let row = store.tenant(name).map_err(home::coded)?;
            let quota = changed(&row.quota, quota)?;
            store.set_quota(name, &quota).map_err(home::coded)?;
            note("tenant.quota", name, &serde_json::to_string(&quota)?)?;
            show(&store, name, output)
        }
        TenantCommand::Token { name, revoke: Some(id), .. } => {
            store.revoke_token(name, id).map_err(home::coded)?;
            note("token.revoke", name, id)?;
            let document = json!({ "$type": "token.revoked", "tenant": name, "id": id });
            output.result(&document, || format!("{id} is no good any more"))
        }
        TenantCommand::Token { name, label, days, admin, revoke: None } => {
            let new = NewToken { label: label.clone(), days: *days, admin: *admin };
            let given = give_token(&store, BY, name, &new)?;
            let document = json!({ "$type": "token", "tenant": name, "token": given.token,
                "id": given.id, "admin": admin });
            if !output.json {
                output.note("keep it: it is shown only this once");
            }
            output.result(&document, || given.token.clone())
        }
        TenantCommand::Mount { name, grant } => mount(&store, name, grant, output),
        TenantCommand::Remove { name } => {
            store.tenant(name).map_err(home::coded)?;
            if name == DEFAULT_TENANT {
                let message = "the tenant `default` is the home folder itself, and stays";
                return Err(Ended::error(Exit::Invalid, message));
            }
            store.remove_tenant(name).map_err(home::coded)?;
            note("tenant.remove", name, "")?;
            remove_home(&folder, name)?;
            let document = json!({ "$type": "tenant.removed", "tenant": name });
            output.result(&document, || format!("{name} is removed, with all it had"))
        }
        TenantCommand::Audit { limit } => {
            let entries = store.audit(*limit).map_err(home::coded)?;
            output.result(&json!({ "$type": "audit", "entries": entries }), || {
                let rows = entries.iter().map(|entry| {
                    vec![
                        date(entry.at_ms),
                        entry.by.clone(),
                        entry.act.clone(),
                        entry.subject.clone(),
                        entry.detail.clone(),
                    ]
                });
                let head = ["when", "by", "act", "of", "detail"].map(str::to_owned).to_vec();
                table(&std::iter::once(head).chain(rows).collect::<Vec<_>>())
            })
        }
    }
}

fn mount(store: &Store, tenant: &str, grant: &str, output: Output) -> anyhow::Result<()> {
    let Some((name, folder)) = grant.split_once('=') else {
        let message = format!("`{grant}` is not NAME=FOLDER");
        return Err(Ended::error(Exit::Invalid, message));
    };
    if folder.is_empty() {
        store.remove_mount(tenant, name).map_err(home::coded)?;
        store.note_act(BY, "tenant.unmount", tenant, name).map_err(home::coded)?;
    } else {
        let whole = std::path::absolute(folder)?.display().to_string();
        check_mount(name, &whole)?;
        store.set_mount(tenant, name, &whole).map_err(home::coded)?;
        let detail = format!("{name}={whole}");
        store.note_act(BY, "tenant.mount", tenant, &detail).map_err(home::coded)?;
    }
    show(store, tenant, output)
}

/// The quota with what the command line changes.
fn changed(quota: &Quota, args: &QuotaArgs) -> anyhow::Result<Quota> {
    let mut change = Map::new();
    let numbers = [
        ("runs", &args.runs),
        ("cpus", &args.cpus),
        ("memory_bytes", &args.memory),
        ("stored_bytes", &args.stored),
        ("upload_bytes", &args.upload),
        ("requests_per_minute", &args.requests),
    ];
    for (name, text) in numbers {
        let Some(text) = text else { continue };
        let number = match name.ends_with("_bytes") {
            true => parse_bytes(text).map(Json::from),
            false => text
                .parse::<u64>()
                .map(Json::from)
                .ok()
                .or_else(|| text.parse::<f64>().ok().map(Json::from)),
        };
        let value = match text.as_str() {
            "none" => Some(Json::Null),
            _ => number,
        };
        let wrong = || format!("{name}: `{text}` is no number, and not `none`");
        change.insert(name.to_owned(), value.ok_or_else(|| Ended::error(Exit::Invalid, wrong()))?);
    }
    change_quota(quota, &Json::Object(change))
}

fn limit<T>(limit: Option<T>, show: impl Fn(T) -> String) -> String {
    limit.map_or("none".to_owned(), show)
}

fn list(rows: &[TenantRow], output: Output) -> anyhow::Result<()> {
    output.result(&json!({ "$type": "tenants", "tenants": rows }), || {
        let shown = rows.iter().map(|row| {
            let quota = &row.quota;
            vec![
                row.name.clone(),
                limit(quota.runs, |n| n.to_string()),
                limit(quota.cpus, |n| n.to_string()),
                limit(quota.memory_bytes, bytes),
                limit(quota.stored_bytes, bytes),
                limit(quota.upload_bytes, bytes),
                limit(quota.requests_per_minute, |n| n.to_string()),
            ]
        });
        let head = ["tenant", "runs", "cpus", "memory", "stored", "upload", "requests/min"];
        table(&std::iter::once(head.map(str::to_owned).to_vec()).chain(shown).collect::<Vec<_>>())
    })
}

fn show(store: &Store, name: &str, output: Output) -> anyhow::Result<()> {
    let row = store.tenant(name).map_err(home::coded)?;
    let tokens = store.tokens(name).map_err(home::coded)?;
    let mounts = store.mounts(name).map_err(home::coded)?;
    let folders: Vec<Json> =
        mounts.iter().map(|(name, folder)| json!({ "name": name, "folder": folder })).collect();
    let home = home_of(store.home(), name);
    let document = json!({ "$type": "tenant", "name": row.name, "created_ms": row.created_ms,
        "quota": row.quota, "tokens": tokens, "mounts": folders, "home": home });
    output.result(&document, || {
        let Quota { runs, cpus, memory_bytes, stored_bytes, upload_bytes, requests_per_minute } =
            row.quota;
        let mut lines = vec![
            ["tenant".to_owned(), row.name.clone()].to_vec(),
            ["since".to_owned(), date(row.created_ms)].to_vec(),
            ["runs".to_owned(), limit(runs, |n| n.to_string())].to_vec(),
            ["cpus".to_owned(), limit(cpus, |n| n.to_string())].to_vec(),
            ["memory".to_owned(), limit(memory_bytes, bytes)].to_vec(),
            ["stored".to_owned(), limit(stored_bytes, bytes)].to_vec(),
            ["upload".to_owned(), limit(upload_bytes, bytes)].to_vec(),
            ["requests".to_owned(), limit(requests_per_minute, |n| format!("{n} a minute"))]
                .to_vec(),
        ];
        for token in tokens.iter().filter(|token| !token.session) {
            let state = match (token.revoked_ms, token.expires_ms) {
                (Some(_), _) => "taken back".to_owned(),
                (None, Some(until)) => format!("until {}", date(until)),
                (None, None) => "good".to_owned(),
            };
            let admin = if token.admin { ", administrator" } else { "" };
            lines.push(vec![
                format!("token {}", token.id),
                format!("{} ({state}{admin})", token.label),
            ]);
        }
        lines.extend(mounts.iter().map(|(name, at)| vec![format!("mount {name}"), at.clone()]));
        table(&lines)
    })
}
