//! `mobula doctor`: what this machine has and lacks, and how to get it.

use std::path::PathBuf;
use std::process::Command;

use serde_json::json;

use super::plugin::{Language, toolchain};
use crate::exit::{Ended, Exit};
use crate::home;
use crate::output::Output;
use crate::plugins::Catalogue;
use crate::serve::settings;

struct Finding {
    name: &'static str,
    /// Without it runs do not work; others only build plugins.
    needed: bool,
    state: Result<String, String>,
}

pub(crate) fn perform(home: Option<PathBuf>, output: Output) -> anyhow::Result<()> {
    let folder = home::folder(home.clone())?;
    let store = home::store(home);
    let database = store.as_ref().map_err(ToString::to_string).and_then(|store| {
        store.check().map_err(|e| e.to_string())?;
        Ok(format!("{} is sound", folder.join("mobula.db").display()))
    });
    let plugins = store.as_ref().map_err(ToString::to_string).and_then(|store| {
        let catalogue = Catalogue::open(store, None).map_err(|e| format!("{e:#}"))?;
        let listed = catalogue.list();
        let good = listed.iter().filter(|entry| entry.plugin.is_ok()).count();
        match good {
            0 => Err("none found: `cargo xtask plugins` builds ours".to_owned()),
            _ => Ok(format!("{good} found")),
        }
    });
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let built = |name, language| Finding {
        name,
        needed: false,
        state: toolchain::state(language, &folder),
    };
    let findings = [
        Finding {
            name: "processor",
            needed: true,
            state: Ok(format!("{cores} cores, {}", simd())),
        },
        Finding { name: "database", needed: true, state: database },
        Finding { name: "plugins", needed: false, state: plugins },
        Finding { name: "server", needed: false, state: settings::state(&folder) },
        Finding { name: "cargo", needed: false, state: version("cargo", "https://rustup.rs") },
        built("guest target", Language::Rust),
        built("componentize-py", Language::Python),
        built("componentize-qjs", Language::JavaScript),
    ];
    let healthy = findings.iter().all(|finding| !finding.needed || finding.state.is_ok());
    let checks: Vec<_> = findings
        .iter()
        .map(|finding| {
            let text = finding.state.as_ref().unwrap_or_else(|why| why);
            json!({ "name": finding.name, "ok": finding.state.is_ok(), "text": text })
        })
        .collect();
    let document = json!({ "$type": "doctor", "healthy": healthy, "checks": checks });
    output.result(&document, || {
        let lines = findings.iter().map(|finding| match &finding.state {
            Ok(text) => format!("✓ {:<16} {text}", finding.name),
            Err(why) => format!("✗ {:<16} {why}", finding.name),
        });
        lines.collect::<Vec<_>>().join("\n")
    })?;
    if healthy { Ok(()) } else { Err(Ended::error(Exit::Failed, "runs cannot work here as it is")) }
}

fn simd() -> String {
    let config = mobula_trainer::TrainerConfig { threads: Some(1), ..Default::default() };
    match mobula_trainer::Trainer::new(config) {
        Ok(trainer) => format!("trainer kernels: {}", trainer.instruction_set()),
        Err(e) => e.to_string(),
    }
}

fn version(program: &str, hint: &str) -> Result<String, String> {
    match Command::new(program).arg("--version").output() {
        Ok(found) if found.status.success() => {
            Ok(String::from_utf8_lossy(&found.stdout).trim().to_owned())
        }
        _ => Err(format!("not found, needed only to build plugins: {hint}")),
    }
}
