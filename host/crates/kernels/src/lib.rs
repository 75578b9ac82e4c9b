//! f32 SIMD kernels over slices: no threads, no allocation, no clock, no file.
