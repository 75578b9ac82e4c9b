//! `mobula completions`: a script that a shell reads at its start.

use clap::CommandFactory as _;
use clap_complete::Shell;

use crate::args::Cli;
use crate::output::to_stdout;

pub(crate) fn perform(shell: Shell) -> anyhow::Result<()> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "mobula", &mut script);
    to_stdout(String::from_utf8(script)?.trim_end())
}
