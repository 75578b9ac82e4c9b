//! The program as a user has it: started as a process, with a home folder of its own.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]
#![allow(dead_code, reason = "each test file uses a part")]

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::OnceLock;
use std::time::Duration;

use serde_json::Value as Json;
use tempfile::TempDir;

pub(crate) const TINY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/tiny.toml");
pub(crate) const STREAM: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/pipelines/stream.toml");
pub(crate) const REFERENCE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/pipelines/cifar10.toml");

/// A home folder, and the program with it.
pub(crate) struct Mobula {
    pub(crate) home: TempDir,
}

/// What a command left.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Ended {
    pub(crate) fn from_output(output: &Output) -> Self {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Self {
            code: output.status.code(),
            stdout: text(&output.stdout),
            stderr: text(&output.stderr),
        }
    }

    /// The document of a command that succeeded.
    #[track_caller]
    pub(crate) fn json(&self) -> Json {
        assert_eq!(self.code, Some(0), "{}", self.stderr);
        serde_json::from_str(&self.stdout).unwrap()
    }

    /// Requires an exit code, and words in what was said about it.
    #[track_caller]
    pub(crate) fn refused(&self, code: i32, words: &[&str]) {
        assert_eq!(self.code, Some(code), "{}\n{}", self.stdout, self.stderr);
        for word in words {
            assert!(self.stderr.contains(word), "`{word}` is not in: {}", self.stderr);
        }
        assert!(!self.stderr.contains("panicked"), "{}", self.stderr);
    }
}

impl Mobula {
    pub(crate) fn new() -> Self {
        Self { home: tempfile::tempdir().unwrap() }
    }

    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_mobula"));
        command.args(args).env("MOBULA_HOME", self.home.path()).stdin(Stdio::null());
        command
    }

    pub(crate) fn run(&self, args: &[&str]) -> Ended {
        Ended::from_output(&self.command(args).output().unwrap())
    }

    /// Waits until the newest run has finished an epoch.
    pub(crate) fn wait_for_an_epoch(&self) {
        let trained = || {
            let events = self.run(&["runs", "events", "last", "--json"]);
            events.code == Some(0) && events.stdout.contains(r#""name":"train""#)
        };
        while !trained() {
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// The tiny pipeline on synthetic data, with more arguments.
    pub(crate) fn tiny(&self, more: &[&str]) -> Ended {
        self.run(&tiny_args(more))
    }
}

/// Arguments that run the tiny pipeline.
pub(crate) fn tiny_args<'a>(more: &[&'a str]) -> Vec<&'a str> {
    static MOUNT: OnceLock<String> = OnceLock::new();
    let mount = MOUNT.get_or_init(|| format!("stage.load.mounts.data={}", data().display()));
    [&["run", TINY, "--json", "--set", mount], more].concat()
}

/// A small synthetic data set, made once for each test program.
pub(crate) fn data() -> &'static Path {
    static DATA: OnceLock<(TempDir, PathBuf)> = OnceLock::new();
    let made = DATA.get_or_init(|| {
        let folder = tempfile::tempdir().unwrap();
        let out = folder.path().join("synth");
        let args = ["data", "synth", "--train", "500", "--test", "200", "--out"];
        let status = Command::new(env!("CARGO_BIN_EXE_mobula")).args(args).arg(&out).output();
        assert!(status.unwrap().status.success());
        (folder, out)
    });
    &made.1
}

/// The digest of an actor's state.
#[track_caller]
pub(crate) fn digest(report: &Json, actor: &str) -> String {
    let actors = report["actors"].as_array().unwrap();
    let found = actors.iter().find(|found| found["name"] == actor).unwrap();
    found["state_digest"].as_str().unwrap_or_else(|| panic!("{report:#}")).to_owned()
}

/// Digests of the trainer and of the plugin's actor.
#[track_caller]
pub(crate) fn digests(report: &Json) -> [String; 2] {
    assert_eq!(report["status"], "succeeded", "{report:#}");
    [digest(report, "trainer"), digest(report, "stats")]
}
