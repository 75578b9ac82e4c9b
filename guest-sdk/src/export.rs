//! What the macros write against: descriptions of exports, and calls with their inputs.

use schemars::JsonSchema;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value as JsonValue, json};

use crate::error::{Error, Result};
pub use crate::ports::{Fields, Input, Json, Output, Outputs, Port, Value};
use crate::shape::Axes;

/// One call: arguments and inputs, taken one after another.
#[derive(Debug)]
pub struct Call {
    /// The export, such as ``task `subset` ``, for messages.
    place: String,
    args: String,
    inputs: Fields,
    args_taken: bool,
    axes: Axes,
}

impl Call {
    #[must_use]
    pub fn new(args: String, inputs: Fields) -> Self {
        Self { place: String::new(), args, inputs, args_taken: false, axes: Axes::default() }
    }

    fn at(mut self, place: String) -> Self {
        self.place = place;
        self
    }

    /// Says which export refuses.
    fn refusal(&self, error: Error) -> Error {
        match error {
            Error::Invalid(text) => Error::Invalid(format!("{}: {text}", self.place)),
            other => other,
        }
    }

    pub fn args<T: DeserializeOwned>(&mut self) -> Result<T> {
        self.args_taken = true;
        let text = if self.args.is_empty() { "{}" } else { &self.args };
        parse(text, "args").map_err(|e| self.refusal(e))
    }

    pub fn input<T: Input>(&mut self, name: &str) -> Result<T> {
        let at = self.inputs.iter().position(|(input, _)| input == name);
        T::take(name, at.map(|at| self.inputs.remove(at).1)).map_err(|e| self.refusal(e))
    }

    /// An input of these elements and axes, such as `u8` and `[N, H, W, 3]`.
    pub fn shaped<T: Input>(
        &mut self,
        name: &str,
        dtype: Option<&str>,
        shape: Option<&str>,
    ) -> Result<T> {
        let input = self.input::<T>(name)?;
        if let Some((got, axes)) = input.tensor() {
            if let Some(wanted) = dtype.filter(|wanted| *wanted != got.name()) {
                let text =
                    format!("input `{name}` takes a tensor of {wanted}, but got one of {got}");
                return Err(self.refusal(Error::Invalid(text)));
            }
            let fits = shape.map_or(Ok(()), |shape| self.axes.fit(shape, &axes));
            fits.map_err(|why| self.refusal(Error::Invalid(format!("input `{name}`: {why}"))))?;
        }
        Ok(input)
    }

    /// Refuses what nobody took.
    pub fn finish(&self) -> Result<()> {
        if let Some((name, _)) = self.inputs.first() {
            return Err(self.refusal(Error::invalid(format!("no input is called `{name}`"))));
        }
        let given = !self.args_taken && !matches!(self.args.trim(), "" | "{}" | "null");
        if given { Err(self.refusal(Error::invalid("it takes no args"))) } else { Ok(()) }
    }
}

pub(crate) fn parse<T: DeserializeOwned>(text: &str, what: &str) -> Result<T> {
    let mut reader = serde_json::Deserializer::from_str(text);
    serde_path_to_error::deserialize(&mut reader).map_err(|e| {
        let path = e.path().to_string();
        let place = if path == "." { String::new() } else { format!(".{path}") };
        Error::invalid(format!("{what}{place}: {}", e.inner()))
    })
}

/// JSON Schema of arguments.
#[must_use]
pub fn schema<T: JsonSchema>() -> JsonValue {
    schemars::schema_for!(T).to_value()
}

/// A task or method, described.
#[derive(Debug)]
pub struct TaskDoc {
    pub name: &'static str,
    pub doc: &'static str,
    pub args: Option<JsonValue>,
    pub inputs: Vec<Port>,
    pub outputs: Vec<Port>,
}

impl TaskDoc {
    fn json(self) -> JsonValue {
        let ports = |ports: Vec<Port>| ports.into_iter().map(|port| port.0).collect::<Vec<_>>();
        json!({ "name": self.name, "doc": self.doc, "args": self.args,
            "inputs": ports(self.inputs), "outputs": ports(self.outputs) })
    }
}

/// An actor class, described.
#[derive(Debug)]
pub struct ActorDoc {
    pub name: &'static str,
    pub doc: &'static str,
    pub args: Option<JsonValue>,
    pub inputs: Vec<Port>,
    pub methods: Vec<TaskDoc>,
}

/// A task.
#[derive(Debug)]
pub struct TaskDef {
    pub name: &'static str,
    pub describe: fn() -> TaskDoc,
    pub run: fn(Call) -> Result<Fields>,
}

