//! The dashboard: built before the program that carries it, and tested with node and in a real browser. A
//! machine without node gets a program without its dashboard, and is told so.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::SystemTime;
use std::{env, fs, io};

use anyhow::Result;

use crate::run::{found, install, run_in, say};

const FOLDER: &str = "web";
/// What the built files are made of.
const SOURCES: [&str; 6] =
    ["src", "public", "index.html", "package-lock.json", "tsconfig.json", "vite.config.ts"];
/// What the server's files are taken by. Where there were none, cargo does not see that there are some now.
const EMBEDS: &str = "host/crates/server/build.rs";
/// Debian's package of the browser, and the program in it.
const BROWSER: &str = "chromium";

/// Builds `web/dist`, where anything changed since. Gives whether it is there.
pub(crate) fn build() -> Result<bool> {
    if !found("npm") {
        say(
            "the dashboard is not built: node 20.19 or newer brings npm (nodejs.org, or your system's packages)",
        );
        return Ok(false);
    }
    let folder = Path::new(FOLDER);
    let installed = changed(&folder.join("node_modules/.package-lock.json"))?;
    if installed < changed(&folder.join("package-lock.json"))? {
        run_in(folder, "npm", &["ci", "--no-audit", "--no-fund"])?;
    }
    let built = changed(&folder.join("dist/index.html"))?;
    let sources = SOURCES.iter().map(|source| changed(&folder.join(source)));
    let newest = sources.collect::<io::Result<Vec<_>>>()?.into_iter().max().flatten();
    if built.is_none() || built < newest {
        run_in(folder, "npm", &["run", "build"])?;
        if built.is_none() && Path::new(EMBEDS).is_file() {
            fs::File::options().append(true).open(EMBEDS)?.set_modified(SystemTime::now())?;
        }
    }
    Ok(true)
}

/// When a file, or any below a folder, was changed last; nothing where there is none.
fn changed(path: &Path) -> io::Result<Option<SystemTime>> {
    let about = match fs::metadata(path) {
        Ok(about) => about,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(e),
    };
    if about.is_file() {
        return about.modified().map(Some);
    }
    let mut newest = None;
    for entry in fs::read_dir(path)? {
        newest = newest.max(changed(&entry?.path())?);
    }
    Ok(newest)
}

/// Format and types are checked at once; the commands of its tests are given, those in a browser where there
/// is one or can be installed.
pub(crate) fn tests() -> Result<Vec<Command>> {
    if !build()? {
        return Ok(Vec::new());
    }
    run_in(Path::new(FOLDER), "npm", &["run", "check"])?;
    let browser = browser();
    let mut names = vec!["test"];
    if browser.is_some() {
        names.push("test:browser");
    }
    let command = |name: &str| {
        let mut tests = Command::new("npm");
        tests.args(["run", "--silent", name]).current_dir(FOLDER).env("NO_COLOR", "1");
        tests.envs(browser.iter().map(|browser| ("CHROMIUM", browser)));
        tests
    };
    Ok(names.into_iter().map(command).collect())
}

/// Chromium: what `CHROMIUM` names, the system's, or Debian's package where it may be installed.
pub(crate) fn browser() -> Option<PathBuf> {
    let named = env::var_os("CHROMIUM").map(PathBuf::from);
    let find = || {
        let path = env::var_os("PATH")?;
        env::split_paths(&path).map(|folder| folder.join(BROWSER)).find(|file| file.is_file())
    };
    let browser = named.or_else(find).or_else(|| install(&[BROWSER]).then(find)?);
    if browser.is_none() {
        say(&format!(
            "nothing is tested in a browser: `apt-get install {BROWSER}` brings one, or `CHROMIUM=FILE` names one"
        ));
    }
    browser
}

/// How many tests passed and failed, from a line of vitest's or Playwright's summary.
pub(crate) fn counted(line: &str) -> Option<(u32, u32)> {
    let line = line.trim();
    // Vitest counts its files too, in a line of their own.
    if let Some(rest) = line.strip_prefix("Tests ") {
        let before = |word| {
            rest.split([' ', '|']).zip(rest.split([' ', '|']).skip(1)).find_map(
                |(number, next): (&str, &str)| {
                    (next == word).then(|| number.parse().ok()).flatten()
                },
            )
        };
        return Some((before("passed").unwrap_or(0), before("failed").unwrap_or(0)));
    }
    let (number, rest) = line.split_once(' ')?;
    let number = number.parse().ok()?;
    match rest.split(' ').next()? {
        "passed" => Some((number, 0)),
        "failed" | "flaky" | "interrupted" | "skipped" => Some((0, number)),
        _ => rest.starts_with("did not run").then_some((0, number)),
    }
}

#[cfg(test)]
mod tests {
    use super::counted;

    #[test]
    fn counts_are_read_from_both_summaries() {
        assert_eq!(counted(" Test Files  6 passed (6)"), None);
        assert_eq!(counted("      Tests  34 passed (34)"), Some((34, 0)));
        assert_eq!(counted("      Tests  2 failed | 32 passed (34)"), Some((32, 2)));
        assert_eq!(counted("  25 passed (31.2s)"), Some((25, 0)));
        assert_eq!(counted("  1 failed"), Some((0, 1)));
        assert_eq!(counted("  3 did not run"), Some((0, 3)));
        assert_eq!(counted("  ✓  1 test/access.spec.ts passed"), None);
        assert_eq!(counted("Running 25 tests using 1 worker"), None);
    }
}
