//! `cargo xtask bench plugin`: how long an author waits, from nothing to a running stage, in each language.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context as _, Result, bail};
use std::io::Write as _;

use crate::run::{cargo, say, target};

const LANGUAGES: [&str; 3] = ["rust", "python", "js"];
/// What an author does, in order; the second `build` finds nothing changed, the third a changed source.
const STEPS: [&str; 8] =
    ["new", "build", "test", "build again", "push", "run", "change", "test again"];

/// Does new, build, test, push and run, with a home folder of its own: nothing is compiled yet. Toolchains
/// are installed before the watch starts; cargo starts without anything built of the SDK.
pub(crate) fn bench() -> Result<()> {
    cargo(&["build", "--release", "-p", "mobula"])?;
    let target = target()?;
    let scratch = target.join("tmp/stopwatch");
    let _ = fs::remove_dir_all(&scratch);
    fs::create_dir_all(&scratch)?;
    let mut rows = Vec::new();
    for lang in LANGUAGES {
        let name = format!("watch-{lang}");
        let folder = scratch.join(&name);
        let mut seconds = Vec::new();
        let started = Instant::now();
        for step in STEPS {
            let begun = Instant::now();
            perform(step, lang, &name, &folder, &scratch, &target)
                .with_context(|| format!("{step} of {name}"))?;
            seconds.push(begun.elapsed().as_secs_f64());
        }
        let size = fs::metadata(folder.join(format!("dist/{name}.wasm")))?.len();
        rows.push((lang, seconds, started.elapsed().as_secs_f64(), size));
    }
    let mut out = std::io::stdout().lock();
    writeln!(
        out,
        "{:<8} {} {:>8} {:>9}",
        "seconds",
        STEPS.map(|s| format!("{s:>13}")).concat(),
        "all",
        "KiB"
    )?;
    for (lang, seconds, all, size) in rows {
        let cells: String = seconds.iter().map(|s| format!("{s:>13.2}")).collect();
        writeln!(out, "{lang:<8} {cells} {all:>8.1} {:>9}", size >> 10)?;
    }
    Ok(())
}

fn perform(
    step: &str,
    lang: &str,
    name: &str,
    folder: &Path,
    scratch: &Path,
    target: &Path,
) -> Result<()> {
    let ident = name.replace('-', "_");
    match step {
        "new" => mobula(scratch, target, &["plugin", "new", name, "--lang", lang]),
        "build" | "build again" => mobula(folder, target, &["plugin", "build", "--install"]),
        "test" => mobula(folder, target, &["plugin", "test"]),
        "push" => mobula(folder, target, &["plugin", "push", "."]),
        "run" => {
            let input = "images=fixtures/small/inputs.json";
            mobula(folder, target, &["plugin", "run", name, &ident, "--input", input])
        }
        "change" => {
            let (file, from, to) = match lang {
                "rust" => ("src/lib.rs", "f32::from(*x) *", "1.0 * f32::from(*x) *"),
                "python" => ("plugin.py", "value * factor", "1.0 * value * factor"),
                _ => ("plugin.js", "value * factor", "1.0 * value * factor"),
            };
            let text = fs::read_to_string(folder.join(file))?;
            if !text.contains(from) {
                bail!("`{from}` is not in {file}");
            }
            fs::write(folder.join(file), text.replacen(from, to, 1))?;
            mobula(folder, target, &["plugin", "build"])
        }
        _ => mobula(folder, target, &["plugin", "test"]),
    }
}

fn mobula(folder: &Path, target: &Path, args: &[&str]) -> Result<()> {
    say(&format!("+ mobula {}", args.join(" ")));
    let ended = Command::new(target.join("release/mobula"))
        .args(args)
        .current_dir(folder)
        .env("MOBULA_HOME", target.join("tmp/stopwatch/home"))
        .env("MOBULA_TOOLCHAINS", target.join("toolchains"))
        .env("CARGO_TARGET_DIR", target.join("tmp/stopwatch/target"))
        .stdin(Stdio::null())
        .output()?;
    if !ended.status.success() {
        bail!("{}", String::from_utf8_lossy(&ended.stderr));
    }
    Ok(())
}
