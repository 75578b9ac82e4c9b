//! `mobula plugin run`: one call by hand, with inputs from files or the command line.

use std::path::Path;
use std::sync::Arc;

use anyhow::Context as _;
use mobula_contract::{Failure, Manifest, Object, PortKind, TaskExport, Value};
use mobula_sandbox::Plugin;
use serde_json::{Map, Value as Json, json};

use super::args::RunArgs;
use super::fixture::{Fixture, MethodCall, Spec};
use super::project::component;
use super::test::kind;
use super::values::{from_json, read_json, read_tensors, shown, to_json, write_fields};
use crate::exit::{Ended, Exit};
use crate::output::Output;
use crate::plugins::Catalogue;

/// Elements of a tensor that the document holds; of larger ones it says only what they are.
const DOCUMENT_MAX: usize = 1024;

pub(crate) fn perform(args: &RunArgs, catalogue: &Catalogue, output: Output) -> anyhow::Result<()> {
    let path = Path::new(&args.plugin);
    let plugin = match path.is_dir() {
        true => catalogue.load_file(&component(path)?)?,
        false => catalogue.file_or_name(&args.plugin)?,
    };
    // A call by hand is a fixture that is thrown away.
    let scratch = tempfile::tempdir().context("cannot make a folder for the call")?;
    let mut fixture = match &args.from {
        Some(folder) => Fixture::read(folder)?,
        None => {
            let (spec, inputs) = spoken(args, &plugin)?;
            Fixture::write(scratch.path(), &spec, &inputs)?;
            Fixture { spec, ..Fixture::read(scratch.path())? }
        }
    };
    if args.seed.is_some() {
        fixture.spec.seed = args.seed;
    }
    for mount in &args.mounts {
        let (name, folder) = pair(mount, "--mount NAME=DIR")?;
        let folder = std::path::absolute(folder).with_context(|| format!("--mount {mount}"))?;
        if !folder.is_dir() {
            let message = format!("--mount {name}: no folder {}", folder.display());
            return Err(Ended::error(Exit::NotFound, message));
        }
        fixture.spec.mounts.insert(name.to_owned(), folder);
    }
    let steps = fixture.play(&plugin, !output.json)?;
    let Some(last) = steps.into_iter().next_back() else { return Ok(()) };
    let object = last.result.map_err(|failure| failed(&failure))?;
    if let Some(folder) = &args.out {
        write_fields(folder, "outputs", &object)?;
    }
    let document = json!({
        "$type": "plugin.ran", "plugin": plugin.manifest().name, "version": plugin.manifest().version,
        "digest": plugin.digest(), "outputs": documents(&object),
        "stream": last.heard.emitted.iter().map(documents).collect::<Vec<_>>(),
        "memory_peak_bytes": last.heard.used.memory_peak_bytes,
    });
    output.result(&document, || {
        let streamed = last.heard.emitted.iter().enumerate();
        let streamed = streamed.map(|(i, object)| format!("stream[{i}]: {}\n", one_line(object)));
        let fields = object.fields.iter().map(|(name, value)| format!("{name} = {}", shown(value)));
        streamed.collect::<String>() + &fields.collect::<Vec<_>>().join("\n")
    })
}

fn one_line(object: &Object) -> String {
    let fields = object.fields.iter().map(|(name, value)| format!("{name} = {}", shown(value)));
    fields.collect::<Vec<_>>().join(", ")
}

fn documents(object: &Object) -> Json {
    let small = |value: &Value| match value {
        Value::Tensor(tensor) if super::values::elements(tensor) > DOCUMENT_MAX => {
            json!({ "$tensor": tensor.dtype(), "shape": tensor.shape() })
        }
        value => to_json(value),
    };
    let fields = object.fields.iter().map(|(name, value)| (name.clone(), small(value)));
    Json::Object(fields.collect())
}

fn failed(failure: &Failure) -> anyhow::Error {
    let exit = match failure.kind {
        mobula_contract::FailureKind::Denied => Exit::Denied,
        _ => Exit::Failed,
    };
    Ended::error(exit, format!("{} ({})", failure.message, kind(failure.kind)))
}

