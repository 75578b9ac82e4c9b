//! The engine's stages port: tasks and actors of plugins in the sandbox, native actors in this process.

use std::sync::Arc;
use std::time::Duration;

use mobula_contract::{
    ActorSource, ActorSpec, Failure, FailureKind, Limits as Asked, Object, StageContext, StageKind,
};
use mobula_engine::{Actor, Call, Stages};
use mobula_sandbox::{CallEnv, Grants, Limits, Plugin};

use crate::commands::plugin::{MethodCall, Spec};
pub(crate) use crate::kept::Kept;
use crate::native;
use crate::plugins::Catalogue;

/// Runs what a pipeline names.
pub(crate) struct HostStages {
    pub(crate) catalogue: Arc<Catalogue>,
    /// Where the inputs of failing calls go, if they are kept.
    pub(crate) kept: Option<Kept>,
}

impl Stages for HostStages {
    fn run_task(&self, call: Call<'_>) -> Result<Object, Failure> {
        let StageKind::Task { plugin, version, .. } = &call.spec.kind else {
            unreachable!("the engine runs methods on their actors");
        };
        let plugin = self.catalogue.find(plugin, version.as_deref()).map_err(lost)?;
        run_task(&plugin, call, self.kept.as_ref())
    }

    fn create_actor(
        &self,
        spec: &ActorSpec,
        state: Option<Vec<u8>>,
        context: Arc<dyn StageContext>,
    ) -> Result<Box<dyn Actor>, Failure> {
        let plugin = match &spec.source {
            ActorSource::Native { .. } => None,
            ActorSource::Plugin { plugin, version, .. } => {
                Some(self.catalogue.find(plugin, version.as_deref()).map_err(lost)?)
            }
        };
        create_actor(plugin, spec, state, context, self.kept.clone())
    }
}

/// A task of a plugin, in the sandbox.
pub(crate) fn run_task(
    plugin: &Plugin,
    call: Call<'_>,
    kept: Option<&Kept>,
) -> Result<Object, Failure> {
    let StageKind::Task { export, .. } = &call.spec.kind else {
        unreachable!("the engine runs methods on their actors");
    };
    let inputs = kept.map(|_| call.inputs.clone());
    let env = CallEnv {
        context: Arc::clone(&call.context),
        grants: grants(&call.spec.mounts),
        limits: limits(&call.spec.limits),
        stage: call.stage.to_string(),
    };
    let result = plugin.run_task(export, &arguments(&call.spec.args), call.inputs, &env);
    if let (Some(kept), Some(inputs), Err(failure)) = (kept, inputs, &result) {
        let call =
            Spec { task: Some(export.clone()), args: call.spec.args.clone(), ..Spec::default() };
        kept.keep(call, inputs, None, &env, plugin, failure);
    }
    result
}

/// An actor, of this plugin or native, from its state where there is one.
pub(crate) fn create_actor(
    plugin: Option<Plugin>,
    spec: &ActorSpec,
    state: Option<Vec<u8>>,
    context: Arc<dyn StageContext>,
    kept: Option<Kept>,
) -> Result<Box<dyn Actor>, Failure> {
    let class = match &spec.source {
        ActorSource::Native { class } => {
            return native::create(class, spec, state.as_deref(), &*context);
        }
        ActorSource::Plugin { class, .. } => class,
    };
    let plugin = plugin.expect("who makes an actor of a plugin has found it");
    let env = CallEnv {
        context,
        grants: grants(&spec.mounts),
        limits: limits(&spec.limits),
        stage: spec.name.clone(),
    };
    let actor = match state {
        Some(state) => plugin.restore_actor(class, &state, &env)?,
        None => plugin.create_actor(class, &arguments(&spec.args), Object::default(), &env)?,
    };
    Ok(Box::new(Guest { actor, env, plugin, class: class.clone(), kept }))
}

/// An actor of a plugin.
struct Guest {
    actor: mobula_sandbox::Actor,
    env: CallEnv,
    plugin: Plugin,
    class: String,
    kept: Option<Kept>,
}

impl Actor for Guest {
    fn call(&mut self, call: Call<'_>) -> Result<Object, Failure> {
        let StageKind::Method { method, .. } = &call.spec.kind else {
            unreachable!("the engine sends an actor only its methods");
        };
        let env = CallEnv {
            context: Arc::clone(&call.context),
            grants: self.env.grants.clone(),
            limits: self.env.limits.clone(),
            stage: call.stage.to_string(),
        };
        let args = arguments(&call.spec.args);
        let Some(kept) = self.kept.clone() else {
            return self.actor.call(method, &args, call.inputs, &env);
        };
        let (inputs, state) = (call.inputs.clone(), self.actor.snapshot().ok());
        let result = self.actor.call(method, &args, call.inputs, &env);
        if let Err(failure) = &result {
            let (method, args) = (method.clone(), call.spec.args.clone());
            let calls = vec![MethodCall { method, args, fails: None }];
            let call = Spec { actor: Some(self.class.clone()), calls, ..Spec::default() };
            kept.keep(call, inputs, state, &env, &self.plugin, failure);
        }
        result
    }

    fn is_alive(&self) -> bool {
        self.actor.is_alive()
    }

    fn snapshot(&mut self) -> Result<Vec<u8>, Failure> {
        self.actor.snapshot()
    }

    fn state_digest(&mut self) -> Result<String, Failure> {
        let state = self.actor.snapshot()?;
        Ok(format!("blake3:{}", blake3::hash(&state).to_hex()))
    }
}

fn arguments(args: &serde_json::Map<String, serde_json::Value>) -> String {
    serde_json::to_string(args).expect("JSON becomes text")
}

fn grants(mounts: &std::collections::BTreeMap<String, std::path::PathBuf>) -> Grants {
    let mounts = mounts.iter().map(|(name, folder)| (name.clone(), folder.clone())).collect();
    Grants { mounts, ..Grants::default() }
}

/// What the file says, else the sandbox's own.
fn limits(asked: &Asked) -> Limits {
    let mut limits = Limits::default();
    if let Some(seconds) = asked.timeout_s {
        limits.wall = Duration::try_from_secs_f64(seconds).unwrap_or(limits.wall);
    }
    if let Some(bytes) = asked.memory_bytes {
        limits.memory_bytes = bytes;
    }
    limits
}

/// The plugin was there when the run began.
pub(crate) fn lost(error: anyhow::Error) -> Failure {
    Failure::new(FailureKind::Invalid, format!("{error:#}"))
}
