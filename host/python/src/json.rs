//! JSON between Python and Rust, through Python's own `json`: arguments and documents are small.

use pyo3::prelude::*;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value as Json;

use crate::errors::invalid;

/// A Python value as a document.
pub(crate) fn to_json(value: &Bound<'_, PyAny>) -> PyResult<Json> {
    let text: String = value.py().import("json")?.call_method1("dumps", (value,))?.extract()?;
    serde_json::from_str(&text).map_err(|e| invalid(format!("no JSON: {e}")))
}

/// A document as a Python value.
pub(crate) fn from_json<'py>(
    py: Python<'py>,
    value: &impl Serialize,
) -> PyResult<Bound<'py, PyAny>> {
    let text = serde_json::to_string(value).map_err(|e| invalid(format!("no JSON: {e}")))?;
    py.import("json")?.call_method1("loads", (text,))
}

/// Keyword arguments as a type of ours; unknown ones are named.
pub(crate) fn settings<T: DeserializeOwned>(given: Option<&Bound<'_, PyAny>>) -> PyResult<T> {
    let document = given.map_or_else(|| Ok(Json::Object(serde_json::Map::new())), to_json)?;
    serde_json::from_value(document).map_err(|e| invalid(format!("args: {e}")))
}
