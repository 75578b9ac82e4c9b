//! Joins a plugin's definition to the exports of the world.

use std::cell::RefCell;
use std::marker::PhantomData;

use crate::bindings::exports::mobula::plugin::{actor, meta, task};
pub(crate) use crate::bindings::mobula::plugin::types::Error as WireError;
use crate::bindings::mobula::plugin::values::Value as WireValue;
use crate::error::Error;
use crate::export::{AnyActor, Call, Fields, Plugin, Value};
use crate::tensor::Tensor;

type WireFields = Vec<(String, WireValue)>;

impl WireError {
    /// What the host answered, as the plugin sees it.
    pub(crate) fn into_error(self) -> Error {
        match self {
            Self::Invalid(text) => Error::Invalid(text),
            Self::OutOfBounds(text) => Error::OutOfBounds(text),
            Self::Quota(text) => Error::Quota(text),
            Self::Denied(text) => Error::Denied(text),
            Self::Cancelled => Error::Cancelled,
            Self::Failed(text) => Error::Failed(text),
        }
    }
}

impl From<Error> for WireError {
    fn from(error: Error) -> Self {
        match error {
            Error::Invalid(text) => Self::Invalid(text),
            Error::OutOfBounds(text) => Self::OutOfBounds(text),
            Error::Quota(text) => Self::Quota(text),
            Error::Denied(text) => Self::Denied(text),
            Error::Cancelled => Self::Cancelled,
            Error::Failed(text) => Self::Failed(text),
        }
    }
}

fn call(args: String, inputs: WireFields) -> Call {
    let inputs = inputs.into_iter().map(|(name, value)| {
        let value = match value {
            WireValue::Tensor(handle) => Value::Tensor(Tensor::from_handle(handle)),
            WireValue::Json(text) => Value::Json(text),
            WireValue::Bytes(bytes) => Value::Bytes(bytes),
        };
        (name, value)
    });
    Call::new(args, inputs.collect())
}

pub(crate) fn fields(fields: Fields) -> WireFields {
    let fields = fields.into_iter().map(|(name, value)| {
        let value = match value {
            Value::Tensor(tensor) => WireValue::Tensor(tensor.into_handle()),
            Value::Json(text) => WireValue::Json(text),
            Value::Bytes(bytes) => WireValue::Bytes(bytes),
        };
        (name, value)
    });
    fields.collect()
}

impl<P: Plugin> meta::Guest for P {
    fn describe() -> String {
        P::definition().manifest().to_string()
    }
}

impl<P: Plugin> task::Guest for P {
    fn run(name: String, args: String, inputs: WireFields) -> Result<WireFields, WireError> {
        Ok(fields(P::definition().run(&name, call(args, inputs))?))
    }
}

/// A living actor of plugin `P`.
pub struct Instance<P> {
    actor: RefCell<Box<dyn AnyActor>>,
    plugin: PhantomData<P>,
}

impl<P> std::fmt::Debug for Instance<P> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Instance")
    }
}

impl<P: Plugin> actor::Guest for P {
    type Instance = Instance<P>;
}

impl<P: Plugin> actor::GuestInstance for Instance<P> {
    fn create(
        class: String,
        args: String,
        inputs: WireFields,
    ) -> Result<actor::Instance, WireError> {
        let actor = (P::definition().actor(&class)?.create)(call(args, inputs))?;
        Ok(actor::Instance::new(Self { actor: RefCell::new(actor), plugin: PhantomData }))
    }

    fn restore(class: String, version: u32, state: Vec<u8>) -> Result<actor::Instance, WireError> {
        let actor = (P::definition().actor(&class)?.restore)(version, &state)?;
        Ok(actor::Instance::new(Self { actor: RefCell::new(actor), plugin: PhantomData }))
    }

    fn call(
        &self,
        method: String,
        args: String,
        inputs: WireFields,
    ) -> Result<WireFields, WireError> {
        Ok(fields(self.actor.borrow_mut().call(&method, call(args, inputs))?))
    }

    fn snapshot(&self) -> Result<(u32, Vec<u8>), WireError> {
        Ok(self.actor.borrow().snapshot()?)
    }
}

/// Exports a plugin; `plugin!` writes it.
#[macro_export]
macro_rules! export_plugin {
    ($plugin:ident) => {
        $crate::bindings::export_world!($plugin with_types_in $crate::bindings);
    };
}
