//! Checks a pipeline against what its plugins offer, before anything runs: exports, arguments, inputs
//! and grants. Reports every problem together.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use jsonschema::error::ValidationErrorKind;
use mobula_contract::{
    ActorExport, ActorSource, ActorSpec, ForeachOver, InputPort, Manifest, OutputPort, Pipeline,
    PortKind, StageKind, StageSpec, TaskExport,
};
use mobula_engine::Fault;
use serde_json::{Map, Value as Json};

use crate::exit::{Ended, Exit};
use crate::native;
use crate::plugins::Catalogue;

/// What is wrong, in the order of the file.
struct Problems {
    found: Vec<(Exit, String)>,
}

/// Everything that is wrong with a pipeline, with the exit code of each.
pub(crate) fn problems(pipeline: &Pipeline, catalogue: &Catalogue) -> Vec<(Exit, String)> {
    let mut problems = Problems { found: Vec::new() };
    let mut classes = BTreeMap::new();
    for actor in &pipeline.actors {
        if let Some(class) = problems.actor(actor, catalogue) {
            classes.insert(actor.name.as_str(), class);
        }
    }
    let mut exports = BTreeMap::new();
    for stage in &pipeline.stages {
        if let Some(export) = problems.stage(stage, &classes, catalogue) {
            exports.insert(stage.name.as_str(), export);
        }
    }
    for stage in &pipeline.stages {
        if let Some(export) = exports.get(stage.name.as_str()) {
            problems.inputs(stage, export, &exports);
        }
    }
    problems.found
}

/// Refuses a pipeline that cannot work. One kind of problem keeps its exit code; several are an
/// invalid file.
pub(crate) fn check(pipeline: &Pipeline, catalogue: &Catalogue) -> anyhow::Result<()> {
    let found = problems(pipeline, catalogue);
    let Some((first, _)) = found.first() else { return Ok(()) };
    let same = found.iter().all(|(exit, _)| exit == first);
    let exit = if same { *first } else { Exit::Invalid };
    let lines: Vec<String> = found.into_iter().map(|(_, message)| message).collect();
    Err(Ended::error(exit, lines.join("\n")))
}

/// Refuses failures that can never be made.
pub(crate) fn check_faults(pipeline: &Pipeline, faults: &[Fault]) -> anyhow::Result<()> {
    for fault in faults {
        let stage = pipeline.stage(&fault.stage);
        // How often a stage with `foreach` runs is known only when it does.
        if stage.is_some_and(|stage| stage.foreach.is_some()) {
            continue;
        }
        let repeat = stage.map(|stage| stage.repeat.unwrap_or(1));
        if repeat.is_none_or(|repeat| fault.index >= repeat) {
            let names: Vec<&str> = pipeline.stages.iter().map(|s| s.name.as_str()).collect();
            let why = match repeat {
                None => format!("no stage `{}`: there is {}", fault.stage, names.join(", ")),
                Some(n) => format!("stage `{}` has {n} repetitions, from 0", fault.stage),
            };
            let message = format!("--inject {}[{}]: {why}", fault.stage, fault.index);
            return Err(Ended::error(Exit::Invalid, message));
        }
    }
    Ok(())
}

impl Problems {
    fn add(&mut self, exit: Exit, message: String) {
        self.found.push((exit, message));
    }

