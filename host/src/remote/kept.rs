//! Plugins and checkpoints on a server.

use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::{Value as Json, json};

use super::{Remote, listed};
use crate::args::CheckpointsCommand;
use crate::commands::plugin::{Built, PluginCommand, Successor};
use crate::exit::{Ended, Exit};
use crate::output::Output;

/// How long a server has to come back.
const RETURN_TIME_MAX: Duration = Duration::from_secs(60);
const RETURN_POLL: Duration = Duration::from_millis(500);

/// Whether there was a connection, which ended.
fn broke_off(error: &ureq::Error) -> bool {
    use std::io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, UnexpectedEof};
    let ended = [BrokenPipe, ConnectionAborted, ConnectionReset, UnexpectedEof];
    matches!(error, ureq::Error::Io(e) if ended.contains(&e.kind()))
}

/// A server where a plugin that is being written is used: each good build takes the place of the one before.
/// Runs that are under way there end with what they began with, actors too; those that begin later use the
/// new one.
pub(super) struct Running {
    pub(super) remote: Remote,
    pub(super) output: Output,
}

impl Successor for Running {
    fn take_over(&mut self, built: &Built) -> anyhow::Result<()> {
        let pushed = self.remote.push(&built.file, true)?;
        let text = |key: &str| pushed[key].as_str().unwrap_or_default().to_owned();
        self.output.note(&format!(
            "{} {} is {} at {} now; runs under way end with what they began with",
            text("name"),
            text("version"),
            text("digest"),
            self.remote.url
        ));
        Ok(())
    }
}

impl Remote {
    pub(super) fn plugin(&self, command: &PluginCommand, output: Output) -> anyhow::Result<()> {
        match command {
            PluginCommand::List { .. } => {
                let found = self.get("/plugins")?;
                let plugins = found["plugins"].as_array().cloned().unwrap_or_default();
                output.result(&json!({ "$type": "plugins", "plugins": plugins }), || {
                    listed(&plugins, &["name", "version", "enabled", "size", "digest"])
                })
            }
            PluginCommand::Push { plugin: file, replace } => {
                let pushed = self.push(file, *replace)?;
                let document = json!({ "$type": "plugin.pushed", "name": pushed["name"],
                    "version": pushed["version"], "digest": pushed["digest"] });
                output.result(&document, || {
                    listed(std::slice::from_ref(&document), &["name", "version", "digest"])
                })
            }
            PluginCommand::Inspect { plugin } => {
                let found = self.get("/plugins")?;
                let all = found["plugins"].as_array().cloned().unwrap_or_default();
                let (name, version) = match plugin.split_once('@') {
                    Some((name, version)) => (name, Some(version)),
                    None => (plugin.as_str(), None),
                };
                let fits = |it: &&Json| {
                    it["name"] == name && version.is_none_or(|version| it["version"] == version)
                };
                let found = all.iter().find(fits).ok_or_else(|| {
                    Ended::error(Exit::NotFound, format!("no plugin `{plugin}` on {}", self.url))
                })?;
                let mut document = found.clone();
                document["$type"] = json!("plugin");
                output.result(&document, || format!("{document:#}"))
            }
            PluginCommand::Enable { plugin } => self.change_plugin(plugin, "enable", output),
            PluginCommand::Disable { plugin } => self.change_plugin(plugin, "disable", output),
            PluginCommand::Remove { plugin } => self.change_plugin(plugin, "remove", output),
            _ => unreachable!("taken care of above"),
        }
    }

    /// Uploads a component, for use at once.
    fn push(&self, file: &Path, replace: bool) -> anyhow::Result<Json> {
        let component = std::fs::read(file).map_err(|e| {
            Ended::error(Exit::NotFound, format!("cannot read {}: {e}", file.display()))
        })?;
        let path = format!("/plugins?enable=true&replace={replace}");
        let send = || {
            let request = self.agent.post(self.place(&path));
            let request = request.header("Authorization", self.bearer());
            request.header("Content-Type", "application/wasm").send(&component[..])
        };
        let mut sent = send();
        // An upload that was begun and broke off: the server is started again, and takes it then.
        if sent.as_ref().is_err_and(broke_off) {
            let until = Instant::now() + RETURN_TIME_MAX;
            while sent.is_err() && Instant::now() < until {
                std::thread::sleep(RETURN_POLL);
                sent = send();
            }
        }
        self.document(sent)
    }

