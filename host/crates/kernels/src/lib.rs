//! f32 SIMD kernels over slices: no threads, no allocation, no clock, no file.
//!
//! [`Cpu`] is chosen once and passed down; every kernel gives the same bits on all of them.
//! Lengths are asserted at each kernel's door, so a wrong shape is a panic, never a wild read.

mod arch;
pub mod conv;
pub mod loss;
pub mod map;
pub mod norm;
pub mod optim;
pub mod probe;
pub mod shape;
pub mod winograd;

pub use arch::Cpu;
