//! `mobula plugin check`: what is wrong with a component, each finding with what to do about it.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use mobula_contract::{
    ActorExport, FailureKind, InputPort, Manifest, Object, OutputPort, PortKind, TaskExport,
};
use mobula_sandbox::{
    COMPONENT_BYTES_MAX, CallEnv, Grants, Limits, Plugin, SandboxError, has_debug_info,
};
use serde::Serialize;
use serde_json::{Value as Json, json};

use super::desk::Desk;
use super::project::component;
use crate::exit::{Ended, Exit};
use crate::output::{Output, bytes};
use crate::plugins::Catalogue;

/// From this size on a component takes noticeably long to compile the first time.
const LARGE: u64 = 32 << 20;
/// Time of a call that only asks whether an export is there.
const PROBE: Duration = Duration::from_secs(5);
/// A name that no plugin exports.
const NOBODY: &str = "no-such-export";
const DTYPES: [&str; 6] = ["bool", "u8", "s32", "s64", "f32", "f64"];

/// How much a finding matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Weight {
    /// The plugin does not work.
    Error,
    /// It works, though not as its author means.
    Warning,
    /// Good to know.
    Note,
}

#[derive(Debug, Serialize)]
struct Finding {
    weight: Weight,
    /// What was looked at: `file`, `world`, `manifest`, `exports`, `grants`, `size` or `debug`.
    rule: &'static str,
    message: String,
    fix: String,
}

/// All findings, in the order in which they should be mended.
#[derive(Debug, Default)]
struct Findings(Vec<Finding>);

impl Findings {
    fn add(&mut self, weight: Weight, rule: &'static str, message: String, fix: impl Into<String>) {
        self.0.push(Finding { weight, rule, message, fix: fix.into() });
    }

    fn error(&mut self, rule: &'static str, message: String, fix: impl Into<String>) {
        self.add(Weight::Error, rule, message, fix);
    }

    fn warning(&mut self, rule: &'static str, message: String, fix: impl Into<String>) {
        self.add(Weight::Warning, rule, message, fix);
    }

    fn note(&mut self, rule: &'static str, message: String, fix: impl Into<String>) {
        self.add(Weight::Note, rule, message, fix);
    }
}

/// Checks a file or a folder that was built; fails when there is an error among the findings.
pub(crate) fn perform(path: &Path, catalogue: &Catalogue, output: Output) -> anyhow::Result<()> {
    let file = component(path)?;
    let component = std::fs::read(&file).map_err(|e| {
        let exit = match e.kind() {
            std::io::ErrorKind::NotFound => Exit::NotFound,
            _ => Exit::Failed,
        };
        Ended::error(exit, format!("cannot read plugin {}: {e}", file.display()))
    })?;
    let mut findings = Findings::default();
    let label = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let plugin = match catalogue.sandbox().load(&component, &label) {
        Ok(plugin) => {
            of_manifest(plugin.manifest(), &mut findings);
            of_exports(&plugin, &mut findings);
            of_grants(&plugin, &mut findings);
            of_size(&plugin, &component, &mut findings);
            Some(plugin)
        }
        Err(error) => {
            of_refusal(&error, &mut findings);
            None
        }
    };
    let findings = findings.0;
    let errors = findings.iter().filter(|finding| finding.weight == Weight::Error).count();
    let document = json!({
        "$type": "plugin.checked", "file": file, "ok": errors == 0, "findings": findings,
        "name": plugin.as_ref().map(|plugin| plugin.manifest().name.clone()),
        "digest": plugin.as_ref().map(Plugin::digest),
    });
    output.result(&document, || prose(&label, &findings))?;
    match errors {
        0 => Ok(()),
        1 => Err(Ended::error(Exit::Failed, format!("1 error in {}", file.display()))),
        n => Err(Ended::error(Exit::Failed, format!("{n} errors in {}", file.display()))),
    }
}

fn prose(label: &str, findings: &[Finding]) -> String {
    let lines = findings.iter().map(|finding| {
        let weight = format!("{:?}", finding.weight).to_lowercase();
        format!("{weight}: {}: {}\n  → {}", finding.rule, finding.message, finding.fix)
    });
    let mut lines: Vec<String> = lines.collect();
    if findings.iter().all(|finding| finding.weight == Weight::Note) {
        lines.push(format!("{label} is fine"));
    }
    lines.join("\n")
}

