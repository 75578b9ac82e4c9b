//! A fixture: a folder with a call, or the calls of an actor, their inputs and what should come out. The same
//! folder is what `run --keep-inputs` leaves of a failing call.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context as _;
use mobula_contract::{Failure, FailureKind, Object};
use mobula_sandbox::{Actor, CallEnv, Grants, Limits, Plugin};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json};

use super::desk::{Desk, Heard};
use super::values::{read_fields, write_fields};
use crate::exit::{Ended, Exit};

/// The file that makes a folder a fixture.
pub(crate) const FILE: &str = "fixture.toml";
/// The seed of a fixture that says none.
const SEED: u64 = 7;

/// What stands in `fixture.toml`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Spec {
    /// The task to call.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) task: Option<String>,
    /// Or the class of the actor to make.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) actor: Option<String>,
    /// A file with the state that the actor begins with, instead of being made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) state: Option<PathBuf>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) seed: Option<u64>,
    /// How much numbers may differ, as a share of themselves or, below 1, of 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) tolerance: Option<f64>,
    /// How the call has to fail.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) fails: Option<Fails>,
    /// Bytes of guest memory.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) memory_bytes: Option<u64>,
    /// Seconds that a call may take.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) timeout_s: Option<f64>,
    /// Arguments of the task, or of the actor's creation.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub(crate) args: Map<String, Json>,
    /// Mount name → folder, from that of the fixture.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) mounts: BTreeMap<String, PathBuf>,
    /// The calls of the actor.
    #[serde(default, rename = "call", skip_serializing_if = "Vec::is_empty")]
    pub(crate) calls: Vec<MethodCall>,
}

/// One call of an actor.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct MethodCall {
    pub(crate) method: String,
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub(crate) args: Map<String, Json>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) fails: Option<Fails>,
}

/// The failure that is expected.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Fails {
    pub(crate) kind: FailureKind,
    /// What its message contains.
    #[serde(default)]
    pub(crate) words: String,
}

/// A fixture that was read.
#[derive(Debug)]
pub(crate) struct Fixture {
    pub(crate) folder: PathBuf,
    pub(crate) spec: Spec,
}

/// One call that was made, and what came of it.
#[derive(Debug)]
pub(crate) struct Step {
    /// The stem of its files: `` for a task, `call0.` and so on for an actor.
    pub(crate) stem: String,
    /// Such as `task subset`.
    pub(crate) what: String,
    pub(crate) fails: Option<Fails>,
    pub(crate) result: Result<Object, Failure>,
    pub(crate) heard: Heard,
}

impl Fixture {
    /// Reads a folder.
    pub(crate) fn read(folder: &Path) -> anyhow::Result<Self> {
        let file = folder.join(FILE);
        let text = std::fs::read_to_string(&file).map_err(|e| {
            let exit = match e.kind() {
                std::io::ErrorKind::NotFound => Exit::NotFound,
                _ => Exit::Failed,
            };
            Ended::error(exit, format!("cannot read {}: {e}", file.display()))
        })?;
        let wrong = |why: String| Ended::error(Exit::Invalid, format!("{}: {why}", file.display()));
        let spec: Spec = toml::from_str(&text).map_err(|e| {
            let before = e.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
            wrong(format!("line {}: {}", before.matches('\n').count() + 1, e.message()))
        })?;
        match (&spec.task, &spec.actor) {
            (Some(_), None) if spec.calls.is_empty() => {}
            (None, Some(_)) if !spec.calls.is_empty() => {}
            (None, Some(_)) => {
                return Err(wrong(
                    "an actor needs calls: add [[call]] with `method = \"…\"`".into(),
                ));
            }
            _ => return Err(wrong("say either `task`, or `actor` and [[call]]".into())),
        }
        Ok(Self { folder: folder.to_owned(), spec })
    }

    /// Writes a call so that [`Fixture::read`] and [`Fixture::play`] repeat it.
    pub(crate) fn write(folder: &Path, spec: &Spec, inputs: &Object) -> anyhow::Result<()> {
        let stem = if spec.task.is_some() { "" } else { "call0." };
        write_fields(folder, &format!("{stem}inputs"), inputs)?;
        let text = toml::to_string(spec).context("this call cannot be written")?;
        crate::commands::write_file(&folder.join(FILE), text.as_bytes())
    }