    fn plugin(
        &mut self,
        at: &str,
        name: &str,
        version: Option<&str>,
        mounts: &BTreeMap<String, std::path::PathBuf>,
        catalogue: &Catalogue,
    ) -> Option<Manifest> {
        let plugin = match catalogue.find(name, version) {
            Ok(plugin) => plugin,
            Err(e) => {
                let exit = e.downcast_ref::<Ended>().map_or(Exit::Failed, |ended| ended.exit);
                self.add(exit, format!("{at}: {e:#}"));
                return None;
            }
        };
        let manifest = plugin.manifest().clone();
        for mount in &manifest.requests.mounts {
            if !mounts.contains_key(mount) {
                let message = format!(
                    "{at}: plugin `{name}` asks for the mount `{mount}`, which nothing grants: add \
                     `mounts = {{ {mount} = \"FOLDER\" }}`"
                );
                self.add(Exit::Denied, message);
            }
        }
        for (mount, folder) in mounts {
            if !folder.is_dir() {
                let message = format!("{at}: mount `{mount}`: no folder {}", folder.display());
                self.add(Exit::NotFound, message);
            } else if !manifest.requests.mounts.contains(mount) {
                let asked = manifest.requests.mounts.join(", ");
                let message = format!(
                    "{at}: plugin `{name}` never asks for the mount `{mount}` (it asks for: {asked})"
                );
                self.add(Exit::Invalid, message);
            }
        }
        Some(manifest)
    }

    fn actor(&mut self, actor: &ActorSpec, catalogue: &Catalogue) -> Option<ActorExport> {
        let at = format!("actor `{}`", actor.name);
        match &actor.source {
            ActorSource::Native { class } => {
                let export = native::class(class);
                if export.is_none() {
                    let there = native::CLASSES.join(", ");
                    let message = format!("{at}: no native class `{class}`: there is {there}");
                    self.add(Exit::Invalid, message);
                } else if let Err(e) = native::check_args(None, &actor.args) {
                    self.add(Exit::Invalid, format!("{at}: {e}"));
                }
                export
            }
            ActorSource::Plugin { plugin, version, class } => {
                let manifest =
                    self.plugin(&at, plugin, version.as_deref(), &actor.mounts, catalogue)?;
                let Some(export) = manifest.actor(class) else {
                    let there = manifest.actors.iter().map(|a| a.name.as_str());
                    self.missing(&at, &format!("actor class of plugin `{plugin}`"), class, there);
                    return None;
                };
                self.args(&at, export.args.as_ref(), &actor.args);
                Some(export.clone())
            }
        }
    }

    fn stage(
        &mut self,
        stage: &StageSpec,
        classes: &BTreeMap<&str, ActorExport>,
        catalogue: &Catalogue,
    ) -> Option<TaskExport> {
        let at = format!("stage `{}`", stage.name);
        match &stage.kind {
            StageKind::Task { plugin, version, export } => {
                let manifest =
                    self.plugin(&at, plugin, version.as_deref(), &stage.mounts, catalogue)?;
                let Some(task) = manifest.task(export) else {
                    let there = manifest.tasks.iter().map(|task| task.name.as_str());
                    self.missing(&at, &format!("task of plugin `{plugin}`"), export, there);
                    return None;
                };
                self.stage_args(&at, task.args.as_ref(), stage);
                Some(task.clone())
            }
            StageKind::Method { actor, method } => {
                let class = classes.get(actor.as_str())?;
                let Some(export) = class.method(method) else {
                    let there = class.methods.iter().map(|method| method.name.as_str());
                    self.missing(&at, &format!("method of actor `{actor}`"), method, there);
                    return None;
                };
                if native::class(&class.name).is_some() {
                    if let Err(e) = native::check_args(Some(method), &stage.args) {
                        self.add(Exit::Invalid, format!("{at}: {e}"));
                    }
                } else {
                    self.stage_args(&at, export.args.as_ref(), stage);
                }
                Some(export.clone())
            }
        }
    }

