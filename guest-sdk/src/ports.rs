//! What goes into an export and comes out of it: fields, and how Rust types are read from and written to
//! them.

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value as JsonValue, json};

use crate::error::{Error, Result};
use crate::export::parse;
use crate::tensor::{DType, Element, Tensor};

/// A field of an object.
#[derive(Debug)]
pub enum Value {
    Tensor(Tensor),
    Json(String),
    Bytes(Vec<u8>),
}

/// The fields of an object.
pub type Fields = Vec<(String, Value)>;

/// A JSON document as an input or output.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Json<T>(pub T);

/// A port of the manifest.
#[derive(Debug, Clone)]
pub struct Port(pub(crate) serde_json::Map<String, JsonValue>);

impl Port {
    fn new(name: &str, kind: &str) -> Self {
        Self::default_of(name).set("kind", json!(kind))
    }

    fn default_of(name: &str) -> Self {
        Self(serde_json::Map::from_iter([("name".to_owned(), json!(name))]))
    }

    fn set(mut self, key: &str, value: JsonValue) -> Self {
        self.0.insert(key.to_owned(), value);
        self
    }

    #[must_use]
    pub fn doc(self, text: &str) -> Self {
        self.set("doc", json!(text))
    }

    #[must_use]
    pub fn dtype(self, dtype: &str) -> Self {
        self.set("dtype", json!(dtype))
    }

    #[must_use]
    pub fn shape(self, shape: &str) -> Self {
        self.set("shape", json!(shape))
    }
}

/// A parameter of an export.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be an input of a stage",
    note = "inputs are Tensor, Tensor<T>, Json<T>, Vec<u8>, or an Option of these; numbers and texts go into `args`"
)]
pub trait Input: Sized {
    fn port(name: &str) -> Port;
    fn take(name: &str, value: Option<Value>) -> Result<Self>;
    /// Elements and axes, where it is a tensor.
    fn tensor(&self) -> Option<(DType, Vec<u64>)> {
        None
    }
}

fn wrong(name: &str, wanted: &str, value: Option<&Value>) -> Error {
    let got = match value {
        None => return Error::invalid(format!("input `{name}` is missing: it takes {wanted}")),
        Some(Value::Tensor(_)) => "a tensor",
        Some(Value::Json(_)) => "JSON",
        Some(Value::Bytes(_)) => "bytes",
    };
    Error::invalid(format!("input `{name}` takes {wanted}, but got {got}"))
}

fn tensor_of(name: &str, wanted: &str, value: Option<Value>) -> Result<Tensor> {
    match value {
        Some(Value::Tensor(tensor)) => Ok(tensor),
        other => Err(wrong(name, wanted, other.as_ref())),
    }
}

impl Input for Tensor {
    fn port(name: &str) -> Port {
        Port::new(name, "tensor")
    }

    fn take(name: &str, value: Option<Value>) -> Result<Self> {
        tensor_of(name, "a tensor", value)
    }

    fn tensor(&self) -> Option<(DType, Vec<u64>)> {
        Some((self.dtype(), self.shape()))
    }
}

impl<T: Element> Input for Tensor<T> {
    fn port(name: &str) -> Port {
        Port::new(name, "tensor").dtype(T::DTYPE.name())
    }

    fn take(name: &str, value: Option<Value>) -> Result<Self> {
        let wanted = T::DTYPE;
        let tensor = tensor_of(name, &format!("a tensor of {wanted}"), value)?;
        let got = tensor.dtype();
        tensor.typed().map_err(|_| {
            Error::Invalid(format!(
                "input `{name}` takes a tensor of {wanted}, but got one of {got}"
            ))
        })
    }

    fn tensor(&self) -> Option<(DType, Vec<u64>)> {
        Some((self.dtype(), self.shape()))
    }
}

impl Input for Vec<u8> {
    fn port(name: &str) -> Port {
        Port::new(name, "bytes")
    }

