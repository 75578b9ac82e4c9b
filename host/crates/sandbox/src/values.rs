//! Objects on their way into a guest and out of it.

use std::sync::Arc;

use mobula_contract::{Failure, FailureKind, Object, Value};

use crate::bindings::mobula::plugin::types::Error;
use crate::bindings::mobula::plugin::values::Value as Wire;
use crate::state::State;

pub(crate) type Fields = Vec<(String, Wire)>;

/// Hands the fields of an object to a guest: tensors as handles, the rest as bytes.
pub(crate) fn lower(state: &mut State, object: Object) -> wasmtime::Result<Fields> {
    let fields = object.fields.into_iter().map(|(name, value)| {
        let value = match value {
            Value::Tensor(tensor) => Wire::Tensor(state.table.push(tensor)?),
            Value::Json(json) => Wire::Json(json.to_string()),
            Value::Bytes(bytes) => {
                Wire::Bytes(Arc::try_unwrap(bytes).unwrap_or_else(|shared| shared.to_vec()))
            }
        };
        Ok((name, value))
    });
    fields.collect()
}

/// Takes back what a guest returned.
pub(crate) fn lift(state: &mut State, stage: &str, fields: Fields) -> Result<Object, Failure> {
    let invalid = |name: &str, why: String| {
        Failure::new(FailureKind::Failed, format!("{stage}: field `{name}` of the result: {why}"))
    };
    let mut object = Object::default();
    for (name, value) in fields {
        if object.get(&name).is_some() {
            return Err(invalid(&name, "given twice".to_owned()));
        }
        let value = match value {
            Wire::Tensor(handle) => {
                let tensor = state.table.delete(handle);
                Value::Tensor(tensor.map_err(|e| invalid(&name, e.to_string()))?)
            }
            Wire::Json(text) => {
                let json = serde_json::from_str(&text);
                Value::Json(json.map_err(|e| invalid(&name, format!("is no JSON: {e}")))?)
            }
            Wire::Bytes(bytes) => Value::Bytes(Arc::new(bytes)),
        };
        object.fields.push((name, value));
    }
    Ok(object)
}

/// An error that the guest returned of its own will.
pub(crate) fn returned(error: Error) -> Failure {
    let (kind, message) = match error {
        Error::Invalid(message) => (FailureKind::Invalid, message),
        Error::OutOfBounds(message) => (FailureKind::OutOfBounds, message),
        Error::Quota(message) => (FailureKind::Quota, message),
        Error::Denied(message) => (FailureKind::Denied, message),
        Error::Cancelled => (FailureKind::Cancelled, "cancelled".to_owned()),
        Error::Failed(message) => (FailureKind::Failed, message),
    };
    Failure::new(kind, message)
}
