//! Why a sandbox or a plugin cannot be had. What goes wrong in a call is a `Failure` instead.

/// Why a sandbox cannot start or a plugin cannot be loaded.
#[derive(Debug, thiserror::Error)]
pub enum SandboxError {
    /// The engine refused its settings, or the machine has no room for it.
    #[error("the wasm engine cannot start: {0}")]
    Engine(String),
    /// More bytes than are ever compiled.
    #[error("plugin `{label}` is {got} bytes, but at most {max} are compiled")]
    TooLarge {
        /// What the caller calls it.
        label: String,
        /// Its size.
        got: usize,
        /// The largest allowed.
        max: usize,
    },
    /// Something else than wasm.
    #[error("plugin `{label}` is not wasm: it does not start with the wasm magic bytes")]
    NotWasm {
        /// What the caller calls it.
        label: String,
    },
    /// Wasm, but not a component.
    #[error(
        "plugin `{label}` is a core wasm module, not a component: build it for wasm32-wasip2, or \
         wrap it with `wasm-tools component new`"
    )]
    CoreModule {
        /// What the caller calls it.
        label: String,
    },
    /// A component that is cut off, damaged, or uses wasm features that are off.
    #[error("plugin `{label}` is not a valid component: {why}")]
    Invalid {
        /// What the caller calls it.
        label: String,
        /// What the validator says.
        why: String,
    },
    /// A component for another world.
    #[error("plugin `{label}` {difference}")]
    World {
        /// What the caller calls it.
        label: String,
        /// Interfaces and versions that differ.
        difference: String,
    },
    /// `describe` did not return.
    #[error("plugin `{label}` cannot describe itself: {failure}")]
    Describe {
        /// What the caller calls it.
        label: String,
        /// How the call failed.
        failure: mobula_contract::Failure,
    },
    /// `describe` returned something else than a manifest.
    #[error("plugin `{label}` describes itself in a way that is not a manifest: {why}")]
    Manifest {
        /// What the caller calls it.
        label: String,
        /// What the parser says.
        why: String,
    },
}
