//! Pipelines that come as text, and what of them a tenant may do: no path of theirs leads to a folder that
//! was not granted, no failure of theirs reaches the server.

use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};

use mobula_contract::{
    ActorSource, Folders, Manifest, Override, Pipeline, PluginPin, StageKind, parse_pipeline,
};
use mobula_engine::{Fault, FaultKind};
use mobula_server::documents as doc;
use mobula_server::{Answer, Caller, Refusal, Why};
use serde_json::Value as Json;

use super::HostHouse;
use super::refuse::{of_store, refusal};
use super::tenant::Tenant;
use crate::check;
use crate::exit::{Ended, Exit};
use crate::native;
use crate::plugins::Catalogue;

/// Relative folders of a pipeline are looked for here, where nothing is: they are names of grants.
const NOWHERE: &str = "/.mobula-mounts";
/// How messages call a pipeline that has no file.
const LABEL: &str = "pipeline";
/// Pipelines of earlier runs that are offered.
const OFFERED: usize = 20;

/// Our own examples.
const EXAMPLES: [(&str, &str); 2] = [
    ("cifar10", include_str!("../../pipelines/cifar10.toml")),
    ("stream", include_str!("../../pipelines/stream.toml")),
];

/// Folders that somebody may mount.
pub(super) struct Granted {
    folders: BTreeMap<String, PathBuf>,
    /// Whoever administers the machine may name any.
    any: bool,
}

/// What is wrong, and whether it is only that something was not granted.
pub(super) struct Found {
    problems: Vec<doc::Problem>,
    denied: bool,
}

impl Found {
    fn refusal(self) -> Refusal {
        let lines: Vec<&str> = self.problems.iter().map(|p| p.message.as_str()).collect();
        let why = if self.denied { Why::Denied } else { Why::Invalid };
        Refusal { problems: self.problems.clone(), ..Refusal::new(why, lines.join("\n")) }
    }
}

impl HostHouse {
    pub(super) fn granted(&self, caller: &Caller) -> Answer<Granted> {
        let store = self.root.take().map_err(|e| refusal(&e))?;
        let mounts = store.mounts(&caller.tenant).map_err(of_store)?.into_iter();
        let folders = mounts.map(|(name, folder)| (name, PathBuf::from(folder))).collect();
        Ok(Granted { folders, any: caller.admin })
    }

    pub(super) fn mount_names(&self, caller: &Caller) -> Answer<doc::Mounts> {
        let mounts = self.granted(caller)?.folders.into_keys().collect();
        Ok(doc::Mounts { mounts })
    }

    pub(super) fn check_pipeline(
        &self,
        caller: &Caller,
        asked: &doc::CheckPipeline,
    ) -> Answer<doc::Checked> {
        let (tenant, granted) = (self.of(caller)?, self.granted(caller)?);
        let sets = overrides(&asked.set)?;
        let mut pipeline = match parse(&asked.pipeline, &sets) {
            Ok(pipeline) => pipeline,
            Err(found) => {
                return Ok(doc::Checked { problems: found.problems, ..doc::Checked::default() });
            }
        };
        let mut checked = describe(&pipeline, &tenant.catalogue);
        if let Err(found) = allow(&tenant, &granted, &asked.pipeline, &mut pipeline) {
            checked.problems = found.problems;
        }
        checked.ok = checked.problems.is_empty();
        Ok(checked)
    }

    pub(super) fn known_pipelines(&self, caller: &Caller) -> Answer<doc::Pipelines> {
        let tenant = self.of(caller)?;
        let store = tenant.store()?;
        let mut pipelines: Vec<doc::PipelineText> = EXAMPLES
            .iter()
            .map(|(name, text)| doc::PipelineText {
                name: (*name).to_owned(),
                text: (*text).to_owned(),
                source: "example".to_owned(),
                run: None,
            })
            .collect();
        let asked = mobula_store::RunsAsked { limit: 5 * OFFERED, ..Default::default() };
        for row in store.runs_page(&asked).map_err(of_store)? {
            let Some(served) = store.served(&row.run).map_err(of_store)? else { continue };
            let known = pipelines.iter().any(|known| known.text == served.text);
            if !known && pipelines.len() < EXAMPLES.len() + OFFERED {
                let (name, text) = (row.pipeline, served.text);
                let (source, run) = ("run".to_owned(), Some(row.run.to_string()));
                pipelines.push(doc::PipelineText { name, text, source, run });
            }
        }
        Ok(doc::Pipelines { pipelines })
    }
}

