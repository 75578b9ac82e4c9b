//! The command line of `mobula serve`, `tenant` and `login`: names, flags and help. Does nothing itself.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use crate::args::notice;

#[derive(Debug, Args)]
pub(crate) struct ServeArgs {
    /// Settings in a TOML file; HOME/serve.toml where there is one. `--print-config` shows every key.
    #[arg(long, value_name = "FILE", env = "MOBULA_CONFIG")]
    pub(crate) config: Option<PathBuf>,
    /// Where to listen; port 0 takes a free one [default: 127.0.0.1:7878]
    #[arg(long, value_name = "ADDRESS", env = "MOBULA_LISTEN")]
    pub(crate) listen: Option<std::net::SocketAddr>,
    /// Write the address as JSON into this file once the server listens.
    #[arg(long, value_name = "FILE")]
    pub(crate) ports_file: Option<PathBuf>,
    /// A name under which browsers reach the server, NAME or NAME:PORT; may be said more than once.
    #[arg(long = "host", value_name = "NAME", env = "MOBULA_HOSTS", value_delimiter = ',')]
    pub(crate) hosts: Vec<String>,
    /// Encrypt connections with this certificate (PEM).
    #[arg(long, value_name = "FILE")]
    pub(crate) certificate: Option<PathBuf>,
    /// The certificate's key (PEM).
    #[arg(long, value_name = "FILE")]
    pub(crate) key: Option<PathBuf>,
    /// Browsers come by https, through a proxy: cookies say so.
    #[arg(long)]
    pub(crate) https: bool,
    /// Seconds that runs get to save their state when the server is asked to go [default: 20]
    #[arg(long, value_name = "SECONDS", value_parser = notice)]
    pub(crate) grace: Option<f64>,
    /// Print the settings with their defaults and what they are for, and do nothing else.
    #[arg(long)]
    pub(crate) print_config: bool,
    /// Print the OpenAPI document, and do nothing else.
    #[arg(long)]
    pub(crate) openapi: bool,
}

#[derive(Debug, Args)]
pub(crate) struct LoginArgs {
    /// The server, such as http://127.0.0.1:7878. The token is read from standard input, or from
    /// MOBULA_TOKEN.
    pub(crate) server: String,
}

#[derive(Debug, Subcommand)]
pub(crate) enum TenantCommand {
    /// Enter a tenant.
    Add {
        /// Small letters, digits and `-`.
        name: String,
        #[command(flatten)]
        quota: QuotaArgs,
    },
    /// All tenants.
    List,
    /// One tenant: quota, tokens, folders.
    Show { name: String },
    /// Say anew what a tenant may use; what is not said stays.
    Quota {
        name: String,
        #[command(flatten)]
        quota: QuotaArgs,
    },
    /// Give a tenant a token, which is printed this once.
    Token {
        name: String,
        /// What it is for.
        #[arg(long, default_value = "")]
        label: String,
        /// After how many days it is no good; never when not said.
        #[arg(long, value_name = "N")]
        days: Option<u32>,
        /// It may administer the server (only of the tenant `default`).
        #[arg(long)]
        admin: bool,
        /// Take this token back instead.
        #[arg(long, value_name = "ID", conflicts_with_all = ["days", "admin", "label"])]
        revoke: Option<String>,
    },
    /// Let pipelines of a tenant mount a folder, NAME=FOLDER; NAME= takes it back.
    Mount {
        name: String,
        /// NAME=FOLDER
        grant: String,
    },
    /// Remove a tenant with all it has.
    Remove { name: String },
    /// What was done, newest first.
    Audit {
        #[arg(long, value_name = "N", default_value_t = 50)]
        limit: usize,
    },
}

/// Each a number, or `none` for no limit.
#[derive(Debug, Args)]
pub(crate) struct QuotaArgs {
    /// Runs at one time.
    #[arg(long, value_name = "N")]
    pub(crate) runs: Option<String>,
    /// Processors of all runs together.
    #[arg(long, value_name = "N")]
    pub(crate) cpus: Option<String>,
    /// Memory of all runs together, such as 2GiB.
    #[arg(long, value_name = "BYTES")]
    pub(crate) memory: Option<String>,
    /// Bytes on the disk.
    #[arg(long, value_name = "BYTES")]
    pub(crate) stored: Option<String>,
    /// Bytes of one plugin.
    #[arg(long, value_name = "BYTES")]
    pub(crate) upload: Option<String>,
    /// Requests in a minute.
    #[arg(long, value_name = "N")]
    pub(crate) requests: Option<String>,
}
