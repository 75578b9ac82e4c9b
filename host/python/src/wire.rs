//! Objects on their way between machines: each field as Python sends it. JSON goes as the text it is, so that
//! both sides have the same bytes.

use std::sync::Arc;

use mobula_contract::{Object, Value};
use numpy::PyUntypedArray;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyList, PyTuple};

use crate::errors::invalid;
use crate::values::{array, borrow};

/// Fields as `(name, kind, payload)`: `tensor` with an array, `json` with text, `bytes`. A tensor that lies
/// elsewhere becomes what `far` gives.
pub(crate) fn to_wire<'py>(
    py: Python<'py>,
    object: Object,
    far: impl Fn(&mobula_contract::Tensor) -> Option<PyResult<Bound<'py, PyAny>>>,
) -> PyResult<Bound<'py, PyList>> {
    let fields = PyList::empty(py);
    for (name, value) in object.fields {
        let (kind, payload) = match value {
            Value::Tensor(tensor) => match far(&tensor) {
                Some(place) => ("part", place?),
                None => ("tensor", array(py, tensor)?),
            },
            Value::Json(json) => ("json", json.to_string().into_pyobject(py)?.into_any()),
            Value::Bytes(bytes) => ("bytes", PyBytes::new(py, &bytes).into_any()),
        };
        fields.append((name, kind, payload))?;
    }
    Ok(fields)
}

/// The object of such fields; `far` makes a value of one of another kind.
pub(crate) fn from_wire(
    fields: &Bound<'_, PyAny>,
    far: impl Fn(&str, &Bound<'_, PyAny>) -> PyResult<Value>,
) -> PyResult<Object> {
    let mut object = Object::default();
    for field in fields.try_iter()? {
        let field = field?.cast_into::<PyTuple>()?;
        let (name, kind, payload): (String, String, Bound<'_, PyAny>) = field.extract()?;
        let value = match kind.as_str() {
            "tensor" => Value::Tensor(borrow(payload.cast::<PyUntypedArray>()?, &name)?),
            "json" => {
                let text: String = payload.extract()?;
                let json = serde_json::from_str(&text);
                Value::Json(json.map_err(|e| invalid(format!("`{name}` is no JSON: {e}")))?)
            }
            "bytes" => Value::Bytes(Arc::new(payload.extract()?)),
            other => far(other, &payload)?,
        };
        object.fields.push((name, value));
    }
    Ok(object)
}

/// Where nothing lies elsewhere.
pub(crate) fn near(kind: &str, _: &Bound<'_, PyAny>) -> PyResult<Value> {
    Err(invalid(format!("a field of kind `{kind}`")))
}
