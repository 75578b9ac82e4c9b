//! The dashboard that is in the program, in a real browser, before a real server. What a person does there is
//! written down in `web/test/real`; its parts are tested in `web/test`, before a server of pretended data.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]

mod common;
mod served;

use std::path::Path;
use std::process::Command;

use served::Server;

const WEB: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../web");

/// Whether there is something to be tested with; else it is said what is missing.
fn ready() -> bool {
    let missing = match () {
        () if !Path::new(WEB).join("dist/index.html").is_file() => "web/dist",
        () if !Path::new(WEB).join("node_modules/@playwright/test").is_dir() => "web/node_modules",
        () if std::env::var_os("CHROMIUM").is_none()
            && !Path::new("/usr/bin/chromium").exists() =>
        {
            "a Chromium"
        }
        () => return true,
    };
    eprintln!("skipped: {missing} is not there, `cargo xtask test` brings it where it can");
    false
}

#[test]
fn a_person_uploads_starts_watches_breaks_and_takes_away() {
    if !ready() {
        return;
    }
    let server = Server::start();
    let mount = format!("cifar-10={}", common::data().display());
    server.mobula.run(&["tenant", "mount", "default", &mount, "--json"]).json();
    let other = server.tenant("blue", &[]);
    let program = Path::new(env!("CARGO_BIN_EXE_mobula"));
    let plugin = program.parent().unwrap().join("plugins/subset.wasm");
    let done = Command::new("npm")
        .args(["run", "--silent", "test:real"])
        .current_dir(WEB)
        .env("MOBULA_URL", format!("http://{}", server.address))
        .env("MOBULA_TOKEN", &server.admin)
        .env("MOBULA_OTHER", other)
        .env("MOBULA_PLUGIN", plugin)
        .env("NO_COLOR", "1")
        .output()
        .unwrap();
    let said = [done.stdout, done.stderr].concat();
    assert!(done.status.success(), "{}\n{}", String::from_utf8_lossy(&said), server.log());
}
