//! The plugins that a pipeline is bound to: read from its file, or noted by the run that took them.

use serde::{Deserialize, Serialize};

use crate::pipeline::{ActorSource, Pipeline, StageKind};
use crate::pipeline_node::{Found, Node, TableReader, string};

/// Exactly one component.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PluginPin {
    /// The plugin's name.
    pub name: String,
    /// Its whole version.
    pub version: String,
    /// `blake3:` and the digest of the component.
    pub digest: String,
}

impl PluginPin {
    /// Whether a stage that names the plugin so means this one; `version` is the beginning of one.
    #[must_use]
    pub fn fits(&self, name: &str, version: Option<&str>) -> bool {
        let begins = |version: &str| {
            let rest = self.version.strip_prefix(version);
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
        };
        self.name == name && version.is_none_or(begins)
    }
}

impl Pipeline {
    /// Every plugin that is named, with the version asked for, each once; those that ask for less come
    /// first, so that the first pin that fits is the one that was meant.
    #[must_use]
    pub fn plugins_named(&self) -> Vec<(&str, Option<&str>)> {
        let stages = self.stages.iter().filter_map(|stage| match &stage.kind {
            StageKind::Task { plugin, version, .. } => Some((plugin.as_str(), version.as_deref())),
            StageKind::Method { .. } => None,
        });
        let actors = self.actors.iter().filter_map(|actor| match &actor.source {
            ActorSource::Plugin { plugin, version, .. } => {
                Some((plugin.as_str(), version.as_deref()))
            }
            ActorSource::Native { .. } => None,
        });
        let mut named: Vec<_> = stages.chain(actors).collect();
        named.sort_by_key(|(name, version)| (version.map_or(0, str::len), *name, *version));
        named.dedup();
        named
    }
}

pub(crate) fn read_pin(node: &Node, problems: &mut Vec<Found>) -> Option<PluginPin> {
    let mut reader = TableReader::new("[[plugin]]".to_owned(), node, problems);
    let name = reader.optional("name", "the name of a plugin", problems, string);
    let version = reader.optional("version", "a whole version such as \"0.1.0\"", problems, string);
    let digest = reader.optional("digest", "\"blake3:\" and 64 hex digits", problems, |node| {
        string(node).filter(|text| is_digest(text))
    });
    for key in ["name", "version", "digest"] {
        if node.get(key).is_none() {
            let message = format!("[[plugin]] needs `{key}`: `mobula pipeline lock` writes it");
            problems.push(Found { offset: node.offset, message });
        }
    }
    reader.finish(problems);
    Some(PluginPin { name: name?, version: version?, digest: digest? })
}

fn is_digest(text: &str) -> bool {
    let hex = text.strip_prefix("blake3:");
    hex.is_some_and(|hex| hex.len() == 64 && hex.bytes().all(|b| b.is_ascii_hexdigit()))
}