pub(super) fn overrides(sets: &[String]) -> Answer<Vec<Override>> {
    let read = |text: &String| Override::parse(text).map_err(|e| Refusal::new(Why::Invalid, e));
    sets.iter().map(read).collect()
}

/// Failures to make; never of the process that serves others too.
pub(super) fn faults(specs: &[String]) -> Answer<Vec<Fault>> {
    let read = |text: &String| {
        let fault: Fault = text.parse().map_err(|e: String| Refusal::new(Why::Invalid, e))?;
        if fault.kind == FaultKind::HostKill {
            let detail = "`host-kill` would kill the server: use worker-crash or actor-crash";
            return Err(Refusal::new(Why::Denied, detail));
        }
        Ok(fault)
    };
    specs.iter().map(read).collect()
}

fn parse(text: &str, sets: &[Override]) -> Result<Pipeline, Found> {
    let nowhere = Path::new(NOWHERE);
    let folders = Folders { base: nowhere, current: nowhere };
    parse_pipeline(LABEL, text, folders, sets).map_err(|errors| {
        let problems = errors.problems.into_iter().map(|problem| doc::Problem {
            line: problem.position.map(|(line, _)| line),
            column: problem.position.map(|(_, column)| column),
            message: problem.message,
        });
        Found { problems: problems.collect(), denied: false }
    })
}

/// A pipeline that this tenant may run, with folders and versions in the place of names.
pub(super) fn read(
    tenant: &Tenant,
    granted: &Granted,
    text: &str,
    sets: &[Override],
) -> Answer<Pipeline> {
    let mut pipeline = parse(text, sets).map_err(Found::refusal)?;
    allow(tenant, granted, text, &mut pipeline).map_err(Found::refusal)?;
    bind(&mut pipeline, tenant).map_err(|e| refusal(&e))?;
    Ok(pipeline)
}

fn allow(
    tenant: &Tenant,
    granted: &Granted,
    text: &str,
    pipeline: &mut Pipeline,
) -> Result<(), Found> {
    let mut found: Vec<(Exit, String)> = Vec::new();
    let stages = pipeline.stages.iter_mut().map(|s| (format!("stage `{}`", s.name), &mut s.mounts));
    let actors = pipeline.actors.iter_mut().map(|a| (format!("actor `{}`", a.name), &mut a.mounts));
    for (at, mounts) in stages.chain(actors) {
        for (name, folder) in mounts {
            match grant(granted, folder) {
                Ok(real) => *folder = real,
                Err(why) => found.push((Exit::Denied, format!("{at}: mount `{name}`: {why}"))),
            }
        }
    }
    for actor in &pipeline.actors {
        let native = matches!(actor.source, ActorSource::Native { .. });
        if let Some(Json::String(model)) = actor.args.get("model").filter(|_| native)
            && model.ends_with(".toml")
        {
            let message = format!(
                "actor `{}`: `{model}` is a file, and the server reads none: put the text of the network \
                 in its place",
                actor.name
            );
            found.push((Exit::Denied, message));
        }
    }
    if found.is_empty() {
        found = check::problems(pipeline, &tenant.catalogue);
    }
    if found.is_empty() {
        return Ok(());
    }
    let denied = found.iter().all(|(exit, _)| *exit == Exit::Denied);
    let problems = found.into_iter().map(|(_, message)| {
        let line = line_of(text, &message);
        let message = without_places(tenant, granted, message);
        doc::Problem { line, column: None, message }
    });
    Err(Found { problems: problems.collect(), denied })
}

/// The folder that is meant: one that was granted, or a folder within it.
fn grant(granted: &Granted, folder: &Path) -> Result<PathBuf, String> {
    let names = || granted.folders.keys().cloned().collect::<Vec<_>>().join(", ");
    let known = || match granted.folders.is_empty() {
        true => "no folder was granted".to_owned(),
        false => format!("granted are: {}", names()),
    };
    let Ok(name) = folder.strip_prefix(NOWHERE) else {
        if granted.any && folder.components().all(|part| part != Component::ParentDir) {
            return Ok(folder.to_owned());
        }
        let shown = folder.display();
        return Err(format!(
            "{shown} is not yours to name: write the name of a granted folder ({})",
            known()
        ));
    };
    let mut parts = name.components();
    let first = match parts.next() {
        Some(Component::Normal(first)) => first.to_string_lossy().into_owned(),
        _ => String::new(),
    };
    let rest = parts.as_path();
    let plain = rest.components().all(|part| matches!(part, Component::Normal(_)));
    match granted.folders.get(&first) {
        Some(real) if plain && rest.as_os_str().is_empty() => Ok(real.clone()),
        Some(real) if plain => Ok(real.join(rest)),
        _ => Err(format!("no folder `{}` was granted: {}", name.display(), known())),
    }
}