fn pair<'a>(text: &'a str, wanted: &str) -> anyhow::Result<(&'a str, &'a str)> {
    let pair = text.split_once('=').filter(|(name, _)| !name.is_empty());
    pair.ok_or_else(|| Ended::error(Exit::Invalid, format!("`{text}` is not {wanted}")))
}

/// The call as the command line says it.
fn spoken(args: &RunArgs, plugin: &Plugin) -> anyhow::Result<(Spec, Object)> {
    let name = args.export.as_deref().unwrap_or_default();
    let manifest = plugin.manifest();
    let export = export(manifest, name)?;
    let arguments = arguments(args.args.as_deref(), "--args")?;
    let spec = match name.split_once('.') {
        None => Spec { task: Some(name.to_owned()), args: arguments, ..Spec::default() },
        Some((class, method)) => Spec {
            actor: Some(class.to_owned()),
            args: self::arguments(args.create.as_deref(), "--create")?,
            calls: vec![MethodCall { method: method.to_owned(), args: arguments, fails: None }],
            ..Spec::default()
        },
    };
    let mut inputs = Object::default();
    for input in &args.inputs {
        let (name, source) = pair(input, "--input NAME=FILE or NAME=JSON")?;
        let port = export.inputs.iter().find(|port| port.name == name);
        let kind = port.map_or(PortKind::Json, |port| port.kind);
        let value = read(name, source, kind)
            .map_err(|e| Ended::error(Exit::Invalid, format!("--input {name}: {e:#}")))?;
        inputs = inputs.with(name, value);
    }
    Ok((spec, inputs))
}

fn export<'a>(manifest: &'a Manifest, name: &str) -> anyhow::Result<&'a TaskExport> {
    let found = match name.split_once('.') {
        None => manifest.task(name),
        Some((class, method)) => manifest.actor(class).and_then(|actor| actor.method(method)),
    };
    found.ok_or_else(|| {
        let tasks = manifest.tasks.iter().map(|task| task.name.clone());
        let methods = manifest.actors.iter().flat_map(|actor| {
            actor.methods.iter().map(|method| format!("{}.{}", actor.name, method.name))
        });
        let there: Vec<String> = tasks.chain(methods).collect();
        let message =
            format!("{} exports no `{name}`: there is {}", manifest.name, there.join(", "));
        Ended::error(Exit::NotFound, message)
    })
}

fn arguments(text: Option<&str>, flag: &str) -> anyhow::Result<Map<String, Json>> {
    let Some(text) = text else { return Ok(Map::new()) };
    serde_json::from_str(text).map_err(|e| {
        Ended::error(Exit::Invalid, format!("{flag}: `{text}` is no JSON object: {e}"))
    })
}

/// An input from a file, by the end of its name, or else from JSON.
fn read(name: &str, source: &str, kind: PortKind) -> anyhow::Result<Value> {
    let file = Path::new(source);
    if !file.is_file() {
        let json = serde_json::from_str(source)
            .with_context(|| format!("`{source}` is neither a file nor JSON"))?;
        return from_json(json);
    }
    let end = file.extension().and_then(|end| end.to_str()).unwrap_or_default();
    match (end, kind) {
        ("safetensors", _) => {
            let tensors = read_tensors(file)?;
            let named = tensors.iter().find(|(there, _)| there == name);
            let only = tensors.first().filter(|_| tensors.len() == 1);
            let found = named.or(only).map(|(_, tensor)| Value::Tensor(tensor.clone()));
            found.with_context(|| {
                let there: Vec<&str> = tensors.iter().map(|(name, _)| name.as_str()).collect();
                format!("{source} has no tensor `{name}`: there is {}", there.join(", "))
            })
        }
        ("json", _) => {
            let json = read_json(file)?;
            // A file of inputs, as fixtures have it, or the one value.
            let field = json.get(name).filter(|_| kind != PortKind::Json).cloned();
            from_json(field.unwrap_or(json))
        }
        _ => {
            let bytes = std::fs::read(file).with_context(|| format!("cannot read {source}"))?;
            Ok(Value::Bytes(Arc::new(bytes)))
        }
    }
}
