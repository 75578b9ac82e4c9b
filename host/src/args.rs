//! The command line: names, flags and help. Does nothing itself.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;
use mobula_contract::Override;
use mobula_engine::Fault;

use crate::commands::plugin::PluginCommand;
use crate::serve::args::{LoginArgs, ServeArgs, TenantCommand};

/// Runs pipelines of sandboxed WebAssembly plugins and native actors, and makes them survive failure.
#[derive(Debug, Parser)]
#[command(name = "mobula", version, propagate_version = true)]
pub(crate) struct Cli {
    /// Folder of the history, the plugins and the compile cache.
    #[arg(long, global = true, env = "MOBULA_HOME", value_name = "DIR")]
    pub(crate) home: Option<PathBuf>,
    /// Do it on a server instead of this machine, such as http://127.0.0.1:7878 (see `mobula login`).
    #[arg(long, global = true, env = "MOBULA_SERVER", value_name = "URL")]
    pub(crate) server: Option<String>,
    /// Print one JSON document instead of prose.
    #[arg(long, global = true)]
    pub(crate) json: bool,
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run a pipeline file.
    Run(RunArgs),
    /// Look at runs, and take them up again.
    #[command(subcommand)]
    Runs(RunsCommand),
    /// Write, build, test and keep plugins.
    #[command(subcommand)]
    Plugin(PluginCommand),
    /// Check a pipeline file, and pin its plugins.
    #[command(subcommand)]
    Pipeline(PipelineCommand),
    /// List, verify, pin, export and import checkpoints.
    #[command(subcommand)]
    Checkpoints(CheckpointsCommand),
    /// The trainer alone.
    #[command(subcommand)]
    Model(ModelCommand),
    /// Make, fetch and look at data sets in the CIFAR-10 layout.
    #[command(subcommand)]
    Data(DataCommand),
    /// The API and the dashboard, for a browser or a team.
    Serve(ServeArgs),
    /// Who shares this machine: tenants, quotas, tokens, folders.
    #[command(subcommand)]
    Tenant(TenantCommand),
    /// Keep the address and a token of a server, for commands with --server.
    Login(LoginArgs),
    /// Checkpoint policies against failures: named regimes, a file of them, or a run that was recorded.
    Simulate(SimulateArgs),
    /// What is missing on this machine, and how to get it.
    Doctor,
    /// Completions of commands and flags, for a shell to read at its start.
    Completions { shell: Shell },
}

#[derive(Debug, Args)]
pub(crate) struct SimulateArgs {
    /// A JSON file of regimes instead of the named ones.
    #[arg(long, value_name = "FILE", conflicts_with = "run")]
    pub(crate) regimes: Option<PathBuf>,
    /// Replay a run with its own times and failures; a name, the beginning of one, or `last`.
    #[arg(long, value_name = "RUN")]
    pub(crate) run: Option<String>,
    /// Failure histories of each regime; those of the file, else 80, when not said.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=10_000), conflicts_with = "run")]
    pub(crate) seeds: Option<u32>,
    /// Policies, with commas between: adaptive, threshold, young-daly, every=N, always, never, oracle,
    /// clairvoyant; `@0.05` after a name is a time budget of 5 %, `@none` none.
    #[arg(long, value_name = "LIST")]
    pub(crate) policies: Option<String>,
    /// Draw the table as a chart.
    #[arg(long, value_name = "FILE.svg")]
    pub(crate) chart: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct RunArgs {
    /// The pipeline file.
    pub(crate) file: PathBuf,
    /// Change a value of the file, such as stage.train.repeat=5.
    #[arg(long = "set", value_name = "PATH=VALUE", value_parser = Override::parse)]
    pub(crate) sets: Vec<Override>,
    #[command(flatten)]
    pub(crate) how: RunHow,
    /// Make a failure, such as train[4]:actor-crash@0.5.
    #[arg(long = "inject", value_name = "SPEC")]
    pub(crate) faults: Vec<Fault>,
    /// Begin with the state of an actor instead of a new one: ACTOR=CHECKPOINT or ACTOR=FILE, such as
    /// trainer=weights.safetensors.
    #[arg(long = "from", value_name = "ACTOR=STATE", value_parser = From::parse)]
    pub(crate) from: Vec<From>,
    /// Start anew even where earlier results could be used.
    #[arg(long)]
    pub(crate) fresh: bool,
}

/// The state that an actor begins with.
#[derive(Debug, Clone)]
pub(crate) struct From {
    pub(crate) actor: String,
    /// A checkpoint, or a file.
    pub(crate) place: String,
}

impl From {
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let usage = || format!("`{text}` is not ACTOR=CHECKPOINT or ACTOR=FILE");
        let (actor, place) = text.split_once('=').ok_or_else(usage)?;
        let (actor, place) = (actor.to_owned(), place.to_owned());
        if actor.is_empty() || place.is_empty() { Err(usage()) } else { Ok(Self { actor, place }) }
    }
}

