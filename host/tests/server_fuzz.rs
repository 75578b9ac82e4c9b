//! What schemathesis makes of the OpenAPI document of a real server: odd requests of every route, from who
//! may administer and from who may not. Nothing makes the server fail, and every
//! answer is as the document says.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]

mod common;
mod served;

use std::path::{Path, PathBuf};
use std::process::Command;

use common::Ended;
use served::Server;

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fuzz");
/// A stream without an end, which schemathesis would wait for.
const ENDLESS: &str = "/api/v1/stream";
/// What has to be true of every answer.
const CHECKS: &str = "not_a_server_error,status_code_conformance,content_type_conformance,\
    response_schema_conformance";
/// Examples that are made up of each route, besides those that its limits ask for: thousands in all.
const EXAMPLES: &str = "8";

/// The Python that has schemathesis, installed once below `target`; else it is said what is missing.
fn python() -> Option<PathBuf> {
    let venv = Path::new(env!("CARGO_TARGET_TMPDIR")).join("schemathesis");
    let python = venv.join("bin/python");
    let requirements = Path::new(FOLDER).join("requirements.txt");
    let wanted = std::fs::read(&requirements).unwrap();
    // Written last, so that a broken installation is made anew.
    let stamp = venv.join("installed.txt");
    if std::fs::read(&stamp).is_ok_and(|installed| installed == wanted) {
        return Some(python);
    }
    let make = |command: &mut Command, what: &str| match command.output() {
        Ok(done) if done.status.success() => true,
        Ok(done) => {
            let said = Ended::from_output(&done).stderr;
            eprintln!("skipped: {what}: {}", said.lines().last().unwrap_or_default());
            false
        }
        Err(e) => {
            eprintln!("skipped: {what}: {e}");
            false
        }
    };
    let made = make(
        Command::new("python3").args(["-m", "venv", "--clear"]).arg(&venv),
        "no virtual environment (python3 with its module venv makes one)",
    ) && make(
        Command::new(&python)
            .args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"])
            .args(["--retries", "1", "--timeout", "15", "-r"])
            .arg(&requirements),
        "schemathesis cannot be installed",
    );
    if !made {
        return None;
    }
    std::fs::write(&stamp, wanted).unwrap();
    Some(python)
}

/// One round: with names that are there, or with any.
fn round(server: &Server, python: &Path, token: &str, names: &str) -> Ended {
    let folder = server.mobula.home.path();
    let (settings, document) = (folder.join("schemathesis.toml"), folder.join("openapi.json"));
    std::fs::write(&settings, names).unwrap();
    std::fs::write(&document, server.ask(&server.admin, "GET", "/openapi.json", None).body)
        .unwrap();
    let mut command = Command::new(python);
    command.args(["-m", "schemathesis.cli", "--config-file"]).arg(settings).arg("run");
    command.arg(document).args(["--url", &format!("http://{}", server.address)]);
    command.args(["--header", &format!("Authorization: Bearer {token}")]);
    command.args(["--checks", CHECKS, "--phases", "coverage,fuzzing", "--exclude-path", ENDLESS]);
    command.args(["--max-examples", EXAMPLES, "--request-timeout", "60"]);
    // Its workers are threads that share a state which is not made for that.
    command.args(["--workers", "1", "--seed", "7", "--continue-on-failure", "--no-shrink"]);
    command.args(["--no-color", "--warnings", "off"]).current_dir(folder);
    command.env("PYTHONPATH", FOLDER).env("SCHEMATHESIS_HOOKS", "components");
    Ended::from_output(&command.output().unwrap())
}

#[test]
fn no_request_that_the_document_suggests_makes_the_server_fail_or_answer_otherwise() {
    let Some(python) = python() else { return };
    let server = Server::start();
    let red = server.tenant("red", &["--requests", "100000"]);
    server.tenant("spare", &[]);
    server.mobula.run(&["tenant", "quota", "default", "--runs", "2", "--json"]).json();
    let mount = format!("synth={}", common::data().display());
    server.mobula.run(&["tenant", "mount", "default", &mount, "--json"]).json();
    let routes = server.routes().len();
    for token in [&server.admin, &red] {
        let run = server.begin(token, &["stage.train.repeat=2", "checkpoint.policy=always"]);
        server.until_done(token, &run);
        // What the program brings is compiled at the first look: not the subject here.
        server.ask(token, "GET", "/plugins", None).json(200);
        let real = [
            ("run", run.as_str()),
            ("stage", "train_subset"),
            ("id", &format!("c-{}-1", run.trim_start_matches("r-"))),
            ("name", "subset"),
            ("version", "0.1.0"),
            ("tenant", "spare"),
        ];
        let real: String =
            real.iter().map(|(key, name)| format!("\"path.{key}\" = \"{name}\"\n")).collect();
        for names in ["", &format!("[parameters]\n{real}")] {
            let ended = round(&server, &python, token, names);
            let whole = format!("{}\n{}", ended.stdout, ended.stderr);
            assert_eq!(ended.code, Some(0), "{whole}\n{}", server.log());
            assert!(
                whole.contains(&format!("Tested: {}", routes - 1)),
                "of {routes} routes: {whole}"
            );
        }
        for query in ["", "?after=1", "?after=%ff", "?%00=%00", "?=&&", "?after=-1&after=x"] {
            let path = format!("{ENDLESS}{query}");
            let head = head_of(&server, token, &path);
            assert!(
                head.starts_with("HTTP/1.1 200") || head.starts_with("HTTP/1.1 4"),
                "{path}: {head}"
            );
        }
    }
    let log = server.log();
    assert!(!log.contains("panicked"), "{log}");
    assert!(!log.contains("\"status\":5"), "{log}");
}

/// The first line that comes back; the rest of the stream is left.
fn head_of(server: &Server, token: &str, path: &str) -> String {
    use std::io::{BufRead as _, BufReader, Write as _};
    let mut stream = server.connect();
    let address = &server.address;
    let head =
        format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {token}\r\n\r\n");
    stream.write_all(head.as_bytes()).unwrap();
    let mut line = String::new();
    BufReader::new(stream).read_line(&mut line).unwrap();
    line
}