    fn missing<'a>(
        &mut self,
        at: &str,
        what: &str,
        name: &str,
        there: impl Iterator<Item = &'a str>,
    ) {
        let there: Vec<&str> = there.collect();
        let list = if there.is_empty() { "none".to_owned() } else { there.join(", ") };
        self.add(Exit::Invalid, format!("{at}: no {what} is called `{name}`: there is {list}"));
    }

    /// With each value of a list; what a `foreach` takes from elsewhere is known only when it runs.
    fn stage_args(&mut self, at: &str, schema: Option<&Json>, stage: &StageSpec) {
        let Some(foreach) = &stage.foreach else { return self.args(at, schema, &stage.args) };
        let ForeachOver::List { values } = &foreach.over else { return };
        let known = self.found.len();
        for value in values {
            let mut args = stage.args.clone();
            args.insert(foreach.name.clone(), value.clone());
            if self.found.len() == known {
                self.args(at, schema, &args);
            }
        }
    }

    fn args(&mut self, at: &str, schema: Option<&Json>, args: &Map<String, Json>) {
        let Some(schema) = schema else {
            if let Some(key) = args.keys().next() {
                self.add(Exit::Invalid, format!("{at}: it takes no args, but `{key}` is given"));
            }
            return;
        };
        match jsonschema::validator_for(schema) {
            Err(e) => self.add(Exit::Invalid, format!("{at}: the plugin's schema is broken: {e}")),
            Ok(validator) => {
                let there = schema["properties"].as_object();
                let there: Vec<&str> =
                    there.into_iter().flat_map(Map::keys).map(String::as_str).collect();
                for error in validator.iter_errors(&Json::Object(args.clone())) {
                    if let ValidationErrorKind::AdditionalProperties { unexpected } = error.kind() {
                        for name in unexpected {
                            self.missing(at, "argument", name, there.iter().copied());
                        }
                        continue;
                    }
                    let mut place = error.instance_path().to_string().replace('/', ".");
                    place.insert_str(0, "args");
                    self.add(Exit::Invalid, format!("{at}: {place}: {error}"));
                }
            }
        }
    }

    fn inputs(&mut self, stage: &StageSpec, export: &TaskExport, all: &BTreeMap<&str, TaskExport>) {
        let at = format!("stage `{}`", stage.name);
        let each = stage.foreach.as_ref();
        // The fields of a stream's objects are known only when it runs.
        let any = each.is_some_and(|each| matches!(each.over, ForeachOver::Stream { .. }));
        for port in export.inputs.iter().filter(|port| !port.optional && !any) {
            let rows = each.is_some_and(|each| each.name == port.name);
            if !rows && !stage.inputs.contains_key(&port.name) {
                let input = &port.name;
                let message = format!(
                    "{at}: input `{input}` is missing: add `inputs = {{ {input} = \"STAGE.FIELD\" }}`"
                );
                self.add(Exit::Invalid, message);
            }
        }
        let stream = each.and_then(|each| match &each.over {
            ForeachOver::Stream { stage } => Some(stage),
            _ => None,
        });
        for (name, source) in &stage.inputs {
            let Some(port) = export.inputs.iter().find(|port| port.name == *name) else {
                let there = export.inputs.iter().map(|port| port.name.as_str());
                self.missing(&at, "input", name, there);
                continue;
            };
            if stream == Some(&source.stage) {
                continue;
            }
            let Some(producer) = all.get(source.stage.as_str()) else { continue };
            match producer.outputs.iter().find(|output| output.name == source.field) {
                Some(output) => self.types(&at, port, &source.stage, output),
                None if producer.outputs.is_empty() => {}
                None => {
                    let there = producer.outputs.iter().map(|output| output.name.as_str());
                    let what = format!("output of stage `{}`", source.stage);
                    self.missing(&at, &what, &source.field, there);
                }
            }
        }
    }

    fn types(&mut self, at: &str, port: &InputPort, source: &str, output: &OutputPort) {
        let differs = port.kind != output.kind
            || matches!((&port.dtype, &output.dtype), (Some(want), Some(got)) if want != got);
        if differs {
            let (want, got) = (kind(port.kind, &port.dtype), kind(output.kind, &output.dtype));
            let (input, field) = (&port.name, &output.name);
            let message = format!("{at}: input `{input}` takes {want}; {source}.{field} is {got}");
            self.add(Exit::Invalid, message);
        }
    }
}

fn kind(kind: PortKind, dtype: &Option<String>) -> String {
    let mut words = match kind {
        PortKind::Tensor => "a tensor",
        PortKind::Json => "JSON",
        PortKind::Bytes => "bytes",
    }
    .to_owned();
    if let Some(dtype) = dtype {
        let _ = write!(words, " of {dtype}");
    }
    words
}
