//! Plugins of a tenant: those that came with the program, and those that were uploaded, which nobody runs
//! before they were looked into and enabled.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use mobula_sandbox::Plugin;
use mobula_server::documents as doc;
use mobula_server::{Answer, Caller, Push, Refusal, Why};
use mobula_store::{PluginRow, Store};

use super::refuse::{internal, of_store, refusal};
use super::tenant::Tenant;
use super::{HostHouse, lock};
use crate::commands::plugin::needed;

/// What was found in components, by their files and lengths: looking into one takes a while.
#[derive(Default)]
pub(super) struct Described(Mutex<BTreeMap<(PathBuf, u64), doc::Plugin>>);

/// Components that are remembered; more are looked into again.
const DESCRIBED_MAX: usize = 500;

/// How messages call a component that has no file for its sender.
const LABEL: &str = "the component";

impl HostHouse {
    pub(super) fn all_plugins(&self, caller: &Caller) -> Answer<doc::Plugins> {
        let tenant = self.of(caller)?;
        let mut plugins = Vec::new();
        for row in tenant.store()?.plugins().map_err(of_store)? {
            plugins.push(pushed(&tenant, &row)?);
        }
        for file in builtin(&tenant) {
            let described = tenant.describe(&file).unwrap_or_else(|error| {
                let name = file.file_stem().map(|stem| stem.to_string_lossy().into_owned());
                broken(name.unwrap_or_default(), String::new(), error)
            });
            plugins.push(doc::Plugin { builtin: true, ..described });
        }
        let live = tenant.all_live();
        for plugin in &mut plugins {
            let uses = live.iter().filter(|live| uses(&live.pins, &plugin.name, &plugin.version));
            plugin.used_by = uses.map(|live| live.pipeline.clone()).collect();
            plugin.used_by.sort();
            plugin.used_by.dedup();
        }
        plugins.sort_by(|a, b| (&a.name, b.pushed_ms).cmp(&(&b.name, a.pushed_ms)));
        Ok(doc::Plugins { plugins })
    }

    pub(super) fn one_plugin(
        &self,
        caller: &Caller,
        name: &str,
        version: &str,
    ) -> Answer<doc::Plugin> {
        let all = self.all_plugins(caller)?.plugins.into_iter();
        let mut found = all.filter(|plugin| plugin.name == name && plugin.version == version);
        found.next().ok_or_else(|| none(name, version))
    }

    pub(super) fn push_plugin(
        &self,
        caller: &Caller,
        file: &Path,
        how: Push,
    ) -> Answer<doc::Plugin> {
        self.is_going()?;
        let tenant = self.of(caller)?;
        let quota = self.quota_of(&caller.tenant)?;
        let bytes =
            std::fs::read(file).map_err(|e| Refusal::internal(format!("an upload: {e}")))?;
        tenant.check_room(&quota, bytes.len() as u64)?;
        // In a process of its own, with limits of time and memory.
        let plugin = tenant.catalogue.load(&bytes, LABEL).map_err(|e| refusal(&e))?;
        let (name, version) = (plugin.manifest().name.clone(), plugin.manifest().version.clone());
        check_names(&name, &version)?;
        let _arranging = lock(&tenant.arranging);
        let store = tenant.store()?;
        let known = store.plugins().map_err(of_store)?;
        let was = known.iter().find(|row| row.name == name && row.version == version);
        let keep = if how.replace { Store::replace_plugin } else { Store::push_plugin };
        keep(&store, &name, &version, &bytes).map_err(of_store)?;
        if was.is_none() || how.enable {
            store.enable_plugin(&name, Some(&version), how.enable).map_err(of_store)?;
        }
        if let Some(was) = was.filter(|was| was.digest != plugin.digest()) {
            forget_component(&store, &was.digest)?;
        }
        tenant.catalogue.refresh(&store).map_err(|e| internal(&e))?;
        drop(store);
        self.note(
            caller,
            "plugin.push",
            &format!("{}/{name}@{version}", tenant.name),
            plugin.digest(),
        );
        self.one_plugin(caller, &name, &version)
    }

    pub(super) fn enable_plugin(
        &self,
        caller: &Caller,
        name: &str,
        version: &str,
        enabled: bool,
    ) -> Answer<()> {
        let tenant = self.of(caller)?;
        let _arranging = lock(&tenant.arranging);
        let store = tenant.store()?;
        pushed_row(&tenant, name, version)?;
        if !enabled {
            unused(&tenant, name, version)?;
        }
        store.enable_plugin(name, Some(version), enabled).map_err(of_store)?;
        tenant.catalogue.refresh(&store).map_err(|e| internal(&e))?;
        let act = if enabled { "plugin.enable" } else { "plugin.disable" };
        self.note(caller, act, &format!("{}/{name}@{version}", tenant.name), "");
        Ok(())
    }

    pub(super) fn forget_plugin(&self, caller: &Caller, name: &str, version: &str) -> Answer<()> {
        let tenant = self.of(caller)?;
        let _arranging = lock(&tenant.arranging);
        let store = tenant.store()?;
        let row = pushed_row(&tenant, name, version)?;
        unused(&tenant, name, version)?;
        store.remove_plugin(name, Some(version)).map_err(of_store)?;
        forget_component(&store, &row.digest)?;
        tenant.catalogue.refresh(&store).map_err(|e| internal(&e))?;
        self.note(caller, "plugin.remove", &format!("{}/{name}@{version}", tenant.name), "");
        Ok(())
    }