/// A type with `#[actor]`.
pub trait ActorClass: Serialize + DeserializeOwned + 'static {
    const NAME: &'static str;
    const VERSION: u32;
    fn describe() -> ActorDoc;
    fn create(call: Call) -> Result<Self>;
    fn call(&mut self, method: &str, call: Call) -> Result<Fields>;
}

/// An actor of any class.
pub trait AnyActor {
    fn call(&mut self, method: &str, call: Call) -> Result<Fields>;
    fn snapshot(&self) -> Result<(u32, Vec<u8>)>;
}

impl<T: ActorClass> AnyActor for T {
    fn call(&mut self, method: &str, call: Call) -> Result<Fields> {
        ActorClass::call(self, method, call.at(format!("method `{}.{method}`", T::NAME)))
    }

    fn snapshot(&self) -> Result<(u32, Vec<u8>)> {
        let mut state = Vec::new();
        ciborium::into_writer(self, &mut state)
            .map_err(|e| Error::failed(format!("state of {}: {e}", T::NAME)))?;
        Ok((T::VERSION, state))
    }
}

/// A new actor, whatever its class.
pub type Made = Result<Box<dyn AnyActor>>;

/// An actor class.
#[derive(Debug)]
pub struct ActorDef {
    pub name: &'static str,
    pub describe: fn() -> ActorDoc,
    pub create: fn(Call) -> Made,
    pub restore: fn(u32, &[u8]) -> Made,
}

impl ActorDef {
    #[must_use]
    pub fn of<T: ActorClass>() -> Self {
        Self {
            name: T::NAME,
            describe: T::describe,
            create: |call| Ok(Box::new(T::create(call.at(format!("actor `{}`", T::NAME)))?)),
            restore: |version, state| {
                if version != T::VERSION {
                    let (name, own) = (T::NAME, T::VERSION);
                    let message = format!(
                        "the state of {name} has version {version}, this plugin reads only {own}"
                    );
                    return Err(Error::invalid(message));
                }
                let read = ciborium::from_reader::<T, _>(state);
                let name = T::NAME;
                Ok(Box::new(read.map_err(|e| Error::invalid(format!("state of {name}: {e}")))?))
            },
        }
    }
}

#[must_use]
pub fn no_method<T: ActorClass>(method: &str) -> Error {
    let there: Vec<&str> = T::describe().methods.iter().map(|doc| doc.name).collect();
    Error::invalid(format!("{} has no method `{method}`: {}", T::NAME, there.join(", ")))
}

/// All exports of a plugin.
#[derive(Debug)]
pub struct Definition {
    pub name: &'static str,
    pub version: &'static str,
    pub tasks: Vec<TaskDef>,
    pub actors: Vec<ActorDef>,
    pub mounts: Vec<&'static str>,
}

/// What `plugin!` makes.
pub trait Plugin: 'static {
    fn definition() -> Definition;
}

impl Definition {
    /// The manifest.
    #[must_use]
    pub fn manifest(&self) -> JsonValue {
        let tasks: Vec<JsonValue> = self.tasks.iter().map(|t| (t.describe)().json()).collect();
        let actors = self.actors.iter().map(|actor| {
            let ActorDoc { name, doc, args, inputs, methods } = (actor.describe)();
            let inputs: Vec<_> = inputs.into_iter().map(|port| port.0).collect();
            let methods: Vec<JsonValue> = methods.into_iter().map(TaskDoc::json).collect();
            json!({ "name": name, "doc": doc, "args": args, "inputs": inputs, "methods": methods })
        });
        json!({ "name": self.name, "version": self.version, "tasks": tasks,
            "actors": actors.collect::<Vec<_>>(), "requests": { "mounts": self.mounts } })
    }

    /// Runs a task.
    pub fn run(&self, name: &str, call: Call) -> Result<Fields> {
        match self.tasks.iter().find(|task| task.name == name) {
            Some(task) => (task.run)(call.at(format!("task `{name}`"))),
            None => {
                let there: Vec<&str> = self.tasks.iter().map(|task| task.name).collect();
                let message = format!("{} has no task `{name}`: {}", self.name, there.join(", "));
                Err(Error::invalid(message))
            }
        }
    }

    /// The actor class of this name.
    pub fn actor(&self, class: &str) -> Result<&ActorDef> {
        self.actors.iter().find(|actor| actor.name == class).ok_or_else(|| {
            let there: Vec<&str> = self.actors.iter().map(|actor| actor.name).collect();
            Error::invalid(format!("{} has no actor `{class}`: {}", self.name, there.join(", ")))
        })
    }
}
