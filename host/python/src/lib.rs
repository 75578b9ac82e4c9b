//! The extension module `mobula._native`: the crates `sandbox`, `trainer`, `adaptive` and `store` as Python
//! sees them, and the command line with a cluster that Python reaches. Decides nothing itself; what is
//! pleasant to write in Python is in `python/mobula`.

mod context;
mod controller;
mod driver;
mod errors;
mod json;
mod node;
mod plugin;
mod store;
mod trainer;
mod values;
mod wire;

use pyo3::prelude::*;

#[pymodule]
mod _native {
    use pyo3::prelude::*;

    #[pymodule_export]
    use crate::context::{Call, Stop};
    #[pymodule_export]
    use crate::controller::{Controller, Decision, Subject};
    #[pymodule_export]
    use crate::driver::{Told, run_on};
    #[pymodule_export]
    use crate::node::{Node, NodeActor};
    #[pymodule_export]
    use crate::plugin::{Actor, Plugin, Sandbox, compile_child};
    #[pymodule_export]
    use crate::store::Store;
    #[pymodule_export]
    use crate::trainer::Trainer;

    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        module.add("__version__", env!("CARGO_PKG_VERSION"))?;
        crate::errors::add(module)
    }
}