    fn env(&self, desk: &Arc<Desk>, stage: &str) -> CallEnv {
        let mounts = self.spec.mounts.iter();
        let mounts =
            mounts.map(|(name, folder)| (name.clone(), self.folder.join(folder))).collect();
        let mut limits = Limits::default();
        if let Some(bytes) = self.spec.memory_bytes {
            limits.memory_bytes = bytes;
        }
        if let Some(seconds) = self.spec.timeout_s {
            limits.wall = std::time::Duration::try_from_secs_f64(seconds).unwrap_or(limits.wall);
        }
        CallEnv {
            context: Arc::clone(desk) as _,
            grants: Grants { mounts, ..Grants::default() },
            limits,
            stage: stage.to_owned(),
        }
    }

    fn desk(&self, aloud: bool) -> Arc<Desk> {
        let seed = self.spec.seed.unwrap_or(SEED);
        Arc::new(if aloud { Desk::aloud(seed) } else { Desk::quiet(seed) })
    }

    /// Makes the calls, in order.
    pub(crate) fn play(&self, plugin: &Plugin, aloud: bool) -> anyhow::Result<Vec<Step>> {
        match &self.spec.task {
            Some(task) => {
                let inputs = read_fields(&self.folder, "inputs")?.unwrap_or_default();
                let desk = self.desk(aloud);
                let env = self.env(&desk, task);
                let result = plugin.run_task(task, &text(&self.spec.args), inputs, &env);
                let (what, fails) = (format!("task {task}"), self.spec.fails.clone());
                Ok(vec![Step { stem: String::new(), what, fails, result, heard: desk.take() }])
            }
            None => self.play_actor(plugin, aloud, false),
        }
    }

    /// The same, but an actor is saved and restored before each call after the first.
    pub(crate) fn play_restored(&self, plugin: &Plugin) -> anyhow::Result<Option<Vec<Step>>> {
        match self.spec.actor {
            Some(_) => self.play_actor(plugin, false, true).map(Some),
            None => Ok(None),
        }
    }

    fn play_actor(
        &self,
        plugin: &Plugin,
        aloud: bool,
        restored: bool,
    ) -> anyhow::Result<Vec<Step>> {
        let class = self.spec.actor.as_deref().unwrap_or_default();
        let desk = self.desk(aloud);
        let env = self.env(&desk, class);
        let begun = match &self.spec.state {
            Some(file) => {
                let file = self.folder.join(file);
                let state = std::fs::read(&file)
                    .with_context(|| format!("cannot read {}", file.display()))?;
                plugin.restore_actor(class, &state, &env)
            }
            None => {
                let inputs = read_fields(&self.folder, "inputs")?.unwrap_or_default();
                plugin.create_actor(class, &text(&self.spec.args), inputs, &env)
            }
        };
        let mut actor = match begun {
            Ok(actor) => actor,
            Err(failure) => {
                let (what, fails) = (format!("actor {class}"), self.spec.fails.clone());
                let result = Err(failure);
                return Ok(vec![Step {
                    stem: String::new(),
                    what,
                    fails,
                    result,
                    heard: desk.take(),
                }]);
            }
        };
        let mut steps = Vec::new();
        for (i, call) in self.spec.calls.iter().enumerate() {
            if restored && i > 0 {
                match again(plugin, class, &mut actor, &env) {
                    Ok(restored) => actor = restored,
                    Err(failure) => {
                        let what = format!("snapshot and restore before call {i}");
                        let (stem, heard) = (format!("call{i}."), desk.take());
                        steps.push(Step { stem, what, fails: None, result: Err(failure), heard });
                        return Ok(steps);
                    }
                }
            }
            let stem = format!("call{i}.");
            let inputs = read_fields(&self.folder, &format!("{stem}inputs"))?.unwrap_or_default();
            let env = self.env(&desk, &format!("{class}.{}", call.method));
            let result = actor.call(&call.method, &text(&call.args), inputs, &env);
            let what = format!("call {i}, {class}.{}", call.method);
            let ended = !actor.is_alive();
            steps.push(Step { stem, what, fails: call.fails.clone(), result, heard: desk.take() });
            if ended {
                break;
            }
        }
        Ok(steps)
    }
}

fn again(plugin: &Plugin, class: &str, actor: &mut Actor, env: &CallEnv) -> Result<Actor, Failure> {
    let state = actor.snapshot()?;
    plugin.restore_actor(class, &state, env)
}

fn text(args: &Map<String, Json>) -> String {
    serde_json::to_string(args).expect("JSON becomes text")
}
