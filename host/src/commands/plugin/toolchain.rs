//! The tools that build plugins: where they are, what is missing, and the command that installs it.

use std::fmt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::Context as _;

use super::args::Language;
use crate::exit::{Ended, Exit};
use crate::output::Output;

/// The target that components are built for.
pub(crate) const TARGET: &str = "wasm32-wasip2";
/// Package and version: what the Python SDK is tested with.
const COMPONENTIZE_PY: &str = "componentize-py==0.25.1";
/// Package and version: what the JavaScript SDK is tested with. It resolves imports by itself.
const COMPONENTIZE_QJS: &str = "componentize-qjs@0.4.5";
/// Another folder for toolchains than that of the home folder.
const ELSEWHERE: &str = "MOBULA_TOOLCHAINS";

/// Where toolchains are installed to.
pub(crate) fn folder(home: &Path) -> PathBuf {
    let elsewhere = std::env::var_os(ELSEWHERE).filter(|path| !path.is_empty());
    elsewhere.map_or_else(|| home.join("toolchains"), PathBuf::from)
}

/// A tool that is there.
pub(crate) struct Tool {
    pub(crate) program: PathBuf,
    /// What it is, so that a build knows when another one made it.
    pub(crate) version: &'static str,
}

/// What a language's builds need; installed if it is missing and may be.
pub(crate) fn find(
    language: Language,
    project: &Path,
    home: &Path,
    install: bool,
    output: Output,
) -> anyhow::Result<Tool> {
    match look(language, project, home) {
        Ok(tool) => Ok(tool),
        Err(missing) if install => {
            for command in &missing.commands {
                output.note(&format!("+ {}", command.join(" ")));
                let status = Command::new(&command[0])
                    .args(&command[1..])
                    .stdin(Stdio::null())
                    .stdout(std::io::stderr())
                    .status()
                    .with_context(|| format!("cannot start {}", command[0]))?;
                if !status.success() {
                    let message = format!("`{}` failed ({status})", command.join(" "));
                    return Err(Ended::error(Exit::Failed, message));
                }
            }
            look(language, project, home).map_err(Missing::error)
        }
        Err(missing) => Err(missing.error()),
    }
}

/// Whether plugins of a language can be built here: with what, or why not and what to do about it.
pub(crate) fn state(language: Language, home: &Path) -> Result<String, String> {
    let here = Path::new(".");
    let Tool { program, version } = look(language, here, home).map_err(|why| why.to_string())?;
    // A tool may be there and not start: its interpreter is gone, or was replaced.
    let started = Command::new(&program).arg("--help").stdin(Stdio::null()).output();
    let place = program.display();
    let why = match started {
        Ok(ended) if ended.status.success() => {
            return Ok(match language {
                Language::Rust => format!("{version} is installed"),
                Language::Python | Language::JavaScript => place.to_string(),
            });
        }
        Ok(ended) => {
            let words = String::from_utf8_lossy(&ended.stderr).into_owned();
            let last = words.lines().rev().find(|line| !line.trim().is_empty());
            last.map_or_else(|| ended.status.to_string(), |line| line.trim().to_owned())
        }
        Err(e) => e.to_string(),
    };
    let own = folder(home);
    Err(match program.starts_with(&own) {
        true => format!(
            "{place} does not start ({why}): remove {}, and `mobula plugin build --install` installs it anew",
            own.display()
        ),
        false => format!("{place} does not start ({why}): install it anew"),
    })
}

/// What is missing, and the commands that install it.
struct Missing {
    what: String,
    commands: Vec<Vec<String>>,
}

impl Missing {
    fn error(self) -> anyhow::Error {
        Ended::error(Exit::Failed, self.to_string())
    }
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let commands: Vec<String> = self.commands.iter().map(|words| words.join(" ")).collect();
        f.write_str(&self.what)?;
        if commands.is_empty() {
            return Ok(());
        }
        let commands = commands.join(" && ");
        write!(
            f,
            ": `{commands}` installs it, and `mobula plugin build --install` does that for you"
        )
    }
}

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

fn look(language: Language, project: &Path, home: &Path) -> Result<Tool, Missing> {
    match language {
        Language::Rust => rust(),
        Language::Python => {
            let own = folder(home).join("python");
            let name = "componentize-py";
            let places = [own.join("bin"), project.join(".venv/bin")];
            let tool =
                first(&places, name).map(|program| Tool { program, version: COMPONENTIZE_PY });
            tool.ok_or_else(|| {
                let own = own.display().to_string();
                let pip = format!("{own}/bin/pip");
                missing(
                    "python3",
                    "Python plugins need componentize-py, which is not there",
                    "Python plugins need Python 3.10 or later, which is not there: install python3",
                    vec![
                        words(&["python3", "-m", "venv", &own]),
                        words(&[&pip, "install", "--quiet", COMPONENTIZE_PY]),
                    ],
                )
            })
        }
        Language::JavaScript => {
            let own = folder(home).join("js");
            let places = [own.join("node_modules/.bin"), project.join("node_modules/.bin")];
            let tool = first(&places, "componentize-qjs");
            let tool = tool.map(|program| Tool { program, version: COMPONENTIZE_QJS });
            tool.ok_or_else(|| {
                let own = own.display().to_string();
                let quiet = ["--no-fund", "--no-audit", "--silent"];
                missing(
                    "npm",
                    "JavaScript plugins need componentize-qjs, which is not there",
                    "JavaScript plugins need Node 18 or later with npm, which is not there: install nodejs",
                    vec![words(
                        &[&["npm", "install", "--prefix", &own][..], &quiet, &[COMPONENTIZE_QJS]].concat(),
                    )],
                )
            })
        }
    }
}

fn missing(starter: &str, what: &str, without: &str, commands: Vec<Vec<String>>) -> Missing {
    match on_path(starter) {
        Some(_) => Missing { what: what.to_owned(), commands },
        None => Missing { what: without.to_owned(), commands: Vec::new() },
    }
}

fn rust() -> Result<Tool, Missing> {
    let Some(program) = on_path("cargo") else {
        let what =
            "Rust plugins need cargo, which is not there: install Rust with rustup".to_owned();
        return Err(Missing { what, commands: Vec::new() });
    };
    let sysroot = Command::new("rustc").args(["--print", "sysroot"]).stderr(Stdio::null()).output();
    let sysroot = sysroot.map(|found| String::from_utf8_lossy(&found.stdout).trim().to_owned());
    let target = sysroot.map(|root| Path::new(&root).join("lib/rustlib").join(TARGET));
    if target.is_ok_and(|target| target.is_dir()) {
        return Ok(Tool { program, version: TARGET });
    }
    let what = format!("Rust plugins need the target {TARGET}, which is not there");
    if on_path("rustup").is_none() {
        let what = format!("{what}: install Rust with rustup, which has it");
        return Err(Missing { what, commands: Vec::new() });
    }
    Err(Missing { what, commands: vec![words(&["rustup", "target", "add", TARGET])] })
}

fn first(places: &[PathBuf], name: &str) -> Option<PathBuf> {
    places
        .iter()
        .map(|place| place.join(name))
        .find(|file| file.is_file())
        .or_else(|| on_path(name))
}

fn on_path(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|folder| folder.join(name)).find(|file| file.is_file())
}