/// Why the sandbox does not take it.
fn of_refusal(error: &SandboxError, findings: &mut Findings) {
    let mut say = |rule, fix: &str| findings.error(rule, error.to_string(), fix);
    match error {
        SandboxError::TooLarge { .. } => say(
            "size",
            "leave out what is not needed: embedded data belongs into a mount; in Rust set `lto = true` and \
             `strip = \"debuginfo\"` in [profile.release]",
        ),
        SandboxError::TooMuch { .. } => {
            say(
                "size",
                "split it: very large functions are usually tables that were written as code",
            );
        }
        SandboxError::NotWasm { .. } => {
            say("file", "give the .wasm file that `mobula plugin build` names");
        }
        SandboxError::CoreModule { .. } => say(
            "file",
            "build with `mobula plugin build`, or with cargo's `--target wasm32-wasip2`, not wasm32-unknown-unknown \
             or wasm32-wasip1",
        ),
        SandboxError::Compile { .. } => {
            say("file", "the file is damaged, or uses features that are off here: build it anew");
        }
        SandboxError::Describe { .. } => say(
            "manifest",
            "`describe` must give the manifest as JSON without calling the host; the SDK's `plugin!` (Rust) or \
             `plugin(…)` (Python, JavaScript) writes it",
        ),
        SandboxError::World { differences, .. } => {
            for difference in differences {
                findings.error("world", difference.clone(), world_fix(difference));
            }
        }
        SandboxError::Engine(_) | SandboxError::Cache { .. } => say("file", "see `mobula doctor`"),
        _ => say("file", "build it anew"),
    }
}

fn world_fix(difference: &str) -> &'static str {
    if difference.contains("this host has version") || difference.contains("it has version") {
        "its SDK and this program differ in version: `mobula plugin new` lays the SDK of this program into a \
         folder; take its `sdk/` over and build anew"
    } else if difference.contains("needs the export") {
        "export the whole world: `plugin! { tasks: […] }` (Rust) or `plugin(…)` (Python, JavaScript) does, and a \
         plugin of another toolchain is built with `sdk/wit`, world `plugin`"
    } else if difference.contains("wasi:") {
        "leave out what needs it: there is no network here; data come in through inputs and mounts"
    } else {
        "leave out what imports it: a plugin has the interfaces of `sdk/wit` and WASI 0.2, nothing else"
    }
}

fn of_manifest(manifest: &Manifest, findings: &mut Findings) {
    let Manifest { name, version, tasks, actors, .. } = manifest;
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    if name.is_empty() || !name.chars().all(plain) {
        findings.error(
            "manifest",
            format!("the plugin calls itself `{name}`, which no pipeline can name"),
            "use letters, digits, `-` and `_`",
        );
    }
    let parts: Vec<&str> =
        version.split(['-', '+']).next().unwrap_or_default().split('.').collect();
    if parts.len() != 3 || !parts.iter().all(|part| part.parse::<u64>().is_ok()) {
        findings.warning(
            "manifest",
            format!("the version is `{version}`"),
            "write three numbers, such as 0.1.0: pipelines ask for the beginning of it (`plugin@0.1/export`)",
        );
    }
    if tasks.is_empty() && actors.is_empty() {
        findings.error(
            "manifest",
            "the plugin exports no task and no actor".to_owned(),
            "name them: `plugin! { tasks: [my_task] }` in Rust, `@task` in Python, `tasks: { … }` in JavaScript",
        );
    }
    let mut seen = BTreeSet::new();
    for export in tasks.iter().map(|task| &task.name).chain(actors.iter().map(|actor| &actor.name))
    {
        if !seen.insert(export) {
            let message = format!("`{export}` is exported twice");
            findings.error("manifest", message, "give each export a name of its own");
        }
    }
    for task in tasks {
        of_export(&format!("task `{}`", task.name), task, findings);
    }
    for ActorExport { name, args, inputs, methods, .. } in actors {
        let at = format!("actor `{name}`");
        of_schema(&at, args.as_ref(), findings);
        of_inputs(&at, inputs, findings);
        if methods.is_empty() {
            let fix = "in Rust, methods take `&mut self` or `&self`; in Python their names begin with no `_`";
            findings.error("manifest", format!("{at} has no method"), fix);
        }
        for method in methods {
            of_export(&format!("method `{name}.{}`", method.name), method, findings);
        }
    }
}

fn of_export(at: &str, export: &TaskExport, findings: &mut Findings) {
    if export.doc.trim().is_empty() {
        let fix = "write a sentence above it (///, a docstring, `doc:`): it is shown by `mobula plugin inspect`";
        findings.note("manifest", format!("{at} says not what it does"), fix);
    }
    if export.outputs.is_empty() {
        findings.note(
            "manifest",
            format!("{at} names no outputs"),
            "name them, so that a pipeline is checked before it runs: `#[outputs]`, `outputs=…`, `outputs: { … }`",
        );
    }
    of_schema(at, export.args.as_ref(), findings);
    of_inputs(at, &export.inputs, findings);
    for OutputPort { name, kind, dtype, .. } in &export.outputs {
        of_port(at, "output", name, *kind, dtype.as_deref(), findings);
    }
}

fn of_inputs(at: &str, inputs: &[InputPort], findings: &mut Findings) {
    for InputPort { name, kind, dtype, .. } in inputs {
        of_port(at, "input", name, *kind, dtype.as_deref(), findings);
    }
}

