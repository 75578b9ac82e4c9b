//! Inputs of calls that failed, kept so that `mobula plugin run --from` repeats the call.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use mobula_contract::{Failure, FailureKind, Level, Object};
use mobula_sandbox::{CallEnv, Plugin};

use crate::commands::plugin::{Fixture, Spec};
use crate::commands::write_file;

/// The file of an actor's state.
const STATE: &str = "state.bin";

/// A folder with a folder for each call that failed.
#[derive(Debug, Clone)]
pub(crate) struct Kept {
    folder: PathBuf,
}

impl Kept {
    pub(crate) fn new(folder: PathBuf) -> Self {
        Self { folder }
    }

    /// Keeps one call, and says how to repeat it. That it cannot is no second failure.
    pub(crate) fn keep(
        &self,
        call: Spec,
        inputs: Object,
        state: Option<Vec<u8>>,
        env: &CallEnv,
        plugin: &Plugin,
        failure: &Failure,
    ) {
        if failure.kind == FailureKind::Cancelled {
            return;
        }
        let folder = self.folder.join(env.stage.replace(['[', '/'], "-").replace(']', ""));
        let spec = Spec {
            seed: Some(env.context.seed()),
            mounts: env.grants.mounts.iter().cloned().collect(),
            memory_bytes: Some(env.limits.memory_bytes),
            timeout_s: Some(env.limits.wall.as_secs_f64()),
            state: state.as_ref().map(|_| PathBuf::from(STATE)),
            ..call
        };
        let words = match write(&folder, &spec, &inputs, state.as_deref()) {
            Ok(()) => {
                let (name, version) = (&plugin.manifest().name, &plugin.manifest().version);
                let folder = folder.display();
                format!("inputs are kept: `mobula plugin run {name}@{version} --from {folder}`")
            }
            Err(error) => format!("inputs cannot be kept: {error:#}"),
        };
        env.context.log(Level::Warn, &words);
    }
}

fn write(folder: &Path, spec: &Spec, inputs: &Object, state: Option<&[u8]>) -> anyhow::Result<()> {
    std::fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    if let Some(state) = state {
        write_file(&folder.join(STATE), state)?;
    }
    Fixture::write(folder, spec, inputs)
}
