//! A side: one way to train, in a child process that answers requests.
//!
//! A child runs only while it is asked: before and after it is stopped by signal, so that a
//! framework's waiting threads, which may spin, take nothing from the others.

use std::fs::{self, File};
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::process::CommandExt as _;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Instant;

use anyhow::{Context as _, Result, bail};
use serde_json::{Value, json};

use super::machine;
use super::place::Place;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    Keras,
    /// Keras on TensorFlow's own kernels, which shows how far the same program is from
    /// itself when only the order of its sums is another.
    KerasPlain,
    TorchNchw,
    TorchChannelsLast,
    TorchCompile,
    Exact,
    Fast,
}

impl Side {
    /// Those whose speed is compared.
    pub(crate) const ALL: [Self; 6] = [
        Self::Keras,
        Self::TorchNchw,
        Self::TorchChannelsLast,
        Self::TorchCompile,
        Self::Exact,
        Self::Fast,
    ];
    pub(crate) const OURS: [Self; 2] = [Self::Exact, Self::Fast];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Keras => "Keras fit",
            Self::KerasPlain => "Keras, no oneDNN",
            Self::TorchNchw => "PyTorch NCHW",
            Self::TorchChannelsLast => "PyTorch channels_last",
            Self::TorchCompile => "torch.compile",
            Self::Exact => "Mobula exact",
            Self::Fast => "Mobula fast",
        }
    }

    pub(crate) fn is_ours(self) -> bool {
        Self::OURS.contains(&self)
    }

    fn variant(self) -> &'static str {
        match self {
            Self::Keras => "fit",
            Self::KerasPlain => "plain",
            Self::TorchNchw => "nchw",
            Self::TorchChannelsLast => "channels_last",
            Self::TorchCompile => "compile",
            Self::Exact => "exact",
            Self::Fast => "fast",
        }
    }

    fn command(self, place: &Place) -> Command {
        let script = match self {
            Self::Exact | Self::Fast => return Command::new(&place.ours),
            Self::Keras | Self::KerasPlain => "keras_side.py",
            Self::TorchNchw | Self::TorchChannelsLast | Self::TorchCompile => "torch_side.py",
        };
        let mut command = Command::new(&place.python);
        command.arg(place.scripts.join(script)).arg("--interchange").arg(&place.interchange);
        command.env("PYTHONDONTWRITEBYTECODE", "1").env("CUDA_VISIBLE_DEVICES", "");
        if matches!(self, Self::Keras | Self::KerasPlain) {
            command.env("TF_ENABLE_ONEDNN_OPTS", if self == Self::Keras { "1" } else { "0" });
        } else {
            // glibc then keeps freed pages instead of asking for them anew at every step.
            command.env("MALLOC_MMAP_THRESHOLD_", (1_u64 << 30).to_string());
            command.env("MALLOC_TRIM_THRESHOLD_", (1_u64 << 32).to_string());
            command.env("MALLOC_TOP_PAD_", (1_u64 << 26).to_string());
            command.env("TORCHINDUCTOR_CACHE_DIR", place.work.join("inductor"));
        }
        command
    }
}

/// What a child is started with.
#[derive(Clone, Copy)]
pub(crate) struct Task<'a> {
    pub(crate) preset: &'a str,
    pub(crate) batch: usize,
    pub(crate) threads: usize,
    pub(crate) seed: u64,
    pub(crate) dropout: bool,
    pub(crate) optimizer: Optimizer,
}

/// What steps the weights, with the rates of `host/benches/peers/side.py`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Optimizer {
    Adam,
    Sgd,
}

impl Optimizer {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Adam => "adam",
            Self::Sgd => "sgd",
        }
    }
}

/// A child process.
pub(crate) struct Peer {
    pub(crate) side: Side,
    child: Child,
    requests: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
    log: std::path::PathBuf,
    stopped: bool,
    started: Instant,
}

/// A timed request's answer.
#[derive(Clone, Copy)]
pub(crate) struct Timed {
    pub(crate) images_per_s: f64,
    /// Cores that other programs used meanwhile, if the system tells.
    pub(crate) foreign: f64,
}

impl Peer {
    pub(crate) fn start(place: &Place, side: Side, task: Task<'_>) -> Result<Self> {
        let Task { preset, batch, threads, seed, dropout, optimizer } = task;
        let log = place.work.join(format!("{}.log", side.variant()));
        let mut command = side.command(place);
        command.args(["--variant", side.variant()]).arg("--network").arg(place.network(preset));
        command.args(["--batch", &batch.to_string(), "--threads", &threads.to_string()]);
        command.args(["--seed", &seed.to_string()]);
        command.args(["--dropout", if dropout { "on" } else { "off" }]);
        command.args(["--optimizer", optimizer.name()]);
        command.env("OMP_NUM_THREADS", threads.to_string());
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(File::create(&log)?);
        // A group of its own, so that helpers of the framework are stopped with it.
        command.process_group(0);
        let started = Instant::now();
        let mut child = command.spawn().with_context(|| format!("cannot start {}", side.name()))?;
        let requests = child.stdin.take();
        let answers = BufReader::new(child.stdout.take().context("no output of a child")?);
        Ok(Self { side, child, requests, answers, log, stopped: false, started })
    }

    /// Seconds from its start to the end of its first step, which this request is.
    pub(crate) fn first_step_s(&mut self, place: &Place) -> Result<f64> {
        self.send(&json!({ "do": "step", "data": place.first }))?;
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
        let id = self.child.id();
        let foreign_s = || Some(machine::busy_s()? - machine::used_s(id)?);
        let (begun, before) = (Instant::now(), foreign_s());
        self.send(request)?;
        let line = self.receive()?;
        let (span, after) = (begun.elapsed().as_secs_f64(), foreign_s());
        self.stop()?;
        let answer = self.parse(&line)?;
        let number = |name: &str| answer[name].as_f64().with_context(|| format!("no `{name}`"));
        let foreign = after.zip(before).map_or(0.0, |(after, before)| (after - before) / span);
        let images_per_s = number("images")? / number("seconds")?;
        Ok(Timed { images_per_s, foreign: foreign.max(0.0) })
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
        serde_json::from_str(line).with_context(|| format!("{}: `{line}`", self.side.name()))
    }

    /// What it said last, which is why it ended.
    fn failure(&self) -> String {
        let log = fs::read_to_string(&self.log).unwrap_or_default();
        let last: Vec<&str> = log.lines().rev().take(5).collect();
        let last = last.into_iter().rev().collect::<Vec<_>>().join("\n");
        format!("{} ended by itself; see {}\n{last}", self.side.name(), self.log.display())
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

    /// By the shell, whose `kill` is everywhere: std has no signals.
    fn signal(&self, name: &str) -> Result<()> {
        let kill = format!("kill -{name} -{}", self.child.id());
        let status = Command::new("sh").args(["-c", &kill]).stderr(Stdio::null()).status()?;
        if status.success() { Ok(()) } else { bail!(self.failure()) }
    }
}

impl Drop for Peer {
    /// Lets it end in its own way: a framework has helpers to end.
    fn drop(&mut self) {
        drop(self.requests.take());
        if self.go_on().is_err() {
            let _ = self.child.kill();
        }
        let _ = self.child.wait();
    }
}
