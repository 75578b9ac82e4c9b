//! A side: one way to train, in a child process that answers requests.

use std::process::Command;

use anyhow::{Context as _, Result};
use serde_json::{Value, json};

use super::child::{self, Child};
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

/// A child process that trains.
pub(crate) struct Peer {
    pub(crate) side: Side,
    child: Child,
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
        Ok(Self { side, child: Child::start(side.name(), command, &log)? })
    }

    /// Seconds from its start to the end of its first step, which this request is.
    pub(crate) fn first_step_s(&mut self, place: &Place) -> Result<f64> {
        self.child.first(&json!({ "do": "step", "data": place.first }))
    }

    /// One request, one answer.
    pub(crate) fn ask(&mut self, request: &Value) -> Result<Value> {
        self.child.ask(request)
    }

    /// The same for a request that is timed.
    pub(crate) fn time(&mut self, request: &Value) -> Result<Timed> {
        let child::Timed { answer, foreign } = self.child.time(request)?;
        let number = |name: &str| answer[name].as_f64().with_context(|| format!("no `{name}`"));
        let images_per_s = number("images")? / number("seconds")?;
        Ok(Timed { images_per_s, foreign })
    }
}
