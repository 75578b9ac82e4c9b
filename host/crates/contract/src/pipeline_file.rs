//! Reads a pipeline file. Reports every problem together, each with its line; what the plugins offer
//! is checked elsewhere.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::{Path, PathBuf};

use crate::call::FailureKind;
use crate::pipeline::{
    ActorSource, ActorSpec, CheckpointPlan, Foreach, ForeachOver, InputRef, Limits, Pipeline,
    PolicyPlan, RETRIES_DEFAULT, Retries, StageKind, StageSpec,
};
use crate::pipeline_graph::check_graph;
use crate::pipeline_node::{
    Found, Node, TableReader, Tree, natural, object, positive_f64, positive_u32, string,
};
use crate::pipeline_pins::read_pin;

/// Stages that a pipeline may have, repetitions counted: keeps a typing error from filling memory.
pub const UNITS_MAX: u64 = 1_000_000;

/// Least part of a processor that a call can take: more calls at one time help nobody.
const CPUS_MIN: f64 = 0.01;
/// What `retry_on` may name.
const RETRY_KINDS: &str = "a list of failed, trap, worker-lost, memory, host, quota, invalid, \
                           out-of-bounds or denied";

/// A problem of a pipeline file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Line and column, from 1; `None` for a value from `--set`.
    pub position: Option<(usize, usize)>,
    /// What is wrong and what to do.
    pub message: String,
}

/// Everything that is wrong with a pipeline file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct PipelineErrors {
    /// The file, as the user named it.
    pub file: String,
    /// In the order of the file; never empty.
    pub problems: Vec<Problem>,
}

impl fmt::Display for PipelineErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, problem) in self.problems.iter().enumerate() {
            let end = if i + 1 < self.problems.len() { "\n" } else { "" };
            match problem.position {
                Some((line, column)) => {
                    write!(f, "{}:{line}:{column}: {}{end}", self.file, problem.message)?;
                }
                None => write!(f, "{}: {}{end}", self.file, problem.message)?,
            }
        }
        Ok(())
    }
}

/// A value from the command line: `--set stage.train.repeat=5`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Override {
    path: String,
    value: String,
}

impl Override {
    /// Reads `PATH=VALUE`; the error says what is missing.
    pub fn parse(text: &str) -> Result<Self, String> {
        match text.split_once('=') {
            Some((path, value)) if !path.is_empty() && !path.split('.').any(str::is_empty) => {
                Ok(Self { path: path.trim().to_owned(), value: value.trim().to_owned() })
            }
            _ => Err(format!("`{text}` is not PATH=VALUE, such as stage.train.repeat=5")),
        }
    }
}

impl fmt::Display for Override {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}={}", self.path, self.value)
    }
}

/// Reads a pipeline. `file` is what messages call it; relative mounts are taken from `base`, those
/// from `--set` from `current`.
pub fn parse_pipeline(
    file: &str,
    text: &str,
    folders: Folders<'_>,
    overrides: &[Override],
) -> Result<Pipeline, PipelineErrors> {
    let mut problems = Vec::new();
    let pipeline = match Node::parse(text) {
        Err(found) => {
            problems.push(found);
            None
        }
        Ok(mut root) => {
            for Override { path, value } in overrides {
                let path_parts: Vec<&str> = path.split('.').collect();
                if let Err(why) = root.set(&path_parts, Node::parse_override(value)) {
                    problems.push(Found { offset: None, message: format!("--set {path}: {why}") });
                }
            }
            Some(read_root(&root, folders, &mut problems))
        }
    };
    match pipeline {
        Some(pipeline) if problems.is_empty() => Ok(pipeline),
        _ => Err(located(file, text, problems)),
    }
}

/// From where relative folders are taken.
#[derive(Debug, Clone, Copy)]
pub struct Folders<'a> {
    /// For folders named in the file: where the file is.
    pub base: &'a Path,
    /// For folders from the command line: where the user is.
    pub current: &'a Path,
}

