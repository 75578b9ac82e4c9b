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
//! Parameters are inputs by their names ([`Tensor`], `Tensor<f32>`, [`Json`], `Vec<u8>`, or an `Option` of
//! these); the one called `args` is read from the stage's arguments. The manifest, with a JSON Schema of the
//! arguments, is written from the types and the doc comments. `#[port(shape = "[N, 32, 32, 3]")]` on an input is
//! checked at each call; so are the bounds of an argument:
//!
//! ```
//! use mobula_guest::prelude::*;
//!
//! #[args]
//! struct MixArgs {
//!     /// How much of the other image.
//!     #[arg(default = 0.2, min = 0.0, max = 1.0)]
//!     share: f32,
//!     #[arg(default = "next", one_of = ["next", "random"])]
//!     partner: String,
//! }
//!
//! #[outputs]
//! struct Mixed {
//!     images: Tensor<f32>,
//! }
//!
//! /// Mix each image with another one.
//! #[task]
//! fn mix(#[port(shape = "[N, …]")] images: Tensor<u8>, args: MixArgs) -> Result<Mixed> {
//!     let rows = u32::try_from(images.rows())?;
//!     let mut random = Random::new(context::seed());
//!     let mut mixed = TensorBuilder::of(&images.shape()[1..], images.rows())?;
//!     for row in 0..rows {
//!         let other = match args.partner.as_str() {
//!             "next" => (row + 1) % rows,
//!             _ => random.below(rows),
//!         };
//!         let of = |row: u32| images.slice(row.into(), 1)?.values();
//!         let pairs = of(row)?.into_iter().zip(of(other)?);
//!         let mix = |a: u8, b: u8| f32::from(a) * (1.0 - args.share) + f32::from(b) * args.share;
//!         mixed.push(&pairs.map(|(a, b)| mix(a, b)).collect::<Vec<_>>())?;
//!     }
//!     Ok(Mixed { images: mixed.finish()? })
//! }
//!
//! plugin! { tasks: [mix] }
//! # fn main() -> Result<()> {
//! let images = Tensor::of(&[2, 1], &[10, 20])?;
//! let mixed = mix(images, MixArgs { share: 0.5, partner: "next".to_owned() })?;
//! assert_eq!(mixed.images.values()?, [15.0, 15.0]);
//! # Ok(())
//! # }
//! ```
//!
//! State goes into an actor, which is saved and restored with serde:
//!
//! ```
//! use mobula_guest::prelude::*;
//!
//! #[state]
//! struct Counter {
//!     rows: u64,
//! }
//!
//! #[outputs]
//! struct Count {
//!     rows: u64,
//! }
//!
//! /// Counts rows over many calls.
//! #[actor(version = 1)]
//! impl Counter {
//!     fn new() -> Result<Self> {
//!         Ok(Self { rows: 0 })
//!     }
//!
//!     /// Take in more.
//!     fn add(&mut self, images: Tensor) -> Result<Count> {
//!         self.rows += images.rows();
//!         context::metric("rows", self.rows, self.rows as f64);
//!         Ok(Count { rows: self.rows })
//!     }
//! }
//!
//! plugin! { actors: [Counter] }
//! # fn main() -> Result<()> {
//! let mut counter = Counter::new()?;
//! counter.add(Tensor::new(DType::U8, &[3], &[1, 2, 3])?)?;
//! assert_eq!(counter.add(Tensor::new(DType::U8, &[1], &[4])?)?.rows, 4);
//! # Ok(())
//! # }
//! ```
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
mod ports;
mod random;
mod shape;
pub mod stream;
mod tensor;
#[cfg(target_family = "wasm")]
#[doc(hidden)]
pub mod wasm;

pub use error::{Context, Error, Result};
pub use export::Json;
pub use mobula_guest_macros::{actor, args, outputs, plugin, state, task};
#[cfg(feature = "ndarray")]
pub use ndarray;
pub use random::Random;
#[doc(hidden)]
pub use schemars;
#[doc(hidden)]
pub use serde;
pub use tensor::{Any, DType, Element, Part, Parts, Reader, Tensor, TensorBuilder};

/// Refuses a call, as the caller's mistake, unless this is so.
///
/// ```
/// use mobula_guest::prelude::*;
///
/// fn share(part: u64, whole: u64) -> Result<f64> {
///     ensure!(part <= whole, "{part} of only {whole}");
///     Ok(part as f64 / whole as f64)
/// }
///
/// assert_eq!(share(3, 2), Err(Error::invalid("3 of only 2")));
/// ```
#[macro_export]
macro_rules! ensure {
    ($so:expr, $($words:tt)+) => {
        if !$so {
            return Err($crate::Error::Invalid(format!($($words)+)));
        }
    };
}

/// Everything that a plugin usually needs.
pub mod prelude {
    pub use crate::context::{self, Level};
    pub use crate::stream::emit;
    pub use crate::{Context, DType, Error, Json, Random, Result, Tensor, TensorBuilder};
    pub use crate::{actor, args, ensure, outputs, plugin, state, task};
}