/// What `run` and `runs resume` share.
#[derive(Debug, Args)]
pub(crate) struct RunHow {
    /// Workers for tasks; one per core when not said.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub(crate) workers: Option<u16>,
    /// Memory that the whole process may use, such as 2GiB: what does not fit is moved to disk or
    /// waits. Without limit when not said.
    #[arg(long, value_name = "BYTES", value_parser = byte_size)]
    pub(crate) memory: Option<u64>,
    /// A folder of plugin components, looked at before those of the home folder.
    #[arg(long, value_name = "DIR")]
    pub(crate) plugin_dir: Option<PathBuf>,
    /// Seconds that the machine gives after SIGTERM before it goes away: actors are saved in that time,
    /// and the run can be resumed. Without it SIGTERM stops the run at once.
    #[arg(long, value_name = "SECONDS", env = "MOBULA_NOTICE", value_parser = notice)]
    pub(crate) notice: Option<f64>,
    /// Keep the inputs of calls of plugins that fail: `plugin run --from` repeats them. Actors are saved
    /// before each call, which takes time.
    #[arg(long)]
    pub(crate) keep_inputs: bool,
    /// Where calls are carried out: in this process, or on a Ray cluster, for which the Python package
    /// `mobula` must be installed with Ray.
    #[arg(long, value_enum, default_value_t)]
    pub(crate) engine: EngineKind,
    /// The Ray cluster: `auto` for the one that runs here, HOST:PORT, or `local` for a new one in this
    /// machine, which is what happens when not said and none is found.
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) address: Option<String>,
    /// The Python interpreter that has the package `mobula`; python3 when not said.
    #[arg(long, value_name = "FILE", env = "MOBULA_PYTHON")]
    pub(crate) python: Option<PathBuf>,
}

/// Where calls are carried out.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum EngineKind {
    /// In this process.
    #[default]
    Embedded,
    /// On a Ray cluster.
    Ray,
}

pub(crate) fn notice(text: &str) -> Result<f64, String> {
    let seconds: Option<f64> = text.parse().ok();
    let good = seconds.filter(|seconds| seconds.is_finite() && *seconds >= 0.0);
    good.ok_or_else(|| format!("`{text}` is no number of seconds"))
}