fn located(file: &str, text: &str, mut problems: Vec<Found>) -> PipelineErrors {
    problems.sort_by_key(|found| found.offset.unwrap_or(usize::MAX));
    let problems = problems
        .into_iter()
        .map(|found| Problem {
            position: found.offset.map(|offset| position(text, offset)),
            message: found.message,
        })
        .collect();
    PipelineErrors { file: file.to_owned(), problems }
}

fn position(text: &str, offset: usize) -> (usize, usize) {
    let before = text.get(..offset).unwrap_or(text);
    let line = before.matches('\n').count() + 1;
    let column = before.chars().rev().take_while(|c| *c != '\n').count() + 1;
    (line, column)
}

fn read_root(root: &Node, folders: Folders<'_>, problems: &mut Vec<Found>) -> Pipeline {
    let mut reader = TableReader::new("the pipeline file".to_owned(), root, problems);
    let (name, seed) = read_head(reader.get("pipeline"), problems);
    let stage_nodes = array(reader.get("stage"), "stage", problems);
    let actor_nodes = array(reader.get("actor"), "actor", problems);
    let pin_nodes = array(reader.get("plugin"), "plugin", problems);
    let checkpoint = reader
        .get("checkpoint")
        .map_or_else(CheckpointPlan::default, |node| read_checkpoint(node, problems));
    reader.finish(problems);
    let stages: Vec<StageSpec> =
        stage_nodes.iter().map(|node| read_stage(node, folders, problems)).collect();
    let actors: Vec<ActorSpec> =
        actor_nodes.iter().map(|node| read_actor(node, folders, problems)).collect();
    let plugins = pin_nodes.iter().filter_map(|node| read_pin(node, problems)).collect();
    if stages.is_empty() {
        let message = "the pipeline has no [[stage]]".to_owned();
        problems.push(Found { offset: Some(0), message });
    }
    let pipeline = Pipeline { name, seed, stages, actors, checkpoint, plugins };
    check_graph(&pipeline, stage_nodes, actor_nodes, problems);
    pipeline
}

fn array<'a>(node: Option<&'a Node>, key: &str, problems: &mut Vec<Found>) -> &'a [Node] {
    match node.map(|node| (&node.tree, node.offset)) {
        None => &[],
        Some((Tree::Array(nodes), _)) => nodes,
        Some((_, offset)) => {
            let message = format!("write [[{key}]] with two brackets, once for each {key}");
            problems.push(Found { offset, message });
            &[]
        }
    }
}

fn read_head(node: Option<&Node>, problems: &mut Vec<Found>) -> (String, u64) {
    let Some(node) = node else { return ("pipeline".to_owned(), 0) };
    let mut reader = TableReader::new("[pipeline]".to_owned(), node, problems);
    let name = reader.optional("name", "a string", problems, string);
    let seed = reader.optional("seed", "a whole number from 0", problems, natural);
    reader.finish(problems);
    (name.unwrap_or_else(|| "pipeline".to_owned()), seed.unwrap_or(0))
}

fn read_stage(node: &Node, folders: Folders<'_>, problems: &mut Vec<Found>) -> StageSpec {
    let name = read_name(node, "stage", problems);
    let mut reader = TableReader::new(format!("stage `{name}`"), node, problems);
    reader.get("name");
    let task = reader.optional("task", "\"plugin/task\"", problems, |n| task_ref(&string(n)?));
    let actor = reader.optional("actor", "the name of an actor", problems, string);
    let method = reader.optional("method", "the name of a method", problems, string);
    let has_task = node.get("task").is_some();
    let kind = match (task, actor, method) {
        (Some(task), None, None) => task,
        (None, Some(actor), Some(method)) if !has_task => StageKind::Method { actor, method },
        (task, ..) => {
            if !has_task || task.is_some() {
                let message =
                    format!("stage `{name}` needs either `task`, or both `actor` and `method`");
                problems.push(Found { offset: node.offset, message });
            }
            StageKind::Method { actor: String::new(), method: String::new() }
        }
    };
    let repeat = reader.optional("repeat", "a whole number from 1", problems, positive_u32);
    let inputs = read_inputs(&name, reader.get("inputs"), problems);
    let args = reader.optional("args", "a table", problems, object).unwrap_or_default();
    let mounts = read_mounts(&name, reader.get("mounts"), folders, problems);
    let limits = read_limits(&mut reader, "max_retries", problems);
    let foreach = reader.get("foreach").and_then(|node| read_foreach(&name, node, problems));
    if let (Some(_), Some(_)) = (&foreach, repeat) {
        let message = format!("stage `{name}` has both `repeat` and `foreach`: choose one");
        problems.push(Found { offset: node.offset, message });
    }
    reader.finish(problems);
    StageSpec { name, kind, repeat, foreach, inputs, args, mounts, limits }
}