fn of_port(
    at: &str,
    side: &str,
    name: &str,
    kind: PortKind,
    dtype: Option<&str>,
    findings: &mut Findings,
) {
    let Some(dtype) = dtype else { return };
    if !DTYPES.contains(&dtype) {
        let message = format!("{at}: {side} `{name}` has the dtype `{dtype}`, which there is not");
        findings.error("manifest", message, format!("use one of {}", DTYPES.join(", ")));
    } else if kind != PortKind::Tensor {
        let message = format!("{at}: {side} `{name}` has the dtype `{dtype}`, but is no tensor");
        findings.error("manifest", message, "leave the dtype out");
    }
}

fn of_schema(at: &str, schema: Option<&Json>, findings: &mut Findings) {
    let Some(schema) = schema else { return };
    if let Err(error) = jsonschema::validator_for(schema) {
        let message = format!("{at}: the schema of its args is broken: {error}");
        findings.error("manifest", message, "let `#[args]`, `arg(…)` or `args: { … }` write it");
    }
}

/// Whether the plugin really has what its manifest names: it is asked for each export with nothing in hand,
/// and what it answers is compared with what it answers for a name that cannot be there.
fn of_exports(plugin: &Plugin, findings: &mut Findings) {
    let unknown = |name: &str, result: Result<(), (FailureKind, String)>, answer: &str| {
        result.err().filter(|(_, message)| *message == answer.replace(NOBODY, name)).is_some()
    };
    let failure = |failure: mobula_contract::Failure| (failure.kind, failure.message);
    let task = |name: &str| {
        plugin.run_task(name, "{}", Object::default(), &probe(name)).map(|_| ()).map_err(failure)
    };
    let actor = |name: &str| {
        let made = plugin.create_actor(name, "{}", Object::default(), &probe(name));
        made.map(|_| ()).map_err(failure)
    };
    let Manifest { tasks, actors, .. } = plugin.manifest();
    match task(NOBODY) {
        Err((FailureKind::Trap, message)) => findings.error(
            "exports",
            format!("asked for a task that is not there, the plugin traps: {message}"),
            "answer with the error `invalid`",
        ),
        Err((_, answer)) => {
            for name in tasks.iter().map(|task| &task.name) {
                if unknown(name, task(name), &answer) {
                    findings.error(
                        "exports",
                        format!(
                            "the manifest names the task `{name}`, but the plugin does not have it"
                        ),
                        "export it, or take it out of the manifest",
                    );
                }
            }
        }
        Ok(()) => findings.error(
            "exports",
            format!("asked for a task `{NOBODY}`, the plugin says that it succeeded"),
            "answer with the error `invalid`: otherwise a typing error in a pipeline goes unseen",
        ),
    }
    if actors.is_empty() {
        return;
    }
    if let Err((_, answer)) = actor(NOBODY) {
        for name in actors.iter().map(|actor| &actor.name) {
            if unknown(name, actor(name), &answer) {
                findings.error(
                    "exports",
                    format!(
                        "the manifest names the actor `{name}`, but the plugin does not have it"
                    ),
                    "export it, or take it out of the manifest",
                );
            }
        }
    }
}

fn probe(stage: &str) -> CallEnv {
    CallEnv {
        context: Arc::new(Desk::quiet(0)),
        grants: Grants::default(),
        limits: Limits { wall: PROBE, ..Limits::default() },
        stage: stage.to_owned(),
    }
}

fn of_grants(plugin: &Plugin, findings: &mut Findings) {
    let requests = &plugin.manifest().requests;
    for mount in &requests.mounts {
        findings.note(
            "grants",
            format!("it asks for the mount `{mount}`, and reads it as /{mount}"),
            format!("its stages need `mounts = {{ {mount} = \"FOLDER\" }}`"),
        );
    }
    let never = [("HTTP hosts", &requests.http), ("environment", &requests.env)];
    for (what, names) in never.into_iter().filter(|(_, names)| !names.is_empty()) {
        findings.warning(
            "grants",
            format!("it asks for {what} ({}), which no pipeline can grant", names.join(", ")),
            "hand data over as inputs, args or mounts",
        );
    }
    if requests.mounts.is_empty()
        && let Some(import) = plugin.imports().iter().find(|name| name.contains("filesystem/types"))
    {
        findings.note(
            "grants",
            format!("it imports {import}, as its language's runtime does, but asks for no mount"),
            "a plugin that reads files names a mount: `plugin! { mounts: [\"data\"] }`; all others can leave this",
        );
    }
}

fn of_size(plugin: &Plugin, component: &[u8], findings: &mut Findings) {
    let (size, most) = (bytes(plugin.size()), bytes(COMPONENT_BYTES_MAX as u64));
    if plugin.size() > LARGE {
        let message =
            format!("{size} of at most {most}: the first use compiles it, which takes long");
        findings.warning("size", message, "leave out what is not needed, such as embedded data");
    }
    let exports = plugin.exports().iter().map(String::as_str);
    let interpreted = exports.into_iter().any(|name| name == "init" || name == "exports");
    if !has_debug_info(component) && !interpreted {
        findings.note(
            "debug",
            "it has no debug information: a trap names functions, but no file and line".to_owned(),
            "in Rust set `debug = \"line-tables-only\"` in [profile.release]",
        );
    }
}
