//! `mobula plugin`: write, build, test, look into, and keep components.

mod args;
mod build;
mod check;
mod compare;
mod desk;
mod dev;
mod fixture;
mod new;
mod project;
mod run;
mod sdk;
mod shelf;
mod test;
pub(crate) mod toolchain;
mod values;

use std::path::{Path, PathBuf};

use mobula_contract::{Manifest, TaskExport};
use mobula_sandbox::Plugin;
use mobula_store::Store;
use serde_json::{Value as Json, json};

pub(crate) use args::{Language, PluginCommand};
pub(crate) use build::Built;
pub(crate) use dev::Successor;
pub(crate) use fixture::{Fixture, MethodCall, Spec};
pub(crate) use shelf::needed;

use crate::home;
use crate::output::{Output, bytes};
use crate::plugins::Catalogue;

pub(crate) fn perform(
    command: &PluginCommand,
    home: Option<PathBuf>,
    output: Output,
) -> anyhow::Result<()> {
    if let PluginCommand::New { name, lang, kind, path } = command {
        return new::new(path, name, *lang, *kind, output);
    }
    let store = home::store(home)?;
    let plain = || Catalogue::open(&store, None);
    match command {
        PluginCommand::New { .. } => Ok(()),
        PluginCommand::Build { dir, install } => {
            build::perform(dir, *install, &plain()?, store.home(), output)
        }
        PluginCommand::Check { plugin } => check::perform(Path::new(plugin), &plain()?, output),
        PluginCommand::Test(args) => test::perform(args, &plain()?, output),
        PluginCommand::Run(args) => {
            let catalogue = Catalogue::open(&store, args.plugin_dir.as_deref())?;
            run::perform(args, &catalogue, output)
        }
        PluginCommand::Dev { dir } => develop(dir, &store, &mut dev::Nobody, output),
        PluginCommand::List { plugin_dir } => {
            let catalogue = Catalogue::open(&store, plugin_dir.as_deref())?;
            shelf::list(&catalogue, &store, output)
        }
        PluginCommand::Inspect { plugin } => {
            shelf::inspect(&plain()?.file_or_name(plugin)?, output)
        }
        PluginCommand::Push { plugin, replace } => {
            shelf::push(plugin, *replace, &plain()?, &store, output)
        }
        PluginCommand::Enable { plugin } => shelf::enable(plugin, true, &store, output),
        PluginCommand::Disable { plugin } => shelf::enable(plugin, false, &store, output),
        PluginCommand::Remove { plugin } => shelf::remove(plugin, &store, output),
    }
}

/// Builds and tests a plugin as it changes; whoever runs it is told of each good build.
pub(crate) fn develop(
    dir: &Path,
    store: &Store,
    successor: &mut impl Successor,
    output: Output,
) -> anyhow::Result<()> {
    dev::perform(dir, &Catalogue::open(store, None)?, store.home(), successor, output)
}

fn inspected(plugin: &Plugin) -> Json {
    let Manifest { name, version, tasks, actors, requests } = plugin.manifest();
    json!({
        "$type": "plugin", "name": name, "version": version, "tasks": tasks, "actors": actors,
        "requests": requests, "imports": plugin.imports(), "exports": plugin.exports(),
        "size": plugin.size(), "digest": plugin.digest(),
    })
}

fn prose(plugin: &Plugin) -> String {
    let Manifest { name, version, tasks, actors, requests } = plugin.manifest();
    let mut text = format!("{name} {version}, {}, {}\n", bytes(plugin.size()), plugin.digest());
    for task in tasks {
        text += &export(&format!("task {name}/{}", task.name), task);
    }
    for actor in actors {
        text += &format!("\nactor {name}/{}: {}\n", actor.name, actor.doc);
        for method in &actor.methods {
            text += &export(&format!("method {}.{}", actor.name, method.name), method);
        }
    }
    let asked = |what: &str, names: &[String]| match names {
        [] => String::new(),
        names => format!("\nasks for {what}: {}", names.join(", ")),
    };
    text += &asked("mounts", &requests.mounts);
    text += &asked("HTTP hosts", &requests.http);
    text += &asked("environment", &requests.env);
    text += &format!(
        "\nimports: {}\nexports: {}",
        plugin.imports().join(", "),
        plugin.exports().join(", ")
    );
    text
}

fn export(title: &str, export: &TaskExport) -> String {
    let port = |name: &str, dtype: &Option<String>, doc: &str| {
        let dtype = dtype.as_deref().unwrap_or("any");
        format!("    {name:<12} {dtype:<5} {doc}\n")
    };
    let mut text = format!("\n{title}: {}\n", export.doc);
    if let Some(properties) = export.args.as_ref().and_then(|args| args["properties"].as_object()) {
        text += "  args\n";
        for (name, schema) in properties {
            let doc = schema["description"].as_str().unwrap_or_default();
            let kind = schema["type"].as_str().map(str::to_owned);
            text += &format!("    {name:<12} {:<7} {doc}\n", kind.unwrap_or_default());
        }
    }
    if !export.inputs.is_empty() {
        text += "  inputs\n";
        text.extend(export.inputs.iter().map(|p| port(&p.name, &p.dtype, &p.doc)));
    }
    if !export.outputs.is_empty() {
        text += "  outputs\n";
        text.extend(export.outputs.iter().map(|p| port(&p.name, &p.dtype, &p.doc)));
    }
    text
}