fn read_actor(node: &Node, folders: Folders<'_>, problems: &mut Vec<Found>) -> ActorSpec {
    let name = read_name(node, "actor", problems);
    let mut reader = TableReader::new(format!("actor `{name}`"), node, problems);
    reader.get("name");
    let native = reader.optional("native", "a string such as \"cnn\"", problems, string);
    let plugin = reader.optional("plugin", "\"plugin/Class\"", problems, |n| task_ref(&string(n)?));
    let source = match (native, plugin) {
        (Some(class), None) => ActorSource::Native { class },
        (None, Some(StageKind::Task { plugin, version, export })) => {
            ActorSource::Plugin { plugin, version, class: export }
        }
        _ => {
            let message = format!("actor `{name}` needs either `native` or `plugin`");
            problems.push(Found { offset: node.offset, message });
            ActorSource::Native { class: String::new() }
        }
    };
    let args = reader.optional("args", "a table", problems, object).unwrap_or_default();
    let mounts = read_mounts(&name, reader.get("mounts"), folders, problems);
    let limits = read_limits(&mut reader, "max_restarts", problems);
    reader.finish(problems);
    ActorSpec { name, source, args, mounts, limits }
}

fn read_name(node: &Node, kind: &str, problems: &mut Vec<Found>) -> String {
    let name = node.get("name").and_then(string);
    let valid = |name: &str| {
        !name.is_empty()
            && name.len() <= 64
            && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-')
    };
    match name {
        Some(name) if valid(&name) => name,
        _ => {
            let message =
                format!("each {kind} needs a `name` of 1 to 64 letters, digits, `_` or `-`");
            problems.push(Found { offset: node.offset, message });
            name.unwrap_or_default()
        }
    }
}

/// `plugin/export` or `plugin@1.2/export`.
fn task_ref(text: &str) -> Option<StageKind> {
    let (plugin, export) = text.split_once('/')?;
    let (plugin, version) = match plugin.split_once('@') {
        Some((plugin, version)) => (plugin, Some(version.to_owned())),
        None => (plugin, None),
    };
    let whole = !plugin.is_empty() && !export.is_empty() && !export.contains('/');
    let version_is_whole = version.as_deref() != Some("");
    (whole && version_is_whole).then(|| StageKind::Task {
        plugin: plugin.to_owned(),
        version,
        export: export.to_owned(),
    })
}

fn read_inputs(
    stage: &str,
    node: Option<&Node>,
    problems: &mut Vec<Found>,
) -> BTreeMap<String, InputRef> {
    let mut inputs = BTreeMap::new();
    for (field, node) in fields(node, &format!("`inputs` of stage `{stage}`"), problems) {
        match string(node).as_deref().and_then(input_ref) {
            Some(source) => {
                inputs.insert(field.clone(), source);
            }
            None => {
                let message = format!(
                    "input `{field}` of stage `{stage}` must be \"stage.field\" or \
                     \"stage[index].field\""
                );
                problems.push(Found { offset: node.offset, message });
            }
        }
    }
    inputs
}