/// Where plugins and grants lie on this machine is no business of who asks.
fn without_places(tenant: &Tenant, granted: &Granted, mut message: String) -> String {
    if granted.any {
        return message;
    }
    let mut places: Vec<(String, String)> =
        vec![(tenant.home.display().to_string(), "HOME".to_owned())];
    let folders = tenant.catalogue.folders().iter();
    places.extend(folders.map(|folder| (folder.display().to_string(), "PLUGINS".to_owned())));
    let mounts = granted.folders.iter();
    places.extend(mounts.map(|(name, folder)| (folder.display().to_string(), name.clone())));
    for (place, name) in places {
        message = message.replace(&place, &name);
    }
    message
}

/// The line of the stage or actor that a message begins with.
fn line_of(text: &str, message: &str) -> Option<usize> {
    let (kind, rest) = message.split_once(" `")?;
    let (name, _) = rest.split_once('`')?;
    let (head, wanted) = (format!("[[{kind}]]"), format!("\"{name}\""));
    let mut within = false;
    for (number, line) in (1..).zip(text.lines()) {
        let line = line.trim();
        if line.starts_with('[') {
            within = line.starts_with(&head);
        }
        let is_name = line
            .split_once('=')
            .is_some_and(|(key, value)| key.trim() == "name" && value.trim().starts_with(&wanted));
        if within && is_name {
            return Some(number);
        }
    }
    None
}

/// The run is bound to the components that it begins with: each is named by its whole version, and kept.
fn bind(pipeline: &mut Pipeline, tenant: &Tenant) -> anyhow::Result<()> {
    let catalogue = &tenant.catalogue;
    let mut pins = Vec::new();
    let mut bind = |plugin: &str, version: &mut Option<String>| -> anyhow::Result<()> {
        let found = catalogue.find(plugin, version.as_deref())?;
        let whole = found.manifest().version.clone();
        let pin = PluginPin {
            name: plugin.to_owned(),
            version: whole.clone(),
            digest: found.digest().to_owned(),
        };
        *version = Some(whole);
        if !pins.contains(&pin) {
            pins.push(pin);
        }
        Ok(())
    };
    for stage in &mut pipeline.stages {
        if let StageKind::Task { plugin, version, .. } = &mut stage.kind {
            bind(plugin, version)?;
        }
    }
    for actor in &mut pipeline.actors {
        if let ActorSource::Plugin { plugin, version, .. } = &mut actor.source {
            bind(plugin, version)?;
        }
    }
    for wanted in &pipeline.plugins {
        let other =
            pins.iter().find(|pin| pin.name == wanted.name && pin.version == wanted.version);
        if let Some(other) = other.filter(|other| other.digest != wanted.digest) {
            let message = format!(
                "plugin `{}` is pinned as version {} with {}, but there is {}",
                wanted.name, wanted.version, wanted.digest, other.digest
            );
            return Err(Ended::error(Exit::Invalid, message));
        }
    }
    let store = tenant.store().map_err(|e| anyhow::anyhow!(e.internal.unwrap_or(e.detail)))?;
    catalogue.keep(&pins, &store)?;
    pipeline.plugins = pins;
    Ok(())
}

