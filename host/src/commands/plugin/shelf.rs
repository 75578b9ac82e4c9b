//! The plugins of a home folder: listed, looked into, pushed, hidden, forgotten.

use std::collections::BTreeSet;
use std::path::Path;

use mobula_contract::{Manifest, RunStatus};
use mobula_sandbox::Plugin;
use mobula_store::Store;
use serde_json::json;

use super::inspected;
use super::project::component;
use crate::exit::{Ended, Exit};
use crate::home;
use crate::output::{Output, bytes, table};
use crate::plugins::{Catalogue, split_version};

pub(crate) fn list(catalogue: &Catalogue, store: &Store, output: Output) -> anyhow::Result<()> {
    let listed = catalogue.list();
    let mut documents = Vec::new();
    let head = ["plugin", "version", "tasks", "actors", "size", "file"];
    let mut rows = vec![head.map(str::to_owned).to_vec()];
    for entry in &listed {
        let plugin = match &entry.plugin {
            Ok(plugin) => plugin,
            Err(e) => {
                output.note(&format!("{}: {e:#}", entry.file.display()));
                continue;
            }
        };
        let mut document = inspected(plugin);
        document["file"] = json!(entry.file);
        documents.push(document);
        let Manifest { name, version, tasks, actors, .. } = plugin.manifest();
        let names = |names: Vec<&str>| names.join(", ");
        rows.push(vec![
            name.clone(),
            version.clone(),
            names(tasks.iter().map(|task| task.name.as_str()).collect()),
            names(actors.iter().map(|actor| actor.name.as_str()).collect()),
            bytes(plugin.size()),
            entry.file.display().to_string(),
        ]);
    }
    let hidden = store.plugins().map_err(home::coded)?.into_iter().filter(|row| !row.enabled);
    let hidden: Vec<String> = hidden.map(|row| format!("{}@{}", row.name, row.version)).collect();
    let document = json!({ "$type": "plugins", "plugins": documents, "disabled": hidden });
    output.result(&document, || {
        let mut text = match rows.len() {
            1 => "no plugins: `mobula plugin new` begins one, `mobula plugin push` keeps it"
                .to_owned(),
            _ => table(&rows),
        };
        if !hidden.is_empty() {
            text += &format!("\ndisabled: {}", hidden.join(", "));
        }
        text
    })
}

/// Keeps a component, or what was built in a folder.
pub(crate) fn push(
    path: &Path,
    replace: bool,
    catalogue: &Catalogue,
    store: &Store,
    output: Output,
) -> anyhow::Result<()> {
    let file = component(path)?;
    let plugin = catalogue.load_file(&file)?;
    let bytes = std::fs::read(&file)?;
    let Manifest { name, version, .. } = plugin.manifest();
    let keep = if replace { Store::replace_plugin } else { Store::push_plugin };
    let digest = keep(store, name, version, &bytes).map_err(home::coded)?;
    let document = json!({ "$type": "plugin.pushed", "name": name, "version": version,
        "digest": digest });
    output.result(&document, || format!("{name} {version} is kept as {digest}"))
}

/// Shows or hides pushed plugins.
pub(crate) fn enable(
    wanted: &str,
    enabled: bool,
    store: &Store,
    output: Output,
) -> anyhow::Result<()> {
    let (name, version) = split_version(wanted);
    let changed = store.enable_plugin(name, version, enabled).map_err(home::coded)?;
    let what = if enabled { "enabled" } else { "disabled" };
    told(wanted, &changed, what, output)
}

/// Forgets pushed plugins. Their components go, unless a run that can be resumed needs them.
pub(crate) fn remove(wanted: &str, store: &Store, output: Output) -> anyhow::Result<()> {
    let (name, version) = split_version(wanted);
    let rows = store.plugins().map_err(home::coded)?;
    let removed = store.remove_plugin(name, version).map_err(home::coded)?;
    let left: BTreeSet<String> =
        store.plugins().map_err(home::coded)?.into_iter().map(|row| row.digest).collect();
    let needed = needed(store)?;
    for row in rows.into_iter().filter(|row| !left.contains(&row.digest)) {
        if !needed.contains(&row.digest) {
            let _ = std::fs::remove_file(store.plugin_file(&row.digest));
        }
    }
    told(wanted, &removed, "removed", output)
}

/// Digests that runs which can be resumed began with.
pub(crate) fn needed(store: &Store) -> anyhow::Result<BTreeSet<String>> {
    let mut needed = BTreeSet::new();
    let open = store.runs().map_err(home::coded)?;
    for run in open.into_iter().filter(|run| run.status != RunStatus::Succeeded) {
        if let Ok(pipeline) = store.run_pipeline(&run.run) {
            needed.extend(pipeline.plugins.into_iter().map(|pin| pin.digest));
        }
    }
    Ok(needed)
}

fn told(wanted: &str, changed: &[String], what: &str, output: Output) -> anyhow::Result<()> {
    if changed.is_empty() {
        let message =
            format!("no pushed plugin `{wanted}`: `mobula plugin list` shows what there is");
        return Err(Ended::error(Exit::NotFound, message));
    }
    let document = json!({ "$type": format!("plugin.{what}"), "plugins": changed });
    output.result(&document, || format!("{} {what}", changed.join(", ")))
}

/// One plugin, by file or by name.
pub(crate) fn inspect(plugin: &Plugin, output: Output) -> anyhow::Result<()> {
    output.result(&inspected(plugin), || super::prose(plugin))
}
