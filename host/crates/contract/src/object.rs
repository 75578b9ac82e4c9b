//! Objects: immutable records of named fields that pass between stages.

use std::sync::Arc;

use crate::tensor::Tensor;

/// One field of an object.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// A tensor.
    Tensor(Tensor),
    /// A JSON document.
    Json(serde_json::Value),
    /// Bytes that only the plugins understand.
    Bytes(Arc<Vec<u8>>),
}

impl Value {
    /// How a message calls this kind of value.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Tensor(_) => "tensor",
            Self::Json(_) => "json",
            Self::Bytes(_) => "bytes",
        }
    }

    /// Bytes that the value holds; text of a JSON document.
    #[must_use]
    pub fn byte_len(&self) -> u64 {
        match self {
            Self::Tensor(tensor) => tensor.byte_len(),
            Self::Json(json) => json.to_string().len() as u64,
            Self::Bytes(bytes) => bytes.len() as u64,
        }
    }
}

/// A record of named values, in the order in which the stage gave them.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Object {
    /// Names and values; a later value of the same name is never looked at.
    pub fields: Vec<(String, Value)>,
}

impl Object {
    /// The value of this name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.fields.iter().find(|(field, _)| field == name).map(|(_, value)| value)
    }

    /// The tensor of this name; `None` also when the field is something else.
    #[must_use]
    pub fn tensor(&self, name: &str) -> Option<&Tensor> {
        match self.get(name)? {
            Value::Tensor(tensor) => Some(tensor),
            Value::Json(_) | Value::Bytes(_) => None,
        }
    }

    /// Adds a field and gives the object back.
    #[must_use]
    pub fn with(mut self, name: &str, value: Value) -> Self {
        self.fields.push((name.to_owned(), value));
        self
    }

    /// Brings what lies far away, so that every tensor's bytes may be asked for; says why that cannot be
    /// done.
    pub fn bring(&self) -> Result<(), String> {
        let mut values = self.fields.iter().map(|(_, value)| value);
        values.try_for_each(|value| match value {
            Value::Tensor(tensor) => tensor.bring(),
            Value::Json(_) | Value::Bytes(_) => Ok(()),
        })
    }

    /// Whether bytes of it are known to be nowhere any more.
    #[must_use]
    pub fn is_lost(&self) -> bool {
        self.fields.iter().any(|(_, value)| match value {
            Value::Tensor(tensor) => tensor.lender().is_some_and(|(lent, _)| lent.is_lost()),
            Value::Json(_) | Value::Bytes(_) => false,
        })
    }

    /// Bytes of all fields together.
    #[must_use]
    pub fn byte_len(&self) -> u64 {
        self.fields.iter().map(|(_, value)| value.byte_len()).sum()
    }

    /// Whether every field is JSON, so that an event can hold the whole object.
    #[must_use]
    pub fn is_json(&self) -> bool {
        self.fields.iter().all(|(_, value)| matches!(value, Value::Json(_)))
    }
}