/// A list of values, `"stage.field"`, the name of a stage that streams, or a table of one of these with
/// `over`, `as` and `rows`.
fn read_foreach(stage: &str, node: &Node, problems: &mut Vec<Found>) -> Option<Foreach> {
    let place = format!("`foreach` of stage `{stage}`");
    let wanted = "a list, \"stage.field\" or the name of a stage that streams";
    if !matches!(node.tree, Tree::Table(_)) {
        let over = foreach_over(node);
        if over.is_none() {
            let message = format!("{place} must be {wanted}");
            problems.push(Found { offset: node.offset, message });
        }
        return Some(Foreach { over: over?, name: "item".to_owned(), rows: 1 });
    }
    let mut reader = TableReader::new(place.clone(), node, problems);
    let over = reader.optional("over", wanted, problems, foreach_over);
    let name = reader.optional("as", "a name in quotes", problems, string);
    let rows = reader.optional("rows", "a whole number from 1", problems, positive_u32);
    if node.get("over").is_none() {
        problems.push(Found { offset: node.offset, message: format!("{place} needs `over`") });
    }
    reader.finish(problems);
    let name = name.unwrap_or_else(|| "item".to_owned());
    Some(Foreach { over: over?, name, rows: rows.map_or(1, u64::from) })
}

fn foreach_over(node: &Node) -> Option<ForeachOver> {
    match &node.tree {
        Tree::Array(values) => {
            Some(ForeachOver::List { values: values.iter().map(Node::to_json).collect() })
        }
        Tree::Table(_) => None,
        Tree::Leaf(_) => {
            let text = string(node).filter(|text| !text.is_empty())?;
            if text.contains('.') {
                return Some(ForeachOver::Field { from: input_ref(&text)? });
            }
            Some(ForeachOver::Stream { stage: text })
        }
    }
}

fn fields<'a>(
    node: Option<&'a Node>,
    place: &str,
    problems: &mut Vec<Found>,
) -> &'a [(String, Node)] {
    match node.map(|node| (&node.tree, node.offset)) {
        None => &[],
        Some((Tree::Table(fields), _)) => fields,
        Some((_, offset)) => {
            problems.push(Found { offset, message: format!("{place} must be a table") });
            &[]
        }
    }
}

/// `stage.field` or `stage[3].field`.
fn input_ref(text: &str) -> Option<InputRef> {
    let (stage, field) = text.split_once('.')?;
    let (stage, index) = match stage.split_once('[') {
        Some((stage, index)) => (stage, Some(index.strip_suffix(']')?.parse().ok()?)),
        None => (stage, None),
    };
    let whole = !stage.is_empty() && !field.is_empty();
    whole.then(|| InputRef { stage: stage.to_owned(), index, field: field.to_owned() })
}

fn read_mounts(
    stage: &str,
    node: Option<&Node>,
    folders: Folders<'_>,
    problems: &mut Vec<Found>,
) -> BTreeMap<String, PathBuf> {
    let mut mounts = BTreeMap::new();
    for (name, node) in fields(node, &format!("`mounts` of `{stage}`"), problems) {
        let base = if node.offset.is_some() { folders.base } else { folders.current };
        match string(node).filter(|path| !path.is_empty()) {
            Some(path) => {
                mounts.insert(name.clone(), base.join(path));
            }
            None => {
                let message = format!("mount `{name}` of `{stage}` must be a folder in quotes");
                problems.push(Found { offset: node.offset, message });
            }
        }
    }
    mounts
}

fn read_limits(
    reader: &mut TableReader<'_>,
    retries_key: &'static str,
    problems: &mut Vec<Found>,
) -> Limits {
    let retries = reader.optional(retries_key, "a whole number from 0", problems, |node| {
        natural(node).and_then(|n| u32::try_from(n).ok())
    });
    Limits {
        retries: retries.unwrap_or(RETRIES_DEFAULT),
        retry: Retries {
            on: reader.optional("retry_on", RETRY_KINDS, problems, failure_kinds),
            delay_ms: reader.optional("retry_delay_ms", "a whole number from 0", problems, natural),
        },
        timeout_s: reader.optional("timeout_s", "seconds above 0", problems, positive_f64),
        memory_bytes: reader.optional("memory", "bytes such as \"512MiB\"", problems, byte_size),
        cpus: reader.optional("cpus", "a number from 0.01", problems, |node| {
            positive_f64(node).filter(|cpus| *cpus >= CPUS_MIN)
        }),
    }
}

