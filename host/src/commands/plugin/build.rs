//! `mobula plugin build`: from a plugin's folder to a component in its `dist`, whatever the language.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::Context as _;
use mobula_sandbox::Plugin;
use serde_json::{Value as Json, json};

use super::args::Language;
use super::project::Project;
use super::toolchain::{self, TARGET, Tool};
use super::{inspected, prose, sdk};
use crate::commands::write_file;
use crate::exit::{Ended, Exit};
use crate::output::Output;
use crate::plugins::Catalogue;

/// A component that was just built, or found to be up to date.
pub(crate) struct Built {
    pub(crate) file: PathBuf,
    pub(crate) plugin: Plugin,
}

/// Builds and shows what came out; the component's place is the result.
pub(crate) fn perform(
    dir: &Path,
    install: bool,
    catalogue: &Catalogue,
    home: &Path,
    output: Output,
) -> anyhow::Result<()> {
    let project = Project::open(dir)?;
    let Built { file, plugin } = build(&project, install, catalogue, home, output)?;
    let mut document = inspected(&plugin);
    document["$type"] = json!("plugin.built");
    document["file"] = json!(file);
    output.result(&document, || format!("{}\n\n{}", prose(&plugin), file.display()))
}

/// Builds a plugin, unless nothing changed since the last time.
pub(crate) fn build(
    project: &Project,
    install: bool,
    catalogue: &Catalogue,
    home: &Path,
    output: Output,
) -> anyhow::Result<Built> {
    let tool = toolchain::find(project.language, &project.folder, home, install, output)?;
    let sdk_folder = project.folder.join("sdk");
    if project.language != Language::Rust && !sdk_folder.is_dir() {
        sdk::write(project.language, &sdk_folder)?;
    }
    match project.language {
        Language::Rust => {
            let made = cargo(project)?;
            let component = read(&made)?;
            keep(project, &made, &component, catalogue)
        }
        Language::Python | Language::JavaScript => once(project, &tool, catalogue, output),
    }
}

fn read(file: &Path) -> anyhow::Result<Vec<u8>> {
    std::fs::read(file).with_context(|| format!("cannot read {}", file.display()))
}

/// Puts a component into `dist` under the plugin's own name, after it was looked at.
fn keep(
    project: &Project,
    made: &Path,
    component: &[u8],
    catalogue: &Catalogue,
) -> anyhow::Result<Built> {
    let plugin = catalogue.load_file(made)?;
    let name = &plugin.manifest().name;
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_' || c == '.';
    if name.is_empty() || name.starts_with('.') || !name.chars().all(plain) {
        let message = format!("the plugin calls itself `{name}`: use letters, digits, `-` and `_`");
        return Err(Ended::error(Exit::Invalid, message));
    }
    let file = project.dist().join(format!("{name}.wasm"));
    std::fs::create_dir_all(project.dist())
        .with_context(|| format!("cannot make {}", project.dist().display()))?;
    if std::fs::read(&file).ok().as_deref() != Some(component) {
        write_file(&file, component)?;
    }
    Ok(Built { file, plugin })
}

/// For tools that do not themselves see that nothing changed: a stamp beside the component.
fn once(
    project: &Project,
    tool: &Tool,
    catalogue: &Catalogue,
    output: Output,
) -> anyhow::Result<Built> {
    let stamp = project.dist().join(".stamp");
    let digest = project.digest(tool.version);
    if std::fs::read_to_string(&stamp).ok().as_deref() == Some(&*digest)
        && let Ok(file) = project.component()
    {
        let plugin = catalogue.load_file(&file)?;
        return Ok(Built { file, plugin });
    }
    let folder = tempfile::tempdir().context("cannot make a folder to build in")?;
    let made = folder.path().join("plugin.wasm");
    let mut command = Command::new(&tool.program);
    match project.language {
        Language::Python => command
            .args([
                "-d",
                "sdk/wit",
                "-w",
                "plugin",
                "componentize",
                "-p",
                ".",
                "-p",
                "sdk",
                "app",
                "-o",
            ])
            .env("PYTHONDONTWRITEBYTECODE", "1"),
        _ => command.args(["-w", "sdk/wit", "-j", "plugin.js", "-n", "plugin", "--sync", "-o"]),
    };
    command.arg(&made).current_dir(&project.folder).stdin(Stdio::null());
    let built =
        command.output().with_context(|| format!("cannot start {}", tool.program.display()))?;
    if !built.status.success() || !made.is_file() {
        let words = [built.stdout, built.stderr].concat();
        let words = String::from_utf8_lossy(&words);
        let message = format!("{} could not be built:\n{}", project.folder.display(), words.trim());
        return Err(Ended::error(Exit::Failed, message));
    }
    output.note("built; looking into it (the first time compiles it, which takes some seconds)");
    let component = read(&made)?;
    let built = keep(project, &made, &component, catalogue)?;
    // The sources may hold what the build itself wrote, such as caches: what is there now counts.
    write_file(&stamp, project.digest(tool.version).as_bytes())?;
    Ok(built)
}

/// Builds with cargo; gives the component that it made.
fn cargo(project: &Project) -> anyhow::Result<PathBuf> {
    let (folder, manifest) = (project.folder.display(), project.folder.join("Cargo.toml"));
    let built = Command::new("cargo")
        .args([
            "build",
            "--release",
            "--target",
            TARGET,
            "--message-format=json-render-diagnostics",
        ])
        // Cargo reads the settings of the folder that it runs in.
        .current_dir(&project.folder)
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .map_err(|e| {
            Ended::error(Exit::Failed, format!("cannot start cargo: {e} (see `mobula doctor`)"))
        })?;
    if !built.status.success() {
        let message = format!("cargo could not build {folder}: its messages stand above");
        return Err(Ended::error(Exit::Failed, message));
    }
    let messages = String::from_utf8_lossy(&built.stdout).into_owned();
    let files = messages.lines().filter_map(|line| serde_json::from_str::<Json>(line).ok());
    let files: Vec<String> = files
        .filter(|message| message["reason"] == "compiler-artifact")
        .filter_map(|message| message["filenames"].as_array().cloned())
        .flatten()
        .filter_map(|file| file.as_str().map(str::to_owned))
        .filter(|file| file.ends_with(".wasm") && !file.contains("/deps/"))
        .collect();
    let Some(file) = files.last() else {
        let message = format!(
            "{}: nothing to run in it; add `[lib] crate-type = [\"cdylib\"]`",
            manifest.display()
        );
        return Err(Ended::error(Exit::Invalid, message));
    };
    Ok(PathBuf::from(file))
}
