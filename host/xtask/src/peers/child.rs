//! A child process that answers requests, one JSON object a line, and runs only while it is asked.
//!
//! Before and after it is stopped by signal, with everything that it started, so that waiting threads,
//! which may spin, take nothing from the others. What is asked is the caller's business.

use std::fs::{self, File};
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use serde_json::Value;

use super::machine;

/// The system counts hundredths of seconds, so it knows nothing of a shorter request.
const SPAN_MIN_S: f64 = 0.2;

pub(crate) struct Child {
    name: String,
    process: std::process::Child,
    requests: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
    log: PathBuf,
    stopped: bool,
    started: Instant,
}

/// A timed request's answer.
pub(crate) struct Timed {
    pub(crate) answer: Value,
    /// Cores that other programs used meanwhile; 0 if the system does not tell, or it was too short.
    pub(crate) foreign: f64,
}

impl Child {
    /// `log` takes what it says on standard error.
    pub(crate) fn start(name: &str, mut command: Command, log: &Path) -> Result<Self> {
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(File::create(log)?);
        // A group of its own, so that helpers of the framework are stopped with it.
        command.process_group(0);
        let started = Instant::now();
        let mut process = command.spawn().with_context(|| format!("cannot start {name}"))?;
        let requests = process.stdin.take();
        let answers = BufReader::new(process.stdout.take().context("no output of a child")?);
        let (name, log) = (name.to_owned(), log.to_owned());
        Ok(Self { name, process, requests, answers, log, stopped: false, started })
    }

    /// Seconds from its start to its answer to this request, the first one.
    pub(crate) fn first(&mut self, request: &Value) -> Result<f64> {
        self.send(request)?;
        let line = self.receive()?;
        let seconds = self.started.elapsed().as_secs_f64();
        self.stop()?;
        self.parse(&line)?;
        Ok(seconds)
    }

    /// One request, one answer.
    pub(crate) fn ask(&mut self, request: &Value) -> Result<Value> {
        self.go_on()?;
        self.send(request)?;
        let line = self.receive()?;
        self.stop()?;
        self.parse(&line)
    }

    /// The same for a request that is timed.
    pub(crate) fn time(&mut self, request: &Value) -> Result<Timed> {
        self.go_on()?;
        let child = self.process.id();
        let foreign_s = || Some(machine::busy_s()? - machine::used_by_tree_s(child));
        let (begun, before) = (Instant::now(), foreign_s());
        self.send(request)?;
        let line = self.receive()?;
        let (span, after) = (begun.elapsed().as_secs_f64(), foreign_s());
        self.stop()?;
        let answer = self.parse(&line)?;
        let told = after.zip(before).filter(|_| span > SPAN_MIN_S);
        let foreign = told.map_or(0.0, |(after, before)| (after - before) / span);
        Ok(Timed { answer, foreign: foreign.max(0.0) })
    }

    /// Lets it do as it likes for a while.
    pub(crate) fn rest(&mut self, span: Duration) -> Result<()> {
        self.go_on()?;
        std::thread::sleep(span);
        self.stop()
    }

    /// Memory of it and of all that it started, each page that is shared divided among its users, in
    /// bytes; how many processes those are. `None` where the system does not tell.
    pub(crate) fn memory(&self) -> Option<(u64, usize)> {
        let tree = machine::tree(self.process.id());
        let sizes: Vec<u64> =
            tree.iter().filter_map(|process| machine::memory_bytes(*process)).collect();
        (!sizes.is_empty()).then(|| (sizes.iter().sum(), sizes.len()))
    }

    fn send(&mut self, request: &Value) -> Result<()> {
        let requests = self.requests.as_mut().context("the child was told to end")?;
        let sent = writeln!(requests, "{request}").and_then(|()| requests.flush());
        if sent.is_err() { bail!(self.failure()) } else { Ok(()) }
    }

    fn receive(&mut self) -> Result<String> {
        let mut line = String::new();
        self.answers.read_line(&mut line)?;
        if line.is_empty() { bail!(self.failure()) } else { Ok(line) }
    }

    fn parse(&self, line: &str) -> Result<Value> {
        serde_json::from_str(line).with_context(|| format!("{}: `{line}`", self.name))
    }

    /// What it said last, which is why it ended.
    fn failure(&self) -> String {
        let log = fs::read_to_string(&self.log).unwrap_or_default();
        let last: Vec<&str> = log.lines().rev().take(5).collect();
        let last = last.into_iter().rev().collect::<Vec<_>>().join("\n");
        format!("{} ended by itself; see {}\n{last}", self.name, self.log.display())
    }

    fn stop(&mut self) -> Result<()> {
        self.signal("STOP")?;
        self.stopped = true;
        Ok(())
    }

    fn go_on(&mut self) -> Result<()> {
        if self.stopped {
            self.signal("CONT")?;
            self.stopped = false;
        }
        Ok(())
    }

    /// By the shell, whose `kill` is everywhere: std has no signals. What the child started may have left its
    /// group, or have ended just now.
    fn signal(&self, name: &str) -> Result<()> {
        let child = self.process.id();
        let rest = machine::tree(child).iter().map(|id| format!(" {id}")).collect::<String>();
        let kill = format!("kill -{name} -{child} && {{ kill -{name}{rest}; true; }}");
        let status = Command::new("sh").args(["-c", &kill]).stderr(Stdio::null()).status()?;
        if status.success() { Ok(()) } else { bail!(self.failure()) }
    }
}

impl Drop for Child {
    /// Lets it end in its own way: a framework has helpers to end.
    fn drop(&mut self) {
        drop(self.requests.take());
        if self.go_on().is_err() {
            let _ = self.process.kill();
        }
        let _ = self.process.wait();
    }
}
