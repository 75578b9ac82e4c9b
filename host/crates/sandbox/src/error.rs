//! Why a component cannot be used at all.

use std::path::PathBuf;

/// An error before any call. `label` is what the caller named the component.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SandboxError {
    /// The machine does not let wasmtime work.
    #[error("cannot start the WebAssembly engine: {0}")]
    Engine(String),
    /// The cache folder cannot be written.
    #[error("cannot use the compile cache {path}: {source}")]
    Cache {
        /// The folder.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// Larger than any plugin should be; compiling is where a hostile one costs most.
    #[error("{label}: {bytes} bytes; a component may have {limit}")]
    TooLarge {
        /// The component.
        label: String,
        /// Its size.
        bytes: usize,
        /// The limit.
        limit: usize,
    },
    /// Made so that compiling it would take too long, or too much memory.
    #[error("{label}: {there} {what}; a component may have {limit}")]
    TooMuch {
        /// The component.
        label: String,
        /// Of what.
        what: &'static str,
        /// How many.
        there: u64,
        /// The limit.
        limit: u64,
    },
    /// No WebAssembly.
    #[error("{label} is no WebAssembly component: it does not begin with the magic number")]
    NotWasm {
        /// The file.
        label: String,
    },
    /// A core module.
    #[error(
        "{label} is a core module, not a component: build it for the target wasm32-wasip2 \
         (`mobula plugin build`)"
    )]
    CoreModule {
        /// The file.
        label: String,
    },
    /// Damaged, or of features that are off.
    #[error("{label} cannot be compiled: {detail}")]
    Compile {
        /// The component.
        label: String,
        /// What the compiler says.
        detail: String,
    },
    /// Built for another world.
    #[error("{label} is built for another world: {}", differences.join("; "))]
    World {
        /// The component.
        label: String,
        /// Each names an interface and its version.
        differences: Vec<String>,
    },
    /// `describe` failed.
    #[error("{label} cannot describe itself: {detail}")]
    Describe {
        /// The component.
        label: String,
        /// Why.
        detail: String,
    },
}