    fn take(name: &str, value: Option<Value>) -> Result<Self> {
        match value {
            Some(Value::Bytes(bytes)) => Ok(bytes),
            other => Err(wrong(name, "bytes", other.as_ref())),
        }
    }
}

impl<T: DeserializeOwned> Input for Json<T> {
    fn port(name: &str) -> Port {
        Port::new(name, "json")
    }

    fn take(name: &str, value: Option<Value>) -> Result<Self> {
        match value {
            Some(Value::Json(text)) => Ok(Self(parse(&text, &format!("input `{name}`"))?)),
            other => Err(wrong(name, "JSON", other.as_ref())),
        }
    }
}

impl<T: Input> Input for Option<T> {
    fn port(name: &str) -> Port {
        T::port(name).set("optional", json!(true))
    }

    fn take(name: &str, value: Option<Value>) -> Result<Self> {
        value.map(|value| T::take(name, Some(value))).transpose()
    }

    fn tensor(&self) -> Option<(DType, Vec<u64>)> {
        self.as_ref().and_then(T::tensor)
    }
}

/// A field of `#[outputs]`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be an output of a stage",
    note = "outputs are Tensor, Tensor<T>, Vec<u8>, numbers, texts, Json<T> of anything with serde, or an Option"
)]
pub trait Output {
    fn port(name: &str) -> Port;
    fn put(self, name: &str, fields: &mut Fields) -> Result<()>;
}

impl Output for Tensor {
    fn port(name: &str) -> Port {
        Port::new(name, "tensor")
    }

    fn put(self, name: &str, fields: &mut Fields) -> Result<()> {
        fields.push((name.to_owned(), Value::Tensor(self)));
        Ok(())
    }
}

impl<T: Element> Output for Tensor<T> {
    fn port(name: &str) -> Port {
        Port::new(name, "tensor").dtype(T::DTYPE.name())
    }

    fn put(self, name: &str, fields: &mut Fields) -> Result<()> {
        self.into_any().put(name, fields)
    }
}

impl Output for Vec<u8> {
    fn port(name: &str) -> Port {
        Port::new(name, "bytes")
    }

    fn put(self, name: &str, fields: &mut Fields) -> Result<()> {
        fields.push((name.to_owned(), Value::Bytes(self)));
        Ok(())
    }
}

impl<T: Serialize> Output for Json<T> {
    fn port(name: &str) -> Port {
        Port::new(name, "json")
    }

    fn put(self, name: &str, fields: &mut Fields) -> Result<()> {
        let text = serde_json::to_string(&self.0)
            .map_err(|e| Error::failed(format!("output `{name}` is no JSON: {e}")))?;
        fields.push((name.to_owned(), Value::Json(text)));
        Ok(())
    }
}

macro_rules! plain_outputs {
    ($($ty:ty),*) => {$(
        impl Output for $ty {
            fn port(name: &str) -> Port {
                Json::<$ty>::port_of(name)
            }

            fn put(self, name: &str, fields: &mut Fields) -> Result<()> {
                Json(self).put(name, fields)
            }
        }
    )*};
}

impl<T: Serialize> Json<T> {
    fn port_of(name: &str) -> Port {
        <Self as Output>::port(name)
    }
}

plain_outputs!(bool, u32, u64, i64, f64, String, Vec<f64>, Vec<u64>, Vec<String>);

impl<T: Output> Output for Option<T> {
    fn port(name: &str) -> Port {
        T::port(name)
    }

    fn put(self, name: &str, fields: &mut Fields) -> Result<()> {
        self.map_or(Ok(()), |value| value.put(name, fields))
    }
}

/// What an export returns.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not what a stage returns",
    note = "return Result<T>, T a struct with #[outputs] above it"
)]
pub trait Outputs {
    fn ports() -> Vec<Port>;
    fn fields(self) -> Result<Fields>;
}