fn read_checkpoint(node: &Node, problems: &mut Vec<Found>) -> CheckpointPlan {
    let default = CheckpointPlan::default();
    let mut reader = TableReader::new("[checkpoint]".to_owned(), node, problems);
    let wanted = "adaptive, threshold, young-daly, every = N, always or never";
    let policy = reader.optional("policy", wanted, problems, policy_plan);
    // `every = N` may stand as a key of its own, as the list of policies is written.
    let every = reader.optional("every", "a whole number from 1", problems, positive_u32);
    let keep = reader.optional("keep", "a whole number from 1", problems, positive_u32);
    let share = |node: &Node| positive_f64(node).filter(|share| *share <= 1.0);
    let mut plan = CheckpointPlan {
        policy: every.map(PolicyPlan::Every).or(policy).unwrap_or(default.policy),
        keep: keep.unwrap_or(default.keep),
        threshold: reader.optional("threshold", "a share from 0 to 1", problems, share),
        best: reader.optional("best", "the name of a number in an output", problems, string),
        ..default
    };
    if let Some(node) = reader.get("budget") {
        let mut budget = TableReader::new("`budget` of [checkpoint]".to_owned(), node, problems);
        plan.overhead = budget
            .optional("overhead", "a share above 0", problems, positive_f64)
            .or(plan.overhead);
        let wanted = "bytes such as \"2GiB\"";
        plan.saves = budget.optional("saves", "a whole number from 1", problems, positive_u32);
        plan.bytes = budget.optional("bytes", wanted, problems, byte_size).or(plan.bytes);
        budget.finish(problems);
    }
    reader.finish(problems);
    plan
}

fn policy_plan(node: &Node) -> Option<PolicyPlan> {
    if let Some(every) = node.get("every") {
        return positive_u32(every).map(PolicyPlan::Every);
    }
    let text = string(node)?;
    if let Some((word, n)) = text.split_once(['=', ' ', ':']) {
        let n: u32 = n.trim_matches(['=', ' ']).parse().ok()?;
        return (word.trim() == "every" && n > 0).then_some(PolicyPlan::Every(n));
    }
    Some(match text.as_str() {
        "adaptive" => PolicyPlan::Adaptive,
        "threshold" => PolicyPlan::Threshold,
        "young-daly" => PolicyPlan::YoungDaly,
        "always" => PolicyPlan::Always,
        "never" => PolicyPlan::Never,
        _ => return None,
    })
}

fn failure_kinds(node: &Node) -> Option<Vec<FailureKind>> {
    let kinds: Vec<FailureKind> = serde_json::from_value(node.to_json()).ok()?;
    (!kinds.contains(&FailureKind::Cancelled)).then_some(kinds)
}

fn byte_size(node: &Node) -> Option<u64> {
    match natural(node) {
        Some(bytes) => Some(bytes).filter(|bytes| *bytes > 0),
        None => parse_bytes(&string(node)?),
    }
}

/// A number of bytes above 0, with or without a unit: `512MiB`, `2GiB`, `10MB`, `4096`.
#[must_use]
pub fn parse_bytes(text: &str) -> Option<u64> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit: u64 = match text[digits.len()..].to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "kib" => 1 << 10,
        "mib" => 1 << 20,
        "gib" => 1 << 30,
        "kb" => 1_000,
        "mb" => 1_000_000,
        "gb" => 1_000_000_000,
        _ => return None,
    };
    digits.trim().parse::<u64>().ok()?.checked_mul(unit).filter(|bytes| *bytes > 0)
}

/// Names that stand more than once.
pub(crate) fn doubles<'a>(names: impl Iterator<Item = &'a str>) -> BTreeSet<usize> {
    let mut seen = BTreeSet::new();
    names.enumerate().filter(|(_, name)| !seen.insert(*name)).map(|(i, _)| i).collect()
}
