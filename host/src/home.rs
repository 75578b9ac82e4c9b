//! The home folder: where it is, and its store.

use std::path::PathBuf;

use mobula_store::{RunRow, Store, StoreError};

use crate::exit::{Ended, Exit};

/// The folder from `--home`, else `~/.mobula`.
pub(crate) fn folder(given: Option<PathBuf>) -> anyhow::Result<PathBuf> {
    let of_user = || Some(std::env::home_dir()?.join(".mobula"));
    given.or_else(of_user).ok_or_else(|| {
        Ended::error(Exit::Invalid, "there is no home folder: say --home DIR or set MOBULA_HOME")
    })
}

/// Opens the store, and gives its errors their exit codes.
pub(crate) fn store(given: Option<PathBuf>) -> anyhow::Result<Store> {
    Store::open(&folder(given)?).map_err(coded)
}

/// A run by its name, the beginning of it, or `last`.
pub(crate) fn run(store: &Store, text: &str) -> anyhow::Result<RunRow> {
    store.find_run(text).map_err(coded)
}

/// An error of the store, with its exit code.
pub(crate) fn coded(error: StoreError) -> anyhow::Error {
    let exit = match error {
        StoreError::NotFound { .. } => Exit::NotFound,
        StoreError::Ambiguous { .. } | StoreError::PluginExists { .. } => Exit::Invalid,
        _ => Exit::Failed,
    };
    Ended::error(exit, error.to_string())
}
