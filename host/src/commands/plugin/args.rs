//! The command line of `mobula plugin`: names, flags and help. Does nothing itself.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

#[derive(Debug, Subcommand)]
pub(crate) enum PluginCommand {
    /// Begin a plugin: a folder that builds, with a test and a README.
    New {
        /// Its name, and that of the folder.
        name: String,
        /// The language that it is written in.
        #[arg(long, value_enum, default_value_t = Language::Rust)]
        lang: Language,
        /// What it exports: a function, or a class with state.
        #[arg(long, value_enum, default_value_t = Kind::Task)]
        kind: Kind,
        /// The folder to make it in.
        #[arg(long, default_value = ".", value_name = "DIR")]
        path: PathBuf,
    },
    /// Build a plugin into a component, in its folder `dist`.
    Build {
        /// The plugin's folder.
        #[arg(default_value = ".")]
        dir: PathBuf,
        /// Install what is missing to build it.
        #[arg(long)]
        install: bool,
    },
    /// Find what is wrong with a component, and say what to do.
    Check {
        /// A component, or the folder of a plugin that was built.
        #[arg(default_value = ".")]
        plugin: String,
    },
    /// Run a plugin's fixtures in the sandbox and compare what comes out.
    Test(TestArgs),
    /// Run one task, or one method of an actor, and show what comes out.
    Run(RunArgs),
    /// Build and test whenever a file of the plugin changes; with --server also put each good build into the
    /// place of the one before there.
    Dev {
        /// The plugin's folder.
        #[arg(default_value = ".")]
        dir: PathBuf,
    },
    /// Exports, schemas, imports, requests, size and digest of a component.
    Inspect {
        /// A component file, or the name of a pushed plugin.
        plugin: String,
    },
    /// The plugins that pipelines can use.
    List {
        #[arg(long, value_name = "DIR")]
        plugin_dir: Option<PathBuf>,
    },
    /// Keep a component in the home folder.
    Push {
        /// A component, or the folder of a plugin that was built.
        plugin: PathBuf,
        /// Take the place of other content under the same name and version: for a plugin that is still
        /// written. Runs that began with the other go on with it.
        #[arg(long)]
        replace: bool,
    },
    /// Let pipelines use a pushed plugin again.
    Enable {
        /// NAME, or NAME@VERSION for one version.
        plugin: String,
    },
    /// Hide a pushed plugin from pipelines; runs that began with it can go on.
    Disable {
        /// NAME, or NAME@VERSION for one version.
        plugin: String,
    },
    /// Forget a pushed plugin. Runs that began with it can still be resumed.
    Remove {
        /// NAME, or NAME@VERSION for one version.
        plugin: String,
    },
}

#[derive(Debug, Args)]
pub(crate) struct TestArgs {
    /// The plugin's folder, whose component is in `dist` and whose fixtures are in `fixtures`.
    #[arg(default_value = ".")]
    pub(crate) dir: PathBuf,
    /// Another component than the one that was built.
    #[arg(long, value_name = "FILE")]
    pub(crate) plugin: Option<PathBuf>,
    /// Write what comes out as what is expected from now on.
    #[arg(long)]
    pub(crate) bless: bool,
    /// Only fixtures whose names contain this.
    #[arg(long, value_name = "TEXT")]
    pub(crate) only: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct RunArgs {
    /// A component, the folder of a plugin that was built, or the name of a plugin.
    pub(crate) plugin: String,
    /// The task, or CLASS.METHOD of an actor. Not needed with --from.
    #[arg(required_unless_present = "from")]
    pub(crate) export: Option<String>,
    /// An input: a .safetensors or .json file, another file as bytes, or JSON.
    #[arg(long = "input", value_name = "NAME=FILE|JSON")]
    pub(crate) inputs: Vec<String>,
    /// Arguments, as a JSON object.
    #[arg(long, value_name = "JSON")]
    pub(crate) args: Option<String>,
    /// Arguments of the actor's creation, as a JSON object.
    #[arg(long, value_name = "JSON")]
    pub(crate) create: Option<String>,
    /// A folder that the plugin may read.
    #[arg(long = "mount", value_name = "NAME=DIR")]
    pub(crate) mounts: Vec<String>,
    /// The seed of the call.
    #[arg(long, value_name = "S")]
    pub(crate) seed: Option<u64>,
    /// A call that was kept, by `run --keep-inputs` or as a fixture.
    #[arg(long, value_name = "DIR", conflicts_with_all = ["inputs", "args", "create"])]
    pub(crate) from: Option<PathBuf>,
    /// A folder to write the outputs to, as outputs.json and outputs.safetensors.
    #[arg(long, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,
    /// A folder of plugin components, looked at before those of the home folder.
    #[arg(long, value_name = "DIR")]
    pub(crate) plugin_dir: Option<PathBuf>,
}

/// Languages that plugins are written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Language {
    Rust,
    Python,
    #[value(name = "js", alias = "javascript")]
    JavaScript,
}

/// What a plugin begins with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Kind {
    Task,
    Actor,
}