#[derive(Debug, Subcommand)]
pub(crate) enum RunsCommand {
    /// All runs, newest first.
    List,
    /// One run: stages, decisions, checkpoints, recoveries.
    Show { run: String },
    /// The log lines of a run.
    Logs { run: String },
    /// Every event of a run.
    Events { run: String },
    /// Take up a run that was interrupted.
    Resume {
        run: String,
        #[command(flatten)]
        how: RunHow,
    },
    /// Stop a run, whichever process has it; what is saved stays, and `runs resume` goes on from it.
    Cancel {
        run: String,
        /// Seconds to wait for its end.
        #[arg(long, default_value_t = 30.0, value_name = "SECONDS", value_parser = notice)]
        wait: f64,
    },
    /// Runs side by side: what was asked of them, what it cost, what came out.
    Compare {
        /// Two or more.
        #[arg(num_args = 2.., required = true)]
        runs: Vec<String>,
    },
    /// Which worker ran what and when, as a Chrome trace that Perfetto opens.
    Timeline {
        run: String,
        /// Where to write the trace; standard output when not said.
        #[arg(short, long, value_name = "FILE")]
        output: Option<PathBuf>,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum PipelineCommand {
    /// Check a pipeline file against its plugins; nothing runs.
    Check {
        #[command(flatten)]
        which: PipelineArgs,
    },
    /// Write the versions and digests of its plugins into the file.
    Lock {
        #[command(flatten)]
        which: PipelineArgs,
    },
}

#[derive(Debug, Args)]
pub(crate) struct PipelineArgs {
    /// The pipeline file.
    pub(crate) file: PathBuf,
    /// Change a value of the file, such as stage.load.mounts.data=/data.
    #[arg(long = "set", value_name = "PATH=VALUE", value_parser = Override::parse)]
    pub(crate) sets: Vec<Override>,
    /// A folder of plugin components, looked at before those of the home folder.
    #[arg(long, value_name = "DIR")]
    pub(crate) plugin_dir: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum CheckpointsCommand {
    /// All checkpoints, newest first.
    List {
        /// Of one run only.
        #[arg(long)]
        run: Option<String>,
    },
    /// All there is to know of one checkpoint.
    Show {
        #[arg(help = CHECKPOINT_HELP)]
        checkpoint: String,
    },
    /// Read everything back and check it: pages, rows, chunks, files.
    Verify {
        /// The checkpoints of one run only.
        #[arg(long)]
        run: Option<String>,
    },
    /// Write a checkpoint as a safetensors file: the weights of a trainer, or the tensors of a task's output.
    Export {
        #[arg(help = CHECKPOINT_HELP)]
        checkpoint: String,
        /// Where to write it.
        #[arg(short, long, value_name = "FILE")]
        output: PathBuf,
        /// The whole state as it is, to be imported elsewhere.
        #[arg(long)]
        state: bool,
    },
    /// Keep a safetensors file, or an exported state, as a pinned checkpoint of no run.
    Import {
        /// The file.
        file: PathBuf,
        /// What to call it; the file's name when not said.
        #[arg(long)]
        name: Option<String>,
    },
    /// Keep a checkpoint whatever `gc` and the retention of its run say.
    Pin {
        #[arg(help = CHECKPOINT_HELP)]
        checkpoint: String,
    },
    /// Let a pinned checkpoint go when its time comes.
    Unpin {
        #[arg(help = CHECKPOINT_HELP)]
        checkpoint: String,
    },
    /// Drop checkpoints that nothing needs: of runs that succeeded all but the newest and best of each actor,
    /// and damaged ones; pinned ones stay. Gives the space back to the disk.
    Gc {
        /// Only say what would go.
        #[arg(long)]
        dry_run: bool,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum ModelCommand {
    /// Layers, shapes, parameters, arithmetic and memory.
    Summary {
        #[arg(help = MODEL_HELP)]
        model: String,
        /// Images of a training step, which the memory is told for.
        #[arg(long, default_value_t = 64, value_name = "N", value_parser = batch_size())]
        batch_size: u32,
    },
    /// Train on a folder in the CIFAR-10 layout.
    Train {
        #[arg(help = MODEL_HELP)]
        model: String,
        #[command(flatten)]
        options: ModelOptions,
    },
    /// Loss and accuracy on the test part of a folder.
    Evaluate {
        #[arg(help = MODEL_HELP)]
        model: String,
        #[command(flatten)]
        options: ModelOptions,
    },
    /// Class probabilities of the test part of a folder.
    Predict {
        #[arg(help = MODEL_HELP)]
        model: String,
        #[command(flatten)]
        options: PredictOptions,
    },
}

const CHECKPOINT_HELP: &str = "The checkpoint's id, its beginning, or `last`";
const MODEL_HELP: &str =
    "A preset (cifar10-664k, strided-593k, plain-667k) or a network file, whose name ends in .toml";

/// Enough that something fits beside the program itself.
fn byte_size(text: &str) -> Result<u64, String> {
    let least = 2 * mobula_engine::PROCESS_BYTES;
    let bytes = mobula_contract::parse_bytes(text)
        .ok_or_else(|| format!("`{text}` is no number of bytes, such as 512MiB or 2GiB"))?;
    if bytes < least {
        return Err(format!("{bytes} bytes are too few: the least is {}MiB", least >> 20));
    }
    Ok(bytes)
}

/// As many as the trainer takes.
fn batch_size() -> clap::builder::RangedI64ValueParser<u32> {
    clap::value_parser!(u32).range(1..=16_384)
}

/// What reading data and making a trainer need, whatever it is made for.
#[derive(Debug, Args)]
pub(crate) struct TrainerOptions {
    /// A folder in the CIFAR-10 layout.
    #[arg(long, value_name = "DIR")]
    pub(crate) data: PathBuf,
    /// Weights to begin with, as safetensors.
    #[arg(long, value_name = "FILE")]
    pub(crate) init_weights: Option<PathBuf>,
    /// Seed of weights, shuffles, dropout and augmentation.
    #[arg(long, default_value_t = 7, value_name = "S")]
    pub(crate) seed: u64,
    /// All cores when not said.
    #[arg(long, value_name = "N")]
    pub(crate) threads: Option<usize>,
    /// Direct convolutions only; slower, with the sums of plain loops.
    #[arg(long)]
    pub(crate) exact: bool,
    /// A folder of plugin components, looked at before those of the home folder.
    #[arg(long, value_name = "DIR")]
    pub(crate) plugin_dir: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct ModelOptions {
    #[command(flatten)]
    pub(crate) common: TrainerOptions,
    #[arg(long, default_value_t = 10, value_name = "N")]
    pub(crate) epochs: u32,
    /// Images of a training step; the recipe's when not said (plain: 64).
    #[arg(long, value_name = "N", value_parser = batch_size())]
    pub(crate) batch_size: Option<u32>,
    /// The (highest) learning rate; the recipe's when not said (plain: 0.001).
    #[arg(long, value_name = "RATE")]
    pub(crate) learning_rate: Option<f64>,
    /// `plain` is Adam with a constant rate. `fast` needs fewer epochs for the same accuracy; its
    /// rate moves over all --epochs.
    #[arg(long, value_enum, default_value_t = RecipeName::Plain, value_name = "RECIPE")]
    pub(crate) recipe: RecipeName,
    /// Share of the training images, from the end, to validate on instead.
    #[arg(long, default_value_t = 0.0, value_name = "SHARE")]
    pub(crate) validation_split: f64,
    /// Take the images in the order of the files.
    #[arg(long)]
    pub(crate) no_shuffle: bool,
    /// Leave dropout out.
    #[arg(long)]
    pub(crate) no_dropout: bool,
    /// Where to write the trained weights, as safetensors.
    #[arg(long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct PredictOptions {
    #[command(flatten)]
    pub(crate) common: TrainerOptions,
    /// Where to write the probabilities of all images, as JSON.
    #[arg(long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
}

/// The recipes by the names of the command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum RecipeName {
    Plain,
    Fast,
}

#[derive(Debug, Subcommand)]
pub(crate) enum DataCommand {
    /// Make a learnable set of textured shapes (not CIFAR-10, only its layout).
    Synth {
        #[arg(long, value_name = "DIR")]
        out: PathBuf,
        /// Images to train on.
        #[arg(long, default_value_t = 50_000, value_name = "N")]
        train: u32,
        /// Images to test on.
        #[arg(long, default_value_t = 10_000, value_name = "N")]
        test: u32,
        #[arg(long, default_value_t = 7, value_name = "S")]
        seed: u64,
    },
    /// Download the real CIFAR-10 (binary version) and check it.
    Fetch {
        #[arg(long, value_name = "DIR")]
        out: PathBuf,
        /// Another place to download from.
        #[arg(long)]
        url: Option<String>,
    },
    /// Counts per class, and a contact sheet as PNG.
    Inspect {
        dir: PathBuf,
        /// Where to write the contact sheet.
        #[arg(long, value_name = "FILE")]
        sheet: Option<PathBuf>,
        #[arg(long, value_name = "DIR")]
        plugin_dir: Option<PathBuf>,
    },
}
