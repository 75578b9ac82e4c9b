//! Arrays of numpy as tensors and back, without copying where memory can be shared. The only `unsafe` of this
//! crate.

#![expect(unsafe_code, reason = "a tensor that reads an array of numpy where it lies")]

use std::any::Any;
use std::sync::Arc;
use std::sync::atomic::{AtomicPtr, Ordering};

use mobula_contract::{DType, Lent, Object, Tensor, Value};
use numpy::{
    PyArray1, PyArrayDescrMethods as _, PyArrayMethods as _, PyUntypedArray,
    PyUntypedArrayMethods as _,
};
use pyo3::prelude::*;
use pyo3::types::{PyByteArray, PyBytes, PyDict, PyTuple};

use crate::errors::invalid;
use crate::json::{from_json, to_json};

/// The bytes of an array, which lives as long as this does.
struct Borrowed {
    /// One axis of u8.
    flat: Py<PyArray1<u8>>,
    start: AtomicPtr<u8>,
    len: usize,
}

impl Lent for Borrowed {
    fn len(&self) -> usize {
        self.len
    }

    fn bytes(&self) -> &[u8] {
        if self.len == 0 {
            return &[];
        }
        // SAFETY: `borrow` took both from a slice of the array that `flat` keeps alive, and numpy moves no
        // array that others refer to. That nobody writes to it meanwhile is asked of callers, as by all that
        // reads arrays without the GIL.
        unsafe { std::slice::from_raw_parts(self.start.load(Ordering::Relaxed), self.len) }
    }
}

/// An array as a tensor that reads it where it lies. One whose elements do not follow each other is copied
/// first. `name` is how messages call it.
pub(crate) fn borrow(array: &Bound<'_, PyUntypedArray>, name: &str) -> PyResult<Tensor> {
    let dtype = dtype_of(array, name)?;
    let shape: Vec<u64> = array.shape().iter().map(|axis| *axis as u64).collect();
    if shape.is_empty() {
        return Err(invalid(format!("`{name}` has no axes: give it rows, or pass a plain number")));
    }
    let flat = array.call_method1("reshape", (-1,))?.call_method1("view", ("uint8",))?;
    let flat = flat.cast_into::<PyArray1<u8>>()?;
    let (start, len) = {
        let read = flat.try_readonly().map_err(|e| invalid(format!("`{name}`: {e}")))?;
        let slice = read.as_slice().map_err(|e| invalid(format!("`{name}`: {e}")))?;
        (slice.as_ptr().cast_mut(), slice.len())
    };
    let lent = Borrowed { flat: flat.unbind(), start: AtomicPtr::new(start), len };
    Tensor::lent(dtype, shape, Box::new(lent)).map_err(|e| invalid(format!("`{name}`: {e}")))
}

fn dtype_of(array: &Bound<'_, PyUntypedArray>, name: &str) -> PyResult<DType> {
    let descr = array.dtype();
    let found = match (descr.kind(), descr.itemsize()) {
        (b'b', 1) => Some(DType::Bool),
        (b'u', 1) => Some(DType::U8),
        (b'i', 4) => Some(DType::S32),
        (b'i', 8) => Some(DType::S64),
        (b'f', 4) => Some(DType::F32),
        (b'f', 8) => Some(DType::F64),
        _ => None,
    };
    found.filter(|_| descr.is_native_byteorder().unwrap_or(true)).ok_or_else(|| {
        invalid(format!(
            "`{name}` is of {descr}: tensors are of bool, uint8, int32, int64, float32 or float64"
        ))
    })
}

/// What numpy calls this type.
pub(crate) fn numpy_name(dtype: DType) -> &'static str {
    match dtype {
        DType::Bool => "bool",
        DType::U8 => "uint8",
        DType::S32 => "int32",
        DType::S64 => "int64",
        DType::F32 => "float32",
        DType::F64 => "float64",
    }
}

/// A tensor as an array: its own memory where nobody shares it, a read-only view where it is of an array.
pub(crate) fn array<'py>(py: Python<'py>, tensor: Tensor) -> PyResult<Bound<'py, PyAny>> {
    let (name, shape) = (numpy_name(tensor.dtype()), PyTuple::new(py, tensor.shape())?);
    let view = tensor.lender().and_then(|(lent, start)| {
        let lent: &dyn Any = lent;
        let borrowed = lent.downcast_ref::<Borrowed>()?;
        Some((borrowed.flat.bind(py).clone(), start))
    });
    let flat = match view {
        Some((whole, start)) => {
            let end = start + usize::try_from(tensor.byte_len())?;
            let part = whole.get_item(pyo3::types::PySlice::new(
                py,
                start.cast_signed(),
                end.cast_signed(),
                1,
            ))?;
            part.call_method1("setflags", (false,))?;
            part
        }
        None => PyArray1::from_vec(py, tensor.into_bytes()).into_any(),
    };
    flat.call_method1("view", (name,))?.call_method1("reshape", (shape,))
}

/// The bytes of an array of uint8, such as the trainer reads.
pub(crate) fn bytes_of(array: &Bound<'_, PyAny>, name: &str) -> PyResult<Tensor> {
    let found = array.cast::<PyUntypedArray>().ok().map(|array| borrow(array, name)).transpose()?;
    match found {
        Some(tensor) if tensor.dtype() == DType::U8 => Ok(tensor),
        found => {
            let got = match found {
                Some(tensor) => format!("a tensor of {}", tensor.dtype()),
                None => array.get_type().name()?.to_string(),
            };
            Err(invalid(format!("input `{name}` must be a tensor of u8, but got {got}")))
        }
    }
}

/// A dictionary as an object: arrays are tensors, `bytes` are bytes, everything else is JSON.
pub(crate) fn object_of(fields: &Bound<'_, PyDict>) -> PyResult<Object> {
    let mut object = Object::default();
    for (name, value) in fields {
        let name: String = name.extract()?;
        let value = value_of(&value, &name)?;
        object.fields.push((name, value));
    }
    Ok(object)
}

fn value_of(value: &Bound<'_, PyAny>, name: &str) -> PyResult<Value> {
    if let Ok(array) = value.cast::<PyUntypedArray>() {
        return borrow(array, name).map(Value::Tensor);
    }
    if value.is_instance_of::<PyBytes>() || value.is_instance_of::<PyByteArray>() {
        return Ok(Value::Bytes(Arc::new(value.extract()?)));
    }
    let json = to_json(value)
        .map_err(|e| invalid(format!("`{name}` is neither an array, nor bytes, nor JSON: {e}")))?;
    Ok(Value::Json(json))
}

/// An object as a dictionary.
pub(crate) fn dict<'py>(py: Python<'py>, object: Object) -> PyResult<Bound<'py, PyDict>> {
    let fields = PyDict::new(py);
    for (name, value) in object.fields {
        let value = match value {
            Value::Tensor(tensor) => array(py, tensor)?,
            Value::Json(json) => from_json(py, &json)?,
            Value::Bytes(bytes) => PyBytes::new(py, &bytes).into_any(),
        };
        // A later value of the same name is never looked at.
        if !fields.contains(&name)? {
            fields.set_item(name, value)?;
        }
    }
    Ok(fields)
}
