//! `mobula plugin`: build, look into, and keep components.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use mobula_contract::{Manifest, TaskExport};
use mobula_sandbox::Plugin;
use serde_json::{Value as Json, json};

use crate::args::PluginCommand;
use crate::exit::{Ended, Exit};
use crate::home;
use crate::output::{Output, bytes, table};
use crate::plugins::Catalogue;

/// The target that components are built for.
const TARGET: &str = "wasm32-wasip2";

pub(crate) fn perform(
    command: &PluginCommand,
    home: Option<PathBuf>,
    output: Output,
) -> anyhow::Result<()> {
    if let PluginCommand::Build { dir } = command {
        return build(dir, home, output);
    }
    let store = home::store(home)?;
    match command {
        PluginCommand::List { plugin_dir } => {
            list(&Catalogue::open(&store, plugin_dir.as_deref())?, output)
        }
        PluginCommand::Inspect { plugin } => {
            let found = Catalogue::open(&store, None)?.file_or_name(plugin)?;
            output.result(&inspected(&found), || prose(&found))
        }
        PluginCommand::Push { file } => {
            let plugin = Catalogue::open(&store, None)?.load_file(file)?;
            let component = std::fs::read(file)?;
            let Manifest { name, version, .. } = plugin.manifest();
            let digest = store.push_plugin(name, version, &component).map_err(home::coded)?;
            let document = json!({ "$type": "plugin.pushed", "name": name, "version": version,
                "digest": digest });
            output.result(&document, || format!("{name} {version} is kept as {digest}"))
        }
        PluginCommand::Build { .. } => unreachable!("taken care of above"),
    }
}

fn list(catalogue: &Catalogue, output: Output) -> anyhow::Result<()> {
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
    output.result(&json!({ "$type": "plugins", "plugins": documents }), || {
        if rows.len() == 1 {
            return "no plugins: `cargo xtask plugins` builds ours, `mobula plugin push` keeps yours"
                .to_owned();
        }
        table(&rows)
    })
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

/// Builds with cargo and shows what came out; the component's place is the result.
fn build(dir: &Path, home: Option<PathBuf>, output: Output) -> anyhow::Result<()> {
    let manifest = dir.join("Cargo.toml");
    if !manifest.is_file() {
        let message = format!("{} is no plugin crate: it has no Cargo.toml", dir.display());
        return Err(Ended::error(Exit::NotFound, message));
    }
    let built = Command::new("cargo")
        .args([
            "build",
            "--release",
            "--target",
            TARGET,
            "--message-format=json-render-diagnostics",
        ])
        .arg("--manifest-path")
        .arg(&manifest)
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .map_err(|e| {
            Ended::error(Exit::Failed, format!("cannot start cargo: {e} (see `mobula doctor`)"))
        })?;
    if !built.status.success() {
        let message = format!(
            "cargo could not build {} (is the target there? `rustup target add {TARGET}`)",
            dir.display()
        );
        return Err(Ended::error(Exit::Failed, message));
    }
    let messages = String::from_utf8_lossy(&built.stdout).into_owned();
    let files = messages.lines().filter_map(|line| serde_json::from_str::<Json>(line).ok());
    let files: Vec<String> = files
        .filter(|message| message["reason"] == "compiler-artifact")
        .filter_map(|message| message["filenames"].as_array().cloned())
        .flatten()
        .filter_map(|file| file.as_str().map(str::to_owned))
        .filter(|file| file.ends_with(".wasm") && !file.contains("/deps/"))
        .collect();
    let Some(file) = files.last() else {
        let message = format!(
            "{}: nothing to run in it; add `[lib] crate-type = [\"cdylib\"]`",
            manifest.display()
        );
        return Err(Ended::error(Exit::Invalid, message));
    };
    let store = home::store(home)?;
    let plugin = Catalogue::open(&store, None)?.load_file(Path::new(file))?;
    let mut document = inspected(&plugin);
    document["$type"] = json!("plugin.built");
    document["file"] = json!(file);
    output.result(&document, || format!("{}\n\n{file}", prose(&plugin)))
}
