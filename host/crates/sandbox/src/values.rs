//! Objects on their way into a guest and out of it.

use std::sync::Arc;

use mobula_contract::{Failure, FailureKind, Object, Value};

use crate::bindings::mobula::plugin::types::Error;
use crate::bindings::mobula::plugin::values::Value as Wire;
use crate::limits::{FIELDS, JSON_BYTES, Stop};
use crate::state::State;
use crate::text::clean;

pub(crate) type Fields = Vec<(String, Wire)>;

/// Hands the fields of an object to a guest: tensors as handles, the rest as bytes.
pub(crate) fn lower(state: &mut State, object: Object) -> wasmtime::Result<Fields> {
    let fields = object.fields.into_iter().map(|(name, value)| {
        let value = match value {
            Value::Tensor(tensor) => Wire::Tensor(state.table.push(tensor)?),
            Value::Json(json) => {
                let text = json.to_string();
                state.bytes_in += text.len() as u64;
                Wire::Json(text)
            }
            Value::Bytes(bytes) => {
                state.bytes_in += bytes.len() as u64;
                Wire::Bytes(Arc::try_unwrap(bytes).unwrap_or_else(|shared| shared.to_vec()))
            }
        };
        Ok((name, value))
    });
    fields.collect()
}

/// Takes over what a guest gave. The outer error ends the call; the inner one says which field is wrong.
pub(crate) fn lift(state: &mut State, fields: Fields) -> wasmtime::Result<Result<Object, String>> {
    let limit = |stop| Err(wasmtime::Error::new(stop));
    if fields.len() > FIELDS {
        return limit(Stop::Limit("fields", FIELDS.to_string()));
    }
    let (mut object, mut json_bytes) = (Object::default(), 0);
    for (name, value) in fields {
        let wrong = |why: &str| Ok(Err(format!("field `{}`: {why}", clean(&name))));
        if object.get(&name).is_some() {
            return wrong("given twice");
        }
        let value = match value {
            Wire::Tensor(handle) => Value::Tensor(state.table.delete(handle)?),
            Wire::Json(text) => {
                state.bytes_out += text.len() as u64;
                json_bytes += text.len() as u64;
                if json_bytes > JSON_BYTES {
                    return limit(Stop::bytes("json", JSON_BYTES));
                }
                match serde_json::from_str(&text) {
                    Ok(json) => Value::Json(json),
                    Err(e) => return wrong(&format!("is no JSON: {e}")),
                }
            }
            Wire::Bytes(bytes) => {
                state.bytes_out += bytes.len() as u64;
                Value::Bytes(Arc::new(bytes))
            }
        };
        object.fields.push((name, value));
    }
    Ok(Ok(object))
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
    Failure::new(kind, clean(&message))
}
