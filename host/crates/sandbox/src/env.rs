//! What a caller hands to a call besides its values: who listens, what is granted, what is allowed.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use mobula_contract::{Requests, StageContext};

use crate::limits::Limits;

/// What a plugin may reach; everything else is denied.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Grants {
    /// Folders of the host that the guest may read, by the name it asks for: `data` is `/data`.
    pub mounts: Vec<(String, PathBuf)>,
    /// Environment names and their values, as the guest sees them.
    pub env: Vec<(String, String)>,
}

impl Grants {
    /// What of `requests` is not granted, such as "mount `data`".
    #[must_use]
    pub(crate) fn missing(&self, requests: &Requests) -> Vec<String> {
        let has_mount = |name: &String| self.mounts.iter().any(|(mount, _)| mount == name);
        let has_env = |name: &String| self.env.iter().any(|(env, _)| env == name);
        let mounts = requests.mounts.iter().filter(|name| !has_mount(name));
        let env = requests.env.iter().filter(|name| !has_env(name));
        mounts
            .map(|name| format!("mount `{name}`"))
            .chain(env.map(|name| format!("environment name `{name}`")))
            .chain(requests.http.iter().map(|host| format!("HTTP host `{host}`")))
            .collect()
    }
}

/// The surroundings of one call.
///
/// An actor keeps the grants of its creation, since a guest looks at its folders once; context,
/// limits and stage are those of each call.
#[derive(Clone)]
pub struct CallEnv {
    /// Gets logs, progress and metrics, gives the seed and says when to stop.
    pub context: Arc<dyn StageContext>,
    /// What the guest may reach.
    pub grants: Grants,
    /// What the guest may use.
    pub limits: Limits,
    /// The stage's name in the pipeline, for messages.
    pub stage: String,
}

impl fmt::Debug for CallEnv {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CallEnv")
            .field("grants", &self.grants)
            .field("limits", &self.limits)
            .field("stage", &self.stage)
            .finish_non_exhaustive()
    }
}