    fn change_plugin(&self, plugin: &str, act: &str, output: Output) -> anyhow::Result<()> {
        let Some((name, version)) = plugin.split_once('@') else {
            let message = format!("`{plugin}`: on a server say the version too, NAME@VERSION");
            return Err(Ended::error(Exit::Invalid, message));
        };
        let path = format!("/plugins/{name}/{version}");
        match act {
            "remove" => self.delete(&path)?,
            act => self.post(&format!("{path}/{act}"), &json!({}))?,
        };
        let document = json!({ "$type": format!("plugin.{act}d"),
            "plugins": [plugin] });
        output.result(&document, || format!("{plugin}: {act} done"))
    }

    pub(super) fn checkpoints(
        &self,
        command: &CheckpointsCommand,
        output: Output,
    ) -> anyhow::Result<()> {
        let all = |run: Option<&String>| -> anyhow::Result<Vec<Json>> {
            let of =
                run.map(|run| Ok::<_, anyhow::Error>(format!("?run={}", self.whole_name(run)?)));
            let found =
                self.get(&format!("/checkpoints{}", of.transpose()?.unwrap_or_default()))?;
            Ok(found["checkpoints"].as_array().cloned().unwrap_or_default())
        };
        let find = |text: &str| -> anyhow::Result<Json> {
            let rows = all(None)?;
            let named = |row: &&Json| row["id"] == text;
            let begins = |row: &Json| row["id"].as_str().is_some_and(|id| id.starts_with(text));
            if let Some(row) = rows.iter().find(named) {
                return Ok(row.clone());
            }
            let mut fits = rows.into_iter().filter(|row| text == "last" || begins(row));
            match (fits.next(), fits.next()) {
                (Some(row), None) => Ok(row),
                (Some(row), Some(_)) if text == "last" => Ok(row),
                (Some(_), Some(_)) => {
                    let message = format!("`{text}` fits more than one checkpoint");
                    Err(Ended::error(Exit::Invalid, message))
                }
                (None, _) => Err(Ended::error(Exit::NotFound, format!("no checkpoint `{text}`"))),
            }
        };
        let columns = ["id", "stage", "index", "actor", "bytes", "pinned"];
        match command {
            CheckpointsCommand::List { run } => {
                let rows = all(run.as_ref())?;
                let document = json!({ "$type": "checkpoints", "checkpoints": rows });
                output.result(&document, || listed(&rows, &columns))
            }
            CheckpointsCommand::Show { checkpoint } => {
                let row = find(checkpoint)?;
                let document = json!({ "$type": "checkpoints", "checkpoints": [row] });
                output.result(&document, || listed(std::slice::from_ref(&row), &columns))
            }
            CheckpointsCommand::Export { checkpoint, output: file, state } => {
                let row = find(checkpoint)?;
                let id = row["id"].as_str().unwrap_or_default();
                let path = self.place(&format!("/checkpoints/{id}/download?state={state}"));
                let request = self.agent.get(path).header("Authorization", self.bearer());
                let mut answer = self.answered(request.call())?;
                let mut bytes = 0;
                crate::commands::write_file_with(file, |part| {
                    bytes = std::io::copy(&mut answer.body_mut().as_reader(), part)?;
                    Ok(())
                })?;
                let document = json!({ "$type": "checkpoint.exported", "checkpoint": id,
                    "file": file, "bytes": bytes });
                output.result(&document, || format!("{}: {bytes} bytes", file.display()))
            }
            CheckpointsCommand::Pin { checkpoint } | CheckpointsCommand::Unpin { checkpoint } => {
                let pinned = matches!(command, CheckpointsCommand::Pin { .. });
                let row = find(checkpoint)?;
                let id = row["id"].as_str().unwrap_or_default();
                let word = if pinned { "pin" } else { "unpin" };
                self.post(&format!("/checkpoints/{id}/{word}"), &json!({}))?;
                let document =
                    json!({ "$type": "checkpoint.pinned", "checkpoint": id, "pinned": pinned });
                output.result(&document, || format!("{id}: {word}ned"))
            }
            _ => unreachable!("taken care of above"),
        }
    }
}