/// What a pipeline would do, as far as it can be told.
fn describe(pipeline: &Pipeline, catalogue: &Catalogue) -> doc::Checked {
    let find = |plugin: &str, version: &Option<String>| -> Option<Manifest> {
        Some(catalogue.find(plugin, version.as_deref()).ok()?.manifest().clone())
    };
    let class_of = |name: &str| match &pipeline.actor(name)?.source {
        ActorSource::Native { class } => native::class(class),
        ActorSource::Plugin { plugin, version, class } => {
            find(plugin, version)?.actor(class).cloned()
        }
    };
    let mut checked = doc::Checked { name: Some(pipeline.name.clone()), ..doc::Checked::default() };
    for stage in &pipeline.stages {
        let (mut plugin, mut version, mut export) = (None, None, None);
        let (mut actor, mut method) = (None, None);
        let found = match &stage.kind {
            StageKind::Task { plugin: name, version: wanted, export: task } => {
                let manifest = find(name, wanted);
                plugin = Some(name.clone());
                version = manifest.as_ref().map(|manifest| manifest.version.clone());
                export = Some(task.clone());
                manifest.and_then(|manifest| manifest.task(task).cloned())
            }
            StageKind::Method { actor: name, method: called } => {
                (actor, method) = (Some(name.clone()), Some(called.clone()));
                class_of(name).and_then(|class| class.method(called).cloned())
            }
        };
        let found = found.as_ref();
        checked.stages.push(doc::CheckedStage {
            name: stage.name.clone(),
            kind: if actor.is_some() { "method" } else { "task" }.to_owned(),
            plugin,
            version,
            export,
            actor,
            method,
            repeat: stage.repeat,
            foreach: stage.foreach.is_some(),
            doc: found.map(|export| export.doc.clone()).unwrap_or_default(),
            args: stage.args.clone(),
            schema: found.and_then(|export| export.args.clone()),
            inputs: stage
                .inputs
                .iter()
                .map(|(name, from)| doc::CheckedInput {
                    name: name.clone(),
                    stage: from.stage.clone(),
                    field: from.field.clone(),
                })
                .collect(),
            outputs: found
                .map(|export| export.outputs.iter().map(|port| port.name.clone()).collect())
                .unwrap_or_default(),
        });
        tell_limits(&mut checked, format!("stage `{}`", stage.name), &stage.mounts, &stage.limits);
    }
    for actor in &pipeline.actors {
        let class = class_of(&actor.name);
        let (native, plugin, of_plugin) = match &actor.source {
            ActorSource::Native { class } => (Some(class.clone()), None, None),
            ActorSource::Plugin { plugin, class, .. } => {
                (None, Some(plugin.clone()), Some(class.clone()))
            }
        };
        checked.actors.push(doc::CheckedActor {
            name: actor.name.clone(),
            native,
            plugin,
            class: of_plugin,
            doc: class.as_ref().map(|class| class.doc.clone()).unwrap_or_default(),
            args: actor.args.clone(),
            schema: class.and_then(|class| class.args),
        });
        tell_limits(&mut checked, format!("actor `{}`", actor.name), &actor.mounts, &actor.limits);
    }
    checked
}

fn tell_limits(
    checked: &mut doc::Checked,
    at: String,
    mounts: &BTreeMap<String, PathBuf>,
    limits: &mobula_contract::Limits,
) {
    for (mount, folder) in mounts {
        let shown = folder.strip_prefix(NOWHERE).unwrap_or(folder).display().to_string();
        let (at, mount) = (at.clone(), mount.clone());
        checked.grants.push(doc::CheckedGrant { at, mount, folder: shown });
    }
    checked.limits.push(doc::CheckedLimits {
        at,
        memory_bytes: limits.memory_bytes,
        timeout_s: limits.timeout_s,
        cpus: limits.cpus,
        max_retries: limits.retries,
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_lead_only_to_what_was_granted() {
        let folders = BTreeMap::from([("cifar".to_owned(), PathBuf::from("/data/cifar"))]);
        let granted = Granted { folders, any: false };
        let named = |name: &str| grant(&granted, &Path::new(NOWHERE).join(name));
        assert_eq!(named("cifar").unwrap(), Path::new("/data/cifar"));
        assert_eq!(named("cifar/part").unwrap(), Path::new("/data/cifar/part"));
        for bad in
            ["", ".", "..", "../etc", "cifar/..", "cifar/../../etc", "/etc", "other", "CIFAR"]
        {
            assert!(named(bad).is_err(), "{bad}");
        }
        let admin = Granted { folders: BTreeMap::new(), any: true };
        assert_eq!(grant(&admin, Path::new("/data")).unwrap(), Path::new("/data"));
        assert!(grant(&admin, &Path::new(NOWHERE).join("data")).is_err());
    }

    #[test]
    fn a_problem_is_shown_where_its_stage_is_named() {
        let text = "[pipeline]\nname = \"a\"\n[[actor]]\nname = \"a\"\n[[stage]]\ntask = \"x/y\"\nname = \"a\" # it\n";
        assert_eq!(line_of(text, "stage `a`: wrong"), Some(7));
        assert_eq!(line_of(text, "actor `a`: wrong"), Some(4));
        assert_eq!(line_of(text, "stage `b`: wrong"), None);
    }
}