    /// The component of a plugin, whether it is enabled or not.
    pub(super) fn component(
        &self,
        tenant: &Arc<Tenant>,
        name: &str,
        version: &str,
    ) -> Answer<Plugin> {
        let rows = tenant.store()?.plugins().map_err(of_store)?;
        if let Some(row) = rows.iter().find(|row| row.name == name && row.version == version) {
            let file = tenant.store()?.plugin_file(&row.digest);
            return tenant.catalogue.load_file(&file).map_err(|e| refusal(&e));
        }
        for file in builtin(tenant) {
            if tenant.describe(&file).is_ok_and(|it| it.name == name && it.version == version) {
                return tenant.catalogue.load_file(&file).map_err(|e| refusal(&e));
            }
        }
        Err(none(name, version))
    }
}

/// Removes the file of a component that has no name any more, unless a run needs it.
fn forget_component(store: &Store, digest: &str) -> Answer<()> {
    let left = store.plugins().map_err(of_store)?;
    let needed = needed(store).map_err(|e| internal(&e))?;
    if !left.iter().any(|left| left.digest == digest) && !needed.contains(digest) {
        let _ = std::fs::remove_file(store.plugin_file(digest));
    }
    Ok(())
}

impl Tenant {
    fn describe(&self, file: &Path) -> Result<doc::Plugin, String> {
        let length = std::fs::metadata(file).map_or(0, |about| about.len());
        let key = (file.to_owned(), length);
        if let Some(known) = lock(&self.described.0).get(&key) {
            return Ok(known.clone());
        }
        let read = std::fs::read(file).map_err(|_| "its file cannot be read".to_owned())?;
        let plugin = self.catalogue.load(&read, LABEL).map_err(|e| format!("{e:#}"))?;
        let described = describe(&plugin);
        let mut all = lock(&self.described.0);
        if all.len() >= DESCRIBED_MAX {
            all.clear();
        }
        all.insert(key, described.clone());
        Ok(described)
    }
}

fn describe(plugin: &Plugin) -> doc::Plugin {
    let manifest = plugin.manifest().clone();
    doc::Plugin {
        name: manifest.name,
        version: manifest.version,
        digest: plugin.digest().to_owned(),
        size: plugin.size(),
        enabled: true,
        builtin: false,
        pushed_ms: None,
        tasks: manifest.tasks,
        actors: manifest.actors,
        requests: manifest.requests,
        imports: plugin.imports().to_vec(),
        exports: plugin.exports().to_vec(),
        used_by: Vec::new(),
        error: None,
    }
}

fn broken(name: String, version: String, error: String) -> doc::Plugin {
    doc::Plugin {
        name,
        version,
        digest: String::new(),
        size: 0,
        enabled: false,
        builtin: false,
        pushed_ms: None,
        tasks: Vec::new(),
        actors: Vec::new(),
        requests: mobula_contract::Requests::default(),
        imports: Vec::new(),
        exports: Vec::new(),
        used_by: Vec::new(),
        error: Some(error),
    }
}

fn pushed(tenant: &Tenant, row: &PluginRow) -> Answer<doc::Plugin> {
    let file = tenant.store()?.plugin_file(&row.digest);
    let described = tenant.describe(&file);
    let described = described.unwrap_or_else(|e| broken(row.name.clone(), row.version.clone(), e));
    let (enabled, pushed_ms) = (row.enabled, Some(row.pushed_ms));
    let (digest, size) = (row.digest.clone(), row.size);
    Ok(doc::Plugin { enabled, pushed_ms, digest, size, ..described })
}

/// Components that came with the program.
fn builtin(tenant: &Tenant) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for folder in tenant.catalogue.folders() {
        let Ok(entries) = std::fs::read_dir(folder) else { continue };
        let entries = entries.filter_map(|entry| Some(entry.ok()?.path()));
        files.extend(entries.filter(|file| file.extension().is_some_and(|end| end == "wasm")));
    }
    files.sort();
    files
}

/// What is shown in addresses and messages stays what it looks like.
fn check_names(name: &str, version: &str) -> Answer<()> {
    let plain = |text: &str| {
        (1..=64).contains(&text.len())
            && !text.starts_with('.')
            && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.+".contains(&b))
    };
    if plain(name) && plain(version) {
        return Ok(());
    }
    let detail = "a plugin to be uploaded has a name and a version of 1 to 64 letters, digits, `-`, `_`, `.` and `+`";
    Err(Refusal::new(Why::Invalid, detail))
}

fn pushed_row(tenant: &Tenant, name: &str, version: &str) -> Answer<PluginRow> {
    let rows = tenant.store()?.plugins().map_err(of_store)?;
    if let Some(row) = rows.into_iter().find(|row| row.name == name && row.version == version) {
        return Ok(row);
    }
    let own = builtin(tenant);
    let mut own = own.iter().filter_map(|file| tenant.describe(file).ok());
    if own.any(|plugin| plugin.name == name && plugin.version == version) {
        let detail = format!("plugin {name}@{version} came with the program, and stays as it is");
        return Err(Refusal::new(Why::Conflict, detail));
    }
    Err(none(name, version))
}

fn uses(pins: &[mobula_contract::PluginPin], name: &str, version: &str) -> bool {
    pins.iter().any(|pin| pin.name == name && pin.version == version)
}

/// A run keeps what it began with.
fn unused(tenant: &Tenant, name: &str, version: &str) -> Answer<()> {
    let live = tenant.all_live();
    match live.iter().find(|live| uses(&live.pins, name, version)) {
        None => Ok(()),
        Some(live) => {
            let detail = format!("run {} uses plugin {name}@{version}: wait for its end", live.run);
            Err(Refusal::new(Why::Conflict, detail))
        }
    }
}

fn none(name: &str, version: &str) -> Refusal {
    let shown = |text: &str| text.chars().take(64).collect::<String>();
    Refusal::new(Why::NotFound, format!("no plugin `{}@{}`", shown(name), shown(version)))
}
