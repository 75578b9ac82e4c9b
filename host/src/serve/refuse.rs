//! Errors of the house as refusals of the server: who asked learns what concerns it, the log the rest.

use mobula_server::{Refusal, Why};
use mobula_store::StoreError;

use crate::exit::{Ended, Exit};

/// An error of a command, by its exit code.
pub(super) fn refusal(error: &anyhow::Error) -> Refusal {
    let ended = error.chain().find_map(|cause| cause.downcast_ref::<Ended>());
    let why = match ended.map(|ended| ended.exit) {
        Some(Exit::Invalid) => Why::Invalid,
        Some(Exit::Denied) => Why::Denied,
        Some(Exit::NotFound) => Why::NotFound,
        Some(Exit::Failed | Exit::Interrupted) | None => return internal(error),
    };
    Refusal::new(why, format!("{error:#}"))
}

/// An error that only the log is to know.
pub(super) fn internal(error: &anyhow::Error) -> Refusal {
    Refusal::internal(format!("{error:#}"))
}

/// An error of the store.
pub(super) fn of_store(error: StoreError) -> Refusal {
    let why = match &error {
        StoreError::NotFound { .. } | StoreError::Ambiguous { .. } => Why::NotFound,
        StoreError::Busy(_) | StoreError::PluginExists { .. } | StoreError::TenantExists(_) => {
            Why::Conflict
        }
        StoreError::Damaged { .. } => Why::Conflict,
        _ => return Refusal::internal(error.to_string()),
    };
    Refusal::new(why, error.to_string())
}
