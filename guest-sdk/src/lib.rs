//! What a plugin author imports: tensors, errors, logging, and the macros that make a crate a plugin.
//!
//! A whole plugin:
//!
//! ```
//! use mobula_guest::prelude::*;
//!
//! #[args]
//! struct TakeArgs {
//!     /// How many rows.
//!     size: u64,
//! }
//!
//! #[outputs]
//! struct Taken {
//!     /// The first rows.
//!     rows: Tensor,
//! }
//!
//! /// Take the first `size` rows.
//! #[task]
//! fn take(images: Tensor, args: TakeArgs) -> Result<Taken> {
//!     Ok(Taken { rows: images.slice(0, args.size)? })
//! }
//!
//! plugin! { tasks: [take] }
//! # fn main() {}
//! ```
//!
//! Parameters are inputs by their names ([`Tensor`], [`Json`], `Vec<u8>`, or an `Option` of these);
//! the one called `args` is read from the stage's arguments. The manifest, with a JSON Schema of the
//! arguments, is written from the types and the doc comments.
//!
//! A task that makes more than fits into one object gives it part by part: [`stream::emit`].
//!
//! # Speed
//!
//! - Let the host move rows: [`Tensor::gather`], [`Tensor::slice`] and [`TensorBuilder::append_rows`] copy
//!   there, at the speed of memory, and no byte enters the plugin. Where it must read, 64 KiB to 1 MiB at a
//!   time cost least.
//! - Make each turn of a hot loop do some work. In every turn a guest looks whether it has to stop; with one
//!   byte a turn that look can double the time, with a block of 32 pixels nothing is left of it. Blocks of a
//!   length that is known when compiling are enough, since the compiler unrolls them:
//!
//! ```
//! fn sum(bytes: &[u8]) -> u64 {
//!     let (blocks, rest) = bytes.as_chunks::<128>();
//!     let whole: u64 = blocks.iter().map(|block| block.iter().map(|b| u64::from(*b)).sum::<u64>()).sum();
//!     whole + rest.iter().map(|b| u64::from(*b)).sum::<u64>()
//! }
//! # assert_eq!(sum(&[1; 300]), 300);
//! ```
//!
//! - Put `rustflags = ["-C", "target-feature=+simd128"]` under `[target.wasm32-wasip2]` in the plugin's
//!   `.cargo/config.toml`: vector instructions are off otherwise.
//!
//! Built for `wasm32-wasip2` with `crate-type = ["cdylib"]`. On other targets the same code runs on tensors
//! in plain memory, so that a plugin can have ordinary tests.

#[cfg(target_family = "wasm")]
#[doc(hidden)]
pub mod bindings;
pub mod context;
mod error;
#[doc(hidden)]
pub mod export;
mod random;
pub mod stream;
mod tensor;
#[cfg(target_family = "wasm")]
#[doc(hidden)]
pub mod wasm;

pub use error::{Error, Result};
pub use export::Json;
pub use mobula_guest_macros::{actor, args, outputs, plugin, state, task};
pub use random::Random;
#[doc(hidden)]
pub use schemars;
#[doc(hidden)]
pub use serde;
pub use tensor::{DType, Element, Tensor, TensorBuilder};

/// Everything that a plugin usually needs.
pub mod prelude {
    pub use crate::context::{self, Level};
    pub use crate::stream::emit;
    pub use crate::{DType, Error, Json, Random, Result, Tensor, TensorBuilder};
    pub use crate::{actor, args, outputs, plugin, state, task};
}
