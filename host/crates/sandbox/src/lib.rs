//! Runs guest code under wasmtime: compile cache, grants, limits, instances.
