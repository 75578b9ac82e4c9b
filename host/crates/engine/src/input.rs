//! What a call reads: fields of objects, their rows, or several objects put together. Puts it together
//! on the worker; views copy nothing, and joining copies once.

use std::sync::Arc;

use mobula_contract::{Charge, Failure, FailureKind, Object, Tensor, Value};

use crate::core::UnitId;
use crate::objects::{Missing, Objects};

/// One input of a call.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Input {
    /// A value that is at hand.
    Value(Value),
    /// A field of an object.
    Field { from: UnitId, field: String },
    /// A view of some rows of a tensor.
    Rows { from: UnitId, field: String, start: u64, count: u64 },
    /// All fields of an object, under their own names.
    All { from: UnitId },
    /// The same field of several objects, one after another: tensors along their rows, JSON as a list.
    Joined { from: Vec<UnitId>, field: String },
}

impl Input {
    /// The objects that it reads.
    pub(crate) fn sources(&self) -> &[UnitId] {
        match self {
            Self::Value(_) => &[],
            Self::Field { from, .. } | Self::Rows { from, .. } | Self::All { from } => {
                std::slice::from_ref(from)
            }
            Self::Joined { from, .. } => from,
        }
    }
}

/// The inputs of a call as one object. `place` is how messages call the call.
pub(crate) fn gather(
    inputs: &[(String, Input)],
    objects: &Objects,
    place: &dyn std::fmt::Display,
) -> Result<Object, Missing> {
    let mut gathered = Object::default();
    for (name, input) in inputs {
        let value = match input {
            Input::Value(value) => value.clone(),
            Input::Field { from, field } => field_of(&objects.get(*from)?, field, name, place)?,
            Input::Rows { from, field, start, count } => {
                let value = field_of(&objects.get(*from)?, field, name, place)?;
                rows(&value, *start, *count).map_err(|why| wrong(name, place, &why))?
            }
            Input::All { from } => {
                gathered.fields.extend(objects.get(*from)?.fields.iter().cloned());
                continue;
            }
            Input::Joined { from, field } => {
                let parts =
                    from.iter().map(|from| field_of(&objects.get(*from)?, field, name, place));
                let parts = parts.collect::<Result<Vec<_>, _>>()?;
                for (source, part) in from.iter().zip(&parts) {
                    if let Value::Tensor(tensor) = part {
                        tensor.bring().map_err(|_| Missing::Lost(*source))?;
                    }
                }
                let charge =
                    objects.reserve(joined_bytes(&parts), || false).map_err(Missing::Failed)?;
                joined(&parts, charge).map_err(|why| wrong(name, place, &why))?
            }
        };
        gathered.fields.push((name.clone(), value));
    }
    Ok(gathered)
}

fn wrong(name: &str, place: &dyn std::fmt::Display, why: &str) -> Missing {
    let message = format!("input `{name}` of {place}: {why}");
    Missing::Failed(Failure::new(FailureKind::Invalid, message))
}

fn field_of(
    object: &Arc<Object>,
    field: &str,
    name: &str,
    place: &dyn std::fmt::Display,
) -> Result<Value, Missing> {
    object.get(field).cloned().ok_or_else(|| {
        let there: Vec<&str> = object.fields.iter().map(|(name, _)| name.as_str()).collect();
        let why = format!("the object has no field `{field}`: it has {}", there.join(", "));
        wrong(name, place, &why)
    })
}

fn rows(value: &Value, start: u64, count: u64) -> Result<Value, String> {
    let Value::Tensor(tensor) = value else {
        return Err(format!("only tensors have rows, not {}", value.kind()));
    };
    tensor.slice(start, count).map(Value::Tensor).map_err(|e| e.to_string())
}

/// Bytes of the tensor that the parts become.
fn joined_bytes(parts: &[Value]) -> u64 {
    let tensors = parts.iter().map(|part| match part {
        Value::Tensor(tensor) => tensor.byte_len(),
        Value::Json(_) | Value::Bytes(_) => 0,
    });
    tensors.sum()
}

fn joined(parts: &[Value], charge: Charge) -> Result<Value, String> {
    let json = parts.iter().map(|part| match part {
        Value::Json(json) => Some(json.clone()),
        Value::Tensor(_) | Value::Bytes(_) => None,
    });
    if let Some(list) = json.collect::<Option<Vec<_>>>() {
        return Ok(Value::Json(list.into()));
    }
    let tensors = parts.iter().map(|part| match part {
        Value::Tensor(tensor) => Ok(tensor),
        other => Err(format!("a tensor and {} cannot be joined", other.kind())),
    });
    let tensors = tensors.collect::<Result<Vec<&Tensor>, String>>()?;
    let first = tensors[0];
    if let Some(other) = tensors
        .iter()
        .find(|other| other.dtype() != first.dtype() || other.shape()[1..] != first.shape()[1..])
    {
        return Err(format!("rows of {first:?} and {other:?} cannot be joined"));
    }
    let mut shape = first.shape().to_vec();
    shape[0] = tensors.iter().map(|tensor| tensor.rows()).sum();
    let len: usize = tensors.iter().map(|tensor| tensor.bytes().len()).sum();
    let mut bytes = Vec::with_capacity(len);
    tensors.iter().for_each(|tensor| bytes.extend_from_slice(tensor.bytes()));
    let made = Tensor::charged(first.dtype(), shape, bytes, charge);
    made.map(Value::Tensor).map_err(|e| e.to_string())
}
